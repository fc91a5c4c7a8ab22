"""Local DynamoDB engines: find or install one, start it, wait until it answers, stop it.

Two engines, each a process of its own on 127.0.0.1:

* **Dynoxide**, one static binary from npm. Exact under concurrency, counts capacity, and keeps its data in a file
  (``db_path``) where asked to. Tests and development run on it.
* **moto**, a Python package (extra ``local``). For a machine with nothing but pip, and for the control plane
  (autoscaling, backups). It is *not* safe under concurrency, ignores ``ClientRequestToken``, counts capacity wrongly
  and keeps nothing after it stops.

::

    with start_engine() as engine:                       # Dynoxide if it can be had, else moto; engine.why tells
        config = engine.config(table_prefix="demo")
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from torii_dynamodb._files import make_private_folder, open_private, tighten
from torii_dynamodb.config import Credentials, DynamoDbConfig
from torii_dynamodb.errors import ToriiError

__all__ = [
    "DYNOXIDE_VERSION",
    "EngineError",
    "EngineKind",
    "EngineOptionError",
    "Installation",
    "LocalEngine",
    "dynoxide_package",
    "find_dynoxide",
    "install_dynoxide",
    "start_engine",
]

EngineKind = Literal["dynoxide", "moto"]

DYNOXIDE_VERSION = "1.2.1"
"""The version that the tests run on, and that :func:`install_dynoxide` fetches."""

# The packages that Dynoxide's npm wrapper names as its optional dependencies, by our name of the platform.
_PACKAGES = {
    ("linux", "x64"): "@dynoxide/linux-x64",
    ("linux", "arm64"): "@dynoxide/linux-arm64",
    ("darwin", "x64"): "@dynoxide/darwin-x64",
    ("darwin", "arm64"): "@dynoxide/darwin-arm64",
    ("win32", "x64"): "@dynoxide/win32-x64",
}
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}

# sh keeps its pid through exec, so that it *is* the engine afterwards (exit code, signals). The watcher beside it waits
# on our end of the pipe: a line means "we stop it ourselves", the end of the file means that we were killed.
_WATCHED = 'exec 3<&0; (read -r _ <&3 || kill $$ 2>/dev/null) & exec "$@" 3<&- </dev/null'

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.01
_STOP_SECONDS = 5.0
_PORT_TRIES = 10


class EngineError(ToriiError):
    """A local engine is missing, or could not be started. The message says what to do about it."""

    code = "engine_error"


class EngineOptionError(EngineError):
    """A port or a database file that was asked for cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What :func:`install_dynoxide` came to.

    Attributes:
        path: The binary; ``None`` if it could not be had.
        reason: Where it came from, or why it could not be had.
    """

    path: Path | None
    reason: str


def dynoxide_package() -> str | None:
    """The npm package that holds Dynoxide for this machine; ``None`` if there is none for it."""
    system = "linux" if sys.platform.startswith("linux") else sys.platform
    return _PACKAGES.get((system, _MACHINES.get(platform.machine().lower(), "")))


def find_dynoxide() -> Path | None:
    """Look for a Dynoxide binary on this machine; ask no network.

    In this order: the environment's ``TORII_DYNOXIDE``; ``.engines/`` in the checkout of this library that this file
    stands in, if it does; the absolute folders of ``PATH``; the user's cache directory, where
    :func:`install_dynoxide` puts it. Never the working directory: whoever wrote what is in it would be run.

    Returns:
        The binary's path, or ``None`` if there is none.

    Raises:
        EngineError: ``TORII_DYNOXIDE`` is set and names no executable file.
    """
    named = os.environ.get("TORII_DYNOXIDE")
    if named:
        if not _is_executable(Path(named)):
            raise EngineError(f"TORII_DYNOXIDE={named}: no executable file; correct or unset the variable")
        return Path(named).absolute()
    checkout = own_checkout()
    found = _binary_below(checkout / ".engines") if checkout is not None else None
    return found or _which("dynoxide") or _binary_below(_cache_directory())


def own_checkout() -> Path | None:
    """The checkout of this library that this file stands in; ``None`` where it is installed otherwise.

    A copy below another project (``pip install --target``) is no checkout: that project's files are not ours.
    """
    source = Path(__file__).resolve().parents[2]
    try:
        settings = (source.parent / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return source.parent if source.name == "src" and '\nname = "torii-dynamodb"\n' in settings else None


def xdg_folder(variable: str, default: str) -> Path:
    """A folder of the XDG Base Directory Specification, which has relative values ignored."""
    named = Path(os.environ.get(variable, ""))
    return named if named.is_absolute() else Path.home() / default


def _searched() -> str:
    """Where :func:`find_dynoxide` looks, for people."""
    checkout = own_checkout()
    places = ["TORII_DYNOXIDE", *([str(checkout / ".engines")] if checkout is not None else [])]
    return ", ".join([*places, "the absolute folders of PATH", str(_cache_directory())])


def _which(name: str) -> Path | None:
    """A program in the absolute folders of ``PATH``; a relative one is another wherever one stands."""
    folders = [folder for folder in os.get_exec_path() if Path(folder).is_absolute()]
    found = shutil.which(name, path=os.pathsep.join(folders)) if folders else None
    # Windows looks into the working directory whatever it is given.
    return Path(found) if found is not None and Path(found).is_absolute() else None


def install_dynoxide(prefix: Path | None = None, *, timeout: float = 180.0) -> Installation:
    """Fetch Dynoxide by npm.

    Several processes may do so at once: each fetches into a directory of its own and moves it into place.

    Args:
        prefix: The directory to install below, as npm's ``--prefix``. ``None``: the user's cache directory, one a
            version.
        timeout: Seconds that npm may take.

    Returns:
        The binary, or the reason why it cannot be had; never raises for npm's sake.
    """
    target = prefix if prefix is not None else _cache_directory()
    present = _binary_below(target)
    if present is not None and _binary_version(present) == DYNOXIDE_VERSION:
        return Installation(path=present, reason=f"Dynoxide {DYNOXIDE_VERSION} is installed already: {present}")
    package = dynoxide_package()
    if package is None:
        return Installation(path=None, reason=f"Dynoxide has no package for {sys.platform} on {platform.machine()}")
    npm = _which("npm")
    if npm is None:
        return Installation(path=None, reason="npm is not on the PATH (it comes with Node.js)")
    try:
        make_private_folder(target)
        staging = Path(tempfile.mkdtemp(prefix=".installing-", dir=target))
    except OSError as error:
        return Installation(path=None, reason=f"cannot write to {target}: {error.strerror}")
    command = [
        str(npm),
        "install",
        "--prefix",
        str(staging),
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-save",
    ]
    command += ["--no-package-lock", "--no-update-notifier", "--loglevel=error", f"{package}@{DYNOXIDE_VERSION}"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False, cwd=staging
        )
        if done.returncode != 0:
            told = (done.stderr or done.stdout).strip().splitlines()
            return Installation(path=None, reason=f"npm could not fetch {package}: {' / '.join(told[:3])}")
        if _binary_below(staging) is None:
            return Installation(path=None, reason=f"npm fetched {package}@{DYNOXIDE_VERSION}, but no binary is in it")
        place = _package_directory(target, package)
        place.parent.mkdir(parents=True, exist_ok=True)
        if present is not None:
            shutil.rmtree(place, ignore_errors=True)
        # Where another process was first, its copy is as good as ours.
        with contextlib.suppress(OSError):
            _package_directory(staging, package).rename(place)
    except subprocess.TimeoutExpired:
        return Installation(path=None, reason=f"npm did not finish in {timeout:g} s")
    except OSError as error:
        return Installation(path=None, reason=f"npm could not be run: {error}")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    installed = _binary_below(target)
    if installed is None:
        return Installation(path=None, reason=f"the binary could not be moved below {target}")
    return Installation(path=installed, reason=f"npm fetched {package}@{DYNOXIDE_VERSION} to {installed}")


class LocalEngine:
    """One engine's process. A context manager: started on entering, stopped and reaped on leaving.

    It does not outlive its owner: a normal exit stops it, and on POSIX systems it ends by itself when the owner is
    killed. Not for use from several threads at once (its endpoint is).

    Args:
        kind: ``"dynoxide"`` or ``"moto"``.
        binary: Dynoxide's path. ``None``: what :func:`find_dynoxide` finds.
        db_path: Dynoxide only: the database file, made if missing. ``None``: in memory.
        port: The port on 127.0.0.1. ``None``: a free one.
        environment: Variables to set for the process, beside the ones it inherits.
        why: Why this engine was chosen, for people to read.
        start_timeout: Seconds until it must answer.
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
            raise EngineOptionError("moto keeps nothing on disk: leave db_path out, or use Dynoxide")
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
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def persistent(self) -> bool:
        """Whether its data outlive it."""
        return self.db_path is not None

    @property
    def port(self) -> int:
        """The port on 127.0.0.1 that it listens on. It keeps it over :meth:`restart`.

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
        """Where it answers: ``http://127.0.0.1:PORT``.

        Raises:
            EngineError: It was never started.
        """
        return f"http://{_HOST}:{self.port}"

    @property
    def region(self) -> str:
        """The region to name. moto keeps each region's tables apart."""
        return "us-east-1"

    @property
    def credentials(self) -> Credentials:
        """Credentials that the engine takes (any will do); worth nothing elsewhere."""
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
            # Most SDKs read the one, boto3 and the AWS command line the other.
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.credentials.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.credentials.secret_access_key,
        }

    def config(self, *, table_prefix: str = "torii", **options: Any) -> DynamoDbConfig:
        """A configuration for this engine; ``options`` are further fields of :class:`DynamoDbConfig`.

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
        # start_engine() hands out a running one.
        return self if self.running else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Start the process and wait until it answers.

        Raises:
            EngineError: It runs already; the engine is not installed; the port is taken; it ended at once (the message
                has what it said); or it did not answer in time.
        """
        if self.running:
            raise EngineError(f"the engine runs already, on {self.endpoint_url}")
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
                    raise EngineOptionError(f"port {port} on {_HOST} is taken: give another, or none") from taken
                # Somebody else took it between our look and the engine's bind.
                wanted = None
                if not left:
                    raise EngineError(f"no port could be had in {_PORT_TRIES} tries: {taken}") from taken
            except BaseException:
                self.stop()
                raise
            else:
                self._port = port
                return self
        raise AssertionError("unreachable: the last try returns or raises")

    def stop(self) -> None:
        """End the process and wait until it is gone. Nothing happens if it does not run."""
        self._end(kill=False)

    def kill(self) -> None:
        """End the process as a power cut would (SIGKILL), and wait until it is gone."""
        self._end(kill=True)

    def restart(self, *, kill: bool = False) -> Self:
        """Stop (or kill) the process and start it again on the same port. Without ``db_path`` its data are gone.

        Raises:
            EngineError: As :meth:`start`.
        """
        self._end(kill=kill)
        return self.start()

    def log(self) -> str:
        """What the process wrote so far; the empty string when it is not running."""
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
                    # Whatever else it writes, its journal for one, is as private as the database.
                    umask=0o077,
                    # A Ctrl-C in the terminal is the owner's; it then stops the engine in order.
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
                f"the Dynoxide engine is not installed (looked at {_searched()}): in a checkout run 'make setup'; "
                "elsewhere call install_dynoxide(), or put the binary's path into TORII_DYNOXIDE"
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
        # Another server may hold the port and answer while ours is about to fail. Ours says that it listens; should a
        # version not say so, half a second is a hundred times what a failing bind takes.
        believe_at: float | None = None
        while True:
            if process.poll() is not None:
                said = self.log().strip()
                if "in use" in said.lower():
                    raise _PortTaken(said)
                raise EngineError(f"{self.kind} ended at once with exit code {process.returncode}: {said or 'no word'}")
            now = time.monotonic()
            if _answers(port):
                believe_at = believe_at or now + 0.5
                if f"listening on http://{_HOST}:{port}" in self.log() or now >= believe_at:
                    return
            if now > deadline:
                said = self.log().strip()
                raise EngineError(
                    f"{self.kind} did not answer on port {port} within {self._start_timeout:g} s: {said or 'no word'}"
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
                # Tells the watcher that its work is done; it has nobody left to end.
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
    """Start a local engine, the best that can be had, and say in ``why`` which and why.

    Args:
        kind: ``"auto"``: Dynoxide if it is found or npm can bring it, else moto.
        db_path: Where the data are kept. Dynoxide only; with ``"auto"`` it is left out where moto has to do
            (``persistent`` is then false, and ``why`` says so).
        port: The port on 127.0.0.1. ``None``: a free one.
        install: Whether npm may be asked for Dynoxide.

    Returns:
        The engine, running. Stop it, or use it in a ``with`` statement (``with start_engine() as engine:``).

    Raises:
        EngineError: No engine can be had, or it does not start; the message says what to do.
    """
    if kind == "moto":
        return LocalEngine("moto", db_path=db_path, port=port, why="moto, as asked for").start()
    binary = find_dynoxide()
    reason = f"Dynoxide, found at {binary}"
    if binary is None and install:
        installation = install_dynoxide()
        binary, reason = installation.path, installation.reason
    elif binary is None:
        reason = f"Dynoxide is not on this machine (looked at {_searched()}), and fetching it was not allowed"
    if binary is not None:
        return LocalEngine("dynoxide", binary=binary, db_path=db_path, port=port, why=reason).start()
    if kind == "dynoxide":
        raise EngineError(f"Dynoxide cannot be had: {reason}; install Node.js, or put its path into TORII_DYNOXIDE")
    try:
        _require_moto()
    except EngineError as error:
        raise EngineError(f"no local engine can be had. Dynoxide: {reason}. moto: {error.message}") from error
    why = f"moto, because Dynoxide cannot be had: {reason}"
    if db_path is not None:
        why += "; moto keeps nothing after it stops"
    return LocalEngine("moto", port=port, why=why).start()


class _PortTaken(Exception):
    """The port went to somebody else between our look and the engine's bind."""


def _make_private(database: Path) -> None:
    """Make the database's folder and file, before the engine does, such that only their owner can read them."""
    try:
        make_private_folder(database.parent)
        os.close(open_private(database, os.O_RDWR))
    except OSError as error:
        raise EngineOptionError(f"db_path: {error.filename or database}: {error.strerror}") from error
    # SQLite gives new ones the database's mode; those of an older run may be readable.
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


def _cache_directory() -> Path:
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = str(xdg_folder("XDG_CACHE_HOME", ".cache"))
    return Path(base) / "torii-dynamodb" / f"dynoxide-{DYNOXIDE_VERSION}"


def _package_directory(prefix: Path, package: str) -> Path:
    return prefix.joinpath("node_modules", *package.split("/"))


def _binary_below(prefix: Path) -> Path | None:
    package = dynoxide_package()
    if package is None:
        return None
    binary = _package_directory(prefix, package) / ("dynoxide.exe" if os.name == "nt" else "dynoxide")
    return binary.absolute() if _is_executable(binary) else None


def _is_executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _binary_version(binary: Path) -> str | None:
    try:
        done = subprocess.run(
            [str(binary), "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip().rpartition(" ")[2] or None
