"""The web layer: JSON routes and dependencies for FastAPI, a middleware for other ASGI applications.

Loaded when first used: the middleware needs only Starlette.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torii_dynamodb._web.settings import WebConfig
    from torii_dynamodb.fastapi.auth_router import AuthRouter, router
    from torii_dynamodb.fastapi.dependencies import Dependencies, access_claims
    from torii_dynamodb.fastapi.errors import Problem, ProblemResponse, render_problem
    from torii_dynamodb.fastapi.middleware import TenantMiddleware, ToriiMiddleware
    from torii_dynamodb.fastapi.parts import Tenant
    from torii_dynamodb.fastapi.schemas import SessionOut, UserOut
    from torii_dynamodb.fastapi.storage import LazyStorage, dynamodb
    from torii_dynamodb.fastapi.tenants import TenantFinder, Tenants, by_header, by_host, by_path
    from torii_dynamodb.fastapi.web import Caller, Web

__all__ = [
    "AuthRouter",
    "Caller",
    "Dependencies",
    "LazyStorage",
    "Problem",
    "ProblemResponse",
    "SessionOut",
    "Tenant",
    "TenantFinder",
    "TenantMiddleware",
    "Tenants",
    "ToriiMiddleware",
    "UserOut",
    "Web",
    "WebConfig",
    "access_claims",
    "by_header",
    "by_host",
    "by_path",
    "dynamodb",
    "render_problem",
    "router",
]

_HOMES = {
    "AuthRouter": "auth_router",
    "Dependencies": "dependencies",
    "LazyStorage": "storage",
    "Problem": "errors",
    "ProblemResponse": "errors",
    "SessionOut": "schemas",
    "Caller": "web",
    "Tenant": "parts",
    "TenantFinder": "tenants",
    "TenantMiddleware": "middleware",
    "Tenants": "tenants",
    "ToriiMiddleware": "middleware",
    "UserOut": "schemas",
    "Web": "web",
    "WebConfig": "._web.settings",
    "access_claims": "dependencies",
    "by_header": "tenants",
    "by_host": "tenants",
    "by_path": "tenants",
    "dynamodb": "storage",
    "render_problem": "errors",
    "router": "auth_router",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] in ("fastapi", "starlette", "pydantic"):
            raise ImportError("the web layer needs FastAPI: pip install 'torii-dynamodb[fastapi]'") from error
        raise
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
