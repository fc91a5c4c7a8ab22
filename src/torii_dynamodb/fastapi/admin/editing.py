"""The admin area's changes: users are created, edited, verified, locked, signed out and deleted."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from fastapi import APIRouter, Request
from fastapi.responses import Response

from torii_dynamodb._rules import validation
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb.administration import Belongings
from torii_dynamodb.errors import AlreadyExists, RateLimited, ValidationError, VersionConflict
from torii_dynamodb.fastapi.admin.shared import Area
from torii_dynamodb.fastapi.pages.forms import FieldError, all_refusals, refusal
from torii_dynamodb.languages import gettext, marked, ngettext
from torii_dynamodb.models import User

__all__ = ["add"]

# A form may have 64 KB, and characters may take three bytes in it.
_MOST_METADATA = 16_000
_NEW_USER = {"email": ("email", marked("The address")), "name": ("name", marked("The name"))}
_FIELDS = {"metadata": ("metadata", marked("The metadata")), "name": ("name", marked("The name"))}

Form = dict[str, str]


def add(router: APIRouter, area: Area) -> None:
    """Add the forms, and the pages that ask before something is done, to a router."""
    torii = area.torii
    _add_creation(router, area)
    _add_edit(router, area)
    _add_deletion(router, area)
    action = _Actions(router, area).add
    action("lock", "user-locked", lambda user, _: torii.lock_user(user.id))
    action("unlock", "user-unlocked", lambda user, _: torii.unlock_user(user.id))
    action(
        "verify",
        "user-verified",
        lambda user, form: torii.administration.verify(_as_shown(user, form), keep=form.get("keep") == "yes"),
    )
    action(
        "end-session",
        "session-ended",
        lambda user, form: torii.delete_session_by_id(user.id, form.get("session_id", "")),
    )
    action("end-sessions", "sessions-ended", lambda user, _: torii.delete_sessions_for_user(user.id))
    action("clear-attempts", "attempts-cleared", lambda user, _: torii.storage.clear_attempts(user.email))
    action(
        "remove-factors",
        "second-factors-removed" if torii.sends_mail else "second-factors-removed-untold",
        lambda user, form: torii.administration.remove_second_factors(user, form.get("factor_id")),
    )
    if torii.sends_mail:
        action("send-reset", "reset-sent", lambda user, _: torii.administration.send_reset(user))


class _Actions:
    """Changes that need no more than a button."""

    def __init__(self, router: APIRouter, area: Area) -> None:
        self._router = router
        self._area = area

    def add(self, path: str, notice: str, act: Callable[[User, Form], Awaitable[object]]) -> None:
        """Add a route that does something to a user, and leads back to the user's page with a notice."""

        async def handle(request: Request, user_id: str) -> Response:
            found, user, form = await self._area.changing(request, user_id)
            await act(user, form)
            return self._area.done(found, user, notice)

        self._router.add_api_route(f"/users/{{user_id}}/{path}", handle, methods=["POST"])


def _add_creation(router: APIRouter, area: Area) -> None:
    # Not below /users: a user may have the ID "new".
    @router.get("/new")
    async def ask(request: Request) -> Response:
        found = await area.proved(request, f"{area.start}/new")
        return await area.page(request, "admin_create", found, typed={"invite": "yes"})

    @router.post("/new")
    async def create(request: Request) -> Response:
        found = await area.who(request)
        form = await area.site.form(request)
        area.site.require_proof(found, f"{area.start}/new")
        invite = area.torii.sends_mail and form.get("invite") == "yes"
        try:
            user = await area.torii.administration.create(
                form.get("email", ""),
                name=form.get("name", "").strip() or None,
                verified=form.get("verified") == "yes",
                invite=invite,
            )
        except AlreadyExists:
            errors, status = [FieldError("email", gettext("Another user has this address."))], 409
        except ValidationError as error:
            email, name = form.get("email", ""), form.get("name", "").strip()
            checks = (lambda: normalise_email(email), lambda: name and validation.text(name, "name", most=256))
            errors, status = await all_refusals(error, _NEW_USER, *checks), 422
        except RateLimited as error:
            errors, status = refusal(error, _NEW_USER, wait_at="email")
        else:
            return area.done(found, user, "user-invited" if invite else "user-created")
        return await area.page(request, "admin_create", found, typed=form, errors=errors, status=status)


