"""A caller that goes away leaks no connection, task or thread, and does not disturb other callers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest
from tests import fault_proxy as faults
from tests.faults._async.world import AsyncWorld

from torii_dynamodb._async.storage.handle import AsyncDynamoDbHandle
from torii_dynamodb._sync.storage.handle import DynamoDbStorage
from torii_dynamodb._wire.batches import ALONE
from torii_dynamodb.errors import Unavailable
from torii_dynamodb.local.engines import LocalEngine

PATIENCE = 10.0


@pytest.fixture
async def world(dynoxide: LocalEngine, table_prefix: str) -> AsyncIterator[AsyncWorld]:
    """A separate world: its connections are counted."""
    world = await AsyncWorld(dynoxide, table_prefix).start()
    yield world
    await world.client.aclose()
    world.proxy.stop()


async def until(holds: Callable[[], bool]) -> None:
    """Let other tasks run until the condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - what is waited for happens in another thread
            await asyncio.sleep(0.001)


def at(world: AsyncWorld, count: int) -> Callable[[], bool]:
    """Return whether that many requests have arrived."""
    begin = len(world.proxy.seen)
    return lambda: len(world.proxy.seen) >= begin + count


async def test_a_cancelled_call_leaves_no_connection_and_no_task(world: AsyncWorld) -> None:
    """Twenty hanging calls are cancelled: their connections close, no task remains, all connections are usable."""
    storage = await world.open(max_connections=20)
    world.proxy.inject(faults.held(applied=False), operation="GetItem", times=20)
    before = asyncio.all_tasks()
    there = at(world, 20)
    calls = [asyncio.ensure_future(storage.get_user("usr_ada")) for _ in range(20)]
    await until(there)
    for call in calls:
        call.cancel()
    assert all(isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*calls, return_exceptions=True))
    await until(lambda: world.proxy.open_connections == 0)
    assert asyncio.all_tasks() == before
    users = await asyncio.gather(*(storage.get_user("usr_ada") for _ in range(40)))
    assert all(user is not None for user in users)
    await storage.close()
    await until(lambda: world.proxy.open_connections == 0)


async def test_a_call_cancelled_while_it_waits_for_a_connection_leaves_the_queue(world: AsyncWorld) -> None:
    """With one connection, a waiting call is cancelled: the next one in the queue gets the connection."""
    storage = await world.open(max_connections=1)
    world.proxy.inject(faults.held(applied=False), operation="GetItem", times=1)
    there = at(world, 1)
    first = asyncio.ensure_future(storage.get_user("usr_ada"))
    await until(there)
    second, third = (asyncio.ensure_future(storage.get_user(name)) for name in ("usr_bob", "usr_eve"))
    await asyncio.sleep(0)
    second.cancel()
    first.cancel()
    user = await third
    assert user is not None
    assert user.id == "usr_eve"
    await asyncio.gather(first, second, return_exceptions=True)
    await storage.close()


async def test_a_cancelled_write_is_whole(world: AsyncWorld) -> None:
    """A creation cancelled before its response came is applied entirely, and a retry by the caller returns it."""
    storage = await world.open()
    world.proxy.inject(faults.held(applied=True), operation="TransactWriteItems")
    there = at(world, 1)
    from torii_dynamodb.models import NewUser

    new_user = NewUser(id="usr_new", email="new@example.com")
    call = asyncio.ensure_future(storage.create_user(new_user))
    await until(there)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await storage.create_user(new_user)).id == "usr_new"
    tables = await world.dump()
    assert sum(item["id"] == {"S": "usr_new"} for item in tables["users"].values()) == 1
    await storage.close()


