"""What the commands share: connections to DynamoDB, output, and errors.

A command that talks to DynamoDB takes a :class:`Connection` first and is decorated with :func:`connected`, which adds
the options ``--region``, ``--endpoint-url``, ``--profile``, and those that name the tables and their layout::

    @app.command()
    @connected
    def ensure(connection: Connection, as_json: Json = False) -> None:
        config = connection.config()

A command that makes no requests is decorated with :func:`with_tables`, which adds only the latter.

A command that works on users also takes ``--tenant``, with :func:`with_tenant`, and opens their storage with
:meth:`Connection.open`. One that may end a session takes ``--cache-url``, with :func:`with_cache`.

Commands let errors through: :class:`Commands`, the root group, prints each as one line and exits with its code.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import os
import re
import shlex
import sys
import traceback
import unicodedata
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Concatenate, NoReturn, ParamSpec, TypeVar, cast

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from torii_dynamodb import DynamoDbHandle, DynamoDbStorage, errors
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.extras import needed
from torii_dynamodb.admin.control import Occupied
from torii_dynamodb.cache import ValkeyCache
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.local import EngineError, EngineOptionError

__all__ = [
    "PANEL",
    "Commands",
    "Connection",
    "EndpointUrl",
    "ExitCode",
    "Json",
    "LayoutName",
    "LayoutOption",
    "Profile",
    "Region",
    "Tenant",
    "WrongOption",
    "Yes",
    "advising",
    "confirm",
    "connected",
    "counted",
    "emit",
    "fail",
    "hang",
    "make_table",
    "new_group",
    "note",
    "options_given",
    "plain",
    "say",
    "show",
    "spent",
    "table_names_of",
    "take_options",
    "units",
    "with_cache",
    "with_tables",
    "with_tenant",
]

P = ParamSpec("P")
R = TypeVar("R")


class ExitCode(IntEnum):
    """The exit codes of the process, so that scripts can tell what to do."""

    OK = 0
    FAILED = 1
    """The command ran and found a problem (an unhealthy table, a damaged export), or the answer was no."""
    USAGE = 2
    """An option, an argument, or a file that one of them names is invalid."""
    CONFIGURATION = 3
    """Something is not set up: no Region, no credentials, a missing or different table, no local engine, a package
    that is not installed."""
    ACCESS = 4
    """The credentials are wrong or lack a permission."""
    NOT_FOUND = 5
    """Something that was named does not exist."""
    CONFLICT = 6
    """It already exists, or somebody else changed it first."""
    UNAVAILABLE = 7
    """DynamoDB cannot be reached, fails or throttles. Try again later."""
    REFUSED = 8
    """A sign-in, a session or a token was refused."""
    REJECTED = 9
    """DynamoDB or the library rejects the contents of the request."""
    INTERNAL = 70
    """A bug in this program (EX_SOFTWARE of sysexits.h)."""
    INTERRUPTED = 130
    """Ctrl-C (128 plus SIGINT, as in shells)."""


class WrongOption(errors.ToriiError):
    """An option or a file is invalid; the message names it."""

    code = "wrong_option"


@contextmanager
def options_given() -> Generator[None]:
    """Turn configuration errors inside into wrong usage: the values come from the command line."""
    try:
        yield
    except errors.ConfigurationError as error:
        raise WrongOption(error.message) from error


# The first match counts, so subclasses come before their base classes.
_CODES: tuple[tuple[type[errors.ToriiError] | tuple[type[errors.ToriiError], ...], ExitCode], ...] = (
    ((errors.ValidationError, EngineOptionError, WrongOption), ExitCode.USAGE),
    (Occupied, ExitCode.CONFLICT),
    ((errors.ConfigurationError, EngineError), ExitCode.CONFIGURATION),
    (errors.AccessDenied, ExitCode.ACCESS),
    (errors.NotFound, ExitCode.NOT_FOUND),
    (
        (
            errors.AlreadyExists,
            errors.VersionConflict,
            errors.LastSignInMethod,
            errors.TooManyIdentities,
            errors.TooManyFactors,
            errors.TransactionFailed,
        ),
        ExitCode.CONFLICT,
    ),
    ((errors.Unavailable, errors.Overloaded), ExitCode.UNAVAILABLE),
    (
        (
            errors.InvalidCredentials,
            errors.InvalidToken,
            errors.InvalidCode,
            errors.SecondFactorRequired,
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
    """The exit code for an error."""
    for kinds, code in _CODES:
        if isinstance(error, kinds):
            return code
    return ExitCode.FAILED


class Commands(TyperGroup):
    """The root group: it turns errors into messages and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; end with a line on stderr and an exit code instead of a traceback."""
        _ROOT.set(self)
        _FLAGS.set({})
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
            # The reader is gone (`... | head`); Python would report it again when it closes stdout.
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
                if getattr(error, "option_name", None) == "--tenant":
                    fail("--tenant: this command is not about the users of one tenant", ExitCode.USAGE)
                raise
            if type(error).__module__ == "botocore.exceptions":
                # AWS settings are wrong (a missing profile, an unreadable file).
                code = ExitCode.CONFIGURATION
                _complain(f"the AWS settings are invalid: {error}")
            else:
                code = ExitCode.INTERNAL
                _complain(_internal(error))
        raise typer.Exit(int(code))


def _complain(message: str) -> None:
    if os.environ.get("TORII_DEBUG"):
        traceback.print_exc()
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text.assemble(("error: ", "bold red"), plain(" ".join(advised(message).split()))))


def _internal(error: Exception) -> str:
    # Not its text, which might contain a secret.
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"this should not happen: {type(error).__name__}{place}. TORII_DEBUG=1 shows the traceback; please report it"


# The connection options of the running command, by parameter.
_FLAGS: ContextVar[Mapping[str, str]] = ContextVar("_FLAGS")
_ROOT: ContextVar[TyperGroup] = ContextVar("_ROOT")
_ADVICE = re.compile(r"torii-dynamodb((?: [a-z][a-z-]*)+)")


def advised(text: str) -> str:
    """Add the connection options of the running command to every command that a text advises."""
    return _ADVICE.sub(_with_flags, text)


def advising(connection: Connection) -> None:
    """From now on, advise commands for another connection than the running command's."""
    _FLAGS.set(connection.flags())


