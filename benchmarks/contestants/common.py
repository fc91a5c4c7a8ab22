"""What the clients used by hand share: the item shapes, and the little code that does not depend on the client.

The tables are the library's (users, sessions, identities, login_attempts), so that all contestants read and write items
of the same size, with the same conditions. One difference is intentional: as in most hand-written code, tokens do not
contain the user's id, so a check reads the session, then the user. ``check_batch`` is the other design.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime

PASSWORD = "correct horse battery staple"
PASSWORD_HASH = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43
USER_AGENT = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/141.0.0.0 Safari/537.36"
)
IP_ADDRESS = "203.0.113.7"
NAME = "Ada Lovelace"
REGION = "us-east-1"
SESSION_SECONDS = 14 * 24 * 3600
MAX_ATTEMPTS = 5
WINDOW = 900


@dataclass(frozen=True, slots=True)
class User:
    id: str
    email: str
    name: str | None
    session_epoch: int


@dataclass(frozen=True, slots=True)
class Session:
    id: str
    user_id: str
    expires_at: int
    created_at: str
    user_agent: str | None
    ip_address: str | None


def names(prefix):
    return {table: f"{prefix}_{table}" for table in ("users", "sessions", "identities", "login_attempts")}


def now_text():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def new_user_id():
    return f"usr_{secrets.token_hex(16)}"


def new_token():
    return secrets.token_urlsafe(32)


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()


def verify(password_hash, password):
    """Replaces argon2, whose cost is the same for all and is left out."""
    return password_hash == PASSWORD_HASH and password == PASSWORD


def login_subject(email):
    return "login#" + digest(email)


def user_plain(user_id, email):
    """Return a user's item, as plain values."""
    now = now_text()
    return {
        "id": user_id,
        "email": email,
        "email_as_given": email,
        "name": NAME,
        "created_at": now,
        "updated_at": now,
        "version": 1,
        "session_epoch": secrets.randbits(48),
        "password_version": secrets.token_hex(12),
        "identities": {f"email#{email}"},
        "schema_version": 1,
    }


def identity_plain(user, email):
    return {
        "id": f"email#{email}",
        "user_id": user["id"],
        "created_at": user["created_at"],
        "password_hash": PASSWORD_HASH,
        "password_version": user["password_version"],
        "schema_version": 1,
    }


def oauth_plain(user_id, subject):
    now = now_text()
    return {
        "id": f"oauth#github#{subject}",
        "user_id": user_id,
        "provider": "github",
        "subject": subject,
        "created_at": now,
        "updated_at": now,
        "schema_version": 1,
    }


def session_plain(user_id, token):
    return {
        "id": digest(token),
        "user_id": user_id,
        "created_at": now_text(),
        "expires_at": int(time.time()) + SESSION_SECONDS,
        "epoch": 123456789012345,
        "user_agent": USER_AGENT,
        "ip_address": IP_ADDRESS,
        "schema_version": 1,
    }


def to_dynamodb(plain):
    """Convert plain values to DynamoDB JSON, as one does by hand with a low-level client."""
    return {
        name: {"S": value}
        if isinstance(value, str)
        else {"SS": sorted(value)}
        if isinstance(value, set)
        else {"N": str(value)}
        for name, value in plain.items()
    }


def user_of(item):
    """Read a user from DynamoDB JSON."""
    name = item.get("name")
    return User(item["id"]["S"], item["email"]["S"], name and name["S"], int(item["session_epoch"]["N"]))


def session_of(item):
    """Read a session from DynamoDB JSON."""
    agent, address = item.get("user_agent"), item.get("ip_address")
    return Session(
        item["id"]["S"],
        item["user_id"]["S"],
        int(item["expires_at"]["N"]),
        item["created_at"]["S"],
        agent and agent["S"],
        address and address["S"],
    )


def session_rows(table, user_id, count):
    """See ``worker.Contestant.session_rows``. The tokens contain the user's id and the secret, for ``check_batch``."""
    tokens = [new_token() for _ in range(count)]
    rows = [(table, to_dynamodb(session_plain(user_id, token))) for token in tokens]
    return [f"{user_id}.{token}" for token in tokens], rows


def attempt_update(email, now):
    """Return the conditional write that counts a sign-in attempt: at most five in a window of fifteen minutes."""
    return {
        "Key": {"subject": {"S": login_subject(email)}, "attempt": {"S": "#register"}},
        "UpdateExpression": "SET attempts = if_not_exists(attempts, :zero) + :one, expires_at = :end",
        "ConditionExpression": "attribute_not_exists(attempts) OR attempts < :most OR expires_at < :now",
        "ExpressionAttributeValues": {
            ":zero": {"N": "0"},
            ":one": {"N": "1"},
            ":most": {"N": str(MAX_ATTEMPTS)},
            ":now": {"N": str(now)},
            ":end": {"N": str(now + WINDOW)},
        },
    }
