"""Checks of arguments, before anything is read or written.

Each function returns the value, cleaned, or raises :class:`~torii_dynamodb.errors.ValidationError` with the field, what
is wrong and the limit.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any, cast

from torii_dynamodb import models
from torii_dynamodb.errors import ValidationError

if TYPE_CHECKING:
    from torii_dynamodb.models import LockoutPolicy, Metadata, MetadataValue

__all__ = [
    "attempt_value",
    "binary",
    "flag",
    "instance",
    "integer",
    "ip_address",
    "metadata",
    "moment",
    "password_hash",
    "policy",
    "provider",
    "purpose",
    "secret_text",
    "session_epoch",
    "subject",
    "text",
    "token_argument",
    "user_agent",
    "user_id",
]

_USER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_NAME = re.compile(r"[a-z0-9_-]{1,32}", re.ASCII)
_TENANT = re.compile(r"[a-z0-9-]{1,63}", re.ASCII)
_SESSION_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)

# DynamoDB nests at most 32 levels deep ("Attributes", Constraints); a tagged number or a wrapped map takes one more.
MAX_METADATA_DEPTH = 14
RESERVED_PURPOSES = frozenset({"pkce", "challenge", "code"})
MAX_ATTEMPTS = 20


def text(value: object, field: str, *, most: int, least: int = 1, lines: bool = False) -> str:
    """Check text of ``least`` to ``most`` characters that can be stored as UTF-8, without control characters."""
    if not isinstance(value, str):
        raise ValidationError(field, f"give text, not {type(value).__name__}")
    if not least <= len(value) <= most:
        raise ValidationError(field, f"has {len(value)} characters; give {least} to {most}")
    plain = _storable(value, field)
    if not lines and _CONTROL.search(plain):
        raise ValidationError(field, "has control characters or line breaks")
    return plain


def user_id(value: object, field: str = "user_id") -> str:
    """Check a user id. The strict grammar matters, because ids are part of tokens, whose checksum proves nothing."""
    if not isinstance(value, str) or not _USER_ID.fullmatch(value):
        raise ValidationError(field, f"{_shown(value)} is not a valid user id: give 1 to 64 of A-Z a-z 0-9 _ -")
    return value


def session_id(value: object, field: str = "session_id") -> str:
    """Check a session's id: 64 hexadecimal digits, as in ``Session.id``."""
    if not isinstance(value, str) or not _SESSION_ID.fullmatch(value):
        raise ValidationError(
            field, "is not a session id: give the 64 hexadecimal digits of Session.id (not the token)"
        )
    return value


def provider(value: object, field: str = "provider") -> str:
    """Check an OAuth provider's name."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValidationError(field, f"{_shown(value)} is not a valid provider name: give 1 to 32 of a-z 0-9 _ -")
    return value


def subject(value: object, field: str = "subject") -> str:
    """Check a provider's id for a person. OpenID Connect Core, 2: at most 255 characters."""
    cleaned = text(value, field, most=255)
    if len(cleaned.encode()) > 255:
        raise ValidationError(field, f"has {len(cleaned.encode())} bytes; give at most 255")
    return cleaned


def tenant(value: object, field: str = "tenant") -> str:
    """Check a tenant's name."""
    if not isinstance(value, str) or not _TENANT.fullmatch(value):
        raise ValidationError(field, f"{_shown(value)} is not a tenant's name: give 1 to 63 of a-z 0-9 -")
    return value


