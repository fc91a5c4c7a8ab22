"""The URLs of the account pages and JSON routes: ``path("", include("torii_dynamodb.django.urls"))``.

Each page has a name, such as ``torii:sign-in``, ``torii:sign-up``, ``torii:account``.
"""

# pyright: basic, reportMissingTypeStubs=false
# Django has no types.

from __future__ import annotations

import re
from typing import Any

from django.http import HttpResponse
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from torii_dynamodb._web.problems import Refusal
from torii_dynamodb._wsgi.bridge import MOST_BODY, Answer
from torii_dynamodb.django.configuration import accounts
from torii_dynamodb.django.requests import plain
from torii_dynamodb.errors import ConfigurationError

app_name = "torii"


@csrf_exempt
def serve(request: Any, below: str) -> HttpResponse:
    """Respond as the pages and routes do. They have their own protection against forged requests."""
    body = _body(request)
    if body is None:
        return plain(Answer().refuse(Refusal(400, "validation_error", "the request's body is not complete")))
    here = f"/{below}"
    environ = {**request.META, "wsgi.url_scheme": request.scheme}
    return plain(accounts().bridge.respond(environ, body, root_path=request.path.removesuffix(here), path=here))


def _body(request: Any) -> bytes | None:
    """As much of the body as matters; ``None`` if the client hung up halfway."""
    length = request.META.get("CONTENT_LENGTH") or ""
    wanted = min(int(length), MOST_BODY) if length.isascii() and length.isdigit() else 0
    try:
        found: bytes = request.body[:MOST_BODY] if hasattr(request, "_body") else request.read(wanted)
    except OSError:
        return None
    return found if len(found) >= wanted else None


def _patterns() -> list[Any]:
    site = accounts().asgi
    named = {name: page.lstrip("/") for name, page in site.pages.items()}
    pages = [path(below, serve, {"below": below}, name=name) for name, below in named.items()]
    below = "|".join(re.escape(prefix.lstrip("/")) + "(?:/.*)?" for prefix in site.prefixes)
    documents = "|".join(re.escape(document.lstrip("/")) for document in sorted(site.documents))
    return [*pages, re_path(rf"^(?P<below>{below}{f'|{documents}' if documents else ''})$", serve)]


def __getattr__(name: str) -> Any:
    # Made when the URLs are loaded, not when the module is: by then there are settings.
    if name != "urlpatterns":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        globals()[name] = made = _patterns()
    except ConfigurationError:
        return []  # otherwise Django's check of the URLs hides torii.E001; the middleware raises it for every request
    return made
