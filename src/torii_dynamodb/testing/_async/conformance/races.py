"""All the races."""

from __future__ import annotations

from torii_dynamodb.testing._async.conformance.races_identities import AsyncIdentityRaceConformance
from torii_dynamodb.testing._async.conformance.races_secrets import AsyncSecretRaceConformance

__all__ = ["AsyncRaceConformance"]


class AsyncRaceConformance(AsyncIdentityRaceConformance, AsyncSecretRaceConformance):
    """Many callers at the same time. Skipped, and said so, where ``"races"`` is not declared."""
