"""Make sure that a Valkey or Redis server is installed for the tests of the cache: ``python tools/valkey.py``.

It looks at ``TORII_VALKEY``, then on the PATH. If there is none, root on Debian (or a derivative) gets ``redis-server``
by apt-get; otherwise it says what to install and exits with 1, because the tests are never skipped.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import apt

_NAMES = ("valkey-server", "redis-server")


def find_valkey() -> Path | None:
    """Return the server's path, or ``None`` if none is installed.

    Raises:
        FileNotFoundError: ``TORII_VALKEY`` is set and names no executable file.
    """
    named = os.environ.get("TORII_VALKEY")
    if named:
        if not os.access(named, os.X_OK) or not Path(named).is_file():
            raise FileNotFoundError(f"TORII_VALKEY={named}: not an executable file; correct or unset the variable")
        return Path(named)
    return next((Path(found) for found in map(shutil.which, _NAMES) if found is not None), None)


def main() -> int:
    """Find or install a server, and return the exit code."""
    try:
        if find_valkey() is not None:
            return 0
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    said = apt.install("redis-server")
    if said is None:
        print(
            "The tests of the cache need Valkey or Redis, which is not installed. On Debian run 'apt-get install "
            "redis-server' as root; elsewhere install either, or put the path of one into TORII_VALKEY.",
            file=sys.stderr,
        )
        return 1
    if find_valkey() is None:
        print(f"apt-get could not install redis-server: {said}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
