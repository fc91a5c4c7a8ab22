"""Renders pages with Jinja2. Everything is escaped, and a file with the same name replaces a template."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from markupsafe import Markup
from starlette.exceptions import HTTPException

from torii_dynamodb._rules.checking import check_kind
from torii_dynamodb._web.navigation import note_root_path
from torii_dynamodb.errors import ConfigurationError, ToriiError
from torii_dynamodb.fastapi.errors import Problem, problem_of
from torii_dynamodb.fastapi.pages.forms import CSRF, FieldError, FormErrors, read_form
from torii_dynamodb.fastapi.pages.settings import PagesConfig
from torii_dynamodb.fastapi.pages.theme import File, Theme, library_files, theme_of
from torii_dynamodb.fastapi.pages.words import NOTICES, TITLES, browser_name
from torii_dynamodb.fastapi.routing import Router, without_body
from torii_dynamodb.fastapi.tenants import path_below_root
from torii_dynamodb.fastapi.web import Caller, Web
from torii_dynamodb.languages import (
    current_language,
    date_and_time,
    gettext,
    install,
    number,
    preferred,
    speak,
)

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["AdminLink", "Redirected", "Renderer", "Site", "new_router", "page_headers"]

_HERE = Path(__file__).parent
_APPLICATION = "application"  # the code of an HTTPException with a text of its own


class AdminLink(Protocol):
    """What the pages need to know about the admin area."""

    @property
    def prefix(self) -> str:
        """Its path."""
        ...

    async def admits(self, signed_in: Caller) -> bool:
        """Whether this person may see it."""
        ...


class Renderer:
    """Renders templates.

    Args:
        folders: Where to look for templates, in this order.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._environment = _environment(tuple(folders))

    def render(self, name: str, context: Mapping[str, Any]) -> str:
        """The page."""
        return self._environment.get_template(name).render(context)


