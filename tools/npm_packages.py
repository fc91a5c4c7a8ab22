"""Install the end-to-end tests' npm packages: ``python tools/npm_packages.py [--prefix DIRECTORY]``.

The exact versions, with their checksums, are in ``tools/npm/package-lock.json``: a certified OpenID provider
(oidc-provider) and an accessibility checker (axe-core). Does nothing if they are installed already. Exits with 1, and
says why and what to do, if they cannot be installed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_LOCK = Path(__file__).with_name("npm")
_FILES = ("package.json", "package-lock.json")
_SECONDS = 300


def main() -> int:
    """Install what is missing, and return the exit code."""
    parser = argparse.ArgumentParser(description="Install the npm packages of the end-to-end tests.")
    parser.add_argument("--prefix", type=Path, default=Path(".engines/npm"), help="where they are installed")
    target: Path = parser.parse_args().prefix.absolute()
    if _is_current(target):
        return 0
    npm = shutil.which("npm")
    if npm is None:
        return _refuse("npm is not on the PATH")
    print(f"Installing the OpenID provider and the accessibility checker into {target} ...")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Installed beside the target and moved into place when complete: an interrupted run leaves nothing half installed.
    with tempfile.TemporaryDirectory(prefix=".installing-", dir=target.parent) as made:
        staging = Path(made, "npm")
        staging.mkdir()
        for name in _FILES:
            shutil.copyfile(_LOCK / name, staging / name)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
        try:
            done = subprocess.run(
                command,
                cwd=staging,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return _refuse(f"npm did not finish in {_SECONDS} s")
        if done.returncode != 0:
            return _refuse(" / ".join((done.stderr or done.stdout).strip().splitlines()[:3]))
        shutil.rmtree(target, ignore_errors=True)
        staging.rename(target)
    return 0


def _is_current(target: Path) -> bool:
    """Whether the lock file that was installed is the one in the checkout."""
    installed = target / "package-lock.json"
    wanted = _LOCK / "package-lock.json"
    return (target / "node_modules").is_dir() and installed.is_file() and installed.read_bytes() == wanted.read_bytes()


def _refuse(reason: str) -> int:
    print(f"The end-to-end tests need packages from npm, which could not be installed: {reason}.", file=sys.stderr)
    print("Install Node.js 20 or newer with npm, and run 'make setup' again.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
