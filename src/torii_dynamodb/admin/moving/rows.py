"""What a reader of another system's export is built from.

A reader is a plain function from an open file to one :class:`LegacyRow` for each user in it. It reads the file once,
from the beginning, and keeps nothing of it: files have millions of users. The file is untrusted. What one user's data
makes impossible is a refused row, and the next row follows; what makes the whole file unreadable is a
:class:`~torii_dynamodb.errors.ValidationError`.

Most readers are one function from :class:`Fields` to a :class:`~torii_dynamodb.legacy.LegacyUser`::

    def read(file: BinaryIO) -> Iterator[LegacyRow]:
        return users_of(json_lines(file), _user)

    def _user(row: Fields) -> LegacyUser:
        return LegacyUser(email=row.required_text("email"), email_verified=row.flag("email_verified"))
"""

from __future__ import annotations

import csv
import json
from base64 import b32decode, b64decode
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final, NoReturn, TypeAlias, cast

from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.legacy import LegacyUser

__all__ = [
    "MAX_RECORD",
    "Fields",
    "LegacyFormat",
    "LegacyRow",
    "Reader",
    "Record",
    "Refused",
    "Unreadable",
    "csv_rows",
    "json_items",
    "json_lines",
    "loads",
    "users_of",
]

MAX_RECORD: Final = 1_048_576
"""Bytes of one line, and characters of one value within a JSON document. An item of DynamoDB has at most 400 KB."""

_CHUNK = 65_536
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyRow:
    """A user of a file, or why there is none.

    Args:
        number: The line, counted from 1; within a JSON array, the position, counted from 1.
        user: The user; ``None`` if the row is refused.
        refused: Why it is refused, without a secret; ``None`` if it is not.
        who: What the file calls the user (their id or address), as far as that is known of a refused row.
        notes: What of the row is not taken over, for example ``"the phone number"``. Never silently dropped.
    """

    number: int
    user: LegacyUser | None = field(default=None, repr=False)
    refused: str | None = None
    who: str | None = None
    notes: tuple[str, ...] = ()


