"""Kill -9 of the engine under mixed load: every acknowledged write must survive.

    python -m tests.faults.crash 60        # seconds; `make soak`

Each worker has its own users and records their acceptable states: after an acknowledged write only the new one, after a
failed one (the engine was killed) the old one or the new one. The engine keeps its data in a file, is killed repeatedly
and restarted on the same file and port.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from torii_dynamodb._async.client import AsyncClient
from torii_dynamodb._async.storage.handle import AsyncDynamoDbHandle, AsyncDynamoDbStorage
from torii_dynamodb._core.attributes import decode_map
from torii_dynamodb.config import TABLES
from torii_dynamodb.errors import ToriiError
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import NewOAuthAccount, NewSession, NewUser
from torii_dynamodb.testing.conformance import broken_invariants

WORKERS = 8
BETWEEN_KILLS = 60


@dataclass
class Person:
    """A user, with the acceptable values of each of its parts."""

    id: str
    exists: set[bool]
    name: set[str | None] = field(default_factory=lambda: {None})
    hash: set[str | None] = field(default_factory=lambda: {None})
    accounts: dict[str, set[bool]] = field(default_factory=dict)
    sessions: dict[str, set[bool]] = field(default_factory=dict)


@dataclass
class Tally:
    """The outcome of a run."""

    acknowledged: int = 0
    unknown: int = 0
    kills: int = 0
    people: int = 0
    checked: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.acknowledged} writes acknowledged, {self.unknown} with unknown outcome, "
            f"{self.people} users, {self.checked} facts checked, {len(self.wrong)} wrong"
        )


class Worker:
    """Writes to its own users."""

    def __init__(self, number: int, storage: AsyncDynamoDbHandle, tally: Tally) -> None:
        self.number = number
        self.storage = storage
        self.tally = tally
        self.people: list[Person] = []
        self.dice = random.Random(number)
        self.serial = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Write until told to stop."""
        while not stop.is_set():
            alive = [person for person in self.people if person.exists == {True}]
            if not alive or self.dice.random() < 0.1:
                await self.create()
                continue
            person = self.dice.choice(alive)
            act = self.dice.choices(
                (self.rename, self.password, self.link, self.sign_in, self.sign_out, self.sign_out_all, self.delete),
                (4, 2, 4, 6, 2, 1, 0.3),
            )[0]
            await act(person)

    async def create(self) -> None:
        """Create a user."""
        self.serial += 1
        person = Person(f"usr_{self.number}-{self.serial}", {True, False})
        self.people.append(person)
        if await self.done(self.storage.create_user(NewUser(id=person.id, email=f"{person.id}@example.com"))):
            person.exists = {True}

    async def rename(self, person: Person) -> None:
        """Change the name."""
        name = self.new("n")
        try:
            user = await self.storage.get_user(person.id)
        except ToriiError:
            return
        if user is None:
            self.tally.wrong.append(f"{person.id} is gone, though it was acknowledged")
            return
        person.name = await self.either(self.storage.update_user(user, name=name), person.name, name)

    async def password(self, person: Person) -> None:
        """Change the password, which ends all sessions."""
        text = f"$argon2id$v=19$test${self.new('h')}"
        person.hash = await self.either(self.storage.set_password_hash(person.id, text), person.hash, text)
        self.end_sessions(person, certain=person.hash == {text})

    async def link(self, person: Person) -> None:
        """Link an account, or unlink one."""
        subject = self.dice.choice(["a", "b", "c"])
        full = f"{person.id}-{subject}"
        known = person.accounts.get(subject, {False})
        if known == {False}:
            call: Any = self.storage.link_oauth_account(person.id, NewOAuthAccount(provider="google", subject=full))
            person.accounts[subject] = await self.either(call, known, True)
        elif None not in person.hash:  # unlinking is refused without another sign-in method
            call = self.storage.unlink_oauth_account(person.id, "google", full)
            person.accounts[subject] = await self.either(call, known, False)

    async def sign_in(self, person: Person) -> None:
        """Create a session."""
        ends = datetime.now(UTC) + timedelta(days=1)
        try:
            session = await self.storage.create_session(NewSession(user_id=person.id, expires_at=ends))
        except ToriiError:
            self.tally.unknown += 1
            return
        self.tally.acknowledged += 1
        person.sessions[session.token] = {True}

    async def sign_out(self, person: Person) -> None:
        """End one session."""
        if person.sessions:
            token = self.dice.choice(list(person.sessions))
            person.sessions[token] = await self.either(
                self.storage.delete_session(token), person.sessions[token], False
            )

    async def sign_out_all(self, person: Person) -> None:
        """End all sessions."""
        self.end_sessions(person, certain=await self.done(self.storage.delete_sessions_for_user(person.id)))

    async def delete(self, person: Person) -> None:
        """Delete the user."""
        person.exists = {False} if await self.done(self.storage.delete_user(person.id)) else {True, False}

    def end_sessions(self, person: Person, *, certain: bool) -> None:
        """Note that sessions are refused now, or may be."""
        for token, known in person.sessions.items():
            person.sessions[token] = {False} if certain else known | {False}

    async def done(self, call: Any) -> bool:
        """Make a write; return whether it was acknowledged."""
        try:
            await call
        except ToriiError:
            self.tally.unknown += 1
            return False
        self.tally.acknowledged += 1
        return True

    async def either(self, call: Any, known: set[Any], new: Any) -> set[Any]:
        """Return the values that may be stored after a write."""
        return {new} if await self.done(call) else known | {new}

    def new(self, kind: str) -> str:
        """Return a text that occurs nowhere else."""
        self.serial += 1
        return f"{kind}{self.number}-{self.serial}"

    async def check(self) -> None:
        """Read everything and compare."""
        for person in self.people:
            user = await self.storage.get_user(person.id)
            self.fact(person, "exists", user is not None, person.exists)
            if user is None:
                continue
            if True not in person.exists:
                continue
            self.fact(person, "name", user.name, person.name)
            self.fact(person, "hash", await self.storage.get_password_hash(person.id), person.hash)
            linked = {account.subject for account in await self.storage.list_oauth_accounts_for_user(person.id)}
            for subject, known in person.accounts.items():
                self.fact(person, f"account {subject}", f"{person.id}-{subject}" in linked, known)
            tokens = list(person.sessions)
            found = await asyncio.gather(*(self.storage.get_session(token) for token in tokens))
            for token, session in zip(tokens, found, strict=True):
                self.fact(person, "a session", session is not None, person.sessions[token])

    def fact(self, person: Person, what: str, found: object, acceptable: set[Any]) -> None:
        """Compare one value."""
        self.tally.checked += 1
        if found not in acceptable:
            self.tally.wrong.append(f"{person.id}: {what} is {found!r}, acknowledged: {acceptable!r}")


