"""Mail by SMTP. Written by hand on both sides: here over aiosmtplib, there over smtplib."""

from __future__ import annotations

from typing import Literal

from torii_dynamodb.clock import Clock, system_clock
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.mail.messages import MailMessage, to_mime

__all__ = ["AsyncSmtpMailer"]


class AsyncSmtpMailer:
    """Sends by SMTP, with one connection per mail (extra ``mail``).

    Args:
        host: The server.
        port: Its port; ``None`` for 587, or 465 with ``security="tls"``, or 25 with ``security="none"``.
        username: The user name; ``None`` not to log in.
        password: The password.
        security: ``"starttls"`` (the default; fails if the server does not offer it), ``"tls"`` from the first byte, or
            ``"none"`` for a server on this machine.
        timeout: Seconds for each step.
        clock: The clock.
    """

    def __init__(
        self,
        host: str,
        port: int | None = None,
        *,
        username: str | None = None,
        password: str | None = None,
        security: Literal["starttls", "tls", "none"] = "starttls",
        timeout: float = 10.0,
        clock: Clock = system_clock,
    ) -> None:
        if security not in ("starttls", "tls", "none"):
            raise ConfigurationError(f"security: {security!r}: give 'starttls', 'tls' or 'none'")
        if (username is None) != (password is None):
            raise ConfigurationError("give username and password, or neither")
        if username is not None and security == "none":
            raise ConfigurationError("a password is not sent without TLS: give security='starttls' or 'tls'")
        self._host = host
        self._port = port if port is not None else {"starttls": 587, "tls": 465, "none": 25}[security]
        self._username = username
        self._password = password
        self._security = security
        self._timeout = timeout
        self._clock = clock

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._host!r}, {self._port}, security={self._security!r})"

    async def send(self, message: MailMessage) -> None:
        """Send it. Raises ``aiosmtplib.SMTPException`` or ``OSError`` if the server does not accept it."""
        import aiosmtplib

        await aiosmtplib.send(
            to_mime(message, self._clock()),
            hostname=self._host,
            port=self._port,
            username=self._username,
            password=self._password,
            use_tls=self._security == "tls",
            start_tls=self._security == "starttls",
            timeout=self._timeout,
        )
