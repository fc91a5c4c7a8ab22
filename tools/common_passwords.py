"""Write src/torii_dynamodb/data/common_passwords.txt from the frequency list of zxcvbn (MIT licence).

    pip install zxcvbn && python tools/common_passwords.py

The most common 10,000 passwords of at least eight characters, the shortest that the default policy accepts; most
common first. zxcvbn's list counts tens of millions of leaked passwords; its licence is in the file's header.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]

TARGET = Path(__file__).resolve().parent.parent / "src/torii_dynamodb/data/common_passwords.txt"
COUNT = 10_000
LEAST = 8

HEADER = f"""\
# The {COUNT} most common passwords of at least {LEAST} characters, most common first.
# From the frequency lists of zxcvbn {version("zxcvbn")} (https://github.com/dwolfhub/zxcvbn-python), MIT licence,
# Copyright (c) 2016 Daniel Wolf. Written by tools/common_passwords.py.
"""


def main() -> None:
    """Write the file."""
    passwords = [password for password in FREQUENCY_LISTS["passwords"] if len(password) >= LEAST][:COUNT]
    TARGET.write_text(HEADER + "\n".join(passwords) + "\n", encoding="utf-8")
    print(f"{TARGET.name}: {len(passwords)} passwords, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
