"""Start and stop DynamoDB engines on this machine.

There are two, each a separate process on 127.0.0.1:

* **Dynoxide**, a static binary from npm. It is exact under concurrency, counts capacity, and keeps its data in a file
  if told to (``db_path``). Tests and development run on it.
* **moto**, a Python package (extra ``local``). For machines that only have pip, and for the control plane
  (autoscaling, backups). It is *not* safe under concurrency, ignores ``ClientRequestToken``, counts capacity wrongly
  and loses its data when it stops.

::

    with start_engine() as engine:                       # Dynoxide if available, otherwise moto; engine.why tells
        config = engine.config(table_prefix="demo")
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from torii_dynamodb._files import make_private_folder, open_private, tighten
from torii_dynamodb.config import Credentials, DynamoDbConfig
from torii_dynamodb.local.dynoxide import find_dynoxide, install_dynoxide, searched_places
from torii_dynamodb.local.errors import EngineError, EngineOptionError

__all__ = ["EngineKind", "LocalEngine", "start_engine"]

EngineKind = Literal["dynoxide", "moto"]

# sh keeps its pid through exec, so it *is* the engine afterwards (exit code, signals). The watcher in the background
# waits on our end of the pipe: a line means that we stop the engine ourselves, end of file that we were killed.
_WATCHED = 'exec 3<&0; (read -r _ <&3 || kill $$ 2>/dev/null) & exec "$@" 3<&- </dev/null'

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.01
_STOP_SECONDS = 5.0
_PORT_TRIES = 10


class LocalEngine:
    """The process of one engine. As a context manager, it starts on entering and has stopped after leaving.

    The process does not outlive its owner: a normal exit stops it, and on POSIX systems it ends by itself when the
    owner is killed. Use the object from one thread at a time; its endpoint takes any number of callers.

    Args:
        kind: ``"dynoxide"`` or ``"moto"``.
        binary: Dynoxide's path. ``None``: the result of :func:`find_dynoxide`.
        db_path: Dynoxide only: the database file, created if missing. ``None``: in memory.
        port: The port on 127.0.0.1. ``None``: a free one.
        environment: Variables to set for the process, in addition to those it inherits.
        why: Why this engine was chosen, for people to read.
        start_timeout: Seconds within which it must answer.
    """

    def __init__(
        self,
        kind: EngineKind,
        *,
        binary: Path | None = None,
        db_path: Path | str | None = None,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        why: str = "",
        start_timeout: float = 20.0,
    ) -> None:
        if kind == "moto" and db_path is not None:
            raise EngineOptionError("moto keeps nothing on disk: leave out db_path, or use Dynoxide")
        self.kind: EngineKind = kind
        self.binary = binary
        self.db_path = Path(db_path).absolute() if db_path is not None else None
        self.why = why
        self._fixed_port = port
        self._port: int | None = None
        self._environment = dict(environment or {})
        self._start_timeout = start_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    def __repr__(self) -> str:
        where = self.endpoint_url if self.running else "stopped"
        return f"<LocalEngine {self.kind} {where}>"

    @property
    def running(self) -> bool:
        """Whether the process is running."""
        return self._process is not None and self._process.poll() is None

    @property
    def persistent(self) -> bool:
        """Whether its data outlives it."""
        return self.db_path is not None

    @property
    def port(self) -> int:
        """The port on 127.0.0.1 that it listens on. :meth:`restart` keeps it.

        Raises:
            EngineError: It was never started.
        """
        if self._port is None:
            raise EngineError("the engine is not started: use it in a with statement, or call start()")
        return self._port

    @property
    def pid(self) -> int:
        """The process's id.

        Raises:
            EngineError: It is not running.
        """
        if self._process is None:
            raise EngineError("the engine is not started: use it in a with statement, or call start()")
        return self._process.pid

    @property
    def endpoint_url(self) -> str:
        """The URL that it listens on: ``http://127.0.0.1:PORT``.

        Raises:
            EngineError: It was never started.
        """
        return f"http://{_HOST}:{self.port}"

    @property
    def region(self) -> str:
        """The region to use. moto has separate tables for each region."""
        return "us-east-1"

    @property
    def credentials(self) -> Credentials:
        """Credentials for the engine, which accepts any. They are worthless elsewhere."""
        return Credentials(access_key_id="localengine", secret_access_key="localengine")

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point an AWS client at this engine.

        Raises:
            EngineError: It was never started.
        """
        return {
            "AWS_ENDPOINT_URL_DYNAMODB": self.endpoint_url,
            "AWS_REGION": self.region,
            # boto3 and the AWS command line read this one, most other SDKs the one above.
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.credentials.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.credentials.secret_access_key,
        }

    def config(self, *, table_prefix: str = "torii", **options: Any) -> DynamoDbConfig:
        """Return a configuration for this engine; ``options`` are further fields of :class:`DynamoDbConfig`.

        Raises:
            EngineError: It was never started.
        """
        settings: dict[str, Any] = {
            "region": self.region,
            "endpoint_url": self.endpoint_url,
            "credentials": self.credentials,
            "table_prefix": table_prefix,
        }
        return DynamoDbConfig(**(settings | options))

    def __enter__(self) -> Self:
        # The one from start_engine() is already running.
        return self if self.running else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Start the process and wait until it answers.

        Raises:
            EngineError: It is already running; it is not installed; the port is taken; it ended at once (the message
                contains its output); or it did not answer in time.
        """
        if self.running:
            raise EngineError(f"the engine is already running on {self.endpoint_url}")
        self.stop()
        wanted = self._fixed_port if self._fixed_port is not None else self._port
        for left in reversed(range(_PORT_TRIES)):
            port = wanted if wanted is not None else _free_port()
            try:
                self._launch(port)
                self._await(port)
            except _PortTaken as taken:
                self.stop()
                if self._fixed_port is not None:
                    raise EngineOptionError(f"port {port} on {_HOST} is taken: choose another, or none") from taken
                # Another process took it between our check and the engine's bind.
                wanted = None
                if not left:
                    raise EngineError(f"found no free port in {_PORT_TRIES} tries: {taken}") from taken
            except BaseException:
                self.stop()
                raise
            else:
                self._port = port
                return self
        raise AssertionError("unreachable: the last try returns or raises")

    def stop(self) -> None:
        """End the process and wait until it is gone. Does nothing if it is not running."""
        self._end(kill=False)

    def kill(self) -> None:
        """End the process as a power cut would (SIGKILL), and wait until it is gone."""
        self._end(kill=True)

    def restart(self, *, kill: bool = False) -> Self:
        """Stop (or kill) the process and start it again on the same port. Without ``db_path`` its data is lost.

        Raises:
            EngineError: See :meth:`start`.
        """
        self._end(kill=kill)
        return self.start()

    def log(self) -> str:
        """Return what the process has written so far; an empty string when it is not running."""
        if self._directory is None:
            return ""
        return Path(self._directory.name, "log").read_text(encoding="utf-8", errors="replace")

    def _launch(self, port: int) -> None:
        command = self._command(port)
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
        environment |= self._environment
        self._directory = tempfile.TemporaryDirectory(prefix="torii-engine-")
        atexit.register(self.stop)
        try:
            with Path(self._directory.name, "log").open("ab") as log:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    # Its other files (the journal, for example) must be as private as the database.
                    umask=0o077,
                    # Ctrl-C in the terminal goes only to the owner, which then stops the engine properly.
                    start_new_session=True,
                )
        except OSError as error:
            raise EngineError(f"{command[0]} cannot be run: {error.strerror}") from error

    def _command(self, port: int) -> list[str]:
        if self.kind == "moto":
            _require_moto()
            return [sys.executable, "-P", "-W", "ignore", str(Path(__file__).with_name("_moto_process.py")), str(port)]
        binary = self.binary or find_dynoxide()
        if binary is None:
            raise EngineError(
                f"the Dynoxide engine is not installed (searched: {searched_places()}): run 'make setup' in a "
                "checkout; elsewhere call install_dynoxide(), or put the binary's path into TORII_DYNOXIDE"
            )
        command = [str(binary), "--host", _HOST, "--port", str(port)]
        if self.db_path is not None:
            _make_private(self.db_path)
            command += ["--db-path", str(self.db_path)]
        if os.name != "posix":
            return command
        return ["/bin/sh", "-c", _WATCHED, "sh", *command]

    def _await(self, port: int) -> None:
        process = self._process
        if process is None:
            raise AssertionError("_launch comes first")
        deadline = time.monotonic() + self._start_timeout
        # Another server may hold the port and answer while ours is about to fail. Ours logs that it is listening; if a
        # version does not, half a second is a hundred times what a failing bind takes.
        believe_at: float | None = None
        while True:
            if process.poll() is not None:
                said = self.log().strip()
                if "in use" in said.lower():
                    raise _PortTaken(said)
                raise EngineError(
                    f"{self.kind} ended at once with exit code {process.returncode}: {said or 'no output'}"
                )
            now = time.monotonic()
            if _answers(port):
                believe_at = believe_at or now + 0.5
                if f"listening on http://{_HOST}:{port}" in self.log() or now >= believe_at:
                    return
            if now > deadline:
                said = self.log().strip()
                raise EngineError(
                    f"{self.kind} did not answer on port {port} within {self._start_timeout:g} s: {said or 'no output'}"
                )
            time.sleep(_POLL_SECONDS)

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                if kill:
                    process.kill()
                else:
                    process.terminate()
            if process.stdin is not None:
                # Tells the watcher that nothing is left to end.
                with contextlib.suppress(OSError):
                    process.stdin.write(b"\n")
                    process.stdin.flush()
                with contextlib.suppress(OSError):
                    process.stdin.close()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        directory, self._directory = self._directory, None
        if directory is not None:
            directory.cleanup()
        atexit.unregister(self.stop)


def start_engine(
    kind: Literal["auto", "dynoxide", "moto"] = "auto",
    *,
    db_path: Path | str | None = None,
    port: int | None = None,
    install: bool = True,
) -> LocalEngine:
    """Start the best local engine available. Its ``why`` says which and why.

    Args:
        kind: ``"auto"``: Dynoxide if it is found or npm can fetch it, otherwise moto.
        db_path: The file that keeps the data. Dynoxide only; if ``"auto"`` has to use moto, it is ignored
            (``persistent`` is then false, and ``why`` says so).
        port: The port on 127.0.0.1. ``None``: a free one.
        install: Whether Dynoxide may be fetched with npm.

    Returns:
        The running engine. Stop it, or use it in a ``with`` statement (``with start_engine() as engine:``).

    Raises:
        EngineError: No engine is available, or it does not start; the message says what to do.
    """
    if kind == "moto":
        return LocalEngine("moto", db_path=db_path, port=port, why="moto, as requested").start()
    binary = find_dynoxide()
    reason = f"Dynoxide, found at {binary}"
    if binary is None and install:
        installation = install_dynoxide()
        binary, reason = installation.path, installation.reason
    elif binary is None:
        reason = f"Dynoxide is not on this machine (searched: {searched_places()}), and fetching it was not allowed"
    if binary is not None:
        return LocalEngine("dynoxide", binary=binary, db_path=db_path, port=port, why=reason).start()
    if kind == "dynoxide":
        raise EngineError(f"Dynoxide is not available: {reason}; install Node.js, or put its path into TORII_DYNOXIDE")
    try:
        _require_moto()
    except EngineError as error:
        raise EngineError(f"no local engine is available. Dynoxide: {reason}. moto: {error.message}") from error
    why = f"moto, because Dynoxide is not available: {reason}"
    if db_path is not None:
        why += "; moto loses its data when it stops"
    return LocalEngine("moto", port=port, why=why).start()


class _PortTaken(Exception):
    """Another process took the port between our check and the engine's bind."""


def _make_private(database: Path) -> None:
    """Create the database's folder and file before the engine does, readable only by their owner."""
    try:
        make_private_folder(database.parent)
        os.close(open_private(database, os.O_RDWR))
    except OSError as error:
        raise EngineOptionError(f"db_path: {error.filename or database}: {error.strerror}") from error
    # SQLite creates these with the database's mode, but those of an older run may be readable.
    for ending in ("-wal", "-shm", "-journal"):
        tighten(database.with_name(database.name + ending))


def _require_moto() -> None:
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
        raise EngineError("moto is not installed: pip install 'torii-dynamodb[local]'")


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(_HOST, port, timeout=0.5)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
