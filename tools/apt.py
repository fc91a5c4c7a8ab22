"""Install packages by apt-get, for root on Debian (or a derivative)."""

from __future__ import annotations

import os
import shutil
import subprocess

__all__ = ["install"]

# How long to wait for another apt-get that holds the lock.
_LOCK_SECONDS = 300
_SECONDS = 900


def install(*packages: str) -> str | None:
    """Install packages. Returns the end of apt-get's output; ``None`` if there is no apt-get, or we are not root."""
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return None
    print(f"Installing {packages[0]} by apt-get ...")
    options = ["-qq", "-o", f"DPkg::Lock::Timeout={_LOCK_SECONDS}"]
    # An outdated list often still has the package, so a failed update is not fatal.
    _run(apt, *options, "update")
    return _run(apt, *options, "install", "-y", "--no-install-recommends", *packages)


def _run(*command: str) -> str:
    """Run a command, and return the end of its output on one line."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it did not finish in {_SECONDS} s"
    return " / ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
