"""Accounts on AWS Lambda, behind a Function URL or an HTTP API (payload format 2.0), with the blocking twin.

Services and connections are made once a container, outside the handler: a warm call pays for its own request only. Give
the function at least 512 MB: argon2 takes 64 MB, and CPU comes with memory. Make the tables beforehand
(``torii-dynamodb tables ensure``) and keep ``create_tables=False``, so that a cold start asks for nothing.
"""

from __future__ import annotations

import base64
import json
import os
from typing import Any

from torii_dynamodb import DynamoDbConfig, DynamoDbStorage, Torii
from torii_dynamodb.errors import AccountLocked, AlreadyExists, InvalidCredentials, ToriiError, ValidationError

STATUS = {AccountLocked: 429, AlreadyExists: 409, InvalidCredentials: 401, ValidationError: 422}

storage = DynamoDbStorage().initialize(
    DynamoDbConfig(table_prefix=os.environ.get("TABLE_PREFIX", "torii"), create_tables=False)
)
torii = Torii(storage)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one request. Sessions travel as bearer tokens, so no other site can send them along."""
    http = event["requestContext"]["http"]
    try:
        return route(f"{http['method']} {http['path']}", event, http)
    except ToriiError as error:
        status = STATUS.get(type(error))
        if status is None:
            print(f"{error.code}: {error}")
            return answer(500, {"detail": "something went wrong here"})
        headers = {}
        if isinstance(error, AccountLocked) and error.retry_after is not None:
            headers["retry-after"] = str(int(error.retry_after.total_seconds()) + 1)
        return answer(status, {"code": error.code, "detail": str(error)}, headers)


def route(name: str, event: dict[str, Any], http: dict[str, Any]) -> dict[str, Any]:
    """The routes."""
    if name == "POST /register":
        body = body_of(event)
        user = torii.password.register(body.get("email", ""), body.get("password", ""), name=body.get("name"))
        return answer(201, {"id": user.id})
    if name == "POST /sign-in":
        body = body_of(event)
        user, session = torii.password.authenticate(
            body.get("email", ""),
            body.get("password", ""),
            user_agent=http.get("userAgent"),
            ip_address=http.get("sourceIp"),  # what API Gateway saw, not a header
        )
        return answer(200, {"id": user.id, "token": session.token})
    if name in ("GET /hello", "POST /sign-out-everywhere"):
        scheme, _, token = event.get("headers", {}).get("authorization", "").partition(" ")
        found = torii.get_session(token) if scheme.lower() == "bearer" else None
        if found is None:
            return answer(401, {"code": "not_signed_in", "detail": "sign in first"})
        _, user = found
        if name.startswith("POST"):
            torii.delete_sessions_for_user(user.id)
            return answer(204)
        return answer(200, {"hello": user.name or user.email})
    return answer(404, {"code": "not_found", "detail": "there is no such route"})


def body_of(event: dict[str, Any]) -> dict[str, Any]:
    """The request's JSON object."""
    raw: Any = event.get("body") or "{}"
    try:
        body = json.loads(base64.b64decode(raw) if event.get("isBase64Encoded") else raw)
    except ValueError as error:
        raise ValidationError("body", "is not JSON") from error
    if not isinstance(body, dict):
        raise ValidationError("body", "give a JSON object")
    return body


def answer(status: int, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """An answer in Lambda's form."""
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", "cache-control": "no-store", **(headers or {})},
        "body": "" if body is None else json.dumps(body),
    }
