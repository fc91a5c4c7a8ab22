"""``torii-dynamodb demo``: the main functions, end to end, on a local engine or on any DynamoDB."""

from __future__ import annotations

import asyncio
import http.client
import os
import shlex
import shutil
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.text import Text

from torii_dynamodb import AsyncDynamoDbHandle, AsyncDynamoDbStorage, DynamoDbConfig
from torii_dynamodb._files import tighten
from torii_dynamodb._rules.hashing import Argon2Hasher
from torii_dynamodb.cli.demo_accounts import Account, Reject, own_lines, read_accounts, read_lines
from torii_dynamodb.cli.demo_figures import Ledger
from torii_dynamodb.cli.demo_run import Demo, Pace
from torii_dynamodb.cli.local import Engine
from torii_dynamodb.cli.support import (
    PANEL,
    Connection,
    ExitCode,
    Json,
    LayoutName,
    LayoutOption,
    Profile,
    Region,
    emit,
    fail,
    hang,
    note,
    plain,
)
from torii_dynamodb.local.engines import start_engine
from torii_dynamodb.local.places import own_checkout, xdg_folder

__all__ = ["data_folder", "demo"]

_MOTO_PACE = Pace(hashes=1, calls=1, sign_ins=20, checks=2, racers=0)
_MOTO_SAYS = (
    "moto gets one call at a time here, because it is not safe under concurrency, and its unit counts are wrong. So "
    "the race is left out, and units are not shown; both are exact on Dynoxide (npm can install it) and on DynamoDB."
)


# The longest that "auto" lets hashing take at the default strength, in seconds.
_PATIENCE = 30.0


