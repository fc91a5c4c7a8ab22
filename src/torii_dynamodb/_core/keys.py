"""The keys that identities, tokens and attempts are stored under.

An identity's key *is* the identity: that no two items share a key is the one uniqueness that DynamoDB promises.
"""

from __future__ import annotations

from torii_dynamodb._core.attributes import Item
from torii_dynamodb._rules.secrets import digest
from torii_dynamodb.models import AttemptKind

__all__ = [
    "EMAIL",
    "MAX_IDENTITIES",
    "OAUTH",
    "PASSKEY",
    "REGISTER",
    "attempt_key",
    "attempt_subject",
    "challenge_key",
    "email_key",
    "item_key",
    "oauth_key",
    "passkey_key",
    "pkce_key",
    "token_key",
]

EMAIL = "email#"
OAUTH = "oauth#"
PASSKEY = "passkey#"

MAX_IDENTITIES = 90
"""A user and all its identities are deleted in one transaction, which takes at most 100 items; the rest is room."""

REGISTER = "#register"
"""The sort key of the row that counts; audit rows begin with a digit, so they sort after it."""


def item_key(item_id: str) -> Item:
    """The primary key of an item of any table whose partition key is ``id``."""
    return {"id": {"S": item_id}}


def email_key(normalised: str) -> str:
    """The identity that an address is."""
    return EMAIL + normalised


def oauth_key(provider: str, subject: str) -> str:
    """The identity that an account at a provider is. The subject comes last, because it may hold any character."""
    return f"{OAUTH}{provider}#{subject}"


def passkey_key(credential_id: bytes) -> str:
    """The identity that a passkey is. Hashed: a credential id may be longer than a key."""
    return PASSKEY + digest(credential_id)


def token_key(purpose: str, token_digest: str) -> str:
    """Where a one-time token is stored. The purpose is part of the key, so none passes for another's."""
    return f"{purpose}#{token_digest}"


def pkce_key(state: str) -> str:
    """Where a PKCE verifier is stored."""
    return token_key("pkce", digest(state))


def challenge_key(challenge: bytes) -> str:
    """Where a WebAuthn challenge is stored."""
    return token_key("challenge", digest(challenge))


def attempt_subject(kind: AttemptKind, value: str, purpose: str | None = None) -> str:
    """What attempts are counted under. Hashed: whoever reads the table does not learn who tried."""
    return f"{kind}#{digest(value)}" if purpose is None else f"{kind}.{purpose}#{digest(value)}"


def attempt_key(subject: str, attempt: str = REGISTER) -> Item:
    """The primary key of a row of the attempts table: a register, or the audit row of an attempt."""
    return {"subject": {"S": subject}, "attempt": {"S": attempt}}
