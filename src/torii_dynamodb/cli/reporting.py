"""What the commands of the control plane share: progress from their reports, options of tables, moments."""

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
from rich.progress import TaskID

from torii_dynamodb._aws import resolve_endpoint
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.options import NO_MAXIMUM, Capacity, TableOptions, options_from_mapping
from torii_dynamodb.admin.progress import Progress, Report
from torii_dynamodb.cli.support import Connection, WrongOption, emit, options_given, progress_bar, say
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import ConfigurationError, ValidationError

__all__ = [
    "DryRun",
    "OptionsFile",
    "Rate",
    "moment",
    "open_client",
    "read_options",
    "reporting",
    "tell_changes",
    "where",
    "with_table_options",
]

P = ParamSpec("P")
R = TypeVar("R")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")]
Rate = Annotated[
    float | None, typer.Option("--rate", metavar="UNITS", help="At most that many capacity units a second.")
]


@contextmanager
def reporting() -> Generator[Report]:
    """Draw reports as progress bars on stderr; silent where nobody watches."""
    with progress_bar() as bar:
        tasks: dict[str, TaskID] = {}

        def report(progress: Progress) -> None:
            # The total is DynamoDB's count and some hours old; a bar does not go past its end.
            total = None if progress.total is None else max(progress.total, progress.done)
            if progress.task not in tasks:
                tasks[progress.task] = bar.add_task(progress.task, total=total)
            bar.update(tasks[progress.task], completed=progress.done, total=total)

        yield report


@contextmanager
def open_client(config: DynamoDbConfig) -> Generator[Client]:
    """A client for as long as the ``with`` statement runs."""
    client = Client(config)
    try:
        yield client
    finally:
        client.close()


def where(config: DynamoDbConfig) -> str:
    """Which DynamoDB is meant, for people."""
    region, url = resolve_endpoint(config)
    return f"{url} (region {region})"


def tell_changes(done: list[str], *, dry_run: bool, as_json: bool, nothing: str) -> None:
    """Print what was changed, or would be, a line each."""
    if as_json:
        emit({"dry_run": dry_run, "changes": done})
        return
    for line in done or [nothing]:
        say(("would " if dry_run and done else "") + line)


def moment(text: str) -> datetime:
    """A moment from the command line, with its offset.

    Raises:
        ValidationError: It is none, or has no offset.
    """
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValidationError("moment", f"{text!r}: give it like 2026-11-22T15:04:05Z") from error
    if given.tzinfo is None:
        raise ValidationError("moment", f"{text!r} has no offset: add Z for UTC, or for example +01:00")
    return given.astimezone(UTC)


def read_options(path: Path | None) -> TableOptions:
    """The options of tables in a TOML or JSON file; none for ``None``.

    Raises:
        WrongOption: The file is neither, or an option in it cannot be used.
    """
    if path is None:
        return TableOptions()
    try:
        text = path.read_text(encoding="utf-8")
        given: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise WrongOption(f"{path}: {error}") from error
    if not isinstance(given, dict):
        raise WrongOption(f"{path}: give one key an option")
    try:
        return options_from_mapping(given)  # pyright: ignore[reportUnknownArgumentType]
    except ConfigurationError as error:
        raise WrongOption(f"{path}: {error}") from error


_PANEL = "What the tables should be (what is left out stays as it is)"


def _option(*names: str, help_text: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=help_text, metavar=metavar, rich_help_panel=_PANEL)


OptionsFile = Annotated[
    Path | None, _option("--options", help_text="TOML or JSON file with all options.", metavar="FILE")
]

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "options_file": (OptionsFile, None),
    "billing": (
        Annotated[str | None, _option("--billing", help_text="on_demand or provisioned.", metavar="MODE")],
        None,
    ),
    "read_capacity": (
        Annotated[int | None, _option("--read-capacity", help_text="Provisioned read units.", metavar="UNITS")],
        None,
    ),
    "write_capacity": (
        Annotated[int | None, _option("--write-capacity", help_text="Provisioned write units.", metavar="UNITS")],
        None,
    ),
    "max_read": (
        Annotated[int | None, _option("--max-read", help_text="On-demand maximum; -1: none.", metavar="UNITS")],
        None,
    ),
    "max_write": (
        Annotated[int | None, _option("--max-write", help_text="On-demand maximum; -1: none.", metavar="UNITS")],
        None,
    ),
    "warm_read": (
        Annotated[int | None, _option("--warm-read", help_text="Warm throughput to reach.", metavar="UNITS")],
        None,
    ),
    "warm_write": (
        Annotated[int | None, _option("--warm-write", help_text="Warm throughput to reach.", metavar="UNITS")],
        None,
    ),
    "kms_key": (
        Annotated[
            str | None,
            _option("--kms-key", help_text="aws_owned, aws_managed, or a key's ARN, id or alias.", metavar="KEY"),
        ],
        None,
    ),
    "deletion_protection": (
        Annotated[
            bool | None,
            _option("--deletion-protection/--no-deletion-protection", help_text="Whether deleting is refused."),
        ],
        None,
    ),
    "point_in_time_recovery": (
        Annotated[bool | None, _option("--pitr/--no-pitr", help_text="Point-in-time recovery.")],
        None,
    ),
    "recovery_days": (
        Annotated[int | None, _option("--recovery-days", help_text="How far back, 1 to 35.", metavar="DAYS")],
        None,
    ),
    "table_class": (
        Annotated[
            str | None,
            _option("--table-class", help_text="STANDARD or STANDARD_INFREQUENT_ACCESS.", metavar="CLASS"),
        ],
        None,
    ),
    "tag": (
        Annotated[list[str] | None, _option("--tag", help_text="A tag; can be repeated.", metavar="KEY=VALUE")],
        None,
    ),
}


def with_table_options(
    command: Callable[Concatenate[Connection, TableOptions, P], R],
) -> Callable[..., R]:
    """Give a command the options of tables, and hand them in as its second argument. Goes below ``@connected``."""

    @functools.wraps(command)
    def with_options(connection: Connection, *args: Any, **kwargs: Any) -> R:
        given = {name: kwargs.pop(name) for name in _OPTIONS}
        with options_given():
            options = _options(**given)
        return command(connection, options, *args, **kwargs)

    signature = inspect.signature(command, eval_str=True)
    first, _, *own = signature.parameters.values()
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _OPTIONS.items()
    ]
    every = [first, *own, *shared]
    with_options.__signature__ = signature.replace(parameters=every)  # type: ignore[attr-defined]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in every}
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
            "options on the command line do not mix with a file that has per_table; write them there"
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
