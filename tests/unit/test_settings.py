"""Wrong objects and settings are reported at construction, by name, in both twins."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from torii_dynamodb import AsyncDynamoDbStorage, AsyncTorii, DynamoDbConfig, DynamoDbStorage, LockoutPolicy, Torii
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.fastapi import ToriiMiddleware, WebConfig, dynamodb, router
from torii_dynamodb.fastapi.admin import Admin
from torii_dynamodb.fastapi.pages import PagesConfig, pages
from torii_dynamodb.jwt import JwtSettings
from torii_dynamodb.mail import AsyncMemoryMailer, MailSettings, MemoryMailer
from torii_dynamodb.oauth import apple, google, microsoft, oidc
from torii_dynamodb.passkeys import PasskeySettings
from torii_dynamodb.policies import PasswordPolicy, SessionPolicy
from torii_dynamodb.testing import AsyncMemoryStorage, MemoryStorage

MAIL: dict[str, Any] = {"sender": "no-reply@example.com", "app_name": "Example", "base_url": "https://app.example.com"}
SECRET = "s" * 32


class AwaitedMailer:
    """A third-party asynchronous mailer."""

    async def send(self, message: object) -> None:
        raise NotImplementedError


class PassingOn:
    """Passes everything on, as a proxy or a test double does."""

    def __init__(self, storage: object) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)


def refused(make: Callable[[], object], *words: str) -> None:
    """Assert that construction raises a ConfigurationError with these words that shows no value."""
    with pytest.raises(ConfigurationError) as told:
        make()
    for word in words:
        assert word in str(told.value), told.value
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(("services", "twin"), [(AsyncTorii, False), (Torii, True)])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"oauth": ["google"]}, ["oauth", "google(...)"]),
        ({"oauth": "google"}, ["oauth", "a list"]),
        ({"oauth": google("id", "hunter2")}, ["oauth", "a list"]),
        ({"oauth": [google]}, ["oauth"]),
        ({"sessions": timedelta(days=1)}, ["sessions", "SessionPolicy", "timedelta"]),
        ({"passwords": {"min_length": 8}}, ["passwords", "PasswordPolicy"]),
        ({"passwords": PasswordPolicy}, ["passwords", "the class PasswordPolicy itself"]),
        ({"lockout": 5}, ["lockout", "LockoutPolicy"]),
        ({"lockout": LockoutPolicy(max_attempts=0)}, ["lockout", "max_attempts"]),
        ({"hasher": "argon2"}, ["hasher"]),
        ({"hashing": 4}, ["hashing", "HashingPool"]),
        ({"compromised": ["password"]}, ["compromised"]),
        ({"require_verified_to_sign_in": "no"}, ["require_verified_to_sign_in", "True or False"]),
        ({"magic_link_sign_up": None}, ["magic_link_sign_up"]),
        ({"oauth_sign_up": "yes"}, ["oauth_sign_up"]),
        ({"passkeys": "example.com"}, ["passkeys", "PasskeySettings"]),
        ({"jwt": {"issuer": "hunter2"}}, ["jwt", "JwtSettings"]),
        ({"clock": 0}, ["clock"]),
        ({"random": b"hunter2"}, ["random"]),
        ({"mailer": "smtp://hunter2", "mail": MailSettings(**MAIL)}, ["mailer", "send"]),
        ({"mailer": AsyncMemoryMailer, "mail": MailSettings(**MAIL)}, ["mailer", "the class"]),
        ({"mailer": "own", "mail": MAIL}, ["mail", "MailSettings"]),
        ({"secret": 42}, ["secret", "text or bytes"]),
        ({"secret": [64]}, ["secret", "text or bytes"]),
    ],
)
def test_wrong_options_of_the_services(services: Any, twin: bool, options: dict[str, Any], words: list[str]) -> None:
    """The message names the option and what to give."""
    storage = MemoryStorage() if twin else AsyncMemoryStorage()
    if options.get("mailer") == "own":
        options = {**options, "mailer": MemoryMailer() if twin else AsyncMemoryMailer()}
    refused(lambda: services(storage, **options), *words)


async def test_wrong_storages() -> None:
    """A storage that is not opened, a class, None, from the other twin or not awaited: the message says which."""
    making = AsyncMemoryStorage().get_user("usr_x")
    never: list[tuple[Any, Any, str]] = [
        (AsyncTorii, AsyncDynamoDbStorage(), "AsyncDynamoDbStorage is not open"),
        (Torii, DynamoDbStorage(), "DynamoDbStorage is not open"),
        (AsyncTorii, AsyncDynamoDbStorage, "the class AsyncDynamoDbStorage itself"),
        (Torii, MemoryStorage, "the class MemoryStorage itself"),
        (AsyncTorii, None, "None"),
        (Torii, "my-table", "str"),
        (AsyncTorii, making, "awaited"),
        (AsyncTorii, MemoryStorage(), "MemoryStorage"),
        (Torii, AsyncMemoryStorage(), "AsyncMemoryStorage"),
    ]
    for services, storage, word in never:
        refused(lambda services=services, storage=storage: services(storage), "storage", word)  # type: ignore[misc]
    making.close()
    # What passes everything on is accepted.
    AsyncTorii(PassingOn(AsyncMemoryStorage()))
    Torii(PassingOn(MemoryStorage()))


def test_mailers_of_the_other_twin() -> None:
    """Our classes are recognised by their module, others by ``async def``; what might be awaitable passes."""
    mail = MailSettings(**MAIL)
    refused(lambda: AsyncTorii(AsyncMemoryStorage(), mailer=MemoryMailer(), mail=mail), "mailer", "async def")  # type: ignore[arg-type]
    refused(lambda: Torii(MemoryStorage(), mailer=AsyncMemoryMailer(), mail=mail), "mailer", "`def send")  # type: ignore[arg-type]
    refused(lambda: Torii(MemoryStorage(), mailer=AwaitedMailer(), mail=mail), "mailer")  # type: ignore[arg-type]
    AsyncTorii(AsyncMemoryStorage(), mailer=AwaitedMailer(), mail=mail)
    AsyncTorii(AsyncMemoryStorage(), mailer=PassingOn(AwaitedMailer()), mail=mail)


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        (WebConfig, {"prefix": 1}),
        (WebConfig, {"trusted_origins": "https://app.example.com"}),
        (WebConfig, {"trusted_origins": [1]}),
        (WebConfig, {"transports": "cookie"}),
        (WebConfig, {"transports": ["carrier pigeon"]}),
        (WebConfig, {"registration": True}),
        (WebConfig, {"registration": ["private"]}),
        (WebConfig, {"secure_cookies": "no"}),
        (WebConfig, {"same_site": None}),
        (WebConfig, {"recent_sign_in": 15}),
        (WebConfig, {"ip_limit": 20}),
        (WebConfig, {"ip_limit": LockoutPolicy(window=timedelta(0))}),
        (WebConfig, {"trusted_proxies": "10.0.0.0/8"}),
        (PagesConfig, {"app_name": None}),
        (PagesConfig, {"templates": "templates"}),
        (PagesConfig, {"stylesheet": Path("/x.css")}),
        (MailSettings, {**MAIL, "base_url": None}),
        (MailSettings, {**MAIL, "delivery": "later"}),
        (MailSettings, {**MAIL, "throttle": 5}),
        (MailSettings, {**MAIL, "throttle_user": LockoutPolicy(max_attempts=99)}),
        (MailSettings, {**MAIL, "verify_email_for": 3600}),
        (MailSettings, {**MAIL, "new_sign_in_notice": "yes"}),
        (SessionPolicy, {"idle": 7}),
        (PasswordPolicy, {"min_length": "8"}),
        (PasswordPolicy, {"min_length": True}),
        (JwtSettings, {"issuer": "https://x", "audience": "y", "keys": "hunter2"}),
        (PasskeySettings, {"rp_id": "x", "rp_name": "x", "origins": "https://x"}),
        (PasskeySettings, {"rp_id": "x", "rp_name": "x", "origins": ["https://x"], "timeout": 5}),
    ],
)
def test_settings_of_the_wrong_kind(settings: Any, options: dict[str, Any]) -> None:
    """The message begins with the option."""
    with pytest.raises(ConfigurationError) as told:
        settings(**({"app_name": "x"} | options if settings is PagesConfig else options))
    wrong = [option for option in options if option not in MAIL or options[option] != MAIL[option]]
    assert any(option in str(told.value) for option in wrong), told.value
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("option", "make"),
    [
        ("issuer", lambda: company(issuer="https://id.example/.well-known/openid-configuration")),
        ("issuer", lambda: company(issuer=b"https://id.example")),
        ("client_id", lambda: company(client_id="a\n")),
        ("client_secret", lambda: company(client_secret="hunter2 ")),
        ("userinfo", lambda: company(userinfo=True)),
        ("token_auth_method", lambda: company(token_auth_method="basic")),
        ("checks", lambda: company(check="staff")),
        ("parameters", lambda: company(parameters=["prompt"])),
        ("use_pkce", lambda: company(use_pkce="no")),
        ("private_key", lambda: apple("a", team_id="t", key_id="k", private_key=None)),  # type: ignore[arg-type]
        ("tenant", lambda: microsoft("a", "b", tenant=None)),  # type: ignore[arg-type]
    ],
)
def test_wrong_settings_of_a_provider(option: str, make: Callable[[], object]) -> None:
    """Mistakes that would appear only at the first sign-in ("invalid_client", a 404) are reported at once."""
    refused(make, option)


def company(**options: Any) -> object:
    """Return a provider that is valid except for these settings."""
    right = {"name": "company", "issuer": "https://id.example", "client_id": "a", "client_secret": "hunter2"}
    return oidc(**(right | options))


def test_password_lengths_must_be_possible() -> None:
    """A policy that accepts no password is refused."""
    for options in ({"min_length": 0}, {"min_length": 20, "max_length": 10}, {"max_length": 10**9}):
        refused(lambda options=options: PasswordPolicy(**options), "min_length")  # type: ignore[misc]


def test_wrong_objects_in_the_web_layer() -> None:
    """Blocking services, a router instead of its web, a dictionary instead of settings: the message names each."""
    torii = AsyncTorii(AsyncMemoryStorage(), secret=SECRET, mailer=AsyncMemoryMailer(), mail=MailSettings(**MAIL))
    auth = router(torii)
    blocking: Any = Torii(MemoryStorage(), secret=SECRET)
    anything: Any = {"app_name": "Example"}
    app: Any = None
    refused(lambda: router(blocking), "torii", "AsyncTorii", "Torii")
    refused(lambda: router(torii, config=anything), "config", "WebConfig")
    refused(lambda: ToriiMiddleware(app, blocking), "torii", "AsyncTorii")
    refused(lambda: pages(auth, PagesConfig(app_name="x")), "web", "auth.web")  # type: ignore[arg-type]
    refused(lambda: pages(auth.web, anything), "settings", "PagesConfig")
    refused(lambda: Admin("ops@example.com"), "is_admin", "a set")
    refused(lambda: Admin({"ops@example.com"}, lockout=anything), "lockout")
    refused(lambda: Admin({"ops@example.com"}).router(auth.web, anything), "settings")
    refused(lambda: dynamodb(anything), "config", "DynamoDbConfig")
    later: Any = dynamodb(DynamoDbConfig())
    refused(lambda: Torii(later), "storage")
