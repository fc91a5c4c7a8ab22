# Generated from tests/integration/wire/_async/test_ses.py by tools/unasync.py. Do not edit.

"""The SES mailer: against moto, and against a server that sends what moto does not (errors, lost responses)."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import boto3
import pytest
from botocore.session import Session
from botocore.validate import ParamValidator
from tests.integration.wire.server import Act, Answer, Server, Step

from torii_dynamodb import errors
from torii_dynamodb.config import Credentials
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.mail import MailMessage, SesMailer

MESSAGE = MailMessage(
    sender='"Exämple, Inc." <no-reply@example.com>',
    to="Ada@xn--bcher-kva.example",
    subject="Grüße",
    text="Ein Link: https://app.example.com/?token=secret-token\n",
    html="<p>Ein <b>Link</b></p>",
    template="magic_link",
    reply_to="help@example.com",
)
CREDENTIALS = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="very-secret")
SENT = Answer({"MessageId": "0100-1"}, crc=False)


def mailer(server: Server | str, **options: Any) -> SesMailer:
    """A mailer that pauses for no time between attempts."""
    url = server if isinstance(server, str) else server.url
    settings: dict[str, Any] = {"region": "eu-central-1", "credentials": CREDENTIALS, "random": bytes}
    return SesMailer(endpoint_url=url, **(settings | options))


def refused(code: str, status: int = 400, message: str = "as the script says", **headers: str) -> Answer:
    """An error as SES sends it: the code is in a header (SES API v2 speaks REST)."""
    named = {"x-amzn-errortype": f"{code}:http://internal.amazon.com/coral/com.amazonaws.services.ses/", **headers}
    return Answer({"message": message}, status, named, crc=False)


def test_moto_accepts_a_mail(moto_engine: LocalEngine) -> None:
    """With a verified identity, moto takes the mail, and counts one recipient."""
    where: dict[str, Any] = {"region_name": "eu-west-1", "endpoint_url": moto_engine.endpoint_url}
    where |= {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    new: Any = boto3.client("sesv2", **where)
    old: Any = boto3.client("ses", **where)  # moto counts only in the first API
    new.create_email_identity(EmailIdentity="example.com")
    before = old.get_send_quota()["SentLast24Hours"]
    mailer(moto_engine.endpoint_url, region="eu-west-1").send(MESSAGE)
    assert old.get_send_quota()["SentLast24Hours"] == before + 1


def test_moto_refuses_an_identity_that_is_not_verified(moto_engine: LocalEngine) -> None:
    """An unverified sender is a mistake in the set-up, and the error says what to do. It names no address."""
    with pytest.raises(errors.ConfigurationError, match="sandbox") as caught:
        mailer(moto_engine.endpoint_url, region="eu-north-1").send(MESSAGE)
    assert "example.com" not in str(caught.value)


def test_the_request_is_one_that_the_sdk_would_send() -> None:
    """The request is valid by botocore's model of SES; it has both bodies, headers, tags, Reply-To and options."""
    with Server(SENT) as server:
        mailer(
            server,
            configuration_set="mails",
            identity_arn="arn:aws:ses:eu-central-1:123456789012:identity/example.com",
            tags={"tenant": "shop"},
        ).send(MESSAGE)
        (seen,) = server.seen
    model = Session().get_service_model("sesv2").operation_model("SendEmail")
    assert model.input_shape is not None
    assert not ParamValidator().validate(seen.payload, model.input_shape).has_errors()
    content = seen.payload["Content"]["Simple"]
    assert content["Subject"]["Data"] == "Grüße"
    assert (content["Body"]["Text"]["Data"], content["Body"]["Html"]["Data"]) == (MESSAGE.text, MESSAGE.html)
    assert content["Headers"] == [{"Name": "Auto-Submitted", "Value": "auto-generated"}]
    assert seen.payload["Destination"] == {"ToAddresses": [MESSAGE.to]}
    assert seen.payload["FromEmailAddress"] == "=?utf-8?b?RXjDpG1wbGUsIEluYy4=?= <no-reply@example.com>"
    assert seen.payload["ReplyToAddresses"] == ["help@example.com"]
    assert seen.payload["ConfigurationSetName"] == "mails"
    assert seen.payload["FromEmailAddressIdentityArn"].endswith("identity/example.com")
    assert {one["Name"]: one["Value"] for one in seen.payload["EmailTags"]} == {
        "template": "magic_link",
        "tenant": "shop",
    }


# The errors of SES API v2's SendEmail, and those that all of its operations have. moto makes only MessageRejected.
REFUSALS: list[tuple[Answer, type[errors.ToriiError], str]] = [
    (refused("AccountSuspendedException"), errors.ConfigurationError, "AWS Support"),
    (refused("SendingPausedException"), errors.ConfigurationError, "resume"),
    (refused("MailFromDomainNotVerifiedException"), errors.ConfigurationError, "MAIL FROM"),
    (refused("NotFoundException", 404), errors.ConfigurationError, "configuration_set"),
    (refused("MessageRejected", message="Email address is not verified. ada@example.com"), errors.ConfigurationError,
     "not verified.*sandbox"),
    (refused("MessageRejected", message="it contains a virus"), errors.RequestRejected, "MessageRejected.*virus"),
    (refused("BadRequestException", message="Missing final"), errors.RequestRejected, "BadRequestException"),
    (refused("LimitExceededException", message="Daily message quota exceeded."), errors.Throttled, "24 hours"),
    (refused("AccessDeniedException", 403, "ses:SendEmail"), errors.AccessDenied, "allow the action ses:SendEmail"),
    (refused("InvalidClientTokenId", 403), errors.AccessDenied, "credentials"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "kind", "said"), REFUSALS)
