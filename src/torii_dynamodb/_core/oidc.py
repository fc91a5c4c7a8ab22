"""OAuth 2 and OpenID Connect without I/O: where to send the browser, what to ask, whether an ID token holds."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from importlib import import_module
from types import MappingProxyType
from typing import Any, cast

import orjson

from torii_dynamodb._core.oauth_types import (
    Authority,
    OAuthError,
    OAuthIdentity,
    OAuthProvider,
    ProviderMetadata,
    email_domain,
    secure_url,
)
from torii_dynamodb.errors import ConfigurationError, ValidationError

# OpenID Connect leaves the leeway open; providers' clocks and ours differ by seconds.
_LEEWAY = 60
# A token made longer ago than a person takes to come back was not made for this sign-in.
_OLDEST = timedelta(hours=1)


def needed(module: str) -> Any:
    """A module of Authlib or what comes with it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            "sign-in through providers needs Authlib and httpx: pip install 'torii-dynamodb[oauth]'"
        ) from error


def random_text(raw: bytes) -> str:
    """Random bytes as text for URLs and cookies."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def nonce_of(binding: str) -> str:
    """The nonce that belongs to a browser: so an ID token is bound to it, and no nonce need be stored."""
    return random_text(sha256(b"torii-dynamodb/oidc/nonce/1\0" + binding.encode()).digest())


def state_for(binding: str) -> str:
    """The ``state`` of the sign-in that a browser's binding belongs to.

    Whoever brings both back is known to belong together before anything is read or used up. The state travels through
    addresses and tells nothing of the binding, which stays in a cookie.
    """
    return random_text(sha256(b"torii-dynamodb/oauth/state/1\0" + binding.encode()).digest())


def authorization_url(
    provider: OAuthProvider, metadata: ProviderMetadata, *, redirect_uri: str, state: str, verifier: str, nonce: str
) -> str:
    """Where to send the browser."""
    challenge = needed("authlib.oauth2.rfc7636").create_s256_code_challenge(verifier)
    more: dict[str, str] = {**provider.parameters, "code_challenge": challenge, "code_challenge_method": "S256"}
    if provider.is_oidc:
        more["nonce"] = nonce
    if provider.response_mode != "query":
        more["response_mode"] = provider.response_mode
    made = needed("authlib.oauth2.rfc6749.parameters").prepare_grant_uri(
        metadata.authorization_endpoint,
        provider.client_id,
        "code",
        redirect_uri=redirect_uri,
        scope=" ".join(provider.scopes),
        state=state,
        **more,
    )
    return cast("str", made)


def token_request(
    provider: OAuthProvider, uri: str, *, code: str, redirect_uri: str, verifier: str, now: datetime
) -> tuple[str, dict[str, str], str]:
    """Address, headers and body of the request that redeems a code."""
    headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    body = needed("authlib.common.urls").add_params_to_qs(
        "",
        [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ],
    )
    secret = provider.client_secret if provider.apple is None else apple_client_secret(provider, now)
    method = provider.token_auth_method if secret is not None else "none"
    auth = needed("authlib.oauth2.auth").ClientAuth(provider.client_id, secret, method)
    return cast("tuple[str, dict[str, str], str]", auth.prepare("POST", uri, headers, body))


def apple_client_secret(provider: OAuthProvider, now: datetime) -> str:
    """Apple takes a JWT signed by the team's key for a client secret; each is good for five minutes."""
    key = provider.apple
    assert key is not None
    issued = int(now.timestamp())
    claims = {
        "iss": key.team_id,
        "iat": issued,
        "exp": issued + 300,
        "aud": "https://appleid.apple.com",
        "sub": provider.client_id,
    }
    signer = needed("joserfc.jwk").import_key(key.private_key, "EC")
    made = needed("joserfc.jwt").encode({"alg": "ES256", "kid": key.key_id}, claims, signer, algorithms=["ES256"])
    return cast("str", made)


