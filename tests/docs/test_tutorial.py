"""What the tutorial builds, and the tests that the page on testing shows, run as they are."""

from __future__ import annotations

import inspect
import re
import sys
from types import ModuleType
from typing import Any

import httpx
import pytest
from tests.docs.blocks import programs

from torii_dynamodb.policies import Argon2Hasher

PAGE = "docs/tutorial.md"
WORDS = "correct horse battery staple"


def written(name: str, source: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A file of the reader's, as a module that other files can import."""
    module = ModuleType(name)
    exec(compile(source, f"{PAGE}: {name}.py", "exec", dont_inherit=True), module.__dict__)
    monkeypatch.setitem(sys.modules, name, module)
    return module


def parts(section: str) -> list[str]:
    """The blocks of a part of the tutorial."""
    found = programs(PAGE, section=section)
    assert found, section
    return found


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """accounts.py as it is in the end: the first part, with the services and the storage of later ones."""
    for name, value in {"TORII_SECRET": "s" * 43, "TESTING": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("torii_dynamodb._rules.hashing.Argon2Hasher", lambda: Argon2Hasher(time_cost=1, memory_cost=64))
    storage = parts("7. Test it")[0]
    services = parts("5. Passkeys and second factors")[0].replace("dynamodb(DynamoDbConfig())", "storage")
    services = services.replace("mailer=AsyncConsoleMailer()", "mailer=mailer()")
    head = parts("2. Accounts")[0].partition("torii = ")[0]
    return written("accounts", "\n".join([head, storage, parts("6. Mail")[0], services]), monkeypatch)


@pytest.fixture
def app(accounts: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """app.py as it is in the end."""
    del accounts
    sources = [parts("2. Accounts")[1], *parts("3. Protect a page"), *parts("4. Pages")]
    return written("app", "\n".join([*sources, parts("5. Passkeys and second factors")[1]]), monkeypatch).app


async def test_a_person_signs_up_and_keeps_notes(accounts: Any, app: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Register, take the link from the console, verify, sign in, add a note; deleting all asks for a second factor."""
    ada = {"email": "ada@example.com", "password": WORDS}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=accounts.URL) as client:
        assert (await client.get("/notes")).status_code == 401
        assert (await client.post("/api/auth/register", json=ada)).status_code == 202
        await accounts.torii.wait_for_mail()
        link = re.search(r"http://localhost:8000/\S+token=(\S+)", capsys.readouterr().err)
        assert link is not None
        proof = {"token": link[1], "password": WORDS}
        assert (await client.post("/api/auth/email/verification/complete", json=proof)).status_code == 200
        assert (await client.post("/api/auth/sign-in", json=ada)).status_code == 200
        same_site = {"Origin": accounts.URL}
        assert (await client.post("/notes", params={"text": "Milk"}, headers=same_site)).json() == ["Milk"]
        assert (await client.get("/notes")).json() == ["Milk"]
        assert (await client.delete("/notes", headers=same_site)).status_code == 403
        assert (await client.get("/")).headers["location"] == "/notes"
        assert "passkey" in (await client.get("/auth/account")).text
    await accounts.torii.close()


async def test_the_test_of_the_tutorial_passes(accounts: Any, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """test_app.py is a test that passes."""
    del app
    await written("test_app", parts("7. Test it")[1], monkeypatch).test_notes_are_kept()
    await accounts.torii.close()


@pytest.mark.parametrize("number", range(len(programs("docs/testing.md"))))
async def test_the_tests_of_the_page_on_testing_pass(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test that the page shows passes; FastAPI's names are those of the reader's application."""
    source = "from fastapi import Depends, FastAPI\n" + programs("docs/testing.md")[number]
    tests = {name: run for name, run in vars(written("shown", source, monkeypatch)).items() if name.startswith("test_")}
    assert tests
    for run in tests.values():
        result = run()
        if inspect.isawaitable(result):
            await result
