"""What the first session check of a process loads. Each module costs every cold start about half a millisecond."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from torii_dynamodb import DynamoDbStorage, NewSession, NewUser
from torii_dynamodb.local import LocalEngine

PROGRAMS = {
    "async": """
import asyncio
from torii_dynamodb import AsyncDynamoDbStorage, DynamoDbConfig

async def check():
    async with AsyncDynamoDbStorage.open(config()) as storage:
        return await storage.get_signed_in(sys.argv[3])

def found():
    return asyncio.run(check())
""",
    "sync": """
from torii_dynamodb import DynamoDbConfig, DynamoDbStorage

def found():
    with DynamoDbStorage.open(config()) as storage:
        return storage.get_signed_in(sys.argv[3])
""",
}
AROUND = """
import json, sys
before = set(sys.modules)

def config():
    return DynamoDbConfig(endpoint_url=sys.argv[1], table_prefix=sys.argv[2], create_tables=False)
{program}
assert found() is not None
print(json.dumps(sorted(set(sys.modules) - before)))
"""

OURS = """
_aws _core _core.attributes _core.expressions _core.keys _core.reading _core.sessions _core.sizes _core.users _idle
_messages _rules _rules.base64url _rules.emails _rules.guarded _rules.on_lambda _rules.secrets _rules.times
_rules.validation _wire _wire.apis _wire.batches _wire.credentials _wire.endpoints _wire.errors _wire.facts
_wire.failures _wire.http _wire.json _wire.profiles _wire.records _wire.retry _wire.signing _wire.tls clock config
errors models models.common models.sessions models.users
{twin} {twin}.client {twin}.contract {twin}.credentials {twin}.merging {twin}.primitives {twin}.storage
{twin}.storage.attempts {twin}.storage.base {twin}.storage.factors {twin}.storage.handle {twin}.storage.oauth
{twin}.storage.passkeys {twin}.storage.passwords {twin}.storage.sessions {twin}.storage.tokens {twin}.storage.users
{twin}.transport
"""

# Of Python's own, these take long to load, or lead to others that do.
HEAVY = {
    "configparser", "csv", "email", "html", "http", "importlib.metadata", "multiprocessing", "sqlite3", "unittest",
    "urllib.request", "xml", "zoneinfo",
}  # fmt: skip


@pytest.mark.parametrize("twin", PROGRAMS)
def test_what_the_first_check_loads(dynoxide: LocalEngine, table_prefix: str, twin: str) -> None:
    """Exactly these modules of the library, orjson, and nothing heavy. Add to the list only what a check needs."""
    config = dynoxide.config(table_prefix=table_prefix)
    with DynamoDbStorage.open(config) as storage:
        user = storage.create_user(NewUser(email="ada@example.com"))
        expires_at = datetime.now(UTC) + timedelta(days=1)
        session = storage.create_session(NewSession(user_id=user.id, expires_at=expires_at))
    program = AROUND.replace("{program}", PROGRAMS[twin])
    done = subprocess.run(
        [sys.executable, "-c", program, str(config.endpoint_url), table_prefix, session.token],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"},
    )
    loaded = set(json.loads(done.stdout))
    ours = {name.removeprefix("torii_dynamodb.") for name in loaded if name.startswith("torii_dynamodb.")}
    assert ours == set(OURS.format(twin=f"_{twin}").split())
    top = {name.partition(".")[0] for name in loaded} - {"torii_dynamodb"}
    assert top - set(sys.stdlib_module_names) - {"org"} == {"orjson"}, "packages"
    assert not loaded & HEAVY
    if twin == "sync":
        assert not loaded & {"asyncio", "concurrent.futures", "queue"}
