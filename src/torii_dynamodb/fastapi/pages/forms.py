"""Reading forms, and reporting what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, cast
from urllib.parse import parse_qsl

from starlette.requests import Request

from torii_dynamodb.errors import AccountLocked, InvalidCode, RateLimited, ValidationError
from torii_dynamodb.fastapi.errors import Problem
from torii_dynamodb.fastapi.pages.reasons import in_words
from torii_dynamodb.languages import gettext, ngettext
from torii_dynamodb.passkeys import PasskeyError

__all__ = [
    "CSRF",
    "FieldError",
    "FormErrors",
    "all_refusals",
    "answer_of",
    "field_error",
    "missing",
    "read_form",
    "refusal",
    "refused_code",
    "wait_text",
]

CSRF = "csrf_token"
"""The name of the field with the form token."""

_MOST_BYTES = 65_536  # a passkey takes about 4 KB, everything else less
_MOST_FIELDS = 32


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with a field.

    Args:
        id: The field's id on the page.
        message: What is wrong, as a sentence.
    """

    id: str
    message: str


class FormErrors(dict[str, str]):
    """The messages of a page's errors by field, which notes those that the page shows.

    Args:
        errors: The errors, in the order of the fields.
    """

    def __init__(self, errors: Iterable[FieldError]) -> None:
        super().__init__({error.id: error.message for error in errors})
        self._shown: set[str] = set()

    def __getitem__(self, field: str) -> str:
        """The message of a field, which is shown now."""
        self._shown.add(field)
        return super().__getitem__(field)

    def unshown(self) -> list[tuple[str, str]]:
        """What has no place of its own on the page."""
        return [(field, message) for field, message in self.items() if field not in self._shown]


def field_error(error: ValidationError, names: Mapping[str, tuple[str, str]]) -> FieldError:
    """Turn the error of an argument into that of a field.

    Args:
        error: The error.
        names: For each argument, the field's id on the page and the beginning of a sentence about it.
    """
    field, begins = names.get(error.field, next(iter(names.values())))
    return FieldError(field, in_words(error, begins))


def refusal(
    error: ValidationError | AccountLocked | RateLimited, names: Mapping[str, tuple[str, str]], *, wait_at: str
) -> tuple[list[FieldError], int]:
    """A refused form's errors, and the status of the response.

    Args:
        error: Why it was refused.
        names: As for :func:`field_error`.
        wait_at: The id of the field that shows how long to wait.
    """
    if isinstance(error, ValidationError):
        return [field_error(error, names)], 422
    return [FieldError(wait_at, wait_text(error))], 429


def missing(form: Mapping[str, str], fields: Mapping[str, tuple[str, str]]) -> list[FieldError]:
    """What to say about empty fields.

    Args:
        form: The form.
        fields: By name, the field's id on the page and the sentence.
    """
    empty = [at for name, at in fields.items() if not form.get(name, "").strip()]
    return [FieldError(field, gettext(text)) for field, text in empty]


async def all_refusals(
    first: ValidationError, names: Mapping[str, tuple[str, str]], *checks: Callable[[], object]
) -> list[FieldError]:
    """All errors of a form, in the order of its fields; a service raises only the first one that it finds.

    Args:
        first: The error that was raised.
        names: As for :func:`field_error`, in the order of the form.
        checks: Each checks one argument, and may be asynchronous.
    """
    found = [field_error(first, names)]
    for check in checks:
        try:
            done = check()
            if isawaitable(done):
                await done
        except ValidationError as error:
            found.append(field_error(error, names))
    by_field = {error.id: error for error in reversed(found)}
    return [by_field[field] for field, _ in names.values() if field in by_field]


def refused_code(error: InvalidCode | AccountLocked | RateLimited, wrong: str) -> tuple[list[FieldError], int]:
    """What is wrong with a typed code, and the status of the response."""
    if isinstance(error, InvalidCode):
        return [FieldError("code", gettext(wrong))], 401
    return [FieldError("code", wait_text(error))], 429


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form sent as ``application/x-www-form-urlencoded``. For repeated names, the last one counts.

    Raises:
        Problem: It is too large or has another content type.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Problem(415, "validation_error", "send the page's form")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise Problem(413, "body_too_large", "the form is too large")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as error:
        raise Problem(400, "validation_error", "the form is not valid") from error
    return dict(pairs)


def wait_text(error: AccountLocked | RateLimited) -> str:
    """What to tell someone who has to wait."""
    if error.retry_after is None:
        return gettext("This account is locked. Contact the operator of this site.")
    # Rounded up, so that the next attempt is not too early.
    minutes = max(-(-int(error.retry_after.total_seconds() + 1) // 60), 1)
    if isinstance(error, RateLimited) and error.what == "mail":
        return ngettext(
            "Too many of these emails were requested for this address. If you received any, the link in the newest "
            "still works. Otherwise wait a minute, then try again.",
            "Too many of these emails were requested for this address. If you received any, the link in the newest "
            "still works. Otherwise wait %(num)s minutes, then try again.",
            minutes,
        )
    return ngettext(
        "There were too many attempts. Wait a minute, then try again.",
        "There were too many attempts. Wait %(num)s minutes, then try again.",
        minutes,
    )


def answer_of(form: dict[str, str]) -> dict[str, Any]:
    """The credential that the script put into the form.

    Raises:
        PasskeyError: There is none.
    """
    try:
        found: object = json.loads(form.get("answer", ""))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise PasskeyError("malformed", "the browser did not send a WebAuthn credential")
    return cast("dict[str, Any]", found)
