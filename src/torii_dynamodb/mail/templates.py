"""Mails from Jinja2 templates, with HTML escaped; a file of the same name replaces one of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.languages import install

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["TEMPLATES", "Rendered", "Templates"]

TEMPLATES = (
    "account_deleted",
    "account_exists",
    "change_email",
    "confirm_provider",
    "email_changed",
    "email_code",
    "invitation",
    "magic_link",
    "new_sign_in",
    "passkey_added",
    "passkey_removed",
    "password_changed",
    "password_removed",
    "provider_connected",
    "provider_disconnected",
    "recovery_code_used",
    "recovery_codes_replaced",
    "reset_password",
    "second_factor_added",
    "second_factor_removed",
    "second_factors_removed",
    "verify_email",
)
"""All templates. Each has two files: ``<name>.txt`` (first line ``Subject: ...``, an empty line, the text) and
``<name>.html``, which extends ``layout.html``."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's contents."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


class Templates:
    """The templates; those in your folder come first.

    Args:
        folder: A folder of your own templates, or ``None``.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def render(self, name: str, context: dict[str, Any]) -> Rendered:
        """Fill in a template, in the current language (:func:`torii_dynamodb.languages.current_language`).

        Raises:
            ConfigurationError: Jinja2 is not installed, or a template in the folder cannot be read or uses an
                undefined name. The message names the template.
        """
        environment = _environment(self._folder)
        from jinja2 import TemplateError

        try:
            plain = environment.get_template(f"{name}.txt").render(context)
            html = environment.get_template(f"{name}.html").render(context)
        except TemplateError as error:
            raise ConfigurationError(f"the mail template {name!r} cannot be used: {error}") from error
        head, _, body = plain.partition("\n")
        if not head.startswith("Subject:"):
            raise ConfigurationError(f"the mail template '{name}.txt' must begin with a line 'Subject: ...'")
        subject = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+", " ", head.removeprefix("Subject:")).strip()
        return Rendered(subject, body.strip() + "\n", html)


@lru_cache(maxsize=16)
def _environment(folder: Path | None) -> Environment:
    """Return one environment per folder: it keeps the compiled templates."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
    except ImportError as error:
        raise ConfigurationError(
            "mail templates need Jinja2: pip install 'torii-dynamodb[mail]', or pass your own Templates"
        ) from error
    folders = [] if folder is None else [folder]
    environment = Environment(
        loader=FileSystemLoader([*folders, Path(__file__).parent / "templates"]),
        autoescape=select_autoescape(["html"], default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    install(environment)
    return environment