def _add_edit(router: APIRouter, area: Area) -> None:
    @router.get("/users/{user_id}/edit")
    async def ask(request: Request, user_id: str) -> Response:
        found = await area.proved(request, f"{area.path(user_id)}/edit")
        return await show(request, found, await area.other(found, user_id), {})

    @router.post("/users/{user_id}/edit")
    async def edit(request: Request, user_id: str) -> Response:
        found, user, form = await area.changing(request, user_id)
        _as_shown(user, form)
        try:
            changes: dict[str, Any] = {"name": form.get("name", "").strip() or None}
            if "metadata" in form and _as_json(user.metadata) is not None:
                changes["metadata"] = _parsed(form["metadata"])
            if any(getattr(user, field) != value for field, value in changes.items()):
                await area.torii.update_user(user, **changes)
        except ValidationError as error:
            errors, status = refusal(error, _FIELDS, wait_at="name")
            return await show(request, found, user, form, errors=errors, status=status)
        return area.done(found, user, "user-saved")

    async def show(request: Request, found: Any, user: User, typed: Form, **more: Any) -> Response:
        return await area.page(
            request,
            "admin_edit",
            found,
            user=user,
            base=area.path(user.id),
            name=typed.get("name", user.name or ""),
            metadata=typed.get("metadata", _as_json(user.metadata)),
            **more,
        )


def _add_deletion(router: APIRouter, area: Area) -> None:
    async def show(request: Request, found: Any, user: User, **more: Any) -> Response:
        return await area.page(
            request,
            "admin_delete",
            found,
            user=user,
            base=area.path(user.id),
            is_admin=await area.admits(user),
            lost=_described(await area.torii.administration.belongings(user)),
            **more,
        )

    @router.get("/users/{user_id}/delete")
    async def ask(request: Request, user_id: str) -> Response:
        found = await area.who(request)
        return await show(request, found, await area.other(found, user_id))

    @router.post("/users/{user_id}/delete")
    async def delete(request: Request, user_id: str) -> Response:
        found, user, form = await area.changing(request, user_id)
        if form.get("confirm") != "yes":
            errors = [FieldError("confirm", gettext("Tick the box to confirm that you want to delete this user."))]
            return await show(request, found, user, errors=errors, status=422)
        await area.torii.delete_user(user.id)
        return area.done(found, user, "user-deleted", gone=True)


def _described(belongings: Belongings) -> list[str]:
    counted = [
        ngettext("%(num)s session", "%(num)s sessions", belongings.sessions),
        ngettext("%(num)s passkey", "%(num)s passkeys", belongings.passkeys),
        ngettext("%(num)s second factor", "%(num)s second factors", belongings.second_factors),
    ]
    counts = (belongings.sessions, belongings.passkeys, belongings.second_factors)
    accounts = [gettext("the %(name)s account", name=name) for name in belongings.providers]
    kept = [text for text, count in zip(counted, counts, strict=True) if count]
    return [*([gettext("the password")] if belongings.password else []), *kept, *accounts]


def _as_shown(user: User, form: Form) -> User:
    """Return the user that the administrator saw, who may have another address by now.

    Raises:
        VersionConflict: The user has changed since the page was shown.
    """
    if form.get("version") != str(user.version):
        raise VersionConflict("the user has changed since the page was shown")
    return user


def _as_json(metadata: Mapping[str, Any]) -> str | None:
    """Metadata as JSON for a form; ``None`` if it would not come back equal, or is too large."""
    try:
        text = json.dumps(metadata, ensure_ascii=False, indent=2, default=_plain)
    except (TypeError, ValueError):
        return None
    return text if len(text) <= _MOST_METADATA else None


def _plain(value: object) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    raise TypeError(type(value).__name__)


def _parsed(text: str) -> dict[str, Any]:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ValidationError("metadata", 'must be a JSON object, such as {"plan": "pro"}')
    return cast("dict[str, Any]", value)