class Hashing(StrEnum):
    """How strong the password hashes are."""

    AUTO = "auto"
    DEFAULT = "default"
    OWASP = "owasp"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where the demo runs, and how to describe it."""

    config: DynamoDbConfig
    moto: bool
    engine: str
    data: str
    again: tuple[str, ...]


def demo(
    accounts: Annotated[
        Path | None,
        typer.Option(
            "--accounts",
            metavar="FILE",
            help="JSON lines, UTF-8: email, name, password (and user_agent, ip_address). Default: 300 built-in lines.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Only the first N lines.")] = None,
    engine: Annotated[
        Engine,
        typer.Option("--engine", help="auto: Dynoxide if it is installed or npm can install it, otherwise moto."),
    ] = Engine.AUTO,
    db_path: Annotated[
        Path | None,
        typer.Option(
            "--db-path",
            metavar="FILE",
            help="Where Dynoxide stores the data. Default: .demo/ in a checkout, otherwise your data folder.",
        ),
    ] = None,
    endpoint_url: Annotated[
        str | None,
        typer.Option(
            "--endpoint-url",
            metavar="URL",
            help="Run on this DynamoDB instead of a local engine, with your AWS credentials. The users stay there.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    region: Region = None,
    profile: Profile = None,
    table_prefix: Annotated[
        str,
        typer.Option(
            "--table-prefix",
            metavar="PREFIX",
            help="The demo's own tables, separate from yours.",
            rich_help_panel=PANEL,
        ),
    ] = "torii_demo",
    layout: LayoutOption = LayoutName.TABLES,
    hashing: Annotated[
        Hashing,
        typer.Option(
            "--hashing",
            help="Strength of Argon2id. default: the library's, 64 MiB. owasp: OWASP's minimum, 19 MiB. auto: the "
            "library's, unless three hundred hashes would take this machine minutes.",
        ),
    ] = Hashing.AUTO,
    as_json: Json = False,
) -> None:
    """See it work: three hundred people sign up, sign in, have their sessions checked, and sign out.

    It starts a local engine (nothing else is needed), creates the tables, and uses the library as an application would.
    It shows that invalid attempts are refused, and what each operation takes: requests, capacity units, time. Accounts
    are kept: run it again, and it finds them.

    Exit code 1 if any check fails.
    """
    if endpoint_url is None and (region or profile):
        fail("--region and --profile need --endpoint-url; without it, the demo runs on a local engine", ExitCode.USAGE)
    if endpoint_url is not None and (db_path is not None or engine is not Engine.AUTO):
        fail("--db-path and --engine are for the local engine; leave --endpoint-url out", ExitCode.USAGE)
    lines = read_lines(accounts) if accounts is not None else own_lines()
    usable, rejects = read_accounts(lines[:limit])
    if not usable:
        for reject in rejects[:20]:
            note(f"line {reject.line}: {reject.reason}")
        fail(f"no line of {accounts or 'the list'} contains an account", ExitCode.USAGE)
    ledger = Ledger()
    connection = Connection(
        region=region, endpoint_url=endpoint_url, profile=profile, table_prefix=table_prefix, layout=layout
    )
    with _placed(connection, engine, db_path, ledger) as place:
        console = Console(stderr=as_json, highlight=False)
        holds = _present(place, ledger, console, usable, rejects, source=accounts, hashing=hashing, as_json=as_json)
    if not holds:
        raise typer.Exit(ExitCode.FAILED)


@contextmanager
def _placed(connection: Connection, engine: Engine, db_path: Path | None, ledger: Ledger) -> Generator[_Place]:
    options = {"on_call": ledger.on_call, "session_cleanup": "off"}
    flags = " ".join(connection.flags().values())
    if connection.endpoint_url is not None:
        url = connection.endpoint_url
        yield _Place(
            config=connection.config(**options),
            moto=_is_moto(url),
            engine=f"{url}, as requested",
            data=f"stays there; to remove it: torii-dynamodb tables delete {flags}",
            again=(f"torii-dynamodb users list {flags}",),
        )
        return
    path = (db_path or data_folder() / "torii.db") if engine is not Engine.MOTO else db_path
    with start_engine(engine.value, db_path=path) as running:
        kept = str(running.db_path) if running.persistent else "in memory, until the demo ends"
        again = (
            f"torii-dynamodb local --db-path {shlex.quote(str(running.db_path))}",
            f"torii-dynamodb users list {flags}   (in another terminal)",
        )
        yield _Place(
            config=running.config(table_prefix=connection.table_prefix, layout=connection.layout.value, **options),
            moto=running.kind == "moto",
            engine=running.why,
            data=kept,
            again=again if running.persistent else (),
        )


def _present(
    place: _Place,
    ledger: Ledger,
    console: Console,
    accounts: list[Account],
    rejects: list[Reject],
    *,
    source: Path | None,
    hashing: Hashing,
    as_json: bool,
) -> bool:
    """Run the demo and show the results; return whether every check passed."""
    started = perf_counter()
    _fact(console, "Engine", place.engine)
    _fact(console, "Data", place.data)
    pace = _MOTO_PACE if place.moto else Pace(hashes=max(2, os.cpu_count() or 2))
    if place.moto:
        _fact(console, "Note", _MOTO_SAYS)
    _fact(console, "Accounts", f"{len(accounts) + len(rejects)} lines {source or '(--accounts FILE uses your own)'}")
    try:
        done = asyncio.run(_run(place, ledger, console, accounts, rejects, pace, hashing))
    except KeyboardInterrupt:
        console.print("Stopped. Everything written so far is consistent; run it again to continue.", style="dim")
        raise
    holds = all(finding.holds for finding in done.findings) and bool(done.findings)
    seconds = perf_counter() - started
    if as_json:
        emit(
            {
                "engine": place.engine,
                "endpoint_url": place.config.endpoint_url,
                "table_prefix": place.config.table_prefix,
                "registered": done.registered,
                "found": done.known,
                "rejected": sorted(done.rejects, key=lambda reject: reject.line),
                "findings": done.findings,
                "operations": ledger.facts(with_units=not place.moto),
                "seconds": round(seconds, 3),
                "ok": holds,
            }
        )
        return holds
    _conclude(place, ledger, console, done, pace)
    _invite(place, console, seconds, holds=holds)
    return holds


def _hasher(wanted: Hashing, pace: Pace, accounts: int) -> tuple[Argon2Hasher, str]:
    """The password hasher, and its description."""
    standard = Argon2Hasher()
    # OWASP, Password Storage Cheat Sheet: at least 19 MiB, 2 passes, 1 lane.
    minimum = Argon2Hasher(memory_cost=19 * 1024, time_cost=2, parallelism=1)
    if wanted is Hashing.DEFAULT:
        return standard, "argon2id, the library's default strength (64 MiB, 3 passes)"
    if wanted is Hashing.OWASP:
        return minimum, "argon2id, OWASP's minimum (19 MiB, 2 passes), as requested"
    started = perf_counter()
    with ThreadPoolExecutor(pace.hashes) as pool:
        list(pool.map(standard.hash, ["how long does one take"] * pace.hashes))
    seconds = (perf_counter() - started) / pace.hashes * (accounts + min(accounts, pace.sign_ins))
    if seconds <= _PATIENCE:
        return standard, f"argon2id, the library's default strength (64 MiB, 3 passes): about {seconds:.0f} s in total"
    return minimum, (
        "argon2id, OWASP's minimum (19 MiB, 2 passes): with the library's default (64 MiB, 3 passes; --hashing "
        f"default), the demo's passwords would take this machine about {seconds:.0f} s"
    )


async def _run(
    place: _Place,
    ledger: Ledger,
    console: Console,
    accounts: list[Account],
    rejects: list[Reject],
    pace: Pace,
    hashing: Hashing,
) -> Demo:
    async with AsyncDynamoDbStorage.open(place.config) as storage:
        first, *others = (place.config.table_name(table) for table in place.config.tables)
        names = f"{first} and four others" if others else first
        people = await _count(storage)
        found = f", with {people:,} users" if people else ", still empty"
        _fact(console, "Tables", f"{names}{found}")
        hasher, strength = await asyncio.to_thread(_hasher, hashing, pace, len(accounts))
        _fact(console, "Hashing", strength)
        console.print()
        demonstration = Demo(storage, ledger, console, pace, hasher)
        demonstration.take_rejects(rejects)
        await demonstration.run(accounts, earlier=people > 0)
        return demonstration


async def _count(storage: AsyncDynamoDbHandle) -> int:
    count, cursor = 0, None
    while True:
        page = await storage.list_users(limit=1000, cursor=cursor)
        count += len(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return count


def _conclude(place: _Place, ledger: Ledger, console: Console, done: Demo, pace: Pace) -> None:
    console.print()
    console.print("Checks:", style="bold")
    for finding in done.findings:
        mark = ("yes  ", "green") if finding.holds else ("NO   ", "bold red")
        hang(console, Text.assemble(mark, (finding.claim, "" if finding.holds else "bold red")), indent=2, hanging=7)
        hang(console, Text(plain(finding.said), style="dim"), indent=7, hanging=7)
    if not done.findings:
        console.print("  none: nobody could be registered")
    console.print()
    console.print("Figures:", style="bold")
    with_units = not place.moto
    console.print(ledger.table(with_units=with_units))
    hang(console, Text(ledger.totals(with_units=with_units)))
    told = "Requests and units are averages per operation. Where passwords are hashed, argon2id takes most of the time."
    if place.moto:
        told += " Units are not shown, because moto counts them wrongly. Operations ran one at a time."
    else:
        told += (
            " A value below 1 means that operations waiting at the same time shared a request. "
            f"Up to {pace.calls} operations ran at once, {pace.hashes} where passwords are hashed. "
            "A refused write reports no units, although DynamoDB charges for it."
        )
    hang(console, Text(told, style="dim"))


def _invite(place: _Place, console: Console, seconds: float, *, holds: bool) -> None:
    console.print()
    if holds:
        console.print(Text(f"All checks passed, in {seconds:.1f} s.", style="bold green"))
    else:
        console.print(Text(f"Some checks failed (see NO above), in {seconds:.1f} s.", style="bold red"))
    console.print("Next:", style="bold")
    steps = [("in a browser", "torii-dynamodb serve   (sign-up, email links, passkeys, devices, admin area)")]
    steps += [("look around" if number == 0 else "", command) for number, command in enumerate(place.again)]
    steps.append(("your users", "torii-dynamodb demo --accounts FILE"))
    steps.append(("your code", "README.md begins with a few lines that do this; docs/ has the details"))
    # If it was run by its path (as 'make demo' does), the bare name would not be found.
    command = "torii-dynamodb" if shutil.which("torii-dynamodb") else os.path.relpath(sys.argv[0])
    for name, step in steps:
        shown = f"{command}{step.removeprefix('torii-dynamodb')}" if step.startswith("torii-dynamodb") else step
        console.print(Text(f"  {name:<14}{shown}"), soft_wrap=True)


def _fact(console: Console, name: str, text: str) -> None:
    # Not a table, so that a path can be copied as a whole.
    hang(console, Text.assemble((f"{name:<10}", "bold"), plain(text)), hanging=10)


def data_folder() -> Path:
    """The default folder for data: in this checkout, otherwise the user's data folder."""
    checkout = own_checkout()
    if checkout is not None and os.access(checkout, os.W_OK):
        folder = checkout / ".demo"
    else:
        if os.name == "nt":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Application Support"
        else:
            base = xdg_folder("XDG_DATA_HOME", ".local/share")
        folder = base / "torii-dynamodb" / "demo"
    # An older release made it readable by everybody.
    tighten(folder)
    return folder


def _is_moto(url: str) -> bool:
    """Whether a moto server answers there; only on this machine."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        return False
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=2)
    try:
        connection.request("GET", "/moto-api/data.json")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
