"""The configuration of the pages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from torii_dynamodb._rules.checking import check_fields
from torii_dynamodb._web.settings import path_of
from torii_dynamodb.branding import Brand
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.languages import Languages, marked

__all__ = ["PagesConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PagesConfig:
    """How the pages look and where they are. The links of ``MailSettings`` match the defaults.

    Args:
        app_name: The application's name, shown on every page.
        prefix: The path of the pages.
        home: The path that the application's name links to.
        templates: A folder with templates of your own, which replace the library's with the same names.
        password_hint: What the pages say about new passwords; change it along with the ``PasswordPolicy``.
        stylesheet: The path of your own style sheet, loaded after the library's. It must be on this site.
        brand: Logo, colours, links and footer; see ``docs/branding.md``.
        passkey_autofill: Whether browsers offer passkeys in the field for the email address. Each view of the sign-in
            page then costs two writes: of the challenge, and of the limit by IP address.
        languages: The languages that people can choose; see ``docs/translations.md``.
    """

    app_name: str
    prefix: str = "/auth"
    home: str = "/"
    templates: Path | None = None
    password_hint: str = marked("At least 8 characters. Several words make a good password.")
    stylesheet: str | None = None
    languages: Languages = field(default_factory=Languages)
    brand: Brand = field(default_factory=Brand)
    passkey_autofill: bool = True

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.app_name.strip():
            raise ConfigurationError("app_name must not be empty: give the name of your application")
        if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", self.prefix):
            raise ConfigurationError(f"prefix: {self.prefix!r}: give a path like /auth")
        for option in ("home", "stylesheet"):
            path = getattr(self, option)
            if path is not None:
                object.__setattr__(self, option, path_of(option, path))
