"""``torii-dynamodb users import`` and ``export``: users from other systems and to other systems."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from torii_dynamodb._sync.secret_box import AesGcmBox
from torii_dynamodb.admin import moving
from torii_dynamodb.admin.scanning import Pacer
from torii_dynamodb.cli.reporting import DryRun, Rate, reporting
from torii_dynamodb.cli.secrets import read_secret
from torii_dynamodb.cli.support import (
    Connection,
    ExitCode,
    Json,
    connected,
    emit,
    note,
    options_given,
    plain,
    say,
    spent,
    with_tenant,
)
from torii_dynamodb.errors import ValidationError

__all__ = ["export_users", "import_users"]

# More than this, and the first lines scroll out of sight; the report has all of them.
_MOST_SHOWN = 200

_HINTS = {
    "password_hash": "--without-passwords imports them without it; they sign in by link, code or reset",
    "second factors": "--secret moves seeds; --without-second-factors imports users without what cannot be moved",
}

_UNVERIFIED = (
    "by default, a password signs in only after a mail has proved the address; --verified if the other system did that"
)

_Secrets = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="env:NAME|file:PATH",
        help="Where the application's secret is, for the seeds of authenticator apps. Repeat it while it is rotated: "
        "the new secret first.",
        show_default=False,
    ),
]
_Workers = Annotated[int, typer.Option(help="How many users are read or written at the same time.", min=1, max=256)]


@connected
@with_tenant
def import_users(
    connection: Connection,
    file: Annotated[Path, typer.Argument(help="The other system's export; may be compressed with gzip.")],
    format_name: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help=f"The file's format: {', '.join(one.name for one in moving.FORMATS)}. Default: recognise it.",
        ),
    ] = None,
    secret: _Secrets = None,
    without_passwords: Annotated[
        bool,
        typer.Option("--without-passwords", help="Import users whose password can never be verified, without it."),
    ] = False,
    without_second_factors: Annotated[
        bool,
        typer.Option(
            "--without-second-factors", help="Import users whose second factors cannot be moved, without them."
        ),
    ] = False,
    verified: Annotated[
        bool,
        typer.Option(
            "--verified",
            help="You vouch for all addresses: the other system let nobody in who had not proved theirs.",
        ),
    ] = False,
    dry_run: DryRun = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Where to write the outcome of each row. Default: beside the file; none for a dry run.",
        ),
    ] = None,
    workers: _Workers = 16,
    rate: Rate = None,
    as_json: Json = False,
) -> None:
    """Import users of another system, with their passwords, accounts, passkeys and authenticator apps.

    Try it with --dry-run first. Each user is created in one write, or refused with a reason; users who exist are never
    changed. After an interruption, run it again to continue. Exit code 1 if rows were refused.
    """
    kind = moving.format_named(format_name) if format_name is not None else None
    box = _box(secret)
    shown = 0

    def tell(outcome: moving.RowOutcome) -> None:
        nonlocal shown
        if outcome.outcome == "refused" and not as_json:
            shown += 1
            if shown <= _MOST_SHOWN or dry_run:
                who = f" ({plain(outcome.who)})" if outcome.who else ""
                say(f"row {outcome.number}{who}: {plain(outcome.reason)}")

    with connection.open(retry_attempts=10, deadline=60.0) as storage, reporting() as progress:
        if report is None and not dry_run:
            report = moving.report_beside(file, storage)
        try:
            done = moving.import_users(
                storage,
                file,
                format=kind,
                box=box,
                without_passwords=without_passwords,
                without_second_factors=without_second_factors,
                verified=verified,
                dry_run=dry_run,
                report_to=report,
                workers=workers,
                rate=Pacer(rate),
                progress=progress,
                tell=tell,
            )
        except KeyboardInterrupt:
            if report is not None:
                note("Run the same command again to continue.")
            raise
    if as_json:
        emit(done)
    else:
        if shown > _MOST_SHOWN and not dry_run:
            say(f"... and {shown - _MOST_SHOWN:,} more; the report has all of them.")
        _show(done)
    if done.refused:
        raise typer.Exit(ExitCode.FAILED)


def _show(done: moving.UserImportReport) -> None:
    verb = "would be imported" if done.dry_run else "imported"
    say(
        f"{done.rows:,} rows ({done.format}): {done.imported:,} {verb}, {done.present:,} there already, "
        f"{done.refused:,} refused. {spent(done.units, 'write')}."
    )
    for kind, count in done.refused_by.items():
        say(f"  refused, {plain(kind)}: {count:,}")
        if kind in _HINTS:
            say(f"    {_HINTS[kind]}")
    for what, count in done.left_behind.items():
        say(f"  not imported, {plain(what)}: {count:,}")
    if done.unverified:
        say(f"  address not verified: {done.unverified:,}")
        say(f"    {_UNVERIFIED}")
    if done.hasher:
        say("For these passwords, the application needs:")
        say(f"  Torii(storage, {done.hasher})")
    if done.resumed:
        note("This continued an interrupted import; the figures include its rows.")
    if done.report is not None:
        note(f"{done.report} has the outcome of each row. It contains addresses.")


@connected
@with_tenant
def export_users(
    connection: Connection,
    file: Annotated[Path, typer.Argument(help="Where to write the users.")],
    form: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="jsonl or csv. Default: by the file's name.")
    ] = None,
    secret: _Secrets = None,
    with_seeds: Annotated[
        bool,
        typer.Option("--with-seeds", help="Also export the seeds of authenticator apps, unsealed. Needs --secret."),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    workers: _Workers = 16,
    rate: Rate = None,
    as_json: Json = False,
) -> None:
    """Write all users to a file that other systems can read: JSON lines or CSV.

    The file contains password hashes, and only its owner can read it. Sessions, the tokens of providers and recovery
    codes are not exported; to move between tables of this library, use the command export.
    """
    if with_seeds and not secret:
        raise ValidationError("--with-seeds", "the seeds are sealed under the application's secret; give --secret too")
    if str(file) == "-":
        raise ValidationError("file", "give the name of a file: an export is not written to standard output")
    chosen = form or ("csv" if file.suffix == ".csv" else "jsonl")
    if chosen not in ("jsonl", "csv"):
        raise ValidationError("--format", f"{chosen!r}: give jsonl or csv")
    box = _box(secret) if with_seeds else None
    with connection.open() as storage, reporting() as progress:
        done = moving.export_users(
            storage,
            file,
            form="csv" if chosen == "csv" else "jsonl",
            box=box,
            overwrite=overwrite,
            workers=workers,
            rate=Pacer(rate),
            progress=progress,
        )
    if as_json:
        emit({"ok": done.ok, "file": str(file), "report": done})
    else:
        say(f"{done.users:,} users, {done.passwords:,} with a password hash: {file}. {spent(done.units, 'read')}.")
        if done.without_seeds:
            say(f"Users with an authenticator app whose seed is not in the file: {done.without_seeds:,}.")
        if done.without_recovery_codes:
            say(f"Users who need new recovery codes, which are not in the file: {done.without_recovery_codes:,}.")
        for one in done.unopened:
            say(f"- {plain(one)}: a seed cannot be opened with any of these secrets", style="red")
        for one in done.corrupt:
            say(f"- {plain(one)} cannot be read, and is not in the file", style="red")
        note(
            "The file contains password hashes"
            + (" and seeds. " if with_seeds else ". ")
            + "Protect it like the tables."
        )
    if not done.ok:
        raise typer.Exit(ExitCode.FAILED)


def _box(sources: list[str] | None) -> AesGcmBox | None:
    if not sources:
        return None
    with options_given():
        return AesGcmBox([read_secret(source) for source in sources])