async def crash(directory: Path, seconds: float, *, pause: float = 0.7, kills: int = 1) -> Tally:
    """Run the load for at least that many seconds and kills, then check everything.

    The engine is killed every ``pause`` seconds; on a slow machine later, when :data:`BETWEEN_KILLS` writes have been
    acknowledged since the last kill.
    """
    tally = Tally()
    with LocalEngine("dynoxide", db_path=directory / "crash.db") as engine:
        config = engine.config(table_prefix="crash", session_cleanup="off", read_timeout=5.0)
        async with AsyncDynamoDbStorage.open(config) as storage:
            workers = [Worker(number, storage, tally) for number in range(WORKERS)]
            stop = asyncio.Event()
            running = asyncio.gather(*(worker.run(stop) for worker in workers))
            until = time.monotonic() + seconds
            while not running.done() and (tally.kills < kills or time.monotonic() < until):
                enough = tally.acknowledged + BETWEEN_KILLS
                await asyncio.wait([running], timeout=pause)
                while tally.acknowledged < enough and not running.done():
                    await asyncio.wait([running], timeout=pause)
                await asyncio.to_thread(lambda: engine.restart(kill=True))
                tally.kills += 1
            stop.set()
            await running
            tally.people = sum(len(worker.people) for worker in workers)
            for worker in workers:
                await worker.check()
        tally.wrong += broken_invariants(await _dump(engine))
    return tally


async def _dump(engine: LocalEngine) -> dict[str, list[dict[str, Any]]]:
    client = AsyncClient(engine.config(table_prefix="crash"))
    tables: dict[str, list[dict[str, Any]]] = {}
    for table in TABLES:
        payload: dict[str, Any] = {"TableName": client.config.table_name(table), "ConsistentRead": True}
        tables[table] = []
        while True:
            answer = await client.call("Scan", payload)
            tables[table] += [decode_map(item) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                break
            payload["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
    await client.aclose()
    return tables


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(crash(Path(folder), float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))
    print(result)  # noqa: T201
    for line in result.wrong[:20]:
        print(line)  # noqa: T201
    sys.exit(bool(result.wrong))
