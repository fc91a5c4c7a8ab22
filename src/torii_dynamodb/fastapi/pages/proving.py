"""What a page asks of people who prove an address: nothing, the password, or a new password to start afresh."""

from __future__ import annotations

from torii_dynamodb.errors import AccountLocked, InvalidCredentials, ValidationError
from torii_dynamodb.fastapi.pages.forms import FieldError, refusal
from torii_dynamodb.languages import gettext, marked

__all__ = ["chosen", "refused"]


def chosen(form: dict[str, str]) -> dict[str, str]:
    """The choice made on the page, as arguments for the service; empty if nothing was asked.

    Raises:
        InvalidCredentials: The password is empty, which does not count as an attempt.
    """
    choice = form.get("choice")
    if choice == "afresh":
        return {"new_password": form.get("new_password", "")}
    if choice != "keep":
        return {}
    if not form.get("password"):
        raise InvalidCredentials("the password is missing")
    return {"password": form["password"]}


def refused(error: AccountLocked | InvalidCredentials | ValidationError) -> tuple[list[FieldError], int]:
    """What is wrong with the password, and the status of the response."""
    if isinstance(error, InvalidCredentials):
        return [FieldError("password", gettext("The password is wrong."))], 422
    return refusal(error, {"password": ("new-password", marked("The new password"))}, wait_at="password")
