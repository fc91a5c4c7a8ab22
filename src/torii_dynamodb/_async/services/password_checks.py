"""Which new passwords are taken: by length, by list, and none that is the address itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torii_dynamodb._async.primitives import run_in_thread
from torii_dynamodb._rules.hashing import PasswordPolicy, check_password
from torii_dynamodb.errors import ValidationError

if TYPE_CHECKING:
    from torii_dynamodb.compromised import CompromisedPasswords

__all__ = ["AsyncPasswordChecks"]


class AsyncPasswordChecks:
    """Checks new passwords.

    Args:
        policy: Which lengths are taken.
        compromised: Knows passwords from breaches; called in a thread.
    """

    def __init__(self, policy: PasswordPolicy, compromised: CompromisedPasswords | None) -> None:
        self.policy = policy
        self._compromised = compromised

    async def check(self, password: str, *, email: str | None = None) -> str:
        """A new password in the form in which it is hashed.

        Raises:
            ValidationError: It cannot be used; the message says why, for people, and never what it is.
        """
        normalised = check_password(password, self.policy)
        if email is not None and normalised.casefold() in (email.casefold(), email.partition("@")[0].casefold()):
            raise ValidationError("password", "is the e-mail address, or its first part; choose another")
        if self._compromised is not None and await run_in_thread(self._compromised.is_compromised, normalised):
            raise ValidationError("password", "is on a list of passwords known from breaches; choose another")
        return normalised
