"""Flask: ``ToriiFlask(app, ...)`` adds the account pages, ``current_user`` and decorators. See docs/flask.md."""

from __future__ import annotations

try:
    from torii_dynamodb.flask.extension import ToriiFlask
    from torii_dynamodb.flask.views import (
        current_user,
        login,
        login_required,
        logout,
        recent_required,
        second_factor_required,
        verified_required,
    )
except ModuleNotFoundError as error:
    if error.name in ("fastapi", "flask", "starlette", "werkzeug"):
        raise ImportError("the Flask extension needs more packages: pip install 'torii-dynamodb[flask]'") from error
    raise

from torii_dynamodb._web.settings import WebConfig
from torii_dynamodb.fastapi.pages.settings import PagesConfig

__all__ = [
    "PagesConfig",
    "ToriiFlask",
    "WebConfig",
    "current_user",
    "login",
    "login_required",
    "logout",
    "recent_required",
    "second_factor_required",
    "verified_required",
]
