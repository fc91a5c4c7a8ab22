# Generated from tests/services/_async/test_mail_languages.py by tools/unasync.py. Do not edit.

"""The languages of mails: every text can be translated, and everybody gets the language they read."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from tests.marked import Unmarked, marking
from tests.services._sync.support import EMAIL, PASSWORD, Setting, settings

from torii_dynamodb import User
from torii_dynamodb._rules.second_factor import FACTOR_NAMES
from torii_dynamodb.branding import Brand
from torii_dynamodb.languages import Languages, preferring, speaking
from torii_dynamodb.mail import TEMPLATES, Templates
from torii_dynamodb.mail.appearance import appearance

GERMAN = Languages().language("de")


def contexts() -> list[dict[str, Any]]:
    """Variables of all templates, for each of their branches. What is data has no letters."""
    names = "app_name base_url sign_in_link when link expires_in new_email code passkey provider language direction"
    brand = Brand(logo="/0.png", terms_url="/0", privacy_url="/0", support_url="/0", footer="0")
    data = dict.fromkeys(names.split(), "0") | appearance(brand, "https://0.example")
    branches = [
        {"purpose": "magic_link", "left": 0, "provider_email": None, "user_agent": None, "ip_address": None},
        {"purpose": "password_reset", "left": 1, "provider_email": "0", "user_agent": "0", "ip_address": "0"},
        {"purpose": "email_verification", "left": 5, "provider_email": "0", "user_agent": "0", "ip_address": "0"},
    ]
    factors = FACTOR_NAMES.values()
    return [{**data, **branch, "factor": factor} for branch, factor in zip(branches, factors, strict=True)]


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_text_of_a_mail_can_be_translated(name: str) -> None:
    """No text of a mail is outside of the catalogues, in no branch: neither the subject nor text nor HTML."""
    with marking():
        for context in contexts():
            mail = Templates().render(name, context)
            for part in (mail.subject, mail.text, mail.html):
                assert Unmarked(part, (r"https?:\S+",)).found == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_german_mail_says_the_same_in_text_and_html(name: str) -> None:
    """Every mail is German; the HTML has the sentences of the text, and no placeholder is left."""
    for context in contexts():
        english = Templates().render(name, context)
        with speaking(GERMAN):
            mail = Templates().render(name, context)
        assert mail.subject != english.subject
        assert "%(" not in mail.subject + mail.text + mail.html
        for line in mail.text.splitlines():
            if line and not line.startswith(("http", "--")) and len(line) > 40 and "0" not in line:
                assert line in mail.html.replace("&#34;", '"')


def test_the_language_is_that_of_the_request() -> None:
    """It is the best of those offered for what the request wants, also in the background; otherwise the default."""
    here = Setting(mail=settings(delivery="background"))
    here.torii.password.register(EMAIL, PASSWORD)
    for wanted in (("de-CH", "en"), ("fr",), (None, "de;q=0.4"), ("x" * 5000, "de")):
        with preferring(*wanted):
            here.torii.magic_link.send(EMAIL)
        here.torii.wait_for_mail()
    assert [one.language for one in here.mailer.messages] == ["de", "en", "de", "de"]
    assert "funktioniert nur einmal und ist 15 Minuten lang gültig" in here.mailer.messages[0].text
    assert '<html lang="de" dir="ltr">' in here.mailer.messages[0].html


def test_the_language_of_a_user_comes_first() -> None:
    """A notice that somebody else causes is in the owner's language, not in that of a thief's browser."""

    def language_of(user: User) -> str | None:
        found = user.metadata.get("language")
        return found if isinstance(found, str) else None

    here = Setting(mail=settings(language_of=language_of))
    user = here.torii.password.register(EMAIL, PASSWORD)
    here.torii.update_user(user, metadata={"language": "de"})
    here.torii.password.register("bob@example.com", PASSWORD)
    with preferring("en"):
        here.torii.password.sign_up(EMAIL, PASSWORD)
        here.torii.password.sign_up("bob@example.com", PASSWORD)
    assert [one.language for one in here.mailer.messages] == ["de", "en"]


@pytest.mark.parametrize("found", [None, 7, "xx", "../../de", ""])
def test_a_language_that_is_not_offered_counts_as_none(found: Any) -> None:
    """What the function returns is a wish like that of a browser."""
    here = Setting(mail=settings(language_of=lambda _: found))
    here.torii.password.register(EMAIL, PASSWORD)
    with preferring("de"):
        here.torii.magic_link.send(EMAIL)
    assert here.mailer.messages[-1].language == "de"


def test_a_function_that_fails_stops_no_mail(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, without the user's data; the mail is in the language of the request."""

    def fails(user: User) -> str:
        raise RuntimeError("no")

    here = Setting(mail=settings(language_of=fails))
    here.torii.password.register(EMAIL, PASSWORD)
    with caplog.at_level(logging.ERROR, logger="torii_dynamodb"):
        here.torii.magic_link.send(EMAIL)
    assert "language_of" in caplog.text
    assert [one.template for one in here.mailer.messages] == ["magic_link"]


def test_times_in_a_mail_follow_its_language() -> None:
    """Dates and durations are written as in its language."""
    here = Setting(mail=settings(reset_password_for=timedelta(days=2)))
    user = here.torii.password.register(EMAIL, PASSWORD)
    with preferring("de"):
        here.torii.password.send_reset(EMAIL)
        here.torii.password.change_password(user.id, PASSWORD, "another good passphrase", user=user)
    reset, changed = here.mailer.messages
    assert "ist 2 Tage lang gültig" in reset.text
    assert "am 1. Januar 2026 um 00:00 Uhr UTC geändert" in changed.text
