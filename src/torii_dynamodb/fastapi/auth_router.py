"""The router: all JSON routes, and dependencies for the application's own routes."""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fastapi import Depends, Request

from torii_dynamodb._web.settings import WebConfig
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.fastapi.access_log import redact_access_log
from torii_dynamodb.fastapi.dependencies import UNCALLED_RECENT, UNCALLED_SECOND_FACTOR, Dependencies
from torii_dynamodb.fastapi.routes import (
    email_codes,
    links,
    oauth,
    passkeys,
    passwords,
    second_factor,
    sessions,
    tokens,
)
from torii_dynamodb.fastapi.routing import AuthRoute, Router
from torii_dynamodb.fastapi.web import Web
from torii_dynamodb.models import User

if TYPE_CHECKING:
    from torii_dynamodb._async.services import AsyncTorii
    from torii_dynamodb._rules.jwt import AccessClaims
    from torii_dynamodb.fastapi.tenants import Tenants

__all__ = ["AuthRouter", "router"]


class AuthRouter(Router):
    """The JSON routes, to include in an application, and dependencies. Created by :func:`router`.

    Once included, it opens a storage made by ``dynamodb()`` when the application starts; when the application ends, it
    waits for mails being sent and closes the storage. Any other storage you close yourself. A mounted application gets
    neither event: there the storage is opened at its first use. To get both, pass ``lifespan_context`` of this router
    to the outer application as its ``lifespan``.

    Attributes:
        web: What the pages and the middleware share with the routes.
        requirements: All dependencies; those needed most often are also attributes of the router.
        current_user: A dependency: the user; 401 if nobody is signed in.
        current_session: A dependency: the session.
        optional_user: A dependency: the user, or ``None``.
        require_verified: A dependency: the user; 403 unless their address is verified.
        current_tenant: A dependency: the name of the tenant that the request is for; 404 if it is for none.

    With ``"jwt"`` among the configuration's ``transports``, these also accept access tokens.
    """

    def __init__(self, web: Web) -> None:
        _require_services(web.model, web.config, tenants=web.tenants is not None)

        @asynccontextmanager
        async def lifespan(_: object) -> AsyncGenerator[None]:
            # FastAPI runs the lifespan of an included router inside the application's own.
            await web.start()
            try:
                yield
            finally:
                await web.end()

        async def refuse_cross_site(request: Request) -> None:
            # A provider that posts its response is always another site; state and the binding cookie protect that
            # request.
            if not (request.method == "POST" and request.url.path.endswith(oauth.CALLBACK)):
                web.refuse_cross_site(request)

        class Route(AuthRoute):
            require_tenant = staticmethod(web.require_tenant)
            note_languages = staticmethod(web.note_languages)

        super().__init__(
            prefix=web.config.prefix,
            tags=["auth"],
            route_class=Route,
            dependencies=[Depends(refuse_cross_site)],
            lifespan=lifespan,
            generate_unique_id_function=lambda route: f"torii_{route.name}_{_slug(route.path)}",
        )
        redact_access_log()
        self.web = web
        self.requirements = dependencies = Dependencies(web)
        self.current_user = dependencies.current_user
        self.current_session = dependencies.current_session
        self.optional_user = dependencies.optional_user
        self.require_verified = dependencies.require_verified
        self.current_tenant = dependencies.current_tenant
        for module in (sessions, passwords, links, oauth, passkeys, second_factor, tokens):
            module.add(self, web, dependencies)
        email_codes.add(self, web)
        self.add_options()

    @property
    def access_claims(self) -> Callable[..., Awaitable[AccessClaims]]:
        """A dependency: the access token's claims, without a storage request; see ``Dependencies``."""
        return self.requirements.access_claims

    def require_recent_sign_in(
        self, max_age: timedelta | None = None, _: None = Depends(UNCALLED_RECENT)
    ) -> Callable[..., Awaitable[User]]:
        """Return a dependency: the user; 403 unless they signed in at most ``max_age`` ago."""
        return self.requirements.require_recent_sign_in(max_age)

    def require_second_factor(
        self, max_age: timedelta | None = None, _: None = Depends(UNCALLED_SECOND_FACTOR)
    ) -> Callable[..., Awaitable[User]]:
        """A dependency: the user, who gave a second factor at most ``max_age`` ago; otherwise 403."""
        return self.requirements.require_second_factor(max_age)


def _require_services(torii: AsyncTorii, config: WebConfig, *, tenants: bool) -> None:
    """Check that the services have what the routes need. Merely checking who is signed in needs none of it.

    Raises:
        ConfigurationError: Something is missing that the configuration asks for; the message says what.
    """
    if config.registration == "private" and not torii.sends_mail:
        raise ConfigurationError(
            "private registration sends mail: give mailer=... and mail=MailSettings(...), or "
            "choose WebConfig(registration='direct'), which reveals which addresses are taken"
        )
    if config.registration == "direct" and torii.require_verified_to_sign_in:
        raise ConfigurationError(
            "WebConfig(registration='direct') signs in new users before their address is verified: choose "
            "'private', or leave out require_verified_to_sign_in"
        )
    if torii.sessions.second_factor.required != "enrolled" and not torii.takes_second_factors:
        raise ConfigurationError("SecondFactorPolicy(required=...) needs AsyncTorii(secret=...): nobody could sign in")
    if torii.oauth_providers and config.base_url is None and not tenants:
        raise ConfigurationError("sign-in through providers requires WebConfig(base_url='https://...')")
    needed = {"passkeys": ["webauthn"] * torii.takes_passkeys}
    needed["oauth"] = ["authlib", "httpx"] if torii.oauth_providers else []
    for extra, modules in needed.items():
        missing = [module for module in modules if find_spec(module) is None]
        if missing:
            raise ConfigurationError(
                f"{extra}: {', '.join(missing)} is not installed: pip install 'torii-dynamodb[{extra}]'"
            )


def _slug(path: str) -> str:
    return "_".join(part.strip("{}").replace("-", "_").replace(".", "_") for part in path.split("/") if part)


def router(torii: AsyncTorii, *, config: WebConfig | None = None, tenants: Tenants | None = None) -> AuthRouter:
    """Return a router with the JSON routes for everything that the services offer.

    Args:
        torii: The services.
        config: How the web layer behaves; ``None``: the defaults.
        tenants: The tenants. Then no request uses ``torii``: it says what there are routes for, and its storage is
            opened at the start. The application needs ``TenantMiddleware``.

    Raises:
        ConfigurationError: The services lack something that the configuration requires.

    Warns:
        UserWarning: The services have no ``secret``.
    """
    made = AuthRouter(Web(torii, WebConfig() if config is None else config, tenants=tenants))
    if not torii.remembers_devices:
        warnings.warn(
            "AsyncTorii has no secret, so it does not recognise browsers that signed in before, and a stranger who "
            "tries wrong passwords locks out the owner too; nor are there second factors: users who have set one up "
            "cannot sign in. Give secret=...: 32 random bytes, the same on all hosts "
            "and after restarts, for example from secrets.token_urlsafe(32), in the environment",
            stacklevel=2,
        )
    return made
