# Generated from src/torii_dynamodb/_async/services/email_codes.py by tools/unasync.py. Do not edit.

"""Codes to type from a mail, for people who read their mail on another device."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, cast, get_args

from torii_dynamodb._rules import typed_codes
from torii_dynamodb._rules.bindings import bound_to
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.signing_in import Browser
from torii_dynamodb._sync.services.mail import mailbox
from torii_dynamodb.clock import Clock, RandomBytes
from torii_dynamodb.errors import InvalidCode, ValidationError
from torii_dynamodb.models import EMAIL_VERIFICATION, MAGIC_LINK, EmailCodePurpose, NewToken, User, VerifiedToken
from torii_dynamodb.second_factor import SignInResult

if TYPE_CHECKING:
    from torii_dynamodb._sync.contract import Storage
    from torii_dynamodb._sync.services.magic_links import MagicLinkService
    from torii_dynamodb._sync.services.mail import Mail

__all__ = ["EmailCodeService"]

_WRONG_CODE = "the code is wrong, was used, or has expired; after five tries, ask for a new one"


class EmailCodeService:
    """Eight digits by mail, to sign in, to verify an address, or to reset a password.

    A code is valid for ten minutes (``MailSettings.email_code_for``) and five tries, and only together with the flow
    token of the browser that asked for it. Keep that token in a cookie or in the front end; never mail it.

    Args:
        storage: The storage.
        mail: Sends the codes.
        magic_links: Completes a sign-in as for a link.
        clock: The clock.
        random: The source of random bytes.
        sign_up: Whether a code sent to an address without an account creates one when it is used.
    """

    def __init__(
        self,
        storage: Storage,
        mail: Mail,
        magic_links: Callable[[], MagicLinkService],
        *,
        clock: Clock,
        random: RandomBytes,
        sign_up: bool,
    ) -> None:
        self._storage = storage
        self._mail = mail
        self._magic_links = magic_links
        self._clock = clock
        self._random = random
        self._sign_up = sign_up

    @property
    def lifetime(self) -> timedelta:
        """How long a code is valid."""
        return self._mail.settings.email_code_for

    def send(
        self,
        email: str,
        *,
        purpose: EmailCodePurpose = MAGIC_LINK,
        browser_binding: str | None = None,
        user_id: str | None = None,
    ) -> str:
        """Mail a code. Makes the same requests for known, unknown and locked addresses. Three rounds of requests.

        Args:
            email: The address.
            purpose: What the code is for: signing in, verifying the address, or resetting the password.
            browser_binding: The token that the browser got at sign-up
                (``torii.email_verification.new_browser_binding()``), to verify the address of ``user_id``.
            user_id: The user who is signed in, if any. The binding counts only for the user's own address: whoever
                else asks may have signed up after a stranger did, and must not keep the stranger's password.

        Returns:
            The flow token, to keep in the browser that asked.

        Raises:
            ValidationError: It is not a valid address, or no such purpose.
            RateLimited: Enough mails were sent to this mailbox.
        """
        _check(purpose)
        address = normalise_email(email)
        lifetime = self.lifetime
        user = self._mail.find(email, f"{purpose}_code", lifetime)
        bound = bound_to(browser_binding)
        code = typed_codes.new_code(self._random)
        new_token = NewToken(
            purpose=purpose,
            expires_at=self._clock() + lifetime,
            user_id=None if user is None else user.id,
            email=address.normalised if user is None else None,
            metadata={"email_as_given": address.as_given, **(bound if user is not None and user.id == user_id else {})},
        )
        token = self._storage.create_code(new_token, code, user=user)
        if self._is_mailed(user, purpose):
            to = address.normalised if user is None else mailbox(user)
            context = {"code": f"{code[:4]} {code[4:]}", "purpose": purpose, "expires_in": lifetime}
            self._mail.send("email_code", to, context, user=user)
        return token.token

    def _is_mailed(self, user: User | None, purpose: EmailCodePurpose) -> bool:
        if user is None:
            return purpose == MAGIC_LINK and self._sign_up
        return user.locked_at is None and not (purpose == EMAIL_VERIFICATION and user.is_email_verified)

    def complete(self, flow_token: str, code: str, *, browser: Browser = Browser()) -> SignInResult:
        """Sign in with a code. It proves the address as a link does; the first proof removes what was set up before.

        Args:
            flow_token: What :meth:`send` returned.
            code: What the person typed; spaces and hyphens do not matter.
            browser: Where the request comes from.

        Returns:
            The user and a session, or a challenge if the user must give a second factor.

        Raises:
            InvalidCode: The code is wrong, was used, has expired, or was tried five times.
            AccountLocked: An administrator locked the account.
        """
        verified = self._try(flow_token, code, MAGIC_LINK)
        return self._magic_links().sign_in_by(verified, browser, method="email_code")

    def exchange(self, flow_token: str, code: str, *, purpose: EmailCodePurpose) -> str:
        """Exchange a code for the token that a link would have contained.

        Pass the token to ``torii.email_verification.complete`` or ``torii.password.complete_reset``, which decide what
        the proof means, as for a link.

        Args:
            flow_token: What :meth:`send` returned.
            code: What the person typed.
            purpose: What the code was sent for.

        Returns:
            The token. It is valid as long as a code is: ten minutes by default.

        Raises:
            InvalidCode: The code is wrong, was used, has expired, or was tried five times.
        """
        verified = self._try(flow_token, code, _check(purpose))
        if verified.user is None:
            raise InvalidCode(_WRONG_CODE)
        token = self._storage.create_token(
            NewToken(
                purpose=purpose,
                expires_at=self._clock() + self.lifetime,
                user_id=verified.user.id,
                metadata=verified.token.metadata,
            ),
            user=verified.user,
        )
        return token.token

    def _try(self, flow_token: str, code: str, purpose: EmailCodePurpose) -> VerifiedToken:
        verified = self._storage.try_code(flow_token, code, purpose=purpose)
        if verified is None:
            raise InvalidCode(_WRONG_CODE)
        return verified


def _check(purpose: object) -> EmailCodePurpose:
    # For any other purpose, such as a challenge, a code would be as good as that token.
    if purpose not in get_args(EmailCodePurpose):
        raise ValidationError("purpose", f"give one of {', '.join(get_args(EmailCodePurpose))}")
    return cast("EmailCodePurpose", purpose)
