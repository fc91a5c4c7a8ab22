"""Which new passwords are accepted: by length, by lists, and by the words that belong to the user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torii_dynamodb._async.primitives import run_in_thread
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.hashing import PasswordPolicy, check_password
from torii_dynamodb._rules.own_words import is_built_from, words_of
from torii_dynamodb.errors import ValidationError

if TYPE_CHECKING:
    from torii_dynamodb.compromised import CompromisedPasswords

__all__ = ["AsyncPasswordChecks"]


class AsyncPasswordChecks:
    """Checks new passwords.

    Args:
        policy: Which passwords are accepted.
        compromised: Knows passwords from breaches; called in a thread.
        words: More words of the application, besides those of the policy.
    """

    def __init__(
        self, policy: PasswordPolicy, compromised: CompromisedPasswords | None, *, words: Sequence[str] = ()
    ) -> None:
        self.policy = policy
        self._compromised = compromised
        self._words = words_of(*policy.words, *words)

    async def check(self, password: str, *, email: str | None = None, name: str | None = None) -> str:
        """Check a new password.

        Args:
            password: The password.
            email: The user's address, which must not be the password.
            name: The user's name, likewise.

        Returns:
            The password in the form in which it is hashed.

        Raises:
            ValidationError: It cannot be used. The message says why, without the password.
        """
        normalised = check_password(password, self.policy)
        if name is not None:
            validation.text(name, "name", most=256)
        if email is not None and normalised.casefold() in (email.casefold(), email.partition("@")[0].casefold()):
            raise ValidationError("password", "is the email address, or its first part; choose another")
        domain = "" if email is None else email.partition("@")[2].rpartition(".")[0]
        local_part = None if email is None else email.partition("@")[0]
        if is_built_from(normalised, self._words | words_of(local_part, domain, name)):
            raise ValidationError(
                "password", "is made of your name, your email address or this application's name; choose another"
            )
        if self.policy.refuse_common and await run_in_thread(_is_common, normalised):
            raise ValidationError("password", "is one of the most common passwords; choose another")
        if self._compromised is not None and await run_in_thread(self._compromised.is_compromised, normalised):
            raise ValidationError("password", "is on a list of passwords known from breaches; choose another")
        return normalised


def _is_common(password: str) -> bool:
    from torii_dynamodb.compromised import common_passwords

    return common_passwords().is_compromised(password)
