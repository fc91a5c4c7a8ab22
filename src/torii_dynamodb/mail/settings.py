"""What mails say of the application, and where their links lead."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from torii_dynamodb._rules.checking import check_fields, check_policy
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.models import LockoutPolicy

__all__ = ["MailSettings"]

_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """What mails say of the application, and where their links lead.

    A link carries its token after ``{token}``'s place. Put it behind ``#`` if your page reads it by script, to keep it
    out of server logs; behind ``?`` (the default) it works without one. Either way the page should ask for a click
    before it uses the token up: mail scanners follow links.

    Args:
        sender: Who the mails are from: ``"no-reply@example.com"`` or ``"Example <no-reply@example.com>"``.
        app_name: What the application is called.
        base_url: Where it is, for example ``https://app.example.com``; ``http`` only on this machine.
        verify_email_path: Where a verification link leads.
        magic_link_path: Where a sign-in link leads.
        reset_password_path: Where a reset link leads.
        change_email_path: Where the link to a new address leads.
        confirm_provider_path: Where the link leads that confirms an account at a provider.
        sign_in_path: Where to sign in.
        templates: A folder of your own templates; those you leave out are taken from the library.
        reply_to: Where answers go.
        delivery: ``"background"`` sends after the call has returned, so that its time does not tell whether an address
            is known; close the services at the end, which waits for what is under way. ``"inline"`` sends before it
            returns (on Lambda, which freezes background work; hand in a mailer that only queues, so that time tells
            little).
        throttle: How many mails of one kind are sent to one mailbox in which time. Each kind counts apart (sign-up,
            verification, sign-in link, reset, change of address, notice of a sign-in), whether or not anybody holds the
            address. No window is longer than the links hold: whoever is refused has so many working links already.
        throttle_user: How many mails of one kind a signed-in user may have sent, to whatever mailboxes, in which time.
        new_sign_in_notice: Whether a sign-in from a browser that is not known (needs the services' ``secret``) is
            told to the owner.
        verify_email_for: How long a verification link holds.
        magic_link_for: How long a sign-in link holds.
        reset_password_for: How long a reset link holds.
        confirm_provider_for: How long a link holds that confirms an account at a provider.
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
    templates: Path | None = None
    reply_to: str | None = None
    delivery: Literal["background", "inline"] = "background"
    throttle: LockoutPolicy = field(default_factory=lambda: LockoutPolicy(max_attempts=5))
    throttle_user: LockoutPolicy = field(
        default_factory=lambda: LockoutPolicy(max_attempts=5, window=timedelta(hours=1))
    )
    new_sign_in_notice: bool = True
    verify_email_for: timedelta = timedelta(hours=24)
    magic_link_for: timedelta = timedelta(minutes=15)
    reset_password_for: timedelta = timedelta(minutes=30)
    confirm_provider_for: timedelta = timedelta(minutes=30)

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
                raise ConfigurationError(f"{option}: it must have {{token}} in it once")
        for option in ("verify_email_for", "magic_link_for", "reset_password_for", "confirm_provider_for"):
            if not timedelta(minutes=1) <= getattr(self, option) <= timedelta(days=30):
                raise ConfigurationError(f"{option}: give one minute to 30 days")

    def throttle_of(self, lifetime: timedelta) -> LockoutPolicy:
        """The limit for mails with links that hold so long."""
        return replace(self.throttle, window=min(self.throttle.window, lifetime))

    def url(self, path: str, token: str | None = None) -> str:
        """A whole address from one of the paths."""
        filled = path if token is None else path.replace("{token}", quote(token, safe=""))
        return self.base_url.rstrip("/") + filled


def _address(option: str, text: str) -> None:
    _, spec = parseaddr(text)
    try:
        address = Address(addr_spec=spec)
    except Exception as error:
        raise ConfigurationError(f"{option}: {text!r} is no mail address") from error
    if not address.username or not address.domain or "\n" in text or "\r" in text:
        raise ConfigurationError(f"{option}: {text!r} is no mail address")
