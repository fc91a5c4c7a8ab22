"""What the tests of the adapter for fastapi-users share: an application of fastapi-users on the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import httpx
from fastapi import Depends, FastAPI, Request
from fastapi_users.authentication import AuthenticationBackend, BearerTransport
from fastapi_users.exceptions import InvalidPasswordException
from fastapi_users.password import PasswordHelper
from httpx_oauth.oauth2 import BaseOAuth2, OAuth2Token
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from torii_dynamodb import AsyncTorii, CallRecord, ToriiError
from torii_dynamodb._async.storage.handle import AsyncDynamoDbHandle, AsyncDynamoDbStorage
from torii_dynamodb.fastapi import render_problem
from torii_dynamodb.fastapi_users import (
    ToriiAccessTokenDatabase,
    ToriiBaseOAuthUser,
    ToriiStrategy,
    ToriiUserDatabase,
)
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.testing import FakeClock

SECRET = "s" * 32
EMAIL = "Ada@example.com"
PASSWORD = "correct horse battery staple"

# As fastapi-users', but cheap.
QUICK = PasswordHelper(PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1), BcryptHasher(rounds=4))))


@dataclass(kw_only=True)
class Person(ToriiBaseOAuthUser[UUID]):
    """A user class with fields of its own."""

    first_name: str | None = None
    born: date | None = None


class PersonRead(schemas.BaseUser[UUID]):
    """What the routes show."""

    first_name: str | None = None
    born: date | None = None


class PersonCreate(schemas.BaseUserCreate):
    """What registration takes."""

    first_name: str | None = None
    born: date | None = None


class PersonUpdate(schemas.BaseUserUpdate):
    """What a change takes."""

    first_name: str | None = None
    born: date | None = None


class Manager(UUIDIDMixin, BaseUserManager[Person, UUID]):
    """A user manager that notes the tokens it would mail."""

    reset_password_token_secret = SECRET
    verification_token_secret = SECRET

    def __init__(self, user_db: ToriiUserDatabase[Person, UUID], site: Site) -> None:
        super().__init__(user_db, QUICK)
        self._site = site

    async def validate_password(self, password: str, user: schemas.BaseUserCreate | Person) -> None:
        """Refuse short passwords."""
        if len(password) < 8:
            raise InvalidPasswordException("at least 8 characters")

    async def on_after_register(self, user: Person, request: Request | None = None) -> None:
        """Note it."""
        self._site.hooks.append(f"register {user.email}")

    async def on_after_forgot_password(self, user: Person, token: str, request: Request | None = None) -> None:
        """Note the token."""
        self._site.token = token

    async def on_after_request_verify(self, user: Person, token: str, request: Request | None = None) -> None:
        """Note the token."""
        self._site.token = token

    async def on_after_reset_password(self, user: Person, request: Request | None = None) -> None:
        """Change the user once more, with the object that the hook is given."""
        await self.user_db.update(user, {"first_name": "Reset"})


class Provider(BaseOAuth2[dict[str, Any]]):
    """A provider that knows one person."""

    def __init__(self) -> None:
        super().__init__(
            "client", "secret", "https://idp.example.com/auth", "https://idp.example.com/token", name="idp"
        )
        self.person: tuple[str, str | None] = ("subject-1", EMAIL)
        self.token: dict[str, Any] = {"access_token": "provider-access-1", "refresh_token": "provider-refresh-1"}

    async def get_access_token(self, code: str, redirect_uri: str, code_verifier: str | None = None) -> OAuth2Token:
        """Return the prepared token."""
        return OAuth2Token(self.token)

    async def get_id_email(self, token: str) -> tuple[str, str | None]:
        """Return the prepared person."""
        return self.person


class Site:
    """An application of fastapi-users with all its routers.

    Attributes:
        torii: The services below it.
        client: Speaks to it.
        hooks: What the user manager's hooks saw.
        token: The token that the user manager would have mailed last.
        sent: The requests to DynamoDB.
    """

    def __init__(self, storage: AsyncDynamoDbHandle, clock: FakeClock, sent: list[str]) -> None:
        self.clock = clock
        self.storage = storage
        self.sent = sent
        self.torii = AsyncTorii(storage, secret=SECRET, clock=clock)
        self.users = ToriiUserDatabase(self.torii, Person, UUID)
        self.manager = Manager(self.users, self)
        self.strategy = ToriiStrategy[Person, UUID](ToriiAccessTokenDatabase(self.torii))
        self.provider = Provider()
        self.hooks: list[str] = []
        self.token = ""
        self.app = self._app()
        # An error that no handler took is a response of status 500, as on a server.
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="https://app.example.com")

    def _app(self) -> FastAPI:
        backend = AuthenticationBackend[Person, UUID](
            name="session", transport=BearerTransport("login"), get_strategy=lambda: self.strategy
        )
        users = FastAPIUsers[Person, UUID](lambda: self.manager, [backend])
        app = FastAPI()
        app.add_exception_handler(ToriiError, render_problem)
        app.include_router(users.get_auth_router(backend))
        app.include_router(users.get_register_router(PersonRead, PersonCreate))
        app.include_router(users.get_verify_router(PersonRead))
        app.include_router(users.get_reset_password_router())
        app.include_router(users.get_users_router(PersonRead, PersonUpdate), prefix="/users")
        for prefix, by_email in (("/idp", False), ("/trusted", True)):
            app.include_router(
                users.get_oauth_router(self.provider, backend, SECRET, associate_by_email=by_email), prefix=prefix
            )
        app.include_router(users.get_oauth_associate_router(self.provider, PersonRead, SECRET), prefix="/associate")

        @app.get("/whoami")
        async def whoami(user: Person | None = Depends(users.current_user(optional=True))) -> str | None:
            return None if user is None else user.email

        return app

    async def register(self, email: str = EMAIL, **fields: Any) -> dict[str, Any]:
        """Register by the route; returns what it answers."""
        answer = await self.client.post("/register", json={"email": email, "password": PASSWORD} | fields)
        assert answer.status_code == 201, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def login(self, email: str = EMAIL, password: str = PASSWORD) -> dict[str, str]:
        """Sign in by the route; returns the header of later requests."""
        answer = await self.client.post("/login", data={"username": email, "password": password})
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def status(self, headers: dict[str, str]) -> int:
        """How a request for the signed-in user is answered."""
        return (await self.client.get("/users/me", headers=headers)).status_code

    async def person(self, email: str = EMAIL, password: str = PASSWORD, **fields: Any) -> Person:
        """Create a user without the routes."""
        return await self.users.create({"email": email, "hashed_password": QUICK.hash(password)} | fields)

    def requests(self) -> int:
        """How many requests were sent to DynamoDB since the last call."""
        found = len(self.sent)
        self.sent.clear()
        return found


async def opened(engine: LocalEngine, table_prefix: str) -> AsyncIterator[Site]:
    """An application on new tables."""
    sent: list[str] = []

    def note(record: CallRecord) -> None:
        sent.append(record.operation)

    clock = FakeClock()
    config = engine.config(table_prefix=table_prefix, clock=clock, on_call=note, session_cleanup="off")
    async with AsyncDynamoDbStorage.open(config) as storage:
        site = Site(storage, clock, sent)
        async with site.client:
            yield site
