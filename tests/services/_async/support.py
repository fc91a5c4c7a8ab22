"""What the tests of the services share: services in memory, with a clock, an outbox and a log of events."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, TypeVar

import pytest

from torii_dynamodb import AsyncTorii, SignedIn, SignInResult
from torii_dynamodb.errors import InvalidCredentials
from torii_dynamodb.events import Event
from torii_dynamodb.mail import AsyncMemoryMailer, MailSettings
from torii_dynamodb.oauth import OAuthError
from torii_dynamodb.passkeys import PasskeyError
from torii_dynamodb.testing import AsyncMemoryStorage, FakeClock

EMAIL = "Ada@Example.com"
PASSWORD = "correct horse battery staple"
SECRET = "s" * 32
FIREFOX = "Mozilla/5.0 Firefox/140.0"

Reasoned = TypeVar("Reasoned", OAuthError, PasskeyError)


class QuickHasher:
    """A cheap hash function that counts its calls."""

    def __init__(self) -> None:
        self.verified = 0
        self.hashed = 0
        self.version = 1

    def hash(self, password: str) -> str:
        self.hashed += 1
        return f"$quick$v={self.version}$" + sha256(password.encode()).hexdigest()

    def verify(self, password_hash: str, password: str) -> bool:
        self.verified += 1
        return password_hash.rpartition("$")[2] == sha256(password.encode()).hexdigest()

    def needs_rehash(self, password_hash: str) -> bool:
        return f"v={self.version}$" not in password_hash


class AsyncSetting:
    """Services on a storage in memory, with the mails they sent and the events they published.

    Args:
        options: Options of the services that replace the defaults here.
    """

    def __init__(self, **options: Any) -> None:
        self.clock = FakeClock()
        self.storage = AsyncMemoryStorage(clock=self.clock)
        self.mailer = AsyncMemoryMailer()
        self.hasher = QuickHasher()
        defaults: dict[str, Any] = {
            "hasher": self.hasher,
            "secret": SECRET,
            "mailer": self.mailer,
            "mail": settings(),
            "clock": self.clock,
        }
        self.torii = AsyncTorii(options.pop("storage", self.storage), **(defaults | options))
        self.events: list[Event] = []
        self.torii.events.subscribe(self.note)

    async def note(self, event: Event) -> None:
        """Record an event."""
        self.events.append(event)

    def names(self) -> list[str]:
        """The names of the events so far, without those about mail."""
        return [event.name for event in self.events if not event.name.startswith("mail.")]

    async def signed_in(self, email: str = EMAIL) -> SignedIn:
        """Register a user and sign them in."""
        await self.torii.password.register(email, PASSWORD)
        return as_signed_in(await self.torii.password.authenticate(email, PASSWORD))

    async def guess_wrong(self, *, times: int) -> None:
        """Try to sign in with a wrong password."""
        for _ in range(times):
            with pytest.raises(InvalidCredentials):
                await self.torii.password.authenticate(EMAIL, "wrong password")

    async def templates(self) -> list[str]:
        """The templates of the mails so far."""
        await self.torii.wait_for_mail()
        return [message.template for message in self.mailer.messages]

    async def link(self) -> str:
        """The token in the last mail."""
        await self.torii.wait_for_mail()
        found = re.search(r"token=(\S+)", self.mailer.messages[-1].text)
        assert found is not None, self.mailer.messages[-1].text
        return found[1]


def as_signed_in(result: SignInResult) -> SignedIn:
    """Who is signed in, where no second factor is due."""
    assert isinstance(result, SignedIn)
    return result


def settings(**options: Any) -> MailSettings:
    """Settings for mail. Delivery is inline, so that the outbox is in the order of sending."""
    defaults: dict[str, Any] = {
        "sender": "Example <no-reply@example.com>",
        "app_name": "Example",
        "base_url": "https://app.example.com",
        "delivery": "inline",
    }
    return MailSettings(**(defaults | options))


def recording(storage: Any, calls: list[str]) -> Any:
    """The storage, with the name of each method called appended to ``calls``."""

    class Recorder:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            method = getattr(storage, name)

            def call(*arguments: Any, **named: Any) -> Any:
                calls.append(name)
                return method(*arguments, **named)

            return call

    return Recorder()


@contextmanager
def refuses(kind: type[Reasoned], reason: str) -> Iterator[pytest.ExceptionInfo[Reasoned]]:
    """Assert that the block raises an error of this kind, with this reason."""
    with pytest.raises(kind) as refused:
        yield refused
    assert refused.value.reason == reason, refused.value


@contextmanager
def just_before(storage: Any, method: str, act: Callable[[], Awaitable[object]]) -> Iterator[None]:
    """Within the block, ``act`` runs right before each call of a method of the storage."""
    call = getattr(storage, method)

    async def late(*arguments: Any, **named: Any) -> Any:
        await act()
        return await call(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, method, late)
        yield


async def assert_only_first_is_mailed(
    here: AsyncSetting,
    call: Callable[[AsyncTorii, str], Awaitable[object]],
    emails: list[str],
    template: str,
    **options: Any,
) -> None:
    """Assert that a call makes the same storage calls for all addresses, and mails only the first."""
    works: list[list[str]] = []
    for email in emails:
        calls: list[str] = []
        there = AsyncSetting(storage=recording(here.storage, calls), **options)
        await call(there.torii, email)
        works.append(sorted(calls))
        assert await there.templates() == ([template] if email == emails[0] else [])
    assert works == [works[0]] * len(emails)
