"""Known devices: proof that a user signed in with a browser before, without storing anything.

Anybody can lock an address out by failing often enough, from anywhere. A browser that the user signed in with before
has a device token, and with it attempts that strangers cannot use up (OWASP, "Device Cookies").

``torii_d1_<user id>.<device id>.<issued>.<MAC>``: the MAC (HMAC-SHA256) also covers address and password version, which
the token does not reveal. A change of either invalidates it, so knowing an old password is of no use.

For a browser that is trusted to do without a second factor, ``.<when it gave one>.<MAC>`` follows. This MAC also covers
the set of factors and the session epoch, so the trust ends when a factor is added or removed, and with signing out
everywhere.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from torii_dynamodb._rules import base64url
from torii_dynamodb._rules.second_factor import SECOND_FACTOR
from torii_dynamodb._rules.times import epoch_seconds, from_epoch_seconds
from torii_dynamodb.clock import Clock, RandomBytes
from torii_dynamodb.models import PasswordCredentials, User

__all__ = ["Devices"]

_PREFIX = "torii_d1_"
_TOKEN = re.compile(
    r"torii_d1_([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{22})\.([0-9a-f]{8,12})\.([A-Za-z0-9_-]{43})"
    r"(?:\.([0-9a-f]{8,12})\.([A-Za-z0-9_-]{43}))?",
    re.ASCII,
)


class Devices:
    """Issues and recognises device tokens. No I/O: the proof is in the token.

    Args:
        secrets: The application's secrets; the first signs, all are recognised.
        clock: The clock.
        random: The randomness for a new device's id.
        lifetime: How long a browser is remembered.
    """

    def __init__(
        self,
        secrets: Sequence[bytes],
        *,
        clock: Clock,
        random: RandomBytes,
        lifetime: timedelta = timedelta(days=180),
    ) -> None:
        self._keys = [hmac.digest(secret, b"torii-dynamodb/device/1", "sha256") for secret in secrets]
        self._clock = clock
        self._random = random
        self.lifetime = lifetime

    def issue(self, user: User, presented: str | None = None, *, trusted_since: datetime | None = None) -> str:
        """The token to leave with a browser that has just signed this user in.

        Args:
            user: Who signed in.
            presented: The token that the browser came with, if any: it keeps its id, so that signing in again and
                again does not make more devices of one. It also stays trusted.
            trusted_since: When the browser gave the second factor that it need not give again for a while; ``None``:
                it is not trusted unless it was before.
        """
        known = self.recognise(presented, user)
        device = known if known is not None else base64url.encode(self._random(16))
        issued = f"{epoch_seconds(self._clock()):08x}"
        token = f"{_PREFIX}{user.id}.{device}.{issued}.{_mac(self._keys[0], user, device, issued)}"
        passed = self.second_factor_at(presented, user) if trusted_since is None else trusted_since
        if passed is None:
            return token
        when = f"{epoch_seconds(passed):08x}"
        return f"{token}.{when}.{_mac(self._keys[0], user, device, when, *_factors(user))}"

    def second_factor_at(self, token: str | None, user: User) -> datetime | None:
        """When the browser gave the second factor that it is trusted for; ``None`` if it is not trusted."""
        device = self.recognise(token, user)
        match = None if token is None else _TOKEN.fullmatch(token)
        if device is None or match is None or match[5] is None:
            return None
        good = [hmac.compare_digest(match[6], _mac(key, user, device, match[5], *_factors(user))) for key in self._keys]
        return from_epoch_seconds(int(match[5], 16)) if any(good) else None

    def user_of(self, token: str | None) -> str | None:
        """Return the user that a token names, unverified; ``None`` if it is malformed."""
        match = None if token is None else _TOKEN.fullmatch(token)
        return None if match is None else match[1]

    def recognise(self, token: str | None, user: User | PasswordCredentials | None) -> str | None:
        """Return the device's id if the token is valid for this user as they are now, otherwise ``None``."""
        match = None if token is None else _TOKEN.fullmatch(token)
        if match is None or user is None:
            return None
        named, device, issued, mac = match.groups()[:4]
        if named != _id(user):
            return None
        age = epoch_seconds(self._clock()) - int(issued, 16)
        if not -300 <= age < self.lifetime // timedelta(seconds=1):
            return None
        good = [hmac.compare_digest(mac, _mac(key, user, device, issued)) for key in self._keys]
        return device if any(good) else None


def _id(user: User | PasswordCredentials) -> str:
    return user.id if isinstance(user, User) else user.user_id


def _factors(user: User) -> tuple[str, ...]:
    # The serial changes with each removal: trust must not come back when the same factors are set up again.
    serial = user.token_serials.get(SECOND_FACTOR, "")
    return ("second factor", str(user.session_epoch), serial, *sorted(user.factors))


def _mac(key: bytes, user: User | PasswordCredentials, *parts: str) -> str:
    message = b""
    for part in (_id(user), user.email, user.password_version or "", *parts):
        raw = part.encode()
        message += len(raw).to_bytes(4, "big") + raw
    return base64url.encode(hmac.new(key, message, sha256).digest())
