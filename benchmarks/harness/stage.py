"""The engine, its tables, and the contestants on it."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from tools.valkey import find_valkey

from benchmarks.harness.contestants import BY_KEY, Contestant, Worker
from benchmarks.harness.parts import Bench
from torii_dynamodb import DynamoDbStorage
from torii_dynamodb._sync.client import Client
from torii_dynamodb.local import start_engine
from torii_dynamodb.local.engines import LocalEngine

# Contestants that use a client by hand use the library's tables; these have their own.
_OWN_TABLES = ("fastapi_users", "authjs", "powertools")


@contextmanager
def contestants(bench: Bench, keys: Sequence[str], *, sessions: int = 1) -> Iterator[tuple[str, dict[str, Worker]]]:
    """Start an engine and those contestants, with users. Yield the engine's URL, and the workers by key."""
    wanted = [key for key in keys if key not in bench.without]
    with ExitStack() as stack:
        engine = stack.enter_context(start_engine("dynoxide"))
        make_tables(engine, [BY_KEY[key] for key in wanted])
        workers: dict[str, Worker] = {}
        for key in dict.fromkeys(["ours_async", *(key for key in wanted if BY_KEY[key].script)]):
            worker = workers[key] = Worker(BY_KEY[key], bench.log)
            stack.callback(worker.stop)
            worker.open(engine.endpoint_url)
            if BY_KEY[key].kind == "floor":
                worker.adopt(workers["ours_async"].tokens)
            else:
                worker.seed(sessions=sessions)
        yield engine.endpoint_url, workers


@contextmanager
def valkey() -> Iterator[int]:
    """Start a Valkey or Redis server that keeps nothing on disk. Yield its port."""
    binary = find_valkey()
    if binary is None:
        raise RuntimeError("no Valkey or Redis server is installed: run 'make setup', or set TORII_VALKEY")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.01)
        yield port
    finally:
        process.kill()
        process.wait()


def make_tables(engine: LocalEngine, taking_part: list[Contestant]) -> None:
    """Create the tables of the contestants that do not create them."""
    prefixes = {one.prefix for one in taking_part if one.key not in _OWN_TABLES} | {"ours_async"}
    for prefix in sorted(prefixes):
        DynamoDbStorage().initialize(engine.config(table_prefix=prefix)).close()
    client = Client(engine.config())
    for key, table in (("authjs", _AUTHJS), ("powertools", _POWERTOOLS)):
        if any(one.key == key for one in taking_part):
            client.call("CreateTable", table)
    client.close()


def _keys(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]


# As in https://authjs.dev/getting-started/adapters/dynamodb.
_AUTHJS: dict[str, Any] = {
    "TableName": "authjs_authjs",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "GSI1PK", "GSI1SK")
    ],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "GSI1",
            "KeySchema": [
                {"AttributeName": "GSI1PK", "KeyType": "HASH"},
                {"AttributeName": "GSI1SK", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}


# As in the documentation of Powertools for AWS Lambda (Python), "Idempotency".
_POWERTOOLS: dict[str, Any] = {
    "TableName": "powertools_store",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
}
