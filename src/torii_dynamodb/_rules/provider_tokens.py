"""A provider's tokens for its API: which parts are stored, and how."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb._rules.times import epoch_seconds, from_epoch_seconds
from torii_dynamodb.models import Metadata, OAuthAccount

__all__ = ["KeptTokens", "associated", "is_leased", "leased", "sealed_of", "stored"]

_SEALED = "sealed"
_LEASE = "lease"
_LEASE_ENDS = "lease_ends"
_LEASE_FOR = timedelta(seconds=30)  # longer than a request to a provider may take


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTokens:
    """The tokens that are stored, sealed.

    Args:
        access_token: For the provider's API.
        refresh_token: To get another; ``None`` if there is none.
        expires_at: When the access token expires; ``None`` if the provider does not say, or it does not expire.
        scopes: What the provider granted.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    scopes: tuple[str, ...] = ()

    @classmethod
    def of(cls, answer: Mapping[str, Any], now: datetime, before: KeptTokens | None = None) -> KeptTokens | None:
        """Read a token endpoint's response; ``None`` if it contains no access token.

        Args:
            answer: The response.
            now: When it came.
            before: The tokens stored until now: providers omit a refresh token that stays the same, and scopes that
                are as requested.
        """
        access, refresh, lifetime = (answer.get(name) for name in ("access_token", "refresh_token", "expires_in"))
        if not isinstance(access, str) or not access:
            return None
        scopes = answer.get("scope")
        if not isinstance(refresh, str) or not refresh:
            refresh = None if before is None else before.refresh_token
        return cls(
            access_token=access,
            refresh_token=refresh,
            expires_at=_end(lifetime, now),
            # GitHub separates them by commas.
            scopes=tuple(scopes.replace(",", " ").split())
            if isinstance(scopes, str)
            else (() if before is None else before.scopes),
        )

    def holds(self, now: datetime, at_least: timedelta = timedelta(0)) -> bool:
        """Whether the access token is valid for at least that long."""
        return self.expires_at is None or self.expires_at - now > at_least

    def dump(self) -> bytes:
        """To be sealed."""
        ends = None if self.expires_at is None else epoch_seconds(self.expires_at)
        kept = {"access": self.access_token, "refresh": self.refresh_token, "ends": ends, "scopes": self.scopes}
        return json.dumps(kept, separators=(",", ":")).encode()

    @classmethod
    def load(cls, plain: bytes) -> KeptTokens:
        """What :meth:`dump` gave."""
        kept = json.loads(plain)
        return cls(
            access_token=kept["access"],
            refresh_token=kept["refresh"],
            expires_at=None if kept["ends"] is None else from_epoch_seconds(kept["ends"]),
            scopes=tuple(kept["scopes"]),
        )

    def renewed(self, answer: Mapping[str, Any], now: datetime) -> KeptTokens | None:
        """After a refresh."""
        return self.of(answer, now, self)

    def without_refresh(self) -> KeptTokens:
        """Return when the provider stops accepting the refresh token."""
        return replace(self, refresh_token=None)


def _end(lifetime: object, now: datetime) -> datetime | None:
    """Return when a token with this lifetime in seconds expires; some providers send it as a string."""
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float | str) or not str(lifetime).isdecimal():
        return None
    return now + timedelta(seconds=min(int(lifetime), 366 * 86400))


def associated(provider: str, subject: str) -> bytes:
    """Return what a seal is bound to: the account's row."""
    return f"torii-dynamodb/oauth-tokens/1\0{provider}\0{subject}".encode()


def stored(sealed: bytes) -> dict[str, Any]:
    """Return what is stored in the account, in addition to a lease."""
    return {_SEALED: sealed}


def sealed_of(account: OAuthAccount) -> bytes | None:
    """Return the sealed tokens in an account; ``None`` if there are none."""
    found = account.tokens.get(_SEALED)
    return found if isinstance(found, bytes) else None


def leased(tokens: Metadata, name: str, now: datetime) -> dict[str, Any]:
    """Return the same with a lease: its holder refreshes, all others wait. It expires if its holder dies."""
    return {**tokens, _LEASE: name, _LEASE_ENDS: epoch_seconds(now + _LEASE_FOR)}


def is_leased(tokens: Metadata, now: datetime) -> bool:
    """Whether a refresh is in progress."""
    ends = tokens.get(_LEASE_ENDS)
    return isinstance(ends, int) and epoch_seconds(now) < ends
