"""What the control-plane commands share: progress bars, table options, instants."""

from __future__ import annotations

import functools
import inspect
import json
import tomllib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from torii_dynamodb.admin.options import NO_MAXIMUM, Capacity, TableOptions, options_from_mapping
from torii_dynamodb.admin.progress import Progress, Report
from torii_dynamodb.cli.support import Connection, WrongOption, emit, options_given, say, take_options
from torii_dynamodb.errors import ConfigurationError, ValidationError

__all__ = [
    "DryRun",
    "OptionsFile",
    "Rate",
    "moment",
    "read_options",
    "reporting",
    "tell_changes",
    "with_table_options",
]

P = ParamSpec("P")
R = TypeVar("R")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, but change nothing.")]
Rate = Annotated[
    float | None, typer.Option("--rate", metavar="UNITS", help="At most this many capacity units a second.")
]


@contextmanager
def reporting() -> Generator[Report]:
    """Show progress reports as bars on stderr; silent unless stderr is a terminal."""
    console = Console(stderr=True)
    with Bar(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        expand=True,
    ) as bar:
        tasks: dict[str, TaskID] = {}

        def report(progress: Progress) -> None:
            # DynamoDB's count may be hours old, so the real total may be larger.
            total = None if progress.total is None else max(progress.total, progress.done)
            if progress.task not in tasks:
                tasks[progress.task] = bar.add_task(progress.task, total=total)
            bar.update(tasks[progress.task], completed=progress.done, total=total)

        yield report


def tell_changes(done: list[str], *, dry_run: bool, as_json: bool, nothing: str) -> None:
    """Print what was or would be changed, one line each."""
    if as_json:
        emit({"dry_run": dry_run, "changes": done})
        return
    for line in done or [nothing]:
        say(("would " if dry_run and done else "") + line)


def moment(text: str) -> datetime:
    """An instant from the command line, with a UTC offset.

    Raises:
        ValidationError: It is invalid, or has no offset.
    """
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValidationError("moment", f"{text!r} is not valid: give an instant like 2026-11-22T15:04:05Z") from error
    if given.tzinfo is None:
        raise ValidationError("moment", f"{text!r} has no UTC offset: add Z for UTC, or an offset such as +01:00")
    return given.astimezone(UTC)


def read_options(path: Path | None) -> TableOptions:
    """The table options in a TOML or JSON file; the defaults for ``None``.

    Raises:
        WrongOption: The file or an option in it is invalid.
    """
    if path is None:
        return TableOptions()
    try:
        text = path.read_text(encoding="utf-8")
        given: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise WrongOption(f"{path}: {error}") from error
    if not isinstance(given, dict):
        raise WrongOption(f"{path}: give one key for each option")
    try:
        return options_from_mapping(given)  # pyright: ignore[reportUnknownArgumentType]
    except ConfigurationError as error:
        raise WrongOption(f"{path}: {error}") from error


_PANEL = "Table options (those left out stay as they are)"


def _option(name: str, help_text: str, metavar: str | None = None) -> Any:
    return typer.Option(name, help=help_text, metavar=metavar, rich_help_panel=_PANEL)


_Text, _Units, _Switch = str | None, int | None, bool | None

OptionsFile = Annotated[Path | None, _option("--options", "TOML or JSON file with all options.", "FILE")]

_OPTIONS: dict[str, Any] = {
    "options_file": OptionsFile,
    "billing": Annotated[_Text, _option("--billing", "on_demand or provisioned.", "MODE")],
    "read_capacity": Annotated[_Units, _option("--read-capacity", "Provisioned read units.", "UNITS")],
    "write_capacity": Annotated[_Units, _option("--write-capacity", "Provisioned write units.", "UNITS")],
    "max_read": Annotated[_Units, _option("--max-read", "Maximum on demand; -1 for none.", "UNITS")],
    "max_write": Annotated[_Units, _option("--max-write", "Maximum on demand; -1 for none.", "UNITS")],
    "warm_read": Annotated[_Units, _option("--warm-read", "Warm throughput to reach.", "UNITS")],
    "warm_write": Annotated[_Units, _option("--warm-write", "Warm throughput to reach.", "UNITS")],
    "kms_key": Annotated[
        _Text, _option("--kms-key", "aws_owned, aws_managed, or the ARN, ID or alias of a key.", "KEY")
    ],
    "deletion_protection": Annotated[
        _Switch, _option("--deletion-protection/--no-deletion-protection", "Whether DynamoDB refuses to delete them.")
    ],
    "point_in_time_recovery": Annotated[_Switch, _option("--pitr/--no-pitr", "Point-in-time recovery.")],
    "recovery_days": Annotated[_Units, _option("--recovery-days", "How many days back, 1 to 35.", "DAYS")],
    "table_class": Annotated[_Text, _option("--table-class", "STANDARD or STANDARD_INFREQUENT_ACCESS.", "CLASS")],
    "tag": Annotated[list[str] | None, _option("--tag", "A tag; can be repeated.", "KEY=VALUE")],
}


def with_table_options(
    command: Callable[Concatenate[Connection, TableOptions, P], R],
) -> Callable[..., R]:
    """Add the table options to a command, and pass them as its second argument. Goes below ``@connected``."""

    @functools.wraps(command)
    def with_options(connection: Connection, *args: Any, **kwargs: Any) -> R:
        given = {name: kwargs.pop(name) for name in _OPTIONS}
        with options_given():
            options = _options(**given)
        return command(connection, options, *args, **kwargs)

    first, _, *own = inspect.signature(command, eval_str=True).parameters.values()
    take_options(with_options, [first, *own], _OPTIONS)
    return with_options


def _options(*, options_file: Path | None, tag: list[str] | None, **given: Any) -> TableOptions:
    base = read_options(options_file)
    changes: dict[str, Any] = {}
    for name, (read, write) in {
        "capacity": ("read_capacity", "write_capacity"),
        "max_on_demand": ("max_read", "max_write"),
        "warm": ("warm_read", "warm_write"),
    }.items():
        units = (given.pop(read), given.pop(write))
        if units != (None, None):
            changes[name] = _capacity(units, (f"--{read.replace('_', '-')}", f"--{write.replace('_', '-')}"), name)
    changes |= {name: value for name, value in given.items() if value is not None}
    if tag:
        changes["tags"] = {**base.tags, **dict(_tag(one) for one in tag)}
    if changes and base.per_table:
        raise ConfigurationError(
            "options on the command line cannot be combined with a file that has per_table; put them into the file"
        )
    return replace(base, **changes) if changes else base


def _capacity(units: tuple[int | None, int | None], names: tuple[str, str], option: str) -> Capacity:
    read, write = units
    if option == "max_on_demand":
        return Capacity(read=NO_MAXIMUM if read is None else read, write=NO_MAXIMUM if write is None else write)
    if read is None or write is None:
        raise ConfigurationError(f"give {names[0]} and {names[1]} together")
    return Capacity(read=read, write=write)


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigurationError(f"--tag {text!r}: give KEY=VALUE")
    return key, value
