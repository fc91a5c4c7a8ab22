"""How commands send mail: the options, the mailer that they name, and what became of each mail."""

from __future__ import annotations

import functools
import inspect
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Concatenate, Literal, ParamSpec, TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import typer

from torii_dynamodb.cli.support import Connection, WrongOption, options_given, take_options
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.mail import ConsoleMailer, FileMailer, Mailer, MailSettings, SesMailer, SmtpMailer

__all__ = ["Mailing", "with_mail"]

P = ParamSpec("P")
R = TypeVar("R")

_PANEL = "How to send mail"
_URL_VARIABLE = "TORII_MAILER"
_PASSWORD_VARIABLE = "TORII_SMTP_PASSWORD"

MailerUrl = Annotated[
    str | None,
    typer.Option(
        "--mailer",
        metavar="URL",
        envvar=_URL_VARIABLE,
        show_envvar=True,
        help="What sends the mail: ses:REGION, smtp://user@host, smtps://user@host, or file:FOLDER to look at it. The "
        f"SMTP password is read from {_PASSWORD_VARIABLE}.",
        rich_help_panel=_PANEL,
    ),
]
Sender = Annotated[
    str | None,
    typer.Option("--sender", metavar="ADDRESS", envvar="TORII_MAIL_SENDER", help="The sender.", rich_help_panel=_PANEL),
]
AppName = Annotated[
    str | None,
    typer.Option(
        "--app-name",
        metavar="NAME",
        envvar="TORII_APP_NAME",
        help="The application's name, in mails. New passwords must not consist of it.",
        rich_help_panel=_PANEL,
    ),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        metavar="URL",
        envvar="TORII_BASE_URL",
        help="The application's URL, to which links lead.",
        rich_help_panel=_PANEL,
    ),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--mail-settings",
        metavar="FILE",
        envvar="TORII_MAIL_SETTINGS",
        help="A TOML file with these options and others of MailSettings, such as reset_password_path.",
        rich_help_panel=_PANEL,
    ),
]

