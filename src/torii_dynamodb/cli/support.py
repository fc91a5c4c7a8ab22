"""What the commands share: where DynamoDB is, what is printed how, and what becomes of errors.

A command that talks to DynamoDB takes a :class:`Connection` first and stands under :func:`connected`, which gives it
the options ``--region``, ``--endpoint-url``, ``--profile`` and ``--table-prefix``::

    @app.command()
    @connected
    def ensure(connection: Connection, as_json: Json = False) -> None:
        config = connection.config()

Errors are let through: :class:`Commands`, the root group, prints each as one line and exits with its branch's code.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import os
import sys
import traceback
import unicodedata
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, Concatenate, NoReturn, ParamSpec, TypeVar, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from torii_dynamodb import errors
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.testing.engines import EngineError

__all__ = [
    "PANEL",
    "Commands",
    "Connection",
    "EndpointUrl",
    "ExitCode",
    "Json",
    "Profile",
    "Region",
    "TablePrefix",
    "Yes",
    "confirm",
    "connected",
    "emit",
    "fail",
    "hang",
    "make_table",
    "new_group",
    "note",
    "plain",
    "progress_bar",
    "say",
    "show",
    "units",
]

P = ParamSpec("P")
R = TypeVar("R")


class ExitCode(IntEnum):
    """What the process ends with. A script can tell by it what to do."""

    OK = 0
    FAILED = 1
    """The command ran, and found or did what it should not have (an unhealthy table, a failed check)."""
    USAGE = 2
    """The command line, a file given or an argument cannot be used."""
    CONFIGURATION = 3
    """No region, no credentials, a missing table or one of another shape; no local engine."""
    ACCESS = 4
    """The credentials are wrong or lack a permission."""
    NOT_FOUND = 5
    """What was named does not exist."""
    CONFLICT = 6
    """It exists already, or somebody else changed it first."""
    UNAVAILABLE = 7
    """DynamoDB cannot be reached, fails or throttles. Try again later."""
    REFUSED = 8
    """A sign-in, a session or a token was refused."""
    REJECTED = 9
    """DynamoDB, or the library before it, refuses the request for what is in it."""
    INTERNAL = 70
    """A fault of this program (EX_SOFTWARE of sysexits.h)."""
    INTERRUPTED = 130
    """Ctrl-C (128 and SIGINT, as shells have it)."""


# The first that fits, so the narrower branch stands before the wider.
_CODES: tuple[tuple[type[errors.ToriiError] | tuple[type[errors.ToriiError], ...], ExitCode], ...] = (
    (errors.ValidationError, ExitCode.USAGE),
    ((errors.ConfigurationError, EngineError), ExitCode.CONFIGURATION),
    (errors.AccessDenied, ExitCode.ACCESS),
    (errors.NotFound, ExitCode.NOT_FOUND),
    (
        (
            errors.AlreadyExists,
            errors.VersionConflict,
            errors.LastSignInMethod,
            errors.TooManyIdentities,
            errors.TransactionFailed,
        ),
        ExitCode.CONFLICT,
    ),
    ((errors.Unavailable, errors.Overloaded), ExitCode.UNAVAILABLE),
    (
        (
            errors.InvalidCredentials,
            errors.InvalidToken,
            errors.AccountLocked,
            errors.RateLimited,
            errors.ClonedAuthenticator,
            errors.Revoked,
            errors.ProviderDisconnected,
        ),
        ExitCode.REFUSED,
    ),
    ((errors.RequestRejected, errors.ItemTooLarge, errors.CorruptItem), ExitCode.REJECTED),
)

EXIT_CODES_HELP = (
    "Exit codes: 0 done, 1 a check failed, 2 wrong usage, 3 configuration, 4 access denied, 5 not found, 6 conflict, "
    "7 unavailable (try again), 8 refused, 9 rejected, 130 interrupted."
)


def exit_code_of(error: errors.ToriiError) -> ExitCode:
    """The exit code of an error's branch."""
    for kinds, code in _CODES:
        if isinstance(error, kinds):
            return code
    return ExitCode.FAILED


