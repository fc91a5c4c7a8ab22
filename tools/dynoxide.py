"""Make sure that the test engine is installed: ``python tools/dynoxide.py [--prefix DIRECTORY]``.

Prints the binary's path. Exits with 1, and says why and what to do, if it cannot be installed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from torii_dynamodb.local import EngineError, find_dynoxide, install_dynoxide


def main() -> int:
    """Find or install Dynoxide, and return the exit code."""
    parser = argparse.ArgumentParser(description="Find or install the Dynoxide engine.")
    parser.add_argument("--prefix", type=Path, default=Path(".engines"), help="where npm installs it")
    prefix: Path = parser.parse_args().prefix
    try:
        binary = find_dynoxide()
        reason = f"found {binary}"
        if binary is None:
            installation = install_dynoxide(prefix.absolute())
            binary, reason = installation.path, installation.reason
    except EngineError as error:
        binary, reason = None, error.message
    if binary is None:
        print(f"The tests need the Dynoxide engine, which could not be installed: {reason}.", file=sys.stderr)
        print("Install Node.js with npm, or put the path of a dynoxide binary into TORII_DYNOXIDE.", file=sys.stderr)
        return 1
    print(f"Dynoxide: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
