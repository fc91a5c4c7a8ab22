"""What the exports of several systems have in common: their containers, names of providers, what is left over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO, Final, TypeAlias, cast

from torii_dynamodb.admin.moving.rows import MAX_RECORD, Fields, Record, csv_rows, json_items, json_lines, loads
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.legacy import LegacyAccount
from torii_dynamodb.models import Metadata, MetadataValue

__all__ = [
    "UNVERIFIABLE",
    "Children",
    "address",
    "csv_names",
    "full_name",
    "has_keys",
    "leftover",
    "linked",
    "moment_unit",
    "note_unused",
    "provider_name",
    "records",
    "text_bytes",
    "unfolded",
    "with_children",
]

MAX_TABLES: Final = 256 * 1_048_576
"""Bytes of a JSON document with several tables. Their rows refer to each other, so all of it is in memory at once."""

UNVERIFIABLE: Final = "*"
"""A password hash that cannot be verified here: the import refuses its user, or leaves the password behind if told."""

_MILLISECONDS = 100_000_000_000  # as seconds, the year 5138
_PROVIDERS: Final[Mapping[str, str]] = {
    "apple.com": "apple",
    "azure": "microsoft",
    "azure-ad": "microsoft",
    "azuread": "microsoft",
    "facebook.com": "facebook",
    "github.com": "github",
    "google-oauth2": "google",
    "google.com": "google",
    "linkedin-openid-connect": "linkedin",
    "linkedin_oidc": "linkedin",
    "loginwithamazon": "amazon",
    "microsoft-entra-id": "microsoft",
    "microsoft.com": "microsoft",
    "signinwithapple": "apple",
    "slack_oidc": "slack",
    "twitter.com": "twitter",
    "windowslive": "microsoft",
}


def provider_name(name: str) -> str:
    """Return what this library calls a provider of another system: its preset's name, or the given one in our form."""
    plain = name.strip().lower()
    return _PROVIDERS.get(plain) or re.sub(r"[^a-z0-9_-]+", "-", plain)[:32].strip("-") or "unnamed"


def address(row: Fields, name: str = "email") -> str:
    """Return the user's email address, without which nobody can be imported."""
    return row.text(name) or row.refuse(name, "is missing; only users with an email address can be imported")


def linked(row: Fields, accounts: Iterable[LegacyAccount]) -> tuple[LegacyAccount, ...]:
    """Return accounts without those at Microsoft, and note that, for a system that identifies these by another id.

    Ours is OpenID Connect's ``sub``, which differs from application to application; Microsoft Graph's ``id`` is not it.
    """
    given = tuple(accounts)
    kept = tuple(account for account in given if account.provider != "microsoft")
    if len(kept) < len(given):
        row.notes.append("the Microsoft account, whose id there is not the one that we get; link it again")
    return kept


def text_bytes(row: Fields, name: str) -> bytes:
    """Return text that must be there, in UTF-8."""
    try:
        return row.required_text(name).encode()
    except UnicodeEncodeError:
        row.refuse(name, "is not valid Unicode")


def unfolded(row: Fields, name: str) -> Fields:
    """Return one field of a row, which may be JSON within text, as a row of its own."""
    value = row.values.get(name)
    if isinstance(value, str) and value:
        try:
            value = loads(value.encode())
        except ValueError:
            row.refuse(name, "is not JSON")
    return Fields({name: value}, row.path)


def full_name(*parts: str | None) -> str | None:
    """Return a name from its parts; ``None`` if there are none."""
    return " ".join(part.strip() for part in parts if part and part.strip()) or None


def leftover(row: Fields, used: Iterable[str]) -> Metadata:
    """Return what a row has besides the fields that were used, without those that are empty."""
    names = frozenset(used)
    return {
        name: cast("MetadataValue", value)
        for name, value in row.values.items()
        if name not in names and name and value is not None and value != ""
    }


def note_unused(row: Fields, names: Mapping[str, str]) -> None:
    """Note which of these fields the row has: they are not taken over.

    Args:
        row: The row.
        names: The fields, and what the note calls them.
    """
    row.notes.extend(sorted({what for name, what in names.items() if row.values.get(name) not in (None, "", [], {})}))


def records(file: BinaryIO, *, array: str | None = None) -> Iterator[Record]:
    """Return the rows of a file, which may be CSV, JSON lines, a JSON array, or a JSON object that contains one.

    Args:
        file: The file. It can be read from the beginning again.
        array: The array's name in the object.
    """
    start = _start(file)
    if start[:1] == b"[":
        return json_items(file)
    if start[:1] != b"{":
        return csv_rows(file)
    if array is not None and _is_document(start, (array,)):
        return json_items(file, array)
    if start.strip() == b"{":
        raise ValidationError("file", "is one JSON object; give an array of objects, or one object on each line")
    return json_lines(file)


