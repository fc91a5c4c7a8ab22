"""The examples for Lambda, Flask and Django, unchanged, on the engine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.services._async.support import PASSWORD, SECRET
from tests.web.test_api_application import EXAMPLES, load

from torii_dynamodb import DynamoDbConfig, DynamoDbStorage
from torii_dynamodb.testing.engines import LocalEngine

Call = Callable[..., tuple[int, Any]]


@pytest.fixture
def environment(dynoxide: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a program that finds its tables on the engine."""
    for name, value in {
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_ENDPOINT_URL_DYNAMODB": dynoxide.endpoint_url,
        "TORII_SECRET": SECRET,
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def a_persons_way(call: Call) -> None:
    """Register, be refused with a wrong password, sign in, be greeted, sign out everywhere, be a stranger again."""
    person = {"email": f"ada-{uuid.uuid4().hex}@example.com", "password": PASSWORD}
    assert call("GET", "/hello")[0] == 401
    assert call("POST", "/register", {**person, "name": "Ada"})[0] == 201
    assert call("POST", "/register", person)[0] == 409
    assert call("POST", "/register", {**person, "password": "x"})[0] == 422
    assert call("POST", "/sign-in", {**person, "password": "wrong"})[0] == 401
    assert call("GET", "/hello")[0] == 401
    assert call("POST", "/sign-in", person)[0] == 200
    status, greeting = call("GET", "/hello")
    assert status == 200
    assert "Ada" in str(greeting)
    assert call("POST", "/sign-out-everywhere")[0] == 204
    assert call("GET", "/hello")[0] == 401


@pytest.fixture
def lambda_tables(environment: pytest.MonkeyPatch, table_prefix: str) -> None:
    """Tables, made beforehand as a deployment does."""
    environment.setenv("TABLE_PREFIX", table_prefix)
    DynamoDbStorage().initialize(DynamoDbConfig(table_prefix=table_prefix)).close()


@pytest.mark.usefixtures("lambda_tables")
def test_lambda() -> None:
    """The handler answers the events of Function URLs and HTTP APIs (payload format 2.0)."""
    module = load(EXAMPLES / "aws_lambda" / "handler.py")
    token: list[str] = []

    def call(method: str, path: str, body: dict[str, str] | None = None) -> tuple[int, Any]:
        event: dict[str, Any] = {
            "version": "2.0",
            "rawPath": path,
            "headers": {"authorization": f"Bearer {token[-1]}"} if token else {},
            "requestContext": {
                "http": {"method": method, "path": path, "sourceIp": "198.51.100.7", "userAgent": "curl/8"}
            },
            "isBase64Encoded": False,
        }
        if body is not None:
            event["body"] = json.dumps(body)
        answer = module.handler(event, None)
        found = json.loads(answer["body"]) if answer["body"] else None
        if found is not None and "token" in found:
            token.append(found["token"])
        return answer["statusCode"], found

    a_persons_way(call)
    assert call("GET", "/nowhere")[0] == 404
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


@pytest.mark.usefixtures("environment")
def test_flask() -> None:
    """The Flask example; a post from another site is refused."""
    module = load(EXAMPLES / "flask_app" / "app.py")
    client = module.app.test_client()

    def call(method: str, path: str, body: dict[str, str] | None = None) -> tuple[int, Any]:
        answer = client.open(path, method=method, json=body, base_url="https://localhost")
        return answer.status_code, answer.get_data(as_text=True)

    a_persons_way(call)
    refused = client.post("/sign-out-everywhere", headers={"Sec-Fetch-Site": "cross-site"})
    assert refused.status_code == 403
    token = module.torii.create_session(module.torii.password.register(_somebody(), PASSWORD)).token
    for space, status in (("", 200), ("\x1c", 401), ("\xa0", 401), ("\x85", 401)):
        stranger = module.app.test_client(use_cookies=False)
        planted = {"HTTP_COOKIE": f"{space}__Host-session={token}"}
        assert stranger.get("/hello", environ_overrides=planted).status_code == status
    module.torii.storage.close()


@pytest.mark.usefixtures("environment")
def test_django() -> None:
    """The Django example, with Django's own guard against other sites' posts switched on."""
    module: ModuleType = load(EXAMPLES / "django_app" / "app.py")
    from django.test import Client

    client = Client(enforce_csrf_checks=True, SERVER_NAME="localhost")
    token = client.get("/csrf", secure=True).json()["token"]

    def call(method: str, path: str, body: dict[str, str] | None = None) -> tuple[int, Any]:
        headers = {"X-CSRFToken": token, "Referer": "https://localhost/"}
        answer = client.generic(method, path, json.dumps(body or {}), "application/json", secure=True, headers=headers)
        return answer.status_code, answer.content.decode()

    assert client.post("/sign-out-everywhere", secure=True).status_code == 403
    a_persons_way(call)
    torii = module.torii()
    token = torii.create_session(torii.password.register(_somebody(), PASSWORD)).token
    for space, status in (("", 200), ("\x1c", 401), ("\xa0", 401), ("\x85", 401)):
        planted = {"HTTP_COOKIE": f"{space}__Host-session={token}"}
        assert client.get("/hello", secure=True, **planted).status_code == status
    module.torii().storage.close()


def test_the_examples_are_small() -> None:
    """Each fits on a screen or three: examples are read."""
    for path in Path(EXAMPLES).glob("*/*.py"):
        if path.parent.name in ("fastapi_app", "aws_lambda", "flask_app", "django_app"):
            assert len(path.read_text().splitlines()) <= 130, path