class Commands(TyperGroup):
    """The root group: the one place where errors become messages and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; end with a line on stderr and an exit code instead of a traceback."""
        try:
            return super().invoke(ctx)
        except errors.ToriiError as error:
            code = exit_code_of(error)
            told = f"{error} (AWS request {error.request_id})" if error.request_id else str(error)
            _complain(told)
        except KeyboardInterrupt:
            code = ExitCode.INTERRUPTED
            _complain("interrupted")
        except BrokenPipeError:
            # The reader has gone (`... | head`); Python would complain once more when it closes stdout.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = ExitCode.FAILED
        except OSError as error:
            code = ExitCode.USAGE if error.filename else ExitCode.FAILED
            reason = error.strerror or str(error)
            _complain(f"{error.filename}: {reason}" if error.filename else reason)
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if type(error).__module__.startswith(("click", "typer")):
                raise
            if type(error).__module__ == "botocore.exceptions":
                # AWS' own settings are wrong (a profile that is not there, a file that cannot be read).
                code = ExitCode.CONFIGURATION
                _complain(f"the AWS settings cannot be used: {error}")
            else:
                code = ExitCode.INTERNAL
                _complain(_internal(error))
        raise typer.Exit(int(code))


def _complain(message: str) -> None:
    if os.environ.get("TORII_DEBUG"):
        traceback.print_exc()
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text.assemble(("error: ", "bold red"), plain(" ".join(message.split()))))


