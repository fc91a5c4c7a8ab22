"""The demo's run: people sign up, sign in, are checked and sign out, and invalid attempts must be refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from torii_dynamodb import AsyncDynamoDbHandle, AsyncTorii, Browser, NewSession, NewUser, Session, SignedIn, User
from torii_dynamodb._async.primitives import gather
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.hashing import PasswordHasher
from torii_dynamodb._rules.secrets import make_session_token
from torii_dynamodb.cli.demo_accounts import Account, Reject
from torii_dynamodb.cli.demo_figures import Ledger
from torii_dynamodb.cli.support import hang, plain
from torii_dynamodb.clock import system_clock, system_random
from torii_dynamodb.errors import (
    AccountLocked,
    AlreadyExists,
    InvalidCredentials,
    ItemTooLarge,
    ToriiError,
    ValidationError,
)

__all__ = ["Demo", "Finding", "Pace"]

T = TypeVar("T")

_WRONG_PASSWORD = "certainly not the password"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The load on an engine.

    Args:
        hashes: Passwords hashed at once: each takes 64 MiB and a core or more.
        calls: Other operations at once.
        sign_ins: How many people sign in with their password.
        checks: How often each session is checked.
        racers: How many register one address at the same time; 0: no race.
    """

    hashes: int = 2
    calls: int = 16
    sign_ins: int = 60
    checks: int = 10
    racers: int = 50


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check.

    Args:
        claim: What was checked.
        holds: Whether it is true.
        said: What the library said, or what happened instead.
    """

    claim: str
    holds: bool
    said: str


@dataclass(slots=True)
class _Person:
    account: Account
    user: User
    sessions: list[Session] = field(default_factory=list[Session])


class Demo:
    """One run.

    Args:
        storage: The storage.
        ledger: Records the figures.
        console: Shows the progress.
        pace: The load.
        hasher: Hashes the passwords.
    """

    def __init__(
        self, storage: AsyncDynamoDbHandle, ledger: Ledger, console: Console, pace: Pace, hasher: PasswordHasher
    ) -> None:
        self._storage = storage
        self._torii = AsyncTorii(storage, hasher=hasher)
        self._ledger = ledger
        self._console = console
        self._pace = pace
        self._people: list[_Person] = []
        self._signed_in: list[_Person] = []
        self.findings: list[Finding] = []
        self.rejects: list[Reject] = []
        self._told = 0
        self.registered = 0
        self.known = 0

    async def run(self, accounts: Sequence[Account], *, earlier: bool) -> None:
        """Run everything in order.

        Args:
            accounts: Who takes part.
            earlier: Whether the tables had users before: each account is then looked up first.
        """
        first, again = self._sort(accounts)
        self.tell_rejects()
        if earlier:
            first = await self._look_up(first)
        await self._register(first)
        await self._register_again(again)
        if not self._people:
            return
        short = await self._short_session(self._people[0].user)
        await self._sign_in()
        await self._second_devices()
        await self._check("check a session")
        await self._sign_out()
        await self._sign_out_everywhere()
        await self._try_what_must_fail(short)
        if self._pace.racers:
            await self._race()

    def take_rejects(self, rejects: Sequence[Reject]) -> None:
        """Add lines without an account; they are shown with the first other rejects."""
        self.rejects += rejects

    def _sort(self, accounts: Sequence[Account]) -> tuple[list[Account], list[tuple[Account, int]]]:
        """The accounts, and those whose address is on an earlier line, with that line's number."""
        first: list[Account] = []
        again: list[tuple[Account, int]] = []
        lines: dict[str, int] = {}
        for account in accounts:
            try:
                email = normalise_email(account.email).normalised
            except ValidationError as error:
                self._reject(account, str(error))
                continue
            if email in lines:
                again.append((account, lines[email]))
            else:
                lines[email] = account.line
                first.append(account)
        return first, again

    async def _look_up(self, accounts: list[Account]) -> list[Account]:
        new: list[Account] = []

        async def look(account: Account) -> None:
            user = await self._measure("look up by email", self._storage.get_user_by_email(account.email))
            if user is None:
                new.append(account)
            else:
                self._people.append(_Person(account, user))

        await self._each("Looking people up", accounts, look, at_once=self._pace.calls)
        self.known = len(self._people)
        self._people.sort(key=lambda person: person.account.line)
        self._tell(f"Found {_people(self.known)} from an earlier run: they keep their accounts.")
        return sorted(new, key=lambda account: account.line)

    async def _register(self, accounts: list[Account]) -> None:
        async def register(account: Account) -> None:
            work = self._torii.password.register(account.email, account.password, name=account.name)
            try:
                user = await self._measure("register", work)
            except (ValidationError, ItemTooLarge) as error:
                self._reject(account, str(error))
            except AlreadyExists:
                self._reject(account, f"{account.email} was registered by somebody else in the meantime")
            else:
                self.registered += 1
                self._people.append(_Person(account, user))

        if accounts:
            await self._each("Signing people up", accounts, register, at_once=self._pace.hashes)
            if self.registered or not self.known:
                self._tell(f"Signed {_people(self.registered)} up.")
        self._people.sort(key=lambda person: person.account.line)

    async def _register_again(self, accounts: list[tuple[Account, int]]) -> None:
        async def register(pair: tuple[Account, int]) -> None:
            account, line = pair
            work = self._torii.password.register(account.email, account.password, name=account.name)
            try:
                await self._measure("register again (refused)", work)
            except (AlreadyExists, ValidationError) as error:
                why = f"line {line} has the same address" if isinstance(error, AlreadyExists) else str(error)
                self._reject(account, f"{account.email.strip()} is refused: {why}")
            else:
                self._find(f"a second registration of {account.email} is refused", holds=False, said="it was accepted")

        if accounts:
            await self._each("Signing up again", accounts, register, at_once=self._pace.hashes)

    async def _short_session(self, user: User) -> tuple[Session, bool]:
        """A session that ends in a moment, and whether it is valid now."""
        ends = system_clock() + timedelta(seconds=3)
        session = await self._storage.create_session(NewSession(user_id=user.id, expires_at=ends), user=user)
        return session, await self._storage.get_session(session.token) is not None

    async def _sign_in(self) -> None:
        async def sign_in(person: _Person) -> None:
            account = person.account
            work = self._torii.password.authenticate(
                account.email,
                account.password,
                browser=Browser(user_agent=account.user_agent, ip_address=account.ip_address),
            )
            try:
                result = await self._measure("sign in", work)
            except InvalidCredentials:
                self._reject(account, f"{account.email} cannot sign in: the account now has another password")
            except (AccountLocked, ValidationError) as error:
                self._reject(account, f"{account.email} cannot sign in: {error}")
            else:
                # The demo sets up no second factors.
                assert isinstance(result, SignedIn)
                person.user = result.user
                person.sessions.append(result.session)
                self._signed_in.append(person)

        # Spread over all people, so that all spellings, domains and browsers take part.
        step = max(1, len(self._people) // self._pace.sign_ins)
        chosen = self._people[::step][: self._pace.sign_ins]
        await self._each("Signing in", chosen, sign_in, at_once=self._pace.hashes)
        self._signed_in.sort(key=lambda person: person.account.line)
        self._tell(f"{_people(len(self._signed_in))} signed in with their passwords (of {_people(len(self._people))}).")

    async def _second_devices(self) -> None:
        async def make(person: _Person) -> None:
            work = self._torii.create_session(
                person.user, browser=Browser(user_agent="demo, second device", ip_address="192.0.2.1")
            )
            person.sessions.append(await self._measure("create a session", work))

        await self._each("Second devices", self._people, make, at_once=self._pace.calls)

    async def _check(self, operation: str) -> None:
        sessions = [(person, session) for person in self._people for session in person.sessions]
        wrong = 0

        async def check(pair: tuple[_Person, Session]) -> None:
            nonlocal wrong
            person, session = pair
            found = await self._measure(operation, self._torii.get_signed_in(session.token))
            if found is None or found.user.id != person.user.id:
                wrong += 1

        await self._each("Checking sessions", sessions * self._pace.checks, check, at_once=self._pace.calls)
        count = len(sessions) * self._pace.checks
        self._tell(
            f"Checked {len(sessions):,} sessions {self._pace.checks} times each: {count - wrong:,} checks passed."
        )
        self._find("every session made here is valid", holds=not wrong, said=f"{count - wrong:,} of {count:,}")

    async def _sign_out(self) -> None:
        leaving = self._people[::3]

        async def sign_out(person: _Person) -> None:
            await self._measure("sign out", self._torii.delete_session(person.sessions[-1].token))

        await self._each("Signing out", leaving, sign_out, at_once=self._pace.calls)
        passed = await self._still_valid([person.sessions[-1] for person in leaving])
        self._tell(f"{_people(len(leaving))} signed out on one device.")
        self._find("a session that was signed out is refused", holds=not passed, said=_refused_of(len(leaving), passed))

    async def _sign_out_everywhere(self) -> None:
        leaving = self._people[1::3]

        async def sign_out(person: _Person) -> None:
            await self._measure("sign out everywhere", self._torii.delete_sessions_for_user(person.user.id))

        async def clean_up(person: _Person) -> None:
            await self._measure("remove ended rows", self._storage.remove_ended_sessions(person.user.id))

        await self._each("Signing out everywhere", leaving, sign_out, at_once=self._pace.calls)
        ended = [session for person in leaving for session in person.sessions]
        passed = await self._still_valid(ended)
        self._tell(f"{_people(len(leaving))} signed out everywhere, from {len(ended):,} sessions.")
        if ended:
            self._find("sign-out everywhere ends every session", holds=not passed, said=_refused_of(len(ended), passed))
        await self._each("Removing ended rows", leaving, clean_up, at_once=self._pace.calls)

    async def _still_valid(self, sessions: Sequence[Session]) -> int:
        found = 0

        async def check(session: Session) -> None:
            nonlocal found
            if await self._measure("check an ended session", self._torii.get_signed_in(session.token)):
                found += 1

        await self._each("Checking ended sessions", sessions, check, at_once=self._pace.calls)
        return found

    async def _try_what_must_fail(self, short: tuple[Session, bool]) -> None:
        person = (self._signed_in or self._people)[-1]
        user = person.user
        for claim, kind, work in (
            (
                "a second registration of an address is refused, however it is spelt",
                AlreadyExists,
                self._torii.password.register(user.email.upper(), _WRONG_PASSWORD),
            ),
            (
                "a wrong password is refused",
                InvalidCredentials,
                self._torii.password.authenticate(user.email, _WRONG_PASSWORD),
            ),
            (
                "an unknown address is refused with the same message",
                InvalidCredentials,
                self._torii.password.authenticate(f"nobody-{system_random(4).hex()}@mail.example", _WRONG_PASSWORD),
            ),
        ):
            await self._must_raise(claim, kind, work)
        await self._must_be_refused(
            "a forged session (valid form and checksum, a real user's ID) is refused",
            make_session_token(user.id, system_random),
        )
        altered = person.sessions[0].token
        await self._must_be_refused(
            "a session with one character changed is refused without a request",
            altered[:-1] + ("0" if altered[-1] != "0" else "1"),
            without_request=True,
        )
        session, passed = short
        await _until(session.expires_at)
        await self._must_be_refused("a session is refused as soon as it expires", session.token, holds=passed)

    async def _must_raise(self, claim: str, kind: type[ToriiError], work: Awaitable[object]) -> None:
        try:
            await work
        except kind as error:
            self._find(claim, holds=True, said=f"{type(error).__name__}: {error}")
        except AccountLocked as error:
            self._find(claim, holds=True, said=f"AccountLocked (too many attempts in earlier runs): {error}")
        else:
            self._find(claim, holds=False, said="it was accepted")

    async def _must_be_refused(
        self, claim: str, token: str, *, holds: bool = True, without_request: bool = False
    ) -> None:
        operation = "check an ended session"
        before = self._requests(operation)
        found = await self._measure(operation, self._torii.get_signed_in(token))
        asked = self._requests(operation) - before
        right = found is None and holds and not (without_request and asked)
        after = f"after {asked} request{'' if asked == 1 else 's'}"
        self._find(claim, holds=right, said=f"no session, {after}" if found is None else "it passed")

    def _requests(self, operation: str) -> int:
        figures = self._ledger.figures.get(operation)
        return 0 if figures is None else figures.requests

    async def _race(self) -> None:
        email = f"race-{system_random(6).hex()}@mail.example"
        hashed = "$argon2id$v=19$m=65536,t=3,p=4$bm9ib2R5c3NhbHQ$bm9ib2R5c2hhc2hub2JvZHlzaGFzaG5vYm9keQ"
        created: list[User] = []

        async def register(_: int) -> None:
            try:
                work = self._storage.create_user(NewUser(email=email), password_hash=hashed)
                created.append(await self._measure("register in a race", work))
            except AlreadyExists:
                pass

        racers = range(self._pace.racers)
        await self._each("Racing for one address", racers, register, at_once=len(racers))
        self._find(
            f"of {len(racers)} registrations of one address at the same time, one succeeds",
            holds=len(created) == 1,
            said=f"{len(created)} created, {len(racers) - len(created)} refused",
        )
        for user in created:
            await self._measure("delete a user", self._torii.delete_user(user.id))

    async def _each(self, title: str, things: Sequence[T], do: Callable[[T], Awaitable[None]], *, at_once: int) -> None:
        """Do something for each of the things, several at once, with a progress bar. The first error ends it."""
        waiting = iter(things)
        with self._bar() as bar:
            task = bar.add_task(title, total=len(things))

            async def work() -> None:
                for thing in waiting:
                    await do(thing)
                    bar.advance(task)

            try:
                await gather(*(work for _ in range(min(at_once, len(things)))))
            finally:
                self.tell_rejects()

    def _bar(self) -> Progress:
        return Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            expand=True,
            disable=not self._console.is_terminal,
        )

    async def _measure(self, operation: str, call: Awaitable[T]) -> T:
        return await self._ledger.measure(operation, call)

    def _reject(self, account: Account, why: str) -> None:
        self.rejects.append(Reject(account.line, why))

    def tell_rejects(self) -> None:
        """Show the rejected lines that have not been shown yet."""
        for reject in sorted(self.rejects[self._told :], key=lambda reject: reject.line):
            text = Text.assemble((f"line {reject.line}", "yellow"), f": {plain(reject.reason)}")
            hang(self._console, text, indent=2, hanging=4)
        self._told = len(self.rejects)

    def _tell(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)

    def _find(self, claim: str, *, holds: bool, said: str) -> None:
        self.findings.append(Finding(claim, holds, said))


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count:,} people"


def _refused_of(count: int, passed: int) -> str:
    return f"{count - passed:,} of {count:,} refused"


async def _until(moment: datetime) -> None:
    # By the other clock, a timer may fire a little early.
    left = (moment - system_clock()).total_seconds()
    await asyncio.sleep(max(left + 0.05, 0))
