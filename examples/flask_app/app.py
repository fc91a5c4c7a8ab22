"""Accounts for a Flask application, with the blocking twin. Run it with ``flask run``."""

from __future__ import annotations

import os
from functools import wraps
from typing import Any

from flask import Flask, abort, g, jsonify, request
from flask.typing import ResponseReturnValue

from torii_dynamodb import DynamoDbConfig, DynamoDbStorage, Torii
from torii_dynamodb.cookies import read_cookie
from torii_dynamodb.errors import AccountLocked, AlreadyExists, InvalidCredentials, ValidationError

COOKIE = "__Host-session"

app = Flask(__name__)
torii = Torii(DynamoDbStorage().initialize(DynamoDbConfig()), secret=os.environ["TORII_SECRET"])


def cookie(name: str) -> str | None:
    """A cookie of ours. Flask's own parser would take one that a subdomain set, with a space of Unicode in its name."""
    return read_cookie([request.environ.get("HTTP_COOKIE", "")], name)


@app.before_request
def check_session() -> None:
    """One request to DynamoDB, where a session came along."""
    # SameSite=Lax keeps other sites' posts away; this also stops those of sibling subdomains.
    if request.method not in ("GET", "HEAD") and request.headers.get("Sec-Fetch-Site", "none") not in (
        "same-origin",
        "none",
    ):
        abort(403)
    token = cookie(COOKIE)
    found = torii.get_session(token) if token else None
    g.session, g.user = found or (None, None)


def signed_in(view: Any) -> Any:
    """For views that are only for people who are signed in."""

    @wraps(view)
    def checked(*arguments: Any, **named: Any) -> ResponseReturnValue:
        if g.user is None:
            abort(401)
        result: ResponseReturnValue = view(*arguments, **named)
        return result

    return checked


@app.errorhandler(InvalidCredentials)
@app.errorhandler(AccountLocked)
@app.errorhandler(AlreadyExists)
@app.errorhandler(ValidationError)
def refused(error: Exception) -> ResponseReturnValue:
    """What the person did wrong."""
    status = {"InvalidCredentials": 401, "AccountLocked": 429, "AlreadyExists": 409}.get(type(error).__name__, 422)
    return jsonify(detail=str(error)), status


@app.post("/register")
def register() -> ResponseReturnValue:
    body = request.get_json()
    user = torii.password.register(body["email"], body["password"], name=body.get("name"))
    return jsonify(id=user.id), 201


@app.post("/sign-in")
def sign_in() -> ResponseReturnValue:
    body = request.get_json()
    user, session = torii.password.authenticate(
        body["email"],
        body["password"],
        user_agent=request.headers.get("User-Agent"),
        ip_address=request.remote_addr,
        device_token=cookie(f"{COOKIE}-device"),
    )
    response = jsonify(id=user.id)
    device = torii.devices.issue(user, cookie(f"{COOKIE}-device"))
    for name, value in ((COOKIE, session.token or ""), (f"{COOKIE}-device", device)):
        response.set_cookie(name, value, secure=True, httponly=True, samesite="Lax", max_age=30 * 86400)
    return response


@app.post("/sign-out-everywhere")
@signed_in
def sign_out_everywhere() -> ResponseReturnValue:
    torii.delete_sessions_for_user(g.user.id)
    return "", 204


@app.get("/hello")
@signed_in
def hello() -> ResponseReturnValue:
    return f"Hello {g.user.name or g.user.email}"
