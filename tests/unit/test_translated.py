"""Every text that people read can be translated, in every branch of the source; and the catalogues are complete.

``tests/web/test_translations.py`` and ``tests/services/_async/test_mail_languages.py`` look at what is rendered.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jinja2 import Environment, nodes
from tests.marked import Unmarked

from torii_dynamodb.languages import install

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "torii_dynamodb"
TEMPLATES = sorted(
    path.relative_to(SOURCE)
    for folder in ("fastapi/pages", "fastapi/admin", "mail")
    for path in (SOURCE / folder / "templates").iterdir()
)
MODULES = sorted(
    path.relative_to(SOURCE)
    for part in ("pages", "admin")
    for path in (SOURCE / "fastapi" / part).glob("*.py")
    if path.name != "reasons.py"  # it lists the sentences that it replaces
)

_TRANSLATES = {"gettext", "ngettext", "marked", "_"}
# Two words, or one that begins a sentence: "None left", "none left", "Sign in". Not "one-time-code", "account/email".
_WORDS = re.compile(r"^[A-Z][a-z]+\b(?!/)|[a-z]{2,} [a-z]{2,}")
_CODE = {"username webauthn"}
_SENTENCE = re.compile(r"[A-Z][a-z']* (?:.* )?[a-z]")


def texts_of(source: str) -> list[str]:
    """The texts of a template that are not translated, in all of its branches."""
    environment = Environment(autoescape=True)
    install(environment)
    tree = environment.parse(source)
    page = " ".join(data.data for data in tree.find_all(nodes.TemplateData))
    # The words that may stay are classes of the body, and an attribute that a macro adds.
    found = Unmarked(page.removeprefix("Subject: "), (r"\b(?:full|wide|narrow|autofocus)\b",)).found
    translated = {
        id(inner)
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name in _TRANSLATES
        for inner in call.find_all(nodes.Const)
    }
    constants = [one for one in tree.find_all(nodes.Const) if id(one) not in translated and isinstance(one.value, str)]
    return found + [one.value for one in constants if _WORDS.search(one.value) and one.value not in _CODE]


def sentences_of(source: str) -> list[str]:
    """The sentences in a module that are not translated. Those of exceptions and logs are for developers."""
    found: list[str] = []

    def walk(node: ast.AST) -> None:
        if isinstance(node, ast.Raise):
            return
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in _TRANSLATES or called.startswith("_log.") or called == "PagesConfig":
                return
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _SENTENCE.match(node.value):
            found.append(node.value)
        for child in ast.iter_child_nodes(node):
            walk(child)

    walk(ast.parse(source))
    return found


@pytest.mark.parametrize("path", TEMPLATES, ids=str)
def test_a_template_has_no_text_that_cannot_be_translated(path: Path) -> None:
    """Every text and every string in a template is in ``_()`` or ``{% trans %}``."""
    assert texts_of((SOURCE / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_of_pages_has_no_sentence_that_cannot_be_translated(path: Path) -> None:
    """Every sentence for people is in ``gettext()``, ``ngettext()`` or ``marked()``."""
    assert sentences_of((SOURCE / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "<p>Sign in</p>",
        '<a aria-label="Sign in"></a>',
        '{{ "Sign in" if x else _("Sign up") }}',
        '{{ field("name", "Name") }}',
        "{% if x %}<p>sign in</p>{% endif %}",
    ],
)
def test_a_text_outside_of_the_catalogues_is_noticed(source: str) -> None:
    """The test above can fail."""
    assert texts_of(source) != []


def test_a_sentence_outside_of_the_catalogues_is_noticed() -> None:
    """The test above can fail."""
    assert sentences_of('x = [FieldError("code", "The code is wrong.")]') == ["The code is wrong."]
    assert sentences_of('x = f"You have only {n}"') != []


def test_the_catalogues_are_complete() -> None:
    """Nothing is missing, fuzzy or unused, and placeholders and elements match. The .mo files are current."""
    checked = subprocess.run(
        [sys.executable, ROOT / "tools" / "translations.py", "--check"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert checked.stdout == ""
    assert checked.returncode == 0, checked.stderr
