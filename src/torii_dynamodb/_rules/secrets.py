r"""The secrets we issue: session tokens and one-time tokens. One shape, two prefixes.

``torii_s1_<user id>.<43 characters><8 characters>``: a fixed prefix and a checksum, so that secret scanners find leaks
and garbage is refused without a request; the user id, so that a check reads session and user at the same time; 256
random bits. The checksum is public and proves nothing. The SHA-256 of the whole text is stored; a plain hash is enough
for a secret of 256 random bits, which nobody can guess offline.

Scanner pattern: ``torii_[st]1_[A-Za-z0-9_-]{0,64}\.[A-Za-z0-9_-]{43}[0-9a-f]{8}``
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256
from zlib import crc32

from torii_dynamodb._rules import base64url
from torii_dynamodb.clock import RandomBytes

__all__ = [
    "ParsedSecret",
    "digest",
    "make_one_time_token",
    "make_session_token",
    "parse_one_time_token",
    "parse_session_token",
]

_SESSION = "torii_s1_"
_ONE_TIME = "torii_t1_"
_SESSION_TOKEN = re.compile(r"torii_s1_([A-Za-z0-9_-]{1,64})\.[A-Za-z0-9_-]{43}[0-9a-f]{8}", re.ASCII)
_ONE_TIME_TOKEN = re.compile(r"torii_t1_([A-Za-z0-9_-]{0,64})\.[A-Za-z0-9_-]{43}[0-9a-f]{8}", re.ASCII)
_RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True)
class ParsedSecret:
    """The parts of a well-formed secret.

    Args:
        user_id: The user it names; empty for a one-time token without a user.
        digest: Its SHA-256, in hex.
    """

    user_id: str
    digest: str = field(repr=False)


def digest(secret: str | bytes) -> str:
    """Return the SHA-256 in hex: the form in which a secret is stored."""
    return sha256(secret.encode() if isinstance(secret, str) else secret).hexdigest()


def make_session_token(user_id: str, random: RandomBytes) -> str:
    """Make a session token for a user."""
    return _make(_SESSION, user_id, random)


def make_one_time_token(user_id: str | None, random: RandomBytes) -> str:
    """Make a one-time token, with or without a user."""
    return _make(_ONE_TIME, user_id or "", random)


def parse_session_token(token: object) -> ParsedSecret | None:
    """Parse a session token; ``None`` if it was not issued as one."""
    return _parse(_SESSION_TOKEN, token)


def parse_one_time_token(token: object) -> ParsedSecret | None:
    """Parse a one-time token; ``None`` if it was not issued as one."""
    return _parse(_ONE_TIME_TOKEN, token)


def _make(prefix: str, user_id: str, random: RandomBytes) -> str:
    secret = base64url.encode(random(_RANDOM_BYTES))
    body = f"{prefix}{user_id}.{secret}"
    return f"{body}{crc32(body.encode()):08x}"


def _parse(pattern: re.Pattern[str], token: object) -> ParsedSecret | None:
    if not isinstance(token, str):
        return None
    match = pattern.fullmatch(token)
    if match is None:
        return None
    raw = token.encode()
    if f"{crc32(raw[:-8]):08x}" != token[-8:]:
        return None
    return ParsedSecret(match[1], sha256(raw).hexdigest())
