"""What the page on translations shows, run as it is: adding a language, changing a text, the language of a user."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from babel.messages.frontend import CommandLineInterface
from babel.messages.pofile import read_po, write_po
from tests.docs.blocks import blocks
from tests.services._async.support import EMAIL, PASSWORD, AsyncSetting, settings

from torii_dynamodb import User
from torii_dynamodb.languages import TEMPLATE, Languages, gettext, preferring, speaking

PAGE = "docs/translations.md"


def commands(section: str) -> list[list[str]]:
    """The calls of ``pybabel`` in a section."""
    lines = [line for block in blocks(PAGE, "bash", section=section) for line in block.code.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("pybabel")]


def pybabel(command: list[str]) -> None:
    """Run a call of ``pybabel``."""
    main: Any = CommandLineInterface()
    main.run(command)


def test_a_language_is_added_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands begin a catalogue, compile it and bring it up to date; the language is then offered."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(TEMPLATE, tmp_path)
    begin, compiled, update, again = commands("Add a language")
    pybabel(begin)
    path = tmp_path / "locale" / "fr" / "LC_MESSAGES" / "torii_dynamodb.po"
    with path.open("rb") as file:
        catalogue = read_po(file, locale="fr")
    for message, text in (("Sign in", "Se connecter"), ("English", "Français")):
        entry = catalogue.get(message)
        assert entry is not None
        entry.string = text
    with path.open("wb") as file:
        write_po(file, catalogue)
    for command in (compiled, update, again):
        pybabel(command)
    shown: dict[str, Any] = {"Languages": Languages}
    (code,) = (block.code for block in blocks(PAGE, "python", section="Add a language"))
    exec(code, shown)
    french = shown["languages"].choose("fr-CA")
    assert french.name == "Français"
    with speaking(french):
        assert (gettext("Sign in"), gettext("Sign up")) == ("Se connecter", "Sign up")


def test_a_text_is_changed_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue on the page changes one English text."""
    monkeypatch.chdir(tmp_path)
    (block,) = blocks(PAGE, "po")
    path = tmp_path / "locale" / "en" / "LC_MESSAGES" / "torii_dynamodb.po"
    path.parent.mkdir(parents=True)
    path.write_text(block.code, encoding="utf-8")
    (command,) = commands("Change single texts")
    pybabel(command)
    with speaking(Languages(folders=[Path("locale")]).choose("en")):
        assert (gettext("Sign in"), gettext("Sign up")) == ("Log in", "Sign up")


async def test_the_language_of_a_user_is_stored_as_shown() -> None:
    """A user who registers in German gets mails in German, whoever causes them."""
    first, recipe, route = (block.code for block in blocks(PAGE, "python")[:3])
    here = AsyncSetting()
    shown: dict[str, Any] = {"torii": here.torii, "User": User}
    exec(first, shown)
    exec(recipe, shown)
    exec(route, shown)
    there = AsyncSetting(storage=here.storage, mail=settings(language_of=shown["language_of"]))
    with preferring("de"):
        user = await here.torii.password.register(EMAIL, PASSWORD)
        await here.torii.email_verification.send(user)  # with the user as it was before
        await here.torii.password.authenticate(EMAIL, PASSWORD)
    with preferring("en"):
        await there.torii.magic_link.send(EMAIL)
    shown["torii"] = there.torii
    await shown["send_link"]("grace@example.com", "de")
    assert [one.language for one in there.mailer.messages] == ["de", "de"]
