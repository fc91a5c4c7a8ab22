"""The services' policies: how long sessions last, which passwords are accepted, how they are hashed."""

from __future__ import annotations

from torii_dynamodb._pool import HashingPool
from torii_dynamodb._rules.hashing import Argon2Hasher, PasswordHasher, PasswordPolicy, SeveralKinds
from torii_dynamodb._rules.second_factor import SecondFactorPolicy
from torii_dynamodb._rules.session_policy import SessionPolicy, signed_in_at
from torii_dynamodb.models import LockoutPolicy

__all__ = [
    "Argon2Hasher",
    "HashingPool",
    "LockoutPolicy",
    "PasswordHasher",
    "PasswordPolicy",
    "SecondFactorPolicy",
    "SessionPolicy",
    "SeveralKinds",
    "signed_in_at",
]
