"""The page of the HTTP API, ``docs/http-api.md``, from the OpenAPI document of an application with every service.

``tools/reference_pages.py`` writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from torii_dynamodb import AsyncTorii
from torii_dynamodb.fastapi import WebConfig, router
from torii_dynamodb.jwt import JwtKey, JwtSettings
from torii_dynamodb.mail import AsyncConsoleMailer, MailSettings
from torii_dynamodb.oauth import google
from torii_dynamodb.passkeys import PasskeySettings
from torii_dynamodb.testing import AsyncMemoryStorage

PREFIX = "/api/auth"
_URL = "https://example.com"


def document() -> dict[str, Any]:
    """The OpenAPI document of an application with every service."""
    torii = AsyncTorii(
        AsyncMemoryStorage(),
        secret="s" * 43,
        mailer=AsyncConsoleMailer(),
        mail=MailSettings(sender="no-reply@example.com", app_name="Example", base_url=_URL),
        oauth=[google("client-id", "client-secret")],
        passkeys=PasskeySettings(rp_id="example.com", rp_name="Example", origins=[_URL]),
        jwt=JwtSettings(issuer=_URL, audience="api", keys=[JwtKey(kid="1", algorithm="HS256", private_key="k" * 43)]),
    )
    app = FastAPI()
    app.include_router(router(torii, config=WebConfig(base_url=_URL)))
    return app.openapi()


def http_page(made: str) -> str:
    """The page; ``made`` is the note that it must not be edited."""
    api = document()
    routes = [(method, path, route) for path, methods in api["paths"].items() for method, route in methods.items()]
    lines = [
        "# The HTTP API",
        "",
        made,
        "",
        "The JSON routes of `torii_dynamodb.fastapi.router` with every service configured. Your application serves",
        "the same as an OpenAPI document (`/openapi.json`) and as a page to try them on (`/docs`). Paths are below",
        f"`WebConfig(prefix=...)`, by default `{PREFIX}`. A request that changes something and carries the cookie",
        "must come from your own origin. Errors are problems (RFC 9457): [Errors](errors.md) says what each `code`",
        "means. Every route may also return 500 `internal_error`, and 503 with `Retry-After`.",
        "",
        "| route | does |",
        "|---|---|",
    ]
    lines += [f"| `{method.upper()} {below(path)}` | {route['summary']} |" for method, path, route in routes]
    for method, path, route in routes:
        lines += ["", f"## {method.upper()} {below(path)}", "", f"{route['summary']}. {route.get('description', '')}"]
        lines += described(route, api["components"]["schemas"])
    lines += ["", "## Objects", "", "What the responses contain."]
    for name, schema in sorted(api["components"]["schemas"].items()):
        if name.endswith("Out"):
            lines += ["", f"### {name}", "", schema.get("description", "").replace("``", "`"), "", *fields(schema)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def below(path: str) -> str:
    """A path below the prefix."""
    return path.removeprefix(PREFIX).removeprefix("/")


def described(route: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    """The body of a request, and the responses."""
    for media in route.get("requestBody", {}).get("content", {}).values():
        schema = schemas[kind(media["schema"]).strip("`[]").partition("]")[0]]
        yield from ("", *fields(schema))
    yield from ("", "| status | response |", "|---|---|")
    for status, response in route["responses"].items():
        if status < "500":
            yield f"| {status} | {answer(response)} |"


def answer(response: dict[str, Any]) -> str:
    """What a response says: the object, or the codes of the problem."""
    content = response.get("content", {})
    if "application/problem+json" in content:
        codes = content["application/problem+json"]["schema"]["properties"]["code"].get("enum", [])
        named = ", ".join(f"`{code}`" for code in codes)
        return f"{named}: {response['description']}" if len(codes) == 1 else named
    shown = [kind(media["schema"]) for media in content.values() if media.get("schema")]
    return " or ".join(shown) if shown else response["description"].replace("Successful Response", "no body")


def fields(schema: dict[str, Any]) -> Iterator[str]:
    """The members of an object, as a table."""
    if not schema.get("properties"):
        return
    yield from ("| member | type | |", "|---|---|---|")
    needed = schema.get("required", [])
    for name, one in schema["properties"].items():
        notes = [str(one.get("description", ""))]
        if "default" in one and one["default"] is not None:
            notes.append(f"Default: `{str(one['default']).lower()}`.")
        elif name not in needed:
            notes.append("Optional.")
        yield f"| `{name}` | {kind(one)} | {' '.join(note for note in notes if note)} |"


def kind(schema: dict[str, Any]) -> str:
    """The type of a value, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(kind(one) for one in schema[several])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {kind(schema['items'])}"
    return str(schema.get("format") or schema.get("type") or "any")
