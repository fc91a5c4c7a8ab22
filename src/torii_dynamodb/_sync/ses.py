# Generated from src/torii_dynamodb/_async/ses.py by tools/unasync.py. Do not edit.

"""Mail by Amazon SES."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from torii_dynamodb._sync.aws_api import AwsApi
from torii_dynamodb._wire.apis import SES
from torii_dynamodb._wire.json import DecodeError, dumps, loads, object_of
from torii_dynamodb._wire.ses import TAG, send_email
from torii_dynamodb.clock import Clock, RandomBytes, system_clock, system_random
from torii_dynamodb.config import Credentials, CredentialsSource
from torii_dynamodb.errors import ConfigurationError

if TYPE_CHECKING:
    from torii_dynamodb.mail.messages import MailMessage

__all__ = ["SesMailer"]

_log = logging.getLogger("torii_dynamodb")

# SES API v2, CreateConfigurationSet.
_CONFIGURATION_SET = re.compile(r"[A-Za-z0-9_-]{1,64}")
_IDENTITY_ARN = re.compile(r"arn:aws[a-z-]*:ses:[a-z0-9-]+:[0-9]{12}:identity/[!-~]+")


class SesMailer:
    """Sends mails by the SES API, version 2. It needs no AWS SDK and no password, only ``ses:SendEmail``.

    SES has no idempotency token. So a mail is sent again only if SES certainly did not take it: there was no
    connection, or SES refused it because of a limit, expired credentials or a wrong clock. A lost response is
    ``Unavailable``: the mail may be on its way.

    SES also accepts mails to addresses on the account's suppression list, and then drops them: a configuration set with
    an event destination reports that (docs/emails.md).

    Args:
        region: The Region whose SES has the identity; ``None`` for the one in AWS's settings.
        endpoint_url: Another endpoint; ``None`` for ``AWS_ENDPOINT_URL_SESV2``, or the Region's.
        credentials: As in :class:`~torii_dynamodb.DynamoDbConfig`; ``None`` for the environment, then botocore's chain.
        configuration_set: The configuration set, which decides where bounces and complaints are reported.
        identity_arn: The identity to send from, if another account lets you use it (sending authorization).
        tags: Tags of the mails, in addition to ``template``. SES does not accept personal data in tags.
        timeout: Seconds for a mail, with all its attempts.
        clock: The clock.
        random: The randomness for pauses between attempts.

    Raises:
        ConfigurationError: An argument is invalid.
    """

    def __init__(
        self,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        credentials: Credentials | CredentialsSource | object | None = None,
        configuration_set: str | None = None,
        identity_arn: str | None = None,
        tags: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        clock: Clock = system_clock,
        random: RandomBytes = system_random,
    ) -> None:
        if configuration_set is not None and not _CONFIGURATION_SET.fullmatch(configuration_set):
            raise ConfigurationError(
                f"configuration_set: {configuration_set!r}: give 1 to 64 of the characters A-Z a-z 0-9 _ -"
            )
        if identity_arn is not None and not _IDENTITY_ARN.fullmatch(identity_arn):
            raise ConfigurationError(f"identity_arn: {identity_arn!r} is not the ARN of an SES identity")
        for name, value in (tags or {}).items():
            if not TAG.fullmatch(name) or not TAG.fullmatch(value):
                raise ConfigurationError(
                    f"tags: {name!r}={value!r}: give names and values of 1 to 256 of the characters A-Z a-z 0-9 _ -"
                )
        self._api = AwsApi(
            SES,
            region=region,
            endpoint_url=endpoint_url,
            credentials=credentials,
            timeout=timeout,
            clock=clock,
            random=random,
        )
        self._configuration_set = configuration_set
        self._identity_arn = identity_arn
        self._tags = dict(tags or {})

    def __repr__(self) -> str:
        return f"{type(self).__name__}(configuration_set={self._configuration_set!r})"

    def send(self, message: MailMessage) -> None:
        """Send it. The log (level DEBUG) has SES's id of the message, to find its bounces by.

        Raises:
            ValidationError: An address or the subject cannot be sent as one header; nothing was sent.
            ConfigurationError: SES is not set up: identity not verified, sandbox, unknown configuration set, sending
                paused or suspended, no Region or credentials.
            AccessDenied: ``ses:SendEmail`` is not allowed on the identity (and the configuration set).
            Throttled: The sending rate was exceeded for the whole time, or the daily quota is used up.
            RequestRejected: SES refused the mail: ``aws_code`` is ``MessageRejected``, ``BadRequestException``, ...
            Unavailable: No response, or a server error. The mail may have been sent.
        """
        request = send_email(
            message,
            configuration_set=self._configuration_set,
            identity_arn=self._identity_arn,
            tags=self._tags,
        )
        response = self._api.call("SendEmail", dumps(request))
        _log.debug("SES accepted the mail %s as %s", message.template, _message_id(response.body))


def _message_id(body: bytes) -> object:
    try:
        return object_of(loads(body)).get("MessageId")
    except DecodeError:
        return None
