"""Moving from one layout to the other, and tables that are shared."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.admin.populated import people
from tests.admin.test_layouts import THEIRS
from typer.testing import CliRunner

from torii_dynamodb import DynamoDbStorage, NewSession, NewToken, NewUser
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.control import Occupied
from torii_dynamodb.admin.items import Items
from torii_dynamodb.admin.layout_move import MoveReport, move_layout, plan_move
from torii_dynamodb.admin.progress import Progress
from torii_dynamodb.admin.scanning import Pacer, key_of
from torii_dynamodb.admin.tables import AdminTables, Plan
from torii_dynamodb.admin.transfer import canonical
from torii_dynamodb.cli.app import app
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import ConfigurationError, ValidationError
from torii_dynamodb.local.engines import LocalEngine


class Move:
    """A source with people, a target with an application's items, and clients for both."""

    def __init__(self, source: DynamoDbConfig, target: DynamoDbConfig, clients: tuple[Client, Client]) -> None:
        self.source, self.target, self.clients = source, target, clients

    def run(self, **options: Any) -> MoveReport:
        return move_layout(self.source, self.target, *self.clients, **options)

    def everything(self, config: DynamoDbConfig) -> dict[str, Any]:
        """All items of ours, by key."""
        client = self.clients[0 if config is self.source else 1]
        pages = Items(config, client).pages(rate=Pacer(None))
        return {f"{table} {key_of(table, item)}": canonical(item) for page in pages for table, item in page}

    def theirs(self) -> list[Any]:
        """The application's items in the target."""
        if self.target.layout == "tables":
            return THEIRS
        keys = [{"pk": item["pk"], "sk": item["sk"]} for item in THEIRS]
        return self.clients[1].batch_get([(self.target.table_name("table"), key) for key in keys], consistent=True)


@contextmanager
def moving(engine: LocalEngine, prefix: str, way: str) -> Generator[Move]:
    """A move: ``single`` into a shared table, ``tables`` out of a single one."""
    single = engine.config(table_prefix=f"{prefix}s", layout="single", ttl_attribute="ttl")
    tables = engine.config(table_prefix=prefix)
    source, target = (tables, single) if way == "single" else (single, tables)
    with ExitStack() as stack:
        clients = tuple(stack.enter_context(closing(Client(config))) for config in (source, target))
        AdminTables(target, clients[1]).ensure()
        if way == "single":
            puts = [(target.table_name("table"), {"PutRequest": {"Item": item}}) for item in THEIRS]
            clients[1].batch_write(puts)
        yield Move(source, target, (clients[0], clients[1]))


@pytest.fixture(params=["single", "tables"])
def move(request: pytest.FixtureRequest, dynoxide: LocalEngine, table_prefix: str) -> Iterator[Move]:
    """A move in each direction."""
    with moving(dynoxide, table_prefix, request.param) as made:
        yield made


def test_sessions_links_and_tenants_stay_good(move: Move) -> None:
    """After a move, sessions and one-time tokens are valid, of tenants too; source and others' items are as before."""
    sessions = people(move.source)
    later = move.source.clock() + timedelta(days=1)
    with DynamoDbStorage.open(move.source) as storage:
        acme = storage.tenant("acme")
        user = acme.create_user(NewUser(email="user0@example.com"))
        tenants = acme.create_session(NewSession(user_id=user.id, expires_at=later))
        link = storage.create_token(NewToken(purpose="magic_link", user_id=sessions[0].user_id, expires_at=later))
    before = move.everything(move.source)
    planned = plan_move(move.source, move.target, *move.clients)
    done = move.run()
    assert planned.obstacles == ()
    assert planned.items == done.items
    assert done.complete
    assert done.verification is not None
    assert done.verification.ok
    assert done.written == len(before) == sum(done.items.values())
    assert move.everything(move.source) == before == move.everything(move.target)
    assert move.theirs() == THEIRS
    with DynamoDbStorage.open(move.target) as storage:
        assert all(storage.get_signed_in(session.token) for session in sessions)
        assert storage.tenant("acme").get_signed_in(tenants.token) is not None
        assert storage.get_signed_in(tenants.token) is None
        assert storage.verify_token(link.token, purpose="magic_link") is not None
        assert storage.get_credentials_by_email("user1@example.com") is not None


