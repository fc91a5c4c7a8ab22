"""Make sure that Chromium is there for the browser tests: ``python tools/chromium.py``.

An installed one is used: ``TORII_CHROMIUM``, then what is on the PATH, then the usual places. On Debian (and what comes
of it) root gets it by apt-get. Elsewhere it says what to install, and exits 1: the tests never go without a browser.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PLACES = (
    "/usr/bin/chromium",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
# Another apt-get may hold the lock; it is waited for so long.
_LOCK_SECONDS = 300
_SECONDS = 900


def find_chromium() -> Path | None:
    """The browser's path; ``None`` where none is installed.

    Raises:
        FileNotFoundError: ``TORII_CHROMIUM`` is set and names no executable file.
    """
    named = os.environ.get("TORII_CHROMIUM")
    if named:
        if not os.access(named, os.X_OK) or not Path(named).is_file():
            raise FileNotFoundError(f"TORII_CHROMIUM={named}: no executable file; correct or unset the variable")
        return Path(named)
    for name in _NAMES:
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    return next((Path(place) for place in _PLACES if os.access(place, os.X_OK)), None)


def main() -> int:
    """Find or install Chromium; the exit code tells."""
    try:
        if find_chromium() is not None:
            return 0
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        print("The browser tests need Chromium, and it is not installed.", file=sys.stderr)
        print(
            "On Debian run 'apt-get install chromium' as root; elsewhere install Chromium or Chrome, or put the path "
            "of one into TORII_CHROMIUM.",
            file=sys.stderr,
        )
        return 1
    print("Installing Chromium by apt-get ...")
    options = ["-qq", "-o", f"DPkg::Lock::Timeout={_LOCK_SECONDS}"]
    # A list that is out of date often has the package still, so a failure to update it is not the end.
    _run(apt, *options, "update")
    # Liberation: metric-compatible with the fonts that pages name, so that text has its usual width.
    said = _run(apt, *options, "install", "-y", "--no-install-recommends", "chromium", "fonts-liberation")
    if find_chromium() is None:
        print(f"apt-get could not install Chromium: {said}", file=sys.stderr)
        return 1
    return 0


def _run(*command: str) -> str:
    """Run a command; what it said at the end, on one line."""
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


if __name__ == "__main__":
    sys.exit(main())
