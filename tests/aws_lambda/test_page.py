"""The page "On Lambda": its programs run as they are shown."""

from __future__ import annotations

import sys
import threading
from http.server import HTTPServer
from types import ModuleType
from typing import Any

import httpx
import pytest
from tests.docs.blocks import programs
from tests.lambda_events import event
from tests.services._async.support import SECRET
from tests.web.test_api_application import EXAMPLES, load

from torii_dynamodb import DynamoDbStorage
from torii_dynamodb.local.engines import LocalEngine


@pytest.fixture
def environment(dynoxide: LocalEngine, table_prefix: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a function whose tables were created beforehand."""
    DynamoDbStorage().initialize(dynoxide.config(table_prefix=table_prefix)).close()
    for name, value in {**dynoxide.environment, "TABLE_PREFIX": table_prefix, "TORII_SECRET": SECRET}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("section", ["Requests and responses", "Powertools"])
def test_the_functions_of_the_page(section: str) -> None:
    """Each is a whole function: it greets who is signed in, and refuses others and unknown paths."""
    shown: dict[str, Any] = {}
    exec(compile(programs("docs/lambda.md", section=section)[0], section, "exec", dont_inherit=True), shown)
    torii = shown["torii"]
    user = torii.password.register("ada@example.com", "correct horse battery staple")
    token = torii.create_session(user).token
    for path, headers, status in (
        ("/hello", {"authorization": f"Bearer {token}"}, 200),
        ("/hello", {}, 401),
        ("/nowhere", {"authorization": f"Bearer {token}"}, 404),
    ):
        answer = shown["handler"](event("http2", path=path, headers=headers), object())
        assert answer["statusCode"] == status
        assert ("ada@example.com" in answer["body"]) == (status == 200)
    torii.close()
    shown["storage"].close()


def test_the_example_on_this_machine(environment: pytest.MonkeyPatch) -> None:
    """serve.py passes requests to the handler, with their bodies and headers, and its responses back."""
    environment.syspath_prepend(EXAMPLES / "aws_lambda")
    module: ModuleType = load(EXAMPLES / "aws_lambda" / "serve.py")
    handler: Any = module.Invocation
    environment.setattr(handler, "log_message", lambda *_: None)
    with HTTPServer(("127.0.0.1", 0), handler) as server, httpx.Client(
        base_url=f"http://127.0.0.1:{server.server_port}"
    ) as client:  # fmt: skip
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            page = client.get("/")
            assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
            assert "<form>" in page.text
            wrong = client.post("/sign-in", json={"email": "ada@example.com", "password": "x"})
            assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
            assert client.get("/hello", headers={"Authorization": "Bearer x"}).status_code == 401
        finally:
            server.shutdown()
            thread.join()
    example: Any = sys.modules.pop("handler")
    example.torii.close()
    example.storage.close()
