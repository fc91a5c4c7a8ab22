"""What operators do, with the command line or in Python, reaches the cache of the application."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cache.memory import MemoryCache
from tests.ports import reserved_port
from tests.valkey_server import ValkeyServer
from typer.testing import CliRunner

import torii_dynamodb._sync.cache as cache_module
from torii_dynamodb import DynamoDbHandle, DynamoDbStorage, NewSession, NewUser
from torii_dynamodb._core.cache import CacheKeys
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.layout_move import move_layout
from torii_dynamodb.admin.migrations import Migrator
from torii_dynamodb.admin.tables import AdminTables
from torii_dynamodb.cache import ValkeyCache
from torii_dynamodb.cli.app import app
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import CacheUnavailable
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import Session

SECRET = "a secret of the tests, which is long enough"


@dataclass
class Application:
    """A running application with a cache, and what operators use to change its tables."""

    storage: DynamoDbHandle
    engine: LocalEngine
    valkey: ValkeyServer

    def session(self, address: str, tenant: str | None = None) -> Session:
        """Make a user with a session that is in the cache."""
        storage = self.storage if tenant is None else self.storage.tenant(tenant)
        user = storage.create_user(NewUser(email=address, id=f"usr_{address.partition('@')[0]}"))
        ends = storage.config.clock() + timedelta(days=1)
        session = storage.create_session(NewSession(user_id=user.id, expires_at=ends))
        assert self.passes(session, tenant)
        assert self.passes(session, tenant)
        return session

    def passes(self, session: Session, tenant: str | None = None) -> bool:
        """Check a session."""
        storage = self.storage if tenant is None else self.storage.tenant(tenant)
        return storage.get_signed_in(session.token) is not None

    def run(self, *arguments: str, url: str | None = None, code: int = 0) -> Any:
        """Run a command."""
        config = self.storage.config
        environment = {
            **self.engine.environment,
            "TORII_TABLE_PREFIX": config.table_prefix,
            "TORII_LAYOUT": config.layout,
        }
        found = CliRunner().invoke(app, [*arguments], env={**environment, "TORII_CACHE_URL": url or self.valkey.url})
        assert found.exit_code == code, found.output
        return found


@pytest.fixture(params=["tables", "single"])
def running(
    request: pytest.FixtureRequest, dynoxide: LocalEngine, valkey: ValkeyServer, table_prefix: str
) -> Iterator[Application]:
    """An application of each layout."""
    config = dynoxide.config(table_prefix=table_prefix, layout=request.param, session_cleanup="inline")
    cache = ValkeyCache(valkey.url, secret=SECRET, timeout=5, connect_timeout=5)
    with DynamoDbStorage.open(config, cache=cache) as storage:
        yield Application(storage, dynoxide, valkey)


def test_a_session_that_the_command_line_ends_is_refused_at_once(running: Application) -> None:
    """Each command that ends sessions removes them from the cache. It does not know the cache's secret."""
    for number, command in enumerate(("users lock", "users sign-out", "users delete", "sessions revoke")):
        address = f"user{number}@example.com"
        session = running.session(address)
        every = ["--all"] if command == "sessions revoke" else []
        running.run(*command.split(), address, "--yes", *every)
        assert not running.passes(session), command


