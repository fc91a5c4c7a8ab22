"""What an application publishes by accident if it returns the library's objects."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import pprint
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_json
from tests.web.api import SITE

from torii_dynamodb import Session, SignedIn, User, config, models
from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb._rules.jwt import AccessToken, JwtKey
from torii_dynamodb._rules.oauth import OAuthAccessToken, OAuthNativeStart
from torii_dynamodb._rules.signing_in import Browser
from torii_dynamodb.errors import CorruptItem
from torii_dynamodb.fastapi import Caller, SessionOut, UserOut
from torii_dynamodb.models import (
    NewOAuthAccount,
    NewPasskeyChallenge,
    OAuthAccount,
    Page,
    PasskeyChallenge,
    PasswordCredentials,
    PkceVerifier,
    Token,
    VerifiedToken,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "s3cret"
TIMES: dict[str, Any] = {"created_at": NOW, "updated_at": NOW}
USER = User(
    id="usr_1", email="ada@example.com", email_as_given="Ada@example.com", name="Ada", email_verified_at=NOW,
    locked_at=None, metadata={"plan": "free", "tags": ["a", {"b": 1}]}, version=7, session_epoch=4711,
    password_version=SECRET, identities=frozenset({f"oauth#{SECRET}"}), token_serials={"reset": SECRET}, **TIMES,
)  # fmt: skip
SESSION = Session(
    id="0" * 64, user_id="usr_1", created_at=NOW, expires_at=NOW, epoch=4711, user_agent="X", ip_address="203.0.113.7",
    metadata={}, token=SECRET,
)  # fmt: skip
TOKEN = Token(
    id="reset#1", purpose="reset", user_id="usr_1", email=None, created_at=NOW, expires_at=NOW, metadata={},
    token=SECRET,
)  # fmt: skip
EVERY: dict[str, Any] = {
    "user": USER,
    "session": SESSION,
    "token": TOKEN,
    "verified token": VerifiedToken(token=TOKEN, user=USER),
    "page": Page([USER]),
    "credentials": PasswordCredentials(
        user_id="usr_1", email="ada@example.com", password_hash=SECRET, password_version=SECRET
    ),
    "new account": NewOAuthAccount(provider="google", subject="1", profile={"a": SECRET}, tokens={"access": SECRET}),
    "account": OAuthAccount(
        provider="google", subject="1", user_id="usr_1", email=None, profile={"a": SECRET}, tokens={"b": SECRET},
        **TIMES,
    ),
    "verifier": PkceVerifier(verifier=SECRET, expires_at=NOW, metadata={"next": SECRET}),
    "new challenge": NewPasskeyChallenge(challenge=SECRET.encode(), kind="registration", expires_at=NOW),
    "challenge": PasskeyChallenge(
        kind="registration", user_id="usr_1", created_at=NOW, expires_at=NOW, metadata={"a": 1}
    ),
    "signed in": Caller(user=USER, session=SESSION, token=SECRET, transport="bearer"),
    "access token": AccessToken(token=SECRET, expires_at=NOW, session=SESSION),
    "browser": Browser(user_agent="X", device_token=SECRET),
    "native start": OAuthNativeStart(nonce=SECRET, expires_at=NOW),
    "provider's token": OAuthAccessToken(
        provider="google", subject="1", access_token=SECRET, expires_at=NOW, scopes=()
    ),
    "aws": config.Credentials(access_key_id="AK", secret_access_key=SECRET),
    "key": JwtKey(kid="1", algorithm="HS256", private_key=SECRET),
}  # fmt: skip


def leaks(text: object) -> bool:
    """Whether it contains secrets or internals."""
    return any(part in str(text) for part in (SECRET, "4711", "session_epoch", "password_version", "token_serials"))


@pytest.mark.parametrize("name", EVERY)
def test_no_serialiser_tells_a_secret(name: str) -> None:
    """asdict, astuple, orjson, pydantic, FastAPI's encoder, json with a default, repr and pprint reveal nothing."""
    value = EVERY[name]
    kind = Page[User] if name == "page" else type(value)
    said = [
        dataclasses.asdict(value),
        dataclasses.astuple(value),
        jsonable_encoder(value),
        orjson.dumps(value),
        to_json(value),
        to_json({"nested": [value]}),
        TypeAdapter(kind).dump_json(value),
        TypeAdapter(kind).dump_python(value),
        TypeAdapter(object).dump_json(value),
        TypeAdapter(kind).json_schema(mode="serialization"),
        json.dumps(value, default=str),
        json.dumps(dataclasses.asdict(value), default=str),
        repr(value),
        str([value]),
        pprint.pformat(value),
    ]
    assert [text for text in said if leaks(text)] == []
    assert any(said[0].values()), "the rest is there"


def test_broken_rows_stay_with_the_program() -> None:
    """A page's unreadable rows are errors, which serialisers neither fail on nor publish."""
    page = Page([USER], corrupt=(CorruptItem("users", "email", SECRET),))
    told = [
        dataclasses.asdict(page),
        jsonable_encoder(page),
        orjson.dumps(page),
        to_json(page),
        TypeAdapter(Page[User]).dump_json(page),
        TypeAdapter(Page).dump_json(page),
        repr(page),
    ]
    assert [text for text in told if leaks(text)] == []