def purpose(value: object, field: str = "purpose") -> str:
    """Check a one-time token's purpose."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValidationError(field, f"{_shown(value)} is not a valid purpose: give 1 to 32 of a-z 0-9 _ -")
    if value in RESERVED_PURPOSES:
        raise ValidationError(field, f"{value!r} is reserved; choose another name")
    return value


def moment(value: object, field: str) -> datetime:
    """Check an aware datetime, and convert it to UTC."""
    if not isinstance(value, datetime):
        raise ValidationError(field, f"give a datetime, not {type(value).__name__}")
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValidationError(field, "has no time zone; give an aware datetime, for example datetime.now(UTC)")
    try:
        utc = value.astimezone(UTC)
    except (OverflowError, ValueError):
        raise ValidationError(field, "is out of range") from None
    if not _EARLIEST <= utc < _LATEST:
        raise ValidationError(field, "is out of range; give a moment from 1970 to 9998")
    return utc


def password_hash(value: object, field: str = "password_hash") -> str:
    """Check a password hash in a hasher's format. A plain password passed by mistake usually fails."""
    if not isinstance(value, str) or not 16 <= len(value) <= 1024 or not value.isascii() or not value.startswith("$"):
        raise ValidationError(
            field, "is not a password hash: give the hasher's text, 16 to 1024 ASCII characters that begin with $"
        )
    if _CONTROL.search(value) or " " in value:
        raise ValidationError(field, "is not a password hash: it has white space or control characters")
    return value


def ip_address(value: object, field: str = "ip_address") -> str | None:
    """Return an IP address in canonical form, or ``None``. IPv4 inside IPv6 becomes IPv4; a zone is dropped."""
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > 64:
        raise ValidationError(field, f"{_shown(value)} is not an IP address")
    try:
        parsed = ipaddress.ip_address(value.split("%", 1)[0])
    except ValueError:
        raise ValidationError(field, f"{_shown(value)} is not an IP address") from None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)


def user_agent(value: object, field: str = "user_agent") -> str | None:
    """Cut a user agent to 1,024 characters without control characters: callers do not choose what browsers send."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValidationError(field, f"give text, not {type(value).__name__}")
    cleaned = _CONTROL.sub(" ", value[:1024])
    return cleaned.encode("utf-8", "replace").decode()


def secret_text(value: object, field: str, *, least: int, most: int) -> str:
    """Check a secret that the caller made: printable ASCII. The error does not show it."""
    if not isinstance(value, str):
        raise ValidationError(field, f"give text, not {type(value).__name__}")
    if not least <= len(value) <= most:
        raise ValidationError(field, f"has {len(value)} characters; give {least} to {most}")
    if not value.isascii() or not value.isprintable():
        raise ValidationError(field, "has characters outside printable ASCII")
    return value


def token_argument(value: object, field: str = "token") -> str:
    """Check that what was sent as a token is text. The parser decides whether it is a token."""
    if not isinstance(value, str):
        raise ValidationError(field, f"give text, not {type(value).__name__}")
    return value


def binary(value: object, field: str, *, most: int, least: int = 1) -> bytes:
    """Check bytes, ``least`` to ``most`` of them."""
    if not isinstance(value, bytes | bytearray):
        raise ValidationError(field, f"give bytes, not {type(value).__name__}")
    raw = bytes(value)
    if not least <= len(raw) <= most:
        raise ValidationError(field, f"has {len(raw)} bytes; give {least} to {most}")
    return raw


def integer(value: object, field: str, *, least: int, most: int) -> int:
    """Check a whole number (a bool is not one)."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValidationError(field, f"give a whole number, not {type(value).__name__}")
    if not least <= value <= most:
        raise ValidationError(field, f"{_shown(value)} is out of range; give {least} to {most}")
    return value


def flag(value: object, field: str) -> bool:
    """Check for exactly ``True`` or ``False``."""
    if not isinstance(value, bool):
        raise ValidationError(field, f"give True or False, not {type(value).__name__}")
    return value


def session_epoch(value: object) -> int | None:
    """Check a user's ``session_epoch`` as read, or ``None``."""
    return None if value is None else integer(value, "session_epoch", least=0, most=2**63)


def instance(value: object, field: str, kind: type[Any]) -> None:
    """Check an object's class."""
    if not isinstance(value, kind):
        raise ValidationError(field, f"give a {kind.__name__}, not {type(value).__name__}")


