"""Server-rendered pages: sign up, sign in, mailed links, and the account. Only passkeys need JavaScript."""

from __future__ import annotations

from torii_dynamodb.fastapi.pages.router import pages
from torii_dynamodb.fastapi.pages.settings import PagesConfig

__all__ = ["PagesConfig", "pages"]
