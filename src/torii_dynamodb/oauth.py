"""Providers to sign in through: presets, and ``oidc()`` for any OpenID Connect issuer."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Literal

from torii_dynamodb._rules.oauth import (
    AppleKey,
    Authority,
    Check,
    ClientKey,
    OAuthAccessToken,
    OAuthConfirmation,
    OAuthConfirmationSent,
    OAuthError,
    OAuthFailure,
    OAuthFlow,
    OAuthIdentity,
    OAuthNativeStart,
    OAuthProvider,
    OAuthResult,
    OAuthStart,
    TokenAuthMethod,
    email_domain,
)
from torii_dynamodb.errors import ConfigurationError, ValidationError

__all__ = [
    "Authority",
    "Check",
    "ClientKey",
    "OAuthAccessToken",
    "OAuthConfirmation",
    "OAuthConfirmationSent",
    "OAuthError",
    "OAuthFailure",
    "OAuthFlow",
    "OAuthIdentity",
    "OAuthNativeStart",
    "OAuthProvider",
    "OAuthResult",
    "OAuthStart",
    "TokenAuthMethod",
    "apple",
    "github",
    "google",
    "microsoft",
    "oidc",
]

# The tenant of all personal accounts.
_PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SHARED_TENANTS = ("common", "organizations", "consumers")


def google(
    client_id: str,
    client_secret: str,
    *,
    hosted_domain: str | Collection[str] | None = None,
    check: Check | None = None,
    name: str = "google",
) -> OAuthProvider:
    """Return the provider Google.

    It is the authority for Gmail's addresses, and for those of the Workspace that an account belongs to.

    Args:
        client_id: The client's id.
        client_secret: Its secret.
        hosted_domain: The Workspace that an account must belong to: a domain, several, or ``"*"`` for any. It is sent
            as a parameter and checked in the claims. ``None`` accepts any account.
        check: Sees every identity with all claims, and may refuse it; see ``OAuthProvider.checks``.
        name: What accounts are stored under.
    """
    domains = None if hosted_domain is None else _hosted_domains(hosted_domain)
    return OAuthProvider(
        name=name,
        client_id=client_id,
        client_secret=client_secret or "",
        issuer="https://accounts.google.com",
        issuer_aliases=("accounts.google.com",),
        algorithms=("RS256",),
        # The parameter takes one domain and only affects Google's page; the claim is what we rely on.
        parameters={} if domains is None else {"hd": domains[0] if len(domains) == 1 else "*"},
        authoritative_for=_google_is_authority,
        checks=_checks(None if domains is None else _in_hosted_domain(domains), check),
    )


def _hosted_domains(given: str | Collection[str]) -> tuple[str, ...]:
    try:
        found = tuple(
            domain if domain == "*" else email_domain(f"x@{domain}")
            for domain in ([given] if isinstance(given, str) else given)
        )
    except ValidationError as error:
        raise ConfigurationError(f'hosted_domain: give a domain such as example.com, or "*", not {given!r}') from error
    if not found:
        raise ConfigurationError("hosted_domain: give at least one domain, or None for any account")
    return found


def _in_hosted_domain(domains: tuple[str, ...]) -> Check:
    def check(identity: OAuthIdentity) -> str | None:
        claimed = identity.claims.get("hd")
        if isinstance(claimed, str) and claimed and ("*" in domains or claimed.lower() in domains):
            return None
        return "This account does not belong to the organization that may sign in here."

    return check


def _checks(*given: Check | None) -> tuple[Check, ...]:
    return tuple(check for check in given if check is not None)


def _google_is_authority(identity: OAuthIdentity) -> bool:
    # Google's guide "Verify the Google ID token on your server side": it is authoritative for gmail.com, and for a
    # Workspace account, which has "hd". Any other address was verified once, and may have changed hands since.
    domain = email_domain(identity.email)
    hosted = identity.claims.get("hd")
    return domain in ("gmail.com", "googlemail.com") or (isinstance(hosted, str) and hosted.lower() == domain)


def microsoft(
    client_id: str,
    client_secret: str | None = None,
    *,
    tenant: str = "common",
    client_key: ClientKey | None = None,
    authority: str = "https://login.microsoftonline.com",
    check: Check | None = None,
    name: str = "microsoft",
) -> OAuthProvider:
    """Return the provider Microsoft: Entra ID and personal accounts.

    Any tenant's administrator can put any address into ``email``, so it counts as verified only if the optional claim
    ``xms_edov`` says that the domain's owner was verified; add that claim in the app registration.

    Args:
        client_id: The application's id.
        client_secret: Its secret.
        tenant: Whose accounts may sign in: a tenant's id (a UUID) or domain, ``"common"`` (everybody),
            ``"organizations"`` (no personal accounts) or ``"consumers"`` (only personal accounts).
        client_key: The application's certificate key, instead of a secret; Microsoft requires ``x5t`` in its headers.
        authority: Where tenants sign in; national clouds have their own.
        check: Sees every identity with all claims, and may refuse it; see ``OAuthProvider.checks``.
        name: What accounts are stored under.

    Raises:
        ConfigurationError: ``tenant`` is not one of these.
    """
    tenant = tenant.lower() if isinstance(tenant, str) else ""
    if tenant not in _SHARED_TENANTS and not re.fullmatch(rf"{_UUID}|[a-z0-9-]+(\.[a-z0-9-]+)+", tenant):
        raise ConfigurationError(
            f"tenant: {tenant!r} is not a tenant's id or domain, nor one of {', '.join(_SHARED_TENANTS)}"
        )
    root = authority.rstrip("/")
    fixed = _PERSONAL if tenant == "consumers" else tenant if re.fullmatch(_UUID, tenant) else None
    return OAuthProvider(
        name=name,
        client_id=client_id,
        client_secret=client_secret,
        client_key=client_key,
        issuer=None if fixed is None else f"{root}/{fixed}/v2.0",
        # In the metadata, shared tenants have the template as their issuer, and a domain has its tenant's id.
        issuer_template=None if fixed is not None else f"{root}/{{tenantid}}/v2.0",
        discovery_url=f"{root}/{tenant}/v2.0/.well-known/openid-configuration",
        algorithms=("RS256",),
        # Its userinfo endpoint adds nothing to the ID token, and never has xms_edov.
        userinfo="never",
        email_verified_claim="xms_edov",
        authoritative_for=_microsoft_is_authority,
        checks=_checks(_not_personal if tenant == "organizations" else None, check),
    )


def _not_personal(identity: OAuthIdentity) -> str | None:
    if identity.claims.get("tid") == _PERSONAL:
        return "Personal Microsoft accounts cannot sign in here; use the account of your organization."
    return None


def _microsoft_is_authority(identity: OAuthIdentity) -> bool:
    # email_verified is read from xms_edov ("email domain owner verified"). It is also true for any address that
    # a personal account was once verified with; of these, Microsoft is the authority for those that it hosts.
    if identity.claims.get("tid") != _PERSONAL:
        return True
    return email_domain(identity.email) in ("outlook.com", "hotmail.com", "live.com", "msn.com")


def apple(
    client_id: str, *, team_id: str, key_id: str, private_key: str, check: Check | None = None, name: str = "apple"
) -> OAuthProvider:
    """Return the provider Apple.

    It posts its response from its own site, so set the binding cookie with ``SameSite=None``.

    Args:
        client_id: The Services ID.
        team_id: The developer team's id.
        key_id: The name of the key.
        private_key: The key as PEM (the contents of the ``.p8`` file).
        check: Sees every identity with all claims, and may refuse it; see ``OAuthProvider.checks``.
        name: What accounts are stored under.
    """
    if not isinstance(private_key, str) or "PRIVATE KEY" not in private_key:
        raise ConfigurationError("private_key: give the contents of Apple's .p8 file")
    return OAuthProvider(
        name=name,
        client_id=client_id,
        issuer="https://appleid.apple.com",
        scopes=("openid", "email", "name"),
        response_mode="form_post",
        algorithms=("RS256", "ES256"),
        authoritative_for=("privaterelay.appleid.com", "icloud.com", "me.com", "mac.com"),
        checks=_checks(check),
        apple=AppleKey(team_id=team_id, key_id=key_id, private_key=private_key),
    )


def github(client_id: str, client_secret: str, *, check: Check | None = None, name: str = "github") -> OAuthProvider:
    """Return the provider GitHub, with plain OAuth 2. The address is the primary one, verified if GitHub says so.

    Args:
        client_id: The client's id.
        client_secret: Its secret.
        check: Sees every identity with what GitHub says of it, and may refuse it; see ``OAuthProvider.checks``.
        name: What accounts are stored under.
    """
    return OAuthProvider(
        name=name,
        client_id=client_id,
        client_secret=client_secret or "",
        authorization_endpoint="https://github.com/login/oauth/authorize",
        token_endpoint="https://github.com/login/oauth/access_token",
        userinfo_endpoint="https://api.github.com/user",
        emails_endpoint="https://api.github.com/user/emails",
        scopes=("read:user", "user:email"),
        checks=_checks(check),
    )


def oidc(
    name: str,
    issuer: str,
    client_id: str,
    client_secret: str | None = None,
    *,
    scopes: tuple[str, ...] = ("openid", "email", "profile"),
    trust_email: bool = True,
    authoritative_for: Authority = (),
    check: Check | None = None,
    client_key: ClientKey | None = None,
    token_auth_method: TokenAuthMethod | None = None,
    discovery_url: str | None = None,
    parameters: Mapping[str, str] | None = None,
    userinfo: Literal["when_needed", "always", "never"] = "when_needed",
    use_nonce: bool = True,
    use_pkce: bool = True,
    allow_insecure_http: bool = False,
    allow_private_network: bool = False,
) -> OAuthProvider:
    """Return a provider for any OpenID Connect issuer, by discovery.

    Use ``dataclasses.replace`` for options that are not arguments.

    Args:
        name: What accounts are stored under.
        issuer: The issuer's URL, exactly as in its tokens.
        client_id: This application's id there.
        client_secret: This application's secret there; ``None`` for a public client, and with a key.
        scopes: What to ask for.
        trust_email: Whether its ``email_verified`` is trusted.
        authoritative_for: The addresses that it is the authority for: a collection of domains (without their
            subdomains), ``("*",)`` for every address, or a function that gets the identity and returns whether it is.
            Anyone to whom it attributes such an address signs in to the account with that address: list only what you
            trust it with.
        check: Sees every identity with all claims, and may refuse it; see ``OAuthProvider.checks``.
        client_key: The application's own key, for ``private_key_jwt``.
        token_auth_method: How the application authenticates at the token endpoint; ``None`` to follow its metadata.
        discovery_url: Where its metadata is, if not at the issuer's URL.
        parameters: Additional parameters of the authorization request.
        userinfo: When its userinfo endpoint is queried: ``"always"`` if ``check`` needs claims from there.
        use_nonce: ``False`` for an issuer whose ID tokens omit the nonce.
        use_pkce: ``False`` for an issuer that refuses PKCE.
        allow_insecure_http: For development: the issuer may be on this machine, including by http://.
        allow_private_network: The issuer may be in the private network; see ``OAuthProvider``.
    """
    return OAuthProvider(
        name=name,
        client_id=client_id,
        client_secret=client_secret,
        client_key=client_key,
        issuer=issuer,
        discovery_url=discovery_url,
        scopes=scopes,
        token_auth_method=token_auth_method,
        parameters=parameters or {},
        use_nonce=use_nonce,
        use_pkce=use_pkce,
        userinfo=userinfo,
        trust_email=trust_email,
        authoritative_for=authoritative_for,
        checks=_checks(check),
        allow_insecure_http=allow_insecure_http,
        allow_private_network=allow_private_network,
    )
