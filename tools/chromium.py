"""Make sure that Chromium is installed for the browser tests: ``python tools/chromium.py``.

It looks at ``TORII_CHROMIUM``, then on the PATH, then in the usual places. If there is none, root on Debian (or a
derivative) gets it by apt-get; otherwise it says what to install and exits with 1, because the tests are never skipped.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import apt

# The headless shell needs a third less CPU than the whole browser.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PLACES = (
    "/usr/bin/chromium-headless-shell",
    "/usr/bin/chromium",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


def find_chromium() -> Path | None:
    """Return the browser's path, or ``None`` if none is installed.

    Raises:
        FileNotFoundError: ``TORII_CHROMIUM`` is set and names no executable file.
    """
    named = os.environ.get("TORII_CHROMIUM")
    if named:
        if not os.access(named, os.X_OK) or not Path(named).is_file():
            raise FileNotFoundError(f"TORII_CHROMIUM={named}: not an executable file; correct or unset the variable")
        return Path(named)
    for name in _NAMES:
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    return next((Path(place) for place in _PLACES if os.access(place, os.X_OK)), None)


def main() -> int:
    """Find or install Chromium, and return the exit code."""
    try:
        if find_chromium() is not None:
            return 0
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    # Liberation is metric-compatible with the fonts that the pages name, so text has its usual width.
    said = apt.install("chromium-headless-shell", "fonts-liberation")
    if said is not None and find_chromium() is None:  # older releases do not have it by itself
        said = apt.install("chromium", "fonts-liberation")
    if said is None:
        print("The browser tests need Chromium, which is not installed.", file=sys.stderr)
        print(
            "On Debian run 'apt-get install chromium' as root; elsewhere install Chromium or Chrome, or put the path "
            "of one into TORII_CHROMIUM.",
            file=sys.stderr,
        )
        return 1
    if find_chromium() is None:
        print(f"apt-get could not install Chromium: {said}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
