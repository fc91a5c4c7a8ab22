"""Attribute values: DynamoDB's tagged JSON, and how metadata is encoded in it.

Metadata becomes a native map, so that it can be read in the console and used in filters. Where DynamoDB has no
corresponding type, a map with one ``$`` key names the Python type:

=================  ==========================================================================================
``True``, ``None``  ``{"BOOL": true}``, ``{"NULL": true}``
``"text"``          ``{"S": "text"}``
``b"bytes"``        ``{"B": "<base64>"}``
``7``               ``{"N": "7"}``; beyond 38 digits (DynamoDB's precision) ``{"M": {"$int": {"S": "..."}}}``
``0.5``             ``{"M": {"$float": {"S": "0.5"}}}``: all floats, so that ``1.0`` does not come back as ``1``
``Decimal("1.20")``  ``{"M": {"$decimal": {"S": "1.20"}}}``: keeps trailing zeros and any exponent
a list, a map       ``{"L": [...]}``, ``{"M": {...}}``; a map with a key that begins with ``$`` is wrapped in ``$map``
=================  ==========================================================================================
"""

# pyright calls the members of what a class pattern narrows unknown; each is checked where it is encoded.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torii_dynamodb.models import Metadata, MetadataValue


__all__ = [
    "Attribute",
    "Item",
    "binary",
    "decode",
    "decode_map",
    "encode",
    "encode_map",
    "encode_plain",
    "number",
    "string_set",
    "text",
]

Attribute = dict[str, Any]
"""One attribute value in DynamoDB's format: ``{"S": "..."}``."""

Item = dict[str, Attribute]

_MAX_DIGITS = 10**38


def text(value: str) -> Attribute:
    """Return a string attribute."""
    return {"S": value}


def number(value: int) -> Attribute:
    """Return a number attribute."""
    return {"N": str(value)}


def binary(value: bytes) -> Attribute:
    """Return a binary attribute."""
    return {"B": b64encode(value).decode()}


def string_set(values: frozenset[str] | set[str]) -> Attribute:
    """Return a string set, in a fixed order so that equal sets are equal bytes."""
    return {"SS": sorted(values)}


def encode(value: MetadataValue) -> Attribute:
    """Encode a metadata value, which must have been checked (``validation.metadata``)."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int):
        return {"N": str(value)} if -_MAX_DIGITS < value < _MAX_DIGITS else _tagged("$int", hex(value))
    if isinstance(value, float):
        return _tagged("$float", repr(value))
    if isinstance(value, Decimal):
        return _tagged("$decimal", str(value))
    if isinstance(value, bytes):
        return binary(value)
    if isinstance(value, Mapping):
        encoded = {"M": encode_map(value)}
        return {"M": {"$map": encoded}} if any(key.startswith("$") for key in value) else encoded
    return {"L": [encode(inner) for inner in value]}


def encode_map(value: Metadata) -> Item:
    """Encode the values of a map, without a wrapper; :func:`encode` marks maps that have ``$`` keys."""
    return {key: encode(inner) for key, inner in value.items()}


def encode_plain(value: object) -> Attribute:
    """Encode a value of a caller's own item, without tags.

    Raises ``TypeError`` or ``ValueError`` if DynamoDB has no type for it.
    """
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            value.encode()
            return {"S": value}
        case int() | Decimal():
            if isinstance(value, Decimal) and not value.is_finite():
                raise ValueError("NaN and infinities cannot be stored")
            if len(Decimal(value).as_tuple().digits) > 38:
                raise ValueError("a number has at most 38 digits")
            return {"N": str(value)}
        case bytes():
            return binary(value)
        case frozenset():
            if not value or not all(isinstance(inner, str) for inner in value):
                raise TypeError("a set can be stored only if it is not empty and contains only text")
            return {"SS": sorted(value)}
        case list():
            return {"L": [encode_plain(inner) for inner in value]}
        case Mapping():
            return {"M": {_name(key): encode_plain(inner) for key, inner in value.items()}}
        case float():
            raise TypeError("a float cannot be stored exactly; give a Decimal")
        case _:
            raise TypeError(f"a {type(value).__name__} cannot be stored")


def _name(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a key of type {type(key).__name__} cannot be stored; keys are text")
    key.encode()
    return str.__str__(key)


def decode(attribute: Attribute) -> Any:
    """Decode a metadata value. Raises ``ValueError`` for what :func:`encode` does not write."""
    ((tag, value),) = attribute.items()
    match tag:
        case "S" | "BOOL":
            return value
        case "N":
            return int(value) if value.lstrip("-").isdigit() else Decimal(value)
        case "NULL":
            return None
        case "B":
            return b64decode(value, validate=True)
        case "L":
            return [decode(inner) for inner in value]
        case "M":
            return _decode_map(value)
        case "SS":
            return frozenset(value)
        case "NS":
            return frozenset(Decimal(inner) for inner in value)
        case "BS":
            return frozenset(b64decode(inner, validate=True) for inner in value)
        case _:
            raise ValueError(f"unknown attribute type {tag!r}")


def decode_map(attributes: Mapping[str, Attribute]) -> dict[str, Any]:
    """Decode the values of a map."""
    return {key: decode(inner) for key, inner in attributes.items()}


def _decode_map(value: dict[str, Attribute]) -> Any:
    if len(value) == 1:
        ((key, inner),) = value.items()
        match key:
            case "$float":
                return float(inner["S"])
            case "$decimal":
                return Decimal(inner["S"])
            case "$int":
                return int(inner["S"], 16)
            case "$map":
                return decode_map(inner["M"])
            case _:
                pass
    return decode_map(value)


def _tagged(tag: str, value: str) -> Attribute:
    return {"M": {tag: {"S": value}}}
