"""Mail: the settings, the templates, and transports: Amazon SES, SMTP, files, the console, memory.

A mailer is any object with ``async def send(message: MailMessage)`` (without ``async`` for the blocking API).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from torii_dynamodb.mail.messages import MailMessage, to_mime
from torii_dynamodb.mail.settings import MailSettings

if TYPE_CHECKING:
    from torii_dynamodb._async.mail import AsyncConsoleMailer, AsyncFileMailer, AsyncMailer, AsyncMemoryMailer
    from torii_dynamodb._async.ses import AsyncSesMailer
    from torii_dynamodb._async.smtp import AsyncSmtpMailer
    from torii_dynamodb._sync.mail import ConsoleMailer, FileMailer, Mailer, MemoryMailer
    from torii_dynamodb._sync.ses import SesMailer
    from torii_dynamodb._sync.smtp import SmtpMailer
    from torii_dynamodb.mail.templates import TEMPLATES, Rendered, Templates

__all__ = [
    "TEMPLATES",
    "AsyncConsoleMailer",
    "AsyncFileMailer",
    "AsyncMailer",
    "AsyncMemoryMailer",
    "AsyncSesMailer",
    "AsyncSmtpMailer",
    "ConsoleMailer",
    "FileMailer",
    "MailMessage",
    "MailSettings",
    "Mailer",
    "MemoryMailer",
    "Rendered",
    "SesMailer",
    "SmtpMailer",
    "Templates",
    "to_mime",
]

# The module of each name.
_HOMES = {
    "AsyncConsoleMailer": "_async.mail",
    "AsyncFileMailer": "_async.mail",
    "AsyncMailer": "_async.mail",
    "AsyncMemoryMailer": "_async.mail",
    "AsyncSesMailer": "_async.ses",
    "AsyncSmtpMailer": "_async.smtp",
    "ConsoleMailer": "_sync.mail",
    "FileMailer": "_sync.mail",
    "Mailer": "_sync.mail",
    "MemoryMailer": "_sync.mail",
    "SesMailer": "_sync.ses",
    "SmtpMailer": "_sync.smtp",
    "TEMPLATES": "mail.templates",
    "Rendered": "mail.templates",
    "Templates": "mail.templates",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"torii_dynamodb.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
