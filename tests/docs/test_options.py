"""The pages about the web layer, the providers and tenants name every option, and every mail."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tools.http_page import document

from torii_dynamodb.fastapi import Tenant, Tenants, WebConfig
from torii_dynamodb.fastapi.pages import PagesConfig
from torii_dynamodb.mail import MailSettings
from torii_dynamodb.mail.templates import TEMPLATES
from torii_dynamodb.oauth import ClientKey, OAuthProvider, apple, github, google, microsoft, oidc
from torii_dynamodb.passkeys import PasskeySettings

_DOCS = Path(__file__).parents[2] / "docs"
_PAGES = "\n".join(
    (_DOCS / page).read_text(encoding="utf-8") for page in ("web.md", "providers.md", "tenants.md", "passkeys.md")
)
_CODE = re.findall(r"```.*?```|`[^`\n]+`", _PAGES, re.DOTALL)


@pytest.mark.parametrize(
    "made",
    [
        WebConfig,
        PagesConfig,
        Tenant,
        Tenants,
        MailSettings,
        PasskeySettings,
        OAuthProvider,
        ClientKey,
        google,
        microsoft,
        apple,
        github,
        oidc,
    ],
    ids=lambda made: made.__name__,
)
def test_every_option_is_named(made: Callable[..., Any]) -> None:
    """Each option is named as code on one of these pages."""
    named = set(re.findall(r"\w+", " ".join(_CODE)))
    assert set(inspect.signature(made).parameters) - named == set()


def test_callback_addresses_are_the_routers() -> None:
    """The callback addresses on the page about providers are those of the route, and have the presets' names."""
    page = (_DOCS / "providers.md").read_text(encoding="utf-8")
    shown = re.findall(r"`(?:https://app\.example\.com|http://localhost:8000)(/[\w/]+/callback)`", page)
    route = "/api/auth/oauth/{provider}/callback"
    assert route in document()["paths"]
    pattern = route.replace("{provider}", "([a-z0-9]+)")
    names = {found[1] for path in shown if (found := re.fullmatch(pattern, path))}
    presets = [google("a", "b"), microsoft("a", "b"), github("a", "b")]
    assert {*(preset.name for preset in presets), "apple"} <= names
    assert len(shown) == 2 * len(names) - 1  # Apple has none on this machine


def test_every_mail_is_named() -> None:
    """Each template of a mail is named as code on one of these pages."""
    assert set(TEMPLATES) - set(re.findall(r"\w+", " ".join(_CODE))) == set()
