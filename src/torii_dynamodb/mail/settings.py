"""What mails say about the application, and where their links lead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from torii_dynamodb._rules.checking import check_fields, check_policy
from torii_dynamodb._rules.on_lambda import on_lambda
from torii_dynamodb.branding import Brand
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.languages import Languages
from torii_dynamodb.models import LockoutPolicy, User

__all__ = ["MailSettings"]

_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """What mails say about the application, and where their links lead.

    A link contains its token in place of ``{token}``. Put it after ``#`` if your page reads it with a script, to keep
    it out of server logs; after ``?`` (the default) it works without a script. Either way, the page should ask for a
    click before it uses the token, because mail scanners follow links.

    Args:
        sender: The sender of the mails: ``"no-reply@example.com"`` or ``"Example <no-reply@example.com>"``.
        app_name: The application's name.
        base_url: Its URL, for example ``https://app.example.com``; ``http`` only on this machine.
        verify_email_path: Where a verification link leads.
        magic_link_path: Where a sign-in link leads.
        reset_password_path: Where a reset link leads.
        change_email_path: Where the link to a new address leads.
        confirm_provider_path: Where a link that confirms an account at a provider leads.
        sign_in_path: Where to sign in.
        brand: Logo, colour, links and footer of the mails, the same as those of the pages; see ``docs/branding.md``.
        templates: A folder of your own templates; the library's are used for those you leave out.
        reply_to: Where replies go.
        delivery: ``"background"`` sends after the call has returned, so that its time does not reveal whether an
            address is known; close the services at the end, which waits for mails in progress. ``"inline"`` sends
            before the call returns. The default is ``"background"``, and ``"inline"`` on AWS Lambda, which freezes
            background work, so that mails would be late or lost; use a mailer there that only queues, so that the time
            reveals little.
        throttle: How many mails of one kind are sent to one mailbox in which time. Each kind counts separately
            (sign-up, verification, sign-in link, reset, change of address, notice of a sign-in), whether or not a user
            has the address. No window is longer than the links are valid: a mailbox over the limit has that many
            working links.
        throttle_user: How many mails of one kind a signed-in user may have sent, to any mailboxes, in which time.
        new_sign_in_notice: Whether the owner gets a mail about a sign-in from an unknown browser (needs the services'
            ``secret``).
        verify_email_for: How long a verification link is valid.
        magic_link_for: How long a sign-in link is valid.
        reset_password_for: How long a reset link is valid.
        invitation_for: How long the link in an invitation is valid; it leads to ``reset_password_path``.
        confirm_provider_for: How long a link that confirms an account at a provider is valid.
        email_code_for: How long a code that people type is valid.
        languages: The languages of mails; see ``docs/translations.md``.
        language_of: A function of a user that returns the language of their mails, or ``None`` if it is not known; for
            example from the metadata. Without it, or where it returns ``None``, a mail is in the language that the
            request wants which causes it.
    """

    sender: str
    app_name: str
    base_url: str
    verify_email_path: str = "/auth/verify-email?token={token}"
    magic_link_path: str = "/auth/magic-link?token={token}"
    reset_password_path: str = "/auth/reset-password?token={token}"
    change_email_path: str = "/auth/change-email?token={token}"
    confirm_provider_path: str = "/auth/confirm-provider?token={token}"
    sign_in_path: str = "/auth/sign-in"
    brand: Brand = field(default_factory=Brand)
    templates: Path | None = None
    reply_to: str | None = None
    delivery: Literal["background", "inline"] = field(default_factory=lambda: "inline" if on_lambda() else "background")
    throttle: LockoutPolicy = field(default_factory=lambda: LockoutPolicy(max_attempts=5))
    throttle_user: LockoutPolicy = field(
        default_factory=lambda: LockoutPolicy(max_attempts=5, window=timedelta(hours=1))
    )
    new_sign_in_notice: bool = True
    verify_email_for: timedelta = timedelta(hours=24)
    magic_link_for: timedelta = timedelta(minutes=15)
    reset_password_for: timedelta = timedelta(minutes=30)
    invitation_for: timedelta = timedelta(days=7)
    confirm_provider_for: timedelta = timedelta(minutes=30)
    email_code_for: timedelta = timedelta(minutes=10)
    languages: Languages = field(default_factory=Languages)
    language_of: Callable[[User], str | None] | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        check_policy("throttle", self.throttle)
        check_policy("throttle_user", self.throttle_user)
        for option, text in (("sender", self.sender), ("reply_to", self.reply_to)):
            if text is not None:
                _address(option, text)
        parts = urlsplit(self.base_url)
        host = parts.hostname or ""
        local = host in _LOCAL or host.endswith(".localhost")
        if not host or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
            raise ConfigurationError(
                f"base_url: {self.base_url!r}: give an https:// address (http:// on localhost only)"
            )
        if parts.query or parts.fragment:
            raise ConfigurationError(f"base_url: {self.base_url!r}: give it without ? and #")
        for option in (
            "verify_email_path",
            "magic_link_path",
            "reset_password_path",
            "change_email_path",
            "confirm_provider_path",
        ):
            if getattr(self, option).count("{token}") != 1:
                raise ConfigurationError(f"{option}: it must contain {{token}} once")
        for option in (
            "verify_email_for",
            "magic_link_for",
            "reset_password_for",
            "invitation_for",
            "confirm_provider_for",
            "email_code_for",
        ):
            if not timedelta(minutes=1) <= getattr(self, option) <= timedelta(days=30):
                raise ConfigurationError(f"{option}: give one minute to 30 days")

    def throttle_of(self, lifetime: timedelta) -> LockoutPolicy:
        """Return the limit for mails whose links are valid for this long."""
        return replace(self.throttle, window=min(self.throttle.window, lifetime))

    def url(self, path: str, token: str | None = None) -> str:
        """Return the full URL of one of the paths."""
        filled = path if token is None else path.replace("{token}", quote(token, safe=""))
        return self.base_url.rstrip("/") + filled


def _address(option: str, text: str) -> None:
    _, spec = parseaddr(text)
    try:
        address = Address(addr_spec=spec)
    except Exception as error:
        raise ConfigurationError(f"{option}: {text!r} is not a valid email address") from error
    if not address.username or not address.domain or "\n" in text or "\r" in text:
        raise ConfigurationError(f"{option}: {text!r} is not a valid email address")