Reader: TypeAlias = Callable[[BinaryIO], Iterator[LegacyRow]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyFormat:
    """A format that can be imported.

    Args:
        name: What ``--format`` calls it: ``a-z 0-9 -``.
        title: What it is, for people: the system, and which of its exports.
        source: The system's name, in ids derived from the ids there. Formats of one system have the same.
        read: Reads it.
        recognises: Whether a file with these first bytes (up to 64 KiB) is surely of this format; ``None``: it has to
            be named, because files of other formats look the same.
    """

    name: str
    title: str
    source: str
    read: Reader
    recognises: Callable[[bytes], bool] | None = None


class Refused(ValueError):
    """A row cannot be imported. The message says why, without a secret; it completes "line 7: ..."."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that is not even readable, and why."""

    reason: str


Record: TypeAlias = "tuple[int, dict[str, Any] | Unreadable]"
"""A row's number, and what it contains."""


class Fields:
    """One row's fields. Each method returns the field in the wanted form, or refuses the row.

    A missing field, ``null`` and, for all forms but text, an empty text are the same thing: the field is not there.

    Args:
        values: The row.
        path: How the row is called in messages, if it is within another one.
    """

    def __init__(self, values: Mapping[str, Any], path: str = "") -> None:
        self._values = values
        self._path = path
        self.notes: list[str] = []

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    @property
    def values(self) -> Mapping[str, Any]:
        """The row as it is."""
        return self._values

    @property
    def path(self) -> str:
        """What the row is called in messages: empty for a whole row, otherwise with a dot at the end."""
        return self._path

    def refuse(self, name: str, problem: str) -> NoReturn:
        """Refuse the row because of a field."""
        raise Refused(f"{self._path}{name}: {problem}")

    def text(self, name: str) -> str | None:
        """Return text as it is; ``None`` if it is missing or empty."""
        value = self._values.get(name)
        if value is None or value == "":
            return None
        return value if isinstance(value, str) else self._wrong(name, "text", value)

    def required_text(self, name: str) -> str:
        """Return text that must be there."""
        return self.text(name) or self.refuse(name, "is missing")

    def identifier(self, name: str) -> str | None:
        """Return an id as text; databases also have numbers."""
        value = self._values.get(name)
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else self.text(name)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return true or false, which CSV writes in many ways (``t``, ``true``, ``1``, ``yes``)."""
        value = self._values.get(name)
        if value is None or value == "":
            return default
        known = {"true": True, "t": True, "1": True, "yes": True, "false": False, "f": False, "0": False, "no": False}
        found = known.get(str(value).lower()) if isinstance(value, bool | int | str) else None
        return found if found is not None else self._wrong(name, "true or false", value)

    def integer(self, name: str, *, default: int = 0) -> int:
        """Return a whole number."""
        value = self._values.get(name)
        if value is None or value == "":
            return default
        try:
            if isinstance(value, int | str) and not isinstance(value, bool) and len(str(value)) <= 20:
                return int(value)
        except ValueError:
            pass
        return self._wrong(name, "a whole number", value)

    def moment(self, name: str, *, unit: float = 1) -> datetime | None:
        """Return a point in time: text in ISO 8601 (UTC unless it says otherwise), or a number since 1970.

        Args:
            name: The field.
            unit: How many of the number are one second, for example 1000 for milliseconds.
        """
        value = self._values.get(name)
        if value is None or value == "":
            return None
        try:
            if isinstance(value, int | float) and not isinstance(value, bool):
                return datetime.fromtimestamp(value / unit, UTC)
            # Eight digits would also be a date in ISO 8601's basic form, which exports do not use.
            if isinstance(value, str) and value.isdecimal() and len(value) <= 20:
                return datetime.fromtimestamp(int(value) / unit, UTC)
            if isinstance(value, str) and len(value) <= 64:
                found = datetime.fromisoformat(_iso(value))
                return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        except (ValueError, OverflowError, OSError):
            pass
        return self._wrong(name, "a point in time (ISO 8601, or a number)", value)

    def base64(self, name: str) -> bytes | None:
        """Return bytes from base64 or base64url, with or without padding."""
        value = self.text(name)
        if value is None:
            return None
        try:
            plain = value.rstrip("=").replace("-", "+").replace("_", "/")
            return b64decode(plain + "=" * (-len(plain) % 4), validate=True)
        except ValueError:
            return self.refuse(name, "is not base64")

    def base32(self, name: str) -> bytes | None:
        """Return bytes from base32, as the seeds of authenticator apps are written."""
        value = self.text(name)
        if value is None:
            return None
        try:
            plain = value.replace(" ", "").rstrip("=").upper()
            return b32decode(plain + "=" * (-len(plain) % 8))
        except ValueError:
            return self.refuse(name, "is not base32")

    def nested(self, name: str) -> Fields:
        """Return an object's fields; none if it is missing."""
        value = self._values.get(name)
        if value is None or value == "":
            return Fields({}, f"{self._path}{name}.")
        if not isinstance(value, dict):
            self._wrong(name, "an object", value)
        return Fields(cast("dict[str, Any]", value), f"{self._path}{name}.")

    def each(self, name: str) -> list[Fields]:
        """Return the fields of every object of an array; an empty list if it is missing."""
        value = self._values.get(name)
        if value is None or value == "":
            return []
        if not isinstance(value, list):
            self._wrong(name, "an array", cast("object", value))
        found: list[Fields] = []
        for index, one in enumerate(cast("list[object]", value)):
            if not isinstance(one, dict):
                self._wrong(f"{name}[{index}]", "an object", one)
            found.append(Fields(cast("dict[str, Any]", one), f"{self._path}{name}[{index}]."))
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        """Return an array of text; an empty tuple if it is missing."""
        value = self._values.get(name)
        if value is None or value == "":
            return ()
        found = cast("list[object]", value) if isinstance(value, list) else [None]
        if not all(isinstance(one, str) for one in found):
            self._wrong(name, "an array of text", cast("object", value))
        return tuple(cast("list[str]", found))

    def _wrong(self, name: str, wanted: str, value: object) -> NoReturn:
        # Never the value: it may be a hash or a seed in the wrong column.
        self.refuse(name, f"is not {wanted}, but {_KINDS.get(type(value), 'something else')}")


_KINDS: Final[Mapping[type, str]] = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "an array",
    dict: "an object",
}