def test_what_was_revoked_between_the_passes_stays_revoked(move: Move) -> None:
    """Sign-outs, revocations, used links and deletions after the first pass hold in the target."""
    out, everywhere, deleted = people(move.source)
    later = move.source.clock() + timedelta(days=1)
    with DynamoDbStorage.open(move.source) as storage:
        kept = storage.create_session(NewSession(user_id=out.user_id, expires_at=later))
        link = storage.create_token(NewToken(purpose="magic_link", user_id=out.user_id, expires_at=later))
        first = move.run(prepare=True)
        assert not first.complete
        storage.delete_session(out.token)
        storage.delete_sessions_for_user(everywhere.user_id)
        storage.delete_user(deleted.user_id)
        storage.verify_token(link.token, purpose="magic_link")
        new = storage.create_user(NewUser(email="new@example.com"))
    second = move.run()
    assert second.complete
    assert second.resumed
    assert second.removed > 0
    assert second.written < first.written
    assert move.everything(move.source) == move.everything(move.target)
    with DynamoDbStorage.open(move.target) as storage:
        assert not any(storage.get_signed_in(session.token) for session in (out, everywhere, deleted))
        assert storage.get_signed_in(kept.token) is not None
        assert storage.get_user(deleted.user_id) is None
        assert storage.get_user_by_email("user2@example.com") is None
        assert storage.get_user(new.id) == new
        assert storage.verify_token(link.token, purpose="magic_link") is None
    assert move.theirs() == THEIRS


def test_a_target_in_use_is_refused(move: Move) -> None:
    """Users who are in the target already are never replaced, and a finished move cannot be run again by mistake."""
    people(move.source, 1)
    with DynamoDbStorage.open(move.target) as storage:
        kept = storage.create_user(NewUser(email="kept@example.com"))
        with pytest.raises(Occupied, match="would be replaced"):
            move.run()
        assert plan_move(move.source, move.target, *move.clients).obstacles
        assert storage.get_user(kept.id) == kept
    AdminTables(move.target, move.clients[1]).delete_items()
    assert move.run().complete
    with DynamoDbStorage.open(move.target) as storage:
        kept = storage.create_user(NewUser(email="kept@example.com"))
        with pytest.raises(Occupied, match="would be replaced"):
            move.run(prepare=True)
        assert storage.get_user(kept.id) == kept


def test_another_source_cannot_join_a_move(move: Move, dynoxide: LocalEngine) -> None:
    """An unfinished move goes on only from the same tables, and is itself no source."""
    people(move.source, 1)
    move.run(prepare=True)
    other = dynoxide.config(table_prefix=f"{move.source.table_prefix}o")
    people(other, 1)
    before = move.everything(move.target)
    with closing(Client(other)) as client:
        with pytest.raises(Occupied, match="from other tables"):
            move_layout(other, move.target, client, move.clients[1])
        with pytest.raises(Occupied, match="itself the target"):
            move_layout(move.target, other, move.clients[1], client)
    assert move.everything(move.target) == before


def test_a_source_that_is_written_to_is_noticed(move: Move) -> None:
    """A change in the source after it was copied leaves the move unfinished."""
    people(move.source, 1)
    with DynamoDbStorage.open(move.source) as storage:
        emails = iter([f"late{number}@example.com" for number in range(100)])

        def report(progress: Progress) -> None:
            if progress.task == "remove what is gone" and (email := next(emails, None)) is not None:
                storage.create_user(NewUser(email=email))

        done = move.run(report=report)
    assert done.differing
    assert not done.complete
    assert done.verification is None
    again = move.run()
    assert again.complete
    assert again.written == done.differing


def test_an_interrupted_move_is_resumed(move: Move) -> None:
    """After an interruption, a run writes only what is missing."""
    people(move.source)

    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move.run(report=interrupt, segments=1)
    done = move.run()
    assert done.complete
    assert done.resumed
    assert done.written < sum(done.items.values())


