"""What a page asks of who proves an address: nothing, the password, or a new one in place of all that was set up."""

from __future__ import annotations

from torii_dynamodb.errors import AccountLocked, InvalidCredentials, ValidationError
from torii_dynamodb.fastapi.pages.forms import FieldError, field_error
from torii_dynamodb.fastapi.pages.sign_in import wait_text

__all__ = ["chosen", "refusal"]


def chosen(form: dict[str, str]) -> dict[str, str]:
    """What was chosen on the page, as arguments for the service; empty where nothing was asked.

    Raises:
        InvalidCredentials: The password was left empty; that is no attempt at it.
    """
    choice = form.get("choice")
    if choice == "afresh":
        return {"new_password": form.get("new_password", "")}
    if choice != "keep":
        return {}
    if not form.get("password"):
        raise InvalidCredentials("the password is missing")
    return {"password": form["password"]}


def refusal(error: AccountLocked | InvalidCredentials | ValidationError) -> tuple[FieldError, int]:
    """What to tell at which field, and the answer's status."""
    if isinstance(error, ValidationError):
        return field_error(error, {"password": ("new-password", "The new password")}), 422
    if isinstance(error, AccountLocked):
        return FieldError("password", wait_text(error)), 429
    return FieldError("password", "The password is wrong."), 422