def test_a_lock_that_could_not_reach_the_cache_is_repeated(
    running: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command fails with code 7 and says what holds; run again, it removes what the first run could not."""
    monkeypatch.setattr(cache_module, "PATIENCE", 0)
    session = running.session("ada@example.com")
    with reserved_port() as port:
        failed = running.run("users", "lock", "ada@example.com", "--yes", url=f"valkey://127.0.0.1:{port}", code=7)
        assert "DynamoDB has the result" in " ".join(failed.output.split())
        again = ("users", "lock", "ada@example.com", "--yes")
        running.run(*again, url=f"valkey://127.0.0.1:{port}", code=7)
    assert running.passes(session)
    running.run(*again)
    assert not running.passes(session)


def test_deleting_a_tenant_empties_its_part_of_the_cache(running: Application) -> None:
    """A deleted tenant's sessions end at once; other tenants' entries stay."""
    theirs, others = running.session("ada@example.com", "acme"), running.session("ada@example.com", "acme-2")
    counts = running.storage.cache_counts
    assert counts is not None
    running.run("tenants", "delete", "acme", "--yes")
    assert not running.passes(theirs, "acme")
    hits = counts.hits
    assert running.passes(others, "acme-2")
    assert counts.hits == hits + 1


def test_an_import_and_a_deletion_of_everything_empty_the_cache(running: Application, tmp_path: Path) -> None:
    """What an import replaces, or ``tables delete`` deletes, is not answered from the cache any more."""
    running.run("export", str(tmp_path / "empty"))
    session = running.session("ada@example.com")
    running.run("export", str(tmp_path / "full"))
    running.storage.delete_sessions_for_user(session.user_id)
    later = running.storage.create_session(
        NewSession(user_id=session.user_id, expires_at=running.storage.config.clock() + timedelta(days=1))
    )
    assert running.passes(later)
    running.run("import", str(tmp_path / "full"), "--overwrite", "--yes")
    assert running.passes(session)
    assert not running.passes(later)
    running.run("tables", "delete", "--items-only", "--yes")
    assert not running.passes(session)


def test_clearing_removes_only_what_belongs_to_the_tables(running: Application, valkey: ValkeyServer) -> None:
    """``cache clear`` ends the use of entries, for all tenants or one, and keeps barriers and others' keys."""
    config = running.storage.config
    mine, theirs = running.session("ada@example.com"), running.session("ada@example.com", "acme")

    def keys(text: str) -> list[bytes]:
        with valkey.client() as client:
            found: list[bytes] = sorted(client.keys(f"torii:*{text}*"))
        return found

    with valkey.client() as client:
        client.set("torii:another", b"theirs")
        barred = next(key for key in keys("usr_ada}:user") if b"@" not in key)
        client.set(barred, b"B")
    running.run("cache", "clear", "--tenant", "acme")
    assert not [key for key in keys("usr_ada") if b"@acme:" in key and theirs.id.encode() in key]
    assert keys(mine.id)
    running.run("cache", "clear")
    assert keys(mine.id) == []
    assert barred in keys("usr_ada}:user")
    assert keys("another") == [b"torii:another"]
    assert running.passes(mine)
    run = CliRunner().invoke(app, ["cache", "clear"])
    assert (run.exit_code, "--cache-url" in run.output) == (2, True)
    assert config.table_prefix not in str(keys("another"))


def test_a_password_in_the_url_is_not_printed(running: Application) -> None:
    """What a command advises names the cache, but never its password; an invalid URL is wrong usage."""
    url = f"valkey://ada:hunter2@127.0.0.1:{running.valkey.port}"
    failed = running.run("cache", "clear", "--cache-url", url, code=7)
    assert "hunter2" not in failed.output
    wrong = running.run("cache", "clear", "--cache-url", "memcached://ada:hunter2@localhost", code=2)
    assert "hunter2" not in wrong.output


CHANGES: dict[str, Callable[[DynamoDbConfig, Client, Any], object]] = {
    "migration": lambda config, client, cache: Migrator(config, client, cache=cache).run(),
    "tables deleted": lambda config, client, cache: AdminTables(config, client, cache=cache).delete(),
    "layout moved": lambda config, client, cache: move_layout(
        config.renamed(f"{config.table_prefix}x"), config, client, client, cache=cache
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_work_on_whole_tables_clears_the_cache(
    dynoxide: LocalEngine, table_prefix: str, change: Callable[[DynamoDbConfig, Client, Any], object]
) -> None:
    """What was stored of any tenant is gone afterwards. If the cache cannot be reached, nothing is begun."""
    config = dynoxide.config(table_prefix=table_prefix)
    cache = MemoryCache()
    cache.held = {CacheKeys(config).user(tenant, "usr_ada"): b"E" for tenant in (None, "acme")}

    class Away(MemoryCache):
        def clear(self, prefix: str) -> None:
            raise CacheUnavailable("away", attempts=1)

    with closing(Client(config)) as client:
        for one in (config, config.renamed(f"{table_prefix}x")):
            AdminTables(one, client).ensure()
        with pytest.raises(CacheUnavailable):
            change(config, client, Away())
        change(config, client, cache)
    assert cache.held == {}
