"""The cookies: their names, and how they are set and read."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Literal

from torii_dynamodb._rules.secrets import digest
from torii_dynamodb._web.connection import Carrier, Connection
from torii_dynamodb._web.settings import WebConfig
from torii_dynamodb.clock import Clock
from torii_dynamodb.cookies import read_cookie

__all__ = ["Cookies"]


class Cookies:
    """Names, sets and reads the cookies. All are ``HttpOnly``, for all paths of this host only.

    With ``cookie_domain``, the session cookie belongs to that domain; no other host needs the others.

    Attributes:
        session: The session token.
        device: Proof that this browser signed the user in before.
        oauth: The prefix of cookies that each bind one sign-in through a provider to this browser.
        confirm: Binds links that confirm an account at a provider to this browser.
        link: The token of a mailed link that was opened while signed out, until someone has signed in.
        pending: The token of a new session, while the person is asked whether it may replace another user's.
        form: The secret of form tokens until there is a session.
        sign_up: Binds a sign-up to this browser, until the address is verified.
        challenge: The token of a sign-in that still needs a second factor.
        email_code: The flow token of a code that was mailed: the code is valid only with it.
        mailed: The address that a mail was sent to, for the page that says so.
        language: The language that the person chose on a page.

    Args:
        config: How they are set.
        clock: The time.
        tenant: The tenant whose cookies they are. Its name is part of theirs, because tenants may share a host. It
            comes first, up to a dot, which neither a tenant's name nor ``cookie_name`` contains: so no two tenants have
            a cookie of the same name.
    """

    def __init__(self, config: WebConfig, clock: Clock, *, tenant: str | None = None) -> None:
        self._config = config
        self._clock = clock
        name = config.cookie_name if tenant is None else f"{tenant}.{config.cookie_name}"
        own = ("__Host-" if config.secure_cookies else "") + name
        # Browsers accept a cookie with a domain under "__Secure-", but not under "__Host-" (RFC 6265bis, 4.1.3).
        shared = ("__Secure-" if config.secure_cookies else "") + name
        self.session = own if config.cookie_domain is None else shared
        self.device = f"{own}-device"
        self.oauth = f"{own}-oauth"
        self.confirm = f"{own}-confirm"
        self.link = f"{own}-link"
        self.pending = f"{own}-pending"
        self.form = f"{own}-form"
        self.sign_up = f"{own}-sign-up"
        self.challenge = f"{own}-challenge"
        self.email_code = f"{own}-email-code"
        self.mailed = f"{own}-mailed"
        self.language = f"{own}-language"
        self._led_to = (self.oauth, self.confirm, self.link, self.pending, self.sign_up, self.challenge, self.language)

    def flow(self, state: str) -> str:
        """The name of the cookie for the sign-in with this ``state``: concurrent sign-ins do not interfere."""
        return f"{self.oauth}-{digest(state)[:16]}"

    def flows(self, connection: Connection) -> list[str]:
        """The names of all such cookies of a request, in the order of browsers: oldest first (RFC 6265, 5.4)."""
        pairs = (pair for header in connection.headers.getlist("cookie") for pair in header.split(";"))
        names = (pair.lstrip(" \t").partition("=")[0] for pair in pairs)
        return list(
            dict.fromkeys(name for name in names if re.fullmatch(rf"{re.escape(self.oauth)}-[0-9a-f]{{16}}", name))
        )

    @staticmethod
    def read(connection: Connection, name: str) -> str | None:
        """The value of a cookie of a request. Nothing else reads cookies: see :func:`read_cookie`."""
        return read_cookie(connection.headers.getlist("cookie"), name)

    def set(self, response: Carrier, name: str, value: str, *, until: datetime | timedelta) -> None:
        """Set a cookie that lasts until then, or for that long, in whole seconds."""
        lifetime = until if isinstance(until, timedelta) else until - self._clock()
        # These must be sent when a provider or a mailed link leads here, which is a cross-site navigation: with
        # "strict" they would not be. The others follow the configuration.
        same_site: Literal["lax", "strict", "none"] = self._config.same_site
        if same_site == "strict" and name.startswith(self._led_to):
            same_site = "lax"
        response.set_cookie(
            name,
            value,
            max_age=max(int(lifetime.total_seconds()), 0),
            path="/",
            domain=self._config.cookie_domain if name == self.session else None,
            secure=self._config.secure_cookies,
            httponly=True,
            samesite=same_site,
        )

    def delete(self, response: Carrier, name: str) -> None:
        """Delete a cookie."""
        response.set_cookie(
            name,
            "",
            max_age=0,
            path="/",
            domain=self._config.cookie_domain if name == self.session else None,
            secure=self._config.secure_cookies,
            httponly=True,
            samesite=self._config.same_site,
        )
