"""Check that users, identities and sessions agree: at the end of a restore, after an import, or at any time.

The tables are read page by page, with strong consistency, while the application runs. Anything that looks wrong is read
once more before it is reported, so that a change made in the meantime is not reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from torii_dynamodb._core import sessions, users
from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.keys import EMAIL, FACTOR, email_key, factor_key, item_key
from torii_dynamodb._core.layout import by_tenant
from torii_dynamodb._rules.times import epoch_seconds
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.items import Items
from torii_dynamodb.admin.progress import Progress, Report, silent
from torii_dynamodb.admin.scanning import Pacer, scan
from torii_dynamodb.config import DynamoDbConfig, TableName
from torii_dynamodb.errors import CorruptItem
from torii_dynamodb.models import User

__all__ = ["Finding", "FindingKind", "Verification", "verify"]

FindingKind = Literal[
    "unreadable",
    "identity_missing",
    "identity_of_another",
    "email_not_listed",
    "password_version_differs",
    "user_missing",
    "identity_not_listed",
    "factor_missing",
    "factor_not_listed",
]

_BATCH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A disagreement.

    Args:
        kind: What it is.
        table: The table of the item it was found in.
        id: That item's key.
        tenant: The item's tenant; ``None`` outside of any.
        text: What is wrong and what it means, for people. May contain an email address; never a secret.
    """

    kind: FindingKind
    table: TableName
    id: str
    text: str
    tenant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What :func:`verify` found.

    Args:
        users: The number of users.
        identities: The number of identities.
        sessions: The number of session rows.
        valid_sessions: How many of those would pass a check.
        findings: What does not agree.
        units: Read units consumed.
    """

    users: int
    identities: int
    sessions: int
    valid_sessions: int
    findings: tuple[Finding, ...]
    units: float

    @property
    def ok(self) -> bool:
        """Whether there are no findings."""
        return not self.findings


def verify(
    config: DynamoDbConfig, client: Client, *, rate: Pacer | None = None, report: Report = silent
) -> Verification:
    """Check that every user has its identities and every identity its user, and count the valid sessions.

    Rows of ended sessions are not a finding: they are refused, and TTL deletes them.

    Args:
        config: Where the tables are.
        client: The client.
        rate: Limits the reads.
        report: Receives the progress.

    Raises:
        ConfigurationError: A table is missing.
    """
    return _Verifier(config, Items(config, client), rate or Pacer(None), report).run()


@dataclass(slots=True)
class _Verifier:
    _config: DynamoDbConfig
    _items: Items
    _rate: Pacer
    _report: Report
    _valid: int = 0
    _tenant: str | None = None

    def run(self) -> Verification:
        suspects: list[tuple[Finding, Item]] = []
        users_seen = self._pages("users", self._check_users, suspects)
        identities_seen = self._pages("identities", self._check_identities, suspects)
        sessions_seen = self._pages("sessions", self._check_sessions, suspects)
        return Verification(
            users=users_seen,
            identities=identities_seen,
            sessions=sessions_seen,
            valid_sessions=self._valid,
            findings=tuple(self._confirmed(suspects)),
            units=self._rate.spent,
        )

    def _pages(
        self,
        table: TableName,
        check: Callable[[Sequence[Item]], Iterable[Finding]],
        suspects: list[tuple[Finding, Item]],
    ) -> int:
        seen = 0
        for page in scan(self._items.client, self._items.name(table), rate=self._rate):
            for tenant, items in by_tenant(table, page.items).items():
                self._tenant = tenant
                for begin in range(0, len(items), _BATCH):
                    part = items[begin : begin + _BATCH]
                    keys = {_id(item): item for item in part}
                    suspects += [(replace(one, tenant=tenant), keys[one.id]) for one in check(part)]
            seen += len(page.items)
            self._report(Progress(task=f"check {table}", done=seen))
        return seen

    def _confirmed(self, suspects: list[tuple[Finding, Item]]) -> list[Finding]:
        """The findings that remain after user and identities are read once more."""
        valid, again = self._valid, list[Finding]()
        checks: dict[TableName, Callable[[Sequence[Item]], Iterable[Finding]]] = {
            "users": self._check_users,
            "identities": self._check_identities,
            "sessions": self._check_sessions,
        }
        for one, suspect in {(one.tenant, one.table, one.id): (one, item) for one, item in suspects}.values():
            tenant, table = one.tenant, one.table
            self._tenant = tenant
            (item,) = self._read(table, [self._items.of(tenant).key_of(table, suspect)])
            if item is not None:
                again += (replace(found, tenant=tenant) for found in checks[table]([item]))
        self._valid = valid
        return again

    def _read(self, table: TableName, keys: Sequence[Item]) -> list[Item | None]:
        items = self._items.of(self._tenant)
        name = items.name(table)
        found: list[dict[str, Any] | None] = []
        for begin in range(0, len(keys), _BATCH):
            part = keys[begin : begin + _BATCH]
            self._rate.wait()
            found += items.client.batch_get([(name, key) for key in part], consistent=True)
            # Our items are small: up to 4 KB cost one read unit.
            self._rate.spend(len(part))
        return found

    def _check_users(self, items: Sequence[Item]) -> Iterable[Finding]:
        readable: list[User] = []
        for item in items:
            try:
                readable.append(users.read(item))
            except CorruptItem as error:
                yield _unreadable("users", item, error)
        wanted = [key for user in readable for key in (*sorted(user.identities), *users.factor_keys(user))]
        found = dict(zip(wanted, self._read("identities", [item_key(one) for one in wanted]), strict=True))
        for user in readable:
            own = email_key(user.email)
            if own not in user.identities:
                yield Finding(
                    kind="email_not_listed",
                    table="users",
                    id=user.id,
                    text=f"user {user.id} does not list its email address among its identities",
                )
            for identity in sorted(user.identities):
                finding = _judge(user, identity, found[identity])
                if finding is not None:
                    yield finding
            for factor in users.factor_keys(user):
                if found[factor] is None:
                    yield Finding(
                        kind="factor_missing",
                        table="users",
                        id=user.id,
                        text=f"user {user.id} lists second factor {factor}, which does not exist: sign-in asks for it, "
                        "and accepts no code of it",
                    )

    def _check_identities(self, items: Sequence[Item]) -> Iterable[Finding]:
        owners: dict[str, str] = {}
        for item in items:
            owner = item.get("user_id", {}).get("S")
            if owner is None:
                yield Finding(
                    kind="unreadable",
                    table="identities",
                    id=_id(item),
                    text=f"identity {_id(item)} does not name a user",
                )
            else:
                owners[_id(item)] = owner
        ids = list(dict.fromkeys(owners.values()))
        found = dict(zip(ids, self._read("users", [item_key(one) for one in ids]), strict=True))
        for identity, owner in owners.items():
            user = found[owner]
            if user is None:
                yield Finding(
                    kind="user_missing",
                    table="identities",
                    id=identity,
                    text=f"identity {identity} belongs to user {owner}, who does not exist: nobody can register it",
                )
            elif identity.startswith(FACTOR):
                listed = {factor_key(owner, name) for name in user.get("factors", {}).get("SS", [])}
                if identity not in listed:
                    yield Finding(
                        kind="factor_not_listed",
                        table="identities",
                        id=identity,
                        text=f"second factor {identity} belongs to user {owner}, who does not list it: sign-in does "
                        "not ask for it",
                    )
            elif identity not in user.get("identities", {}).get("SS", []):
                yield Finding(
                    kind="identity_not_listed",
                    table="identities",
                    id=identity,
                    text=f"identity {identity} belongs to user {owner}, who does not list it",
                )

    def _check_sessions(self, items: Sequence[Item]) -> Iterable[Finding]:
        ids = list(dict.fromkeys(item["user_id"]["S"] for item in items if "S" in item.get("user_id", {})))
        found = dict(zip(ids, self._read("users", [item_key(one) for one in ids]), strict=True))
        now = epoch_seconds(self._config.clock())
        for item in items:
            try:
                session = sessions.read(item)
            except CorruptItem as error:
                yield _unreadable("sessions", item, error)
                continue
            user = found.get(session.user_id)
            current = user is not None and user.get("session_epoch", {}).get("N") == str(session.epoch)
            self._valid += current and epoch_seconds(session.expires_at) > now


def _judge(user: User, identity: str, item: Item | None) -> Finding | None:
    def finding(kind: FindingKind, text: str) -> Finding:
        return Finding(kind=kind, table="users", id=user.id, text=text)

    if item is None:
        return finding("identity_missing", f"user {user.id} lists identity {identity}, which does not exist")
    owner = item.get("user_id", {}).get("S")
    if owner != user.id:
        return finding("identity_of_another", f"user {user.id} lists identity {identity}, which belongs to {owner}")
    if identity.startswith(EMAIL) and item.get("password_version", {}).get("S") != user.password_version:
        text = f"user {user.id}: the password version of its email address is not the user's; sign-in is refused"
        return finding("password_version_differs", text)
    return None


def _unreadable(table: TableName, item: Item, error: CorruptItem) -> Finding:
    return Finding(kind="unreadable", table=table, id=_id(item), text=str(error))


def _id(item: Item) -> str:
    return str(item["id"]["S"])