def attempt_value(kind: str, value: object) -> str:
    """Return what an attempt is counted under: an IPv4 address, an IPv6 network, or text.

    Providers assign IPv6 by the /64 at least: counted by address, one customer would have 2^64 of them.
    """
    if kind == "ip":
        address = ip_address(value, "value") or _refuse_none()
        return str(ipaddress.ip_network(f"{address}/64", strict=False)) if ":" in address else address
    return text(value, "value", most=1024)


def policy(value: LockoutPolicy | None) -> LockoutPolicy:
    """Check a lockout policy."""
    if value is None:
        return models.LockoutPolicy()
    instance(value, "policy", models.LockoutPolicy)
    integer(value.max_attempts, "policy.max_attempts", least=1, most=MAX_ATTEMPTS)
    for name, span, least in (
        ("window", value.window, timedelta(seconds=1)),
        ("retention", value.retention, timedelta(seconds=1)),
    ):
        if not isinstance(span, timedelta) or not least <= span <= timedelta(days=3650):
            raise ValidationError(f"policy.{name}", "give a timedelta from one second to ten years")
    flag(value.enabled, "policy.enabled")
    return value


def metadata(value: object, field: str = "metadata") -> Metadata:
    """Check metadata that DynamoDB can store and return equal, and return a copy of plain types.

    A subclass may represent itself differently (``repr`` of a NumPy float, ``str`` of an enum member), and could not be
    read back from that.
    """
    if not isinstance(value, Mapping):
        raise ValidationError(field, f"give a mapping, not {_kind(value)}")
    return _metadata_map(cast("Mapping[object, object]", value), field, 0)


def _metadata_map(value: Mapping[object, object], path: str, depth: int) -> dict[str, MetadataValue]:
    plain: dict[str, MetadataValue] = {}
    for key, inner in value.items():
        if not isinstance(key, str):
            raise ValidationError(path, f"has a key of type {_kind(key)}; keys are text")
        name = _storable(key, path)
        if not name or len(name.encode()) > 255:
            raise ValidationError(path, "has a key that is empty or longer than 255 bytes")
        plain[name] = _metadata_value(inner, f"{path}.{name}", depth + 1)
    return plain


def _metadata_value(value: object, path: str, depth: int) -> MetadataValue:
    if depth > MAX_METADATA_DEPTH:
        raise ValidationError(path.split(".", 1)[0], f"is nested more than {MAX_METADATA_DEPTH} levels deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value.bit_length() > 4096:
            raise ValidationError(path, "contains a whole number of more than 4,096 bits")
        return int(value)
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, str):
        return _storable(value, path)
    if isinstance(value, float):
        if not isfinite(value):
            raise ValidationError(path, "contains NaN or an infinity, which cannot be stored")
        return float(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValidationError(path, "contains NaN or an infinity, which cannot be stored")
        return Decimal(value)
    if isinstance(value, Mapping):
        return _metadata_map(cast("Mapping[object, object]", value), path, depth)
    if isinstance(value, list):
        inner = cast("list[object]", value)
        return [_metadata_value(one, f"{path}[{index}]", depth + 1) for index, one in enumerate(inner)]
    if isinstance(value, tuple | set | frozenset):
        kind = _kind(cast("object", value))
        raise ValidationError(path, f"contains a {kind}, which would be returned as a list; give a list")
    raise ValidationError(path, f"contains a {_kind(value)}, which cannot be stored")


def _storable(value: str, field: str) -> str:
    """Return plain text: a subclass's characters, not its ``str``."""
    plain = str.__str__(value)
    try:
        plain.encode()
    except UnicodeEncodeError:
        raise ValidationError(field, "has a lone surrogate, which is not a character") from None
    return plain


def _kind(value: object) -> str:
    return type(value).__name__


def _refuse_none() -> str:
    raise ValidationError("value", "is not an IP address")


def _shown(value: object) -> str:
    """Format a value for an error: short and escaped."""
    shown = ascii(value)
    return shown if len(shown) <= 48 else f"{shown[:45]}..."
