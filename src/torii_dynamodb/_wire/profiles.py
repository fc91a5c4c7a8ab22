"""AWS configuration files, read as botocore does: the profiles and their ``services`` sections. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torii_dynamodb.errors import ConfigurationError

__all__ = ["Profile", "find_profile"]

Section = dict[str, Any]


class Profile:
    """A profile. It contains keys, so its ``repr`` shows no content.

    Attributes:
        values: Its settings; an indented block is a mapping.
        services: All sections ``[services name]``, by name.
    """

    __slots__ = ("services", "values")

    def __init__(self, values: Mapping[str, Any], services: Mapping[str, Any]) -> None:
        self.values = values
        self.services = services

    def get(self, name: str) -> str | None:
        """Return a setting; ``None`` if it is missing."""
        value = self.values.get(name)
        return value if isinstance(value, str) else None

    def endpoint_url(self, service: str) -> str | None:
        """Return the endpoint of a service: from the profile's ``services`` section, or the one for all services.

        Raises:
            ConfigurationError: The section that the profile names does not exist.
        """
        name = self.get("services")
        if name is not None:
            section = self.services.get(name)
            if not section:
                raise ConfigurationError(
                    f"the AWS profile says services = {name}, but there is no section [services {name}]"
                )
            block = section.get(service)
            if isinstance(block, dict) and cast("Section", block).get("endpoint_url"):
                return str(cast("Section", block)["endpoint_url"])
        return self.get("endpoint_url")


def find_profile(name: str | None, config: tuple[str, str] | None, credentials: tuple[str, str] | None) -> Profile:
    """Find a profile in the two AWS files.

    Args:
        name: The profile; ``None`` for ``default``, which need not exist.
        config: Path and text of the configuration file; ``None`` if there is none.
        credentials: The same for the credentials file, whose settings win.

    Raises:
        ConfigurationError: There is no such profile, or a file cannot be read.
    """
    profiles: dict[str, Section] = {}
    services: dict[str, Section] = {}
    for title, section in _sections(config):
        kind, named = _split(title)
        if title == "default":
            profiles["default"] = section
        elif named is not None and kind.startswith("profile"):
            profiles[named] = section
        elif named is not None and kind.startswith("services"):
            services[named] = section
    for title, section in _sections(credentials):
        profiles.setdefault(title, {}).update(section)
    if name is not None and name not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise ConfigurationError(f"there is no AWS profile {name!r} (there is: {known}); check AWS_PROFILE")
    return Profile(profiles.get(name or "default", {}), services)


def _sections(file: tuple[str, str] | None) -> list[tuple[str, Section]]:
    if file is None:
        return []
    import configparser  # imported here: machines without these files (Lambda) do not pay for it

    path, text = file
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
        return [
            (title, {option: _value(parser.get(title, option)) for option in parser.options(title)})
            for title in parser.sections()
        ]
    except (configparser.Error, ValueError) as error:
        # Their messages quote lines, which may contain keys.
        raise ConfigurationError(f"{path} is not a valid AWS configuration file ({type(error).__name__})") from None


def _split(title: str) -> tuple[str, str | None]:
    if not title.startswith(("profile", "services")):
        return title, None
    import shlex

    try:
        parts = shlex.split(title)
    except ValueError:
        return title, None
    return (parts[0], parts[1]) if len(parts) == 2 else (title, None)


def _value(text: str) -> str | dict[str, str]:
    if not text.startswith("\n"):
        return text
    pairs = (line.split("=", 1) for line in text.splitlines() if line.strip())
    return {name.strip(): value.strip() for name, value in pairs}
