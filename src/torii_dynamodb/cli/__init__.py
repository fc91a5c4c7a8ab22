"""The command line, ``torii-dynamodb``. Needs the extra ``cli`` (typer, rich)."""

from __future__ import annotations

import importlib.util
import logging
import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; the entry point of ``torii-dynamodb`` and of ``python -m torii_dynamodb.cli``."""
    missing = [name for name in ("typer", "rich") if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(
            f"torii-dynamodb: the command line needs {' and '.join(missing)}: pip install 'torii-dynamodb[cli]' "
            "(or 'torii-dynamodb[local]', with a local engine)"
        )
    from torii_dynamodb.cli.app import app

    # Like Ctrl-C: otherwise half-written files with hashes, and engines, would be left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # The commands report the tables that they create themselves.
    log = logging.getLogger("torii_dynamodb.tables")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        app(prog_name="torii-dynamodb")
    finally:
        log.setLevel(level)
