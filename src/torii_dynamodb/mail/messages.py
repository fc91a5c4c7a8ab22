"""A mail, before a mailer sends it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid, parseaddr

__all__ = ["MailMessage", "to_mime"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailMessage:
    """A mail.

    Args:
        sender: The sender.
        to: The recipient: one address, with its domain in ASCII.
        subject: One line.
        text: The body as plain text. Not shown in ``repr``: it may contain a link that signs in.
        html: The body as HTML.
        template: The template it was made from, for logs.
        reply_to: Where replies go.
        language: The language it is in, as a tag.
    """

    sender: str
    to: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    template: str
    reply_to: str | None = None
    language: str = "en"


def to_mime(message: MailMessage, now: datetime) -> EmailMessage:
    """Return the message in RFC 5322 form, with text and HTML as alternatives."""
    mime = EmailMessage(policy=SMTP)
    mime["From"] = message.sender
    mime["To"] = message.to
    mime["Subject"] = message.subject
    if message.reply_to is not None:
        mime["Reply-To"] = message.reply_to
    mime["Content-Language"] = message.language
    mime["Date"] = format_datetime(now)
    mime["Message-ID"] = make_msgid(domain=parseaddr(message.sender)[1].rpartition("@")[2] or None)
    # RFC 3834: prevents vacation replies.
    mime["Auto-Submitted"] = "auto-generated"
    mime.set_content(message.text)
    mime.add_alternative(message.html, subtype="html")
    return mime
