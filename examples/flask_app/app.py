"""User accounts for a Flask application, with the blocking API. Run it with ``flask run --debug`` and open it.

The application does not reveal who has an account: signing up always gets the same response, and the owner of the
address gets a mail. Before you put it on the internet: send real mail, tell Flask about your proxy
(``werkzeug.middleware.proxy_fix``), and let that proxy limit requests by IP address.
"""

from __future__ import annotations

import json
import math
import os
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, g, jsonify, request
from flask.typing import ResponseReturnValue

from torii_dynamodb import Browser, DynamoDbConfig, DynamoDbStorage, SecondFactorChallenge, Torii
from torii_dynamodb.cookies import read_cookie
from torii_dynamodb.errors import AccountLocked, RateLimited, ToriiError, ValidationError
from torii_dynamodb.mail import ConsoleMailer, MailSettings

# __Host-: only this host can set them, over https (or on localhost), for all paths.
SESSION, DEVICE, CHALLENGE = "__Host-session", "__Host-device", "__Host-challenge"
ENTER_CODE = "enter the code from your authenticator app, or a recovery code"
STATUS = {
    "account_locked": 429, "invalid_code": 400, "invalid_credentials": 401, "invalid_token": 400, "overloaded": 503,
    "rate_limited": 429, "revoked": 409, "throttled": 503, "unavailable": 503, "validation_error": 422,
}  # fmt: skip

PAGE = Path(__file__).with_name("page.html")

app = Flask(__name__, static_folder=None)
app.config["MAX_CONTENT_LENGTH"] = 16 * 1024
torii = Torii(
    DynamoDbStorage().initialize(DynamoDbConfig()),
    secret=os.environ["TORII_SECRET"],  # 32 random bytes that stay the same, for known browsers and second factors
    require_verified_to_sign_in=True,
    mailer=ConsoleMailer(),  # later: SmtpMailer("smtp.example.com", username=..., password=...)
    mail=MailSettings(
        sender="no-reply@example.com",
        app_name="Example",
        base_url=os.environ.get("BASE_URL", "http://localhost:5000"),
        verify_email_path="/#token={token}",
        sign_in_path="/",
    ),
)


def cookie(name: str) -> str | None:
    """Read one of our cookies. Flask's parser would accept one set by a subdomain, with a Unicode space in its name."""
    return read_cookie([request.environ.get("HTTP_COOKIE", "")], name)


def leave(response: Response, name: str, value: str, lasts: timedelta) -> None:
    """Set a cookie that no script can read and no other site's POST sends."""
    response.set_cookie(name, value, secure=True, httponly=True, samesite="Lax", max_age=lasts)


def is_cross_site() -> bool:
    """Whether another origin sent this. SameSite=Lax is not enough: sibling subdomains are the same site."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is None:  # an older browser, or not a browser
        return origin is not None and origin.partition("://")[2] != request.host
    return site not in ("same-origin", "none")


@app.before_request
def check_session() -> None:
    """Refuse other sites' POSTs, and look up the session, if there is one: one request to DynamoDB."""
    if request.method not in ("GET", "HEAD") and is_cross_site():
        abort(403)
    token = cookie(SESSION)
    found = torii.get_signed_in(token) if token else None
    g.user = found.user if found else None


def signed_in(view: Any) -> Any:
    """Restrict a view to people who are signed in."""

    @wraps(view)
    def checked(*arguments: Any, **named: Any) -> ResponseReturnValue:
        if g.user is None:
            return jsonify(detail="sign in first"), 401
        result: ResponseReturnValue = view(*arguments, **named)
        return result

    return checked


@app.errorhandler(ToriiError)
def refused(error: ToriiError) -> ResponseReturnValue:
    """Explain what the person did wrong; for any other error, log it and reveal only that it happened."""
    status = STATUS.get(error.code, 500)
    if status >= 500:
        app.logger.error("%s: %s", error.code, error)
        return jsonify(detail="something went wrong; try again later"), status
    wait = error.retry_after if isinstance(error, AccountLocked | RateLimited) else None
    return jsonify(detail=str(error)), status, {"Retry-After": str(math.ceil(wait.total_seconds()))} if wait else {}


def body() -> dict[str, Any]:
    """Return the JSON object that was sent. The library checks its values."""
    try:
        found = json.loads(request.get_data()) if request.mimetype == "application/json" else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValidationError("body", "send a JSON object, with Content-Type: application/json")
    return found


def browser() -> Browser:
    """Describe the browser that sent the request."""
    agent = request.headers.get("User-Agent")
    return Browser(user_agent=agent, ip_address=request.remote_addr, device_token=cookie(DEVICE))


@app.get("/")
def page() -> ResponseReturnValue:
    return PAGE.read_text(encoding="utf-8")


@app.post("/register")
def register() -> ResponseReturnValue:
    sent = body()
    torii.password.sign_up(sent.get("email", ""), sent.get("password", ""), name=sent.get("name"))
    return jsonify(detail="check your email to continue"), 202


@app.post("/verify")
def verify() -> ResponseReturnValue:
    sent = body()
    torii.email_verification.complete(sent.get("token", ""), password=sent.get("password", ""), browser=browser())
    return jsonify(detail="your address is verified; you can now sign in")


@app.post("/sign-in")
def sign_in() -> ResponseReturnValue:
    sent = body()
    if "code" not in sent:
        result = torii.password.authenticate(sent.get("email", ""), sent.get("password", ""), browser=browser())
    else:
        result = torii.second_factor.complete(cookie(CHALLENGE) or "", sent["code"], browser=browser())
    if isinstance(result, SecondFactorChallenge):  # the password was right, but nobody is signed in yet
        response = jsonify(second_factor=True, detail=ENTER_CODE)
        leave(response, CHALLENGE, result.token, result.expires_at - torii.clock())
        return response
    user, session = result
    torii.sessions.end(cookie(SESSION) or "")
    response = jsonify(detail=f"hello {user.name or user.email}")
    leave(response, SESSION, session.token, session.expires_at - torii.clock())
    leave(response, DEVICE, torii.devices.issue(user, cookie(DEVICE)), timedelta(days=365))
    return response


@app.post("/sign-out")
@app.post("/sign-out-everywhere", endpoint="everywhere")
@signed_in
def sign_out() -> ResponseReturnValue:
    if request.endpoint == "everywhere":
        torii.delete_sessions_for_user(g.user.id)
    else:
        torii.sessions.end(cookie(SESSION) or "")
    response = Response(status=204)
    leave(response, SESSION, "", timedelta(0))
    return response


@app.get("/hello")
@signed_in
def hello() -> ResponseReturnValue:
    return jsonify(hello=g.user.name or g.user.email)