def read_metadata(provider: OAuthProvider, document: object) -> ProviderMetadata:
    """An issuer's description of itself, checked.

    Raises:
        OAuthError: It is not one, or another issuer's (OpenID Connect Discovery, 4.3).
    """
    if not isinstance(document, dict):
        raise OAuthError("provider", f"{provider.name} describes itself by something that is no JSON object")
    found = cast("dict[str, Any]", document)
    issuer = found.get("issuer")
    if issuer != (provider.issuer if provider.issuer_template is None else provider.issuer_template):
        raise OAuthError("provider", f"{provider.name} says that it is another issuer than the one configured")
    try:
        userinfo = found.get("userinfo_endpoint")
        return ProviderMetadata(
            issuer=provider.issuer,
            authorization_endpoint=secure_url(found.get("authorization_endpoint")),
            token_endpoint=secure_url(found.get("token_endpoint")),
            userinfo_endpoint=None if userinfo is None else secure_url(userinfo),
            jwks_uri=secure_url(found.get("jwks_uri")),
            names_itself=found.get("authorization_response_iss_parameter_supported") is True,
        )
    except ConfigurationError as error:
        raise OAuthError("provider", f"{provider.name} describes an endpoint that is no https:// address") from error


def key_id(token: str) -> str | None:
    """The ``kid`` of a token's header, which says which key to look for and proves nothing.

    Raises:
        OAuthError: It is no JWT.
    """
    try:
        head = token.split(".", 1)[0]
        header = orjson.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise OAuthError("id_token", "the ID token is no JWT")
    found = cast("dict[str, Any]", header).get("kid")
    return found if isinstance(found, str) else None


def keys_for(keys: Sequence[Mapping[str, Any]], kid: str | None) -> list[Mapping[str, Any]]:
    """The provider's keys that may have signed a token."""
    signing = [key for key in keys if key.get("use", "sig") == "sig" and key.get("kty") in ("RSA", "EC", "OKP")]
    return [key for key in signing if kid is None or key.get("kid") == kid]


def check_id_token(
    provider: OAuthProvider,
    token: str,
    keys: Sequence[Mapping[str, Any]],
    *,
    nonce: str,
    access_token: str | None,
    now: datetime,
) -> dict[str, Any]:
    """The claims of an ID token that holds (OpenID Connect Core, 3.1.3.7).

    Signature by one of the provider's keys, under an algorithm that was configured; issuer, audience, authorised party,
    expiry, time of issue, nonce, and the access token's hash where it is told.

    Raises:
        OAuthError: It does not hold.
    """
    claims_of = needed("authlib.oidc.core").CodeIDToken
    header, claims = _verified(provider, token, keys)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise OAuthError("id_token", "the ID token names nobody")
    options = {
        "iss": {"essential": True, "value": _issuer(provider, claims)},
        "aud": {"essential": True, "value": provider.client_id},
        "exp": {"essential": True},
        "iat": {"essential": True},
        "nonce": {"essential": True, "value": nonce},
    }
    params = {"nonce": nonce, "client_id": provider.client_id, "access_token": access_token}
    seconds = int(now.timestamp())
    try:
        claims_of(claims, header, options, params).validate(seconds, _LEEWAY)
        old = seconds - int(claims["iat"]) > _OLDEST.total_seconds()
    except Exception as error:  # Authlib and joserfc have several roots of errors
        raise OAuthError("id_token", f"the ID token does not hold: {type(error).__name__}") from error
    if old:
        raise OAuthError("id_token", "the ID token was issued too long ago")
    return claims


