"""The demo's accounts: three hundred built-in lines, and a reader for other files.

A line is a JSON object with ``email``, ``name`` and ``password``, and optionally ``user_agent`` and ``ip_address``. The
people are invented; domains and IP addresses are reserved for examples (RFC 2606, RFC 6761, RFC 5737, RFC 3849).
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from torii_dynamodb.errors import ValidationError

__all__ = ["Account", "Reject", "own_lines", "read_accounts", "read_lines"]

_UNDECOMPOSED = str.maketrans(
    {"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "þ": "th", "Þ": "Th", "ð": "d",
     "æ": "ae", "Æ": "Ae", "ʻ": None, "'": None}
)  # fmt: skip

_MOZILLA = "Mozilla/5.0"
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0"
_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_IPHONE = f"{_MOZILLA} (iPhone; CPU iPhone OS 18_4 like Mac OS X) {_WEBKIT}"
# Browsers inside apps send long user agents, and proxies add to them; the storage keeps 1,024 characters.
_IN_APP = "[FBAN/FBIOS;FBAV/512.0.0.52.98;FBBV/722163481;FBDV/iPhone17,1;FBMD/iPhone;FBSN/iOS;FBSV/18.4;FBLC/de_DE]"
_PROXY = "; ".join(f".NET CLR 4.0.{30000 + part}" for part in range(60))
_USER_AGENTS = (
    f"{_MOZILLA} (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36",
    f"{_MOZILLA} (Macintosh; Intel Mac OS X 10_15_7) {_WEBKIT} Version/18.4 Safari/605.1.15",
    f"{_MOZILLA} (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    f"{_IPHONE} Version/18.4 Mobile/15E148 Safari/604.1",
    f"{_MOZILLA} (Linux; Android 15; Pixel 9 Pro) {_CHROME} Mobile Safari/537.36",
    f"{_IPHONE} Mobile/22E240 {_IN_APP}",
    f"{_MOZILLA} (compatible; CorporateProxy/3.2; {_PROXY})",
    "okhttp/4.12.0",
)

_WORDS = (
    "copper", "lantern", "harbour", "violet", "maple", "thunder", "pocket", "marble", "orbit", "saffron", "willow",
    "anchor", "velvet", "ember",
)  # fmt: skip

# The malformed lines, by line number.
_MALFORMED: dict[int, str] = {
    23: '{"email": "broken@mail.example", "name": "Half a Line"',
    47: '["list@mail.example", "A List", "not an object at all"]',
    71: '{"name": "No Address", "password": "there is no address here"}',
    96: '{"email": "no-at-sign.example", "name": "No At", "password": "an address has an @ in it"}',
    118: '{"email": "jörg@bücher.example", "name": "Jörg", "password": "the local part is not ASCII"}',
    149: '{"email": "short@mail.example", "name": "Too Short", "password": "seven77"}',
    177: '{"email": "number@mail.example", "name": "A Number", "password": 1234567890}',
    203: '{"email": "two words@mail.example", "name": "Two Words", "password": "a space does not belong"}',
    241: '{"email": "long@mail.example", "name": "Too Long", "password": "' + "abcdefgh" * 40 + '"}',
    286: '{"email": "dots@mail..example", "name": "Two Dots", "password": "one dot too many there"}',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One line's account.

    Args:
        line: The line's number, from 1.
        email: As written.
        name: As written.
        password: The password, kept out of the repr.
        user_agent: The browser to sign in with.
        ip_address: The address to sign in from.
    """

    line: int
    email: str
    name: str | None
    password: str = field(repr=False)
    user_agent: str | None = None
    ip_address: str | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that cannot be used.

    Args:
        line: The line's number, from 1.
        reason: Why, for people.
    """

    line: int
    reason: str


def own_lines() -> list[str]:
    """The built-in lines: 280 people, ten of them again in another spelling, and ten malformed lines."""
    people = iter(_people())
    seen: list[dict[str, Any]] = []
    lines: list[str] = []
    again = 0
    while len(lines) < 300:
        number = len(lines) + 1
        if number in _MALFORMED:
            lines.append(_MALFORMED[number])
        elif number % 28 == 0 and again < 10:
            lines.append(_dump(_again(seen[(number * 5) // 7], again)))
            again += 1
        else:
            seen.append(next(people))
            lines.append(_dump(seen[-1]))
    return lines


def _cultures() -> list[list[list[str]]]:
    text = files("torii_dynamodb.cli").joinpath("demo_names.txt").read_text(encoding="utf-8")
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return [lines[start : start + 3] for start in range(0, len(lines), 3)]


def _people() -> Iterator[dict[str, Any]]:
    cultures = _cultures()
    for turn in range(10):
        for culture, (given, family, domains) in enumerate(cultures):
            first, last = given[turn % 5], family[(turn + turn // 5) % 5]
            number = turn * len(cultures) + culture
            words = (_WORDS[number % 14], _WORDS[(number * 5 + 3) % 14], _WORDS[(number * 3 + 7) % 14])
            local_part = _local_part(_spelled(first), _spelled(last), number)
            yield {
                "email": f"{local_part}@{domains[turn % len(domains)]}",
                "name": _full_name(first, last, culture),
                "password": f"{' '.join(words)} {number}",
                "user_agent": _USER_AGENTS[number % len(_USER_AGENTS)],
                "ip_address": f"2001:db8:{number:x}::1" if number % 3 == 0 else f"198.51.100.{number % 254 + 1}",
            }


def _full_name(first: str, last: str, culture: int) -> str:
    shown = first.partition("=")[0], last.partition("=")[0]
    # Japanese, Chinese, Korean and Vietnamese names begin with the family name; the Vietnamese list already does.
    return "".join(reversed(shown)) if culture in {18, 19, 20} else " ".join(shown)


def _spelled(name: str) -> str:
    shown, _, spelled = name.partition("=")
    plain = unicodedata.normalize("NFKD", (spelled or shown).translate(_UNDECOMPOSED))
    return "".join(
        character for character in plain if character.isascii() and (character.isalnum() or character == "-")
    )


def _local_part(first: str, last: str, number: int) -> str:
    low, end = first.lower(), last.lower()
    styles = (
        f"{low}.{end}", f"{first}.{last}", f"{low[0]}{end}{number}", f"{low}_{end}", f"{end}.{low}+torii",
        f"{first.upper()}.{last.upper()}", f"{low}{number}",
    )  # fmt: skip
    return styles[number % len(styles)]


def _again(person: dict[str, Any], count: int) -> dict[str, Any]:
    local, _, domain = person["email"].partition("@")
    ascii_domain = domain.encode("idna").decode()
    spellings = (
        f"{local.upper()}@{domain}",
        f"{local.lower()}@{ascii_domain}",
        f"{local}@{domain.upper()}",
        f"  {local.swapcase()}@{ascii_domain.upper()}",
    )
    return person | {"email": spellings[count % 4], "password": "another password for the same address"}


def _dump(person: dict[str, Any]) -> str:
    return json.dumps(person, ensure_ascii=False)


def read_lines(path: Path) -> list[str]:
    """The lines of a file.

    Raises:
        OSError: It cannot be read.
        ValidationError: It is not UTF-8; the message says where.
    """
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValidationError(
            "--accounts", f"{path}: line {line} is not UTF-8 (byte 0x{raw[error.start]:02x}); save the file as UTF-8"
        ) from None
    # Only these end a line: other line separators may be inside a JSON string.
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def read_accounts(lines: Sequence[str]) -> tuple[list[Account], list[Reject]]:
    """The accounts in JSON lines, and the lines without one. Empty lines are skipped."""
    accounts: list[Account] = []
    rejects: list[Reject] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        found = _read_line(number, line)
        if isinstance(found, Account):
            accounts.append(found)
        else:
            rejects.append(Reject(number, found))
    return accounts, rejects


def _read_line(number: int, line: str) -> Account | str:
    try:
        parsed: object = json.loads(line)
    except json.JSONDecodeError as error:
        return f"is not JSON: {error.msg} at column {error.colno}"
    except (RecursionError, ValueError) as error:
        return f"is not valid JSON ({type(error).__name__})"
    if not isinstance(parsed, dict):
        return f"is a JSON {_kind(parsed)}; give an object with email, name and password"
    fields = cast("dict[str, object]", parsed)
    for wanted in ("email", "password"):
        if wanted not in fields:
            return f"has no {wanted!r}"
    for text in ("email", "password", "name", "user_agent", "ip_address"):
        value = fields.get(text)
        if not isinstance(value, str) and (text in {"email", "password"} or value is not None):
            return f"{text} is a JSON {_kind(value)}, not a string"
    try:
        line.encode()
        json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "contains a lone surrogate (\\ud800 to \\udfff), which is not a character"
    return Account(
        line=number,
        email=str(fields["email"]),
        password=str(fields["password"]),
        name=cast("str | None", fields.get("name")),
        user_agent=cast("str | None", fields.get("user_agent")),
        ip_address=cast("str | None", fields.get("ip_address")),
    )


def _kind(value: object) -> str:
    kinds = ((dict, "object"), (list, "list"), (str, "string"), (bool, "boolean"), (int | float, "number"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "null")