def _iso(text: str) -> str:
    """Return a time in a form that Python reads: databases write ``+00`` and ``UTC`` for the time zone."""
    return text.strip().removesuffix(" UTC").replace(" +0000", "+00:00")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Not orjson, which turns whole numbers of more than 64 bits into floats, and cannot read a document in parts.
_JSON: Final = json.JSONDecoder(parse_constant=_no_constant)


def users_of(
    records: Iterable[Record], to_user: Callable[[Fields], LegacyUser], *, who: Iterable[str] = ("email", "id")
) -> Iterator[LegacyRow]:
    """Return the rows of a file, given the function that makes a user of one.

    Args:
        records: The rows' contents.
        to_user: Makes a user of a row, or raises :class:`Refused`. What it appends to the row's ``notes`` is reported.
        who: The fields that may name the user, in the report of a refused row.
    """
    names = tuple(who)
    for number, values in records:
        if isinstance(values, Unreadable):
            yield LegacyRow(number=number, refused=values.reason)
            continue
        fields = Fields(values)
        try:
            yield LegacyRow(number=number, user=to_user(fields), notes=tuple(fields.notes))
        except Refused as refused:
            given = (values.get(name) for name in names)
            known = [str(one)[:254] for one in given if isinstance(one, str | int) and one != ""]
            yield LegacyRow(number=number, refused=str(refused), who=known[0] if known else None)


def json_lines(file: BinaryIO) -> Iterator[Record]:
    """Return the objects of a file with one JSON object on each line. Empty lines are skipped."""
    for number, line in _lines(file):
        if isinstance(line, Unreadable):
            yield number, line
        elif line.strip():
            yield number, _object(line)


def loads(text: bytes) -> Any:
    """Return what JSON says, with whole numbers of any size.

    Raises:
        ValueError: It is not JSON in UTF-8, or nested too deeply.
    """
    try:
        return _JSON.decode(text.decode())
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _object(line: bytes) -> dict[str, Any] | Unreadable:
    try:
        value = loads(line)
    except ValueError:
        return Unreadable("is not JSON in UTF-8")
    return cast("dict[str, Any]", value) if isinstance(value, dict) else Unreadable("is not a JSON object")


def csv_rows(file: BinaryIO, *, needs: str | None = None) -> Iterator[Record]:
    """Return the rows of a CSV file (RFC 4180) by the names in its first line. Empty lines are skipped.

    Args:
        file: The file.
        needs: A column that must be there; ``None`` if there is none.

    Raises:
        ValidationError: There is no first line, or it names a column twice, or not the one that is needed.
    """
    csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD))  # process-wide; the default is 128 KiB
    bad: list[Unreadable] = []
    reader = csv.reader(_text_lines(file, bad), strict=True)
    header: list[str] | None = None
    while True:
        number = reader.line_num + 1
        problem: str | None = None
        row: list[str] = []
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            problem = f"is not CSV, up to line {reader.line_num}: {error}"
        if bad:
            problem = bad.pop().reason
            bad.clear()
        if header is None:
            if problem is not None:
                raise ValidationError("file", f"the line with the names of the columns {problem}")
            header = [name.strip() for name in row]
            if len(set(header)) != len(header):
                raise ValidationError("file", "two columns have the same name in the first line")
            if needs is not None and needs not in header:
                raise ValidationError("file", f"the first line must name the columns, and one of them {needs!r}")
        elif problem is not None:
            yield number, Unreadable(problem)
        elif row:
            same = len(row) == len(header)
            problem = f"has {len(row)} columns; the first line names {len(header)}"
            yield number, dict(zip(header, row, strict=True)) if same else Unreadable(problem)
    if header is None:
        raise ValidationError("file", "is empty: the first line must name the columns")


