"""What only the asynchronous client can do: be cancelled, and serve hundreds of callers in one loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, assert_type

import pytest
from tests.integration.wire.server import Act, Answer, Seen, Server, error

from torii_dynamodb import errors
from torii_dynamodb._async.client import AsyncClient
from torii_dynamodb._async.primitives import Background, both, gather
from torii_dynamodb._wire.batches import ALONE, BATCH_KEYS
from torii_dynamodb.config import Credentials, DynamoDbConfig

GET = {"TableName": "torii_users", "Key": {"id": {"S": "usr_1"}}}
Opener = Callable[..., AsyncClient]


def config(server: Server, **options: Any) -> DynamoDbConfig:
    """Return a configuration for a server."""
    return DynamoDbConfig(
        region="eu-central-1",
        endpoint_url=server.url,
        credentials=Credentials(access_key_id="a", secret_access_key="b"),
        **{"random": bytes, **options},
    )


@pytest.fixture
async def opened() -> AsyncIterator[Opener]:
    """Open clients, and close them after the test."""
    clients: list[AsyncClient] = []

    def open_client(server: Server, **options: Any) -> AsyncClient:
        clients.append(AsyncClient(config(server, **options)))
        return clients[-1]

    yield open_client
    for client in clients:
        await client.aclose()


async def seen(server: Server, condition: Callable[[], bool]) -> None:
    """Wait until the server has seen something."""
    await asyncio.to_thread(server.wait_for, condition)


def key(number: int) -> tuple[str, dict[str, Any]]:
    """Return a key by its number."""
    return ("torii_users", {"id": {"S": str(number)}})


def ids(request: Seen) -> list[str]:
    """Return the ids in a BatchGetItem."""
    return [asked["id"]["S"] for asked in request.payload["RequestItems"]["torii_users"]["Keys"]]


def number_of(answer: list[dict[str, Any] | None]) -> str:
    """Return the number in the first item of a response."""
    assert answer[0] is not None
    number: str = answer[0]["n"]["N"]
    return number


class Gate:
    """Responds to batches only once it is open; refuses those with a bad key; leaves some keys unprocessed."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.bad: set[str] = set()
        self.left: set[str] = set()

    def __call__(self, request: Seen) -> Answer:
        self.open.wait(10)
        asked = ids(request)
        if self.bad & set(asked):
            return error("ValidationException", message="a key attribute cannot contain an empty string value")
        left = [{"id": {"S": one}} for one in asked if one in self.left]
        items = [{"id": {"S": one}, "n": {"N": one}} for one in asked if one not in self.left]
        return Answer(
            {
                "Responses": {"torii_users": items},
                "UnprocessedKeys": {"torii_users": {"Keys": left}} if left else {},
            }
        )


async def fill(client: AsyncClient, server: Server) -> list[asyncio.Task[Any]]:
    """Occupy all connections, one caller each, so that later ones have to wait."""
    tasks: list[asyncio.Task[Any]] = []
    for number in range(1000, 1000 + client.config.max_connections):
        tasks.append(asyncio.create_task(client.batch_get([key(number)], consistent=True)))
        await seen(server, lambda: len(server.seen) == len(tasks))
    return tasks


async def test_reads_that_wait_share_a_request(opened: Opener) -> None:
    """With all connections in use, 120 more callers for 60 keys share one request with each key once."""
    gate = Gate()
    with Server(otherwise=gate) as server:
        client = opened(server, max_connections=1)
        first = await fill(client, server)
        waiting = [asyncio.create_task(client.batch_get([key(n % 60)], consistent=True)) for n in range(120)]
        await asyncio.sleep(0)
        gate.open.set()
        answers = await asyncio.gather(*waiting)
        await asyncio.gather(*first)
        assert [number_of(answer) for answer in answers] == [str(n % 60) for n in range(120)]
        assert len(server.seen) == 2
        assert len(ids(server.seen[1])) == 60


