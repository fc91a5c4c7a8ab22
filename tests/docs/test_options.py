"""The pages about the web layer, the providers and tenants name every option, and every mail."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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


def test_every_mail_is_named() -> None:
    """Each template of a mail is named as code on one of these pages."""
    assert set(TEMPLATES) - set(re.findall(r"\w+", " ".join(_CODE))) == set()
