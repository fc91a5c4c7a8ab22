"""Write ``docs/errors.md``, ``docs/configuration.md`` and ``docs/http-api.md`` from the library's source.

    python tools/reference_pages.py            write
    python tools/reference_pages.py --check    write nothing; fail if a page would change

It also fails if an error or an option has no description.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import logging
import re
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import griffe

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools.docs_site import FRAMEWORKS, modules
from tools.http_page import http_page

from torii_dynamodb._web.problems import REASONS, STATUS
from torii_dynamodb.cli.support import exit_code_of
from torii_dynamodb.errors import ToriiError

ROOT = Path(__file__).resolve().parent.parent
MADE = "<!-- Made by tools/reference_pages.py. Do not edit. -->"

ONLY_HTTP = {
    "account_locked_by_administrator": "An administrator locked the account (`code` is `account_locked`). "
    "Waiting does not help.",
    "body_too_large": "The body of the request is too large. The message says what is allowed.",
    "cross_site": "The request came from another site, or the form has expired. Reload the page. A front end on "
    "another origin belongs in `WebConfig(trusted_origins=...)`.",
    "email_not_verified": "The route needs a verified address. Offer to send the link again.",
    "internal_error": "Something failed that is not the client's fault; the log has the details.",
    "not_signed_in": "There is no session, or it has ended. Ask the person to sign in.",
    "other_user_signed_in": "Another user is signed in in this browser. Ask, then send `replace_session`.",
    "recent_sign_in_required": "The route needs a recent sign-in. Ask the person to sign in again.",
    "session_required": "An access token is not enough here: send the session.",
}
"""Codes of HTTP responses behind which there is no exception of the library."""

OPTIONS = {
    "Storage": ["config.DynamoDbConfig", "config.RateLimit", "cache.ValkeyCache"],
    "Services": [
        "Torii",
        "policies.SessionPolicy",
        "policies.PasswordPolicy",
        "LockoutPolicy",
        "policies.SecondFactorPolicy",
        "policies.HashingPool",
        "policies.Argon2Hasher",
        "passkeys.PasskeySettings",
        "jwt.JwtSettings",
        "jwt.JwtKey",
    ],
    "Mail": ["mail.MailSettings", "mail.SmtpMailer", "mail.SesMailer"],
    "Looks and languages": ["branding.Brand", "languages.Languages"],
    "Providers": [
        "oauth.google",
        "oauth.microsoft",
        "oauth.apple",
        "oauth.github",
        "oauth.oidc",
        "oauth.OAuthProvider",
        "oauth.ClientKey",
    ],
    "Web": [
        "fastapi.WebConfig",
        "fastapi.pages.PagesConfig",
        "fastapi.admin.Admin",
        "fastapi.ToriiMiddleware",
        "fastapi.Tenants",
        "fastapi.Tenant",
    ],
    "AWS": ["aws_lambda.Authorizer", "publishers.EventBridgePublisher", "publishers.SnsPublisher"],
}
"""What the page on the configuration describes, below ``torii_dynamodb``."""


# --- Errors -------------------------------------------------------------------------------------


def errors() -> dict[str, type[ToriiError]]:
    """The public errors by their full name: the root, then the others by name, then those of administration."""
    found: dict[type[ToriiError], str] = {}
    for module in sorted(set(modules()) - set(FRAMEWORKS), key=len):
        loaded = import_module(module)
        for name in getattr(loaded, "__all__", []):
            thing = getattr(loaded, name)
            if inspect.isclass(thing) and issubclass(thing, ToriiError):
                home = "torii_dynamodb.errors" if thing.__module__.endswith(".errors") else module
                found.setdefault(thing, f"{home if thing is not ToriiError else 'torii_dynamodb'}.{name}")
    ordered = sorted(found.items(), key=lambda one: (one[0] is not ToriiError, ".admin." in one[1], one[0].__name__))
    return {home: kind for kind, home in ordered}


def errors_page() -> str:
    """The reference of errors."""
    lines = [
        "# Errors",
        "",
        MADE,
        "",
        "Every error that the library raises on purpose is a `ToriiError`. It has a `code`, which does not change",
        "between releases, a `message` for people, and the `request_id` of AWS if there was a response. No message",
        "contains a password, a token or a hash. The web layer turns an error into a problem (RFC 9457) with the HTTP",
        "status of the table and the same `code`; the command line prints the message and ends with the exit code",
        "([exit codes](admin/commands.md#exit-codes)). With a status of 500, the client gets `internal_error`, and the",
        "message goes to the log.",
        "",
        "| error | code | HTTP status | exit code |",
        "|---|---|---|---|",
    ]
    kinds = errors()
    for home, kind in kinds.items():
        if kind is not ToriiError:
            name = home.rpartition(".")[2]
            lines.append(f"| [`{name}`](#{name.lower()}) | `{kind.code}` | {status(kind.code)} | {exit_code(kind)} |")
    for home, kind in kinds.items():
        lines += ["", f"## {home.rpartition('.')[2]}", "", f"`{home}`", "", *described(kind)]
    lines += [
        "",
        "## Only over HTTP",
        "",
        "These codes are in responses of the web layer and have no error behind them.",
        "",
        "| code | HTTP status | meaning, and what to do |",
        "|---|---|---|",
    ]
    lines += [f"| `{code}` | {STATUS[code]} | {meaning} |" for code, meaning in sorted(ONLY_HTTP.items())]
    unnamed = set(STATUS) - set(ONLY_HTTP) - {kind.code for kind in kinds.values()}
    if unnamed:
        raise SystemExit(f"tools/reference_pages.py: describe in ONLY_HTTP: {', '.join(sorted(unnamed))}")
    return "\n".join(lines) + "\n"


def status(code: str) -> str:
    """The HTTP status of an error, and those of its reasons."""
    by_reason: dict[int, list[str]] = {}
    for (kind, reason), number in REASONS.items():
        if kind == code:
            by_reason.setdefault(number, []).append(f"`{reason}`")
    return "; ".join([str(STATUS.get(code, 500)), *(f"{n} for {', '.join(found)}" for n, found in by_reason.items())])


def exit_code(kind: type[ToriiError]) -> int:
    """The exit code of an error, which depends only on its class."""
    return int(exit_code_of(kind.__new__(kind)))


def described(kind: type) -> Iterator[str]:
    """What a class says of itself, and its attributes as a list."""
    for section in parsed(kind):
        if section.kind is griffe.DocstringSectionKind.text:
            yield from inline(section.value).splitlines()
        elif section.kind is griffe.DocstringSectionKind.attributes:
            yield ""
            for attribute in section.value:
                yield f"- `{attribute.name}`: {inline(' '.join(attribute.description.split()))}"


# --- Options ------------------------------------------------------------------------------------


def configuration_page() -> str:
    """The reference of options."""
    lines = [
        "# Configuration",
        "",
        MADE,
        "",
        "Every option, its default and its meaning. An invalid value is a `ConfigurationError` when the object is",
        "made, with the option's name. The asynchronous classes (`AsyncTorii`, `AsyncValkeyCache`, ...) take the same",
        "options as the blocking ones. [AWS settings](aws-settings.md) lists the environment variables of AWS, and",
        "[the command line](admin/commands.md) those of the commands.",
    ]
    for part, names in OPTIONS.items():
        lines += ["", f"## {part}"]
        for name in names:
            lines += options_of(name)
    return "\n".join(lines) + "\n"


def options_of(name: str) -> Iterator[str]:
    """The options of a class or function, as a table."""
    module, _, short = f"torii_dynamodb.{name}".rpartition(".")
    made = getattr(import_module(module), short)
    parameters = inspect.signature(made).parameters
    meanings = {
        one.name: inline(" ".join(one.description.split()))
        for section in parsed(made)
        if section.kind is griffe.DocstringSectionKind.parameters
        for one in section.value
    }
    missing = set(parameters) - set(meanings)
    if missing:
        raise SystemExit(f"{module}.{short}: its docstring does not describe {', '.join(sorted(missing))}")
    first = next(one for one in parsed(made) if one.kind is griffe.DocstringSectionKind.text)
    yield from ("", f"### {short}", "", f"`{module}.{short}`: {inline(first.value.split(chr(10) * 2)[0])}".rstrip(), "")
    yield from ("| option | default | meaning |", "|---|---|---|")
    for option, parameter in parameters.items():
        meaning = meanings[option].replace("|", "\\|")
        yield f"| `{option}` | {default(made, parameter)} | {meaning} |"


def default(made: Any, parameter: inspect.Parameter) -> str:
    """An option's default, as somebody would write it."""
    value: Any = parameter.default
    fields = {one.name: one for one in dataclasses.fields(made)} if dataclasses.is_dataclass(made) else {}
    found = fields.get(parameter.name)
    if found is not None and found.default_factory is not dataclasses.MISSING:
        value = found.default_factory()
        if not isinstance(value, str | int | bool | tuple | list | frozenset | timedelta) and value:
            return f"`{type(value).__name__}()`"
    if value is inspect.Parameter.empty:
        return "required"
    if isinstance(value, timedelta):
        return length(value)
    if callable(value):
        return "the system's" if parameter.name in ("clock", "random") else f"`{value.__name__}`"
    if not isinstance(value, str | bool | int | float | None) and not value:
        return "none"
    text = repr(value)
    return "see the meaning" if "object at" in text else f"`{text}`"


