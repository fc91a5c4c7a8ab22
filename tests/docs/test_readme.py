"""The README and the pages are true: programs run, links work."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import bcrypt
import httpx
import pyotp
import pytest
from tests.docs.blocks import PAGES, ROOT, programs

from torii_dynamodb import AsyncTorii, Browser, events
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.testing import AsyncMemoryStorage

LINKED = [page for page in PAGES if page.name not in ("CHANGELOG.md", "SECURITY.md")]


def test_the_example_without_a_framework_runs(dynoxide: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first block on storage and services runs against the engine that the environment names."""
    for name, value in dynoxide.environment.items():
        monkeypatch.setenv(name, value)
    source = programs("docs/services.md")[0].replace('table_prefix="torii"', 'table_prefix="readme"')
    assert "readme" in source
    exec(compile(source, "services.md", "exec"), {"__name__": "readme"})


def test_the_readmes_application_is_the_tested_example() -> None:
    """The README's "Add it to your app" is, letter for letter, examples/fastapi_app, which tests/web runs."""
    (shown,) = programs("README.md", section="Add it to your app")
    example = (ROOT / "examples" / "fastapi_app" / "app.py").read_text(encoding="utf-8")
    assert example.split('"""', 2)[2].strip() == shown.strip()
    statements = [node for node in ast.walk(ast.parse(shown)) if isinstance(node, ast.stmt)]
    assert len([node for node in statements if not isinstance(node, ast.Import | ast.ImportFrom)]) <= 10


def second_factors() -> str:
    """The program that the blocks of the page on second factors add up to."""
    return "\n\n".join(programs("docs/second-factors.md"))


async def test_the_page_on_second_factors_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's program, on a storage in memory, sets up an app, asks for a code, and guards a route with it."""
    monkeypatch.setenv("TORII_SECRET", "s" * 32)
    source = second_factors()
    assert source.count("dynamodb(DynamoDbConfig())") == 1
    shown: dict[str, Any] = {"AsyncMemoryStorage": AsyncMemoryStorage, "__name__": "second_factors"}
    program = source.replace("dynamodb(DynamoDbConfig())", "AsyncMemoryStorage()")
    # The functions' annotations are those of the page, not strings, as FastAPI needs them here.
    exec(compile(program, "second-factors.md", "exec", dont_inherit=True), shown)
    torii: AsyncTorii = shown["torii"]
    user = await torii.password.register("ada@example.com", "correct horse battery staple")
    before = await torii.create_session(user)
    begun = await shown["begin_app"](user)
    codes = await shown["complete_app"](user, begun.token, pyotp.TOTP(begun.secret).now())
    asked = await shown["sign_in"]("ada@example.com", "correct horse battery staple", Browser())
    assert asked["next"] == "enter a code"
    assert "wrong" in (await shown["enter_code"](asked["challenge"], "not a code", Browser()))["next"]
    done = await shown["enter_code"](asked["challenge"], codes[0], Browser())
    transport = httpx.ASGITransport(app=shown["app"])
    async with httpx.AsyncClient(transport=transport, base_url="https://example.com") as client:
        for token, status in ((before.token, 403), (done["session"], 200)):
            answer = await client.post("/payouts", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == status
    await torii.close()


async def test_the_steps_from_fastapi_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever registered under the first step stays signed in under the second, and signs in with the old password."""
    monkeypatch.setenv("TORII_SECRET", "s" * 32)
    storage = AsyncMemoryStorage()
    ada = {"email": "ada@example.com", "password": "correct horse battery staple"}
    cookies: dict[str, str] = {}
    steps: list[dict[str, Any]] = []
    for number, source in enumerate(programs("docs/moving-in.md", section="From fastapi-users")):
        assert source.count("dynamodb(DynamoDbConfig())") == 1
        program = source.replace("dynamodb(DynamoDbConfig())", "storage").replace("max_cost=12", "max_cost=4")
        shown: dict[str, Any] = {"storage": storage, "__name__": f"step_{number}"}
        exec(compile(program, "moving-in.md", "exec", dont_inherit=True), shown)
        steps.append(shown)
    first, second = steps
    paths = {getattr(route, "path", "") for route in second["auth"].routes}
    section = (ROOT / "docs" / "moving-in.md").read_text(encoding="utf-8").split("\n### The second step")[1]
    for row in re.findall(r"\| `POST /api/auth(.*)\|", section):
        for path in re.findall(r"(/[a-z/-]+)`", row):
            assert f"/api/auth{path}" in paths, path
    for name in re.findall(r"events\.on\((\w+)\)", section):
        assert hasattr(events, name), name
    base_url = "https://app.example.com"
    transport = httpx.ASGITransport(app=first["app"])
    async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
        registered = await client.post("/auth/register", json=ada | {"first_name": "Ada"})
        assert registered.status_code == 201
        form = {"username": ada["email"], "password": ada["password"]}
        assert (await client.post("/auth/cookie/login", data=form)).status_code == 204
        assert (await client.get("/hello")).json() == "Hello Ada"
        cookies.update(client.cookies)
    assert list(cookies) == ["__Host-torii"]

    users: Any = first["ToriiUserDatabase"](first["torii"], first["User"], first["UUID"])
    grace = {"email": "grace@example.com", "password": "an older password"}
    old_hash = bcrypt.hashpw(grace["password"].encode(), bcrypt.gensalt(4)).decode()
    older = await users.create({"email": grace["email"], "hashed_password": old_hash, "is_verified": True})
    transport = httpx.ASGITransport(app=second["app"])
    async with httpx.AsyncClient(transport=transport, base_url=base_url, cookies=cookies) as client:
        assert (await client.get("/hello")).json() == "Hello Ada"
        assert (await client.get("/report")).status_code == 403
        me = (await client.get("/api/auth/me")).json()
        assert me["id"] == registered.json()["id"]
    async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
        # Not verified, and registration is private.
        assert (await client.post("/api/auth/sign-in", json=ada)).status_code == 401
        user = await users.get_by_email(ada["email"])
        await users.update(user, {"is_verified": True, "is_superuser": True})
        assert (await client.post("/api/auth/sign-in", json=ada)).status_code == 200
        assert (await client.get("/report")).json() == "All is well."
    async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
        assert (await client.post("/api/auth/sign-in", json=grace)).status_code == 200
        assert (await storage.get_password_hash(str(older.id)) or "").startswith("$argon2id$")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_work(page: Path) -> None:
    """Every relative link on a page leads to a file of the project."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).resolve().exists(), f"{page.name}: {target}"


def test_every_page_is_linked_to() -> None:
    """Following the links from the README reaches every page."""
    found, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in found:
            found.add(page)
            targets = re.findall(r"\]\(([^)#:\s]+\.md)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
            waiting += [(page.parent / target).resolve() for target in targets]
    assert set(LINKED) - found == set()
