"""The README's application as a newcomer gets it: from the wheel, in its own environment, in a browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.browser.console import Console, running
from tests.browser.person import PASSWORD
from tests.ports import reserved_port

from torii_dynamodb.local.engines import LocalEngine

ROOT = Path(__file__).parents[2]
# Packages come from the registry, which may be slow.
_INSTALL_SECONDS = 300


def _section() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8").split("## Add it to your app")[1].split("\n## ")[0]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment, with the wheel and exactly the extras that the README names."""
    smallest = re.search(r"`pip install 'torii-dynamodb\[([a-z,]+)\]' (\w+)`", _section())
    assert smallest is not None
    folder = tmp_path_factory.mktemp("readme")
    _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    programs = folder / "bin"
    # Most modules are never imported, and compiling all of them would take longer.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q"]
    install = ["--python", str(programs / "python"), "install", "--no-compile"]
    _run(*pip, *install, f"{wheel}[{smallest[1]}]", smallest[2])
    return programs


@pytest.fixture
def console(installed: Path, dynoxide: LocalEngine, table_prefix: str, tmp_path: Path) -> Iterator[Console]:
    """The README's block as app.py, run with the README's command, on a free port and new tables."""
    block = re.search(r"```python\n(.*?)```", _section(), re.DOTALL)
    assert block is not None
    assert "uvicorn app:app" in _section()
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {**dynoxide.environment, "TORII_SECRET": "s" * 43, "PYTHONUNBUFFERED": "1"}
    with reserved_port() as port:
        source = block[1].replace("localhost:8000", f"localhost:{port}")
        source = source.replace("DynamoDbConfig()", f"DynamoDbConfig(table_prefix={table_prefix!r})")
        (tmp_path / "app.py").write_text(source, encoding="utf-8")
        command = [str(installed / "uvicorn"), "app:app", "--port", str(port)]
        with running(command, env=environment, cwd=tmp_path) as console:
            console.url = f"http://localhost:{port}"
            yield console


@pytest.mark.timeout(_INSTALL_SECONDS + 120)
def test_the_readmes_application_from_wheel_to_signed_in(console: Console, browser: Browser) -> None:
    """It says which tables it created; a person signs up, opens the printed link, signs in, is greeted, and can add
    a passkey and an authenticator app."""
    console.find(r"created the tables \S+users")
    console.find(r"Application startup complete")
    page = browser.new_context(base_url=console.url).new_page()
    page.goto("/auth/sign-up")
    page.get_by_label("Name").fill("Ada Lovelace")
    page.get_by_label("Email address").fill("ada@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    page.goto(console.find(r"http://localhost:\S+token=\S+"))
    page.get_by_role("button", name="Verify address").click()
    page.goto("/auth/sign-in")
    page.get_by_label("Email address").fill("ada@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_text("Hello Ada Lovelace")).to_be_visible()
    page.goto("/auth/account")
    expect(page.get_by_role("button", name="Add a passkey")).to_be_visible()
    expect(page.get_by_role("button", name="Set up an authenticator app")).to_be_visible()
    page.context.close()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=_INSTALL_SECONDS, stdin=subprocess.DEVNULL)