_OPTIONS = {
    "mailer": MailerUrl,
    "sender": Sender,
    "app_name": AppName,
    "base_url": BaseUrl,
    "mail_settings": SettingsFile,
}
_IN_FILE = {"mailer"} | {one.name for one in fields(MailSettings) if one.type in ("str", "str | None", "Path | None")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """The options for mail, with those from the file.

    Args:
        url: ``--mailer``. It may contain a password, so it is never shown.
        settings: The arguments of :class:`MailSettings`.
    """

    url: str | None
    settings: Mapping[str, Any]

    def __repr__(self) -> str:
        return "Mailing(...)"

    @property
    def app_name(self) -> str | None:
        """The application's name."""
        return self.settings.get("app_name")

    def mailer(self, connection: Connection) -> Mailer | None:
        """The mailer; ``None`` if there is none.

        Args:
            connection: Says whose SES it is, and where.

        Raises:
            WrongOption: The URL cannot be used.
            ConfigurationError: A package is missing.
        """
        if self.url is None:
            return None
        if find_spec("jinja2") is None:
            raise ConfigurationError("mails need Jinja2: pip install 'torii-dynamodb[mail]'")
        return _mailer_of(self.url, connection)

    def mail_settings(self) -> MailSettings:
        """The settings for mails.

        Raises:
            WrongOption: One is missing or invalid.
        """
        missing = [name for name in ("sender", "app_name", "base_url") if not self.settings.get(name)]
        if missing:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
            raise WrongOption(f"to send mail, give {flags} as well, or set {_variables(missing)}")
        with options_given():
            return MailSettings(**self.settings, delivery="inline")

    def reset_link(self, token: str) -> str:
        """The link in which a reset token works.

        Raises:
            WrongOption: ``--base-url`` is missing or invalid.
        """
        if not self.settings.get("base_url"):
            raise WrongOption("to print a link, give --base-url: the application's URL")
        given: dict[str, Any] = {"sender": "unused@example.com", "app_name": "unused", **self.settings}
        with options_given():
            settings = MailSettings(**given)
        return settings.url(settings.reset_password_path, token)


def with_mail(command: Callable[Concatenate[Connection, Mailing, P], R]) -> Callable[Concatenate[Connection, ...], R]:
    """Add the options for mail to a command, and pass them as its second argument. To be used below ``@connected``."""

    @functools.wraps(command)
    def with_options(connection: Connection, *args: Any, **kwargs: Any) -> R:
        given = {name: kwargs.pop(name) for name in _OPTIONS}
        return command(connection, _mailing(**given), *args, **kwargs)

    first, _, *own = inspect.signature(command, eval_str=True).parameters.values()
    take_options(with_options, [first, *own], _OPTIONS)
    return with_options


def _mailing(mailer: str | None, mail_settings: Path | None, **given: str | None) -> Mailing:
    settings = _read(mail_settings) | {name: value for name, value in given.items() if value is not None}
    from_file = settings.pop("mailer", None)
    if mailer is not None and mailer != os.environ.get(_URL_VARIABLE) and _parts(mailer).password:
        raise WrongOption(
            f"--mailer: give the password in {_PASSWORD_VARIABLE}, or the whole URL in {_URL_VARIABLE}: others can "
            "see arguments"
        )
    return Mailing(url=mailer or from_file, settings=settings)


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        # Not its text: the file may contain a password.
        raise WrongOption(f"{path}: this is not valid TOML in UTF-8") from error
    for name, value in settings.items():
        if name not in _IN_FILE:
            raise WrongOption(f"{path}: there is no option {name!r}; give some of {', '.join(sorted(_IN_FILE))}")
        if not isinstance(value, str):
            raise WrongOption(f"{path}: {name}: give text in quotes")
    if "templates" in settings:
        settings["templates"] = path.parent / settings["templates"]
    return settings


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it raises, too
    except ValueError as error:
        raise WrongOption("--mailer: this is not a valid URL: give smtp://user@host, for example") from error
    return parts


def _mailer_of(url: str, connection: Connection) -> Mailer:
    parts = _parts(url)
    query = dict(parse_qsl(parts.query))
    if parts.scheme == "ses" and not parts.netloc and set(query) <= {"configuration_set"}:
        credentials = connection.config().credentials if connection.profile else None
        with options_given():
            return SesMailer(
                region=parts.path or connection.region,
                credentials=credentials,
                configuration_set=query.get("configuration_set"),
            )
    if parts.scheme == "console":
        return ConsoleMailer()
    if parts.scheme == "file" and not parts.netloc and parts.path:
        return FileMailer(unquote(parts.path))
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise WrongOption("--mailer: give ses:REGION, smtp://user@host, smtps://user@host, file:FOLDER or console:")
    security = query.pop("security", "tls" if parts.scheme == "smtps" else "starttls")
    if query or security not in ("starttls", "tls", "none") or parts.path.strip("/"):
        raise WrongOption("--mailer: after the host, only ?security=none is known, for a server on this machine")
    given = os.environ.get(_PASSWORD_VARIABLE) if parts.password is None else unquote(parts.password)
    if parts.username and given is None:
        raise WrongOption(f"--mailer: the URL has a user but no password: set {_PASSWORD_VARIABLE}")
    kind: Literal["starttls", "tls", "none"] = security  # type: ignore[assignment]
    with options_given():
        return SmtpMailer(
            parts.hostname,
            parts.port,
            username=unquote(parts.username) if parts.username else None,
            password=given if parts.username else None,
            security=kind,
        )


def _variables(names: list[str]) -> str:
    known = {"sender": "TORII_MAIL_SENDER", "app_name": "TORII_APP_NAME", "base_url": "TORII_BASE_URL"}
    return ", ".join(known[name] for name in names)
