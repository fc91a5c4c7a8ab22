"""``torii-dynamodb serve``: the example application, to try everything in a browser."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from torii_dynamodb._files import make_private_folder
from torii_dynamodb.cli.demo import data_folder
from torii_dynamodb.cli.local import Engine
from torii_dynamodb.cli.support import LayoutName, LayoutOption, note, options_given, say
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.local.engines import start_engine

__all__ = ["serve"]

_MOTO = "It runs on moto, which counts capacity wrongly: ignore the units below."


def serve(
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Default: 8000, or a free port if that is taken.")
    ] = None,
    engine: Annotated[
        Engine,
        typer.Option("--engine", help="auto: Dynoxide if it is installed or npm can install it, otherwise moto."),
    ] = Engine.AUTO,
    db_path: Annotated[
        Path | None, typer.Option("--db-path", metavar="FILE", help="Store the data in this file (Dynoxide).")
    ] = None,
    admin: Annotated[
        list[str] | None,
        typer.Option(
            "--admin",
            metavar="EMAIL",
            help="Who may see the admin area. Default: everybody with a verified email address.",
        ),
    ] = None,
    layout: LayoutOption = LayoutName.TABLES,
    install: Annotated[bool, typer.Option(help="Whether npm may install Dynoxide.")] = True,
) -> None:
    """Run the example application until Ctrl-C: sign-up, email links, passkeys, devices, admin area.

    It starts its own local DynamoDB, listens only on this machine, and prints emails to the console instead of sending
    them. Accounts are kept if the engine stores data.
    """
    try:
        from torii_dynamodb.fastapi.example import create_app, server
    except ImportError as error:
        raise ConfigurationError(f"{error.name} is missing: pip install 'torii-dynamodb[serve]'") from error

    folder = data_folder()
    path = (db_path or folder / "serve.db") if engine is not Engine.MOTO else None
    with options_given():
        listener = server.listen(port)
    address = f"http://localhost:{listener.getsockname()[1]}"
    if path is not None:
        make_private_folder(path.parent)
    with listener, start_engine(engine.value, db_path=path, install=install) as running:
        secret = _secret(running.db_path.with_suffix(".secret")) if running.db_path is not None else None
        app = create_app(
            running.config(table_prefix="serve", layout=layout.value),
            base_url=address,
            secret=secret or secrets.token_urlsafe(32),
            admins=admin or None,
            note=_MOTO if running.kind == "moto" else "",
        )

        def ready() -> None:
            note(f"Engine: {running.why}.")
            kept = f"in {running.db_path}" if running.persistent else "in memory, until it stops"
            note(f"Data: {kept}. Emails: here on the console.")
            say(f"Open {address}")
            note("Press Ctrl-C to stop.")

        server.run(app, listener, ready=ready)
        note("Stopped." + (f" The data is in {running.db_path}." if running.persistent else " The data is gone."))


def _secret(path: Path) -> str:
    """The secret for known devices, stored next to the data: made on first use, readable only by its owner."""
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        kept = path.read_text(encoding="ascii").strip()
        if len(kept) < 32:
            raise ConfigurationError(f"{path} is damaged; delete it, and a new one will be made") from None
        return kept
    with os.fdopen(made, "w", encoding="ascii") as file:
        kept = secrets.token_urlsafe(32)
        file.write(kept)
    return kept