@lru_cache(maxsize=16)
def _environment(folders: tuple[Path, ...]) -> Environment:
    """One per set of folders: it keeps the compiled templates, which take most of the startup time."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise ConfigurationError("pages require Jinja2: pip install 'torii-dynamodb[pages]'") from error
    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    install(environment)
    environment.filters["moment"] = _moment
    environment.filters["moment_text"] = _moment_text
    environment.filters["browser"] = browser_name
    environment.filters["number"] = number
    return environment


class Redirected(Exception):
    """Raised by a page's handler to end the request with a redirect.

    Args:
        response: The redirect, with the cookies that it sets.
    """

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class Site:
    """What all pages share: appearance, security headers, forms and errors.

    Args:
        web: The web layer.
        settings: The configuration of the pages.
        admin: The admin area to link to, if there is one.
    """

    def __init__(
        self,
        web: Web,
        settings: PagesConfig,
        *,
        admin: AdminLink | None = None,
    ) -> None:
        check_kind("web", web, "torii_dynamodb.fastapi.web.Web", "the router's web: auth.web")
        check_kind("settings", settings, "torii_dynamodb.fastapi.pages.settings.PagesConfig", "PagesConfig(...)")
        self.web = web
        self.torii = web.torii
        self._settings = settings
        self._admin = admin
        own = [] if settings.templates is None else [settings.templates]
        self._renderer = Renderer([*own, _HERE / "templates", _HERE.parent / "admin" / "templates"])

    @property
    def settings(self) -> PagesConfig:
        """The configuration of the pages, with the tenant's own name and style sheet."""
        return self.web.dressed(self._settings)

    @property
    def theme(self) -> Theme:
        """What follows from the brand, which may be the tenant's own."""
        return theme_of(self.settings.brand)

    @property
    def files(self) -> Mapping[str, File]:
        """What pages load, by name."""
        return {**library_files(), **self.theme.files}

    def static(self, name: str) -> str | None:
        """The URL of a file that pages load, which changes with its content; ``None``: there is no such file."""
        file = self.files.get(name)
        return None if file is None else self.path(f"static/{name}", v=file.version)

    def image(self, name: str) -> str | None:
        """The URL of the brand's ``logo``, ``logo_dark`` or ``icon``; ``None``: it has none."""
        return self.theme.images.get(name) or self.static(f"{name}.svg")

    def path(self, name: str, **query: str | None) -> str:
        """A page's path as browsers see it, for example ``path("sign-in", next="/x")``. Empty values are left out."""
        pairs = [f"{key}={quote(value, safe='')}" for key, value in query.items() if value]
        return self.web.navigation.path(f"{self.settings.prefix}/{name}") + (f"?{'&'.join(pairs)}" if pairs else "")

    async def page(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        signed_in: Caller | None = None,
        **context: Any,
    ) -> Response:
        """Render a page.

        Args:
            request: The request.
            template: The template's name, without ``.html``.
            status: The status of the response.
            errors: What is wrong with the form.
            headers: More headers.
            signed_in: Who is signed in, if that is known.
            context: Variables for the template.
        """
        note_root_path(request)  # error pages are also rendered outside our routes
        self.speak(request)
        language = current_language()
        settings, carrier = self.settings, Response()
        # The page that says that there is no such tenant has no form.
        token = self.web.form_token(request, carrier) if self.web.in_tenant else ""
        if signed_in is not None and signed_in.moved:
            self.web.leave_session(carrier, signed_in.session)
        admin_path = None
        if self._admin is not None and signed_in is not None and await self._admin.admits(signed_in):
            admin_path = self.web.navigation.path(self._admin.prefix)
        text = self._renderer.render(
            f"{template}.html",
            {
                "app_name": settings.app_name,
                "home": settings.home,
                "prefix": self.web.navigation.path(settings.prefix),
                "stylesheet": settings.stylesheet,
                "password_hint": gettext(settings.password_hint),
                "language": language,
                "languages": self._settings.languages.all(),
                # The page that a form was sent to may not be one to open.
                "here": self._here(request) if request.method in ("GET", "HEAD") else None,
                "path": self.path,
                "static": self.static,
                "image": self.image,
                "brand": settings.brand,
                "admin_path": admin_path,
                "csrf_name": CSRF,
                "csrf_token": token,
                "notice": gettext(NOTICES.get(request.query_params.get("notice", ""), "")),
                "signed_in": signed_in,
                "errors": FormErrors(errors),
                "now": self.torii.clock(),
                **context,
            },
        )
        spoken = {"Content-Language": language.tag, "Vary": "Accept-Language, Cookie"}
        response = HTMLResponse(text, status_code=status, headers={**self.headers(headers), **spoken})
        response.raw_headers.extend(pair for pair in carrier.raw_headers if pair[0] == b"set-cookie")
        return response

    def _here(self, request: Request) -> str:
        path = self.web.navigation.path(path_below_root(request)[1])
        # Without messages: they are about what happened before, and a URL can name any of them.
        pairs = [pair for pair in request.query_params.multi_items() if pair[0] not in ("notice", "error", "provider")]
        return f"{path}?{urlencode(pairs)}" if pairs else path

    def speak(self, request: Request) -> None:
        """Speak the best language for the request from here on."""
        self.web.note_languages(request)
        speak(self._settings.languages.choose(*preferred()))

    def headers(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The headers of every page."""
        return {**page_headers(self.web.config.trusted_origins, images=self.theme.origins), **(more or {})}

    def redirect(self, url: str) -> Response:
        """Send the browser on to another page."""
        return RedirectResponse(url, status_code=303, headers=self.headers())

    async def person(self, request: Request) -> Caller | None:
        """Who is signed in by a cookie, the only credential that pages which change something take."""
        found = await self.web.signed_in(request)
        return found if found is not None and found.transport == "cookie" else None

    def proof_page(self, found: Caller, back: str) -> str | None:
        """Return the page where a person proves again who they are, before what a thief of the session must not do.

        Returns:
            ``None`` if they did so recently: signed in, and gave a second factor if they have one.
        """
        outdated = self.web.outdated(found)
        if outdated == "second_factor_required" and self.torii.takes_second_factors:
            return self.path("second-factor/again", next=back)
        return None if outdated is None else self.path("sign-in", next=back, again="1")

    def require_proof(self, found: Caller, back: str) -> None:
        """Send a person to :meth:`proof_page`, unless they proved recently who they are.

        Raises:
            Redirected: They did not.
        """
        page = self.proof_page(found, back)
        if page is not None:
            raise Redirected(self.redirect(page))

    async def form(self, request: Request) -> dict[str, str]:
        """Read a form and check its token.

        Raises:
            Problem: The token is not valid, or the form is too large.
        """
        self.speak(request)
        fields = await read_form(request)
        self.web.check_form(request, fields.get(CSRF))
        return fields

    async def error(self, request: Request, problem: Problem) -> Response:
        """The page for an error."""
        self.speak(request)
        title, text = (gettext(one) for one in TITLES.get(problem.code, TITLES["error"]))
        detail = str(problem.detail)
        # Developers' words are English; an application's own are in the language that it chose.
        if problem.code == _APPLICATION or (problem.code not in TITLES and current_language().is_english):
            text = f"{detail[:1].upper()}{detail[1:].removesuffix('.')}."
        return await self.page(
            request,
            "error",
            status=problem.status_code,
            headers={key: value for key, value in (problem.headers or {}).items() if key != "WWW-Authenticate"},
            title=title,
            text=text,
            retry_after=problem.extra.get("retry_after"),
        )


def page_headers(origins: Sequence[str] = (), *, images: Sequence[str] = ()) -> dict[str, str]:
    """The headers of every page: no foreign content, no framing, no caching.

    Args:
        origins: Where forms may lead besides this site: browsers also apply ``form-action`` to redirects.
        images: Where images may come from besides this site.
    """
    pictures = " ".join(["'self'", *images])
    targets = " ".join(["'self'", *(origin for origin in origins if origin.startswith("http"))])
    policy = (
        f"default-src 'none'; style-src 'self'; script-src 'self'; img-src {pictures}; "
        f"connect-src 'self'; form-action {targets}; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        # A URL may contain a mailed token, and every request from the page, even for its style sheet, would send it as
        # the referrer. With "no-referrer" browsers would send "Origin: null" with forms.
        "Referrer-Policy": "strict-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }


def new_router(site: Site, prefix: str) -> Router:
    """Return a router whose errors are pages."""

    class PageRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
            return partial(_guarded, site, super().get_route_handler(), shared="/static/" in self.path)

    return Router(prefix=prefix, route_class=PageRoute, include_in_schema=False)


async def _guarded(
    site: Site, handler: Callable[[Request], Awaitable[Response]], request: Request, *, shared: bool
) -> Response:
    note_root_path(request)
    site.speak(request)
    try:
        if not shared:  # by all tenants, and by the page that says that there is no such tenant
            site.web.require_tenant()
        response = await handler(request)
    except Redirected as redirected:
        response = redirected.response
    except Problem as problem:
        response = await site.error(request, problem)
    except ToriiError as error:
        response = await site.error(request, problem_of(error))
    except HTTPException as error:
        status, detail = error.status_code, str(error.detail)
        own = _APPLICATION if detail != HTTPStatus(status).phrase else "error"
        found = Problem(status, "not_found" if status == 404 else own, detail, headers=error.headers)
        response = await site.error(request, found)
    return without_body(request, response)


def _moment(when: datetime | None) -> str:
    if when is None:
        return gettext("never")
    return Markup('<time datetime="{}">{}</time>').format(when.isoformat(timespec="seconds"), date_and_time(when))


def _moment_text(when: datetime | None) -> str:
    return gettext("never") if when is None else date_and_time(when)
