"""The keys of stored items.

An identity's key *is* the identity, because the only uniqueness that DynamoDB guarantees is that of keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torii_dynamodb._core.attributes import Item
from torii_dynamodb._rules.secrets import digest

if TYPE_CHECKING:
    from torii_dynamodb.models import AttemptKind

__all__ = [
    "CODE",
    "EMAIL",
    "FACTOR",
    "MAX_IDENTITIES",
    "OAUTH",
    "PASSKEY",
    "REGISTER",
    "attempt_key",
    "attempt_subject",
    "challenge_key",
    "code_key",
    "email_key",
    "factor_key",
    "item_key",
    "oauth_key",
    "passkey_key",
    "pkce_key",
    "token_key",
]

EMAIL = "email#"
OAUTH = "oauth#"
PASSKEY = "passkey#"
FACTOR = "factor#"
CODE = "code"

MAX_IDENTITIES = 90
"""A user and all its identities are deleted in one transaction, which takes at most 100 items; the rest is reserve."""

REGISTER = "#register"
"""The sort key of the row that counts; audit rows begin with a digit, so they sort after it."""


def item_key(item_id: str) -> Item:
    """Return the primary key of an item of any table whose partition key is ``id``."""
    return {"id": {"S": item_id}}


def email_key(normalised: str) -> str:
    """Return the identity of an address."""
    return EMAIL + normalised


def oauth_key(provider: str, subject: str) -> str:
    """Return the identity of an account at a provider. The subject comes last, because it may contain any character."""
    return f"{OAUTH}{provider}#{subject}"


def passkey_key(credential_id: bytes) -> str:
    """Return the identity of a passkey. Hashed, because a credential id may be longer than a key."""
    return PASSKEY + digest(credential_id)


def factor_key(user_id: str, name: str) -> str:
    """Where a second factor is stored: below its user. A user id has no ``#``."""
    return f"{FACTOR}{user_id}#{name}"


def token_key(purpose: str, token_digest: str) -> str:
    """Return the key of a one-time token. It includes the purpose, so a token is accepted for no other."""
    return f"{purpose}#{token_digest}"


def code_key(token_digest: str) -> str:
    """Where a mailed code is stored: apart from one-time tokens, so that its flow token is not accepted as one."""
    return token_key(CODE, token_digest)


def pkce_key(state: str) -> str:
    """Return the key of a PKCE verifier."""
    return token_key("pkce", digest(state))


def challenge_key(challenge: bytes) -> str:
    """Return the key of a WebAuthn challenge."""
    return token_key("challenge", digest(challenge))


def attempt_subject(kind: AttemptKind, value: str, purpose: str | None = None) -> str:
    """Return what attempts are counted under. Hashed, so that the table does not reveal who tried."""
    return f"{kind}#{digest(value)}" if purpose is None else f"{kind}.{purpose}#{digest(value)}"


def attempt_key(subject: str, attempt: str = REGISTER) -> Item:
    """Return the primary key of a row of the attempts table: a register, or the audit row of an attempt."""
    return {"subject": {"S": subject}, "attempt": {"S": attempt}}
