"""Providers to sign in through: presets, and ``oidc()`` for any OpenID Connect issuer."""

from __future__ import annotations

from torii_dynamodb._core.oauth_types import (
    AppleKey,
    Authority,
    Check,
    OAuthError,
    OAuthFailure,
    OAuthFlow,
    OAuthIdentity,
    OAuthProvider,
    OAuthResult,
    OAuthStart,
    email_domain,
)
from torii_dynamodb.errors import ConfigurationError

__all__ = [
    "Authority",
    "Check",
    "OAuthError",
    "OAuthFailure",
    "OAuthFlow",
    "OAuthIdentity",
    "OAuthProvider",
    "OAuthResult",
    "OAuthStart",
    "apple",
    "github",
    "google",
    "microsoft",
    "oidc",
]

_MICROSOFT = "https://login.microsoftonline.com"
# The one tenant of all personal accounts.
_PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
_SHARED_TENANTS = ("common", "organizations", "consumers")


def google(client_id: str, client_secret: str, *, check: Check | None = None, name: str = "google") -> OAuthProvider:
    """Google. It is the authority for Gmail's addresses, and for those of the Workspace that the account belongs to.

    Args:
        client_id: The client's id.
        client_secret: Its secret.
        check: Sees every identity with all claims, and may refuse it; see ``OAuthProvider.checks``.
        name: What accounts are stored under.
    """
    return OAuthProvider(
        name=name,
        client_id=client_id,
        client_secret=client_secret,
        issuer="https://accounts.google.com",
        algorithms=("RS256",),
        authoritative_for=_google_is_authority,
        checks=_checks(check),
    )


def _checks(*given: Check | None) -> tuple[Check, ...]:
    return tuple(check for check in given if check is not None)


def _google_is_authority(identity: OAuthIdentity) -> bool:
    # Google's guide "Verify the Google ID token on your server side": it is authoritative for gmail.com, and for a
    # Workspace account, which has "hd". Any other address was verified once, and may have changed hands since.
    domain = email_domain(identity.email)
    return domain in ("gmail.com", "googlemail.com") or identity.claims.get("hd") == domain


def microsoft(
    client_id: str, client_secret: str, *, tenant: str = "common", check: Check | None = None, name: str = "microsoft"
) -> OAuthProvider:
    """Microsoft Entra ID and personal accounts.

    Any tenant's administrator can write any address into ``email``, so it is taken for verified only where the optional
    claim ``xms_edov`` says that its domain's owner was verified; add that claim in the app registration.

    Args:
        client_id: The application's id.
        client_secret: Its secret.
        tenant: A tenant's id (a UUID), or ``"common"``, ``"organizations"``, ``"consumers"``.
        name: What accounts are stored under.
    """
    shared = tenant in _SHARED_TENANTS
    return OAuthProvider(
        name=name,
        client_id=client_id,
        client_secret=client_secret,
        issuer=None if shared else f"{_MICROSOFT}/{tenant}/v2.0",
        # "consumers" is a single tenant with a fixed id; it describes itself by that id.
        issuer_template=(
            None
            if not shared
            else f"{_MICROSOFT}/{_PERSONAL}/v2.0"
            if tenant == "consumers"
            else f"{_MICROSOFT}/{{tenantid}}/v2.0"
        ),
        discovery_url=f"{_MICROSOFT}/{tenant}/v2.0/.well-known/openid-configuration",
        algorithms=("RS256",),
        email_verified_claim="xms_edov",
        authoritative_for=_microsoft_is_authority,
        checks=_checks(check),
    )


def _microsoft_is_authority(identity: OAuthIdentity) -> bool:
    # xms_edov ("email domain owner verified") is what email_verified is read from. It is also true for any address that
    # a personal account was once verified with; of these, Microsoft is the authority for those that it hosts.
    if identity.claims.get("tid") != _PERSONAL:
        return True
    return email_domain(identity.email) in ("outlook.com", "hotmail.com", "live.com", "msn.com")


def apple(
    client_id: str, *, team_id: str, key_id: str, private_key: str, check: Check | None = None, name: str = "apple"
) -> OAuthProvider:
    """Apple. It posts its answer from its own site: set the binding cookie with ``SameSite=None``.

    Args:
        client_id: The Services ID.
        team_id: The developer team's id.
        key_id: The name of the key.
        private_key: The key, PEM (the contents of the ``.p8`` file).
        name: What accounts are stored under.
    """
    if "PRIVATE KEY" not in private_key:
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
    """GitHub: plain OAuth 2. The address is the primary one, verified where GitHub says so."""
    return OAuthProvider(
        name=name,
        client_id=client_id,
        client_secret=client_secret,
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
) -> OAuthProvider:
    """Any OpenID Connect issuer, by discovery.

    Args:
        name: What accounts are stored under.
        issuer: Its address, exactly as it names itself.
        client_id: What it calls this application.
        client_secret: The secret it gave; ``None`` for a public client.
        scopes: What to ask for.
        trust_email: Whether its ``email_verified`` is believed.
        authoritative_for: For which addresses it is the authority: a collection of domains (without their subdomains),
            ``("*",)`` for every address, or a function that gets the identity and returns whether it is. Whoever it
            says has such an address signs in to the account that holds the address: give only what you trust it with.
        check: Sees every identity with all claims, and may refuse it; see ``OAuthProvider.checks``.
    """
    return OAuthProvider(
        name=name,
        client_id=client_id,
        client_secret=client_secret,
        issuer=issuer,
        scopes=scopes,
        trust_email=trust_email,
        authoritative_for=authoritative_for,
        checks=_checks(check),
    )
