"""JSON, by orjson."""

from __future__ import annotations

from typing import Any, cast

from orjson import JSONDecodeError as DecodeError
from orjson import dumps, loads

__all__ = ["DecodeError", "dumps", "list_of", "loads", "object_of"]


def object_of(value: object) -> dict[str, Any]:
    """Return a JSON object unchanged; an empty one for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """Return a JSON array unchanged; an empty one for anything else."""
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]
