"""``torii-dynamodb local``: a DynamoDB engine on this machine, for development."""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import subprocess
import threading
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from torii_dynamodb.cli.support import ExitCode, Json, emit, fail, note, say
from torii_dynamodb.local.engines import LocalEngine, start_engine

__all__ = ["Engine", "local"]


class Engine(StrEnum):
    """Which engine."""

    AUTO = "auto"
    DYNOXIDE = "dynoxide"
    MOTO = "moto"


_POLL_SECONDS = 0.5


def local(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- COMMAND", help="Run this against the engine, and stop when it ends."),
    ] = None,
    engine: Annotated[
        Engine,
        typer.Option("--engine", help="auto: Dynoxide if it is installed or npm can install it, otherwise moto."),
    ] = Engine.AUTO,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Default: any free port.")] = None,
    db_path: Annotated[
        Path | None,
        typer.Option("--db-path", metavar="FILE", help="Store the data in this file (Dynoxide). Default: in memory."),
    ] = None,
    install: Annotated[bool, typer.Option(help="Whether npm may install Dynoxide.")] = True,
    as_json: Json = False,
) -> None:
    """Run a local DynamoDB until Ctrl-C.

    Prints environment variables that point any AWS client to it: paste them into another terminal. Or give it your
    program, which gets them: **torii-dynamodb local -- uvicorn app:app**. If TORII_SECRET is not set, and the data is
    only in memory, the program also gets a secret for this run. The engine listens only on 127.0.0.1.
    """
    stopped = threading.Event()

    def stop(*_: Any) -> None:
        stopped.set()

    with start_engine(engine.value, db_path=db_path, port=port, install=install) as running:
        if command:
            raise typer.Exit(_run(command, running))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        _introduce(running, db_path, as_json)
        while not stopped.wait(_POLL_SECONDS):
            if not running.running:
                said = running.log().strip().splitlines()
                fail(
                    f"{running.kind} stopped unexpectedly: {said[-1] if said else 'it printed nothing'}",
                    ExitCode.UNAVAILABLE,
                )
    note("Stopped." + (f" The data is in {running.db_path}." if running.persistent else " The data is gone."))


def _run(command: list[str], engine: LocalEngine) -> int:
    """Run a program against the engine. Its exit code; 128 plus the signal if a signal ended it."""
    environment = {**os.environ, **engine.environment}
    if not engine.persistent:
        environment.setdefault("TORII_SECRET", secrets.token_urlsafe(32))
    note(f"Engine: {engine.why}. Running: {shlex.join(command)}")
    try:
        program = subprocess.Popen(command, env=environment)
    except OSError as error:
        fail(f"{command[0]}: {error.strerror}", ExitCode.USAGE)

    def end(*_: Any) -> None:
        program.terminate()

    # The terminal also sends SIGINT to the program, which decides when to end.
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end)
    try:
        code = program.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _introduce(engine: LocalEngine, db_path: Path | None, as_json: bool) -> None:
    note(f"Engine: {engine.why}.")
    kept = f"in {engine.db_path}" if engine.persistent else "in memory, until it stops"
    note(f"Data: {kept}.")
    if db_path is not None and not engine.persistent:
        note("--db-path is ignored: this engine stores nothing on disk.")
    if as_json:
        emit({"engine": engine.kind, "db_path": engine.db_path, "environment": engine.environment})
    else:
        for name, value in engine.environment.items():
            say(f"export {name}={shlex.quote(value)}")
    note("Ready. In another terminal, set these variables and run torii-dynamodb tables ensure. Press Ctrl-C to stop.")
