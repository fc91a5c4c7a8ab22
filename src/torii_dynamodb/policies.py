"""What the services can be told: how long sessions last, which passwords are taken, how they are hashed."""

from __future__ import annotations

from torii_dynamodb._core.hashing import Argon2Hasher, PasswordHasher, PasswordPolicy
from torii_dynamodb._core.session_policy import SessionPolicy, signed_in_at
from torii_dynamodb.models import LockoutPolicy

__all__ = ["Argon2Hasher", "LockoutPolicy", "PasswordHasher", "PasswordPolicy", "SessionPolicy", "signed_in_at"]
