"""User accounts on AWS Lambda, with the blocking API: behind a function URL, API Gateway or a load balancer.

Services and connections are created once per container, outside the handler, so a warm call pays only for its own
request. Give the function at least 512 MB: argon2 takes 64 MB, and Lambda allots CPU in proportion to memory. Create
the tables beforehand (``torii-dynamodb tables ensure``) and keep ``create_tables=False``, so that a cold start makes
no extra requests.

The application does not reveal who has an account: signing up always gets the same response, and the owner of the
address gets a mail. Before you put it on the internet: send real mail (without ``SENDER`` it goes to the log), and
limit requests by IP address (AWS WAF).
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from torii_dynamodb import DynamoDbConfig, DynamoDbStorage, SecondFactorChallenge, Torii
from torii_dynamodb.aws_lambda import LambdaRequest
from torii_dynamodb.errors import AccountLocked, RateLimited, ToriiError
from torii_dynamodb.mail import ConsoleMailer, MailSettings, SesMailer
from torii_dynamodb.secrets_manager import read_secret

STATUS = {
    "account_locked": 429, "invalid_code": 400, "invalid_credentials": 401, "invalid_token": 400, "overloaded": 503,
    "rate_limited": 429, "revoked": 409, "throttled": 503, "unavailable": 503, "validation_error": 422,
}  # fmt: skip
PAGE = Path(__file__).with_name("page.html").read_text(encoding="utf-8")

# The stack of template.json sets these. Without them, TORII_SECRET is the secret, and mail goes to the log.
secret_arn = os.environ.get("TORII_SECRET_ARN")
sender = os.environ.get("SENDER")

storage = DynamoDbStorage().initialize(
    # Calls end before the function's time-out (15 seconds in template.json), so that it can still respond.
    DynamoDbConfig(table_prefix=os.environ.get("TABLE_PREFIX", "torii"), create_tables=False, deadline=10.0)
)
torii = Torii(
    storage,
    # 32 random bytes that stay the same, for known browsers and second factors.
    secret=read_secret(secret_arn) if secret_arn else os.environ["TORII_SECRET"],
    require_verified_to_sign_in=True,
    mailer=SesMailer(configuration_set=os.environ.get("SES_CONFIGURATION_SET")) if sender else ConsoleMailer(),
    mail=MailSettings(
        sender=sender or "no-reply@example.com",
        app_name=os.environ.get("APP_NAME", "Example"),
        base_url=os.environ.get("BASE_URL", "http://localhost:8000"),
        verify_email_path="/#token={token}",
        sign_in_path="/",
        delivery="inline",  # the default on Lambda, which freezes the process after the response
    ),
)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle one request. Sessions are bearer tokens, so no other site can make a browser send them."""
    request = LambdaRequest.from_event(event, max_body=16 * 1024)
    headers = {"cache-control": "no-store"}
    try:
        status, body = route(request)
    except ToriiError as error:
        status, body = STATUS.get(error.code, 500), {"code": error.code, "detail": str(error)}
        if status >= 500:
            print(f"{error.code}: {error}")
            body = {"detail": "something went wrong; try again later"}
        if isinstance(error, AccountLocked | RateLimited) and error.retry_after is not None:
            headers["retry-after"] = str(math.ceil(error.retry_after.total_seconds()))
    if body is PAGE:
        headers["content-type"] = "text/html; charset=utf-8"
    return request.respond(status, body, headers=headers)


def route(request: LambdaRequest) -> tuple[int, Any]:
    """Call the route. The library checks the values in the body."""
    match request.method, request.path:
        case "GET", "/":
            return 200, PAGE
        case "POST", "/register":
            sent = request.json()
            torii.password.sign_up(sent.get("email", ""), sent.get("password", ""), name=sent.get("name"))
            return 202, {"detail": "check your email to continue"}
        case "POST", "/verify":
            sent = request.json()
            token, password = sent.get("token", ""), sent.get("password", "")
            torii.email_verification.complete(token, password=password, browser=request.browser())
            return 200, {"detail": "your address is verified; you can now sign in"}
        case "POST", "/sign-in":
            return sign_in(request, request.json())
        case ("GET", "/hello") | ("POST", "/sign-out" | "/sign-out-everywhere"):
            found = torii.get_signed_in(request.bearer or "")
            if found is None:
                return 401, {"code": "not_signed_in", "detail": "sign in first"}
            if request.path == "/hello":
                return 200, {"hello": found.user.name or found.user.email}
            if request.path == "/sign-out":
                torii.sessions.end(request.bearer or "")
            else:
                torii.delete_sessions_for_user(found.user.id)
            return 204, None
        case _:
            return 404, {"code": "not_found", "detail": "no such route"}


def sign_in(request: LambdaRequest, sent: dict[str, Any]) -> tuple[int, Any]:
    """Check the password, or the code of a user with a second factor."""
    browser = request.browser(device_token=sent.get("device_token"))
    if "code" in sent:
        result = torii.second_factor.complete(sent.get("challenge", ""), sent["code"], browser=browser)
    else:
        result = torii.password.authenticate(sent.get("email", ""), sent.get("password", ""), browser=browser)
    if isinstance(result, SecondFactorChallenge):  # the password was right, but nobody is signed in yet
        detail = "enter the code from your authenticator app, or a recovery code"
        return 200, {"second_factor": True, "challenge": result.token, "detail": detail}
    user, session = result
    # The client keeps both; the device token gets it past a lockout that strangers cause.
    device_token = torii.devices.issue(user, browser.device_token)
    return 200, {"id": user.id, "token": session.token, "device_token": device_token}