def test_a_refusal_says_what_to_do(answer: Answer, kind: type[errors.ToriiError], said: str) -> None:
    """Each of SES's errors is one of ours; it is sent once, keeps AWS's id, and names no address and no token."""
    with Server(otherwise=answer) as server:
        with pytest.raises(kind, match=said) as caught:
            mailer(server).send(MESSAGE)
        assert len(server.seen) == 1
    assert type(caught.value) is kind
    assert caught.value.request_id == "REQUEST-1"
    assert "ada@" not in str(caught.value)
    assert "secret-token" not in str(caught.value)


LOST: dict[str, Step] = {
    "reset": Act.RESET,
    "closed": Act.CLOSE,
    "cut": Answer({"MessageId": "1"}, crc=False, cut=True),
    "500": refused("InternalFailure", 500),
    "503": refused("ServiceUnavailable", 503),
    "proxy": Answer(b"<html>Bad gateway</html>", 502, crc=False),
}


@pytest.mark.parametrize("step", LOST.values(), ids=list(LOST))
def test_a_lost_response_does_not_send_the_mail_again(step: Step) -> None:
    """After a request whose outcome is unknown nothing more is sent: SES could not tell the second from the first."""
    with Server(SENT, step) as server:
        sender = mailer(server)
        sender.send(MESSAGE)  # a kept connection would make the next failure look harmless
        with pytest.raises(errors.Unavailable, match="not sent again"):
            sender.send(MESSAGE)
        assert len(server.seen) == 2


def test_a_response_that_does_not_come_ends_with_the_timeout() -> None:
    """The whole call takes no longer than ``timeout``, and is not repeated."""
    with Server(otherwise=Act.HANG) as server:
        with pytest.raises(errors.Unavailable, match="not sent again"):
            mailer(server, timeout=0.1).send(MESSAGE)
        assert len(server.seen) == 1


def test_what_ses_did_not_take_is_sent_again() -> None:
    """A rate limit is waited out, and nothing else about the mail changes."""
    busy = refused("TooManyRequestsException", 429, "Maximum sending rate exceeded.")
    with Server(busy, busy, SENT) as server:
        mailer(server).send(MESSAGE)
        assert len(server.seen) == 3
        assert len({seen.body for seen in server.seen}) == 1


def test_a_rate_limit_that_stays_is_named() -> None:
    """After the last attempt the error is Throttled, with their number."""
    with Server(otherwise=refused("TooManyRequestsException", 429)) as server:
        with pytest.raises(errors.Throttled) as caught:
            mailer(server).send(MESSAGE)
        assert caught.value.attempts == len(server.seen) == 4


def test_a_wrong_clock_is_corrected() -> None:
    """A signature refused for its time is made again with AWS's time: SES did not look at the mail."""
    ahead = datetime.now(UTC) + timedelta(hours=2)
    skewed = refused("InvalidSignatureException", 403, Date=format_datetime(ahead))
    with Server(skewed, SENT) as server:
        mailer(server).send(MESSAGE)
        first, second = (seen.headers["x-amz-date"] for seen in server.seen)
    assert second > first


def test_no_connection_is_kept() -> None:
    """Each mail has its own connection: there is nothing to close, and none that SES has closed meanwhile."""
    with Server(otherwise=SENT) as server:
        sender = mailer(server)
        sender.send(MESSAGE)
        sender.send(MESSAGE)
        assert [seen.connection for seen in server.seen] == [1, 2]


INJECTIONS = {
    "to": ["ada@example.com\r\nBcc: eve@example.com", "ada@example.com,eve@example.com", "ada", "zoë@example.com",
           "a@example.com eve@example.com", "Group: eve@example.com;", "<eve@example.com>"],
    "sender": ["Example\r\nBcc: eve@example.com <no-reply@example.com>", "no-reply@bücher.example", ""],
    "subject": ["Hello\nBcc: eve@example.com", "Hello\u2028there"],
    "reply_to": ["help@example.com\r\nX-Evil: 1"],
}  # fmt: skip


@pytest.mark.parametrize(("field", "value"), [(field, one) for field, given in INJECTIONS.items() for one in given])
def test_a_header_cannot_be_injected(field: str, value: str) -> None:
    """A line break, a list of addresses or an address that SES would read differently is refused; nothing is sent."""
    changed: dict[str, Any] = {field: value}
    with Server(otherwise=SENT) as server:
        with pytest.raises(errors.ValidationError) as caught:
            mailer(server).send(replace(MESSAGE, **changed))
        assert caught.value.field == field
        assert server.seen == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"configuration_set": "my set"},
        {"identity_arn": "example.com"},
        {"tags": {"to": "ada@example.com"}},
        {"region": "nowhere at all"},
        {"timeout": 0},
    ],
)
def test_a_wrong_setting_is_refused_at_once(wrong: dict[str, Any]) -> None:
    """Configuration set, identity, tags, Region and time-out are checked when the mailer is made."""
    with pytest.raises(errors.ConfigurationError):
        mailer("http://127.0.0.1:1", **wrong)


def test_nothing_secret_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the repr nor the log has credentials, tokens or addresses; the log has SES's id of the message."""
    with Server(SENT) as server, caplog.at_level(logging.DEBUG, logger="torii_dynamodb"):
        sender = mailer(server)
        sender.send(MESSAGE)
    assert "0100-1" in caplog.text
    for hidden in ("very-secret", "secret-token", "Ada@"):
        assert hidden not in caplog.text + repr(sender)


def test_no_server_is_unavailable() -> None:
    """Where nothing listens, the mail is tried again, because nothing was sent, and then the error says so."""
    with Server() as server:
        url = server.url
    with pytest.raises(errors.Unavailable, match="no connection") as caught:
        mailer(url).send(MESSAGE)
    assert "not sent again" not in str(caught.value)
    assert caught.value.attempts == 4
