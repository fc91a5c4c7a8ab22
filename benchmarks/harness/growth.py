"""What operations cost as a user's sessions grow, and a page of users as the users do: requests and units, exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice, pairwise
from typing import Any

from benchmarks.harness.parts import Bench, Report, Table, Target
from torii_dynamodb import DynamoDbConfig, DynamoDbHandle, DynamoDbStorage, NewSession, NewUser
from torii_dynamodb._core import sessions, users
from torii_dynamodb.local import start_engine
from torii_dynamodb.models import User

TITLE = "Cost as data grows"
ENVIRONMENTS = ()

SESSIONS = (1, 10, 100, 1_000, 10_000)
USERS = 100_000
PAGE = 100
LAYOUTS = {"tables": "five tables", "single": "a single table"}

_HASH = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43
_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"

_INTRO = """Requests and consumed units, as the engine reports them. They do not depend on the machine. The tests assert
them for smaller sizes.
"""

_SESSIONS_NOTE = """Of a user who has that many sessions, each of about 400 bytes. `=` means: the same as with fewer.
"""

_PAGES_NOTE = f"""`list_users(limit={PAGE})` among {USERS:,} users who have nothing else. In five tables, a page reads
what it returns. In a single table, it reads ahead, because there is more than users in it.
"""

_ROWS = {
    "check": "session check",
    "create": "create a session",
    "refresh": "refresh a session",
    "sign_out": "sign out",
    "end_device": "sign out another device",
    "by_email": "find a user by address",
    "rename": "change a name",
    "set_password": "set a password",
    "lock": "lock an account",
    "everywhere": "sign out everywhere, until it returns",
    "list": "list a user's sessions",
    "everywhere_deleted": "sign out everywhere, rows deleted",
    "delete_user": "delete a user, rows deleted",
}
CONSTANT = tuple(name for name in _ROWS if name not in ("list", "everywhere_deleted", "delete_user"))
"""The operations that cost the same however many sessions there are."""

Cost = dict[str, float]


@dataclass
class _Subject:
    """A user with many sessions."""

    storage: DynamoDbHandle
    user: User
    token: str
    other: str

    @property
    def acts(self) -> Mapping[str, Callable[[], object]]:
        storage, user, later = self.storage, self.user, self.storage.config.clock() + timedelta(days=30)
        return {
            "check": lambda: storage.get_signed_in(self.token),
            "create": lambda: storage.create_session(NewSession(user_id=user.id, expires_at=later), user=user),
            "refresh": lambda: storage.refresh_session(self.token, expires_at=later),
            "sign_out": lambda: storage.delete_session(self.token),
            "end_device": lambda: storage.delete_session_by_id(user.id, self.other),
            "by_email": lambda: storage.get_user_by_email(user.email),
            "rename": lambda: storage.update_user(user, name="Grace"),
            "set_password": lambda: storage.set_password_hash(user.id, _HASH),
            "lock": lambda: storage.set_locked_at(user.id, storage.config.clock()),
            "everywhere": lambda: storage.delete_sessions_for_user(user.id),
            "list": lambda: storage.list_sessions_for_user(user.id),
            "everywhere_deleted": lambda: storage.delete_sessions_for_user(user.id),
            "delete_user": lambda: storage.delete_user(user.id),
        }


def of_sessions(config: DynamoDbConfig, number: int) -> dict[str, Cost]:
    """Return what each operation costs with that many sessions.

    Args:
        config: The configuration; the tables are created.
        number: How many sessions the user has.
    """
    calls: list[Any] = []
    found: dict[str, Cost] = {}
    watched = replace(config, on_call=calls.append)
    with (
        DynamoDbStorage.open(replace(watched, session_cleanup="off")) as storage,
        DynamoDbStorage.open(replace(watched, session_cleanup="inline")) as deleting,
    ):
        shared = _subject(storage, number)
        for name in _ROWS:
            # What only reads leaves everything as it was; everything else gets a user of its own.
            reads = name in ("check", "list", "by_email")
            handle = deleting if name in ("everywhere_deleted", "delete_user") else storage
            subject = shared if reads else _subject(handle, number)
            calls.clear()
            subject.acts[name]()
            found[name] = _cost(calls)
    return found


def _subject(storage: DynamoDbHandle, number: int) -> _Subject:
    config = storage.config
    user = storage.create_user(NewUser(email=f"{config.random(8).hex()}@example.com", name="Ada"), password_hash=_HASH)
    new = NewSession(
        user_id=user.id,
        expires_at=config.clock() + timedelta(days=14),
        user_agent=_AGENT,
        ip_address="203.0.113.7",
    )
    made = [sessions.bind(new, user.session_epoch, config.clock(), config.random) for _ in range(number)]
    rows = [(storage._sessions, {"PutRequest": {"Item": sessions.to_item(one)}}) for one in made]
    storage._client.batch_write(rows)
    return _Subject(storage, user, made[0].token or "", made[-1].id)


def of_pages(config: DynamoDbConfig, number: int) -> list[Cost]:
    """Return what the first, the second, a middle and the last page cost among that many users."""
    calls: list[Any] = []
    with DynamoDbStorage.open(replace(config, on_call=calls.append)) as storage:
        now, chance = config.clock(), config.random
        fresh = (
            users.to_item(
                users.new_user_model(NewUser(email=f"user-{one:06}@example.com", name="Ada"), None, now, chance)
            )
            for one in range(number)
        )
        while rows := [(storage._users, {"PutRequest": {"Item": item}}) for item in islice(fresh, 2_000)]:
            storage._client.batch_write(rows)
        found: list[Cost] = []
        cursor: str | None = None
        while cursor is not None or not found:
            calls.clear()
            page = storage.list_users(limit=PAGE, cursor=cursor)
            found.append(_cost(calls) | {"users": len(page.items)})
            cursor = page.next_cursor
    return found


def _cost(calls: Sequence[Any]) -> Cost:
    return {
        "requests": len(calls),
        "read": round(sum(one.read_units for one in calls), 1),
        "write": round(sum(one.write_units for one in calls), 1),
    }


def measure(bench: Bench) -> dict[str, Any]:
    """Measure both layouts."""
    found: dict[str, Any] = {}
    for layout, label in LAYOUTS.items():
        with start_engine("dynoxide") as engine:
            config = engine.config(table_prefix="growth", layout=layout, merge_reads=False)
            sizes = {}
            for number in SESSIONS[: 3 if bench.quick else None]:
                bench.say(f"  {number:,} sessions, {label}")
                sizes[str(number)] = of_sessions(config, number)
        with start_engine("dynoxide") as engine:
            count = 2_000 if bench.quick else USERS
            bench.say(f"  {count:,} users, {label}")
            pages = of_pages(engine.config(table_prefix="growth", layout=layout), count)
        # Almost all are the same, so only how many there are of each is kept.
        kinds: list[dict[str, Any]] = []
        for page in pages:
            if not kinds or kinds[-1]["page"] != page:
                kinds.append({"page": page, "pages": 0})
            kinds[-1]["pages"] += 1
        found[layout] = {"sessions": sizes, "pages": kinds}
    return found


def report(found: Mapping[str, Any]) -> Report:
    """Show requests and units; the operations that a request of an application needs cost the same at every size."""
    tables: list[Table] = []
    grow: list[str] = []
    pages: list[tuple[str, ...]] = []
    for layout, one in found.items():
        sizes = one["sessions"]
        head = ("", *(f"{int(number):,}" for number in sizes))
        rows = []
        for name, label in _ROWS.items():
            cells = [_as_text(costs[name]) for costs in sizes.values()]
            if name in CONSTANT and len(set(cells)) > 1:
                grow.append(f"{label}, {LAYOUTS[layout]}")
            rows.append((label, cells[0], *("=" if cell == before else cell for before, cell in pairwise(cells))))
        title = f"Sessions of one user, {LAYOUTS[layout]}"
        tables.append(Table(title=title, note=_SESSIONS_NOTE, head=head, rows=rows))
        pages += [
            (LAYOUTS[layout], f"{kind['pages']:,}", f"{kind['page']['users']:g}", _as_text(kind["page"]))
            for kind in one["pages"]
        ]
    head = ("", "pages", "users on each", "requests: units of each")
    tables.append(Table(title="Pages of users", note=_PAGES_NOTE, head=head, rows=pages))
    most = max((int(number) for one in found.values() for number in one["sessions"]), default=0)
    target = Target(
        what=f"check, sign-in, sign-out and changes of a user with 1 to {most:,} sessions: requests and units",
        aim="equal",
        figure=f"grow: {'; '.join(grow)}" if grow else f"equal in all {len(CONSTANT)} operations, in both layouts",
        met=not grow,
        first=True,
    )
    return Report(intro=_INTRO, targets=[target], tables=tables)


def _as_text(cost: Mapping[str, float]) -> str:
    units = ", ".join(f"{cost[kind]:g} {kind}" for kind in ("read", "write") if cost[kind])
    return f"{cost['requests']:g}: {units}"
