"""A proxy between a client and DynamoDB (or a local engine) that injects faults into single requests.

It speaks HTTP/1.1 on 127.0.0.1 and runs in a separate thread, so it serves asynchronous and blocking clients. Rules say
beforehand what happens to a request::

    with start_engine() as engine, FaultProxy(engine.endpoint_url) as proxy:
        config = engine.config(endpoint_url=proxy.url)
        proxy.inject(faults.answer_lost(), operation="TransactWriteItems")       # the first of them, once
        proxy.inject(faults.server_error(503), table="torii_users", times=None)  # all, until proxy.clear()

For faults of DynamoDB that local engines do not have (throttling, conflicts between transactions, expired credentials,
a wrong clock, unprocessed items) it sends DynamoDB's responses; the other faults affect the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit
from zlib import crc32

from torii_dynamodb._messages import Response
from torii_dynamodb._wire.facts import SINGLE_WRITES, WRITES
from torii_dynamodb._wire.http import ResponseParser
from torii_dynamodb._wire.records import tables_of

__all__ = [
    "BATCHES",
    "SINGLE_WRITES",
    "TRANSACTION",
    "WRITES",
    "Answer",
    "Fault",
    "FaultProxy",
    "Rule",
    "Seen",
    "answer_lost",
    "body_corrupted",
    "body_cut",
    "capacity_reason",
    "clock_off",
    "conflict",
    "conflict_beside",
    "credentials_expired",
    "delayed",
    "held",
    "refused",
    "reset_before",
    "reset_during",
    "reset_within_answer",
    "server_error",
    "service_error",
    "throttled",
    "transaction_in_progress",
    "trickling",
    "unprocessed",
]

TRANSACTION = "TransactWriteItems"
BATCHES = frozenset({"BatchGetItem", "BatchWriteItem"})

_HOST = "127.0.0.1"
_NAMESPACE = "com.amazonaws.dynamodb.v20120810#"
# DynamoDB refuses signatures that are further from its clock (AWS General Reference, "Signature Version 4").
_CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request as the proxy received it.

    Args:
        number: The number of the request, from 1.
        connection: The number of the client's connection, from 1.
        operation: DynamoDB's name, for example ``"PutItem"``.
        headers: The headers, with names in lower case.
        body: The JSON document, as sent. Contains secrets if the request does.
        fault: The name of the injected fault; empty for none.
    """

    number: int
    connection: int
    operation: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    fault: str = ""

    @property
    def payload(self) -> dict[str, Any]:
        """The parsed body."""
        payload: dict[str, Any] = json.loads(self.body)
        return payload

    @property
    def tables(self) -> tuple[str, ...]:
        """The full names of the tables that the request names."""
        return tables_of(self.payload)

    @property
    def access_key_id(self) -> str:
        """The access key that signed it."""
        found = re.search(r"Credential=([^/,\s]+)/", self.headers.get("authorization", ""))
        return found.group(1) if found else ""

    @property
    def signed_at(self) -> datetime | None:
        """The time that its signature names."""
        try:
            return datetime.strptime(self.headers.get("x-amz-date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response in DynamoDB's form.

    Args:
        status: The HTTP status.
        document: The JSON document.
        headers: Further headers. Length, checksum and request id are added.
    """

    status: int
    document: Mapping[str, Any] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to a request. The functions of this module make the common ones.

    Args:
        name: Appears in :attr:`Seen.fault`.
        forward: What the engine gets: the whole request, half of it before its connection is reset, or nothing.
        answer: What the client gets: the engine's response (``"pass"``); only a reset connection; half of the response,
            then a reset; the response without the last bytes of its body, then the end of the connection; the response
            with one byte of the body changed; nothing until the client leaves (``"hold"``); or byte by byte.
            ``"refuse"``: the proxy stops listening until :meth:`FaultProxy.listen`.
        reply: Makes a response in place of the engine's, from the request and (if it was forwarded) the engine's
            response. If it returns ``None``, the fault does not apply to this request, which passes.
        rewrite: Makes the document to forward from the one received.
        delay: Seconds to wait first.
        before: Called before the request is forwarded, in a thread that may block.
        between: Called after the engine has responded, before the client knows, in a thread that may block: here
            another writer can come in between.
    """

    name: str
    forward: Literal["whole", "torn", "no"] = "whole"
    answer: Literal["pass", "reset", "torn", "cut", "corrupt", "hold", "trickle", "refuse"] = "pass"
    reply: Callable[[Seen, Answer | None], Answer | None] | None = None
    rewrite: Callable[[Seen], Mapping[str, Any] | None] | None = None
    delay: float = 0.0
    before: Callable[[Seen], object] | None = None
    between: Callable[[Seen], object] | None = None


@dataclass(eq=False, slots=True, kw_only=True)
class Rule:
    """The requests that a fault happens to. Made by :meth:`FaultProxy.inject`.

    Args:
        fault: The fault.
        operations: DynamoDB's names; empty: all.
        table: A table's full name; ``None``: any.
        matching: A further condition.
        skip: How many matching requests pass first.
        times: How many it happens to afterwards; ``None``: all.
        each: Whether ``skip`` and ``times`` count the tries of each request (same body) rather than all requests.
        hits: How many it has happened to.
    """

    fault: Fault
    operations: frozenset[str] = frozenset()
    table: str | None = None
    matching: Callable[[Seen], bool] | None = None
    skip: int = 0
    times: int | None = 1
    each: bool = False
    hits: int = 0
    _counts: dict[bytes, int] = field(default_factory=dict[bytes, int])

    def takes(self, seen: Seen) -> bool:
        """Return whether the fault happens to this request, and count it."""
        if self.operations and seen.operation not in self.operations:
            return False
        if self.table is not None and self.table not in seen.tables:
            return False
        if self.matching is not None and not self.matching(seen):
            return False
        mark = seen.body if self.each else b""
        count = self._counts[mark] = self._counts.get(mark, 0) + 1
        if count <= self.skip or (self.times is not None and count > self.skip + self.times):
            return False
        self.hits += 1
        return True


# The connection.


def refused() -> Fault:
    """The connection is reset, and new ones are refused until :meth:`FaultProxy.listen`."""
    return Fault(name="refused", forward="no", answer="refuse")


def reset_before() -> Fault:
    """The connection is reset when the request has arrived; the engine never sees it."""
    return Fault(name="reset before forwarding", forward="no", answer="reset")


def reset_during() -> Fault:
    """Both connections are reset after half of the request has been forwarded."""
    return Fault(name="reset while forwarding", forward="torn", answer="reset")


def answer_lost(between: Callable[[Seen], object] | None = None) -> Fault:
    """The engine applies the request, then the connection is reset before any of the response: the ambiguous case.

    Args:
        between: Called after the engine has applied it, before the client can retry.
    """
    return Fault(name="answer lost", answer="reset", between=between)


def reset_within_answer() -> Fault:
    """The connection is reset after half of the response has been sent."""
    return Fault(name="reset within the answer", answer="torn")


def delayed(seconds: float) -> Fault:
    """The request waits before it is forwarded."""
    return Fault(name="delayed", delay=seconds)


def held(*, applied: bool, between: Callable[[Seen], object] | None = None) -> Fault:
    """No response comes for as long as the client waits.

    Args:
        applied: Whether the engine gets the request.
        between: Called before the client can have given up.
    """
    name = "no answer, applied" if applied else "no answer"
    return Fault(name=name, forward="whole" if applied else "no", answer="hold", between=between)


def trickling() -> Fault:
    """The response comes byte by byte."""
    return Fault(name="slow trickle", answer="trickle")


def body_cut() -> Fault:
    """The body of the response ends too early, and so does the connection."""
    return Fault(name="body cut", answer="cut")


def body_corrupted() -> Fault:
    """One byte of the response's body is changed; the checksum is that of the original."""
    return Fault(name="body corrupted", answer="corrupt")


# DynamoDB's own words.


def service_error(
    code: str, status: int = 400, message: str = "injected by the fault proxy", *, applied: bool = False
) -> Fault:
    """An error response.

    Args:
        code: DynamoDB's error code.
        status: The HTTP status.
        message: DynamoDB's message.
        applied: Whether the engine still gets (and applies) the request.
    """

    def reply(_seen: Seen, _answer: Answer | None) -> Answer:
        return _error(code, status, message)

    name = f"{code} ({status}){', applied' if applied else ''}"
    return Fault(name=name, forward="whole" if applied else "no", reply=reply)


def server_error(status: int = 500, *, applied: bool = False) -> Fault:
    """A response with status 500 or 503. DynamoDB does not say whether the request was applied."""
    return service_error("InternalServerError" if status == 500 else "ServiceUnavailable", status, applied=applied)


def throttled(code: str = "ProvisionedThroughputExceededException") -> Fault:
    """No capacity; the code may also be ``"ThrottlingException"`` or ``"RequestLimitExceeded"``."""
    return service_error(code, message="Throughput exceeds the current capacity of your table or index.")


def conflict() -> Fault:
    """Another transaction holds the item: ``TransactionConflictException``, or the only reason of a cancellation."""

    def reply(seen: Seen, _answer: Answer | None) -> Answer | None:
        if seen.operation == TRANSACTION:
            return _cancelled(seen, "TransactionConflict", "Transaction is ongoing for the item")
        if seen.operation in SINGLE_WRITES:
            return _error("TransactionConflictException", 400, "Transaction is ongoing for the item")
        return None

    return Fault(name="TransactionConflict", forward="no", reply=reply)


def capacity_reason(code: str = "ThrottlingError") -> Fault:
    """A transaction is cancelled for lack of capacity; the code may also be ``"ProvisionedThroughputExceeded"``."""

    def reply(seen: Seen, _answer: Answer | None) -> Answer | None:
        return _cancelled(seen, code, "Throughput exceeds the current capacity") if _is_transaction(seen) else None

    return Fault(name=f"cancelled: {code}", forward="no", reply=reply)


def conflict_beside() -> Fault:
    """When the engine cancels a transaction for a condition, another of its items conflicts at the same time.

    The first item that was not the cause is reported as ``TransactionConflict``. Other responses pass.
    """

    def reply(_seen: Seen, answer: Answer | None) -> Answer | None:
        if answer is None or not str(answer.document.get("__type", "")).endswith("TransactionCanceledException"):
            return None
        reasons = [dict(reason) for reason in answer.document["CancellationReasons"]]
        free = next((reason for reason in reasons if reason["Code"] == "None"), None)
        if free is None:
            return None
        free.update(Code="TransactionConflict", Message="Transaction is ongoing for the item")
        return _cancellation(reasons)

    return Fault(name="TransactionConflict beside a condition", reply=reply)


def transaction_in_progress() -> Fault:
    """A transaction with this token is still running."""

    def reply(seen: Seen, _answer: Answer | None) -> Answer | None:
        words = "The transaction with the given request token is already in progress"
        return _error("TransactionInProgressException", 400, words) if _is_transaction(seen) else None

    return Fault(name="TransactionInProgress", forward="no", reply=reply)


def credentials_expired(accepted: Callable[[str], bool] | None = None) -> Fault:
    """``ExpiredTokenException``.

    Args:
        accepted: Tells by the access key id which credentials are still accepted; ``None``: none.
    """

    def reply(seen: Seen, _answer: Answer | None) -> Answer | None:
        if accepted is not None and accepted(seen.access_key_id):
            return None
        return _error("ExpiredTokenException", 400, "The security token included in the request is expired")

    return Fault(name="ExpiredToken", forward="no", reply=reply)


def clock_off(
    server_clock: Callable[[], datetime],
    code: Literal["InvalidSignatureException", "RequestTimeTooSkewed"] = "InvalidSignatureException",
    *,
    always: bool = False,
) -> Fault:
    """DynamoDB's clock differs from the client's: signatures over five minutes off are refused, with a ``Date``.

    Args:
        server_clock: DynamoDB's clock.
        code: The error code of the refusal.
        always: Whether every request is refused, whatever its time.
    """

    def reply(seen: Seen, _answer: Answer | None) -> Answer | None:
        now, signed = server_clock(), seen.signed_at
        if not always and signed is not None and abs(now - signed) <= _CLOCK_TOLERANCE:
            return None
        answer = _error(code, 400, f"Signature expired: {signed} is not within five minutes of {now}")
        return Answer(status=400, document=answer.document, headers={"Date": format_datetime(now, usegmt=True)})

    return Fault(name=f"clock skew ({code})", forward="no", reply=reply)


def unprocessed(keep: int = 0) -> Fault:
    """A batch is done in part: all but the first ``keep`` keys or items are returned as unprocessed."""

    def split(seen: Seen) -> tuple[dict[str, Any], dict[str, Any]]:
        done: dict[str, Any] = {}
        left: dict[str, Any] = {}
        room = keep
        for table, asked in seen.payload["RequestItems"].items():
            reads = seen.operation == "BatchGetItem"
            parts: list[Any] = asked["Keys"] if reads else asked
            for target, some in ((done, parts[:room]), (left, parts[room:])):
                if some:
                    target[table] = {**asked, "Keys": some} if reads else some
            room = max(room - len(parts), 0)
        return done, left

    def rewrite(seen: Seen) -> Mapping[str, Any] | None:
        if seen.operation not in BATCHES:
            return seen.payload
        done = split(seen)[0]
        return {**seen.payload, "RequestItems": done} if done else None

    def reply(seen: Seen, answer: Answer | None) -> Answer | None:
        if seen.operation not in BATCHES or (answer is not None and answer.status != 200):
            return None
        left = split(seen)[1]
        found = dict(answer.document) if answer is not None else {}
        if seen.operation == "BatchGetItem":
            found = {"Responses": {}, **found, "UnprocessedKeys": left}
        else:
            found = {**found, "UnprocessedItems": left}
        return Answer(status=200, document=found)

    return Fault(name="unprocessed", rewrite=rewrite, reply=reply)


class FaultProxy:
    """The proxy, as a context manager; its thread ends with the block.

    Args:
        target: The engine's address, ``http://127.0.0.1:PORT``. It may stop and start again.

    Attributes:
        seen: All requests so far, in order.
        connections: How many connections clients have made.
        open_connections: How many of them are open.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"target: {target!r}: give http://HOST:PORT, a local engine's address")
        self._target = (parts.hostname, parts.port or 80)
        self.seen: list[Seen] = []
        self.connections = 0
        self.open_connections = 0
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._port = 0
        self._placeholder: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: asyncio.Server | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._links: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        """The address to give to the client as ``endpoint_url``."""
        return f"http://{_HOST}:{self._port}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Start listening on a free port."""
        ready = threading.Event()
        # Bound but never listening: keeps the port ours while connections are refused.
        self._placeholder = _bound_socket(0)
        self._port = self._placeholder.getsockname()[1]
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main(ready)), name="torii-fault-proxy")
        self._thread.start()
        ready.wait()
        return self

    def stop(self) -> None:
        """Close all connections and end the thread."""
        if self._thread is None or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._thread = None
        if self._placeholder is not None:
            self._placeholder.close()

    def inject(
        self,
        fault: Fault,
        *,
        operation: str | Collection[str] = (),
        table: str | None = None,
        matching: Callable[[Seen], bool] | None = None,
        skip: int = 0,
        times: int | None = 1,
        each: bool = False,
    ) -> Rule:
        """Add a rule. The first rule that matches a request wins; requests without a rule pass.

        Args:
            fault: What happens.
            operation: Only to requests of this operation, or of one of these.
            table: Only to requests that name the table with this full name.
            matching: Only to requests for which this returns true.
            skip: How many pass first.
            times: How often it happens; ``None``: from then on.
            each: Count the tries of each request (same body) separately.

        Returns:
            The rule; its ``hits`` count how often it was applied.
        """
        operations = frozenset({operation}) if isinstance(operation, str) else frozenset(operation)
        rule = Rule(
            fault=fault, operations=operations, table=table, matching=matching, skip=skip, times=times, each=each
        )
        with self._lock:
            self._rules.append(rule)
        return rule

    def remove(self, rule: Rule) -> None:
        """Remove a rule."""
        with self._lock, contextlib.suppress(ValueError):
            self._rules.remove(rule)

    def clear(self) -> None:
        """Remove all rules, and listen."""
        with self._lock:
            self._rules.clear()
        self.listen()

    def refuse(self) -> None:
        """Close all connections and refuse new ones until :meth:`listen`."""
        self._on_loop(self._close_doors)

    def listen(self) -> None:
        """Accept connections (again)."""
        self._on_loop(self._open_doors)

    def disconnect(self) -> None:
        """Close all clients' connections."""
        self._on_loop(self._drop_all)

    def settle(self, timeout: float = 10.0) -> None:
        """Wait until clients have closed their connections and abandoned requests have reached the engine.

        A busy machine may forward a request long after its client timed out: read the tables only afterwards.

        Args:
            timeout: The longest time to wait, in seconds.
        """
        self._on_loop(lambda: self._until_idle(timeout))

    def count(self, operation: str = "", fault: str = "") -> int:
        """Count the requests of an operation (of any) so far that had this fault (any fault, or none)."""
        return sum(
            (not operation or seen.operation == operation) and (not fault or seen.fault == fault) for seen in self.seen
        )

    def _on_loop(self, call: Callable[[], Any]) -> None:
        if self._loop is None or self._loop.is_closed():
            return

        async def run() -> None:
            done = call()
            if asyncio.iscoroutine(done):
                await done

        asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    async def _main(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._doors = asyncio.Lock()
        try:
            await self._open_doors()
        finally:
            ready.set()
        await self._stop.wait()
        self._close_doors()
        while self._links:
            tasks = list(self._links)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _open_doors(self) -> None:
        async with self._doors:  # two threads may ask at the same time
            if self._server is None:
                listener = _bound_socket(self._port)
                self._server = await asyncio.start_server(self._connected, sock=listener, backlog=512)

    def _close_doors(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._drop_all()

    def _drop_all(self) -> None:
        for writer in list(self._links.values()):
            _reset(writer)

    async def _until_idle(self, timeout: float) -> None:
        # Pending connections are accepted between two turns of the loop.
        for _ in range(8):
            await asyncio.sleep(0)
        if self._links:
            await asyncio.wait(list(self._links), timeout=timeout)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links[task] = writer
        self.connections += 1
        self.open_connections += 1
        engine = _Engine(self._target)
        number = self.connections
        try:
            while await self._exchange(reader, writer, engine, number):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            del self._links[task]
            self.open_connections -= 1
            engine.close()
            writer.transport.abort()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, engine: _Engine, connection: int
    ) -> bool:
        """Serve one request; return whether another can follow."""
        head = await reader.readuntil(b"\r\n\r\n")
        headers = _headers(head)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        seen, fault = self._choose(connection, headers, body)
        if fault is None:
            writer.write(_as_it_came(await engine.ask(head, body)))
            return True
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.before is not None:
            await asyncio.to_thread(fault.before, seen)
        response = await self._forward(fault, seen, engine, head, body)
        if fault.between is not None:
            await asyncio.to_thread(fault.between, seen)
        if fault.reply is not None:
            given = None if response is None else _parsed(response)
            answer = fault.reply(seen, given)
            if answer is not None:
                writer.write(_render(answer, seen))
                return True
            if response is None:
                response = await engine.ask(head, body)
        return await self._answer(fault, response, reader, writer)

    async def _forward(self, fault: Fault, seen: Seen, engine: _Engine, head: bytes, body: bytes) -> Response | None:
        if fault.forward == "torn":
            await engine.tear(head, body)
            return None
        if fault.forward == "no":
            return None
        if fault.rewrite is not None:
            document = fault.rewrite(seen)
            if document is None:
                return None
            body = json.dumps(document).encode()
            head = re.sub(rb"(?i)(\r\ncontent-length:)[^\r]*", rb"\1 %d" % len(body), head)
        return await engine.ask(head, body)

    async def _answer(
        self, fault: Fault, response: Response | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if fault.answer == "refuse":
            self._close_doors()
            return False
        if fault.answer == "hold":
            while await reader.read(4096):
                pass
            return False
        if fault.answer == "reset" or response is None:
            _reset(writer)
            return False
        raw = _as_it_came(response)
        match fault.answer:
            case "torn":
                writer.write(raw[: len(raw) // 2])
                await writer.drain()
                _reset(writer)
                return False
            case "cut":
                writer.write(raw[: len(raw) - max(1, len(response.body) // 2)])
                await writer.drain()
                writer.close()
                return False
            case "corrupt":
                writer.write(raw[:-2] + bytes([raw[-2] ^ 1]) + raw[-1:])
            case "trickle":
                for position in range(len(raw)):
                    writer.write(raw[position : position + 1])
                    await asyncio.sleep(0)
            case _:
                writer.write(raw)
        return True

    def _choose(self, connection: int, headers: Mapping[str, str], body: bytes) -> tuple[Seen, Fault | None]:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        with self._lock:
            number = len(self.seen) + 1
            seen = Seen(number=number, connection=connection, operation=operation, headers=headers, body=body)
            rule = next((rule for rule in self._rules if rule.takes(seen)), None)
            if rule is not None:
                name = rule.fault.name
                seen = Seen(
                    number=number, connection=connection, operation=operation, headers=headers, body=body, fault=name
                )
            self.seen.append(seen)
        return seen, None if rule is None else rule.fault


class _Engine:
    """The connection to the engine that belongs to one of a client's."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._parser = ResponseParser()

    async def ask(self, head: bytes, body: bytes) -> Response:
        """Send a request and wait for the response."""
        reader, writer = await self._connect()
        writer.write(head + body)
        while True:
            data = await reader.read(262_144)
            response = self._parser.feed(data) if data else self._parser.end()
            if response is not None:
                if not self._parser.keep_alive:
                    self.close()
                return response
            if not data:
                self.close()
                raise ConnectionResetError("the engine is gone")

    async def tear(self, head: bytes, body: bytes) -> None:
        """Send half of a request, then reset."""
        _, writer = await self._connect()
        writer.write(head + body[: len(body) // 2])
        await writer.drain()
        self.close()

    def close(self) -> None:
        """Reset the connection."""
        if self._streams is not None:
            _reset(self._streams[1])
            self._streams = None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._parser = ResponseParser()
            self._streams = await asyncio.open_connection(*self._target)
        return self._streams


def _bound_socket(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "SO_REUSEPORT"):
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((_HOST, port))
    return bound


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _headers(head: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:] if line)
    return {name.lower(): value.strip() for name, _, value in pairs}


def _as_it_came(response: Response) -> bytes:
    head = response.head
    if response.header(b"content-length") is None:
        kept = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"transfer-encoding:")]
        head = b"\r\n".join([*kept, b"content-length: %d" % len(response.body)])
    return head + b"\r\n\r\n" + response.body


def _parsed(response: Response) -> Answer:
    document: Any = json.loads(response.body or b"{}")
    return Answer(status=response.status, document=document)


def _render(answer: Answer, seen: Seen) -> bytes:
    body = json.dumps(answer.document).encode()
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "x-amzn-RequestId": f"FAULT{seen.number:08d}",
        "x-amz-crc32": str(crc32(body)),
        "Content-Length": str(len(body)),
        **answer.headers,
    }
    head = f"HTTP/1.1 {answer.status} Fault\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return head.encode("latin-1") + b"\r\n" + body


def _error(code: str, status: int, message: str) -> Answer:
    return Answer(status=status, document={"__type": _NAMESPACE + code, "message": message})


def _is_transaction(seen: Seen) -> bool:
    return seen.operation == TRANSACTION


def _cancelled(seen: Seen, code: str, message: str) -> Answer:
    """A cancellation whose first item is the cause."""
    others = len(seen.payload["TransactItems"]) - 1
    return _cancellation([{"Code": code, "Message": message}, *({"Code": "None"} for _ in range(others))])


def _cancellation(reasons: list[dict[str, Any]]) -> Answer:
    codes = ", ".join(str(reason["Code"]) for reason in reasons)
    words = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    return Answer(
        status=400,
        document={
            "__type": _NAMESPACE + "TransactionCanceledException",
            "Message": words,
            "CancellationReasons": reasons,
        },
    )