def _text_lines(file: BinaryIO, bad: list[Unreadable]) -> Iterator[str]:
    """Return lines for the CSV reader. An unreadable line is empty, and its reason is put into ``bad``."""
    for _, line in _lines(file):
        if isinstance(line, Unreadable):
            bad.append(line)
            yield ""
            continue
        try:
            yield line.decode()
        except UnicodeDecodeError:
            bad.append(Unreadable("is not UTF-8"))
            yield ""


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | Unreadable]]:
    """Return a file's lines with their ends and numbers, in bounded memory."""
    number = 0
    while line := file.readline(MAX_RECORD + 1):
        number += 1
        if number == 1:
            if line.startswith(_UTF16):
                raise ValidationError("file", "is in UTF-16; save it in UTF-8")
            line = line.removeprefix(_BOM)
        if len(line) > MAX_RECORD:
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_RECORD)
            yield number, Unreadable(f"is longer than {MAX_RECORD:,} bytes")
        else:
            yield number, line


def json_items(file: BinaryIO, key: str | None = None) -> Iterator[Record]:
    """Return the objects of an array in one JSON document, without reading all of it into memory.

    Args:
        file: The document.
        key: The array's name in the document's outermost object; ``None``: the document is the array.

    Raises:
        ValidationError: It is not JSON, or the array is not there, or a value is too long.
    """
    document = _Document(file)
    if key is not None:
        document.enter(key)
    document.take("[")
    number = 0
    if document.peek() == "]":
        return
    while True:
        number += 1
        value = document.value(f"entry {number}")
        yield number, cast("dict[str, Any]", value) if isinstance(value, dict) else Unreadable("is not a JSON object")
        if document.peek() == "]":
            return
        document.take(",")


class _Document:
    """A JSON document that is read value by value."""

    def __init__(self, file: BinaryIO) -> None:
        # Bytes that are not UTF-8 become lone surrogates, which no field may contain: they refuse a row, not the file.
        self._decode = getincrementaldecoder("utf-8-sig")("surrogateescape").decode
        self._file = file
        self._text = ""
        self._at = 0

    def peek(self) -> str:
        """Return the next character that is not white space; an empty text at the end."""
        while True:
            while self._at < len(self._text):
                if not self._text[self._at].isspace():
                    return self._text[self._at]
                self._at += 1
            if not self._more(_CHUNK):
                return ""

    def take(self, mark: str) -> None:
        """Read one character, which must be the given one."""
        if self.peek() != mark:
            raise ValidationError("file", f"is not the expected JSON: there is no {mark!r} where one must be")
        self._at += 1

    def enter(self, key: str) -> None:
        """Read up to the value of a key of an object."""
        self.take("{")
        while self.peek() == '"':
            name = self.value("a key")
            self.take(":")
            if name == key:
                return
            self.value(f"{str(name)[:64]!r}")
            if self.peek() == ",":
                self.take(",")
        raise ValidationError("file", f"is not the expected JSON: it has no {key!r}")

    def value(self, what: str) -> Any:
        """Read one value."""
        self.peek()
        wanted = _CHUNK
        while True:
            try:
                value, end = _JSON.raw_decode(self._text, self._at)
                # A number may go on in what is not read yet.
                if end < len(self._text) or not self._more(_CHUNK):
                    self._at = end
                    return value
                continue
            except RecursionError:
                raise ValidationError("file", f"{what} is nested too deeply") from None
            except ValueError:
                if len(self._text) - self._at <= MAX_RECORD and self._more(wanted):
                    wanted *= 2  # so that a long value is not decoded again for each chunk
                    continue
            too_long = len(self._text) - self._at > MAX_RECORD
            raise ValidationError("file", f"{what} is {'too long or ' if too_long else ''}not JSON")

    def _more(self, count: int) -> bool:
        chunk = self._file.read(count)
        read = self._decode(chunk, not chunk)
        if self._at:
            self._text, self._at = self._text[self._at :] + read, 0
        else:
            self._text += read
        return bool(chunk or read)
