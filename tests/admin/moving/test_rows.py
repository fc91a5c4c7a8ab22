"""Reading rows from files that nobody vouches for, and writing cells that a spreadsheet opens."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from io import BytesIO, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from torii_dynamodb.admin.moving import native
from torii_dynamodb.admin.moving.reading import open_export
from torii_dynamodb.admin.moving.rows import (
    MAX_RECORD,
    Fields,
    Record,
    Refused,
    Unreadable,
    csv_rows,
    json_items,
    json_lines,
)
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.legacy import LegacyUser

LONG = b'{"a": "' + b"x" * MAX_RECORD + b'"}'
DEEP = b"[" * 200_000


def shown(records: list[Record]) -> list[tuple[int, Any]]:
    """Rows by number; of an unreadable one, the reason."""
    return [(number, row.reason if isinstance(row, Unreadable) else row) for number, row in records]


def test_lines_of_json() -> None:
    """Each line is a row of its own: a bad one is reported by its number, and the next one is read."""
    lines = [b'\xef\xbb\xbf{"a": 1}\r', b"", b"[1]", b"{", LONG, DEEP, b'{"a": NaN}', b"\xff", b'{"a": 1e400, "b": 1}']
    bad = "is not JSON in UTF-8"
    assert shown(list(json_lines(BytesIO(b"\n".join(lines))))) == [
        (1, {"a": 1}),
        (3, "is not a JSON object"),
        (4, bad),
        (5, "is longer than 1,048,576 bytes"),
        (6, bad),
        (7, bad),
        (8, bad),
        (9, {"a": float("inf"), "b": 1}),
    ]


def test_rows_of_csv() -> None:
    """Quoted commas, quotes and line breaks are read; a bad row is reported by its number, and the next one is read."""
    text = (
        b'\xef\xbb\xbfa,b\r\n1,"x,""y""\r\nz"\r\n\r\n1,2,3\r\n"a"b,c\r\n\xff,1\r\n2,' + b"x" * MAX_RECORD + b"\r\n3,4"
    )
    found = shown(list(csv_rows(BytesIO(text))))
    assert [number for number, _ in found] == [2, 5, 6, 7, 8, 9]
    assert found[0][1] == {"a": "1", "b": 'x,"y"\r\nz'}
    assert found[-1][1] == {"a": "3", "b": "4"}
    for (_, reason), part in zip(found[1:-1], ("3 columns", "not CSV", "UTF-8", "longer"), strict=True):
        assert part in reason


@pytest.mark.parametrize("head", [b"", b"a,a\n", b"\xff\xfea\x00", b"\xff,b\n", b"1,2\n"])
def test_csv_without_usable_names_is_refused(head: bytes) -> None:
    """An empty file, one in another encoding, and one whose first line names no, or the same, columns is refused."""
    with pytest.raises(ValidationError, match=r"^file: "):
        list(csv_rows(BytesIO(head), needs="a"))


def test_items_of_a_json_document() -> None:
    """The objects of an array are found behind whatever comes before it, and wherever chunks of the file end."""
    before = {"number": 12345, "text": '"]}', "nested": [{"users": []}], "long": "x" * 200_000, "": None}
    users = [{"email": f"{number}@example.com", "pad": "]" * 7000} for number in range(50)]
    document = json.dumps({**before, "users": users, "after": 1}).encode()
    assert [row for _, row in json_items(BytesIO(document), "users")] == users
    assert shown(list(json_items(BytesIO(b'\xef\xbb\xbf [1, {"a": 2} ] ')))) == [
        (1, "is not a JSON object"),
        (2, {"a": 2}),
    ]
    assert list(json_items(BytesIO(b"[]"))) == []


@pytest.mark.parametrize(
    "document",
    [b"", b"{}", b"[", b'{"users": 1}', b'{"users": [', b'{"users": [{"a": ' + DEEP, b'{"x": ' + DEEP, b'{"x" 1}'],
)
def test_a_damaged_json_document_is_refused(document: bytes) -> None:
    """What is no document with the array raises ValidationError."""
    with pytest.raises(ValidationError, match=r"^file: "):
        list(json_items(BytesIO(document), "users"))


class Endless(RawIOBase):
    """A file of which only as much may be read as a reader with limits reads."""

    def __init__(self, start: bytes, filler: bytes) -> None:
        self.start, self.filler, self.left = start, filler, 4 * MAX_RECORD

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        assert 0 < size <= self.left, "more was read than one record may have"
        self.left -= size
        found, self.start = (self.start + self.filler * size)[:size], b""
        return found


@pytest.mark.parametrize("start", [b'[{"a": "', b'{"x": "', b'[{"a": 1}, '])
def test_an_endless_value_is_given_up(start: bytes) -> None:
    """A value that does not end is refused after the size of one record, not when memory is full."""
    with pytest.raises(ValidationError, match=r"^file: "):
        list(json_items(cast("BinaryIO", Endless(start, b"x")), "users" if start[:1] == b"{" else None))


def test_damaged_compression_is_refused(tmp_path: Path) -> None:
    """A file that gzip cannot read to its end raises ValidationError; a whole one is read as its content."""
    whole = gzip.compress(b'{"a": 1}\n' * 1000)
    (tmp_path / "whole").write_bytes(whole)
    with open_export(tmp_path / "whole") as file:
        assert len(list(json_lines(file))) == 1000
    for name, content in (("cut", whole[:-20]), ("changed", whole[:20] + b"\xff" * 20)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValidationError, match="gzip"), open_export(tmp_path / name) as file:
            list(json_lines(file))


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("2024-02-03T04:05:06.789Z", datetime(2024, 2, 3, 4, 5, 6, 789000, UTC)),
        ("2024-02-03 04:05:06+00", datetime(2024, 2, 3, 4, 5, 6, 0, UTC)),
        ("2024-02-03 04:05:06 UTC", datetime(2024, 2, 3, 4, 5, 6, 0, UTC)),
        ("2024-02-03T04:05:06", datetime(2024, 2, 3, 4, 5, 6, 0, UTC)),
        (1706933106, datetime(2024, 2, 3, 4, 5, 6, 0, UTC)),
        ("1706933106", datetime(2024, 2, 3, 4, 5, 6, 0, UTC)),
        ("", None),
        (None, None),
    ],
)
def test_times_are_read_in_many_forms(value: Any, wanted: datetime | None) -> None:
    """ISO 8601 as JavaScript and PostgreSQL write it, and seconds since 1970, as a number or text."""
    assert Fields({"at": value}).moment("at") == wanted


@pytest.mark.parametrize(
    "read",
    [
        lambda row: row.text("x"),
        lambda row: row.flag("x"),
        lambda row: row.integer("x"),
        lambda row: row.moment("x"),
        lambda row: row.base64("x"),
        lambda row: row.base32("x"),
        lambda row: row.nested("x"),
        lambda row: row.each("x"),
        lambda row: row.texts("x"),
    ],
)
@pytest.mark.parametrize("value", [["s3cret"], {"s3cret": 1}, "s3cret!", 10**30, float("inf"), True, [[]], "\ud800"])
def test_a_wrong_kind_of_field_refuses_its_row(read: Any, value: Any) -> None:
    """A field in a form that does not fit is returned in the wanted form or refuses the row, without showing it."""
    refusal = "x: "
    try:
        read(Fields({"x": value}))
    except Refused as refused:
        refusal = str(refused)
    assert refusal.startswith(("x: ", "x[0]: "))
    assert "s3cret" not in refusal


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@a", "\t=1", "'=1", "''=1", "'Aziz", 'a,"b"\r\nc', "=1\u2028"])
def test_no_cell_is_a_formula(name: str) -> None:
    """No exported cell begins like a formula, and every one is read back as it was."""
    text = native.csv_header() + native.csv_line(LegacyUser(email="ada@example.com", name=name))
    (_, row), *_ = csv_rows(BytesIO(text.encode()))
    assert isinstance(row, dict)
    assert row["name"][0] not in "=+-@\t\r"
    (found,) = native.CSV.read(BytesIO(text.encode()))
    assert found.user is not None
    assert found.user.name == name