@pytest.mark.parametrize("name", EVERY)
def test_programs_lose_nothing(name: str) -> None:
    """replace, copy, deepcopy, pickle and comparison see all fields."""
    value = EVERY[name]
    for again in (
        dataclasses.replace(value),
        copy.copy(value),
        copy.deepcopy(value),
        pickle.loads(pickle.dumps(value)),
    ):
        assert again == value
        assert repr(again) == repr(value)
        for field in type(value).__dataclass_fields__:
            assert getattr(again, field) == getattr(value, field)
    assert dataclasses.replace(USER, session_epoch=1) != USER
    assert dataclasses.replace(TOKEN, token="another") != TOKEN


def test_every_model_keeps_the_rule() -> None:
    """In every model, fields that are hidden from repr are hidden from serialisers."""
    found = 0
    for one in vars(models).values():
        if dataclasses.is_dataclass(one) and isinstance(one, type):
            found += 1
            assert [field.name for field in dataclasses.fields(one) if not field.repr] == [], one
    assert found > 20


class Profile(BaseModel):
    """An application's own model."""

    user: User
    sessions: list[Session]


def application() -> FastAPI:
    """Routes that return the library's objects, in every way that FastAPI supports."""
    app = FastAPI()

    @app.get("/bare", response_model=None)
    async def bare() -> Any:
        return USER

    @app.get("/nested", response_model=None)
    async def nested() -> Any:
        return {"user": USER, "sessions": [SESSION], "both": (SESSION, USER)}

    @app.get("/annotated")
    async def annotated() -> User:
        return USER

    @app.get("/pair")
    async def pair() -> SignedIn:
        return SignedIn(USER, SESSION)

    @app.get("/maybe")
    async def maybe() -> User | None:
        return USER

    @app.get("/listed")
    async def listed() -> list[Session]:
        return [SESSION]

    @app.get("/paged")
    async def paged() -> Page[User]:
        return Page([USER])

    @app.get("/in-a-model")
    async def in_a_model() -> Profile:
        return Profile(user=USER, sessions=[SESSION])

    @app.get("/signed-in")
    async def signed_in() -> Caller:
        return Caller(user=USER, session=SESSION, token=SECRET, transport="cookie")

    @app.get("/page")
    async def page() -> Page[User]:
        return Page([USER], corrupt=(CorruptItem("users", "email", SECRET),))

    @app.get("/page-out", response_model=Page[UserOut])
    async def page_out() -> Any:
        return Page([UserOut.of(USER)])

    @app.get("/out", response_model=UserOut)
    async def out() -> Any:
        return USER

    @app.get("/many-out", response_model=list[UserOut])
    async def many_out() -> Any:
        return [USER, UserOut.of(USER)]

    return app


async def test_in_an_application() -> None:
    """Whatever the route declares, secrets are in neither FastAPI's response nor OpenAPI."""
    app = application()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=SITE) as client:
        told = {path: await client.get(path) for path in app.openapi()["paths"]}
        schema = (await client.get("/openapi.json")).json()
    for path, answer in told.items():
        assert answer.status_code == 200, path
        assert not leaks(answer.text), path
    assert told["/annotated"].json() == told["/bare"].json() | {
        name: told["/annotated"].json()[name] for name in ("created_at", "updated_at", "email_verified_at")
    }
    assert told["/annotated"].json()["metadata"] == {"plan": "free", "tags": ["a", {"b": 1}]}
    assert told["/in-a-model"].json()["sessions"] == told["/listed"].json()
    assert told["/page"].json() == {"items": [told["/annotated"].json()], "next_cursor": None}
    assert not leaks(json.dumps(schema["components"]))
    assert set(schema["components"]["schemas"]) >= {"User", "Session", "Caller", "UserOut"}
    assert set(schema["components"]["schemas"]["User"]["properties"]) == set(told["/annotated"].json())


async def test_the_read_model() -> None:
    """UserOut is created from a user, directly or by response_model, and contains what users may see of themselves."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application()), base_url=SITE) as client:
        one, many = (await client.get("/out")).json(), (await client.get("/many-out")).json()
    assert one == {
        "id": "usr_1",
        "email": "Ada@example.com",
        "name": "Ada",
        "email_verified": True,
        "has_password": True,
        "created_at": "2026-01-01T00:00:00Z",
    }
    assert many == [one, one]
    assert UserOut.model_validate(one) == UserOut.of(USER)
    assert SessionOut.of(SESSION, SESSION.id).current


def test_a_model_is_no_input() -> None:
    """A request's body does not become a user: only a user validates as one."""

    class Holder(BaseModel):
        user: User

    assert Holder(user=USER).user is USER
    with pytest.raises(ValueError, match="User"):
        Holder.model_validate({"user": dataclasses.asdict(USER)})


def test_a_class_without_secrets_is_left_as_it_is() -> None:
    """Guarding a class without hidden fields changes nothing visible."""

    @guarded
    @dataclasses.dataclass(frozen=True, slots=True)
    class Plain:
        a: int
        b: str = "x"

    assert dataclasses.asdict(Plain(1)) == {"a": 1, "b": "x"}
    assert copy.copy(Plain(1)) == Plain(1)
    assert TypeAdapter(Plain).dump_python(Plain(1)) == {"a": 1, "b": "x"}
