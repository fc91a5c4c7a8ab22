"""Middleware for applications on Starlette or another ASGI framework, without FastAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from torii_dynamodb._web.settings import WebConfig
from torii_dynamodb.errors import ConfigurationError, ToriiError
from torii_dynamodb.fastapi.errors import Problem, ProblemResponse, problem_of
from torii_dynamodb.fastapi.tenants import path_below_root
from torii_dynamodb.fastapi.web import Caller, Web

if TYPE_CHECKING:
    from torii_dynamodb._async.services import AsyncTorii

__all__ = ["TenantMiddleware", "ToriiMiddleware"]


class ToriiMiddleware:
    """Sets ``user``, ``session`` and ``signed_in`` on ``request.state`` (``None`` if nobody is signed in).

    ``signed_in`` is a :class:`~torii_dynamodb.fastapi.Caller`, which also says how they are signed in: with ``"jwt"``
    among the configuration's ``transports``, that may be by an access token.

    A request with a session costs one storage request, others none. A request from another site that carries the cookie
    and may change something is refused with 403. If the storage cannot be reached, the response is 503 (500 if a retry
    would not help), as problem details. A refused WebSocket is never opened.

    It opens a storage made by ``dynamodb()`` when the application starts; when the application ends, it waits for mails
    being sent and closes that storage.

    Args:
        app: The application.
        torii: The services.
        config: How the web layer behaves; the router's configuration, if there is a router.
        web: A router's ``web``, instead of both: then its dependencies share the check of the session.
    """

    def __init__(
        self,
        app: ASGIApp,
        torii: AsyncTorii | None = None,
        *,
        config: WebConfig | None = None,
        web: Web | None = None,
    ) -> None:
        if web is None:
            if torii is None:
                raise TypeError("give torii, or a router's web")
            web = Web(torii, WebConfig() if config is None else config)
        self.app = app
        self.web = web

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, self._with_storage(send))
            return
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        try:
            # Other parts of the application may need no tenant.
            found = await self.web.caller(HTTPConnection(scope)) if self.web.in_tenant else None
        except Problem as problem:
            await _refuse(problem, scope, receive, send)
            return
        except ToriiError as error:
            await _refuse(problem_of(error), scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["user"] = None if found is None else found.user
        state["session"] = None if found is None else found.session
        state["signed_in"] = found
        moved = found is not None and found.moved and found.transport == "cookie" and scope["type"] == "http"
        await self.app(scope, receive, self._setting(send, found) if moved and found is not None else send)

    def _with_storage(self, send: Send) -> Send:
        """Open the storage before the application reports that it has started, and close it when it has ended."""

        async def sending(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await self.web.start()
            elif message["type"].startswith("lifespan.shutdown"):
                await self.web.end()
            await send(message)

        return sending

    def _setting(self, send: Send, found: Caller) -> Send:
        """Set the session cookie, unless the application sets or deletes it itself."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                name = f"{self.web.cookies.session}="
                if not any(cookie.startswith(name) for cookie in headers.getlist("set-cookie")):
                    ours = Response()
                    self.web.leave_session(ours, found.session)
                    for cookie in ours.headers.getlist("set-cookie"):
                        headers.append("set-cookie", cookie)
            await send(message)

        return sending


class TenantMiddleware:
    """Finds the tenant that a request is for: ``app.add_middleware(TenantMiddleware, web=auth.web)``.

    Add it after all other middleware that uses tenants, such as ``ToriiMiddleware``: what is added last runs first.
    A request for no tenant, or for one that does not exist, goes on, so that the application can have pages outside of
    tenants; our routes, pages and dependencies then respond with 404. It makes no storage request.

    With ``by_path``, the tenant's path becomes part of ``root_path``, as that of a mount does.

    Args:
        app: The application.
        web: A router's ``web``.
    """

    def __init__(self, app: ASGIApp, *, web: Web) -> None:
        if web.tenants is None:
            raise ConfigurationError("TenantMiddleware needs tenants: router(torii, tenants=Tenants(...))")
        self.app = app
        self._web = web
        self._tenants = web.tenants

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        try:
            part = await self._web.tenant_of(connection)
        except ToriiError as error:
            await _refuse(problem_of(error), scope, receive, send)
            return
        if part is not None and part.path:
            root, below = path_below_root(connection)
            scope = {**scope, "root_path": root + part.path, "path": root + below}
        token = self._tenants.enter(part)
        try:
            await self.app(scope, receive, send)
        finally:
            self._tenants.leave(token)


async def _refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            # Closed before it is accepted: the server responds with 403, whatever the code (ASGI, "Close").
            await send({"type": "websocket.close", "code": 1008 if problem.status_code < 500 else 1011})
            return
    await ProblemResponse(problem)(scope, receive, send)
