"""An API of your own, behind the authorizer: it knows who is calling and needs no access to the tables."""

from __future__ import annotations

import json
from typing import Any


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle a request to ``/api/...`` (HTTP API, payload format 2.0)."""
    caller = event["requestContext"]["authorizer"]["lambda"]
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": json.dumps({"notes": [], "user_id": caller["user_id"]}),
    }