Children: TypeAlias = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
"""The tables that belong to a table of users: what each may be called, and its column with the user's id likewise."""


def with_children(file: BinaryIO, tables: tuple[str, ...], children: Children) -> Iterator[Record]:
    """Return the rows of a table of users, each with the rows that other tables have for it.

    The file is one JSON object whose keys are the tables, or anything that :func:`records` reads: then each row already
    contains the rows of the other tables, if it has any, as an array (in CSV: as JSON in a cell).

    Args:
        file: The file. It can be read from the beginning again.
        tables: How the table of users may be called.
        children: The other tables. The rows of each are in the user's row under its name here.

    Raises:
        ValidationError: A document with tables is larger than 256 MiB, or not JSON.
    """
    start = _start(file)
    if start[:1] != b"{" or not _is_document(start, tables):
        for number, row in records(file):
            yield number, _with_nested(row, children) if isinstance(row, dict) else row
        return
    text = file.read(MAX_TABLES + 1)
    if len(text) > MAX_TABLES:
        raise ValidationError(
            "file", f"is larger than {MAX_TABLES:,} bytes; export one JSON object for each user and line instead"
        )
    try:
        document = cast("dict[str, Any]", loads(text.removeprefix(b"\xef\xbb\xbf")))
    except ValueError:
        raise ValidationError("file", "is not JSON in UTF-8, or is nested too deeply") from None
    owned = {name: _by_owner(_table(document, names), columns) for name, (names, columns) in children.items()}
    for number, row in enumerate(_table(document, tables), 1):
        key = _key(row.get("id"))
        yield number, row | {name: rows[key] for name, rows in owned.items() if key in rows}


def has_keys(head: bytes, *names: str) -> bool:
    """Whether the beginning of a JSON file has all of these keys, at any depth."""
    return all(re.search(rb'"' + re.escape(name.encode()) + rb'"\s*:', head) for name in names)


def csv_names(head: bytes) -> frozenset[str]:
    """Return the columns that the first line of a CSV file names."""
    first = head.decode("utf-8-sig", "replace").partition("\n")[0]
    return frozenset(name.strip().strip('"') for name in first.split(","))


def moment_unit(row: Fields, name: str) -> float:
    """Return the unit of a time, for databases that have milliseconds or seconds in the same column."""
    value = row.values.get(name)
    number = float(value) if isinstance(value, str) and value.isdecimal() and len(value) <= 20 else value
    return 1000 if isinstance(number, int | float) and abs(number) > _MILLISECONDS else 1


def _start(file: BinaryIO) -> bytes:
    """Return the first line that is not empty, as far as it may be long, and go back to the beginning."""
    line = b""
    while not line.strip():
        line = file.readline(MAX_RECORD + 1)
        if not line:
            break
        line = line.removeprefix(b"\xef\xbb\xbf")
    file.seek(0)
    return line.lstrip()


def _is_document(start: bytes, tables: tuple[str, ...]) -> bool:
    """Whether a JSON object that starts like this goes on for the whole file, instead of being one row of many."""
    try:
        first = loads(start)
    except ValueError:
        return True
    return isinstance(first, dict) and any(name in first for name in tables)


def _with_nested(row: dict[str, Any], children: Children) -> dict[str, Any]:
    """Return a row whose nested tables are arrays under the names of ``children``."""
    found: dict[str, Any] = {}
    taken: set[str] = set()
    for name, (names, _) in children.items():
        given = next((one for one in names if row.get(one) not in (None, "")), None)
        taken.update(names)
        value = None if given is None else row[given]
        if isinstance(value, str):
            with suppress(ValueError):
                value = loads(value.encode())
        if value is not None:
            found[name] = [value] if isinstance(value, dict) else value
    return {name: value for name, value in row.items() if name not in taken} | found


def _table(document: Mapping[str, Any], names: tuple[str, ...]) -> list[dict[str, Any]]:
    name = next((one for one in names if one in document), None)
    rows: Any = None if name is None else document[name]
    if rows is None:
        return []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in cast("list[object]", rows)):
        raise ValidationError("file", f"is not the expected JSON: {name!r} is not an array of objects")
    return cast("list[dict[str, Any]]", rows)


def _by_owner(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    owned: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        owner = next((row[column] for column in columns if column in row), None)
        owned.setdefault(_key(owner), []).append(row)
    return owned


def _key(value: object) -> str:
    # One table may have a number where another has text.
    return str(value)
