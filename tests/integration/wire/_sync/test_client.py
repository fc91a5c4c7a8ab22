# Generated from tests/integration/wire/_async/test_client.py by tools/unasync.py. Do not edit.

"""The client against a server that follows a script: answers, faults, retries, batches."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from tests.integration.wire.server import Act, Answer, Seen, Server, Step, error

from torii_dynamodb import errors
from torii_dynamodb._calls import CallRecord
from torii_dynamodb._sync.client import Client
from torii_dynamodb._wire.errors import ConditionFailed, ServiceError, TransactionCanceled
from torii_dynamodb.config import Credentials, DynamoDbConfig

GET = {"TableName": "torii_users", "Key": {"id": {"S": "usr_1"}}}
PUT = {"TableName": "torii_users", "Item": {"id": {"S": "usr_1"}}, "ConditionExpression": "attribute_not_exists(id)"}
TRANSACTION = {"TransactItems": [{"Put": PUT}, {"Put": {**PUT, "TableName": "torii_identities"}}]}
ITEM = {"id": {"S": "usr_1"}, "password_hash": {"S": "$argon2id$hidden"}}

Opener = Callable[..., Client]


def no_jitter(count: int) -> bytes:
    """Random bytes that make every pause zero."""
    return bytes(count)


@pytest.fixture
def opened() -> Iterator[Opener]:
    """Opens clients, closes them after the test."""
    clients: list[Client] = []

    def open_client(server: Server | str, **options: Any) -> Client:
        settings: dict[str, Any] = {
            "region": "eu-central-1",
            "endpoint_url": server if isinstance(server, str) else server.url,
            "credentials": Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="very-secret"),
            "random": no_jitter,
            **options,
        }
        clients.append(Client(DynamoDbConfig(**settings)))
        return clients[-1]

    yield open_client
    for client in clients:
        client.close()


TRANSIENT: dict[str, tuple[Step, type[errors.Unavailable]]] = {
    "reset": (Act.RESET, errors.Unavailable),
    "closed without an answer": (Act.CLOSE, errors.Unavailable),
    "cut": (Answer({"Item": ITEM}, cut=True), errors.Unavailable),
    "wrong checksum": (Answer({"Item": ITEM}, wrong_crc=True), errors.Unavailable),
    "wrong checksum of an error": (
        Answer({"__type": "x#ConditionalCheckFailedException"}, 400, wrong_crc=True),
        errors.Unavailable,
    ),
    "not JSON": (Answer(b"<html>", crc=False), errors.Unavailable),
    "not an object": (Answer([]), errors.Unavailable),
    "not HTTP": (Answer(raw=b"220 mail.example.com ESMTP\r\n\r\n"), errors.Unavailable),
    "500": (error("InternalServerError", 500), errors.Unavailable),
    "502 by a proxy": (Answer(b"<html>Bad gateway</html>", 502, crc=False), errors.Unavailable),
    "503": (Answer({}, 503), errors.Unavailable),
    "transaction conflict": (error("TransactionConflictException"), errors.Unavailable),
    "transaction in progress": (error("TransactionInProgressException"), errors.Unavailable),
    "provisioned throughput": (error("ProvisionedThroughputExceededException"), errors.Throttled),
    "throttling": (error("ThrottlingException"), errors.Throttled),
    "request limit": (error("RequestLimitExceeded"), errors.Throttled),
}


def test_an_answer_comes_back_as_it_is(opened: Opener) -> None:
    """A call sends one signed JSON request and returns the answer's document."""
    with Server(Answer({"Item": ITEM})) as server:
        assert opened(server).call("GetItem", GET) == {"Item": ITEM}
    (seen,) = server.seen
    assert seen.operation == "GetItem"
    assert seen.payload == GET
    assert seen.headers["host"] == f"127.0.0.1:{server.port}"
    assert seen.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "very-secret" not in str(seen.headers)


@pytest.mark.parametrize("spoilt", [{"chunked": True}, {"piecemeal": True}, {"crc": False}, {"close": True}])
def test_any_http_framing_is_read(opened: Opener, spoilt: dict[str, Any]) -> None:
    """Chunks, single bytes, no checksum and a silent end of the connection make no difference, and cost no retry."""
    with Server(otherwise=Answer({"Item": ITEM}, **spoilt)) as server:
        client = opened(server, retry_attempts=0)
        for _ in range(3):
            assert client.call("GetItem", GET) == {"Item": ITEM}