def _with_flags(found: re.Match[str]) -> str:
    command: Any = _ROOT.get(None)
    words = found.group(1).split()
    path: list[str] = []
    for word in words:
        inner = getattr(command, "commands", {}).get(word)
        if inner is None:
            break
        command, path = inner, [*path, word]
    takes = {parameter.name for parameter in getattr(command, "params", ())}
    flags = [flag for name, flag in _FLAGS.get({}).items() if name in takes]
    return " ".join(["torii-dynamodb", *path, *flags, *words[len(path) :]])


class LayoutName(StrEnum):
    """How the tables are laid out."""

    TABLES = "tables"
    SINGLE = "single"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where DynamoDB is, from the options; the rest comes from the usual AWS settings.

    Args:
        region: ``--region``.
        endpoint_url: ``--endpoint-url``.
        profile: ``--profile``.
        table_prefix: ``--table-prefix``.
        table_names: ``--table-name``, by table.
        cache_url: ``--cache-url``: the cache of the application's session checks.
        cache_cluster: ``--cache-cluster``.
        tenant: ``--tenant``: whose users; ``None``: those outside of any tenant.
        layout: ``--layout``.
        table: ``--table``.
        partition_key: ``--partition-key``.
        sort_key: ``--sort-key``.
        ttl_attribute: ``--ttl-attribute``.
        key_prefix: ``--key-prefix``.
    """

    region: str | None = None
    endpoint_url: str | None = None
    profile: str | None = None
    table_prefix: str = "torii"
    table_names: Mapping[str, str] = field(default_factory=dict[str, str])
    cache_url: str | None = None
    cache_cluster: bool = False
    tenant: str | None = None
    layout: LayoutName = LayoutName.TABLES
    table: str | None = None
    partition_key: str = "pk"
    sort_key: str = "sk"
    ttl_attribute: str = "expires_at"
    key_prefix: str = "torii"

    def flags(self) -> dict[str, str]:
        """The options with which another command uses the same tables, by parameter."""
        given = {one.name: getattr(self, one.name) for one in fields(self) if getattr(self, one.name) != one.default}
        given.pop("table_names")
        for name in _CACHE:
            given.pop(name, None)
        # What the environment says, it says to the other command, too.
        if self.cache_url is not None and self.cache_url != os.environ.get(_variable("cache_url")):
            given["cache_url"] = _PASSWORD.sub(r"\1PASSWORD@", self.cache_url)
        if self.layout != _layout_of_environment():
            given["layout"] = self.layout
        flags = {name: f"--{name.replace('_', '-')} {shlex.quote(str(value))}" for name, value in given.items()}
        names = " ".join(f"--table-name {shlex.quote(f'{table}={name}')}" for table, name in self.table_names.items())
        if self.cache_cluster:
            flags["cache_cluster"] = "--cache-cluster"
        return flags | ({"table_names": names} if names else {})

    def config(self, **options: Any) -> DynamoDbConfig:
        """The configuration; ``options`` are other fields of :class:`DynamoDbConfig`.

        Raises:
            WrongOption: An option is invalid, or there is no such profile.
        """
        settings: dict[str, Any] = {
            "region": self.region,
            "endpoint_url": self.endpoint_url,
            "table_prefix": self.table_prefix,
            "table_names": self.table_names,
            "layout": self.layout.value,
            "table": self.table,
            "partition_key": self.partition_key,
            "sort_key": self.sort_key,
            "ttl_attribute": self.ttl_attribute,
            "key_prefix": self.key_prefix,
        }
        with options_given():
            if self.profile is not None:
                settings["credentials"] = _profile_session(self.profile)
            return DynamoDbConfig(**(settings | options))

    @contextmanager
    def cache(self) -> Generator[ValkeyCache | None]:
        """The application's cache, to remove from it what changes; ``None`` if the options name none.

        Raises:
            WrongOption: The URL is invalid.
            ConfigurationError: redis-py is not installed.
        """
        if self.cache_url is None:
            yield None
            return
        needed("redis", "cache")
        with options_given():
            # Removing needs no secret. No application keeps an entry for longer than an hour.
            cache = ValkeyCache(
                self.cache_url,
                secret=os.urandom(32),
                max_age=timedelta(hours=1),
                cluster=self.cache_cluster,
                connect_timeout=5,
                timeout=5,
            )
        try:
            yield cache
        finally:
            cache.close()

    @contextmanager
    def open(self, **options: Any) -> Generator[DynamoDbHandle]:
        """Open the tables, which must exist; a tenant's users are the only ones in the storage of its commands.

        What is ended is removed from the cache, if the options name one.

        Args:
            options: Other fields of :class:`DynamoDbConfig`.

        Raises:
            WrongOption: An option is invalid, or there is no such profile.
        """
        config = self.config(create_tables=False, **options)
        with self.cache() as cache, DynamoDbStorage.open(config, cache=cache) as handle:
            yield handle if self.tenant is None else handle.tenant(self.tenant)


def _profile_session(profile: str) -> Any:
    # A named profile takes precedence over keys in the environment, as in the AWS CLI.
    from torii_dynamodb._aws import botocore_session

    session = botocore_session()
    if profile not in session.available_profiles:
        known = ", ".join(sorted(session.available_profiles)) or "none"
        raise errors.ConfigurationError(f"--profile: there is no AWS profile {profile!r} (existing profiles: {known})")
    session.set_config_variable("profile", profile)
    return session


PANEL = "Where DynamoDB is"
SINGLE_PANEL = "With --layout single"

Region = Annotated[
    str | None,
    typer.Option(
        "--region",
        metavar="NAME",
        help="AWS Region. Default: AWS_REGION, AWS_DEFAULT_REGION, or the profile's.",
        rich_help_panel=PANEL,
    ),
]
EndpointUrl = Annotated[
    str | None,
    typer.Option(
        "--endpoint-url",
        metavar="URL",
        help="Another endpoint, such as an emulator. Default: AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL, the "
        "profile's, or AWS.",
        rich_help_panel=PANEL,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Profile in the AWS configuration files. Default: AWS_PROFILE.",
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

TableNames = Annotated[
    list[str] | None,
    typer.Option(
        "--table-name",
        metavar="TABLE=NAME",
        envvar="TORII_TABLE_NAMES",
        help="A table's full name, if the application sets table_names; can be repeated.",
        rich_help_panel=PANEL,
    ),
]

LayoutOption = Annotated[
    LayoutName,
    typer.Option(
        "--layout",
        envvar="TORII_LAYOUT",
        help="tables: five tables. single: one table, which can be shared with the application.",
        rich_help_panel=PANEL,
    ),
]


def _variable(name: str) -> str:
    return f"TORII_{name.upper()}"


def _layout_of_environment() -> str:
    return os.environ.get(_variable("layout"), LayoutName.TABLES)


def _single(flag: str, metavar: str, help_text: str) -> Any:
    envvar = _variable(flag.removeprefix("--").replace("-", "_"))
    return typer.Option(flag, metavar=metavar, envvar=envvar, help=help_text, rich_help_panel=SINGLE_PANEL)


_SINGLE: Mapping[str, Any] = {
    "table": Annotated[str | None, _single("--table", "NAME", "The single table. Default: the table prefix.")],
    "partition_key": Annotated[str, _single("--partition-key", "ATTRIBUTE", "Its partition key.")],
    "sort_key": Annotated[str, _single("--sort-key", "ATTRIBUTE", "Its sort key.")],
    "ttl_attribute": Annotated[str, _single("--ttl-attribute", "ATTRIBUTE", "Its TTL attribute.")],
    "key_prefix": Annotated[str, _single("--key-prefix", "PREFIX", "What the library's partition keys begin with.")],
}

# Which tables; a command that makes no requests takes only these.
_TABLES: Mapping[str, Any] = {
    "table_prefix": TablePrefix,
    "table_names": TableNames,
    "layout": LayoutOption,
    **_SINGLE,
}
_OPTIONS: Mapping[str, Any] = {"region": Region, "endpoint_url": EndpointUrl, "profile": Profile, **_TABLES}
_DEFAULTS: Mapping[str, Any] = {one.name: one.default for one in fields(Connection)} | {"table_names": None}


def table_names_of(given: Sequence[str] | None) -> dict[str, str]:
    """The names from ``--table-name``, by table.

    Raises:
        WrongOption: One is not ``TABLE=NAME``.
    """
    names: dict[str, str] = {}
    for one in given or ():
        table, equals, name = one.partition("=")
        if not equals or not table or not name:
            raise WrongOption(f"--table-name {one!r}: give TABLE=NAME, for example users=people")
        names[table] = name
    return names


Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def connected(command: Callable[Concatenate[Connection, P], R]) -> Callable[..., R]:
    """Add the connection options to a command, and pass them as its first argument."""
    return _with_connection(command, _OPTIONS)


def with_tables(command: Callable[Concatenate[Connection, P], R]) -> Callable[..., R]:
    """Add the options that name the tables to a command that makes no requests: as :func:`connected`."""
    return _with_connection(command, _TABLES)


def _with_connection(command: Callable[Concatenate[Connection, P], R], options: Mapping[str, Any]) -> Callable[..., R]:
    @functools.wraps(command)
    def with_options(*args: Any, **kwargs: Any) -> R:
        given = {name: kwargs.pop(name) for name in options}
        if given["layout"] == LayoutName.TABLES and _layout_of_environment() == LayoutName.SINGLE:
            # `--layout tables` was typed, so what the environment says about a single table does not count.
            given |= {name: _DEFAULTS[name] for name in _SINGLE if given[name] == os.environ.get(_variable(name))}
        given["table_names"] = table_names_of(given["table_names"])
        connection = Connection(**given)
        _FLAGS.set(connection.flags())
        return command(connection, *args, **kwargs)

    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    take_options(with_options, own, options, **_DEFAULTS)
    return with_options


Tenant = Annotated[
    str | None,
    typer.Option(
        "--tenant",
        metavar="NAME",
        envvar="TORII_TENANT",
        help="The tenant whose users these are. Default: users outside of any tenant.",
        rich_help_panel=PANEL,
    ),
]


def with_tenant(command: Callable[Concatenate[Connection, P], R]) -> Callable[..., R]:
    """Add ``--tenant`` to a command, below :func:`connected`; the connection then names the tenant."""

    @functools.wraps(command)
    def with_option(connection: Connection, *args: Any, tenant: str | None, **kwargs: Any) -> R:
        if tenant is not None:
            connection = dataclasses.replace(connection, tenant=validation.tenant(tenant, "--tenant"))
            _FLAGS.set(connection.flags())
        return command(connection, *args, **kwargs)

    own = list(inspect.signature(command, eval_str=True).parameters.values())
    take_options(with_option, own, {"tenant": Tenant})
    return with_option


_PASSWORD = re.compile(r"(//[^/@]*:)[^/@]*@")
_CACHE: Mapping[str, Any] = {
    "cache_url": Annotated[
        str | None,
        typer.Option(
            "--cache-url",
            metavar="URL",
            envvar=_variable("cache_url"),
            help="The cache of the application's session checks, if it has one. What this command ends is removed from "
            "it. If the URL contains a password, use the variable.",
            rich_help_panel=PANEL,
        ),
    ],
    "cache_cluster": Annotated[
        bool,
        typer.Option(
            "--cache-cluster",
            envvar=_variable("cache_cluster"),
            help="The cache is a cluster.",
            rich_help_panel=PANEL,
        ),
    ],
}


def with_cache(command: Callable[Concatenate[Connection, P], R]) -> Callable[..., R]:
    """Add the options that name the cache to a command, below :func:`connected`: see :meth:`Connection.cache`."""

    @functools.wraps(command)
    def with_options(connection: Connection, *args: Any, **kwargs: Any) -> R:
        connection = dataclasses.replace(connection, **{name: kwargs.pop(name) for name in _CACHE})
        _FLAGS.set(connection.flags())
        return command(connection, *args, **kwargs)

    own = list(inspect.signature(command, eval_str=True).parameters.values())
    take_options(with_options, own, _CACHE, cache_cluster=False)
    return with_options


def take_options(
    command: Callable[..., Any], own: Sequence[inspect.Parameter], options: Mapping[str, Any], **defaults: Any
) -> None:
    """Add options to a wrapped command, after its own parameters.

    Args:
        command: The wrapper.
        own: Its own parameters.
        options: The options' annotations, by parameter.
        defaults: Their defaults; ``None`` if left out.
    """
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults.get(name), annotation=annotation)
        for name, annotation in options.items()
    ]
    command.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *shared]}


def new_group(help_text: str) -> typer.Typer:
    """A group of commands that shows its help when called without a command."""
    return typer.Typer(help=help_text, no_args_is_help=True, rich_markup_mode="markdown")


def plain(text: object) -> str:
    """Text that is safe for a terminal: control and direction characters are shown as escapes.

    Names, addresses and user agents come from strangers.
    """
    return "".join(
        character if unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} else ascii(character)[1:-1]
        for character in str(text)
    )


def say(text: str | Text = "", *, style: str = "") -> None:
    """Print a line to stdout, without markup; not wrapped unless stdout is a terminal."""
    console = Console(highlight=False)
    console.print(
        text if isinstance(text, Text) else Text(advised(text)), style=style, soft_wrap=not console.is_terminal
    )


def hang(console: Console, text: Text, *, indent: int = 0, hanging: int = 0) -> None:
    """Print a paragraph with a hanging indent; on one line unless stdout is a terminal."""
    room = console.width - max(indent, hanging)
    if not console.is_terminal or room < 20:
        console.print(Text(" " * indent) + text, soft_wrap=True, highlight=False)
        return
    for number, line in enumerate(text.wrap(console, room)):
        console.print(Text(" " * (hanging if number else indent)) + line, highlight=False)


def note(text: str) -> None:
    """Print a line for people to stderr, so that stdout stays parseable."""
    Console(stderr=True, highlight=False).print(Text(advised(text)), style="dim", soft_wrap=True)


def show(table: Table) -> None:
    """Print a table to stdout, at full width unless stdout is a terminal.

    If the terminal is too narrow to keep words whole (addresses, table names), each row becomes a paragraph.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=10_000)
    elif Measurement.get(console, console.options.update(width=10_000), table).minimum > console.width:
        _show_rows(console, table)
        return
    console.print(table)


