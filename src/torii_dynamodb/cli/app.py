"""The application and its groups of commands."""

from __future__ import annotations

import typer

from torii_dynamodb import __version__
from torii_dynamodb.cli import (
    autoscaling,
    backup,
    cache,
    capacity,
    cost,
    demo,
    global_tables,
    iam,
    layout,
    local,
    secrets,
    serve,
    sessions,
    streams,
    tables,
    template,
    tenants,
    transfer,
    users,
)
from torii_dynamodb.cli.support import EXIT_CODES_HELP, Commands, say

__all__ = ["app"]

app = typer.Typer(
    name="torii-dynamodb",
    cls=Commands,
    help="Authentication you own, on DynamoDB: try it, set it up, and manage it.",
    epilog=EXIT_CODES_HELP,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

TRY, SETUP, PEOPLE = "Try it", "Set it up", "Manage users"

app.command("demo", rich_help_panel=TRY)(demo.demo)
app.command("serve", rich_help_panel=TRY)(serve.serve)
app.command("local", rich_help_panel=TRY, context_settings={"allow_interspersed_args": False})(local.local)
app.add_typer(tables.app, name="tables", rich_help_panel=SETUP)
app.add_typer(autoscaling.app, name="autoscaling", rich_help_panel=SETUP)
app.add_typer(backup.app, name="backup", rich_help_panel=SETUP)
app.command("verify", rich_help_panel=SETUP)(backup.verify)
app.command("export", rich_help_panel=SETUP)(transfer.export)
app.command("import", rich_help_panel=SETUP)(transfer.import_)
app.add_typer(layout.app, name="layout", rich_help_panel=SETUP)
app.add_typer(streams.app, name="streams", rich_help_panel=SETUP)
app.add_typer(iam.app, name="iam", rich_help_panel=SETUP)
app.add_typer(template.app, name="template", rich_help_panel=SETUP)
app.add_typer(cost.app, name="cost", rich_help_panel=SETUP)
app.add_typer(capacity.app, name="capacity", rich_help_panel=SETUP)
app.add_typer(global_tables.app, name="global-tables", rich_help_panel=SETUP)
app.add_typer(secrets.app, name="secrets", rich_help_panel=SETUP)
app.add_typer(tenants.app, name="tenants", rich_help_panel=PEOPLE)
app.add_typer(users.app, name="users", rich_help_panel=PEOPLE)
app.add_typer(sessions.app, name="sessions", rich_help_panel=PEOPLE)
app.add_typer(cache.app, name="cache", rich_help_panel=PEOPLE)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"torii-dynamodb {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Authentication you own, on DynamoDB: try it, set it up, and manage it."""
