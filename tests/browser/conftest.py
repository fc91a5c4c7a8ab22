"""A browser, the example application, and an OpenID provider for the tests of this folder."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from tests.browser.application import Application, serving
from tests.browser.person import Person
from tests.oidc.conftest import SECRET, client
from tests.oidc.provider import RealProvider
from tools.chromium import find_chromium

from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.oauth import oidc

# Required by the sandbox and the closed network of the machine; none of it changes how pages behave.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
# Even on a busy machine, a page that has not appeared by then never will.
_PATIENCE_MS = 20_000

_numbers = count(1)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium, one per module: its event loop must be gone before another module's tests need one."""
    path = find_chromium()
    if path is None:
        pytest.fail("Chromium is not installed: run 'make setup' as root on Debian, or install it")
    expect.set_options(timeout=_PATIENCE_MS)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=str(path), args=FLAGS)
        yield made
        made.close()


@pytest.fixture(scope="module")
def web() -> dict[str, Any]:
    """More options for the application's ``WebConfig``; a module may override them."""
    return {}


@pytest.fixture(scope="module")
def app(dynoxide: LocalEngine, web: dict[str, Any]) -> Iterator[Application]:
    """The example application on its own tables, with a provider to sign in through."""
    listener = socket.create_server(("127.0.0.1", 0))
    back = f"http://localhost:{listener.getsockname()[1]}/api/auth/oauth/test-id/callback"
    with listener, RealProvider([client("app", redirect_uris=[back])]) as provider:
        config = dynoxide.config(table_prefix=f"b{os.getpid()}n{next(_numbers)}")
        offered = oidc("test-id", provider.issuer, "app", SECRET, allow_insecure_http=True, authoritative_for=("*",))
        with serving(config, oauth=[offered], listener=listener, web=web) as running:
            yield running


@pytest.fixture
def new_context(browser: Browser, app: Application) -> Iterator[Callable[..., BrowserContext]]:
    """Creates browsers that share nothing, with Playwright's options. A failing script fails the test."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def make(**options: object) -> BrowserContext:
        context = browser.new_context(base_url=app.url, **options)  # type: ignore[arg-type]
        context.set_default_timeout(_PATIENCE_MS)
        context.on("weberror", lambda error: faults.append(f"{error.error}"))
        # What the Content-Security-Policy blocks is reported on the console.
        context.on("console", lambda line: faults.append(line.text) if "Security Policy" in line.text else None)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Page:
    """A page in its own browser."""
    return new_context().new_page()


@pytest.fixture
def person(app: Application) -> Person:
    """A new person."""
    return Person(app, f"person{os.getpid()}x{next(_numbers)}@example.com")
