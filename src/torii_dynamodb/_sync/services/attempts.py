# Generated from src/torii_dynamodb/_async/services/attempts.py by tools/unasync.py. Do not edit.

"""Counting attempts to sign in with a password, and reporting those that fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NoReturn

from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.signing_in import WRONG_PASSWORD, Browser
from torii_dynamodb._sync.primitives import both
from torii_dynamodb.errors import AccountLocked, InvalidCredentials
from torii_dynamodb.events import SignInFailed
from torii_dynamodb.models import LockoutPolicy, PasswordCredentials

if TYPE_CHECKING:
    from datetime import timedelta

    from torii_dynamodb._rules.devices import Devices
    from torii_dynamodb._sync.contract import Storage
    from torii_dynamodb._sync.services.events import Events
    from torii_dynamodb.clock import Clock

__all__ = ["Attempts", "TakenAttempt"]

_TOO_MANY = "too many attempts to sign in to this account; try again later"


@dataclass(frozen=True, slots=True)
class TakenAttempt:
    """An attempt that was counted.

    Args:
        id: Its id; empty if none was counted.
        clears: Whether a success clears the address's register: not for a known device, because others count there.
    """

    id: str
    clears: bool = True


class Attempts:
    """Counts attempts by address, and those of known browsers while the address is locked out.

    Known browsers of a user share one limit: every sign-in, even by a link or a provider, may leave another device
    token, so a limit per device would be no limit.

    Args:
        storage: Stores the counts.
        lockout: How many attempts are accepted in which time.
        events: Gets the failures.
        clock: The clock.
        devices: Recognises browsers that the user signed in with before.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        lockout: LockoutPolicy,
        events: Events,
        clock: Clock,
        devices: Devices | None,
    ) -> None:
        self._storage = storage
        self._lockout = lockout
        self._events = events
        self._clock = clock
        self._devices = devices

    def take(self, email: str, browser: Browser) -> tuple[TakenAttempt, PasswordCredentials | None]:
        """Count an attempt, and read what is needed to check it. Two requests at once; a third for a known device.

        Raises:
            AccountLocked: No attempt is left.
        """
        attempt, found = both(
            lambda: self._storage.acquire_login_attempt(email, policy=self._lockout),
            lambda: self._storage.get_credentials_by_email(email),
        )
        if attempt.allowed:
            return TakenAttempt(attempt.attempt_id), found
        retry_after = attempt.retry_after
        known = self._devices is not None and self._devices.recognise(browser.device_token, found) is not None
        if known and found is not None:
            own = self._storage.acquire_attempt("user", found.user_id, purpose="known_device", policy=self._lockout)
            if own.allowed:
                return TakenAttempt(own.attempt_id, clears=False), found
            retry_after = min((span for span in (retry_after, own.retry_after) if span is not None), default=None)
        self._tell(email, found, browser, "lockout", retry_after)
        raise AccountLocked(_TOO_MANY, retry_after=retry_after)

    def clear(self, email: str, attempt: TakenAttempt) -> None:
        """Clear the attempts after a success."""
        if attempt.id and attempt.clears:
            self._storage.clear_attempts(email, attempt_id=attempt.id)

    def fail(self, email: str, attempt: TakenAttempt, browser: Browser) -> None:
        """Write the audit row."""
        if attempt.id:
            self._storage.record_failed_attempt(
                email,
                attempt.id,
                ip_address=browser.ip_address,
                user_agent=browser.user_agent,
                policy=self._lockout,
            )

    def refuse(
        self,
        email: str,
        credentials: PasswordCredentials | None,
        attempt: TakenAttempt,
        browser: Browser,
        *,
        unverified: bool = False,
    ) -> NoReturn:
        """Write the audit row, emit the event, and refuse. Only the event distinguishes ``unverified`` from wrong."""
        self.fail(email, attempt, browser)
        self._tell(email, credentials, browser, "unverified" if unverified else "credentials")
        raise InvalidCredentials(WRONG_PASSWORD)

    def _tell(
        self,
        email: str,
        credentials: PasswordCredentials | None,
        browser: Browser,
        reason: Literal["credentials", "lockout", "unverified"],
        retry_after: timedelta | None = None,
    ) -> None:
        self._events.emit(
            SignInFailed(
                at=self._clock(),
                user_id=None if credentials is None else credentials.user_id,
                method="password",
                reason=reason,
                email=normalise_email(email).normalised,
                ip_address=browser.ip_address,
                user_agent=browser.user_agent,
                retry_after=retry_after,
            )
        )