async def test_cancelled_session_checks_leave_the_merged_ones_unharmed(world: AsyncWorld) -> None:
    """Sixty checks share a few requests; half are cancelled on the way: the others get their sessions."""
    storage = await world.open()
    world.proxy.inject(faults.delayed(0.05), operation="BatchGetItem", times=None)
    before = asyncio.all_tasks()
    tokens = [world.known.session, world.known.other_session]
    there = at(world, 1)
    calls = [asyncio.ensure_future(storage.get_session(tokens[number % 2])) for number in range(60)]
    await until(there)
    for call in calls[::3] + calls[1::3]:
        call.cancel()
    found = await asyncio.gather(*calls, return_exceptions=True)
    kept = found[2::3]
    assert [getattr(session, "token", session) for session in kept] == [tokens[n % 2] for n in range(2, 60, 3)]
    await until(lambda: asyncio.all_tasks() == before)
    await storage.close()
    await until(lambda: world.proxy.open_connections == 0)


async def test_a_forged_token_and_a_time_out_do_not_touch_merged_neighbours(world: AsyncWorld) -> None:
    """In shared checks, a forged token is refused without a request, and a caller's time limit ends only its call."""
    storage = await world.open()
    world.proxy.inject(faults.delayed(0.05), operation="BatchGetItem", times=None)

    async def hasty() -> object:
        async with asyncio.timeout(0.01):
            return await storage.get_session(world.known.session)

    begin = len(world.proxy.seen)
    *_, good, forged, late = await asyncio.gather(
        *(storage.get_session(world.known.session) for _ in range(ALONE)),
        storage.get_session(world.known.other_session),
        storage.get_session(world.known.session[:-1] + "0"),
        hasty(),
        return_exceptions=True,
    )
    assert getattr(good, "token", good) == world.known.other_session
    assert forged is None
    assert isinstance(late, TimeoutError)
    assert len(world.proxy.seen) - begin == ALONE + 1
    await storage.close()


async def test_closing_ends_the_calls_on_their_way(world: AsyncWorld) -> None:
    """When a handle is closed under its callers, each gets an error of this library, and nothing is left open."""
    storage = await world.open(retry_attempts=5)
    world.proxy.inject(faults.held(applied=False), operation="GetItem", times=None)
    before = asyncio.all_tasks()
    there = at(world, 5)
    calls = [asyncio.ensure_future(storage.get_user("usr_ada")) for _ in range(5)]
    await until(there)
    await storage.close()
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(end, Unavailable) for end in ends), ends
    await until(lambda: world.proxy.open_connections == 0)
    assert asyncio.all_tasks() == before


async def test_the_blocking_twin_leaves_no_thread_and_no_connection(world: AsyncWorld) -> None:
    """Ten threads, faults among their calls, background clean-up: after closing, nothing is left."""
    # Patient with a busy machine: what comes after the time-out is retried.
    config = world.config(session_cleanup="background", read_timeout=0.2, retry_attempts=20)

    def work() -> None:
        before = {thread.name for thread in threading.enumerate()}
        with DynamoDbStorage.open(config) as storage:
            world.proxy.inject(faults.reset_within_answer(), operation="BatchGetItem", times=2)
            world.proxy.inject(faults.held(applied=False), operation="GetItem", times=1)
            threads = [
                threading.Thread(target=lambda: storage.get_session(world.known.session), name=f"caller-{number}")
                for number in range(10)
            ]
            for thread in threads:
                thread.start()
            storage.get_user("usr_ada")
            storage.delete_sessions_for_user("usr_ada")
            for thread in threads:
                thread.join()
        assert {thread.name for thread in threading.enumerate()} <= before

    await asyncio.to_thread(work)
    await until(lambda: world.proxy.open_connections == 0)


async def test_an_abandoned_client_leaves_nothing_behind(world: AsyncWorld) -> None:
    """A task that opens a handle and is cancelled inside closes it on the way out."""
    opened = asyncio.Event()

    async def work() -> None:
        storage = await world.open()
        async with storage:
            await hold(storage)

    async def hold(storage: AsyncDynamoDbHandle) -> None:
        await storage.get_user("usr_ada")
        opened.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(work())
    await opened.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: world.proxy.open_connections == 0)
