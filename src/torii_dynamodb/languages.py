"""The languages of pages and mails: gettext catalogues, and which language a person gets.

Every text is an English sentence in the source, and its translation is in a catalogue
(``locale/<language>/LC_MESSAGES/torii_dynamodb.mo``). A translation that cannot be used is logged once, and the next
catalogue's text is shown in its place, the English one in the end: a mistake in a catalogue must not stop a sign-in.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torii_dynamodb.errors import ConfigurationError

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.nodes import EvalContext

__all__ = [
    "DOMAIN",
    "TEMPLATE",
    "Language",
    "Languages",
    "current_language",
    "date_and_time",
    "duration",
    "gettext",
    "install",
    "marked",
    "ngettext",
    "number",
    "prefer",
    "preferred",
    "preferring",
    "speak",
    "speaking",
]

DOMAIN = "torii_dynamodb"
"""The name of the catalogues' files."""

_log = logging.getLogger("torii_dynamodb")

_BUNDLED = Path(__file__).parent / "locale"
TEMPLATE = _BUNDLED / "torii_dynamodb.pot"
"""All messages, to begin a catalogue with."""
_SOURCE = "en"
_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}", re.ASCII)
_LONGEST = 500  # characters of a header that are read
_RANGE = re.compile(
    r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?", re.ASCII
)
# ISO 15924 and 639: what is written from right to left.
_LEFTWARD = frozenset({"arab", "hebr", "syrc", "thaa", "ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
_FIELD = re.compile(r"%(?:\((\w+)\)s|(.?))", re.DOTALL)
_ELEMENT = re.compile(r"(<[^<>]*>)")


class Language:
    """One language.

    Attributes:
        tag: Its tag (RFC 5646), for ``lang`` in HTML and ``Content-Language``.

    Args:
        tag: As above.
        catalogues: Its catalogues, the first to be asked first.
    """

    def __init__(self, tag: str, catalogues: Sequence[NullTranslations] = ()) -> None:
        self.tag = tag
        self._catalogues = tuple(catalogues)
        for catalogue in self._catalogues:
            catalogue.add_fallback(_Missing())
        self._known: dict[tuple[str, bool], str] = {}

    def __repr__(self) -> str:
        return f"Language({self.tag!r})"

    @property
    def is_english(self) -> bool:
        """Whether it is English, the language of developers' messages."""
        return self.tag.partition("-")[0].lower() == _SOURCE

    @property
    def direction(self) -> str:
        """``"ltr"`` or ``"rtl"``, for ``dir`` in HTML."""
        return "rtl" if _LEFTWARD & set(self.tag.lower().split("-")[:2]) else "ltr"

    @property
    def name(self) -> str:
        """Its name in itself, such as ``"Deutsch"``."""
        # Translators: write the name of your own language here, in your language.
        name = self.translate(marked("English"))
        return self.tag if name == "English" and not self.is_english else name

    def translate(
        self, message: str, plural: str | None = None, count: int | None = None, *, markup: bool = False
    ) -> str:
        """Return the translation of a message; the message itself if there is none that can be used.

        Args:
            message: The English message.
            plural: Its plural, if it has one.
            count: The number that decides which form is used.
            markup: Whether the message is HTML. The translation then has the same elements, and what is not part of
                them is escaped.
        """
        if not message:
            return ""
        if plural is not None:
            return self._find(message, plural, count, markup=markup)
        if (message, markup) not in self._known:
            self._known[message, markup] = self._find(message, None, None, markup=markup)
        return self._known[message, markup]

    def _find(self, message: str, plural: str | None, count: int | None, *, markup: bool) -> str:
        for catalogue in self._catalogues:
            try:
                if plural is None or count is None:
                    found = catalogue.gettext(message)
                else:
                    found = catalogue.ngettext(message, plural, count)
            except (LookupError, ArithmeticError):  # no translation; or its formula for plurals divides by zero
                continue
            problem = _problem(found, message + (plural or ""), markup=markup)
            if problem is None:
                return _escaped(found) if markup else found
            self._warn(message, problem)
        return message if plural is None or count == 1 else plural

    def _warn(self, message: str, problem: str) -> None:
        if (message, problem) not in _warned:
            _warned.add((message, problem))
            _log.warning("the %s translation of %r is not used: %s", self.tag, message, problem)


_warned: set[tuple[str, str]] = set()


class _Missing(NullTranslations):
    """Says that a catalogue has no translation, where gettext would return the message."""

    def gettext(self, message: str) -> str:
        raise LookupError(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        raise LookupError(msgid1)


def _problem(translation: str, message: str, *, markup: bool) -> str | None:
    """What is wrong with a translation; ``None`` if nothing is."""
    known = {name for name, _ in _FIELD.findall(message) if name}
    for name, other in _FIELD.findall(translation):
        if name and name not in known:
            return f"it has a placeholder %({name})s, which the message does not have"
        if not name and other != "%":
            return "it has a % that is neither %% nor a placeholder such as %(name)s"
    if markup:
        foreign = set(_ELEMENT.findall(translation)) - set(_ELEMENT.findall(message))
        if foreign or "<" in _ELEMENT.sub("", translation):
            return "it has HTML that the message does not have"
    return None


def _escaped(translation: str) -> str:
    from markupsafe import escape

    parts = _ELEMENT.split(translation)
    return "".join(part if place % 2 else str(escape(part)) for place, part in enumerate(parts))


_source = Language(_SOURCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Languages:
    """The languages that pages or mails are offered in.

    ::

        languages = Languages(offered=["en", "de", "fr"], folders=[Path("locale")])
        PagesConfig(app_name="Example", languages=languages)
        MailSettings(..., languages=languages)

    Args:
        offered: Their tags (RFC 5646), such as ``"de"`` or ``"pt-BR"``.
        default: The one for people who want none of them.
        folders: Folders with catalogues of your own, ``<folder>/<language>/LC_MESSAGES/torii_dynamodb.mo``, with an
            underscore in the language's name (``pt_BR``). What they translate replaces the library's text; the first
            folder counts first.

    Raises:
        ConfigurationError: A tag is not valid, the default is not offered, or a language has no catalogue.
    """

    offered: Sequence[str] = ("en", "de")
    default: str = "en"
    folders: Sequence[Path] = ()

    def __post_init__(self) -> None:
        if isinstance(self.offered, str) or not self.offered:
            raise ConfigurationError("offered: give a list of languages, for example ['en', 'de']")
        object.__setattr__(self, "offered", tuple(self.offered))
        object.__setattr__(self, "folders", tuple(Path(folder) for folder in self.folders))
        for tag in self.offered:
            if not isinstance(tag, str) or not _TAG.fullmatch(tag):
                raise ConfigurationError(f"offered: {tag!r}: give a language tag, for example 'de' or 'pt-BR'")
            is_source = tag.partition("-")[0].lower() == _SOURCE
            if not is_source and not any(file.is_file() for file in _files(tag, self.folders)):
                where = f"{_folder_name(tag)}/LC_MESSAGES/{DOMAIN}.mo"
                raise ConfigurationError(f"offered: {tag!r}: there is no {where} in one of the folders")
        if self.default not in self.offered:
            raise ConfigurationError(f"default: {self.default!r} is not among the languages offered")

    def choose(self, *wanted: str | None) -> Language:
        """Return the best language for what somebody wants (RFC 4647, 3.4).

        Args:
            wanted: Language ranges as in ``Accept-Language``: ``"de-AT, en;q=0.8"``; the first that is offered counts.
                Anything else counts as no wish.
        """
        return self.language(_choose(self, _bounded(wanted)))

    def language(self, tag: str) -> Language:
        """Return one of the offered languages by its tag."""
        return _language(tag, tuple(self.folders))

    def all(self) -> list[Language]:
        """Return all of them, in the order given."""
        return [self.language(tag) for tag in self.offered]


def _bounded(wanted: Sequence[str | None]) -> tuple[str, ...]:
    """What clients send is as long as they like."""
    return tuple(one[:_LONGEST] for one in wanted if one)


def _folder_name(tag: str) -> str:
    return tag.replace("-", "_")


def _files(tag: str, folders: Sequence[Path]) -> list[Path]:
    """The catalogues of a language and of the one it is a variant of, the most specific first."""
    names = dict.fromkeys((_folder_name(tag), tag.partition("-")[0]))
    return [folder / name / "LC_MESSAGES" / f"{DOMAIN}.mo" for name in names for folder in (*folders, _BUNDLED)]


@lru_cache(maxsize=256)
def _language(tag: str, folders: tuple[Path, ...]) -> Language:
    catalogues: list[NullTranslations] = []
    for path in _files(tag, folders):
        try:
            with path.open("rb") as file:
                catalogues.append(GNUTranslations(file))
        except FileNotFoundError:
            continue
        except Exception as error:  # noqa: BLE001 - the parser raises many kinds for a damaged file
            _log.error("the catalogue %s cannot be read, and is not used: %s", path, error)
    return Language(tag, catalogues)


@lru_cache(maxsize=1024)
def _choose(languages: Languages, wanted: tuple[str, ...]) -> str:
    for one in wanted:
        found = _best(languages, one)
        if found is not None:
            return found
    return languages.default


def _best(languages: Languages, wanted: str) -> str | None:
    offered = {tag.lower(): tag for tag in languages.offered}
    ranges: list[tuple[float, str]] = []
    for part in wanted.split(","):
        match = _RANGE.fullmatch(part)
        if match is not None:
            ranges.append((float(match[2] or 1), match[1].lower()))
    refused = {name for quality, name in ranges if quality == 0}
    for quality, name in sorted(ranges, key=lambda one: -one[0]):
        if quality == 0:
            break
        if name == "*":
            allowed = [languages.default, *languages.offered]
            return next((tag for tag in allowed if tag.lower() not in refused), languages.default)
        found = _look_up(name, offered, refused)
        if found is not None:
            return found
    return None


def _look_up(name: str, offered: dict[str, str], refused: set[str]) -> str | None:
    """The offered language for a range: itself, what it is a variant of, or a variant of it."""
    while True:
        if name in offered and name not in refused:
            return offered[name]
        shorter, _, last = name.rpartition("-")
        if not last or not shorter:
            break
        name = shorter
    variants = (tag for low, tag in offered.items() if low.startswith(f"{name}-") and low not in refused)
    return next(variants, None)


# What the person who causes this wants, and the language that is spoken at the moment. Texts are translated in many
# places that have no request.
_preferred: ContextVar[tuple[str, ...]] = ContextVar("torii_dynamodb_preferred_languages", default=())
_current: ContextVar[Language] = ContextVar("torii_dynamodb_language", default=_source)


def prefer(*ranges: str | None) -> None:
    """Set what languages the current request wants, the most important first: a choice, then ``Accept-Language``."""
    _preferred.set(_bounded(ranges))


def preferred() -> tuple[str, ...]:
    """Return what the current request wants, the most important first; nothing if it is not known."""
    return _preferred.get()


@contextmanager
def preferring(*ranges: str | None) -> Generator[None]:
    """Set the preferred languages for a block: mails that it causes are in the first of them that is offered.

    The web layer does this for each request. Use it where there is no request, or where you know better::

        with preferring("de"):
            await torii.magic_link.send(email)

    Args:
        ranges: Language tags, or values of ``Accept-Language``, the most important first.
    """
    token = _preferred.set(_bounded(ranges))
    try:
        yield
    finally:
        _preferred.reset(token)


def current_language() -> Language:
    """Return the language of the page or mail that is being made."""
    return _current.get()


def speak(language: Language) -> None:
    """Set the language of what is made from here on."""
    _current.set(language)


@contextmanager
def speaking(language: Language) -> Generator[None]:
    """Set the language of what is made in a block."""
    token = _current.set(language)
    try:
        yield
    finally:
        _current.reset(token)


# Texts


def marked(message: str) -> str:
    """Mark a message for translation, where it is not translated yet."""
    return message


def gettext(message: str, **values: object) -> str:
    """Return a message in the current language, with values in place of ``%(name)s``."""
    text = _current.get().translate(message)
    return text % values if values else text


def ngettext(singular: str, plural: str, num: int, **values: object) -> str:
    """Return the form of a message for a number, which is ``%(num)s`` in it."""
    return _current.get().translate(singular, plural, num) % {"num": number(num), **values}


def number(amount: float) -> str:
    """Return a number as people write it: ``"1,200"``, ``"2.5"``."""
    text = f"{amount:,.0f}" if amount == int(amount) else f"{amount:,.1f}"
    # Translators: write this number as it is written in your language. Only the signs count.
    signs = re.fullmatch(r"1(.?)234(.)5", gettext("1,234.5"))
    if signs is None:
        return text
    return text.replace(",", "\0").replace(".", signs[2]).replace("\0", signs[1])


def duration(span: timedelta) -> str:
    """Return a time span (``"15 minutes"``, ``"2 days"``), rounded down to its largest whole unit."""
    seconds = span // timedelta(seconds=1)
    # For a link, "24 hours" is clearer than "1 day", but "2 days" is clearer than "48 hours".
    if seconds >= 2 * 86400:
        return ngettext("%(num)s day", "%(num)s days", seconds // 86400)
    if seconds >= 3600:
        return ngettext("%(num)s hour", "%(num)s hours", seconds // 3600)
    if seconds >= 60:
        return ngettext("%(num)s minute", "%(num)s minutes", seconds // 60)
    return ngettext("%(num)s second", "%(num)s seconds", seconds)


_MONTHS = (
    marked("January"),
    marked("February"),
    marked("March"),
    marked("April"),
    marked("May"),
    marked("June"),
    marked("July"),
    marked("August"),
    marked("September"),
    marked("October"),
    marked("November"),
    marked("December"),
)


def date_and_time(when: datetime, *, sentence: bool = False) -> str:
    """Return a time that people of any country read the same way: ``"28 November 2026, 17:09 UTC"``.

    Args:
        when: The time, in UTC.
        sentence: Whether it stands in a sentence: ``"28 November 2026 at 17:09 UTC"``.
    """
    values = {
        "day": when.day,
        "month": gettext(_MONTHS[when.month - 1]),
        "year": when.year,
        "time": when.strftime("%H:%M"),
    }
    if sentence:
        # Translators: a date within a sentence: "changed on 28 November 2026 at 17:09 UTC".
        return gettext("%(day)s %(month)s %(year)s at %(time)s UTC", **values)
    # Translators: a date on its own, or in a list.
    return gettext("%(day)s %(month)s %(year)s, %(time)s UTC", **values)


def install(environment: Environment) -> None:
    """Give templates ``{% trans %}``, ``_()``, ``gettext()`` and ``ngettext()``, which use the current language."""
    from jinja2 import pass_eval_context

    @pass_eval_context
    def one(context: EvalContext, message: str) -> str:
        return _current.get().translate(message, markup=bool(context.autoescape))

    @pass_eval_context
    def several(context: EvalContext, singular: str, plural: str, count: int) -> str:
        return _current.get().translate(singular, plural, count, markup=bool(context.autoescape))

    environment.add_extension("jinja2.ext.i18n")
    environment.policies["ext.i18n.trimmed"] = True
    added: Any = environment
    added.install_gettext_callables(one, several, newstyle=True)
