"""How the pages look and where they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from torii_dynamodb._rules.checking import check_fields
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.fastapi.settings import path_of

__all__ = ["PagesConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PagesConfig:
    """How the pages look and where they are. The defaults are where ``MailSettings``' links lead.

    Args:
        app_name: What the application is called, on every page.
        prefix: Where the pages are.
        home: Where the application's name leads, a path.
        templates: A folder of your own templates; those you leave out are taken from the library.
        password_hint: What the pages say about new passwords; write another one with another ``PasswordPolicy``.
        stylesheet: The path of a style sheet of your own, loaded after the library's. It must be on this site.
    """

    app_name: str
    prefix: str = "/auth"
    home: str = "/"
    templates: Path | None = None
    password_hint: str = "At least 8 characters. Several words make a good password."
    stylesheet: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.app_name.strip():
            raise ConfigurationError("app_name: say what the application is called")
        if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", self.prefix):
            raise ConfigurationError(f"prefix: {self.prefix!r}: give a path such as /auth")
        for option in ("home", "stylesheet"):
            path = getattr(self, option)
            if path is not None:
                object.__setattr__(self, option, path_of(option, path))
