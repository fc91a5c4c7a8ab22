# Generated from tests/faults/_async/world.py by tools/unasync.py. Do not edit.

"""A small world of users, sessions and secrets behind the fault proxy, which can be reset."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from datetime import datetime, timedelta
from hashlib import shake_256
from secrets import token_bytes
from typing import Any, Literal

import orjson
from tests.fault_proxy import FaultProxy

from torii_dynamodb._core.layout import layout_of, placer
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.laid_out import LaidOutClient
from torii_dynamodb._sync.storage.handle import DynamoDbHandle, DynamoDbStorage
from torii_dynamodb.config import TABLES, Credentials, DynamoDbConfig, TableName
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import (
    PASSWORD_RESET,
    Factor,
    LockoutPolicy,
    NewFactor,
    NewOAuthAccount,
    NewPasskey,
    NewPasskeyChallenge,
    NewSession,
    NewToken,
    NewUser,
    User,
)
from torii_dynamodb.testing.clock import FakeClock

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$ada"
OTHER_HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$other"
STRICT = LockoutPolicy(max_attempts=2)
CODE = "01234567"

Item = dict[str, Any]
Tables = dict[str, dict[bytes, Item]]


class Dice:
    """Random bytes that depend only on the number of calls, so that two runs store the same.

    Pauses (4 bytes) take no time. The name of a transaction (16 bytes) never repeats, or the engine would take one case
    for the retry of another.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.on_pause: Callable[[], object] | None = None

    def __call__(self, count: int) -> bytes:
        if count == 4:
            if self.on_pause is not None:
                self.on_pause()
            return bytes(4)
        if count == 16:
            return token_bytes(16)
        self.calls += 1
        return shake_256(f"{self.calls}".encode()).digest(count)


class Keys:
    """A source of credentials that returns new ones each time."""

    def __init__(self) -> None:
        self.loads = 0

    def load(self) -> tuple[Credentials, datetime | None]:
        """Return the next ones."""
        self.loads += 1
        return Credentials(access_key_id=f"AKID{self.loads}", secret_access_key="secret"), None


@dataclass(kw_only=True)
class Known:
    """The ids and secrets of the world's users, for the operations."""

    ada: User
    bob: User
    session: str
    session_id: str
    other_session: str
    reset: str
    link: str
    bearer: str
    used: str
    attempt_id: str
    app: Factor
    flow: str
    used_flow: str


