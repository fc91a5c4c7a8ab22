"""Languages: which one somebody gets, and what a catalogue cannot break."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from gettext import NullTranslations
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.languages import Language, Languages, date_and_time, duration, gettext, ngettext, number, speaking


def catalogue(folder: Path, tag: str, messages: dict[str, str]) -> None:
    """Write a catalogue of an application."""
    path = folder / tag.replace("-", "_") / "LC_MESSAGES" / "torii_dynamodb.mo"
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Catalog(locale=tag.replace("-", "_"))
    for message, translation in messages.items():
        made.add(message, translation)
    with path.open("wb") as file:
        write_mo(file, made)


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("de-DE-1996, en;q=0.5", "de"),
        ("en;q=0.5, de;q=0.8", "de"),
        ("de;q=0.5, en", "en"),
        ("fr, de;q=0.1", "de"),
        ("fr", "en"),
        ("*", "en"),
        ("fr;q=1, *;q=0.5", "en"),
        ("*, en;q=0", "de"),
        ("de;q=0, *", "en"),
        ("de;q=2", "en"),
        ("de;q=x, en", "en"),
        ("../../etc/passwd", "en"),
        ("de\x00, en", "en"),
        (",,;;==", "en"),
        ("a" * 100_000, "en"),
        ("xx, " * 100_000 + "de", "en"),
    ],
)
def test_the_language_that_somebody_gets(wanted: str | None, chosen: str) -> None:
    """It is the best of those offered (RFC 9110, 12.5.4; RFC 4647, 3.4). Garbage counts as no wish."""
    assert Languages().choose(wanted).tag == chosen


def test_a_variant_serves_those_who_want_the_language(tmp_path: Path) -> None:
    """A request for ``pt`` gets ``pt-BR`` if only that is offered; its texts come before those of ``pt``."""
    catalogue(tmp_path, "pt-BR", {"Account": "Conta"})
    catalogue(tmp_path, "pt", {"Account": "A conta", "Save": "Guardar"})
    offered = Languages(offered=["en", "pt-BR"], folders=[tmp_path])
    assert [offered.choose(wanted).tag for wanted in ("pt", "pt-PT", "PT-br")] == ["pt-BR"] * 3
    with speaking(offered.choose("pt-BR")):
        assert (gettext("Account"), gettext("Save"), gettext("Users")) == ("Conta", "Guardar", "Users")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"offered": []}, "offered"),
        ({"offered": "de"}, "offered"),
        ({"offered": ["../de"], "default": "../de"}, "language tag"),
        ({"offered": ["de/../../x"]}, "language tag"),
        ({"offered": ["en", "fr"]}, "'fr': there is no fr/LC_MESSAGES/torii_dynamodb.mo"),
        ({"default": "fr"}, "default: 'fr'"),
    ],
)
def test_a_wrong_configuration_is_refused(options: dict[str, list[str]], told: str) -> None:
    """A tag that is not one, a language without a catalogue, and a default that is not offered are reported at once."""
    with pytest.raises(ConfigurationError, match=told):
        Languages(**options)  # type: ignore[arg-type]


def test_an_application_replaces_single_messages(tmp_path: Path) -> None:
    """What its catalogue translates replaces our text, in English as well; the rest stays."""
    catalogue(tmp_path, "de", {"Sign in": "Einloggen"})
    catalogue(tmp_path, "en", {"Sign in": "Log in"})
    offered = Languages(folders=[tmp_path])
    with speaking(offered.language("de")):
        assert (gettext("Sign in"), gettext("Sign up")) == ("Einloggen", "Registrieren")
    with speaking(offered.language("en")):
        assert (gettext("Sign in"), gettext("Sign up")) == ("Log in", "Sign up")


MISTAKES = {
    "Rename %(name)s": "%(nmae)s umbenennen",
    "Remove %(name)s": "100 % weg",
    "From <strong>%(before)s</strong> to <strong>%(after)s</strong>.": "<script>alert(1)</script>",
    "Trust this device for %(time)s": "<b>%(time)s</b>",
    "Connect %(name)s": "%(name)d",
}


def test_a_mistake_in_a_catalogue_breaks_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A placeholder or element that the message does not have is logged once, and our own translation is shown."""
    catalogue(tmp_path, "de", MISTAKES)
    offered = Languages(folders=[tmp_path])
    with caplog.at_level(logging.WARNING, logger="torii_dynamodb"):
        language = offered.language("de")
        shown = [language.translate(message, markup=True) for message in [*MISTAKES, *MISTAKES]]
    assert shown[: len(MISTAKES)] == [
        "%(name)s umbenennen",
        "%(name)s entfernen",
        "Von <strong>%(before)s</strong> zu <strong>%(after)s</strong>.",
        "Diesem Gerät %(time)s lang vertrauen",
        "%(name)s verbinden",
    ]
    assert len(caplog.records) == len(MISTAKES)


def test_html_of_a_translation_is_text() -> None:
    """What a translation adds to a message without HTML is escaped, and cannot end an attribute."""

    class Quoting(NullTranslations):
        def gettext(self, message: str) -> str:
            return 'x" onclick="alert(1) & more'

    assert Language("xx", [Quoting()]).translate("Period", markup=True) == ("x&#34; onclick=&#34;alert(1) &amp; more")


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xde\x12\x04\x95" + b"\xff" * 60])
def test_a_damaged_catalogue_breaks_nothing(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the others are used."""
    path = tmp_path / "de" / "LC_MESSAGES" / "torii_dynamodb.mo"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert Languages(folders=[tmp_path]).language("de").translate("Sign in") == "Anmelden"
    assert str(path) in caplog.text


def test_numbers_dates_and_durations() -> None:
    """They follow the language: signs, order and plurals."""
    when = datetime(2026, 11, 8, 7, 5, tzinfo=UTC)
    shown: list[list[str]] = []
    for tag in ("en", "de"):
        with speaking(Languages().language(tag)):
            shown.append(
                [
                    number(1234567.5),
                    number(12),
                    date_and_time(when),
                    date_and_time(when, sentence=True),
                    *(duration(timedelta(seconds=span)) for span in (1, 60, 900, 3600, 86400, 2 * 86400)),
                    ngettext("%(num)s passkey", "%(num)s passkeys", 1000),
                ]
            )
    assert shown == [
        [
            "1,234,567.5", "12", "8 November 2026, 07:05 UTC", "8 November 2026 at 07:05 UTC",
            "1 second", "1 minute", "15 minutes", "1 hour", "24 hours", "2 days", "1,000 passkeys",
        ],
        [
            "1.234.567,5", "12", "8. November 2026, 07:05 Uhr UTC", "8. November 2026 um 07:05 Uhr UTC",
            "1 Sekunde", "1 Minute", "15 Minuten", "1 Stunde", "24 Stunden", "2 Tage", "1.000 Passkeys",
        ],
    ]  # fmt: skip


def test_names_and_directions(tmp_path: Path) -> None:
    """A language knows its own name; one without a translated name shows its tag. Some are written leftward."""
    catalogue(tmp_path, "ar", {"English": "العربية"})
    catalogue(tmp_path, "fa", {})
    offered = Languages(offered=["en", "de", "ar", "fa"], folders=[tmp_path])
    assert [(one.name, one.direction) for one in offered.all()] == [
        ("English", "ltr"),
        ("Deutsch", "ltr"),
        ("العربية", "rtl"),
        ("fa", "rtl"),
    ]
