"""The formats that ``users import`` reads, and how it tells them apart.

To add one: a module beside this one with a function that reads it (:mod:`torii_dynamodb.admin.moving.rows`) and its
:class:`~torii_dynamodb.admin.moving.rows.LegacyFormat`, and its name in :data:`FORMATS`.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from torii_dynamodb.admin.moving import (
    auth0,
    authjs,
    better_auth,
    cognito,
    django,
    fastapi_users,
    firebase,
    keycloak,
    native,
    supabase,
)
from torii_dynamodb.admin.moving.rows import LegacyFormat
from torii_dynamodb.errors import ValidationError

__all__ = ["FORMATS", "detect", "format_named", "open_export"]

FORMATS: Final[tuple[LegacyFormat, ...]] = (
    native.JSON_LINES,
    native.CSV,
    auth0.AUTH0,
    authjs.AUTHJS,
    better_auth.BETTER_AUTH,
    cognito.COGNITO,
    django.DJANGO,
    fastapi_users.FASTAPI_USERS,
    firebase.FIREBASE,
    keycloak.KEYCLOAK,
    supabase.SUPABASE,
)

_HEAD = 65_536
_GZIP = b"\x1f\x8b"


def format_named(name: str) -> LegacyFormat:
    """Return a format by its name.

    Raises:
        ValidationError: There is none of this name.
    """
    for one in FORMATS:
        if one.name == name:
            return one
    raise ValidationError("format", f"{name[:64]!r} is not known; give one of {_names()}")


def detect(file: BinaryIO, named: LegacyFormat | None = None) -> LegacyFormat:
    """Return the format of a file that can be read from the beginning again, if its first bytes leave no doubt.

    Args:
        file: The file.
        named: The format that was asked for. It is returned unless the file is surely of another: with the wrong
            reader, users might come over without their passwords.

    Raises:
        ValidationError: It could be several formats, or none, or is another than the one asked for.
    """
    head = file.read(_HEAD)
    file.seek(0)
    found = [one for one in FORMATS if one.recognises is not None and one.recognises(head)]
    # Our own are recognised by all their fields, others by some.
    found = [one for one in found if one in (native.JSON_LINES, native.CSV)] or found
    if named is not None:
        names = [one.name for one in found]
        if names and named.name not in names and named.name in [one.name for one in FORMATS]:
            raise ValidationError("format", f"the file is of the format {' or '.join(names)}, not {named.name}")
        return named
    if len(found) == 1:
        return found[0]
    what = f"could be {' or '.join(one.name for one in found)}" if found else "is not recognised"
    raise ValidationError("format", f"the file's format {what}; give one of {_names()}")


@contextmanager
def open_export(path: Path) -> Generator[BinaryIO]:
    """Open an export for reading; one that is compressed with gzip is read as what it contains.

    Raises:
        ValidationError: It cannot be read, or its compression is damaged.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise ValidationError("file", f"{path} cannot be read: {error.strerror}") from error
    with raw:
        if not raw.seekable():
            raise ValidationError("file", f"{path} can be read only once, like a pipe; save it as a file")
        compressed = raw.read(2) == _GZIP
        raw.seek(0)
        try:
            yield cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if compressed else raw
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise ValidationError("file", f"{path} is damaged or incomplete: it is not all gzip") from None


def _names() -> str:
    return ", ".join(one.name for one in FORMATS)
