"""How DynamoDB's responses become exceptions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torii_dynamodb import errors
from torii_dynamodb._messages import Response
from torii_dynamodb._wire.errors import (
    CancellationReason,
    ConditionFailed,
    Disconnected,
    ServiceError,
    TimedOut,
    TransactionCanceled,
    copy_error,
)
from torii_dynamodb._wire.facts import Kind
from torii_dynamodb._wire.failures import failure_of_response, failure_of_transport, final_error
from torii_dynamodb._wire.records import make_record, tables_of

SECRET = {"password_hash": {"S": "$argon2id$hidden"}}


def answer(code: str, status: int = 400, **more: Any) -> Response:
    """An error as DynamoDB sends it."""
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", **more}
    return Response.of(status, [("x-amzn-RequestId", "ID1")], json.dumps(body).encode())


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ProvisionedThroughputExceededException", 400, "throttle"),
        ("ThrottlingException", 400, "throttle"),
        ("RequestLimitExceeded", 400, "throttle"),
        ("InternalServerError", 500, "transient"),
        ("ServiceUnavailable", 503, "transient"),
        ("Anything", 502, "transient"),
        ("TransactionConflictException", 400, "conflict"),
        ("TransactionInProgressException", 400, "conflict"),
        ("ReplicatedWriteConflictException", 400, "conflict"),
        ("ExpiredTokenException", 400, "expired"),
        ("UnrecognizedClientException", 400, "expired"),
        ("RequestTimeTooSkewed", 400, "skew"),
        ("InvalidSignatureException", 400, "skew"),
        ("ValidationException", 400, "final"),
        ("AccessDeniedException", 400, "final"),
        ("ResourceNotFoundException", 400, "final"),
        ("ConditionalCheckFailedException", 400, "final"),
        ("IdempotentParameterMismatchException", 400, "final"),
    ],
)
def test_each_code_has_its_treatment(code: str, status: int, kind: Kind) -> None:
    """Whether and how a failure is retried depends only on the code."""
    failure = failure_of_response(answer(code, status))
    assert (failure.kind, failure.code, failure.request_id) == (kind, code, "ID1")


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        (["None", "TransactionConflict"], "conflict"),
        (["ThrottlingError", "None"], "throttle"),
        (["ProvisionedThroughputExceeded", "TransactionConflict"], "throttle"),
        (["ConditionalCheckFailed", "TransactionConflict"], "final"),
        (["ItemCollectionSizeLimitExceeded", "None"], "final"),
        (["ValidationError"], "final"),
        (["None", "None"], "final"),
        ([], "final"),
    ],
)
def test_a_cancellation_is_passing_only_if_every_reason_is(codes: list[str], kind: Kind) -> None:
    """One final reason makes the whole transaction final."""
    given_reasons = [{"Code": code} for code in codes]
    failure = failure_of_response(answer("TransactionCanceledException", CancellationReasons=given_reasons))
    assert failure.kind == kind
    assert isinstance(failure.error, TransactionCanceled)
    assert [reason.code for reason in failure.error.reasons] == codes


def test_reasons_are_read_from_the_message_if_need_be() -> None:
    """Some responses contain the reasons only in the message."""
    message = (
        "Transaction cancelled, please refer cancellation reasons for specific reasons [None, TransactionConflict]"
    )
    failure = failure_of_response(answer("TransactionCanceledException", message=message))
    assert isinstance(failure.error, TransactionCanceled)
    assert [reason.code for reason in failure.error.reasons] == ["None", "TransactionConflict"]


def test_xml_and_html_are_understood() -> None:
    """Emulators that check permissions respond with XML, proxies with HTML."""
    xml = Response.of(403, [], b"<Response><Errors><Error><Code>AccessDenied</Code></Error></Errors></Response>")
    assert failure_of_response(xml).code == "AccessDenied"
    html = Response.of(418, [], b"<html>teapot</html>")
    assert failure_of_response(html).code == "Http418"


@given(status=st.integers(300, 599), body=st.binary(max_size=200) | st.from_type(dict).map(lambda d: repr(d).encode()))
def test_any_answer_becomes_a_failure(status: int, body: bytes) -> None:
    """No response makes the reader raise another exception."""
    assert failure_of_response(Response.of(status, [("Date", "not a date")], body)).code


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(
    code=st.sampled_from(["TransactionCanceledException", "ConditionalCheckFailedException", "ValidationException"]),
    reasons=junk,
    item=junk,
    message=junk,
)
def test_odd_documents_become_a_failure(code: str, reasons: Any, item: Any, message: Any) -> None:
    """Attributes of undocumented types cause no other exception."""
    assert failure_of_response(answer(code, CancellationReasons=reasons, Item=item, message=message)).code == code


@given(junk, st.sampled_from(["Items", "Responses", "ConsumedCapacity", "Item"]))
def test_odd_documents_become_a_record(value: Any, name: str) -> None:
    """Whatever the response, the record of a call can be made."""
    record = make_record(
        operation="Query",
        payload={"RequestItems": value, "TransactItems": value},
        attempts=1,
        retries=0,
        throttles=0,
        latency=0.1,
        answer={name: value},
        request_id=None,
        error=None,
    )
    assert record.items >= 0


def test_the_tables_of_a_request_are_known() -> None:
    """For single, batch and transaction requests, each table is named once, in order."""
    assert tables_of({"TableName": "a"}) == ("a",)
    assert tables_of({"RequestItems": {"b": [], "a": []}}) == ("b", "a")
    actions = [{"Put": {"TableName": "b"}}, {"ConditionCheck": {"TableName": "a"}}, {"Update": {"TableName": "b"}}]
    assert tables_of({"TransactItems": actions}) == ("b", "a")


def chain(error: BaseException) -> str:
    """Return an error and its causes as a log would show them, including attributes."""
    text = ""
    following: BaseException | None = error
    while following is not None:
        text += f"{following!r} {following} {vars(following)}"
        following = following.__cause__ or following.__context__
    return text


def translate(error: ConditionFailed | TransactionCanceled) -> None:
    """What the storage does with a wire error."""
    try:
        raise error
    except (ConditionFailed, TransactionCanceled) as caught:
        raise errors.AlreadyExists("email", "taken") from caught.strip()


def test_stripped_errors_hold_no_item() -> None:
    """The cause of a public error contains no hash, not even in an attribute."""
    failed = ConditionFailed(dict(SECRET), "ID1")
    cancelled = TransactionCanceled((CancellationReason("ConditionalCheckFailed", "words", dict(SECRET)),), "ID1")
    for error in (failed, cancelled):
        assert "hidden" not in f"{error!r} {error}"
        with pytest.raises(errors.AlreadyExists) as public:
            translate(error)
        assert "hidden" not in chain(public.value)
    assert cancelled.reasons == (CancellationReason("ConditionalCheckFailed", "words"),)


def test_final_errors_hold_no_item() -> None:
    """The error of a transaction that was given up for conflicts contains none of the returned items."""
    reasons = [{"Code": "TransactionConflict", "Item": SECRET}]
    failure = failure_of_response(answer("TransactionCanceledException", CancellationReasons=reasons))
    error = final_error(failure, operation="TransactWriteItems", tables=("a", "b"), where="here", attempts=4)
    assert isinstance(error, errors.Unavailable)
    assert "hidden" not in chain(error)


def test_transport_errors_have_their_treatment() -> None:
    """A stale connection is replaced, a time-out costs more, and everything else is transient."""
    assert failure_of_transport(Disconnected("x", stale=True)).kind == "stale"
    assert failure_of_transport(Disconnected("x")).kind == "transient"
    assert failure_of_transport(TimedOut("x")).kind == "timeout"


def test_a_copy_says_the_same() -> None:
    """Each caller that shares a batch gets its own error."""
    error = errors.Throttled("slow down", attempts=3, request_id="ID1")
    error.__cause__ = ServiceError("ThrottlingException", "words", 400, "ID1")
    copy = copy_error(error)
    assert copy is not error
    assert isinstance(copy, errors.Throttled)
    assert (str(copy), copy.attempts, copy.request_id, copy.__cause__) == ("slow down", 3, "ID1", error.__cause__)


@pytest.mark.parametrize(
    ("operation", "advice"),
    [
        ("PutItem", "allow the action dynamodb:PutItem on"),
        ("BatchGetItem", "allow the action dynamodb:BatchGetItem on"),
        ("TransactWriteItems", "dynamodb:PutItem, UpdateItem, DeleteItem and ConditionCheckItem on"),
        ("TransactGetItems", "allow the action dynamodb:GetItem on"),
    ],
)
def test_a_missing_permission_names_actions_that_exist(operation: str, advice: str) -> None:
    """IAM has no actions for transactions, only for their parts."""
    failure = failure_of_response(answer("AccessDeniedException"))
    assert advice in str(final_error(failure, operation=operation, tables=("t",), where="here", attempts=1))