def test_connections_are_kept(opened: Opener) -> None:
    """Calls one after the other share a connection."""
    with Server() as server:
        client = opened(server)
        for _ in range(5):
            client.call("GetItem", GET)
        assert server.connections == 1


def test_an_ipv6_endpoint_is_reached(opened: Opener) -> None:
    """An address in brackets is connected to, and named with them in the signed Host header."""
    with Server(host="::1") as server:
        opened(server).call("GetItem", GET)
        assert server.seen[0].headers["host"] == f"[::1]:{server.port}"


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_transient_fault_is_retried(opened: Opener, fault: str) -> None:
    """Two faults, then success: the caller sees success, and the hook three attempts."""
    records: list[CallRecord] = []
    step, _ = TRANSIENT[fault]
    with Server(step, step, Answer({"Item": ITEM})) as server:
        assert opened(server, on_call=records.append).call("GetItem", GET) == {"Item": ITEM}
    assert len(server.seen) == 3
    (record,) = records
    assert (record.attempts, record.retries, record.error) == (3, 2, None)


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_lasting_fault_ends_in_a_named_error(opened: Opener, fault: str) -> None:
    """The error tells the attempts, keeps its cause, and no more requests are sent than configured."""
    step, expected = TRANSIENT[fault]
    with Server(otherwise=step) as server:
        with pytest.raises(expected) as caught:
            opened(server, retry_attempts=2).call("GetItem", GET)
        assert type(caught.value) is expected
        assert caught.value.attempts == 3 == len(server.seen)
        assert caught.value.__cause__ is not None
        assert "GetItem on torii_users" in str(caught.value)


def test_the_request_id_is_kept(opened: Opener) -> None:
    """The error of a failed call carries the id to quote to AWS."""
    with Server(otherwise=error("InternalServerError", 500)) as server:
        with pytest.raises(errors.Unavailable) as caught:
            opened(server).call("GetItem", GET)
        assert caught.value.request_id == "REQUEST-1"


def test_without_retries_nothing_is_sent_twice(opened: Opener) -> None:
    """With retry_attempts=0 a fault is told at once."""
    with Server(otherwise=error("InternalServerError", 500)) as server:
        with pytest.raises(errors.Unavailable, match="retries are off"):
            opened(server, retry_attempts=0).call("GetItem", GET)
        assert len(server.seen) == 1


def test_a_refused_connection_is_unavailable(opened: Opener) -> None:
    """Nobody listening: Unavailable, naming the endpoint."""
    with Server() as server:
        url = server.url
    with pytest.raises(errors.Unavailable, match=url):
        opened(url).call("GetItem", GET)


def test_an_answer_that_does_not_come_times_out(opened: Opener) -> None:
    """The read time-out ends an attempt; the next one is sent over another connection."""
    with Server(Act.HANG, Answer({"Item": ITEM})) as server:
        assert opened(server, read_timeout=0.2).call("GetItem", GET) == {"Item": ITEM}
        assert [seen.connection for seen in server.seen] == [1, 2]


def test_the_deadline_ends_a_call(opened: Opener) -> None:
    """However many retries are left, a call ends at its deadline."""
    with Server(otherwise=Act.HANG) as server:
        with pytest.raises(errors.Unavailable) as caught:
            opened(server, read_timeout=0.2, deadline=0.3, retry_attempts=20).call("GetItem", GET)
        assert 1 <= caught.value.attempts <= 3


def test_an_outage_is_not_amplified(opened: Opener) -> None:
    """When everything fails, the retry quota bounds the requests: one a call, and as many retries as it pays for."""
    with Server(otherwise=error("InternalServerError", 500)) as server:
        client = opened(server, retry_quota=50)
        for _ in range(40):
            with pytest.raises(errors.Unavailable):
                client.call("GetItem", GET)
        assert len(server.seen) == 40 + 50 // 5


