"""Accounts at providers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb.models.common import Metadata, nothing

__all__ = ["NewOAuthAccount", "OAuthAccount", "PkceVerifier"]


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class NewOAuthAccount:
    """An account at a provider, to link to a user.

    Args:
        provider: 1 to 32 of ``a-z 0-9 _ -``, for example ``"google"``.
        subject: The provider's id for the person (OpenID Connect's ``sub``), up to 255 bytes. Never an email address.
        email: The address that the provider gives, for display.
        profile: What else the provider says about the person; not shown in ``repr``.
        tokens: The provider's tokens, if you call its API later. Stored as given, so seal them first if your threat
            model needs more than DynamoDB's encryption at rest. Not shown in ``repr``.
    """

    provider: str
    subject: str
    email: str | None = None
    profile: Metadata = field(default_factory=nothing, repr=False)
    tokens: Metadata = field(default_factory=nothing, repr=False)


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthAccount:
    """A linked account at a provider: the fields of :class:`NewOAuthAccount`, its user, and its times."""

    provider: str
    subject: str
    user_id: str
    email: str | None
    profile: Metadata = field(repr=False)
    tokens: Metadata = field(repr=False)
    created_at: datetime
    updated_at: datetime


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class PkceVerifier:
    """A PKCE code verifier (RFC 7636), stored while the person is at the provider.

    Args:
        verifier: The secret; stored encrypted under the state, of which only the hash is stored.
        expires_at: From this moment on it is refused.
        metadata: Anything of yours (where to go next, the nonce, ...), encrypted with the verifier.
    """

    verifier: str = field(repr=False)
    expires_at: datetime
    metadata: Metadata = field(default_factory=nothing, repr=False)