def length(value: timedelta) -> str:
    """A length of time in its largest whole unit."""
    seconds = value.total_seconds()
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= size and seconds % size == 0:
            count = int(seconds / size)
            return f"{count} {unit if count != 1 else unit[:-1]}"
    return f"{seconds:g} seconds"


# --- Docstrings ---------------------------------------------------------------------------------


def parsed(thing: Any) -> list[griffe.DocstringSection]:
    """The sections of a docstring."""
    text = inspect.getdoc(thing)
    if not text:
        raise SystemExit(f"{thing.__module__}.{thing.__qualname__} has no docstring")
    return griffe.Docstring(text).parse("google", warnings=False)


def inline(text: str) -> str:
    """A docstring's text as Markdown."""
    text = re.sub(
        r":\w+:`([^`]+)`", lambda role: f"`{role[1].rpartition('.')[2] if '~' in role[1] else role[1]}`", text
    )
    text = text.replace("``", "`")
    return re.sub(r"`docs/([\w/-]+\.md)`", r"[\1](\1)", text)


PAGES: dict[str, Callable[[], str]] = {
    "docs/errors.md": errors_page,
    "docs/configuration.md": configuration_page,
    "docs/http-api.md": lambda: http_page(MADE),
}


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Write or check; the exit status."""
    parser = argparse.ArgumentParser(description="Write the pages that come from the source.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page would change")
    check = parser.parse_args(arguments).check
    logging.getLogger("griffe").setLevel(logging.ERROR)
    wrong = False
    for name, make in PAGES.items():
        page, text = root / name, make()
        if not check:
            page.write_text(text, encoding="utf-8")
        elif not page.exists() or page.read_text(encoding="utf-8") != text:
            print(f"{name}: not what the library says; run: python tools/reference_pages.py")
            wrong = True
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