def test_success_pays_the_quota_back(opened: Opener) -> None:
    """After an outage, calls that succeed earn retries again."""
    outage = [error("InternalServerError", 500)] * 4
    with Server(*outage, *[Answer()] * 5, error("InternalServerError", 500), Answer({"Item": ITEM})) as server:
        client = opened(server, retry_quota=5, retry_attempts=1)
        for _ in range(3):
            with pytest.raises(errors.Unavailable):
                client.call("GetItem", GET)
        for _ in range(5):
            client.call("GetItem", GET)
        assert client.call("GetItem", GET) == {"Item": ITEM}


def test_a_connection_closed_while_idle_is_no_fault(opened: Opener) -> None:
    """A kept connection that ends instead of answering is replaced at once, even with retries turned off."""
    with Server(Answer(), Act.CLOSE, Answer({"Item": ITEM})) as server:
        client = opened(server, retry_attempts=0)
        client.call("GetItem", GET)
        assert client.call("GetItem", GET) == {"Item": ITEM}
        assert [seen.connection for seen in server.seen] == [1, 1, 2]


def test_a_transaction_is_repeated_byte_for_byte(opened: Opener) -> None:
    """Every TransactWriteItems carries a token; its retry is the same body."""
    with Server(error("InternalServerError", 500), Act.RESET, Answer()) as server:
        opened(server).call("TransactWriteItems", TRANSACTION)
    first, second, third = server.seen
    assert first.body == second.body == third.body
    assert len(first.payload["ClientRequestToken"]) == 32
    assert "ClientRequestToken" not in TRANSACTION


def test_a_transaction_keeps_its_own_token(opened: Opener) -> None:
    """A token that the caller chose is left alone."""
    with Server() as server:
        opened(server).call("TransactWriteItems", {**TRANSACTION, "ClientRequestToken": "mine"})
        assert server.seen[0].payload["ClientRequestToken"] == "mine"


def cancelled(*codes: str) -> Answer:
    """A cancelled transaction, its last item returned."""
    reasons: list[dict[str, Any]] = [{"Code": code} for code in codes]
    reasons[-1]["Item"] = ITEM
    return error("TransactionCanceledException", CancellationReasons=reasons)


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_cancellation_for_transient_reasons_is_retried(opened: Opener, code: str) -> None:
    """If each item that was refused was refused for a passing reason, the transaction is sent again."""
    with Server(cancelled("None", code), Answer()) as server:
        opened(server).call("TransactWriteItems", TRANSACTION)
        assert len(server.seen) == 2


def test_a_lasting_conflict_is_unavailable(opened: Opener) -> None:
    """Conflicts without end become Unavailable, with no item in the chain of causes."""
    with Server(otherwise=cancelled("TransactionConflict", "TransactionConflict")) as server:
        with pytest.raises(errors.Unavailable) as caught:
            opened(server).call("TransactWriteItems", TRANSACTION)
        assert caught.value.attempts == 4
        cause = caught.value.__cause__
        assert isinstance(cause, TransactionCanceled)
        assert [reason.item for reason in cause.reasons] == [None, None]


def test_a_conflict_beside_a_failed_condition_is_final(opened: Opener) -> None:
    """A failed condition stays failed: the transaction is not sent again, and all reasons are told."""
    with Server(cancelled("TransactionConflict", "ConditionalCheckFailed")) as server:
        with pytest.raises(TransactionCanceled) as caught:
            opened(server).call("TransactWriteItems", TRANSACTION)
        assert [reason.code for reason in caught.value.reasons] == ["TransactionConflict", "ConditionalCheckFailed"]
        assert caught.value.reasons[1].item == ITEM
        assert len(server.seen) == 1


def test_a_failed_condition_carries_the_item_and_hides_it(opened: Opener) -> None:
    """The stored item is at hand, never in the text, and gone once stripped."""
    with Server(error("ConditionalCheckFailedException", Item=ITEM)) as server:
        with pytest.raises(ConditionFailed) as caught:
            opened(server).call("PutItem", PUT)
        assert caught.value.item == ITEM
        assert "argon2id" not in f"{caught.value!r} {caught.value}"
        assert caught.value.strip().item is None


def test_a_missing_table_is_a_mistake_of_configuration(opened: Opener) -> None:
    """The message names table, endpoint, region and the command that helps."""
    with Server(otherwise=error("ResourceNotFoundException")) as server:
        client = opened(server)
        with pytest.raises(errors.ConfigurationError) as caught:
            client.call("GetItem", GET)
        for part in ("torii_users", server.url, "eu-central-1", "torii-dynamodb tables ensure"):
            assert part in str(caught.value)
        with pytest.raises(ServiceError) as told:
            client.call("DescribeTable", {"TableName": "torii_users"})
        assert told.value.code == "ResourceNotFoundException"


