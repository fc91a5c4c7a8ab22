"""The configuration of the web layer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from typing import Literal
from urllib.parse import quote, urlsplit

from torii_dynamodb._rules.checking import check_fields, check_policy
from torii_dynamodb._rules.origins import check_origins, origin_of
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.models import LockoutPolicy

__all__ = ["Credential", "SessionTransport", "WebConfig", "encoded_url", "path_of"]

SessionTransport = Literal["cookie", "bearer"]
Credential = Literal["cookie", "bearer", "jwt"]

UNIX_SOCKET = "unix"

_LONGEST_URL = 2048
_URL_CHARS = ":/?#[]@!$&'()*+,;=%"  # reserved (RFC 3986, 2.2), and what is encoded already


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """Configures the web layer. The defaults are safe; for http://localhost set ``secure_cookies=False``.

    Args:
        prefix: The path of the JSON routes.
        base_url: Where browsers reach the application, for example ``https://app.example.com``. Required for sign-in
            through providers, which send browsers back to it. Never taken from the ``Host`` header. A path in it is
            the path of the application; mounts and servers that know the path (``--root-path``) do not need it.
        trusted_origins: Other origins whose pages may use the cookies. A sign-in may lead to those on the web. Apps and
            extensions have ``chrome-extension://``, ``capacitor://``, ``ionic://``, ``tauri://`` and ``app://`` with a
            host. Whoever controls such a page can do everything that the user can. ``null`` is never trusted, because
            every sandboxed frame has that origin.
        transports: How requests authenticate: with a session token in a cookie (``"cookie"``) or in ``Authorization:
            Bearer`` (``"bearer"``), or, for an application's own routes, with an access token in that header
            (``"jwt"``). See "Access tokens" in ``docs/web.md``.
        registration: ``"private"``: the response is the same for free and taken addresses, and a mail does the rest
            (requires a mailer). ``"direct"``: signs in at once, which reveals which addresses are taken. ``"off"``:
            there is no such route.
        secure_cookies: ``True``: ``Secure``, with names that begin with ``__Host-``, so that no subdomain can set them.
            ``False`` is for http on this machine.
        same_site: The ``SameSite`` of the cookies. ``"none"`` is for a front end on another site or in an app, which
            must be among the trusted origins. Its costs: browsers then send the session with every request from any
            site, so only the check of the origin protects against forged requests; and browsers that block third-party
            cookies (Safari, web views on iOS) send none at all. ``"bearer"`` has neither problem.
        cookie_domain: A domain whose subdomains all receive the session cookie, such as ``example.com``; ``None``: only
            the host that set it. Its costs: the cookie's name begins with ``__Secure-`` instead of ``__Host-``, and
            every host below the domain sees the session token, can use it, and can plant another session, so that
            someone works in an account that is not theirs. Set it only if you trust all of those hosts. Their pages
            still cannot change anything here unless they are trusted origins. The other cookies stay with the host. If
            you change the domain, also change ``cookie_name``: two cookies with the same name are both ignored.
        cookie_name: The session cookie's name, without its prefix; the names of the others begin with it.
        after_sign_in: Where the browser goes after a sign-in that requested no other target: a path as browsers see it,
            including the mount if it leads there. The same holds for ``oauth_error_path``.
        oauth_error_path: Where the browser goes when a sign-in through a provider fails, with the reason as ``?error=``
            and the name as ``&provider=``, unless the request named a place. ``None``: to a page, if there are pages;
            otherwise the response is a problem as JSON.
        recent_sign_in: How long after signing in a person may do what a thief of the session must not.
        ip_limit: How many requests to register, to sign in, for mails and with links are accepted from one IP address;
            ``None``: any number. An IPv6 address counts as its /64 network.
        trusted_proxies: Addresses or networks of your proxies (all proxies of a chain) whose ``X-Forwarded-For`` is
            trusted; ``"unix"`` for a proxy that connects through a Unix socket. None by default: then the address is
            that of the connection. Ports (``1.2.3.4:51008``, ``[2001:db8::1]:443``) are dropped.
        forwarded_header: The header that your proxies write: ``"x-forwarded-for"``, or ``"forwarded"`` (RFC 7239). Only
            this header is read, because the other one may come from the client.
    """

    prefix: str = "/api/auth"
    base_url: str | None = None
    trusted_origins: Sequence[str] = ()
    transports: Sequence[Credential] = ("cookie", "bearer")
    registration: Literal["private", "direct", "off"] = "private"
    secure_cookies: bool = True
    same_site: Literal["lax", "strict", "none"] = "lax"
    cookie_domain: str | None = None
    cookie_name: str = "torii"
    after_sign_in: str = "/"
    oauth_error_path: str | None = None
    recent_sign_in: timedelta = timedelta(minutes=15)
    ip_limit: LockoutPolicy | None = field(
        default_factory=lambda: LockoutPolicy(max_attempts=20, window=timedelta(minutes=1))
    )
    trusted_proxies: Sequence[str] = ()
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"

    def __post_init__(self) -> None:
        check_fields(self)
        check_policy("ip_limit", self.ip_limit)
        if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", self.prefix):
            raise ConfigurationError(f"prefix: {self.prefix!r}: give a path like /api/auth")
        if self.base_url is not None:
            origin, parts = origin_of("base_url", self.base_url), urlsplit(self.base_url)
            if parts.query or parts.fragment:
                raise ConfigurationError(f"base_url: {self.base_url!r}: leave out ? and #")
            path = path_of("base_url", parts.path or "/").rstrip("/")
            object.__setattr__(self, "base_url", origin + path)
        check_origins("trusted_origins", self.trusted_origins)
        if self.cookie_domain is not None:
            self._check_domain(self.cookie_domain)
        if not self.transports:
            raise ConfigurationError("transports: give at least one of 'cookie', 'bearer' and 'jwt'")
        if self.same_site == "none" and not self.secure_cookies:
            raise ConfigurationError("same_site: 'none' requires secure_cookies=True; give 'lax' or 'strict'")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", self.cookie_name):
            raise ConfigurationError("cookie_name: give 1 to 32 of the characters A-Z a-z 0-9 _ -")
        for option in ("after_sign_in", "oauth_error_path"):
            path = getattr(self, option)
            if path is not None:
                object.__setattr__(self, option, path_of(option, path))
        for proxy in self.trusted_proxies:
            try:
                everybody = proxy != UNIX_SOCKET and ip_network(proxy).prefixlen == 0
            except ValueError as error:
                raise ConfigurationError(f"trusted_proxies: {proxy!r} is not an address or a network") from error
            if everybody:
                raise ConfigurationError(
                    f"trusted_proxies: {proxy!r} covers every address: any client could choose its own"
                )

    def _check_domain(self, domain: str) -> None:
        if not re.fullmatch(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z](?:[a-z0-9-]*[a-z0-9])", domain):
            raise ConfigurationError(
                f"cookie_domain: {domain!r}: give a domain like example.com, without a leading dot"
            )
        host = None if self.base_url is None else urlsplit(self.base_url).hostname
        if host is not None and not f".{host}".endswith(f".{domain}"):
            raise ConfigurationError(
                f"cookie_domain: {domain!r}: base_url is not below it, so browsers would reject the cookie"
            )


def encoded_url(url: str) -> str:
    """A URL as headers can carry it: UTF-8, percent-encoded where RFC 3986 requires it, as browsers do.

    Raises:
        ValueError: It is empty or too long, or contains a backslash, a control character, a space, a lone surrogate or
            a non-ASCII host, which browsers interpret in their own ways.
    """
    if "\\" in url or any(ord(char) <= 0x20 or ord(char) == 0x7F for char in url):
        raise ValueError("it contains a backslash, a space or a control character")
    if not url.startswith("/") and not urlsplit(url).netloc.isascii():
        raise ValueError("its host is not ASCII")
    encoded = quote(url, safe=_URL_CHARS)
    if not 1 <= len(encoded) <= _LONGEST_URL:
        raise ValueError("it is empty or too long")
    return encoded


def path_of(option: str, path: str) -> str:
    """A path of this site, as headers can carry it.

    Raises:
        ConfigurationError: It is not such a path.
    """
    try:
        encoded = encoded_url(path)
    except ValueError as error:
        raise ConfigurationError(f"{option}: {path!r}: {error}") from error
    if not encoded.startswith("/") or encoded.startswith("//"):
        raise ConfigurationError(f"{option}: {path!r}: give a path of this application")
    return encoded
