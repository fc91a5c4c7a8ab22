"""The steps that the operations are made of. Those that read or write the state are called with the lock held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from torii_dynamodb._core import keys, users
from torii_dynamodb._rules import validation
from torii_dynamodb.clock import Clock, RandomBytes, system_clock, system_random
from torii_dynamodb.errors import AlreadyExists, LastSignInMethod, NotFound, Revoked, TooManyIdentities
from torii_dynamodb.models import Factor, OAuthAccount, Passkey, User
from torii_dynamodb.testing._memory import rows
from torii_dynamodb.testing._memory.inputs import own
from torii_dynamodb.testing._memory.state import EmailIdentity, Identity, MemoryState, TokenRow

__all__ = ["MemoryBase", "copied_account", "copied_user"]

ALL_PURPOSES: Final = "*"
"""The serial that all purposes share; no purpose has this name."""


def copied_user(user: User) -> User:
    """Return a copy of the user: changing its metadata does not change the stored user."""
    return replace(user, metadata=own(user.metadata), token_serials=dict(user.token_serials))


def copied_account(account: OAuthAccount) -> OAuthAccount:
    """Return a copy of the account."""
    return replace(account, profile=own(account.profile), tokens=own(account.tokens))


class MemoryBase:
    """State, clock, randomness, and the steps that several operations share.

    Args:
        clock: The source of time.
        random: The source of random bytes.
        state: The stored data; ``None``: empty. Storages that share one act as several hosts.
    """

    def __init__(
        self, *, clock: Clock = system_clock, random: RandomBytes = system_random, state: MemoryState | None = None
    ) -> None:
        self._clock = clock
        self._random = random
        self._state = MemoryState() if state is None else state

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._state!r})"

    @property
    def state(self) -> MemoryState:
        """The stored data; pass it to another storage to share it."""
        return self._state

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Return everything stored, by table, as plain Python values: to show that it contains no secret.

        Times are text, as in the tables; ``expires_at`` is in epoch seconds. Absent values have no key.
        """
        with self._state.lock:
            return rows.dump(self._state)

    def _now(self) -> datetime:
        return validation.moment(self._clock(), "clock")

    def _nonce(self) -> str:
        return self._random(16).hex()

    # Users

    def _user(self, user_id: str) -> User:
        user = self._state.users.get(user_id)
        if user is None:
            raise NotFound("user", f"there is no user {user_id}")
        return user

    def _require_epoch(self, user: User, session_epoch: int | None) -> None:
        """Refuse an operation that began before all sessions of the user ended."""
        if session_epoch is not None and session_epoch != user.session_epoch:
            raise Revoked("all sessions of the user were ended since; sign in and begin again")

    def _holder(self, email: str) -> User | None:
        identity = self._state.identities.get(keys.email_key(email))
        return None if identity is None else self._state.users[identity.user_id]

    def _insert_user(
        self,
        user: User,
        *,
        password_hash: str | None = None,
        belongings: Mapping[str, OAuthAccount | Passkey | Factor] | None = None,
    ) -> User:
        """Store a new user with what belongs to it. The caller has checked that nothing of it is taken."""
        identities: dict[str, Identity] = {
            keys.email_key(user.email): EmailIdentity(
                user_id=user.id,
                email=user.email,
                created_at=user.created_at,
                password_hash=password_hash,
                password_version=user.password_version,
            )
        }
        for key, one in (belongings or {}).items():
            identities[key] = copied_account(one) if isinstance(one, OAuthAccount) else one
        rows.check_size(rows.user_row(user), "the user")
        for key, identity in identities.items():
            rows.check_size(rows.identity_row(key, identity), "the identity")
        self._state.users[user.id] = user
        self._state.identities.update(identities)
        return user

    def _change(self, user: User, **changes: Any) -> User:
        """Replace the user by a changed one with the next version."""
        changed = replace(user, version=user.version + 1, updated_at=self._now(), **changes)
        rows.check_size(rows.user_row(changed), "the user")
        self._state.users[user.id] = changed
        return changed

    # Identities

    def _email_identity(self, user: User) -> EmailIdentity:
        identity = self._state.identities[keys.email_key(user.email)]
        assert isinstance(identity, EmailIdentity)
        return identity

    def _add_identity(self, user: User, key: str, identity: OAuthAccount | Passkey, **changes: Any) -> None:
        """Give the user an identity that nobody holds, with any other changes."""
        if len(user.identities) >= keys.MAX_IDENTITIES:
            raise TooManyIdentities(
                f"the user holds {len(user.identities)} identities; remove one before adding another",
                limit=keys.MAX_IDENTITIES,
            )
        rows.check_size(rows.identity_row(key, identity), "the identity")
        self._change(user, identities=user.identities | {key}, **changes)
        self._state.identities[key] = identity

    def _remove_identities(
        self, user: User, removed: frozenset[str], *, allow_verified_email: bool, **changes: Any
    ) -> None:
        """Remove identities, unless nothing would be left to sign in with; with any other changes."""
        left = user.identities - removed
        self._require_sign_in_method(user, left, password=user.has_password, verified_email=allow_verified_email)
        self._change(user, identities=left, **changes)
        for key in removed:
            del self._state.identities[key]

    def _require_sign_in_method(
        self, user: User, left: frozenset[str], *, password: bool, verified_email: bool
    ) -> None:
        others = left - {keys.email_key(user.email)}
        if not (password or others or (verified_email and user.is_email_verified)):
            raise LastSignInMethod("this is the user's last way to sign in; add another before removing it")

    def _unproven(self, user: User) -> frozenset[str]:
        """The keys of everything that the first proof of the address removes."""
        return (user.identities - {keys.email_key(user.email)}) | set(users.factor_keys(user))

    def _holder_or_conflict(self, key: str, user_id: str, what: str) -> Identity | None:
        """Return the identity if this user holds it; ``None`` if nobody does."""
        identity = self._state.identities.get(key)
        if identity is not None and identity.user_id != user_id:
            raise AlreadyExists(what, "another user holds it")
        return identity

    # Passwords and sessions

    def _write_password(self, user: User, password_hash: str | None, **changes: Any) -> User:
        """Set or remove the password and end all sessions and tokens, with any other changes."""
        version = None if password_hash is None else self._nonce()
        identity = replace(self._email_identity(user), password_hash=password_hash, password_version=version)
        changed = self._change(user, password_version=version, session_epoch=user.session_epoch + 1, **changes)
        self._state.identities[keys.email_key(user.email)] = identity
        self._drop_ended_sessions(changed)
        return changed

    def _drop_ended_sessions(self, user: User) -> None:
        sessions = self._state.sessions
        for key in [key for key, row in sessions.items() if row.user_id == user.id and row.epoch != user.session_epoch]:
            del sessions[key]

    # One-time tokens

    def _serial(self, user: User, purpose: str) -> str:
        """Return the serial that a valid token of the purpose has."""
        return f"{user.token_serials.get(ALL_PURPOSES, '')}/{user.token_serials.get(purpose, '')}"

    def _token_user(self, row: TokenRow | None, now: datetime) -> tuple[TokenRow, User | None] | None:
        """Return the token and its user if the token is valid."""
        if row is None or row.consumed_by is not None or now >= row.expires_at:
            return None
        if row.user_id is None:
            return row, None
        user = self._state.users.get(row.user_id)
        if (
            user is None
            or row.email != user.email
            or row.epoch != user.session_epoch
            or row.serial != self._serial(user, row.purpose)
        ):
            return None
        return row, user

    def _consume(self, row: TokenRow) -> None:
        self._state.tokens[row.id] = replace(row, consumed_by=self._nonce())