async def test_reads_of_one_moment_share_requests(opened: Opener) -> None:
    """Of the callers in one round of an idle loop, the first few go alone; the others are dealt into batches."""
    gate = Gate()
    gate.open.set()
    with Server(otherwise=gate) as server:
        client = opened(server)
        await asyncio.gather(*(client.batch_get([key(n)], consistent=True) for n in range(ALONE + BATCH_KEYS + 2)))
        sizes = sorted(len(ids(request)) for request in server.seen)
        assert sizes == [1] * ALONE + [BATCH_KEYS // 2 + 1] * 2


async def test_no_read_waits_for_a_response(opened: Opener) -> None:
    """While nothing is answered, a read is sent as soon as it is requested, however many are in flight."""
    gate = Gate()
    with Server(otherwise=gate) as server:
        client = opened(server)
        tasks: list[asyncio.Task[Any]] = []
        for number in range(12):
            tasks.append(asyncio.create_task(client.batch_get([key(number)], consistent=True)))
            await seen(server, lambda: len(server.seen) == len(tasks))
        gate.open.set()
        assert [number_of(answer) for answer in await asyncio.gather(*tasks)] == [str(n) for n in range(12)]


async def test_consistency_modes_are_not_mixed(opened: Opener) -> None:
    """Strongly and eventually consistent reads never share a request."""
    gate = Gate()
    gate.open.set()
    with Server(otherwise=gate) as server:
        client = opened(server)
        await asyncio.gather(*(client.batch_get([key(n)], consistent=bool(n % 2)) for n in range(20)))
        for request in server.seen:
            assert {int(one) % 2 for one in ids(request)} == {
                int(request.payload["RequestItems"]["torii_users"]["ConsistentRead"])
            }


async def test_a_bad_key_fails_its_caller_alone(opened: Opener) -> None:
    """A refused batch is repeated caller by caller: only the caller of the bad key sees the refusal."""
    gate = Gate()
    gate.open.set()
    gate.bad = {"13"}
    with Server(otherwise=gate) as server:
        client = opened(server)
        answers = await asyncio.gather(
            *(client.batch_get([key(n)], consistent=True) for n in range(20)), return_exceptions=True
        )
        for number, answer in enumerate(answers):
            if number == 13:
                assert isinstance(answer, errors.RequestRejected)
            else:
                assert isinstance(answer, list)
                assert number_of(answer) == str(number)
        assert len(server.seen) == ALONE + 1 + 20 - ALONE


async def test_keys_left_over_delay_their_caller_alone(opened: Opener) -> None:
    """Callers with all their items continue; only the caller of a key that stays unprocessed asks again and fails."""
    gate = Gate()
    gate.open.set()
    gate.left = {"7"}
    with Server(otherwise=gate) as server:
        client = opened(server, retry_attempts=2)
        answers = await asyncio.gather(
            *(client.batch_get([key(n), key(n + 100)], consistent=True) for n in range(10)), return_exceptions=True
        )
        assert [isinstance(answer, errors.Throttled) for answer in answers] == [n == 7 for n in range(10)]
        assert [ids(request) for request in server.seen[ALONE + 1 :]] == [["7"], ["7"]]


async def test_a_shared_outage_gives_each_an_error_of_its_own(opened: Opener) -> None:
    """All callers get Unavailable, as separate objects with separate tracebacks."""
    with Server(otherwise=error("InternalServerError", 500)) as server:
        client = opened(server)
        answers = await asyncio.gather(
            *(client.batch_get([key(n)], consistent=True) for n in range(10)), return_exceptions=True
        )
        assert all(isinstance(answer, errors.Unavailable) and answer.attempts == 4 for answer in answers)
        assert len({id(answer) for answer in answers}) == 10


async def test_a_cancelled_reader_takes_nobody_along(opened: Opener) -> None:
    """A reader cancelled in the queue is not requested; cancelled in flight, it does not affect the others."""
    gate = Gate()
    with Server(otherwise=gate) as server:
        client = opened(server, max_connections=3)
        first = await fill(client, server)
        waiting = [asyncio.create_task(client.batch_get([key(n)], consistent=True)) for n in range(10)]
        await asyncio.sleep(0)
        waiting[3].cancel()
        first[0].cancel()
        await asyncio.sleep(0)
        gate.open.set()
        answers = await asyncio.gather(*waiting, *first, return_exceptions=True)
        cancelled = [isinstance(answer, asyncio.CancelledError) for answer in answers]
        assert cancelled == [n in {3, 10} for n in range(13)]
        assert "3" not in ids(server.seen[3])
        assert (await client.batch_get([key(5)], consistent=True))[0] == {"id": {"S": "5"}, "n": {"N": "5"}}


async def test_cancellation_closes_the_connection_in_use(opened: Opener) -> None:
    """The connection is closed, because its response belongs to no request; its slot is free and no task is left."""
    tasks = asyncio.all_tasks()
    with Server(Act.HANG) as server:
        client = opened(server, max_connections=1)
        call = asyncio.create_task(client.call("GetItem", GET))
        await seen(server, lambda: len(server.seen) == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await seen(server, lambda: server.open_connections == 0)
        assert await client.call("GetItem", GET) == {}
        assert asyncio.all_tasks() == tasks


async def test_connections_are_bounded_and_the_queue_is_fair(opened: Opener) -> None:
    """There are never more connections than allowed; waiters are served in order, and a cancelled one blocks none."""
    with Server() as server:
        client = opened(server, max_connections=3)
        await asyncio.gather(*(client.call("GetItem", GET) for _ in range(40)))
        assert server.connections <= 3
    with Server() as server:
        client = opened(server, max_connections=1)
        await client.call("DescribeEndpoints", {})

        async def call(number: int) -> None:
            await client.call("GetItem", {**GET, "Key": {"id": {"S": str(number)}}})

        calls = [asyncio.create_task(call(number)) for number in range(40)]
        await asyncio.sleep(0)
        calls[20].cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert server.connections == 1
        sent = [int(request.payload["Key"]["id"]["S"]) for request in server.seen[1:]]
        assert sent == [n for n in range(40) if n != 20]


async def test_waiting_for_a_connection_ends_in_time(opened: Opener) -> None:
    """With all connections busy, a caller waits at most as long as for a response; the error says why."""
    with Server(otherwise=Act.HANG) as server:
        client = opened(server, max_connections=1, read_timeout=0.3, retry_attempts=0)
        first = asyncio.create_task(client.call("GetItem", GET))
        await seen(server, lambda: len(server.seen) == 1)
        short = opened(server, max_connections=1, read_timeout=0.3, retry_attempts=0)
        short._transport = client._transport
        with pytest.raises(errors.Unavailable):
            await short.call("GetItem", GET)
        with pytest.raises(errors.Unavailable, match="in time"):
            await first


async def test_a_client_belongs_to_one_loop() -> None:
    """A client used in a second loop while the first runs raises an error instead of hanging."""
    with Server() as server:
        client = AsyncClient(config(server))
        await client.call("GetItem", GET)

        def elsewhere() -> None:
            asyncio.run(client.call("GetItem", GET))

        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(elsewhere)
        await client.aclose()


async def test_gather_cancels_the_rest() -> None:
    """The first error is raised; the other calls are cancelled and awaited, with a limit, too."""
    ended: list[int] = []

    async def one(number: int) -> int:
        try:
            if number == 1:
                raise ValueError(number)
            await asyncio.Event().wait()
        finally:
            ended.append(number)
        return number

    for limit in (None, 2):
        ended.clear()
        with pytest.raises(ValueError, match="1"):
            await gather(*(lambda n=n: one(n) for n in range(4)), limit=limit)
        assert {0, 1} <= set(ended)
    assert len(asyncio.all_tasks()) == 1


async def test_both_returns_both_results() -> None:
    """Two calls that wait for each other finish, and each result keeps its type; an error cancels the other call."""
    met = asyncio.Event()
    cancelled = False

    async def number() -> int:
        await met.wait()
        return 1

    async def text() -> str:
        met.set()
        return "one"

    assert assert_type(await both(number, text), tuple[int, str]) == (1, "one")

    async def hang() -> None:
        nonlocal cancelled
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled = True
            raise

    async def fail() -> int:
        raise ValueError("words")

    with pytest.raises(ValueError, match="words"):
        await both(hang, fail)
    assert cancelled


async def test_background_work_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """Closing waits for all background work; failures are logged by name."""
    background = Background()
    done: list[str] = []

    async def good() -> None:
        await asyncio.sleep(0)
        done.append("good")

    async def bad() -> None:
        raise ValueError("words")

    background.spawn(good, "good work")
    background.spawn(bad, "bad work")
    await background.aclose()
    assert done == ["good"]
    assert "bad work failed in the background: words" in caplog.text


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_client_survives_its_loop() -> None:
    """A loop that ends during a read leaves nothing behind that would block the next one."""
    gate = Gate()
    gate.open.set()
    with Server(otherwise=gate) as server:
        client = AsyncClient(config(server))

        async def cut_short() -> None:
            reading = asyncio.create_task(client.batch_get([key(1)], consistent=True))
            await asyncio.sleep(0)
            assert not reading.done()

        async def whole() -> list[Any]:
            try:
                return await asyncio.wait_for(client.batch_get([key(2)], consistent=True), 10)
            finally:
                await client.aclose()

        asyncio.run(cut_short())
        assert number_of(asyncio.run(whole())) == "2"
