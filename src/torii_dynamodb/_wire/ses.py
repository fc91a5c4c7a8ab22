"""The request that sends a mail by SES. Pure.

The content is "Simple" (SES builds the MIME message), not "Raw": that needs only the permission ``ses:SendEmail`` (raw
mails need ``ses:SendRawEmail``), and ``FromEmailAddressIdentityArn`` works, which raw mails with a From header ignore.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import formataddr, parseaddr
from typing import TYPE_CHECKING, Any

from torii_dynamodb.errors import ValidationError

if TYPE_CHECKING:
    from torii_dynamodb.mail.messages import MailMessage

__all__ = ["TAG", "send_email"]

TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
"""Names and values of tags (SES API v2, "MessageTag")."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
# One address as our users have it. SES reads lists and groups in this field, so those must not get through.
_SPEC = re.compile(r"[!-~]{1,64}@[A-Za-z0-9.-]{1,255}")
_SPECIALS = frozenset('()<>[]:;,\\"@')


def send_email(
    message: MailMessage,
    *,
    configuration_set: str | None = None,
    identity_arn: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the parameters of SES's ``SendEmail``.

    A tag ``template`` names the mail's template, so that bounces and complaints can be counted by it.

    Raises:
        ValidationError: An address or the subject would not be exactly one header: it contains a line break, or an
            address is not a single one in ASCII.
    """
    told = {"template": message.template} if TAG.fullmatch(message.template) else {}
    request: dict[str, Any] = {
        "FromEmailAddress": _mailbox("sender", message.sender),
        "Destination": {"ToAddresses": [_address("to", message.to)]},
        "Content": {
            "Simple": {
                "Subject": _text(_one_line("subject", message.subject)),
                "Body": {"Text": _text(message.text), "Html": _text(message.html)},
                # RFC 3834: prevents vacation replies.
                "Headers": [{"Name": "Auto-Submitted", "Value": "auto-generated"}],
            }
        },
        "EmailTags": [{"Name": name, "Value": value} for name, value in {**told, **(tags or {})}.items()],
    }
    if message.reply_to is not None:
        request["ReplyToAddresses"] = [_mailbox("reply_to", message.reply_to)]
    if configuration_set is not None:
        request["ConfigurationSetName"] = configuration_set
    if identity_arn is not None:
        request["FromEmailAddressIdentityArn"] = identity_arn
    return request


def _text(data: str) -> dict[str, str]:
    return {"Data": data, "Charset": "UTF-8"}


def _mailbox(field: str, given: str) -> str:
    """Return an address with its display name, encoded (RFC 2047) if necessary."""
    name, spec = parseaddr(_one_line(field, given))
    return formataddr((name, _address(field, spec)))


def _address(field: str, given: str) -> str:
    if not _SPEC.fullmatch(given) or _SPECIALS & {*given.rpartition("@")[0]}:
        raise ValidationError(field, "SES takes one address in ASCII; write an international domain as xn--...")
    return given


def _one_line(field: str, given: str) -> str:
    if _CONTROL.search(given):
        raise ValidationError(field, "it contains a line break or another control character")
    return given
