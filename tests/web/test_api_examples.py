"""The examples for Lambda, unchanged, on the engine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import pyotp
import pytest
from tests.lambda_events import FORMATS, event, headers_of
from tests.services._async.support import PASSWORD, SECRET
from tests.web.test_api_application import EXAMPLES, load

from torii_dynamodb import DynamoDbConfig, DynamoDbStorage, Torii
from torii_dynamodb.local.engines import LocalEngine

Call = Callable[..., tuple[int, Any]]
Send = Callable[[str, bytes, str | None], int]


@pytest.fixture
def environment(dynoxide: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a program that uses the engine."""
    for name, value in {
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_ENDPOINT_URL_DYNAMODB": dynoxide.endpoint_url,
        "TORII_SECRET": SECRET,
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def a_persons_way(call: Call, mails: Mails, torii: Torii) -> None:
    """Sign up, verify, be refused with a wrong password, sign in, be greeted, sign out, sign in with two factors."""
    person = {"email": f"ada-{uuid.uuid4().hex}@example.com", "password": PASSWORD}
    assert call("GET", "/hello")[0] == 401
    assert call("POST", "/register", {**person, "password": "x"})[0] == 422
    first = call("POST", "/register", {**person, "name": "Ada"})
    assert first[0] == 202
    assert call("POST", "/sign-in", person)[0] == 401
    token = mails.link_to(person["email"])
    assert call("POST", "/verify", {"token": token, "password": "not the one that was chosen"})[0] == 401
    assert call("POST", "/verify", {"token": token, "password": PASSWORD})[0] == 200
    assert call("POST", "/verify", {"token": token, "password": PASSWORD})[0] == 400
    # Signing up again gets the same response as the first time, and changes nothing.
    assert call("POST", "/register", {**person, "password": "another one, much longer"}) == first
    assert call("POST", "/sign-in", {**person, "password": "wrong"})[0] == 401
    assert call("GET", "/hello")[0] == 401
    for sign_out in ("/sign-out", "/sign-out-everywhere"):
        assert call("POST", "/sign-in", person)[0] == 200
        status, greeting = call("GET", "/hello")
        assert status == 200
        assert "Ada" in str(greeting)
        assert call("POST", sign_out)[0] == 204
        assert call("GET", "/hello")[0] == 401
        assert call("POST", sign_out)[0] == 401
    wrong = call("POST", "/sign-in", {**person, "password": "wrong"})
    assert wrong == call("POST", "/sign-in", {**person, "email": f"x{person['email']}"})
    assert wrong[0] == 401
    page = call("GET", "/")
    assert page[0] == 200
    assert "<form>" in str(page[1])
    a_second_factor_is_asked_for(call, torii, person)


def a_second_factor_is_asked_for(call: Call, torii: Torii, person: dict[str, str]) -> None:
    """A user with an authenticator app is signed in by password and code, and by neither of them only."""
    user = torii.get_user_by_email(person["email"])
    assert user is not None
    begun = torii.second_factor.begin_enrolment(user)
    app = pyotp.TOTP(begun.secret)
    codes = torii.second_factor.complete_enrolment(user, begun.token, app.now()).recovery_codes
    assert call("POST", "/sign-in", {"code": codes[0]})[0] == 400
    status, asked = call("POST", "/sign-in", person)
    assert status == 200
    assert "authenticator app" in str(asked)
    assert call("GET", "/hello")[0] == 401
    for wrong in ("not a code", None, ["000000"]):
        assert call("POST", "/sign-in", {"code": wrong})[0] == 400
    assert call("POST", "/sign-in", {"code": codes[0]})[0] == 200
    assert call("GET", "/hello")[0] == 200
    assert call("POST", "/sign-in", {"code": codes[1]})[0] == 400
    assert call("POST", "/sign-out")[0] == 204


GOOD: dict[str, Any] = {"email": "ada@example.com", "password": PASSWORD, "name": "Ada", "token": "x" * 43}
ANY_BUT_TEXT: list[Any] = [None, 1, 1.5, True, [], ["a"], {}, {"a": 1}, "\ud800", "\x00", "x" * 5000]
BODIES: list[bytes] = [
    b"", b"{", b"null", b"[]", b'"text"', b"1", b"NaN", b"\xff\xfe", b'{"email": "\xff"}', b"{}",
    b"[" * 15000, b'{"a":' * 3000, b'{"email": ' + b"9" * 5000 + b"}", b"email=ada%40example.com&password=x",
    json.dumps({**GOOD, "name": "x" * 70_000}).encode(), json.dumps([GOOD]).encode(),
]  # fmt: skip


def bad_input_is_refused(send: Send) -> None:
    """Invalid bodies get 4xx responses, with an explanation if they are JSON."""
    for path in ("/register", "/verify", "/sign-in"):
        for body in BODIES:
            status = send(path, body, "application/json")
            assert 400 <= status < 500, f"{path} {body[:40]!r}: {status}"
        for kind in (
            None,
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "json",
        ):
            status = send(path, json.dumps(GOOD).encode(), kind)
            assert 400 <= status < 500, f"{path} {kind!r}: {status}"
        for field in ("email", "password", "token"):
            if (field == "token" and path != "/verify") or (field == "email" and path == "/verify"):
                continue
            bad = [{name: value for name, value in GOOD.items() if name != field}]
            bad += [{**GOOD, field: value} for value in ANY_BUT_TEXT]
            for sent in bad:
                status = send(path, json.dumps(sent).encode(), "application/json")
                assert 400 <= status < 500, f"{path} {field} {str(sent.get(field))[:40]!r}: {status}"
    for name in (1, ["a"], {"a": 1}, "\ud800", "\x00", "x" * 5000):
        status = send("/register", json.dumps({**GOOD, "name": name}).encode(), "application/json")
        assert 400 <= status < 500, f"name {str(name)[:40]!r}: {status}"


class Mails:
    """The mails that an example printed to the console."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture
        self._told = ""
        self.wait: Callable[[], object] = lambda: None

    def link_to(self, email: str) -> str:
        """The token of the last link that was mailed to an address."""
        self.wait()
        self._told += self._capture.readouterr().err
        _, _, mail = self._told.rpartition(f"To: {email}")
        found = re.search(r"http://localhost:[0-9]+/#token=([A-Za-z0-9_.-]+)", mail)
        assert found, self._told
        return found.group(1)


@pytest.fixture
def mails(capsys: pytest.CaptureFixture[str]) -> Mails:
    """The mails of a test."""
    return Mails(capsys)


@pytest.fixture
def lambda_tables(environment: pytest.MonkeyPatch, table_prefix: str) -> None:
    """Tables created beforehand, as in a deployment."""
    environment.setenv("TABLE_PREFIX", table_prefix)
    DynamoDbStorage().initialize(DynamoDbConfig(table_prefix=table_prefix)).close()


@pytest.mark.usefixtures("lambda_tables")
def test_lambda(mails: Mails) -> None:
    """The handler supports everything that can be in front of a function, with stages and base paths.

    Each request comes in the next format.
    """
    module = load(EXAMPLES / "aws_lambda" / "handler.py")
    held: dict[str, str] = {}
    forms = cycle(FORMATS)
    where: dict[str, dict[str, Any]] = {
        "rest": {"base_path": "/v1"}, "http1": {"stage": "dev"}, "http2": {"stage": "dev"},
    }  # fmt: skip

    def asked(method: str, path: str, raw: bytes | None, kind: str | None) -> dict[str, Any]:
        form = next(forms)
        headers = {"authorization": f"Bearer {held['token']}"} if "token" in held else {}
        return event(form, method, path, headers=headers if kind is None else {**headers, "content-type": kind},
                     body=raw, **where.get(form, {}))  # fmt: skip

    def call(method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        raw = None if body is None else json.dumps({**body, "challenge": held.get("challenge")}).encode()
        answer = module.handler(asked(method, path, raw, "application/json"), None)
        if dict(headers_of(answer)).get("content-type") != "application/json":
            return answer["statusCode"], answer["body"] or None
        found = json.loads(answer["body"])
        held.update({name: found[name] for name in ("token", "device_token", "challenge") if name in found})
        return answer["statusCode"], found

    def send(path: str, raw: bytes, kind: str | None) -> int:
        return int(module.handler(asked("POST", path, raw, kind), None)["statusCode"])

    a_persons_way(call, mails, module.torii)
    bad_input_is_refused(send)
    torn = {**asked("POST", "/sign-in", None, "application/json"), "body": "%%%", "isBase64Encoded": True}
    for odd in (torn, {**torn, "body": None}, {**torn, "headers": None}, {**torn, "headers": {}}):
        assert 400 <= module.handler(odd, None)["statusCode"] < 500
    for token in ("", "nonsense", "\xff", "torii_" + "x" * 5000):
        held["token"] = token
        assert call("GET", "/hello")[0] == call("POST", "/sign-out")[0] == 401
    assert call("GET", "/nowhere")[0] == 404
    module.torii.close()
    module.storage.close()


@pytest.mark.usefixtures("lambda_tables")
def test_the_cold_start_is_measured() -> None:
    """The script prints what a cold start costs; a session check loads neither botocore nor asyncio nor argon2."""
    script = EXAMPLES / "aws_lambda" / "cold_start.py"
    done = subprocess.run([sys.executable, script, "1"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert re.search(r"bare Python \d+ ms; import and first session check \d+ ms; ours -?\d+ ms", done.stdout)


def _somebody() -> str:
    return f"bob-{uuid.uuid4().hex}@example.com"


def test_the_examples_are_small() -> None:
    """Each fits on four screens, because people read examples."""
    for path in Path(EXAMPLES).glob("*/*.py"):
        if path.parent.name in ("fastapi_app", "aws_lambda", "flask_app", "django_app", "starlette_app"):
            assert len(path.read_text().splitlines()) <= 190, path
