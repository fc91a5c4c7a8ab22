# Generated from src/torii_dynamodb/testing/_async/conformance/races.py by tools/unasync.py. Do not edit.

"""All the races."""

from __future__ import annotations

from torii_dynamodb.testing._sync.conformance.races_identities import IdentityRaceConformance
from torii_dynamodb.testing._sync.conformance.races_secrets import SecretRaceConformance

__all__ = ["RaceConformance"]


class RaceConformance(IdentityRaceConformance, SecretRaceConformance):
    """Many callers at the same time. Skipped, and said so, where ``"races"`` is not declared."""