def _internal(error: Exception) -> str:
    # Not its text: nobody has looked whether it may hold a secret.
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return (
        f"this should not happen: {type(error).__name__}{place}. TORII_DEBUG=1 shows where it came from; "
        "please report it"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where DynamoDB is, as the options say; what they leave out comes from AWS' usual places.

    Args:
        region: ``--region``.
        endpoint_url: ``--endpoint-url``.
        profile: ``--profile``.
        table_prefix: ``--table-prefix``.
    """

    region: str | None = None
    endpoint_url: str | None = None
    profile: str | None = None
    table_prefix: str = "torii"

    def config(self, **options: Any) -> DynamoDbConfig:
        """The configuration; ``options`` are further fields of :class:`DynamoDbConfig`.

        Raises:
            ConfigurationError: An option cannot be used, or there is no such profile.
        """
        settings: dict[str, Any] = {
            "region": self.region,
            "endpoint_url": self.endpoint_url,
            "table_prefix": self.table_prefix,
        }
        if self.profile is not None:
            settings["credentials"] = _profile_session(self.profile)
        return DynamoDbConfig(**(settings | options))


def _profile_session(profile: str) -> Any:
    # A profile that is named wins over keys in the environment, as with AWS' own command line.
    from torii_dynamodb._aws import botocore_session

    session = botocore_session()
    if profile not in session.available_profiles:
        known = ", ".join(sorted(session.available_profiles)) or "none"
        raise errors.ConfigurationError(f"--profile: there is no AWS profile {profile!r} (there is: {known})")
    session.set_config_variable("profile", profile)
    return session


PANEL = "Where DynamoDB is"

Region = Annotated[
    str | None,
    typer.Option(
        "--region",
        metavar="NAME",
        help="AWS region. Else AWS_REGION, AWS_DEFAULT_REGION, or the profile's.",
        rich_help_panel=PANEL,
    ),
]
EndpointUrl = Annotated[
    str | None,
    typer.Option(
        "--endpoint-url",
        metavar="URL",
        help="Another endpoint, e.g. an emulator's. Else AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL, the profile's, "
        "or AWS'.",
        rich_help_panel=PANEL,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Profile of the AWS configuration files. Else AWS_PROFILE.",
        rich_help_panel=PANEL,
    ),
]
TablePrefix = Annotated[
    str,
    typer.Option(
        "--table-prefix",
        metavar="PREFIX",
        envvar="TORII_TABLE_PREFIX",
        help="The tables are PREFIX_users, PREFIX_sessions, ...",
        rich_help_panel=PANEL,
    ),
]

_OPTIONS = {"region": Region, "endpoint_url": EndpointUrl, "profile": Profile, "table_prefix": TablePrefix}

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def connected(command: Callable[Concatenate[Connection, P], R]) -> Callable[..., R]:
    """Give a command the options that say where DynamoDB is, and hand them in as its first argument."""

    @functools.wraps(command)
    def with_options(*args: Any, **kwargs: Any) -> R:
        connection = Connection(**{name: kwargs.pop(name) for name in _OPTIONS})
        return command(connection, *args, **kwargs)

    signature = inspect.signature(command, eval_str=True)
    own = list(signature.parameters.values())[1:]
    defaults = {field.name: field.default for field in dataclasses.fields(Connection)}
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=annotation)
        for name, annotation in _OPTIONS.items()
    ]
    with_options.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *shared]}
    return with_options


def new_group(help_text: str) -> typer.Typer:
    """A group of commands that shows its help when it is called without one."""
    return typer.Typer(help=help_text, no_args_is_help=True, rich_markup_mode="markdown")


def plain(text: object) -> str:
    """Text that cannot steer a terminal: control and direction characters are shown as escapes.

    Names, addresses and user agents come from strangers.
    """
    return "".join(
        character if unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} else ascii(character)[1:-1]
        for character in str(text)
    )


def say(text: str | Text = "", *, style: str = "") -> None:
    """Print a line to stdout; never wrapped where it goes to a file, never read as markup."""
    console = Console(highlight=False)
    console.print(text if isinstance(text, Text) else Text(text), style=style, soft_wrap=not console.is_terminal)


def hang(console: Console, text: Text, *, indent: int = 0, hanging: int = 0) -> None:
    """Print a paragraph, indented, later lines hanging; where it goes to a file, in one line."""
    room = console.width - max(indent, hanging)
    if not console.is_terminal or room < 20:
        console.print(Text(" " * indent) + text, soft_wrap=True, highlight=False)
        return
    for number, line in enumerate(text.wrap(console, room)):
        console.print(Text(" " * (hanging if number else indent)) + line, highlight=False)


def note(text: str) -> None:
    """Print a line for people to stderr, where it is in nobody's way."""
    Console(stderr=True, highlight=False).print(Text(text), style="dim", soft_wrap=True)


def show(table: Table) -> None:
    """Print a table to stdout; where it goes to a file or a program, as wide as it is."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=10_000)
    console.print(table)


def emit(value: object) -> None:
    """Print a value as JSON to stdout. Dataclasses, datetimes and sets are taken; secrets must be left out before."""
    sys.stdout.write(json.dumps(value, default=_jsonable, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()


def _jsonable(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, set | frozenset):
        return sorted(cast("set[Any]", value))
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "keys"):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # Shown is what repr shows: a field kept out of it holds a secret or what only the library needs.
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.repr}
    return str(value)


def make_table(*columns: str, right: Sequence[str] = (), title: str | None = None) -> Table:
    """A plain table. Nothing in it is cut: what is too long is folded."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold", header_style="bold")
    return table


def units(value: float) -> str:
    """Capacity units for people: at most one decimal."""
    return f"{value:,.1f}".removesuffix(".0")


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is lost.

    Raises:
        Exit: The answer is no, or nobody is there to give one.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        fail(f"{question} Nobody is there to ask: give --yes", ExitCode.USAGE)
    if not typer.confirm(question, err=True):
        fail("nothing was done", ExitCode.FAILED)


def fail(message: str, code: ExitCode = ExitCode.FAILED) -> NoReturn:
    """Print an error and end with an exit code.

    Raises:
        Exit: Always.
    """
    _complain(message)
    raise typer.Exit(int(code))


@contextmanager
def progress_bar(*, transient: bool = False) -> Generator[Progress]:
    """A progress display on stderr; silent where nobody watches."""
    console = Console(stderr=True)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=transient,
        disable=not console.is_terminal,
        expand=True,
    ) as progress:
        yield progress
