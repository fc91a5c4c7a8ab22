"""The mailers: SMTP against a server in this process, files and the console."""

from __future__ import annotations

import io
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from tests.ports import reserved_port
from tests.services.inbox import Inbox

from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.mail import AsyncConsoleMailer, AsyncFileMailer, AsyncSmtpMailer, MailMessage
from torii_dynamodb.testing import FakeClock

MESSAGE = MailMessage(
    sender="Exämple <no-reply@example.com>",
    to="Ada@example.com",
    subject="Grüße",
    text="Ein Link: https://app.example.com/?token=abc\n",
    html="<p>Ein <b>Link</b></p>",
    template="magic_link",
    reply_to="help@example.com",
)


@pytest.fixture
def server() -> Iterator[tuple[Inbox, int]]:
    """A mail server without TLS."""
    inbox = Inbox()
    with reserved_port() as port:
        controller = Controller(inbox, hostname="127.0.0.1", port=port)
        controller.start()
        yield inbox, port
        controller.stop()


def check(raw: bytes) -> None:
    """Assert that the mail is MESSAGE."""
    mail = message_from_bytes(raw, policy=policy.default)
    assert mail["To"] == "Ada@example.com"
    assert mail["From"] == "Exämple <no-reply@example.com>"
    assert mail["Subject"] == "Grüße"
    assert mail["Reply-To"] == "help@example.com"
    assert mail["Message-ID"].endswith("@example.com>")
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "token=abc" in text.get_content()
    assert "<b>Link</b>" in html.get_content()


async def test_smtp(server: tuple[Inbox, int]) -> None:
    """The server receives sender, recipient, text and HTML."""
    inbox, port = server
    await AsyncSmtpMailer("127.0.0.1", port, security="none").send(MESSAGE)
    (envelope,) = inbox.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("no-reply@example.com", ["Ada@example.com"])
    check(envelope.content)


async def test_smtp_does_not_continue_without_tls(server: tuple[Inbox, int]) -> None:
    """A server that does not offer STARTTLS is sent nothing."""
    inbox, port = server
    with pytest.raises(Exception, match="STARTTLS"):
        await AsyncSmtpMailer("127.0.0.1", port).send(MESSAGE)
    assert inbox.envelopes == []


def test_smtp_refuses_to_send_a_password_in_the_clear() -> None:
    """A password needs TLS, a user name needs a password, and the repr does not show it."""
    with pytest.raises(ConfigurationError):
        AsyncSmtpMailer("localhost", security="none", username="a", password="b")
    with pytest.raises(ConfigurationError):
        AsyncSmtpMailer("localhost", username="a")
    assert "secret" not in repr(AsyncSmtpMailer("localhost", username="a", password="secret"))


async def test_files(tmp_path: Path) -> None:
    """Each mail becomes a file that only its owner can read; the folder is created."""
    mailer = AsyncFileMailer(tmp_path / "mail", clock=FakeClock())
    await mailer.send(MESSAGE)
    await mailer.send(MESSAGE)
    files = sorted((tmp_path / "mail").iterdir())
    assert len(files) == 2
    assert files[0].name.startswith("20260101T000000000000-magic_link-")
    assert files[0].stat().st_mode & 0o077 == 0
    check(files[0].read_bytes())


async def test_console() -> None:
    """Recipient, subject and text are printed, for development."""
    stream = io.StringIO()
    await AsyncConsoleMailer(stream).send(MESSAGE)
    assert "To: Ada@example.com\nSubject: Grüße\n" in stream.getvalue()
    assert "token=abc" in stream.getvalue()
