"""User accounts on AWS Lambda, behind a Function URL or an HTTP API (payload format 2.0), with the blocking API.

Services and connections are created once per container, outside the handler, so a warm call pays only for its own
request. Give the function at least 512 MB: argon2 takes 64 MB, and Lambda allots CPU in proportion to memory. Create
the tables beforehand (``torii-dynamodb tables ensure``) and keep ``create_tables=False``, so that a cold start makes
no extra requests.

The application does not reveal who has an account: signing up always gets the same response, and the owner of the
address gets a mail. Before you put it on the internet: send real mail (here it goes to the log), and limit requests
by IP address (AWS WAF).
"""

from __future__ import annotations

import base64
import json
import math
import os
from pathlib import Path
from typing import Any

from torii_dynamodb import Browser, DynamoDbConfig, DynamoDbStorage, SecondFactorChallenge, Torii
from torii_dynamodb.errors import AccountLocked, RateLimited, ToriiError, ValidationError
from torii_dynamodb.mail import ConsoleMailer, MailSettings

STATUS = {
    "account_locked": 429, "invalid_code": 400, "invalid_credentials": 401, "invalid_token": 400, "overloaded": 503,
    "rate_limited": 429, "revoked": 409, "throttled": 503, "unavailable": 503, "validation_error": 422,
}  # fmt: skip
PAGE = Path(__file__).with_name("page.html").read_text(encoding="utf-8")

storage = DynamoDbStorage().initialize(
    DynamoDbConfig(table_prefix=os.environ.get("TABLE_PREFIX", "torii"), create_tables=False)
)
torii = Torii(
    storage,
    secret=os.environ["TORII_SECRET"],  # 32 random bytes that stay the same, for known browsers and second factors
    require_verified_to_sign_in=True,
    mailer=ConsoleMailer(),
    mail=MailSettings(
        sender="no-reply@example.com",
        app_name="Example",
        base_url=os.environ.get("BASE_URL", "http://localhost:8000"),
        verify_email_path="/#token={token}",
        sign_in_path="/",
        delivery="inline",  # Lambda freezes the process after the response
    ),
)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle one request. Sessions are bearer tokens, so no other site can make a browser send them."""
    http = event["requestContext"]["http"]
    try:
        return route(f"{http['method']} {http['path']}", event, http)
    except ToriiError as error:
        status = STATUS.get(error.code, 500)
        if status >= 500:
            print(f"{error.code}: {error}")
            return answer(status, {"detail": "something went wrong; try again later"})
        wait = error.retry_after if isinstance(error, AccountLocked | RateLimited) else None
        headers = {"retry-after": str(math.ceil(wait.total_seconds()))} if wait else {}
        return answer(status, {"code": error.code, "detail": str(error)}, headers)


def route(name: str, event: dict[str, Any], http: dict[str, Any]) -> dict[str, Any]:
    """Call the route."""
    if name == "GET /":
        return answer(200, PAGE, {"content-type": "text/html; charset=utf-8"})
    if name in ("POST /register", "POST /verify", "POST /sign-in"):
        sent = body_of(event)
        browser = Browser(
            user_agent=http.get("userAgent"),
            ip_address=http.get("sourceIp"),
            device_token=sent.get("device_token"),
        )
        return with_body(name, sent, browser)
    if name in ("GET /hello", "POST /sign-out", "POST /sign-out-everywhere"):
        scheme, _, token = header(event, "authorization").partition(" ")
        found = torii.get_signed_in(token) if scheme.lower() == "bearer" else None
        if found is None:
            return answer(401, {"code": "not_signed_in", "detail": "sign in first"})
        user = found.user
        if name == "GET /hello":
            return answer(200, {"hello": user.name or user.email})
        if name == "POST /sign-out":
            torii.sessions.end(token)
        else:
            torii.delete_sessions_for_user(user.id)
        return answer(204)
    return answer(404, {"code": "not_found", "detail": "no such route"})


def with_body(name: str, sent: dict[str, Any], browser: Browser) -> dict[str, Any]:
    """The routes that take a body. The library checks its values."""
    email, password = sent.get("email", ""), sent.get("password", "")
    if name == "POST /register":
        torii.password.sign_up(email, password, name=sent.get("name"))
        return answer(202, {"detail": "check your email to continue"})
    if name == "POST /verify":
        torii.email_verification.complete(sent.get("token", ""), password=password, browser=browser)
        return answer(200, {"detail": "your address is verified; you can now sign in"})
    if "code" not in sent:
        result = torii.password.authenticate(email, password, browser=browser)
    else:
        result = torii.second_factor.complete(sent.get("challenge", ""), sent["code"], browser=browser)
    if isinstance(result, SecondFactorChallenge):  # the password was right, but nobody is signed in yet
        detail = "enter the code from your authenticator app, or a recovery code"
        return answer(200, {"second_factor": True, "challenge": result.token, "detail": detail})
    user, session = result
    # The client keeps both; the device token gets it past a lockout that strangers cause.
    device_token = torii.devices.issue(user, browser.device_token)
    return answer(200, {"id": user.id, "token": session.token, "device_token": device_token})


def header(event: dict[str, Any], name: str) -> str:
    """Return a header, or an empty string."""
    return str((event.get("headers") or {}).get(name, ""))


def body_of(event: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON object that was sent."""
    raw: Any = event.get("body") or ""
    body: object = None
    if len(raw) <= 16 * 1024 and header(event, "content-type").partition(";")[0].strip().lower() == "application/json":
        try:
            body = json.loads(base64.b64decode(raw) if event.get("isBase64Encoded") else raw)
        except (ValueError, RecursionError):
            body = None
    if not isinstance(body, dict):
        raise ValidationError("body", "send a JSON object of at most 16 KB, with Content-Type: application/json")
    return body


def answer(
    status: int, body: dict[str, Any] | str | None = None, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """Build a response in Lambda's format."""
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", "cache-control": "no-store", **(headers or {})},
        "body": "" if body is None else body if isinstance(body, str) else json.dumps(body),
    }