@pytest.mark.parametrize("code", ["AccessDeniedException", "MissingAuthenticationTokenException", "Http403"])
def test_a_refusal_names_operation_and_table(opened: Opener, code: str) -> None:
    """AccessDenied says what to allow on what."""
    step = Answer(b"<Forbidden/>", 403, crc=False) if code == "Http403" else error(code)
    with Server(otherwise=step) as server:
        with pytest.raises(errors.AccessDenied, match=r"GetItem on torii_users.*dynamodb:GetItem"):
            opened(server).call("GetItem", GET)
        assert len(server.seen) == 1


def test_a_rejected_request_is_told_without_its_values(opened: Opener) -> None:
    """Validation messages quote what was sent; the values do not reach the error."""
    message = "1 validation error detected: Value '{hash={S=$argon2id$hidden}}' at 'item' failed to satisfy constraint"
    with Server(otherwise=error("ValidationException", message=message)) as server:
        with pytest.raises(errors.RequestRejected) as caught:
            opened(server).call("PutItem", PUT)
        assert caught.value.aws_code == "ValidationException"
        assert "at 'item' failed to satisfy" in str(caught.value)
        assert "argon2id" not in f"{caught.value}{caught.value.__cause__!r}"


class Rotating:
    """A source that returns other credentials each time."""

    def __init__(self, *expiries: datetime | None) -> None:
        self.loads = 0
        self.expiries = list(expiries)

    def load(self) -> tuple[Credentials, datetime | None]:
        """The next credentials."""
        self.loads += 1
        expires = self.expiries.pop(0) if self.expiries else None
        return Credentials(access_key_id=f"AKID{self.loads}", secret_access_key="s", session_token="t"), expires


@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException"])
def test_expired_credentials_are_fetched_anew(opened: Opener, code: str) -> None:
    """AWS refuses the credentials: they are fetched once more, and the call succeeds, even without retries."""
    with Server(error(code), Answer({"Item": ITEM})) as server:
        client = opened(server, credentials=Rotating(), retry_attempts=0)
        assert client.call("GetItem", GET) == {"Item": ITEM}
    assert ["AKID1" in server.seen[0].headers["authorization"], "AKID2" in server.seen[1].headers["authorization"]] == [
        True,
        True,
    ]


def test_credentials_that_stay_refused_are_an_error(opened: Opener) -> None:
    """One renewal a call: credentials that AWS keeps refusing end in AccessDenied."""
    with Server(otherwise=error("ExpiredTokenException")) as server:
        with pytest.raises(errors.AccessDenied, match="expired or unknown"):
            opened(server, credentials=Rotating()).call("GetItem", GET)
        assert len(server.seen) == 2
        with pytest.raises(errors.AccessDenied):
            opened(server).call("GetItem", GET)
        assert len(server.seen) == 3


def test_credentials_are_refreshed_ahead_of_expiry(opened: Opener) -> None:
    """Near their end the present credentials still sign, while new ones are fetched behind the caller's back."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    times = [now]
    source = Rotating(now + timedelta(hours=1))
    with Server() as server:
        client = opened(server, credentials=source, clock=lambda: times[0])
        client.call("GetItem", GET)
        times[0] = now + timedelta(minutes=52)
        client.call("GetItem", GET)
        client.close()  # waits for the refresh
    assert source.loads == 2
    assert "AKID1" in server.seen[1].headers["authorization"]


def test_on_lambda_nothing_is_refreshed_in_the_background(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Near their end the call fetches new credentials itself; if that fails, the present ones still sign."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "app")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    times = [now]
    source = Rotating(now + timedelta(hours=1), now + timedelta(hours=2))
    with Server() as server:
        client = opened(server, credentials=source, clock=lambda: times[0])
        client.call("GetItem", GET)
        times[0] = now + timedelta(minutes=52)
        client.call("GetItem", GET)
        assert source.loads == 2
        times[0] = now + timedelta(hours=1, minutes=52)
        monkeypatch.setattr(source, "load", _out_of_order)
        client.call("GetItem", GET)
    assert ["AKID1" in server.seen[0].headers["authorization"], "AKID2" in server.seen[1].headers["authorization"]] == [
        True,
        True,
    ]
    assert "AKID2" in server.seen[2].headers["authorization"]


def _out_of_order() -> tuple[Credentials, datetime | None]:
    raise RuntimeError("no answer")


def test_credentials_at_their_end_are_waited_for(opened: Opener) -> None:
    """In the last minute nothing is signed with the old credentials any more."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    times = [now]
    with Server() as server:
        client = opened(server, credentials=Rotating(now + timedelta(hours=1)), clock=lambda: times[0])
        client.call("GetItem", GET)
        times[0] = now + timedelta(minutes=59, seconds=30)
        client.call("GetItem", GET)
    assert "AKID2" in server.seen[1].headers["authorization"]


