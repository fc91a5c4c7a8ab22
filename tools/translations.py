"""Keep the catalogues of translations up to date: extract the messages, update the .po files, compile the .mo files.

python tools/translations.py            # after messages have changed; then translate what is new in the .po files
python tools/translations.py --add fr   # begin a language
python tools/translations.py --check    # what is missing or wrong; the tests run it
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po

SOURCE = Path(__file__).resolve().parents[1] / "src" / "torii_dynamodb"
LOCALE = SOURCE / "locale"
TEMPLATE = LOCALE / "torii_dynamodb.pot"

_METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2"), ("**/templates/**.txt", "jinja2")]
_KEYWORDS = {"_": None, "gettext": None, "marked": None, "ngettext": (1, 2)}
_NO_TIME = datetime(2026, 1, 1, tzinfo=UTC)  # so that a catalogue changes only with its messages
_NOISE = re.compile(rb'^"(?:Generated-By|Report-Msgid-Bugs-To|Last-Translator|Language-Team): .*\n', re.MULTILINE)
_PLACEHOLDER = re.compile(r"%(?:\(\w+\)s|.)")
_ELEMENT = re.compile(r"<[^<>]*>")


def extracted() -> Catalog:
    """Return a catalogue with the messages of the source."""
    catalog = Catalog(
        project="torii-dynamodb",
        version="0",
        copyright_holder="the torii-dynamodb authors",
        creation_date=_NO_TIME,
        header_comment="# Messages of torii-dynamodb. See docs/translations.md.",
    )
    options = {"**/templates/**": {"trimmed": "true", "silent": "false"}}
    found = extract_from_dir(SOURCE, _METHODS, options, keywords=_KEYWORDS, comment_tags=("Translators:",))
    for path, _, message, comments, context in sorted(found, key=lambda one: (one[0], one[1])):
        catalog.add(message, locations=[(path, 0)], auto_comments=comments, context=context)
    return catalog


def languages() -> list[str]:
    """Return the names of the languages that there are."""
    return sorted(path.parents[1].name for path in LOCALE.glob("*/LC_MESSAGES/torii_dynamodb.po"))


def _po(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "torii_dynamodb.po"


def _read(language: str) -> Catalog:
    with _po(language).open("rb") as file:
        return read_po(file, locale=language)


def _as_po(catalog: Catalog) -> bytes:
    buffer = BytesIO()
    write_po(buffer, catalog, width=120, include_lineno=False, ignore_obsolete=True)
    return _NOISE.sub(b"", buffer.getvalue())


def _as_mo(catalog: Catalog) -> bytes:
    buffer = BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def write(*, add: str | None = None) -> None:
    """Write all catalogues."""
    template = extracted()
    LOCALE.mkdir(exist_ok=True)
    TEMPLATE.write_bytes(_as_po(template))
    wanted: set[str] = {*languages(), *([add] if add else [])}
    for language in sorted(wanted):
        path = _po(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            catalog = _read(language)
            catalog.update(template, no_fuzzy_matching=True, update_creation_date=False)
        else:
            catalog = Catalog(locale=language, project="torii-dynamodb", version="0", fuzzy=False)
            catalog.header_comment = template.header_comment
            catalog.update(template, no_fuzzy_matching=True)
        catalog.creation_date = catalog.revision_date = _NO_TIME
        path.write_bytes(_as_po(catalog))
        path.with_suffix(".mo").write_bytes(_as_mo(_read(language)))


def problems() -> Iterator[str]:
    """What is missing or wrong in the catalogues."""
    template = extracted()
    if not TEMPLATE.exists() or TEMPLATE.read_bytes() != _as_po(template):
        yield f"{TEMPLATE.name} is not up to date: run python tools/translations.py"
    for language in languages():
        catalog = _read(language)
        wanted, present = {one.id: one for one in template if one.id}, {one.id: one for one in catalog if one.id}
        for message in wanted:
            if message not in present:
                yield f"{language}: missing: {message!r}"
        for message, entry in present.items():
            if message not in wanted:
                yield f"{language}: not used: {message!r}"
            yield from (f"{language}: {problem}: {message!r}" for problem in _wrong(entry))
        with _po(language).with_suffix(".mo").open("rb") as file:
            compiled = {_forms(one.id): _forms(one.string) for one in read_mo(file) if one.id}
        if compiled != {_forms(one.id): _forms(one.string) for one in present.values()}:
            yield f"{language}: the .mo file is not up to date: run python tools/translations.py"


def _forms(text: str | list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
    """The forms of a message: one, or as many as its plural has."""
    return (text,) if isinstance(text, str) else tuple(text or ())


def _wrong(entry: Message) -> Iterator[str]:
    if entry.fuzzy:
        yield "fuzzy"
    sources, texts = _forms(entry.id), _forms(entry.string)
    if not all(texts):
        yield "not translated"
        return
    for name, pattern in (("placeholders", _PLACEHOLDER), ("elements", _ELEMENT)):
        # A form for one thing may leave the number out.
        allowed = {frozenset(pattern.findall(source)) for source in sources}
        if any(frozenset(pattern.findall(text)) not in allowed for text in texts):
            yield f"other {name} than in the message"


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="report what is missing or wrong, and write nothing")
    parser.add_argument("--add", metavar="LANGUAGE", help="begin a language, for example fr or pt_BR")
    given = parser.parse_args()
    if not given.check:
        write(add=given.add)
    found = list(problems())
    sys.stdout.writelines(f"{problem}\n" for problem in found)
    return 1 if found and given.check else 0


if __name__ == "__main__":
    sys.exit(main())
