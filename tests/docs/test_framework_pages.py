"""The pages on Flask, Django and Starlette show the examples that the browser tests run, and programs that run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import tests.apps.django_project  # noqa: F401 - sets Django up
from tests.apps.support import Ground
from tests.docs.blocks import ROOT, blocks, programs


@pytest.mark.parametrize("framework", ["flask", "django", "starlette"])
def test_the_page_shows_the_example(framework: str) -> None:
    """Program and templates are, letter for letter, those of the example."""
    folder = ROOT / "examples" / f"{framework}_app"
    program = (folder / "app.py").read_text(encoding="utf-8").split('"""', 2)[2].strip()
    page = f"docs/{framework}.md"
    assert programs(page)[0].strip() == program
    shown = {block.code.strip() for block in blocks(page) if block.language.startswith("html")}
    assert shown == {template.read_text(encoding="utf-8").strip() for template in Path(folder, "templates").glob("*")}


def test_flasks_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The sign-in view, the events, the factory and the test of the page do what it says."""
    _, own_view, events, factory, test = programs("docs/flask.md")
    ground = Ground()
    shown: dict[str, Any] = {"secret": "s" * 32, "__name__": "page"}
    exec(compile(factory, "flask.md", "exec", dont_inherit=True), shown)
    accounts = shown["accounts"]
    del ground.options["secret"]
    given = accounts.init_app
    accounts.init_app = lambda app, storage, **options: given(app, ground.storage, **ground.options, **options)
    app = shown["create_app"]()
    shown |= {"app": app, "torii": accounts}
    for block in (own_view, events):
        exec(compile(block, "flask.md", "exec", dont_inherit=True), shown)
    user = ground.user()
    form = {"email": user.email, "password": "correct horse battery staple"}
    answer = app.test_client().post("/own-sign-in", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/notes")
    accounts.services.password.register("new@example.com", "correct horse battery staple")
    assert "is new" in capsys.readouterr().out
    accounts.close()
    exec(compile(test, "flask.md", "exec", dont_inherit=True), shown)
    shown["test_notes"]()


def test_djangos_page_runs() -> None:
    """The sign-in view and the test of the page do what it says; the module for ASGI makes an application."""
    from django.http import HttpResponse
    from django.shortcuts import redirect
    from django.test import RequestFactory, override_settings
    from django.views.decorators.http import require_POST

    _, _, _, own_view, asgi, test = programs("docs/django.md")
    ground = Ground()
    storage = {"STORAGE": ground.storage, **{name.upper(): one for name, one in ground.options.items()}}
    shown: dict[str, Any] = {"require_POST": require_POST, "redirect": redirect, "HttpResponse": HttpResponse}
    shown["Any"] = Any
    with override_settings(TORII=storage):
        exec(compile(own_view, "django.md", "exec", dont_inherit=True), shown)
        exec(compile(asgi, "django.md", "exec", dont_inherit=True), shown)
        form = {"email": ground.user().email, "password": "correct horse battery staple"}
        request = RequestFactory().post("/own-sign-in", form)
        with override_settings(ROOT_URLCONF="tests.apps.django_urls"):
            assert shown["own_sign_in"](request).headers["location"] == "/notes"
    exec(compile(test, "django.md", "exec", dont_inherit=True), shown)
    with override_settings(ROOT_URLCONF="tests.apps.django_urls", ALLOWED_HOSTS=["testserver"]):
        shown["test_notes"]()


async def test_starlettes_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sign-in view and the composition for other frameworks do what the page says."""
    from starlette.routing import Route

    from torii_dynamodb.testing import AsyncMemoryStorage

    monkeypatch.setenv("TORII_SECRET", "s" * 32)
    program, own_view, around = programs("docs/starlette.md")
    assert program.count("dynamodb(DynamoDbConfig(") == 1
    start = program.index("dynamodb(DynamoDbConfig(")
    end = program.index("\n", start)
    program = f"{program[:start]}AsyncMemoryStorage(),{program[end:]}"
    shown: dict[str, Any] = {"AsyncMemoryStorage": AsyncMemoryStorage, "__file__": "app.py"}
    for block in (program, own_view, around):
        exec(compile(block, "starlette.md", "exec", dont_inherit=True), shown)
    app = shown["app"]
    app.router.routes.append(Route("/own-sign-in", shown["own_sign_in"], methods=["POST"]))
    user = await shown["torii"].password.register("ada@example.com", "correct horse battery staple")
    await shown["torii"].storage.mark_email_verified(user.id, email=user.email)
    form = {"email": user.email, "password": "correct horse battery staple"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost:8000") as client:
        answer = await client.post("/own-sign-in", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/notes")
        cookies = dict(client.cookies)
    other = httpx.ASGITransport(app=shown["served"])
    async with httpx.AsyncClient(transport=other, base_url="http://localhost:8000", cookies=cookies) as client:
        assert (await client.get("/")).text == user.email
        assert (await client.get("/auth/sign-in")).status_code == 303
    await shown["torii"].close()
