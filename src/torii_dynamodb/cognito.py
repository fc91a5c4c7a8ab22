"""Amazon Cognito as the system that users are migrated from: ``Torii(legacy=CognitoSignIn(...))``."""

from __future__ import annotations

from torii_dynamodb._async.cognito import AsyncCognitoSignIn
from torii_dynamodb._sync.cognito import CognitoSignIn

__all__ = ["AsyncCognitoSignIn", "CognitoSignIn"]
