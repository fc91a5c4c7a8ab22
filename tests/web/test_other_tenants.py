"""Everything that a browser may hold of one tenant, sent to every route of another."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
from fastapi import FastAPI
from tests.services.test_tenants import (
    Tenant,
    access_token,
    assertion,
    change_link,
    confirmation,
    enrolment,
    factors,
    flow,
    for_reset,
    invitation,
    magic_link,
    opened,
    reset_link,
    session,
    stored,
    unenrolled,
    verification_link,
)
from tests.web.api import API, SITE, UNLIMITED

from torii_dynamodb.fastapi import AuthRouter, WebConfig, router
from torii_dynamodb.fastapi.pages import pages
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.testing import FakeClock

OPEN = {
    "GET /methods", "GET /jwks.json", "POST /sign-out", "POST /register", "POST /password/reset", "POST /magic-link",
    "POST /email/verification/send", "POST /email-code", "POST /oauth/{provider}/begin", "POST /passkeys/sign-in/begin",
    "POST /oauth/{provider}/native/begin", "POST /oauth/{provider}/callback",
}  # fmt: skip
"""The routes that are for everybody: none takes a credential, except to forget it, or to pass it on to the same URL."""


def site(tenant: Tenant) -> tuple[AuthRouter, FastAPI]:
    """A tenant's application, with routes and pages."""
    config = WebConfig(ip_limit=UNLIMITED, base_url=SITE, transports=("cookie", "bearer", "jwt"))
    auth = router(tenant.torii, config=config)
    app = FastAPI()
    app.include_router(auth)
    app.include_router(pages(auth.web))
    return auth, app


