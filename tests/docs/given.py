"""What the fragments in the documents take for granted, as an application of the reader's would have it.

A block that uses a name without defining it gets the name from an earlier block of its page, or from here. Only type
checkers read this file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastapi import Depends, FastAPI

from torii_dynamodb import AsyncDynamoDbStorage, AsyncTorii, DynamoDbConfig, DynamoDbStorage, Session, Torii, User
from torii_dynamodb.fastapi import AuthRouter, UserOut, WebConfig, router
from torii_dynamodb.fastapi.pages import PagesConfig, pages
from torii_dynamodb.jwt import JwtSettings
from torii_dynamodb.testing import AsyncMemoryStorage

__all__ = [
    "INSTALLED_APPS",
    "MIDDLEWARE",
    "URL",
    "Any",
    "AsyncDynamoDbStorage",
    "AsyncTorii",
    "Depends",
    "DynamoDbConfig",
    "DynamoDbStorage",
    "FastAPI",
    "Mapping",
    "PagesConfig",
    "Session",
    "Torii",
    "User",
    "UserOut",
    "WebConfig",
    "app",
    "auth",
    "config",
    "jwt",
    "old_system",
    "os",
    "pages",
    "router",
    "secret",
    "storage",
    "timedelta",
    "torii",
    "user",
]

URL: str
INSTALLED_APPS: list[str]
MIDDLEWARE: list[str]
secret: str
jwt: JwtSettings
old_system: Any
config: DynamoDbConfig
storage: AsyncMemoryStorage
torii: AsyncTorii
auth: AuthRouter
app: FastAPI
user: User
