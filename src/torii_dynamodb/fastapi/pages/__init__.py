"""Pages: sign up, sign in, links from mails, and the account. Server-rendered; without JavaScript but for passkeys."""

from __future__ import annotations

from torii_dynamodb.fastapi.pages.router import pages
from torii_dynamodb.fastapi.pages.settings import PagesConfig

__all__ = ["PagesConfig", "pages"]