def skewed(server_time: datetime, code: str) -> Step:
    """Refuses signatures that are more than five minutes off the server's time."""

    def answer(seen: Seen) -> Answer:
        signed = datetime.strptime(seen.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs(signed - server_time) > timedelta(minutes=5):
            refusal = error(code, message="Signature expired")
            return Answer(refusal.body, 400, {"Date": format_datetime(server_time, usegmt=True)})
        return Answer({"Item": ITEM})

    return answer


@pytest.mark.parametrize("minutes", [-10, 10])
@pytest.mark.parametrize("code", ["RequestTimeTooSkewed", "InvalidSignatureException"])
def test_a_wrong_clock_corrects_itself_once(
    opened: Opener, caplog: pytest.LogCaptureFixture, minutes: int, code: str
) -> None:
    """Ten minutes off: the first call asks twice, all further ones once, and the log says so once."""
    here = datetime(2026, 1, 1, tzinfo=UTC)
    with Server(otherwise=skewed(here + timedelta(minutes=minutes), code)) as server:
        client = opened(server, clock=lambda: here, retry_attempts=0)
        with caplog.at_level(logging.WARNING, "torii_dynamodb"):
            for _ in range(3):
                assert client.call("GetItem", GET) == {"Item": ITEM}
        assert len(server.seen) == 4
    (line,) = caplog.messages
    assert f"{-minutes * 60:+d} seconds off" in line


def test_a_wrong_secret_is_not_taken_for_a_wrong_clock(opened: Opener) -> None:
    """A refused signature with the clocks in agreement is an error at once."""
    here = datetime(2026, 1, 1, tzinfo=UTC)
    refusal = Answer({"__type": "x#InvalidSignatureException"}, 400, {"Date": format_datetime(here, usegmt=True)})
    with Server(otherwise=refusal) as server:
        with pytest.raises(errors.AccessDenied, match="secret access key"):
            opened(server, clock=lambda: here).call("GetItem", GET)
        assert len(server.seen) == 1


def test_the_hook_learns_what_a_call_cost(opened: Opener) -> None:
    """Capacity is asked for by index and told by table."""
    records: list[CallRecord] = []
    consumed = {
        "TableName": "torii_users",
        "CapacityUnits": 3.0,
        "Table": {"CapacityUnits": 1.0},
        "GlobalSecondaryIndexes": {"email-index": {"CapacityUnits": 2.0}},
    }
    with Server(Answer({"ConsumedCapacity": consumed}), error("ConditionalCheckFailedException")) as server:
        client = opened(server, on_call=records.append)
        client.call("PutItem", PUT)
        with pytest.raises(ConditionFailed):
            client.call("PutItem", PUT)
        assert server.seen[0].payload["ReturnConsumedCapacity"] == "INDEXES"
    good, bad = records
    assert (good.operation, good.tables, good.write_units, good.read_units) == ("PutItem", ("torii_users",), 3.0, 0.0)
    assert dict(good.capacity[0].indexes) == {"email-index": 2.0}
    assert (good.error, good.request_id) == (None, "REQUEST-1")
    assert (bad.error, bad.attempts) == ("ConditionalCheckFailedException", 1)
    assert good.latency > 0


def test_without_a_hook_no_capacity_is_asked_for(opened: Opener) -> None:
    """The request is what the caller gave."""
    with Server() as server:
        opened(server).call("GetItem", GET)
        assert server.seen[0].payload == GET


def test_a_hook_that_raises_harms_nobody(opened: Opener, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged; the call has its outcome."""

    def hook(_: CallRecord) -> None:
        raise RuntimeError("in the hook")

    with Server(Answer({"Item": ITEM})) as server:
        assert opened(server, on_call=hook).call("GetItem", GET) == {"Item": ITEM}
    assert "on_call raised" in caplog.text


def table(seen: Seen) -> Answer:
    """A table that has every item whose id is an even number, and answers in an order of its own."""
    assert seen.operation == "BatchGetItem"
    responses: dict[str, list[dict[str, Any]]] = {}
    for name, request in seen.payload["RequestItems"].items():
        ids = [key["id"]["S"] for key in request["Keys"]]
        assert len(ids) == len(set(ids)) <= 100
        responses[name] = [{"id": {"S": key}, "in": {"S": name}} for key in reversed(ids) if int(key) % 2 == 0]
    return Answer({"Responses": responses, "UnprocessedKeys": {}})


def keys(*ids: int, name: str = "torii_users") -> list[tuple[str, dict[str, Any]]]:
    """Keys by number."""
    return [(name, {"id": {"S": str(number)}}) for number in ids]


def found(*ids: int, name: str = "torii_users") -> list[dict[str, Any] | None]:
    """What the table answers."""
    return [{"id": {"S": str(number)}, "in": {"S": name}} if number % 2 == 0 else None for number in ids]


@pytest.mark.parametrize("merge", [True, False])
def test_a_batch_is_aligned_with_its_keys(opened: Opener, merge: bool) -> None:
    """Order kept, duplicates answered each, None where there is no item, tables told apart, one request."""
    with Server(otherwise=table) as server:
        client = opened(server, merge_reads=merge)
        asked = keys(4, 3, 2, 4) + keys(4, name="torii_sessions")
        expected = found(4, 3, 2, 4) + found(4, name="torii_sessions")
        assert client.batch_get(asked, consistent=True) == expected
        assert len(server.seen) == 1
        assert {request["ConsistentRead"] for request in server.seen[0].payload["RequestItems"].values()} == {True}


@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize(("count", "requests"), [(0, 0), (1, 1), (99, 1), (100, 1), (101, 2), (250, 3)])
def test_batches_have_a_hundred_keys(opened: Opener, count: int, requests: int, merge: bool) -> None:
    """n keys take n/100 requests, rounded up."""
    with Server(otherwise=table) as server:
        client = opened(server, merge_reads=merge)
        assert client.batch_get(keys(*range(count)), consistent=False) == found(*range(count))
        assert len(server.seen) == requests


def half_processed(seen: Seen) -> Answer:
    """Answers the first half of the keys, at least one."""
    request = seen.payload["RequestItems"]["torii_users"]
    done = max(1, len(request["Keys"]) // 2)
    first = Seen(
        seen.operation,
        seen.headers,
        json.dumps({"RequestItems": {"torii_users": {"Keys": request["Keys"][:done]}}}).encode(),
        seen.connection,
    )
    answer = table(first)
    if request["Keys"][done:]:
        answer.body["UnprocessedKeys"] = {"torii_users": {**request, "Keys": request["Keys"][done:]}}
    return answer


def unprocessed(seen: Seen) -> Answer:
    """Answers nothing."""
    return Answer({"Responses": {}, "UnprocessedKeys": seen.payload["RequestItems"]})


@pytest.mark.parametrize("merge", [True, False])
def test_unprocessed_keys_are_asked_again(opened: Opener, merge: bool) -> None:
    """As long as DynamoDB gets on with it, every key is answered in the end, however many rounds it takes."""
    with Server(otherwise=half_processed) as server:
        client = opened(server, merge_reads=merge, retry_attempts=1)
        assert client.batch_get(keys(*range(100)), consistent=True) == found(*range(100))
        assert len(server.seen) == 8


@pytest.mark.parametrize("merge", [True, False])
def test_keys_that_stay_unprocessed_are_an_error(opened: Opener, merge: bool) -> None:
    """Nothing is taken for missing that was never answered."""
    with Server(otherwise=unprocessed) as server:
        with pytest.raises(errors.Throttled, match="3 keys unread"):
            opened(server, merge_reads=merge, retry_attempts=2).batch_get(keys(1, 2, 3), consistent=True)
        assert len(server.seen) == 3


def test_an_answer_without_content_is_not_taken_for_no_items(opened: Opener) -> None:
    """An empty document answers no key."""
    with Server(otherwise=Answer({})) as server, pytest.raises(errors.Unavailable):
        opened(server).batch_get(keys(2), consistent=True)


def puts(count: int) -> list[tuple[str, dict[str, Any]]]:
    """That many writes."""
    return [("torii_users", {"PutRequest": {"Item": {"id": {"S": str(number)}}}}) for number in range(count)]


def test_writes_go_in_chunks_of_25(opened: Opener) -> None:
    """Each write is sent exactly once."""
    with Server() as server:
        opened(server).batch_write(puts(60))
        sizes = sorted(len(seen.payload["RequestItems"]["torii_users"]) for seen in server.seen)
        assert sizes == [10, 25, 25]
        ids = [
            request["PutRequest"]["Item"]["id"]["S"]
            for seen in server.seen
            for request in seen.payload["RequestItems"]["torii_users"]
        ]
        assert sorted(ids, key=int) == [str(number) for number in range(60)]
        opened(server).batch_write([])
        assert len(server.seen) == 3


def test_unprocessed_writes_are_sent_again(opened: Opener) -> None:
    """Only what was left is sent again, until nothing is."""

    def some(seen: Seen) -> Answer:
        requests = seen.payload["RequestItems"]["torii_users"]
        return Answer({"UnprocessedItems": {"torii_users": requests[:-10]} if len(requests) > 10 else {}})

    with Server(otherwise=some) as server:
        opened(server, retry_attempts=1).batch_write(puts(25))
        assert [len(seen.payload["RequestItems"]["torii_users"]) for seen in server.seen] == [25, 15, 5]


def test_writes_that_stay_unprocessed_are_counted(opened: Opener) -> None:
    """The error says how many writes were not done."""

    def most(seen: Seen) -> Answer:
        requests = seen.payload["RequestItems"]["torii_users"]
        return Answer({"UnprocessedItems": {"torii_users": requests[-20:]} if len(requests) >= 20 else {}})

    with Server(otherwise=most) as server, pytest.raises(errors.Throttled, match="20 of 30 writes"):
        opened(server, retry_attempts=2).batch_write(puts(30))


def test_a_closed_client_says_so(opened: Opener) -> None:
    """Calls after closing fail without a request, closing twice is fine, and no connection stays open."""
    with Server() as server:
        client = opened(server)
        client.call("GetItem", GET)
        client.close()
        client.close()
        with pytest.raises(errors.Unavailable, match="closed"):
            client.call("GetItem", GET)
        server.wait_for(lambda: server.open_connections == 0)
        assert len(server.seen) == 1


@pytest.mark.parametrize("denied", [True, False])
def test_a_key_that_is_not_the_tables_is_explained(opened: Opener, denied: bool) -> None:
    """Also where the table may not be described; a table of somebody else's, and one that is right, are left alone."""
    words = "The provided key element does not match the schema"
    table = {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "AttributeDefinitions": []}
    described = error("AccessDeniedException") if denied else Answer({"Table": table})
    cancelled = error(
        "TransactionCanceledException",
        CancellationReasons=[{"Code": "None"}, {"Code": "ValidationError", "Message": words}],
    )
    refused = error("ValidationException", message=words)
    with Server(refused, described, cancelled, described, refused) as server:
        client = opened(server)
        found = "its keys cannot be read" if denied else r"key found: pk \(\?\)"
        with pytest.raises(errors.ConfigurationError, match=f"GetItem: table torii_users: .*{found}") as told:
            client.call("GetItem", GET)
        assert "expected: id (S)" in str(told.value)
        items = [{"Delete": {"TableName": "mine", "Key": {}}}, {"Delete": {"TableName": "torii_users", "Key": {}}}]
        with pytest.raises(errors.ConfigurationError, match=f"TransactWriteItems: table torii_users: .*{found}"):
            client.call("TransactWriteItems", {"TransactItems": items})
        with pytest.raises(errors.RequestRejected, match="does not match the schema"):
            client.call("GetItem", {"TableName": "mine", "Key": {}})
        assert [seen.operation for seen in server.seen].count("DescribeTable") == 2
