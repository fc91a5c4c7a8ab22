"""The signed-in user, their sessions, and signing out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from torii_dynamodb.errors import NotFound
from torii_dynamodb.fastapi.dependencies import Dependencies
from torii_dynamodb.fastapi.errors import Problem
from torii_dynamodb.fastapi.routing import BODY, RECENT, problems
from torii_dynamodb.fastapi.schemas import MethodsOut, SessionOut, SessionsOut, SignedInOut, UserIn, UserOut
from torii_dynamodb.fastapi.web import Caller, Web

__all__ = ["add"]

SessionId = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="From the list of sessions.")]


def add(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    """Add the routes."""
    _add_user(router, web, dependencies)
    _add_sessions(router, web, dependencies)
    _add_ending(router, web, dependencies)


def _add_user(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    torii = web.torii

    @router.get("/methods", summary="The available ways to sign in", responses=problems())
    async def methods() -> MethodsOut:
        """For a front end with its own sign-in page."""
        return MethodsOut(
            registration=web.config.registration != "off",
            password=True,
            magic_link=torii.sends_mail,
            email_code=torii.sends_mail,
            passkeys=torii.takes_passkeys,
            second_factors=torii.takes_second_factors,
            oauth=[provider.name for provider in torii.oauth_providers],
            access_tokens=torii.issues_jwt,
        )

    @router.get("/me", summary="The signed-in user", responses=problems("not_signed_in"))
    async def me(found: Caller = Depends(dependencies.caller)) -> UserOut:
        """Returns the user."""
        return UserOut.of(found.user)

    @router.patch(
        "/me",
        summary="Change the profile",
        responses=problems(*BODY, "not_signed_in", "version_conflict"),
    )
    async def change_me(body: UserIn, found: Caller = Depends(dependencies.signed_in)) -> UserOut:
        """Changes the display name; `null` removes it."""
        return UserOut.of(await torii.update_user(found.user, name=body.name))

    @router.delete(
        "/me",
        status_code=204,
        summary="Delete the account",
        responses=problems("cross_site", *RECENT, "revoked"),
    )
    async def delete_me(response: Response, found: Caller = Depends(dependencies.recent())) -> None:
        """Deletes the user with all identities, sessions and links. This cannot be undone."""
        await torii.delete_user(found.user.id, user=found.user)
        _forget(web, response, found)


def _add_sessions(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    torii = web.torii

    @router.get("/session", summary="The session", responses=problems("not_signed_in"))
    async def session(found: Caller = Depends(dependencies.signed_in)) -> SignedInOut:
        """The user and the session of this request."""
        return SignedInOut.of(found.user, found.session)

    @router.get("/sessions", summary="Your devices", responses=problems("not_signed_in"))
    async def sessions(found: Caller = Depends(dependencies.signed_in)) -> SessionsOut:
        """All sessions of the user, newest first."""
        listed = await torii.list_sessions(found.user.id)
        return SessionsOut(sessions=[SessionOut.of(one, found.session.id) for one in listed])

    @router.delete(
        "/sessions/{session_id}",
        status_code=204,
        summary="Sign one device out",
        responses=problems("cross_site", "validation_error", "not_signed_in", "not_found"),
    )
    async def end_one(
        session_id: SessionId, response: Response, found: Caller = Depends(dependencies.signed_in)
    ) -> None:
        """Ends one of the user's sessions."""
        if not await torii.delete_session_by_id(found.user.id, session_id):
            raise NotFound("session", "you have no such session")
        if session_id == found.session.id:
            _forget(web, response, found)


def _add_ending(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    torii = web.torii

    @router.post("/sign-out", status_code=204, summary="Sign out", responses=problems("cross_site", "session_required"))
    async def sign_out(
        request: Request, response: Response, found: Caller | None = Depends(dependencies.optional_signed_in)
    ) -> None:
        """Ends the session, and deletes the cookie even if it is no longer valid."""
        if found is not None:
            await torii.delete_session(found.token)
        if found is None or found.transport == "cookie":
            web.forget_session(response)
            await web.drop_begun(request, response)

    @router.post(
        "/sessions/end-others",
        summary="Sign out everywhere else",
        responses=problems("cross_site", "not_signed_in"),
    )
    async def end_others(
        request: Request, response: Response, found: Caller = Depends(dependencies.signed_in)
    ) -> SignedInOut:
        """All sessions end. This one is replaced with a new one."""
        session = await torii.delete_other_sessions(found.token)
        if session is None:
            raise Problem(401, "not_signed_in", "all sessions have ended; sign in again")
        if found.transport == "bearer":
            return SignedInOut.of(found.user, session, session.token)
        web.leave_session(response, session)
        return SignedInOut.of(found.user, session)

    @router.post(
        "/sessions/end-all",
        status_code=204,
        summary="Sign out everywhere",
        responses=problems("cross_site", "not_signed_in"),
    )
    async def end_all(response: Response, found: Caller = Depends(dependencies.signed_in)) -> None:
        """When it returns, no session of the user is valid on any device."""
        await torii.delete_sessions_for_user(found.user.id)
        _forget(web, response, found)


def _forget(web: Web, response: Response, found: Caller) -> None:
    if found.transport == "cookie":
        web.forget_session(response)
