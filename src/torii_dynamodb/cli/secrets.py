"""``torii-dynamodb secrets``: rotate the application's ``secret``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from torii_dynamodb._rules.app_secret import secret_keys
from torii_dynamodb.admin import resealing
from torii_dynamodb.admin.control import open_client
from torii_dynamodb.admin.resealing import ResealReport
from torii_dynamodb.admin.scanning import Pacer
from torii_dynamodb.cli.reporting import DryRun, Rate, reporting
from torii_dynamodb.cli.support import (
    Connection,
    ExitCode,
    Json,
    WrongOption,
    connected,
    counted,
    emit,
    new_group,
    options_given,
    plain,
    say,
    spent,
)

__all__ = ["app", "read_secret"]

app = new_group("Rotate the application's secret.")

_Sources = Annotated[
    list[str],
    typer.Option(
        "--secret",
        metavar="env:NAME|file:PATH",
        help="Where a secret is: an environment variable, or a file. Repeat it: the new secret first.",
        show_default=False,
    ),
]


@app.command("reseal")
@connected
def reseal(
    connection: Connection,
    secret: _Sources,
    tenant: Annotated[
        str | None,
        typer.Option(
            "--tenant",
            metavar="NAME",
            help="Only the items of a tenant that has secrets of its own. Default: all items.",
        ),
    ] = None,
    dry_run: DryRun = False,
    rate: Rate = None,
    as_json: Json = False,
) -> None:
    """Seal under the first secret what is sealed under an older one: seeds of authenticator apps, providers' tokens.

    Give the application both secrets first, in the same order; remove the old one afterwards. After an interruption,
    run it again; it does nothing twice. Recovery codes cannot be sealed anew; those made under an older secret
    are counted. Exit code 1 if something cannot be opened with any of the secrets.
    """
    config = connection.config()
    with options_given():
        secrets = secret_keys([read_secret(source) for source in secret])
    with open_client(config) as client, reporting() as report:
        done = resealing.reseal(
            config, client, secrets, tenant=tenant, dry_run=dry_run, rate=Pacer(rate), report=report
        )
    if as_json:
        emit({"ok": done.ok, "dry_run": dry_run, "report": done})
    else:
        _show(done, dry_run=dry_run)
    if not done.ok:
        raise typer.Exit(ExitCode.FAILED)


def read_secret(source: str) -> bytes:
    """The secret that a ``--secret`` option names."""
    # What is not one of the two may be a secret, so it is not shown.
    kind, separator, name = source.partition(":")
    if not separator or not name or kind not in ("env", "file"):
        raise WrongOption("--secret: give env:NAME or file:PATH, never the secret itself: others can see arguments")
    if kind == "env":
        value = os.environ.get(name)
        if value is None:
            raise WrongOption(f"--secret: there is no environment variable {plain(name)}")
        return value.encode("utf-8", "surrogateescape")
    try:
        return Path(name).read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise WrongOption(f"--secret: {plain(name)} cannot be read: {error.strerror}") from error


def _show(done: ResealReport, *, dry_run: bool) -> None:
    for one in done.unopened:
        say(f"- {plain(one)} cannot be read, or cannot be opened with any of these secrets", style="red")
    say(
        f"{'Would seal' if dry_run else 'Sealed'} {counted(done.seeds, 'seed')} of authenticator apps and the tokens "
        f"of {counted(done.tokens, 'account')} anew; {done.current:,} were under the first secret already. "
        f"{spent(done.units, 'capacity')}."
    )
    if done.old_recovery_codes:
        say(
            f"{counted(done.old_recovery_codes, 'recovery code')} of "
            f"{counted(len(done.users_with_old_recovery_codes), 'user')} made under an older secret: "
            "keep it until these users have new codes (--json lists them)."
        )
