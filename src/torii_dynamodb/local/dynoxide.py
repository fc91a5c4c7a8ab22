"""Find or install Dynoxide: one static binary, distributed through npm."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from torii_dynamodb._files import make_private_folder
from torii_dynamodb.local.errors import EngineError
from torii_dynamodb.local.places import own_checkout, xdg_folder

__all__ = [
    "DYNOXIDE_VERSION",
    "Installation",
    "dynoxide_package",
    "find_dynoxide",
    "install_dynoxide",
    "searched_places",
]

DYNOXIDE_VERSION = "1.2.1"
"""The version that the tests run on and that :func:`install_dynoxide` fetches."""

# The optional dependencies of Dynoxide's npm wrapper exist for these systems, each on x64 and arm64 except Windows.
_SYSTEMS = ("linux", "darwin", "win32")
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The outcome of :func:`install_dynoxide`.

    Attributes:
        path: The binary; ``None`` if it could not be installed.
        reason: Where it came from, or why it could not be installed.
    """

    path: Path | None
    reason: str


def dynoxide_package() -> str | None:
    """Return the npm package that contains Dynoxide for this machine; ``None`` if there is none."""
    system = "linux" if sys.platform.startswith("linux") else sys.platform
    machine = _MACHINES.get(platform.machine().lower())
    if system not in _SYSTEMS or machine is None or (system, machine) == ("win32", "arm64"):
        return None
    return f"@dynoxide/{system}-{machine}"


def find_dynoxide() -> Path | None:
    """Look for a Dynoxide binary on this machine, without using the network.

    In this order: the environment variable ``TORII_DYNOXIDE``; ``.engines/`` in the checkout of this library, if this
    is one; the absolute folders of ``PATH``; the user's cache directory, where :func:`install_dynoxide` puts it. The
    working directory is never searched: it could contain a stranger's program.

    Returns:
        The binary's path, or ``None`` if there is none.

    Raises:
        EngineError: ``TORII_DYNOXIDE`` is set and names no executable file.
    """
    named = os.environ.get("TORII_DYNOXIDE")
    if named:
        if not _is_executable(Path(named)):
            raise EngineError(f"TORII_DYNOXIDE={named} is not an executable file; correct or unset the variable")
        return Path(named).absolute()
    checkout = own_checkout()
    found = _binary_below(checkout / ".engines") if checkout is not None else None
    return found or _which("dynoxide") or _binary_below(_cache_directory())


def searched_places() -> str:
    """Say where :func:`find_dynoxide` looks."""
    checkout = own_checkout()
    places = ["TORII_DYNOXIDE", *([str(checkout / ".engines")] if checkout is not None else [])]
    return ", ".join([*places, "the absolute folders of PATH", str(_cache_directory())])


def install_dynoxide(prefix: Path | None = None, *, timeout: float = 180.0) -> Installation:
    """Fetch Dynoxide with npm.

    Several processes may do so at once: each fetches into its own directory and moves the result into place.

    Args:
        prefix: The directory to install into, as npm's ``--prefix``. ``None``: the user's cache directory, one per
            version.
        timeout: Seconds that npm may take.

    Returns:
        The binary, or the reason why it could not be installed. A failing npm raises nothing.
    """
    target = prefix if prefix is not None else _cache_directory()
    present = _binary_below(target)
    if present is not None and _binary_version(present) == DYNOXIDE_VERSION:
        return Installation(path=present, reason=f"Dynoxide {DYNOXIDE_VERSION} is already installed: {present}")
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
    options = "--ignore-scripts --no-audit --no-fund --no-save --no-package-lock --no-update-notifier --loglevel=error"
    command = [str(npm), "install", "--prefix", str(staging), *options.split(), f"{package}@{DYNOXIDE_VERSION}"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False, cwd=staging
        )
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            return Installation(path=None, reason=f"npm could not fetch {package}: {' / '.join(said[:3])}")
        if _binary_below(staging) is None:
            return Installation(path=None, reason=f"npm fetched {package}@{DYNOXIDE_VERSION}, but it has no binary")
        place = _package_directory(target, package)
        place.parent.mkdir(parents=True, exist_ok=True)
        if present is not None:
            shutil.rmtree(place, ignore_errors=True)
        # If another process was first, its copy is as good as ours.
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
        return Installation(path=None, reason=f"the binary could not be moved to {target}")
    return Installation(path=installed, reason=f"npm fetched {package}@{DYNOXIDE_VERSION} to {installed}")


def _which(name: str) -> Path | None:
    """Find a program in the absolute folders of ``PATH``; relative ones depend on the working directory."""
    folders = [folder for folder in os.get_exec_path() if Path(folder).is_absolute()]
    found = shutil.which(name, path=os.pathsep.join(folders)) if folders else None
    # Windows searches the working directory whatever the path.
    return Path(found) if found is not None and Path(found).is_absolute() else None


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
    command = [str(binary), "--version"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip().rpartition(" ")[2] or None