def test_source_and_target_must_differ(move: Move) -> None:
    """A move onto itself is refused; missing tables are in the way, and said."""
    people(move.source, 1)
    with pytest.raises(ValidationError, match="is in the source and in the target"):
        move_layout(move.source, move.source, move.clients[0], move.clients[0])
    AdminTables(move.target, move.clients[1]).delete_items()
    missing = move.target.renamed(f"{move.target.table_prefix}none")
    assert any("missing" in one for one in plan_move(move.source, missing, *move.clients).obstacles)
    with pytest.raises(Occupied, match="missing"):
        move_layout(move.source, missing, *move.clients)


@pytest.fixture
def shared(dynoxide: LocalEngine, table_prefix: str) -> Iterator[Move]:
    """A single table with people and an application's items."""
    with moving(dynoxide, table_prefix, "single") as made:
        people(made.target)
        yield made


def test_a_shared_table_is_not_deleted(shared: Move) -> None:
    """While a table contains others' items, it stays; the library's items can be deleted alone."""
    tables = AdminTables(shared.target, shared.clients[1])
    with pytest.raises(Occupied, match="--items-only"):
        tables.delete()
    count = len(shared.everything(shared.target))
    assert sum(tables.delete_items(dry_run=True).values()) == count
    assert sum(tables.delete_items().values()) == count
    assert shared.everything(shared.target) == {}
    assert shared.theirs() == THEIRS
    deletes = [{"DeleteRequest": {"Key": {"pk": item["pk"], "sk": item["sk"]}}} for item in THEIRS]
    shared.clients[1].batch_write([(shared.target.table_name("table"), one) for one in deletes])
    people(shared.target, 1)
    assert tables.delete() == [shared.target.table_name("table")]


def test_ttl_never_deletes_others_items(dynoxide: LocalEngine, table_prefix: str, caplog: Any) -> None:
    """TTL of a table that exists is not turned on by an application, nor on an attribute that others' items have."""
    config = dynoxide.config(table_prefix=table_prefix, layout="single")
    with closing(Client(config)) as client:
        control = AdminTables(config, client)
        control.apply(Plan(steps=control.plan().steps[:1]), settled=set())
        with DynamoDbStorage.open(config):
            pass
        assert "TTL is off" in caplog.text
        assert control.status()[0].ttl is None
        theirs = {"pk": {"S": "order#1"}, "sk": {"S": "order"}, "expires_at": {"N": "1"}}
        client.batch_write([(config.table_name("table"), {"PutRequest": {"Item": theirs}})])
        with pytest.raises(ConfigurationError, match=r"would delete others' items.*--ttl-attribute"):
            control.ensure()
        assert control.status()[0].ttl is None
        other = replace(config, ttl_attribute="torii_expires_at")
        AdminTables(other, client).ensure()
        assert AdminTables(other, client).status()[0].ok
        with pytest.raises(ConfigurationError, match="--ttl-attribute torii_expires_at"):
            control.ensure()
        with pytest.raises(ConfigurationError, match="--partition-key, --sort-key"):
            AdminTables(replace(other, sort_key="range"), client).ensure()


def test_the_command_moves_and_says_what_to_do(
    dynoxide: LocalEngine, table_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a dry run to the settings; a target that is missing or in use is said, with its options."""
    for name, value in {**dynoxide.environment, "TORII_TABLE_PREFIX": table_prefix, "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)
    people(dynoxide.config(table_prefix=table_prefix))

    def run(line: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, line.split())
        assert done.exit_code == code, done.output
        return str(done.output)

    target = f"--layout single --table {table_prefix}_app"
    to = f"layout move --to single --to-table {table_prefix}_app"
    assert f"tables ensure --table-prefix {table_prefix} {target}" in run(f"{to} --dry-run", code=3)
    run(f"tables ensure {target}")
    assert "users: 3 items" in run(f"{to} --dry-run")
    assert "without --prepare" in run(f"{to} --prepare")
    told = run(to)
    assert "layout='single'" in told
    assert f"table='{table_prefix}_app'" in told
    assert f"{target} --items-only" in run(to, code=6)
    assert "3 users" in run(f"verify {target}")