def _verified(
    provider: OAuthProvider, token: str, keys: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    jwk, jws, jwt = needed("joserfc.jwk"), needed("joserfc.jws"), needed("joserfc.jwt")
    failed = ""
    for key in keys:
        # A key that says what it is for signs nothing else.
        algorithms = [name for name in provider.algorithms if key.get("alg", name) == name]
        try:
            registry = jws.JWSRegistry(algorithms=algorithms)
            # RFC 9864 gives EdDSA with this curve a name of its own; under the old one joserfc warns at every token.
            registry.algorithms = {**registry.algorithms, "EdDSA": registry.algorithms["Ed25519"]}
            found = jwt.decode(token, jwk.import_key(dict(key)), registry=registry)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one key, the next may be right
            failed = type(error).__name__
            continue
        return dict(found.header), dict(found.claims)
    detail = failed if keys else "no key of that name"
    raise OAuthError("id_token", f"no key of {provider.name} verifies the ID token: {detail}")


def _issuer(provider: OAuthProvider, claims: Mapping[str, Any]) -> str:
    if provider.issuer_template is None:
        assert provider.issuer is not None
        return provider.issuer
    tenant = claims.get("tid")
    if not isinstance(tenant, str) or not re.fullmatch(r"[0-9a-f-]{36}", tenant):
        raise OAuthError("id_token", "the ID token names no tenant")
    return provider.issuer_template.replace("{tenantid}", tenant)


def identity_of(provider: OAuthProvider, claims: Mapping[str, Any], subject: str) -> OAuthIdentity:
    """Whom claims (or a userinfo answer) describe."""
    return _identity(
        provider,
        subject=subject,
        email=claims.get("email"),
        verified=is_true(claims.get(provider.email_verified_claim)),
        name=claims.get("name"),
        picture=claims.get("picture"),
        claims=claims,
    )


def posted_name(user: str | None) -> str | None:
    """The name in the ``user`` that Apple posts; ``None`` where it is not the JSON that Apple describes."""
    if user is None or len(user) > 4096:
        return None
    try:
        name = orjson.loads(user)["name"]
        parts = [name.get("firstName"), name.get("lastName")]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return _line(" ".join(part for part in parts if isinstance(part, str)), 256)


def github_identity(provider: OAuthProvider, user: object, emails: object) -> OAuthIdentity:
    """Whom GitHub's ``/user`` and ``/user/emails`` describe: by the number, because logins change hands."""
    found = cast("dict[str, Any]", user) if isinstance(user, dict) else {}
    subject = found.get("id")
    if not isinstance(subject, int) or isinstance(subject, bool):
        raise OAuthError("provider", "GitHub names nobody")
    email: object = None
    verified = False
    listed = cast("Sequence[Any]", emails) if isinstance(emails, list) else ()
    for entry in listed:
        if isinstance(entry, dict) and cast("dict[str, Any]", entry).get("primary") is True:
            primary = cast("dict[str, Any]", entry)
            email, verified = primary.get("email"), primary.get("verified") is True
    return _identity(
        provider,
        subject=str(subject),
        email=email,
        verified=verified,
        name=found.get("name") or found.get("login"),
        picture=found.get("avatar_url"),
        claims={**found, "emails": listed},
    )


def _identity(
    provider: OAuthProvider,
    *,
    subject: str,
    email: object,
    verified: bool,
    name: object,
    picture: object,
    claims: Mapping[str, Any],
) -> OAuthIdentity:
    told = email if isinstance(email, str) and email else None
    found = OAuthIdentity(
        subject=subject,
        email=told,
        email_verified=verified and provider.trust_email and told is not None,
        name=_line(name, 256),
        picture=_line(picture, 1024),
        claims=MappingProxyType(dict(claims)),
    )
    return replace(found, email_authoritative=_is_authority(provider.authoritative_for, found))


def _is_authority(rule: Authority, identity: OAuthIdentity) -> bool:
    if not identity.email_verified:
        return False
    try:
        domain = email_domain(identity.email)
    except ValidationError:
        return False
    return rule(identity) is True if callable(rule) else "*" in rule or domain in rule


def is_true(value: object) -> bool:
    """Whether a claim says yes. Apple and Cognito write "true"; Microsoft's xms_edov is true, 1 or "1"."""
    return value in (True, "1") or (isinstance(value, str) and value.lower() == "true")


def error_of(parameter: str) -> OAuthError:
    """What a provider's ``error`` parameter means. Its description is anybody's text, so it is not repeated."""
    if parameter == "access_denied":
        return OAuthError("denied", "the sign-in was not allowed")
    shown = parameter if re.fullmatch(r"[a-z_]{1,64}", parameter) else "an unknown error"
    return OAuthError("provider", f"the provider refused: {shown}")


def state_of(value: object) -> str:
    """A ``state`` as it came back.

    Raises:
        OAuthError: It cannot be one of ours.
    """
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-]{43}", value):
        raise OAuthError("state", "the answer belongs to no sign-in that was begun here")
    return value


def redirect_uri_of(value: str) -> str:
    """Where the provider is to send the browser back to.

    Raises:
        ValidationError: It is no https address (http on this machine only).
    """
    try:
        return secure_url(value)
    except ConfigurationError as error:
        raise ValidationError("redirect_uri", "give an https:// address (http:// on localhost only)") from error


def _line(value: object, most: int) -> str | None:
    if not isinstance(value, str):
        return None
    cleaned = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", value).encode("utf-8", "ignore").decode().strip()
    return cleaned[:most] or None
