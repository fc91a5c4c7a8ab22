"""A mail, before a transport sends it."""

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
        sender: Who it is from.
        to: To whom it goes: one address, its domain in ASCII.
        subject: One line.
        text: The body as plain text. Not shown in ``repr``: it may hold a link that signs in.
        html: The body as HTML.
        template: The template it was made of, for logs.
        reply_to: Where answers go.
    """

    sender: str
    to: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    template: str
    reply_to: str | None = None


def to_mime(message: MailMessage, now: datetime) -> EmailMessage:
    """The message as RFC 5322 has it, text and HTML as alternatives."""
    mime = EmailMessage(policy=SMTP)
    mime["From"] = message.sender
    mime["To"] = message.to
    mime["Subject"] = message.subject
    if message.reply_to is not None:
        mime["Reply-To"] = message.reply_to
    mime["Date"] = format_datetime(now)
    mime["Message-ID"] = make_msgid(domain=parseaddr(message.sender)[1].rpartition("@")[2] or None)
    # RFC 3834: so that no vacation answer comes back.
    mime["Auto-Submitted"] = "auto-generated"
    mime.set_content(message.text)
    mime.add_alternative(message.html, subtype="html")
    return mime
