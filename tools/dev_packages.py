"""Print the packages of the dependency group ``dev``, one requirement per line: ``python tools/dev_packages.py``.

pip installs dependency groups (PEP 735) from 25.1 on; the older ones of Python 3.11 and 3.12 read this list.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

SETTINGS = Path(__file__).resolve().parent.parent / "pyproject.toml"


def requirements(groups: dict[str, Any], name: str) -> list[str]:
    """Return the requirements of a group and of the groups that it includes."""
    found: list[str] = []
    for one in groups[name]:
        found += [one] if isinstance(one, str) else requirements(groups, one["include-group"])
    return found


if __name__ == "__main__":
    settings = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))
    sys.stdout.write("\n".join(requirements(settings["dependency-groups"], "dev")) + "\n")
