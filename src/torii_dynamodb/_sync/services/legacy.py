# Generated from src/torii_dynamodb/_async/services/legacy.py by tools/unasync.py. Do not edit.

"""Migrating users of another system when they first sign in."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from torii_dynamodb._rules import totp
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.hashing import normalise_password
from torii_dynamodb._rules.legacy_users import converted
from torii_dynamodb._sync.primitives import monotonic, sleep, within
from torii_dynamodb.errors import AlreadyExists, ToriiError, ValidationError
from torii_dynamodb.events import LegacyFailed, UserCreated
from torii_dynamodb.legacy import ImportedUser, LegacyRefused, LegacyUser

if TYPE_CHECKING:
    from torii_dynamodb._sync.contract import Storage
    from torii_dynamodb._sync.secret_box import SecretBox
    from torii_dynamodb._sync.services.events import Events
    from torii_dynamodb._sync.services.hashing import Hashing
    from torii_dynamodb.clock import Clock

__all__ = ["Legacy", "Migration"]

_log = logging.getLogger("torii_dynamodb")

# Seconds after the other system's time for what a failure causes: cancelling the call, log, handlers of the event.
_SLACK = 0.25


class Legacy(Protocol):
    """The other system, as ``Torii(legacy=...)`` takes it: usually a coroutine function.

    If it also has a method ``migrated(user: LegacyUser)``, that is called after the user was stored here, with the same
    time limit. It should make the other system refuse the user from now on. Otherwise somebody who is deleted here can
    sign in with the old password again, and becomes a new user.
    """

    def __call__(self, email: str, password: str) -> LegacyUser | None:
        """Return the user if the password is right there; ``None`` if it is not, or there is no such user.

        It is called once for each attempt to sign in to an address that is not known here, after that was counted.

        Args:
            email: The address, as it was typed.
            password: The password, as it was typed.

        Raises:
            LegacyRefused: The other system refuses this user, although the password may be right.
        """
        ...


class _Unsealed:
    """Leaves seeds as they are: they are sealed afterwards, possibly by a key management service."""

    def seal(self, plain: bytes, *, associated: bytes) -> bytes:
        return plain


class Migration:
    """Asks the other system about an address that is not known here, and imports the user if the password is right.

    Every refused sign-in takes the same time, whether the other system was asked or not and whatever it said: the
    longest that it may take, and a quarter of a second for what follows. So the time tells neither which addresses
    are known here nor which are known there.

    Args:
        legacy: The other system.
        timeout: How long it may take.
        storage: Stores users.
        hashing: Hashes the password.
        events: Receives the events.
        clock: The clock.
        box: Seals the seeds of authenticator apps; ``None`` if there is no secret.
    """

    def __init__(
        self,
        legacy: Legacy,
        *,
        timeout: timedelta,
        storage: Storage,
        hashing: Hashing,
        events: Events,
        clock: Clock,
        box: SecretBox | None,
    ) -> None:
        self._legacy = legacy
        self._seconds = timeout.total_seconds()
        self._storage = storage
        self._hashing = hashing
        self._events = events
        self._clock = clock
        self._box = box

    def rest(self, began: float) -> None:
        """Wait until the time that the other system may take is over.

        Args:
            began: When it began, by the monotonic clock.
        """
        sleep(max(0.0, began + self._seconds + _SLACK - monotonic()))

    def migrate(self, email: str, password: str | None) -> bool:
        """Ask the other system once, and import the user. It does not sign in.

        Args:
            email: An address that is not known here.
            password: The password, as typed; ``None`` for one that cannot be right.

        Returns:
            Whether the password was right there, so that the user is here now. ``False`` also if the other system
            failed, or the user could not be imported; the log and the event :class:`LegacyFailed` say why.

        Raises:
            Overloaded: Too many passwords are being hashed.
        """
        if password is None:
            return False
        address = normalise_email(email)
        try:
            found = within(self._seconds, lambda: self._legacy(address.as_given, password))
            if found is None:
                return False
            if not isinstance(found, LegacyUser):  # pyright: ignore[reportUnnecessaryIsInstance] - your own callable
                raise LegacyRefused(f"returned {type(found).__name__}, which is not a LegacyUser")
            # Otherwise one system's mistake would give away another address here.
            if normalise_email(found.email).normalised != address.normalised:
                raise LegacyRefused("returned a user with another address")
            imported = self._converted(found)
        except Exception as error:  # noqa: BLE001 - the other system may raise anything; for the person it is a wrong password
            self._tell(address.normalised, error)
            return False
        with self._hashing.turn() as submit:
            password_hash = self._hashing.hash(submit, normalise_password(password))
        try:
            user, created = self._storage.import_user(replace(imported, password_hash=password_hash))
        except AlreadyExists as error:
            # Somebody else imported or registered the address at this moment: their password decides.
            if error.what == "email":
                return True
            self._tell(address.normalised, error)
            return False
        except ValidationError as error:
            self._tell(address.normalised, error)
            return False
        if created:
            self._events.emit(UserCreated(at=self._clock(), user_id=user.id, email=user.email, method="legacy"))
            self._close_there(found)
        return True

    def _converted(self, found: LegacyUser) -> ImportedUser:
        box = self._box
        bare = replace(found, password_hash=None)
        user = converted(bare, source="legacy", now=self._clock(), box=None if box is None else _Unsealed()).user
        sealed = [
            replace(app, secret=box.seal(app.secret, associated=totp.associated(app.user_id, app.id)))
            for app in user.factors
            if box is not None and app.secret is not None
        ]
        return replace(user, factors=tuple(sealed))

    def _close_there(self, user: LegacyUser) -> None:
        migrated = getattr(self._legacy, "migrated", None)
        if migrated is None:
            return
        try:
            within(self._seconds, lambda: migrated(user))
        except Exception as error:  # noqa: BLE001 - the person is here now and signs in all the same
            self._tell(normalise_email(user.email).normalised, error, after="was migrated, but is still open there")

    def _tell(self, email: str, error: Exception, *, after: str = "could not be migrated") -> None:
        # Only our own errors certainly contain no password.
        known = isinstance(error, ToriiError | LegacyRefused)
        reason = str(error) if known else type(error).__name__
        if isinstance(error, TimeoutError):
            reason = f"no answer within {self._seconds:g} seconds"
        _log.warning("a user of the other system %s: %s", after, reason)
        self._events.emit(LegacyFailed(at=self._clock(), user_id=None, email=email, reason=reason))
