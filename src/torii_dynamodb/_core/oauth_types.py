"""What a provider to sign in through is, and what a sign-in through one comes to."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from torii_dynamodb._core.emails import normalise_email
from torii_dynamodb.errors import ConfigurationError, ToriiError, ValidationError
from torii_dynamodb.models import Session, User

__all__ = [
    "AppleKey",
    "Authority",
    "Check",
    "OAuthError",
    "OAuthFailure",
    "OAuthFlow",
    "OAuthIdentity",
    "OAuthProvider",
    "OAuthResult",
    "OAuthStart",
    "ProviderMetadata",
    "email_domain",
    "secure_url",
]

OAuthFailure = Literal[
    "denied", "state", "browser", "provider", "id_token", "email_missing", "email_unverified", "no_account", "refused"
]

_LOCAL = ("localhost", "127.0.0.1", "::1")
_ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")


class OAuthError(ToriiError):
    """A sign-in through a provider came to nothing. Begin again.

    Attributes:
        reason: ``"denied"``: the person, or the provider, said no. ``"state"``: the answer belongs to no sign-in that
            was begun here, to one that is done, or to one that is too old. ``"browser"``: another browser began it.
            ``"provider"``: the provider could not be reached, or answered nonsense. ``"id_token"``: the ID token does
            not hold. ``"email_missing"``: the provider tells no address. ``"email_unverified"``: it does not vouch for
            the address, so no account is made or found by it; sign in otherwise and link the provider.
            ``"no_account"``: nobody has linked it, and signing up this way is off. ``"refused"``: a check of the
            application, or of the preset, refused the account; the message is meant for the person.
    """

    code = "oauth_error"

    def __init__(self, reason: OAuthFailure, message: str) -> None:
        super().__init__(message)
        self.reason: OAuthFailure = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthIdentity:
    """Whom the provider says it is.

    Args:
        subject: The provider's id for the person.
        email: Their address, as the provider tells it.
        email_verified: Whether the provider says that the address is verified, and we take its word. It was verified
            at some time; who holds the mailbox may have changed since.
        email_authoritative: Whether the provider is the authority for this very address, so that its word counts as
            the mailbox's. Only such an address joins an existing account or counts as a proof. It implies
            ``email_verified``.
        name: Their name.
        picture: Where a picture of them is.
        claims: Everything that the ID token and the userinfo endpoint say, as they say it.
    """

    subject: str
    email: str | None
    email_verified: bool
    email_authoritative: bool = False
    name: str | None = None
    picture: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


# For which addresses a provider is the authority: a collection of domains, ("*",) for every address, or a rule.
Authority: TypeAlias = Collection[str] | Callable[[OAuthIdentity], bool]
# Returns why an identity is refused, in words for the person, or None. A coroutine function works with AsyncTorii only.
Check: TypeAlias = Callable[[OAuthIdentity], str | None | Awaitable[str | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthProvider:
    """A provider. Make one by :mod:`torii_dynamodb.oauth`'s presets, or by ``oidc()`` for any OpenID Connect issuer.

    Args:
        name: 1 to 32 of ``a-z 0-9 _ -``; what accounts are stored under, so it does not change.
        client_id: What the provider calls this application.
        client_secret: The secret the provider gave for it; ``None`` for a public client, and for Apple.
        issuer: The OpenID Connect issuer, as ID tokens name it; ``None`` for plain OAuth 2.
        issuer_template: For Microsoft's shared tenants: the issuer with ``{tenantid}`` in it.
        discovery_url: Where the issuer describes itself; ``None``: by its address.
        authorization_endpoint: For plain OAuth 2: where to send the browser.
        token_endpoint: For plain OAuth 2: where to redeem the code.
        userinfo_endpoint: For plain OAuth 2: where to ask who it is.
        emails_endpoint: GitHub's list of addresses.
        scopes: What to ask for.
        token_auth_method: How the application proves itself at the token endpoint.
        algorithms: How ID tokens may be signed. Never ``none``, never with a shared secret.
        parameters: More for the authorization request.
        response_mode: ``"form_post"`` for Apple: the browser then comes back by a POST from another site, which carries
            no ``SameSite=Lax`` cookie.
        trust_email: Whether the provider's word that an address is verified is taken.
        email_verified_claim: Which claim says that.
        authoritative_for: For which addresses the provider is the authority: domains (their subdomains are others),
            ``("*",)`` for every address, or a function of the identity. Only a verified address counts.
        checks: Called in order with every identity, before anybody is looked up or a session is made. Each returns why
            the identity is refused, in words for the person, or ``None``.
        apple: For Apple: team id, key id and private key, of which the client secret is made.
    """

    name: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    issuer: str | None = None
    issuer_template: str | None = None
    discovery_url: str | None = None
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    userinfo_endpoint: str | None = None
    emails_endpoint: str | None = None
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    token_auth_method: Literal["client_secret_basic", "client_secret_post", "none"] = "client_secret_post"
    algorithms: tuple[str, ...] = _ALGORITHMS
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    response_mode: Literal["query", "form_post"] = "query"
    trust_email: bool = True
    email_verified_claim: str = "email_verified"
    authoritative_for: Authority = ()
    checks: tuple[Check, ...] = ()
    apple: AppleKey | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9_-]{1,32}", self.name):
            raise ConfigurationError(f"{self.name!r} is no provider name: give 1 to 32 of a-z 0-9 _ -")
        if any(algorithm == "none" or algorithm.startswith("HS") for algorithm in self.algorithms):
            raise ConfigurationError("algorithms: ID tokens are signed with a key pair; give RS256, ES256, ...")
        if not callable(self.authoritative_for):
            object.__setattr__(self, "authoritative_for", _domains(self.authoritative_for))
        for url in (self.issuer, self.discovery_url, *self._endpoints()):
            if url is not None:
                secure_url(url)
        if not self.is_oidc and None in self._endpoints()[:3]:
            raise ConfigurationError("plain OAuth 2 needs authorization_endpoint, token_endpoint and userinfo_endpoint")

    def _endpoints(self) -> tuple[str | None, ...]:
        return self.authorization_endpoint, self.token_endpoint, self.userinfo_endpoint, self.emails_endpoint

    @property
    def is_oidc(self) -> bool:
        """Whether it speaks OpenID Connect."""
        return self.issuer is not None or self.issuer_template is not None

    @property
    def discovery(self) -> str:
        """Where the issuer describes itself (OpenID Connect Discovery, 4)."""
        if self.discovery_url is not None:
            return self.discovery_url
        assert self.issuer is not None
        return self.issuer.rstrip("/") + "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppleKey:
    """What Apple's client secret is made of.

    Args:
        team_id: The developer team.
        key_id: The key's name.
        private_key: The key, PEM.
    """

    team_id: str
    key_id: str
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderMetadata:
    """Where a provider's endpoints are."""

    issuer: str | None
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str | None
    jwks_uri: str | None
    names_itself: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthStart:
    """A sign-in that was begun.

    Args:
        url: Where to send the browser.
        state: What the browser brings back; name the cookie after (a digest of) it, so that two sign-ins at once keep
            apart.
        browser_binding: To put into a cookie of this browser (HttpOnly, Secure, ``SameSite=Lax``; ``SameSite=None`` for
            a provider with ``response_mode="form_post"``), and to hand in at the end: it proves that the same browser
            comes back.
        expires_at: Until when it can be completed.
        response_mode: How the browser comes back.
    """

    url: str = field(repr=False)
    state: str = field(repr=False)
    browser_binding: str = field(repr=False)
    expires_at: datetime
    response_mode: Literal["query", "form_post"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthFlow:
    """A sign-in, or a link, whose browser is back: what was kept for it.

    Args:
        provider: Through which provider.
        redirect_uri: Where the provider sent the browser back to.
        next_url: Where to go after it, as it was handed in.
        failure_url: Where to go if it comes to nothing, as it was handed in.
        replaces: The id of the user whose session in this browser the person agreed to replace.
        link_user: Whom the account is to be linked to; ``None``: to sign in.
        link_session: The id of the session that began to link.
        link_epoch: The user's session epoch when it began: once their sessions have all been ended, it comes to
            nothing.
        browser_binding: As it came back.
        verifier: PKCE's.
    """

    provider: str
    redirect_uri: str = field(repr=False)
    next_url: str | None = field(repr=False)
    failure_url: str | None = field(repr=False)
    replaces: str | None
    link_user: str | None
    link_session: str | None
    link_epoch: int | None
    browser_binding: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthResult:
    """A sign-in, or a link, that was completed.

    Args:
        user: The user.
        session: The new session with its token; ``None`` where an account was linked to a user who is signed in.
        provider: Through which provider.
        identity: Whom the provider says it is.
        created: Whether the user was created.
        linked: Whether the account was linked to a user who existed.
        next_url: What was handed in at the beginning.
        tokens: The provider's tokens, for its API. Not stored.
    """

    user: User
    session: Session | None
    provider: str
    identity: OAuthIdentity
    created: bool
    linked: bool
    next_url: str | None
    tokens: Mapping[str, Any] = field(repr=False)


def _domains(given: Collection[str]) -> tuple[str, ...]:
    """Domains in the form that they are compared in."""
    if isinstance(given, str):
        raise ConfigurationError(f'authoritative_for: give a collection of domains: ["{given}"] instead of "{given}"')
    try:
        return tuple("*" if domain == "*" else email_domain(f"x@{domain}") for domain in given)
    except ValidationError as error:
        raise ConfigurationError(f"authoritative_for: give domains as in example.com, not {given!r}") from error


def email_domain(email: object) -> str:
    """The domain of an address in the form that domains are compared in.

    Raises:
        ValidationError: It is not a valid address.
    """
    return normalise_email(email).normalised.rpartition("@")[2]


def secure_url(url: object) -> str:
    """An https address; http on this machine only.

    Raises:
        ConfigurationError: It is another.
    """
    if isinstance(url, str):
        parts = urlsplit(url)
        if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL)):
            return url
    raise ConfigurationError(f"{url!r}: give an https:// address (http:// on localhost only)")
