"""The report of an import: a file with one line of JSON for each row, from which an interrupted import continues."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from torii_dynamodb._files import open_private
from torii_dynamodb._wire.json import DecodeError, loads, object_of
from torii_dynamodb.errors import ValidationError

__all__ = ["ImportOutcome", "ReportFile", "RowOutcome"]

ImportOutcome = Literal["imported", "present", "refused"]

_REPORT: Final = "torii-dynamodb users import"
_MOST_HEADER = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOutcome:
    """What became of a row, or would become of it. It has no secret, but addresses and ids.

    Args:
        number: The row: its line, or its position in the file.
        outcome: ``"imported"``; ``"present"`` if it was imported before; ``"refused"``.
        who: What the file calls the user: their id, or else their address; ``None`` if that cannot be read.
        id: The user's id here; ``None`` if the row is refused.
        reason: Why it is refused.
        kind: What kind of reason that is, to count by.
        left_behind: What of the row is not imported.
        unverified: Whether the user was imported with an address that does not count as verified.
    """

    number: int
    outcome: ImportOutcome
    who: str | None = None
    id: str | None = None
    reason: str | None = None
    kind: str | None = None
    left_behind: tuple[str, ...] = ()
    unverified: bool = False

    def line(self) -> dict[str, Any]:
        """Return it as the report shows it: without empty fields."""
        names = ("number", "outcome", "who", "id", "reason", "kind", "left_behind", "unverified")
        return {name: value for name in names if (value := getattr(self, name)) not in (None, (), False)}


class ReportFile:
    """A report being written; a context manager. With ``path=None``, it is written nowhere.

    Args:
        path: The file. An unfinished report of the same import is continued, a finished one is replaced.
        identity: What is imported, and where to.
        options: How. An unfinished report that was begun with other options is not continued.

    Raises:
        ValidationError: The file is something else, or the report of another import.
    """

    def __init__(self, path: Path | None, identity: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        self.path = path
        self._header = {"report": _REPORT, **identity, "options": dict(options)}
        self._file = None
        self.resumed = False
        if path is None:
            return
        # Before it is opened for writing, which makes it private: it may be something else.
        self._check(path)
        self._file = os.fdopen(open_private(path, os.O_RDWR), "r+b")
        if not self.resumed:
            self._file.truncate()
            self.write(self._header)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def earlier(self) -> Iterator[RowOutcome]:
        """Return what an interrupted run has reported, and cut off a line that it did not finish."""
        if self._file is None or not self.resumed:
            return
        self._file.seek(0)
        self._file.readline()
        end = self._file.tell()
        while (line := self._file.readline()).endswith(b"\n"):
            try:
                values = object_of(loads(line))
                left_behind = tuple(map(str, values.pop("left_behind", ())))
                yield RowOutcome(**values, left_behind=left_behind)
            except (DecodeError, TypeError):
                raise ValidationError("report", f"{self.path} is damaged; name another file to begin anew") from None
            end += len(line)
        self._file.seek(end)
        self._file.truncate()

    def write(self, *lines: Mapping[str, Any]) -> None:
        """Append lines, and have them on disk before returning."""
        if self._file is None:
            return
        text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
        # What a row calls its user may have lone surrogates.
        self._file.write(text.encode(errors="replace"))
        self._file.flush()
        os.fsync(self._file.fileno())

    def _check(self, path: Path) -> None:
        """Find out whether an existing file is to be continued or replaced, or is something else."""
        try:
            with path.open("rb") as file:
                first = file.readline(_MOST_HEADER)
                file.seek(max(path.stat().st_size - _MOST_HEADER, 0))
                finished = b'\n{"finished"' in file.read()
        except FileNotFoundError:
            return
        if not first:
            return
        try:
            before = object_of(loads(first))
        except DecodeError:
            before = {}
        if before.get("report") != _REPORT:
            raise ValidationError("report", f"{path} is not a report of an import; name another file")
        other = [name for name, value in self._header.items() if name != "options" and before.get(name) != value]
        if other:
            raise ValidationError(
                "report", f"{path} is the report of another import (other {', '.join(other)}); name another file"
            )
        if not finished and before.get("options") != self._header["options"]:
            raise ValidationError(
                "report",
                f"{path} was begun with other options; repeat them to continue, or name another file to begin anew: "
                "users who were imported are recognised",
            )
        self.resumed = not finished
