"""The account's devices: signing them out."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from torii_dynamodb.fastapi.pages.account import Account
from torii_dynamodb.fastapi.pages.render import Site

__all__ = ["add"]


def add(router: APIRouter, site: Site) -> None:
    """Add the pages to a router."""
    account = Account(site)
    web, torii = site.web, site.torii

    @router.post("/account/devices/end")
    async def end_one(request: Request) -> Response:
        found, form = await account.changing(request)
        # A session that has already ended counts as ended.
        await torii.delete_session_by_id(found.user.id, form.get("session_id", ""))
        return account.done("device-ended")

    @router.post("/account/devices/end-others")
    async def end_others(request: Request) -> Response:
        found, _ = await account.changing(request)
        session = await torii.delete_other_sessions(found.token)
        if session is None:
            raise account.sign_in_first()
        response = account.done("others-ended")
        web.leave_session(response, session)
        return response

    @router.post("/account/devices/end-all")
    async def end_all(request: Request) -> Response:
        found, _ = await account.changing(request)
        await torii.delete_sessions_for_user(found.user.id)
        response = site.redirect(site.path("sign-in", notice="signed-out-everywhere"))
        web.forget_session(response)
        return response
