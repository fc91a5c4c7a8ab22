"""All account flows in one ASGI application, for frameworks that are not FastAPI: JSON routes, pages, admin area."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.fastapi.auth_router import router
from torii_dynamodb.fastapi.errors import Problem, ProblemResponse
from torii_dynamodb.fastapi.settings import WebConfig

if TYPE_CHECKING:
    from torii_dynamodb._async.services import AsyncTorii
    from torii_dynamodb.fastapi.admin import Admin
    from torii_dynamodb.fastapi.pages import PagesConfig
    from torii_dynamodb.fastapi.pages.render import Site
    from torii_dynamodb.fastapi.tenants import Tenants

__all__ = ["AccountsApp"]


class AccountsApp:
    """The account flows, as an ASGI application that responds below its own paths.

    Attributes:
        auth: The router of the JSON routes.
        web: What routes, pages, and the checks of your own requests share.
        prefixes: The paths below which it responds, such as ``/auth``.
        pages: The paths of the pages by name: ``account-delete`` for ``/auth/account/delete``.
        site: What the pages share; ``None``: there are none.
        documents: Paths elsewhere at which it responds, such as that of the keys of access tokens.

    Args:
        torii: The services.
        config: How the web layer behaves; ``None``: the defaults.
        pages: How the pages look; ``None``: there are no pages.
        admin: The admin area, which needs pages; ``None``: there is none.
        tenants: The tenants; ``None``: there are none.

    Raises:
        ConfigurationError: The services lack something that the configuration requires.
    """

    def __init__(
        self,
        torii: AsyncTorii,
        *,
        config: WebConfig | None = None,
        pages: PagesConfig | None = None,
        admin: Admin | None = None,
        tenants: Tenants | None = None,
    ) -> None:
        config = WebConfig() if config is None else config
        self.auth = router(torii, config=config, tenants=tenants)
        self.web = self.auth.web
        self.prefixes = [config.prefix]
        self.pages: dict[str, str] = {}
        self.site: Site | None = None
        # Slashes at the end are not dropped: that redirect goes to the host in the request's header.
        self._app = FastAPI(openapi_url=None, redirect_slashes=False)
        self._app.include_router(self.auth)
        if pages is not None:
            self._add_pages(pages, admin)
        elif admin is not None:
            raise ConfigurationError("admin: the admin area needs pages: give pages=PagesConfig(...)")
        # Documents that have their place at the root, such as the keys of access tokens.
        self.documents = frozenset(path for path in _paths(self.auth) if not self._below(path))
        for status in (404, 405, 500):
            self._app.add_exception_handler(status, self._failed)

    def _add_pages(self, settings: PagesConfig, admin: Admin | None) -> None:
        from torii_dynamodb.fastapi.pages import pages
        from torii_dynamodb.fastapi.pages.render import Site

        router = pages(self.web, settings, admin=admin)
        self._app.include_router(router)
        self.prefixes.append(settings.prefix)
        below = [path.removeprefix(f"{settings.prefix}/") for path in _paths(router, "GET")]
        self.pages = {path.replace("/", "-"): f"{settings.prefix}/{path}" for path in below if "{" not in path}
        self.site = Site(self.web, settings, admin=admin)
        if admin is not None:
            self._app.include_router(admin.router(self.web, settings))
            self.prefixes.append(admin.prefix)

    async def _failed(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        code, detail = {
            404: ("not_found", "there is no such page"),
            500: ("internal_error", "something went wrong; the error was logged"),
        }.get(status, ("method_not_allowed", "this URL does not support the method"))
        problem = Problem(status, code, detail, headers=getattr(error, "headers", None))
        if self.site is None or request.url.path.startswith(f"{self.web.config.prefix}/"):
            return ProblemResponse(problem)
        return await self.site.error(request, problem)

    def covers(self, path: str) -> bool:
        """Whether a path of the outer application belongs to this one."""
        return self._below(path) or path in self.documents

    def around(self, application: ASGIApp) -> ASGIApp:
        """Return an ASGI application that serves the account flows itself, and passes all other requests on.

        It is for frameworks that cannot route to an ASGI application without changing its paths. The storage is opened
        at its first use.
        """

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            path = str(scope.get("path", "")).removeprefix(scope.get("root_path", ""))
            ours = scope["type"] == "http" and self.covers(path)
            await (self if ours else application)(scope, receive, send)

        return serve

    def _below(self, path: str) -> bool:
        return any(path == prefix or path.startswith(f"{prefix}/") for prefix in self.prefixes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await self._app(scope, receive, send)


def _paths(router: APIRouter, method: str | None = None) -> list[str]:
    """The paths of a router's routes, of those with this method."""
    routes = [route for route in router.routes if isinstance(route, Route)]
    return [route.path for route in routes if method is None or method in (route.methods or ())]
