"""JSON, by orjson."""

from __future__ import annotations

from orjson import JSONDecodeError as DecodeError
from orjson import dumps, loads

__all__ = ["DecodeError", "dumps", "loads"]
