"""Mail through Django's email backend."""

# pyright: basic, reportMissingTypeStubs=false
# Django has no types.

from __future__ import annotations

from django.core.mail import EmailMultiAlternatives

from torii_dynamodb.mail.messages import MailMessage

__all__ = ["DjangoMailer"]


class DjangoMailer:
    """Sends mail as the settings ``EMAIL_BACKEND`` and ``EMAIL_HOST`` say. The default with ``MAIL`` in ``TORII``."""

    def send(self, message: MailMessage) -> None:
        """Send a mail."""
        mail = EmailMultiAlternatives(
            message.subject,
            message.text,
            message.sender,
            [message.to],
            reply_to=[] if message.reply_to is None else [message.reply_to],
            headers={"Auto-Submitted": "auto-generated"},  # RFC 3834: prevents vacation replies
        )
        mail.attach_alternative(message.html, "text/html")
        mail.send()
