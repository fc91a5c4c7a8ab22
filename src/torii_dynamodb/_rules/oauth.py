"""Providers to sign in through, and the results of such a sign-in."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from torii_dynamodb._rules.checking import check_fields
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb._rules.outbound import Reach, checked_url
from torii_dynamodb.errors import ConfigurationError, ToriiError, ValidationError
from torii_dynamodb.models import Session, User
from torii_dynamodb.second_factor import SecondFactorChallenge

__all__ = [
    "AppleKey",
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
    "ProviderMetadata",
    "TokenAuthMethod",
    "email_domain",
    "provider_label",
    "secure_url",
]

OAuthFailure = Literal[
    "denied",
    "state",
    "browser",
    "provider",
    "id_token",
    "email_missing",
    "email_unverified",
    "no_account",
    "disconnected",
    "refused",
    "confirm",
    "revoked",
]

_LABELS = {"github": "GitHub", "apple": "Apple", "google": "Google", "linkedin": "LinkedIn", "microsoft": "Microsoft"}
_LOCAL = ("localhost", "127.0.0.1", "::1")
_ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)

TokenAuthMethod: TypeAlias = Literal[
    "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"
]


class OAuthError(ToriiError):
    """A sign-in through a provider failed. Start again.

    Attributes:
        reason: ``"denied"``: the person or the provider declined. ``"state"``: the callback belongs to no sign-in that
            was started here, to one that is done, or to one that has expired. ``"browser"``: another browser started
            it. ``"provider"``: the provider could not be reached, or its response was invalid. ``"id_token"``: the ID
            token is not valid. ``"email_missing"``: the provider sent no address. ``"email_unverified"``: it is not the
            authority for the address, so no account is found by it; sign in another way and link the provider.
            ``"confirm"``: the same, but a link was mailed to the address (:class:`OAuthConfirmationSent`).
            ``"no_account"``: nobody has linked it, and signing up this way is off. ``"disconnected"``: the user with
            its address disconnected the provider; they can sign in another way and link it again. ``"refused"``: a
            check of the application or the preset refused the account; the message is meant for the person.
            ``"revoked"``: the provider issues no more access tokens (``torii.oauth.access_token``).
        error_code: The provider's error code (``"invalid_grant"``), if there was one.
    """

    code = "oauth_error"

    def __init__(self, reason: OAuthFailure, message: str, *, error_code: str | None = None) -> None:
        super().__init__(message)
        self.reason: OAuthFailure = reason
        self.error_code = error_code


class OAuthConfirmationSent(OAuthError):
    """The address has to be confirmed first: a link was mailed to it, if the address can be used here.

    It is the same whether or not a user has the address.

    Attributes:
        browser_binding: For a cookie in this browser: only this browser can use the link. It may be the one that was
            passed in.
        expires_at: Until when the link can be used.
    """

    def __init__(self, browser_binding: str, expires_at: datetime) -> None:
        super().__init__(
            "confirm", "if the address can be used here, a link was mailed to it; open it in this browser to continue"
        )
        self.browser_binding = browser_binding
        self.expires_at = expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthConfirmation:
    """What a link that confirms an address will do, for the page that asks for a click.

    Args:
        provider: The provider.
        email: The address that it was mailed to.
        user: The user with the address; ``None`` if one will be created.
    """

    provider: str
    email: str
    user: User | None


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthIdentity:
    """The person, as the provider describes them.

    Args:
        subject: The provider's id for the person.
        email: Their address, as the provider sends it.
        email_verified: Whether the provider says that the address is verified, and we trust it with that. It was
            verified at some time; the mailbox may have a new owner since.
        email_authoritative: Whether the provider is the authority for this address, so that its word is as good as a
            mailed link. Only such an address joins an existing user or counts as a proof. Implies ``email_verified``.
        name: Their name.
        picture: The URL of a picture.
        claims: All claims of the ID token and the userinfo endpoint, unchanged.
    """

    subject: str
    email: str | None
    email_verified: bool
    email_authoritative: bool = False
    name: str | None = None
    picture: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


# The addresses that a provider is the authority for: a collection of domains, ("*",) for every address, or a rule.
Authority: TypeAlias = Collection[str] | Callable[[OAuthIdentity], bool]
# Returns why an identity is refused, as a message for the person, or None. AsyncTorii also takes a coroutine function.
Check: TypeAlias = Callable[[OAuthIdentity], str | None | Awaitable[str | None]]


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthProvider:
    """A provider. Use a preset of :mod:`torii_dynamodb.oauth`, or ``oidc()`` for any OpenID Connect issuer.

    Args:
        name: 1 to 32 of ``a-z 0-9 _ -``. Accounts are stored under it, so never change it.
        client_id: This application's id at the provider.
        client_secret: This application's secret there; ``None`` for a public client, for Apple, and with a key.
        client_key: The application's own key, for ``private_key_jwt``.
        issuer: The OpenID Connect issuer, exactly as in ID tokens; ``None`` for plain OAuth 2.
        issuer_aliases: Other names for it in ID tokens (Google's may omit ``https://``).
        issuer_template: For Microsoft: the issuer with ``{tenantid}`` in it.
        discovery_url: Where the issuer's metadata is; ``None`` for the standard place below its URL.
        authorization_endpoint: For plain OAuth 2: where to send the browser.
        token_endpoint: For plain OAuth 2: where to redeem the code.
        userinfo_endpoint: For plain OAuth 2: where to get the identity.
        emails_endpoint: GitHub's list of addresses.
        scopes: What to ask for.
        token_auth_method: How the application authenticates at the token endpoint. ``None``: ``private_key_jwt`` with a
            ``client_key``, ``none`` without a secret, otherwise a method that the issuer's metadata offers (without
            any, ``client_secret_basic``, the standard's default); ``client_secret_post`` for plain OAuth 2.
        algorithms: How ID tokens may be signed. Never ``none``, never with a shared secret.
        parameters: Additional parameters of the authorization request.
        response_mode: ``"form_post"`` for Apple: the browser then returns with a POST from another site, which carries
            no ``SameSite=Lax`` cookie.
        use_nonce: Whether a nonce is sent, and required in the ID token. ``False`` only for a provider that omits it
            (LinkedIn).
        use_pkce: Whether a PKCE challenge is sent. ``False`` only for a provider that refuses it (LinkedIn).
        userinfo: When the userinfo endpoint of an OpenID Connect issuer is queried: if the ID token lacks the address
            or ``email_verified`` (a failure then does not keep out people who have linked the account), always (for
            checks that need its claims; a failure refuses the sign-in), or never.
        trust_email: Whether the provider is trusted to say that an address is verified.
        email_verified_claim: The claim that says so.
        authoritative_for: The addresses that the provider is the authority for: domains (without their subdomains),
            ``("*",)`` for every address, or a function of the identity. Only a verified address counts.
        checks: Called in order with every identity, before any user is looked up or a session is created. Each returns
            why the identity is refused, as a message for the person, or ``None``.
        apple: For Apple: team id, key id and private key, from which the client secret is made.
        trust_second_factor: Whether the provider is trusted to have asked for a second factor: a sign-in through it
            then counts as one with a second factor, and is not challenged.
        keep_tokens: Whether the provider's tokens are kept, sealed under the application's ``secret`` (or by your
            own ``secret_box``), for ``torii.oauth.access_token``. Most providers give a refresh token only on request:
            Google by ``parameters={"access_type": "offline", "prompt": "consent"}``, others by the scope
            ``offline_access``.
        native_client_ids: The ids of mobile applications whose ID tokens may also sign in
            (``torii.oauth.begin_native``): for Google those of the Android and iOS clients, for Apple the bundle ids.
            If empty, no ID token is accepted from clients.
        allow_insecure_http: For development: the provider may be on this machine, including by http://.
        allow_private_network: The provider may be in the private network (RFC 1918, RFC 4193, RFC 6598) or on this
            machine, still by https://. Anyone who controls its metadata can then make this application send requests
            into that network. Link-local addresses stay refused.
    """

    name: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    client_key: ClientKey | None = None
    issuer: str | None = None
    issuer_aliases: tuple[str, ...] = ()
    issuer_template: str | None = None
    discovery_url: str | None = None
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    userinfo_endpoint: str | None = None
    emails_endpoint: str | None = None
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    token_auth_method: TokenAuthMethod | None = None
    algorithms: tuple[str, ...] = _ALGORITHMS
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    response_mode: Literal["query", "form_post"] = "query"
    use_nonce: bool = True
    use_pkce: bool = True
    userinfo: Literal["when_needed", "always", "never"] = "when_needed"
    trust_email: bool = True
    email_verified_claim: str = "email_verified"
    authoritative_for: Authority = ()
    checks: tuple[Check, ...] = ()
    apple: AppleKey | None = None
    keep_tokens: bool = False
    trust_second_factor: bool = False
    native_client_ids: tuple[str, ...] = ()
    allow_insecure_http: bool = False
    allow_private_network: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        if not re.fullmatch(r"[a-z0-9_-]{1,32}", self.name):
            raise ConfigurationError(f"{self.name!r} is not a valid provider name: give 1 to 32 of a-z 0-9 _ -")
        if isinstance(self.algorithms, str) or not set(self.algorithms) <= set(_ALGORITHMS):
            raise ConfigurationError(f"algorithms: ID tokens are signed with a key pair; give some of {_ALGORITHMS}")
        _check_client(self)
        if not callable(self.authoritative_for):
            object.__setattr__(self, "authoritative_for", _domains(self.authoritative_for))
        for what, url in {
            "issuer": self.issuer,
            "discovery_url": self.discovery_url,
            "authorization_endpoint": self.authorization_endpoint,
            "token_endpoint": self.token_endpoint,
            "userinfo_endpoint": self.userinfo_endpoint,
            "emails_endpoint": self.emails_endpoint,
        }.items():
            if url is not None:
                try:
                    self.checked_url(url)
                except ConfigurationError as error:
                    raise ConfigurationError(f"{what}: {url!r}: {error}") from None
        _check_token_auth(self)
        if isinstance(self.native_client_ids, str):
            raise ConfigurationError("native_client_ids: give several, for example a tuple")
        if self.native_client_ids and not (self.is_oidc and self.use_nonce):
            raise ConfigurationError("native_client_ids: ID tokens are bound by a nonce, and this provider uses none")
        endpoints = (self.authorization_endpoint, self.token_endpoint, self.userinfo_endpoint)
        if not self.is_oidc and None in endpoints:
            raise ConfigurationError("plain OAuth 2 needs authorization_endpoint, token_endpoint and userinfo_endpoint")

    @property
    def reach(self) -> Reach:
        """Where requests to the provider may go."""
        return "private" if self.allow_private_network else "loopback" if self.allow_insecure_http else "public"

    def checked_url(self, url: object) -> str:
        """Check a URL of this provider.

        Raises:
            ConfigurationError: It may not be used; the message does not repeat it.
        """
        return checked_url(url, self.reach, insecure=self.allow_insecure_http)

    @property
    def is_oidc(self) -> bool:
        """Whether it speaks OpenID Connect."""
        return self.issuer is not None or self.issuer_template is not None

    @property
    def discovery(self) -> str:
        """Where the issuer's metadata is (OpenID Connect Discovery, 4)."""
        if self.discovery_url is not None:
            return self.discovery_url
        assert self.issuer is not None
        return self.issuer.rstrip("/") + "/.well-known/openid-configuration"


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class AppleKey:
    """The parts of Apple's client secret.

    Args:
        team_id: The developer team.
        key_id: The key's name.
        private_key: The key as PEM.
    """

    team_id: str
    key_id: str
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientKey:
    """A key with which the application authenticates at the token endpoint (``private_key_jwt``, RFC 7523).

    Args:
        private_key: The key as PEM.
        key_id: The key's name at the provider.
        algorithm: How to sign; ``None`` for RS256, ES256, ES384, ES512 or EdDSA, by the kind of the key.
        headers: Additional headers of the assertion (Microsoft requires ``x5t``, the certificate's thumbprint).
    """

    private_key: str = field(repr=False)
    key_id: str | None = None
    algorithm: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderMetadata:
    """A provider's endpoints, and how to authenticate there.

    Args:
        issuer: The issuer of its ID tokens; ``None`` for plain OAuth 2, and if each tenant is its own issuer.
        authorization_endpoint: Where to send the browser.
        token_endpoint: Where to redeem the code.
        userinfo_endpoint: Where to get the identity.
        jwks_uri: Where its keys are.
        names_itself: Whether its callbacks contain its name (RFC 9207).
        token_auth_method: How the application authenticates.
    """

    issuer: str | None
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str | None
    jwks_uri: str | None
    names_itself: bool
    token_auth_method: TokenAuthMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthStart:
    """A sign-in that was started.

    Args:
        url: Where to send the browser.
        state: What the browser brings back; name the cookie after (a digest of) it, so that two sign-ins at the same
            time do not collide.
        browser_binding: For a cookie in this browser (HttpOnly, Secure, ``SameSite=Lax``; ``SameSite=None`` for a
            provider with ``response_mode="form_post"``), to be passed in at the end: it proves that the same browser
            has returned.
        expires_at: Until when it can be completed.
        response_mode: How the browser returns.
    """

    url: str = field(repr=False)
    state: str = field(repr=False)
    browser_binding: str = field(repr=False)
    expires_at: datetime
    response_mode: Literal["query", "form_post"]


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthAccessToken:
    """An access token for a provider's API.

    Args:
        provider: The provider.
        subject: The provider's id for the person.
        access_token: The token.
        expires_at: When it expires; ``None`` if the provider does not say, or it does not expire.
        scopes: What the provider granted; empty if it did not say.
    """

    provider: str
    subject: str
    access_token: str = field(repr=False)
    expires_at: datetime | None
    scopes: tuple[str, ...]


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthNativeStart:
    """A sign-in with a mobile SDK that was started.

    Args:
        nonce: For the SDK, as it is or as its SHA-256 in hex (like Apple's samples).
        expires_at: Until when it can be completed.
    """

    nonce: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthFlow:
    """The stored state of a sign-in, or a link, whose browser has returned.

    Args:
        provider: The provider.
        redirect_uri: Where the provider sent the browser back to.
        next_url: Where to go after it, as it was passed in.
        failure_url: Where to go if it fails, as it was passed in.
        replaces: The id of the user whose session in this browser the person agreed to replace.
        link_user: The user to link the account to; ``None`` for a sign-in.
        link_session: The id of the session that started the link.
        link_epoch: The user's session epoch at the start: the link fails once all their sessions have been ended.
        browser_binding: As the browser returned it.
        verifier: The PKCE verifier.
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


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthResult:
    """A sign-in, or a link, that was completed.

    Args:
        user: The user.
        session: The new session with its token; ``None`` if an account was linked to a signed-in user, or if a second
            factor is required.
        challenge: The challenge to complete with a second factor, if one is required.
        provider: The provider.
        identity: The person, as the provider describes them.
        created: Whether the user was created.
        linked: Whether the account was linked to an existing user.
        next_url: What was passed in at the start.
        tokens: The provider's tokens, for its API. Not stored.
    """

    user: User
    session: Session | None
    challenge: SecondFactorChallenge | None
    provider: str
    identity: OAuthIdentity
    created: bool
    linked: bool
    next_url: str | None = field(repr=False)
    tokens: Mapping[str, Any] = field(repr=False)


def _domains(given: Collection[str]) -> tuple[str, ...]:
    """Return domains in the form that they are compared in."""
    if isinstance(given, str):
        raise ConfigurationError(f'authoritative_for: give a collection of domains: ["{given}"] instead of "{given}"')
    try:
        return tuple("*" if domain == "*" else email_domain(f"x@{domain}") for domain in given)
    except ValidationError as error:
        raise ConfigurationError(f"authoritative_for: give domains such as example.com, not {given!r}") from error


def email_domain(email: object) -> str:
    """Return the domain of an address, in the form that domains are compared in.

    Raises:
        ValidationError: It is not a valid address.
    """
    return normalise_email(email).normalised.rpartition("@")[2]


# Parameters of the authorization request that the services set themselves.
_RESERVED = {
    *("client_id", "response_type", "response_mode", "redirect_uri", "scope", "state", "nonce"),
    *("code_challenge", "code_challenge_method", "request", "request_uri"),
}


def _check_client(provider: OAuthProvider) -> None:
    # An unset environment variable is None or "", which would otherwise only be noticed at the first sign-in.
    if not isinstance(provider.client_id, str) or not provider.client_id:
        raise ConfigurationError(f"client_id: {provider.name} has none; is the setting that holds it empty?")
    for option in ("client_id", "client_secret"):
        value = getattr(provider, option)
        if value is not None and value != value.strip():
            # For example, read from a file with its line break. The provider would only say "invalid_client".
            raise ConfigurationError(f"{option}: {provider.name}'s begins or ends with white space; copy it again")
    if provider.issuer is not None and "/.well-known/" in provider.issuer:
        raise ConfigurationError("issuer: give the issuer's own URL, without /.well-known/...; or set discovery_url")
    if provider.client_secret is not None and not provider.client_secret:
        raise ConfigurationError(f"client_secret: {provider.name} has an empty one; give None for a public client")
    if isinstance(provider.scopes, str):
        raise ConfigurationError(f"scopes: give a tuple, for example {tuple(provider.scopes.split())}")
    if provider.is_oidc and "openid" not in provider.scopes:
        raise ConfigurationError('scopes: OpenID Connect needs "openid" among them')
    taken = _RESERVED & provider.parameters.keys()
    if taken:
        raise ConfigurationError(f"parameters: {', '.join(sorted(taken))} are set by the services themselves")


def _check_token_auth(provider: OAuthProvider) -> None:
    method = provider.token_auth_method
    if method == "private_key_jwt" and provider.client_key is None:
        raise ConfigurationError("token_auth_method: private_key_jwt needs client_key=ClientKey(...)")
    if provider.client_key is not None and "PRIVATE KEY" not in provider.client_key.private_key:
        raise ConfigurationError("client_key: give a private key as PEM")
    shared = method in ("client_secret_basic", "client_secret_post", "client_secret_jwt")
    if shared and provider.client_secret is None and provider.apple is None:
        raise ConfigurationError(f"token_auth_method: {method} needs a client_secret")


def provider_label(name: str) -> str:
    """Return the display name of a provider."""
    return _LABELS.get(name, name.capitalize())


def is_local(host: str) -> bool:
    """Whether a host is this machine: browsers resolve ``localhost`` and all names below it themselves (RFC 6761)."""
    return host in _LOCAL or host.endswith(".localhost")


def secure_url(url: object) -> str:
    """Check an https URL; http is accepted only on this machine.

    Raises:
        ConfigurationError: It is something else.
    """
    if isinstance(url, str):
        try:
            parts = urlsplit(url)
        except ValueError:
            parts = urlsplit("")
        host = parts.hostname
        if host and (parts.scheme == "https" or (parts.scheme == "http" and is_local(host))):
            return url
    raise ConfigurationError(f"{url!r}: give an https:// address (http:// on localhost only)")
