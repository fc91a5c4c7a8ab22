"""What of the web layer depends on whose users it is about: services, cookies, and where browsers are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from torii_dynamodb._async.gate import AsyncGate
from torii_dynamodb._rules.checking import check_kind
from torii_dynamodb._rules.origins import check_origins, origin_of
from torii_dynamodb._web.cookies import Cookies
from torii_dynamodb._web.csrf import CrossSite
from torii_dynamodb._web.navigation import Navigation
from torii_dynamodb._web.settings import WebConfig, path_of
from torii_dynamodb.branding import Brand
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.fastapi.errors import Problem

if TYPE_CHECKING:
    from torii_dynamodb._async.services import AsyncTorii

__all__ = ["Tenant", "TenantPart", "part_of", "part_of_tenant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One tenant, as the web layer serves it.

    Args:
        torii: Its services: ``AsyncTorii(storage.tenant(name), ...)``, with its own mail settings, passkey settings
            and providers. Offer the same as the services given to the router: what those lack has no routes.
        app_name: The name that its pages show.
        base_url: Where browsers reach it, for example ``https://acme.example.com``, or
            ``https://app.example.com/t/acme`` with ``by_path``. Give its ``MailSettings`` the same.
        stylesheet: The path of its own style sheet, instead of that of ``PagesConfig``.
        brand: Its own logo, colours, links and footer, instead of those of ``PagesConfig``.
        trusted_origins: Other origins whose pages may use its cookies, besides those of ``WebConfig``.
        sign_up: Whether people can register. Set ``magic_link_sign_up`` and ``oauth_sign_up`` of its services, too.
    """

    torii: AsyncTorii = field(repr=False)
    app_name: str
    base_url: str
    stylesheet: str | None = None
    brand: Brand | None = None
    trusted_origins: Sequence[str] = ()
    sign_up: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.app_name, str) or not self.app_name.strip():
            raise ConfigurationError("app_name must not be empty: give the name that the tenant's pages show")
        origin_of("base_url", self.base_url)
        check_origins("trusted_origins", self.trusted_origins)
        if self.brand is not None:
            check_kind("brand", self.brand, "torii_dynamodb.branding.Brand", "Brand(...) or None")
        if self.stylesheet is not None:
            object.__setattr__(self, "stylesheet", path_of("stylesheet", self.stylesheet))


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantPart:
    """What depends on the tenant. Without tenants there is one, for everybody.

    Args:
        torii: The services.
        config: How the web layer behaves here.
        cookies: The cookies.
        navigation: Where browsers are sent.
        cross_site: Distinguishes requests of this site's pages from others.
        gate: Checks, begins and ends sessions.
        requires_verified: Whether users can sign in with a password only once their address is verified.
        tenant: The tenant; ``None`` without tenants.
        path: The path below which the tenant is, such as ``/t/acme``; empty if the path does not name it.
    """

    torii: AsyncTorii = field(repr=False)
    config: WebConfig
    cookies: Cookies
    navigation: Navigation
    cross_site: CrossSite
    gate: AsyncGate
    requires_verified: bool
    tenant: Tenant | None = None
    path: str = ""


def part_of(torii: AsyncTorii, config: WebConfig, *, tenant: Tenant | None = None, path: str = "") -> TenantPart:
    """Check that the services and the configuration match, and derive the rest from them.

    Raises:
        ConfigurationError: Access tokens are accepted but not set up, or their keys are too weak.
    """
    services = "torii_dynamodb._async.services.torii.AsyncTorii"
    check_kind("torii", torii, services, "AsyncTorii(...): Torii would block the event loop")
    if torii.issues_jwt:
        torii.jwt  # noqa: B018 - reports a wrong key at startup, not at the first token
    elif "jwt" in config.transports:
        raise ConfigurationError("transports: 'jwt' requires access tokens: give AsyncTorii jwt=JwtSettings(...)")
    decided = torii.require_verified_to_sign_in
    cookies = Cookies(config, torii.clock, tenant=None if tenant is None else torii.tenant_name)
    cross_site = CrossSite(config)
    return TenantPart(
        torii=torii,
        config=config,
        cookies=cookies,
        navigation=Navigation(config, tenant_path=path),
        cross_site=cross_site,
        gate=AsyncGate(torii, config, cookies=cookies, cross_site=cross_site, problem=Problem),
        requires_verified=(config.registration == "private" and torii.sends_mail) if decided is None else decided,
        tenant=tenant,
        path=path,
    )


def part_of_tenant(name: str, tenant: Tenant, config: WebConfig, *, path: str = "") -> TenantPart:
    """A tenant's part.

    Args:
        name: The tenant's name.
        tenant: Its services and settings.
        config: The configuration of all tenants.
        path: The path below which the tenant is; empty if the path does not name it.

    Raises:
        ConfigurationError: The services are not this tenant's, or the settings do not match.
    """
    if tenant.torii.tenant_name != name:
        raise ConfigurationError(
            f"tenant {name!r}: the services are those of {tenant.torii.tenant_name!r}: give AsyncTorii "
            f"storage.tenant({name!r})"
        )
    within = urlsplit(tenant.base_url).path.rstrip("/") if path else ""
    if not within.endswith(path):
        raise ConfigurationError(
            f"tenant {name!r}: base_url: {tenant.base_url!r} does not end with {path!r}, the tenant's path"
        )
    own = replace(config, base_url=tenant.base_url, trusted_origins=(*config.trusted_origins, *tenant.trusted_origins))
    part = part_of(tenant.torii, own, tenant=tenant, path=path)
    return part if tenant.sign_up else replace(part, config=replace(own, registration="off"))