class World:
    """A set of tables, reached directly and through a separate proxy.

    ``ada`` has a password, an account, a passkey, an authenticator app, recovery codes and two sessions; ``bob`` only
    an account; ``eve`` only a passkey, which serves as a second factor.
    There are one-time secrets of each kind, attempts and a full register. Nothing expires: the clock stands still.
    """

    def __init__(
        self,
        engine: LocalEngine,
        prefix: str,
        *,
        layout: Literal["tables", "single"] = "tables",
        tenant: str | None = None,
    ) -> None:
        self.engine = engine
        self.prefix = prefix
        self.layout: Literal["tables", "single"] = layout
        self.tenant = tenant
        self.clock = FakeClock()
        self.dice = Dice()
        self.proxy = FaultProxy(engine.endpoint_url)
        self.client: Client
        self.base: Tables = {}
        self.unchanged: dict[str, list[Any]] = {}
        self.calls = 0
        self.known: Known

    def config(self, **options: Any) -> DynamoDbConfig:
        """Return a configuration through the proxy."""
        settings: dict[str, Any] = {
            "clock": self.clock,
            "random": self.dice,
            "session_cleanup": "off",
            "create_tables": False,
            "retry_attempts": 2,
            "layout": self.layout,
        }
        if "endpoint_url" not in options:
            settings["endpoint_url"] = self.proxy.url
        return self.engine.config(table_prefix=self.prefix, **(settings | options))

    def open(self, **options: Any) -> DynamoDbHandle:
        """Open a handle through the proxy. Close it, not its tenant's."""
        return DynamoDbStorage().initialize(self.config(**options))

    def of_tenant(self, storage: DynamoDbHandle) -> DynamoDbHandle:
        """Return the storage of the world's tenant, if it has one."""
        return storage if self.tenant is None else storage.tenant(self.tenant)

    def start(self) -> World:
        """Create the tables and the users."""
        self.client = Client(self.config(endpoint_url=self.engine.endpoint_url))
        if self.base:
            return self
        self.proxy.start()
        direct = self.config(endpoint_url=self.engine.endpoint_url, create_tables=True)
        with DynamoDbStorage.open(direct) as storage:
            self.known = self._settle(self.of_tenant(storage))
        self.base = self.dump()
        self.unchanged = comparable(self.base)
        self.calls = self.dice.calls
        return self

    def close(self) -> None:
        """Reset everything for the next test, and close the connection."""
        self.proxy.clear()
        self.put_back(self.dump())
        self.client.close()

    def later(self, seconds: float = 3600) -> datetime:
        """Return a moment in the future."""
        return self.clock() + timedelta(seconds=seconds)

    def _settle(self, s: DynamoDbHandle) -> Known:
        later = self.later
        ada = s.create_user(NewUser(id="usr_ada", email="ada@example.com", name="Ada"), password_hash=HASH)
        bob, _ = s.create_oauth_account(
            NewUser(id="usr_bob", email="bob@example.com"), NewOAuthAccount(provider="google", subject="bob")
        )
        s.create_session(NewSession(user_id=bob.id, expires_at=later()), user=bob)
        s.delete_sessions_for_user(bob.id)
        eve = s.create_user(NewUser(id="usr_eve", email="eve@example.com"))
        for user, name in ((ada, b"ada"), (eve, b"eve")):
            s.add_passkey(NewPasskey(user_id=user.id, credential_id=name * 8, public_key=b"key", sign_count=5))
        s.link_oauth_account(
            ada.id, NewOAuthAccount(provider="google", subject="ada", email="ada@gmail.example", tokens={"n": 1})
        )
        app = s.add_factor(NewFactor(user_id=ada.id, id="app", secret=b"sealed", last_step=100))
        s.set_recovery_codes(ada.id, ["mark-0", "mark-1", "mark-2"])
        s.use_recovery_code(ada.id, "mark-0")
        s.use_passkeys_as_factor(eve.id, True)
        # Eve disconnected a provider.
        s.link_oauth_account(eve.id, NewOAuthAccount(provider="github", subject="old"))
        s.unlink_oauth_account(eve.id, "github", "old")
        s.create_token(NewToken(purpose="invite", expires_at=later(), user_id=bob.id, revoke_earlier=True))
        ada = self._user(s, "usr_ada")
        bob = self._user(s, "usr_bob")
        session = s.create_session(NewSession(user_id=ada.id, expires_at=later()), user=ada)
        other = s.create_session(NewSession(user_id=ada.id, expires_at=later()), user=ada)
        made = [
            s.create_token(NewToken(purpose=purpose, expires_at=later(), user_id=user_id, email=email))
            for purpose, user_id, email in (
                (PASSWORD_RESET, ada.id, None),
                ("magic_link", ada.id, None),
                ("magic_link", None, "new@example.com"),
                ("magic_link", ada.id, None),
            )
        ]
        secrets = [token.token for token in made]
        s.verify_token(secrets[3], purpose="magic_link")
        codes = [
            s.create_code(NewToken(purpose="magic_link", expires_at=later(), user_id=ada.id), CODE) for _ in range(2)
        ]
        flows = [code.token for code in codes]
        s.try_code(flows[1], CODE, purpose="magic_link")
        s.store_pkce_verifier("state-" + "x" * 32, "v" * 43, expires_at=later())
        s.store_passkey_challenge(NewPasskeyChallenge(challenge=b"c" * 32, kind="authentication", expires_at=later()))
        first = s.acquire_login_attempt("ada@example.com")
        s.record_failed_attempt("ada@example.com", first.attempt_id, ip_address="192.0.2.1")
        last = s.acquire_login_attempt("ada@example.com")
        for _ in range(2):
            s.acquire_login_attempt("full@example.com", policy=STRICT)
        assert session.token
        assert other.token
        return Known(
            ada=ada,
            bob=bob,
            session=session.token,
            session_id=session.id,
            other_session=other.token,
            reset=secrets[0],
            link=secrets[1],
            bearer=secrets[2],
            used=secrets[3],
            attempt_id=last.attempt_id,
            app=app,
            flow=flows[0],
            used_flow=flows[1],
        )

    def _user(self, s: DynamoDbHandle, user_id: str) -> User:
        user = s.get_user(user_id)
        assert user is not None
        return user

    def dump(self) -> Tables:
        """Return all items as the five tables contain them, by table and key."""
        tables: Tables = {table: {} for table in TABLES}
        config = self.client.config
        place = placer(config)
        for name in map(config.table_name, config.tables):
            answer = self.client.call("Scan", {"TableName": name, "ConsistentRead": True})
            assert "LastEvaluatedKey" not in answer
            for item in answer["Items"]:
                placed = place(name, item)
                assert placed is not None
                table, tenant, ours = placed
                assert tenant == self.tenant
                tables[table][_key_of(table, ours)] = ours
        return tables

    def put_back(self, now: Tables) -> None:
        """Restore the initial state.

        Args:
            now: The present content of the tables.
        """
        self.dice.calls = self.calls
        self.dice.on_pause = None
        requests: list[tuple[str, dict[str, Any]]] = []
        layout = layout_of(self.client.config, self.tenant)
        for table in TABLES:
            name = self.client.config.table_name(table) if layout is None else layout.name(table)
            was, is_now = self.base[table], now[table]
            gone = [orjson.loads(key) for key in is_now if key not in was]
            if layout is None and table == "sessions":
                gone = [{"id": key["id"]} for key in gone]
            requests += [(name, {"DeleteRequest": {"Key": key}}) for key in gone]
            requests += [(name, {"PutRequest": {"Item": item}}) for key, item in was.items() if is_now.get(key) != item]
        client = self.client if layout is None else LaidOutClient(self.client, layout)
        client.batch_write(requests)


def _key_of(table: TableName, item: Item) -> bytes:
    names = {"login_attempts": ("subject", "attempt"), "sessions": ("id", "user_id")}.get(table, ("id",))
    return orjson.dumps({name: item[name] for name in names})


_OWN = re.compile(r"usr_[0-9a-f]{32}")


def comparable(tables: Tables) -> dict[str, list[Any]]:
    """Return the tables without random values: ids that the library chose, sealed data, the order of sets."""
    return {table: sorted((_plain(item) for item in items.values()), key=repr) for table, items in tables.items()}


def result_of(value: object) -> Any:
    """Return a result for comparison: dataclasses as mappings, without random values."""
    if isinstance(value, BaseException):
        return [type(value).__name__, getattr(value, "what", None)]
    if is_dataclass(value) and not isinstance(value, type):
        # Including fields that serialisers skip.
        return {name: result_of(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, list | tuple):
        return [result_of(inner) for inner in value]
    if isinstance(value, frozenset):
        return sorted(_OWN.sub("usr_*", inner) for inner in value)
    return _OWN.sub("usr_*", value) if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: "sealed" if key == "sealed_flow" else sorted(inner) if key == "SS" else _plain(inner)
            for key, inner in sorted(value.items())
        }
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return _OWN.sub("usr_*", value) if isinstance(value, str) else value