def _show_rows(console: Console, table: Table) -> None:
    if table.title:
        console.print(Text(str(table.title), style="bold"))
    names = [str(column.header) for column in table.columns]
    for number, cells in enumerate(zip(*(column.cells for column in table.columns), strict=True)):
        if number and table.show_header:
            console.print()
        line: list[Text] = []
        for name, cell in zip(names, cells, strict=True):
            text = cell if isinstance(cell, Text) else Text(str(cell))
            if not table.show_header:
                line.append(text)
            elif text.plain:
                hang(console, Text.assemble((f"{name}: ", "bold"), text), hanging=2)
        if line:
            hang(console, Text("  ").join(line), hanging=2)


def emit(value: object) -> None:
    """Print a value as JSON to stdout. It may contain dataclasses, datetimes and sets, but no secrets."""
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
        # The fields that repr shows: others contain a secret or something only the library needs.
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.repr}
    return str(value)


def make_table(*columns: str, right: Sequence[str] = (), title: str | None = None) -> Table:
    """A plain table. Long cells are folded, never cut."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold", header_style="bold")
    return table


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: "no users", "1 user", "2,000 users"."""
    return f"{f'{number:,}' if number else 'no'} {noun if number == 1 else plural or f'{noun}s'}"


def units(value: float) -> str:
    """Capacity units for people: at most one decimal place."""
    return f"{value:,.1f}".removesuffix(".0")


def spent(value: float, kind: str) -> str:
    """What something cost, for people: ``1 read unit``, ``2.5 read units``."""
    return f"{units(value)} {kind} unit{'' if units(value) == '1' else 's'}"


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is lost.

    Raises:
        Exit: The answer is no, or there is no terminal to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        fail(f"{question} There is no terminal to ask on: give --yes to confirm", ExitCode.USAGE)
    if not typer.confirm(question, err=True):
        fail("nothing was done", ExitCode.FAILED)


def fail(message: str, code: ExitCode = ExitCode.FAILED) -> NoReturn:
    """Print an error and end with an exit code.

    Raises:
        Exit: Always.
    """
    _complain(message)
    raise typer.Exit(int(code))
