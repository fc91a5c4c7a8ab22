"""The extension."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Unpack

from flask import Flask, Response, current_app, make_response, redirect
from werkzeug.exceptions import HTTPException, default_exceptions

from torii_dynamodb._web.callers import is_navigation
from torii_dynamodb._web.current import Deferred
from torii_dynamodb._web.problems import Refusal
from torii_dynamodb._wsgi.accounts import ServiceOptions, WsgiAccounts
from torii_dynamodb._wsgi.bridge import Answer, serve
from torii_dynamodb.errors import ConfigurationError, ToriiError
from torii_dynamodb.flask import views

if TYPE_CHECKING:
    from torii_dynamodb._rules.signing_in import Browser
    from torii_dynamodb._sync.cache import Cache
    from torii_dynamodb._sync.contract import Storage
    from torii_dynamodb._sync.services import Torii
    from torii_dynamodb._web.settings import WebConfig
    from torii_dynamodb.config import DynamoDbConfig
    from torii_dynamodb.fastapi.admin import Admin
    from torii_dynamodb.fastapi.pages import PagesConfig

__all__ = ["ToriiFlask"]


class ToriiFlask:
    """Adds accounts to a Flask application: pages and JSON routes, ``current_user``, decorators, error handlers.

    ::

        app = Flask(__name__)
        torii = ToriiFlask(app, DynamoDbConfig(), secret=..., mailer=ConsoleMailer(), mail=MailSettings(...),
                           pages=PagesConfig(app_name="Example"))

    With an application factory: ``torii = ToriiFlask()``, later ``torii.init_app(app, DynamoDbConfig(), ...)``.

    The pages and JSON routes respond before Flask's own routing: hooks of the application do not see their requests.
    Nothing is opened before the first request, so servers may fork.

    Args:
        app: The application; ``None``: call :meth:`init_app` later.
        storage: The configuration of DynamoDB, or a blocking storage that is open (for tests).
        web: How the web layer behaves.
        pages: How the pages look; ``None``: there are only JSON routes.
        admin: The admin area.
        cache: Answers session checks (``torii_dynamodb.cache.ValkeyCache``).
        options: The options of ``torii_dynamodb.Torii``, with blocking mailers; ``http`` is an ``httpx.AsyncClient``.

    Raises:
        ConfigurationError: An option is wrong, or something is missing that the configuration requires.
    """

    def __init__(
        self,
        app: Flask | None = None,
        storage: DynamoDbConfig | Storage | None = None,
        *,
        web: WebConfig | None = None,
        pages: PagesConfig | None = None,
        admin: Admin | None = None,
        cache: Cache | None = None,
        **options: Unpack[ServiceOptions],
    ) -> None:
        self._accounts: WsgiAccounts | None = None
        if app is not None:
            if storage is None:
                raise ConfigurationError("storage: give ToriiFlask(app, DynamoDbConfig(...), ...)")
            self.init_app(app, storage, web=web, pages=pages, admin=admin, cache=cache, **options)
        elif storage is not None:
            raise ConfigurationError("app: without it, give storage and options to init_app(app, ...)")

    def init_app(
        self,
        app: Flask,
        storage: DynamoDbConfig | Storage,
        *,
        web: WebConfig | None = None,
        pages: PagesConfig | None = None,
        admin: Admin | None = None,
        cache: Cache | None = None,
        **options: Unpack[ServiceOptions],
    ) -> None:
        """Add accounts to an application. The arguments are those of the class."""
        accounts = WsgiAccounts(storage, web=web, pages=pages, admin=admin, cache=cache, options=options)
        self._accounts = app.extensions["torii"] = accounts
        app.wsgi_app = _Dispatcher(app.wsgi_app, accounts)  # type: ignore[method-assign]
        app.before_request(_before)
        app.after_request(_after)
        app.register_error_handler(ToriiError, _failed)
        app.register_error_handler(Refusal, _refused)
        app.context_processor(lambda: {"current_user": views.current_user, "torii": self})

    @property
    def accounts(self) -> WsgiAccounts:
        """The accounts of the application.

        Raises:
            ConfigurationError: There is no application yet.
        """
        if self._accounts is None:
            raise ConfigurationError("ToriiFlask has no application yet: call init_app(app, ...) first")
        return self._accounts

    @property
    def services(self) -> Torii:
        """The blocking services, for your own views: ``torii.services.password``, ``torii.services.events``, ..."""
        return self.accounts.torii

    def path(self, page: str, **query: str) -> str:
        """The path of one of the account pages, such as ``torii.path("sign-in", next="/reports")``."""
        return self.accounts.path(views.this_request(), page, **query)

    @property
    def form_token(self) -> str:
        """The value of the field ``csrf_token`` in a form that is sent to one of the account pages."""
        return self.accounts.form_token(views.this_request())

    @property
    def browser(self) -> Browser:
        """The browser that sent the request, for the services: ``...authenticate(..., browser=torii.browser)``."""
        return self.accounts.browser(views.this_request())

    def safe_next(self, url: str | None) -> str:
        """Where to go after your own sign-in view: a path of this site or a trusted origin, else ``after_sign_in``."""
        return self.accounts.safe_next(url)

    def close(self) -> None:
        """Wait for mails being sent, and close all connections. This also happens when the process ends."""
        self.accounts.close()


class _Dispatcher:
    """Sends requests for the account pages and routes there, and all others to Flask."""

    def __init__(self, app: Callable[..., Any], accounts: WsgiAccounts) -> None:
        self._app = app
        self._accounts = accounts

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = _decoded(environ.get("PATH_INFO", ""))
        if not self._accounts.covers(path):
            answer: Iterable[bytes] = self._app(environ, start_response)
            return answer
        root_path = _decoded(environ.get("SCRIPT_NAME", ""))
        return serve(self._accounts.bridge, environ, start_response, root_path=root_path, path=path)


def _decoded(text: str) -> str:
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


def _before() -> None:
    views.accounts().guard(views.this_request())


def _after(response: Response) -> Response:
    accounts, this = views.accounts(), views.this_request()
    deferred: Deferred | None = this.scope.get(views.DEFERRED)
    if deferred is not None:
        deferred.leave(response.set_cookie)
    elif accounts.looked_up(this) is not None:
        accounts.leave_moved(this, response)
    if accounts.was_looked_up(this):
        response.vary.add("Cookie")
    return response


def _failed(error: ToriiError) -> Response:
    return _refused(views.accounts().refused(error))


def _refused(problem: Refusal) -> Response:
    """A page where the person can go on, the application's own error page, or a problem as JSON."""
    this = views.this_request()
    where = views.accounts().remedy(this, problem, views.here())
    if where is not None:
        return make_response(redirect(where, 303))
    if not is_navigation(this):
        answer = Answer().refuse(problem)
        return Response(answer.body, answer.status, answer.headers)
    kind: type[HTTPException] = default_exceptions.get(problem.status_code, HTTPException)
    error = kind(description=problem.detail)
    error.code = problem.status_code
    response = make_response(current_app.handle_http_exception(error))
    response.headers.update(problem.headers)
    return response
