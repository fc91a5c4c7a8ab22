"""The account's other ways to sign in: passkeys and accounts at providers."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from torii_dynamodb.errors import (
    AlreadyExists,
    LastSignInMethod,
    NotFound,
    TooManyIdentities,
    ValidationError,
)
from torii_dynamodb.fastapi.errors import Problem
from torii_dynamodb.fastapi.pages.account import Account
from torii_dynamodb.fastapi.pages.forms import FieldError, answer_of, field_error
from torii_dynamodb.fastapi.pages.providers import go_on
from torii_dynamodb.fastapi.pages.render import Site
from torii_dynamodb.fastapi.routing import AuthRoute
from torii_dynamodb.languages import gettext, marked, ngettext
from torii_dynamodb.passkeys import PasskeyError

__all__ = ["add"]

_LAST = marked("This is your only way to sign in. Add another one first.")


def add(router: APIRouter, site: Site) -> None:
    """Add the pages to a router."""
    account = Account(site)
    if site.torii.takes_passkeys:
        _add_passkeys(router, account)
    if site.torii.oauth_providers:
        _add_connecting(router, account)
    _add_disconnecting(router, account)


def _add_passkeys(router: APIRouter, account: Account) -> None:
    site, torii = account.site, account.torii

    async def options(request: Request) -> Response:
        await site.form(request)
        found = await site.person(request)
        if found is None or site.proof_page(found, site.path("account")) is not None:
            raise Problem(403, "recent_sign_in_required", "sign in again to do this, then reload the page")
        return JSONResponse(await torii.passkeys.begin_registration(found.user), headers=site.headers())

    router.add_api_route("/account/passkeys/options", options, methods=["POST"], route_class_override=AuthRoute)

    @router.post("/account/passkeys")
    async def add_one(request: Request) -> Response:
        found, form = await account.changing(request, recent=True)
        name = form.get("name", "").strip() or gettext("Passkey")
        status = 422
        try:
            await torii.passkeys.complete_registration(found.user, answer_of(form), name=name)
        except ValidationError as error:
            errors = [field_error(error, {"name": ("new-passkey-name", marked("The name"))})]
        except PasskeyError:
            errors = [FieldError("add-passkey", gettext("The passkey was not accepted. Try again."))]
        except AlreadyExists:
            errors, status = [FieldError("add-passkey", gettext("This passkey belongs to another account."))], 409
        except TooManyIdentities as error:
            errors = [
                FieldError(
                    "add-passkey",
                    ngettext(
                        "An account can have only %(num)s way to sign in.",
                        "An account can have at most %(num)s ways to sign in.",
                        error.limit,
                    ),
                )
            ]
        else:
            return account.done("passkey-added")
        return await account.show(request, found, errors=errors, status=status, passkey_name=name)

    @router.post("/account/passkeys/rename")
    async def rename(request: Request) -> Response:
        found, form = await account.changing(request)
        try:
            renamed = await torii.passkeys.rename(found.user.id, _id(form), form.get("name", "").strip())
        except ValidationError as error:
            errors = [field_error(error, {"name": (f"passkey-{form.get('id', '')}", marked("The name"))})]
            return await account.show(request, found, errors=errors, status=422)
        if renamed is None:
            raise NotFound("passkey", "you have no such passkey")
        return account.done("passkey-renamed")

    @router.post("/account/passkeys/remove")
    async def remove(request: Request) -> Response:
        found, form = await account.changing(request, recent=True)
        try:
            await torii.passkeys.remove(
                found.user.id, _id(form), user=found.user, allow_verified_email=torii.sends_mail
            )
        except LastSignInMethod:
            errors = [FieldError(f"remove-passkey-{form.get('id', '')}", gettext(_LAST))]
            return await account.show(request, found, errors=errors, status=409)
        return account.done("passkey-removed")


def _id(form: dict[str, str]) -> bytes:
    try:
        found = bytes.fromhex(form.get("id", ""))
    except ValueError:
        found = b""
    if not 1 <= len(found) <= 1023:
        raise NotFound("passkey", "you have no such passkey")
    return found


def _add_connecting(router: APIRouter, account: Account) -> None:
    site = account.site

    @router.post("/account/connect")
    async def connect(request: Request) -> Response:
        found, form = await account.changing(request, recent=True)
        return await go_on(
            site,
            request,
            form.get("provider", ""),
            next_url=site.path("account", notice="account-connected"),
            failure_url=site.path("account"),
            link_to=found,
        )


def _add_disconnecting(router: APIRouter, account: Account) -> None:
    torii = account.torii

    @router.post("/account/disconnect")
    async def disconnect(request: Request) -> Response:
        found, form = await account.changing(request, recent=True)
        provider, subject = form.get("provider", ""), form.get("subject", "")
        try:
            await torii.oauth.unlink(
                found.user.id, provider, subject, user=found.user, allow_verified_email=torii.sends_mail
            )
        except LastSignInMethod:
            errors = [FieldError(f"disconnect-{provider}", gettext(_LAST))]
            return await account.show(request, found, errors=errors, status=409)
        return account.done("account-disconnected")