class Held:
    """What a browser holds of a tenant: everything, and of a person who knows the password.

    Attributes:
        values: By the names of fields and parameters.
        tokens: What a mailed link may contain.
        cookies: All cookies.
        authorization: What may be sent in ``Authorization``.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {"provider": "issuer", "transport": "bearer", "replace_session": True}
        self.tokens: list[str] = []
        self.cookies: dict[str, str] = {}
        self.authorization: list[str | None] = [None]

    @classmethod
    async def of(cls, here: Tenant, auth: AuthRouter) -> Held:
        """Make one of every kind."""
        found, user, names = cls(), await here.user("ada"), auth.web.cookies
        makers = (magic_link, reset_link, verification_link, invitation)
        found.tokens = [await make(here, user) for make in makers]
        (confirming, binding), (changing, _) = await confirmation(here, user), await change_link(here, user)
        found.tokens += [confirming, changing]
        second, required = await here.user("second"), await here.user("required")
        held, (_, typed), back = await factors(here, second), await for_reset(here, user), await flow(here, user)
        flow_token, code = await for_reset(here, await here.user("typing"))
        challenge, begun, first_code = await unenrolled(here, required)
        signed_in = await session(here, user)
        found.values |= {
            **back,
            "email": user.email,
            "password": "the password of this tenant",
            "binding": binding,
            "flow": flow_token,
            "code": code,
            "challenge": held.challenge,
            "enrolment": (await enrolment(here, user))[0],
            "credential": await assertion(here, await here.user("keyed")),
            "session_id": signed_in.id,
            "factor_id": f"totp#{next(iter(held.signed_in.user.factors))}",
            "passkey_id": "6b",
            "subject": "ada",
            "id": "6b",
            "new_password": "a brand new password",
            "current_password": "the password of this tenant",
            "new_email": "new@example.com",
            "name": "Eve",
            "purpose": "password_reset",
            "confirm": "yes",
        }
        assert typed != code or first_code
        found.values["answer"] = json.dumps(found.values["credential"])
        found.cookies = {
            names.session: signed_in.token,
            names.device: here.torii.devices.issue(user),
            names.confirm: binding,
            names.link: found.tokens[0],
            names.pending: (await session(here, second)).token,
            names.sign_up: here.torii.email_verification.new_browser_binding(),
            names.challenge: challenge,
            names.email_code: flow_token,
            names.flow(back["state"]): back["browser_binding"],
        }
        found.values["csrf_token"] = auth.web.forms.issue(signed_in.token)
        found.values["enrolment_of_required"] = begun
        found.authorization += [f"Bearer {signed_in.token}", f"Bearer {await access_token(here, user)}"]
        return found


async def send(browser: httpx.AsyncClient, held: Held, method: str, path: str, **options: Any) -> httpx.Response:
    """A request with all cookies, from a page of the site."""
    filled = re.sub(r"\{(\w+)\}", lambda match: str(held.values[match[1]]), path)
    browser.cookies.clear()
    cookie = "; ".join(f"{name}={value}" for name, value in held.cookies.items())
    headers = {"Origin": SITE, "Cookie": cookie, **options.pop("headers", {})}
    return await browser.request(method, filled, headers=headers, **options)


async def test_no_route_takes_anything_of_another_tenant(dynoxide: LocalEngine, table_prefix: str) -> None:
    """With every token, cookie and header of one tenant, each route of another refuses, and each page stays outside.

    Nobody is signed in, and only what everybody may begin is written.
    """
    clock = FakeClock()
    config = dynoxide.config(table_prefix=table_prefix, layout="single", clock=clock, session_cleanup="off")
    async with opened(config, clock) as tenants:
        here, there = tenants["acme"], tenants["other"]
        held = await Held.of(here, site(here)[0])
        for name in ("ada", "second", "required", "typing", "keyed"):
            await there.user(name)
        auth, app = site(there)
        browser = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=SITE)
        before = stored(config)
        accepted: set[str] = set()
        for path, operations in app.openapi()["paths"].items():
            for method, operation in operations.items():
                for options in requests(app, held, operation):
                    answer = await send(browser, held, method.upper(), path, **options)
                    assert answer.status_code != 500, (path, answer.text)
                    assert signs_in(answer, auth) is False, path
                    told = f"{answer.headers.get('location')} {answer.text}"
                    if answer.status_code < 400 and "error=" not in told and '"valid":false' not in told:
                        accepted.add(f"{method.upper()} {path.removeprefix(API)}")
        assert accepted - OPEN == set()
        fields = {name: value for name, value in held.values.items() if isinstance(value, str)}
        for path, methods in pages_of(auth):
            for token in held.tokens if "POST" in methods else held.tokens[:1]:
                form = fields | {"token": token}
                sent: dict[str, Any] = {"data": form} if "POST" in methods else {"params": form}
                answer = await send(browser, held, "POST" if "POST" in methods else "GET", path, **sent)
                assert answer.status_code != 500, (path, answer.text)
                assert signs_in(answer, auth) is False, path
        await browser.aclose()
        after = stored(config)
        assert {key: after.get(key) for key in before} == before
        # Begun by anybody: links, codes and challenges, which are tokens.
        assert [key for key in after.keys() - before.keys() if not key.startswith("tokens ")] == []


def signs_in(answer: httpx.Response, auth: AuthRouter) -> bool:
    """Whether a response gives the browser a session."""
    kept = [
        line for line in answer.headers.get_list("set-cookie") if line.startswith(f"{auth.web.cookies.session}=torii")
    ]
    return bool(kept) or "torii_s1_" in answer.text


def requests(app: FastAPI, held: Held, operation: dict[str, Any]) -> list[dict[str, Any]]:
    """What to send to a route: its fields filled in, with every kind of token, and every way to authenticate."""
    names: list[str] = []
    for media in operation.get("requestBody", {}).get("content", {}).values():
        schema = media["schema"]
        if "$ref" in schema:
            schema = app.openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        names += schema.get("properties", {})
    query = {
        one["name"]: held.values[one["name"]] for one in operation.get("parameters", []) if one["name"] in held.values
    }
    body = {name: held.values[name] for name in names if name in held.values}
    bodies = [body | {"token": token} for token in held.tokens] if "token" in names else [body]
    headers = [{} if value is None else {"Authorization": value} for value in held.authorization]
    return [{"headers": headers[0], "params": query, "json": one} for one in bodies] + [
        {"headers": header, "params": query, "json": bodies[0]} for header in headers[1:]
    ]


def pages_of(auth: AuthRouter) -> list[tuple[str, list[str]]]:
    """The paths of the pages, and their methods."""
    routes: list[Any] = list(pages(auth.web).routes)
    found = [
        (route.path, sorted(getattr(route, "methods", None) or set())) for route in routes if hasattr(route, "path")
    ]
    return [(path, methods) for path, methods in found if set(methods) - {"HEAD"}]
