"""OAuth 2 and OpenID Connect without I/O: requests, responses, and checks of ID tokens."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, cast
from urllib.parse import quote_plus, urlencode

import orjson

from torii_dynamodb._rules import base64url
from torii_dynamodb._rules.extras import needed
from torii_dynamodb._rules.oauth import (
    Authority,
    OAuthError,
    OAuthIdentity,
    OAuthProvider,
    ProviderMetadata,
    TokenAuthMethod,
    email_domain,
    secure_url,
)
from torii_dynamodb._rules.outbound import Answer
from torii_dynamodb.errors import ConfigurationError, ValidationError

# OpenID Connect does not prescribe a leeway; providers' clocks and ours differ by seconds.
_LEEWAY = 60
# A token older than a person takes to return was not issued for this sign-in.
_OLDEST = timedelta(hours=1)
_LEAST_RSA_BITS = 2048
# How many keys are tried for one token; more than one or two only for a token that names no key.
_MOST_KEYS = 32
_LONGEST_TOKEN = 100_000
# Error codes for a person who declined: RFC 6749, 4.1.2.1; Apple and LinkedIn have their own.
_CANCELLED = ("access_denied", "user_cancelled_authorize", "user_cancelled_login", "user_denied")
_TENANT = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def nonce_of(binding: str) -> str:
    """Derive the nonce from a browser's binding: it binds an ID token to the browser and need not be stored."""
    return base64url.encode(sha256(b"torii-dynamodb/oidc/nonce/1\0" + binding.encode()).digest())


def state_for(binding: str) -> str:
    """Derive the ``state`` of a sign-in from a browser's binding.

    So a callback can be checked against the cookie before anything is read or used up. The state appears in URLs and
    reveals nothing about the binding, which stays in the cookie.
    """
    return base64url.encode(sha256(b"torii-dynamodb/oauth/state/1\0" + binding.encode()).digest())


def authorization_url(
    provider: OAuthProvider, metadata: ProviderMetadata, *, redirect_uri: str, state: str, verifier: str, nonce: str
) -> str:
    """Return the URL to send the browser to."""
    more = dict(provider.parameters)
    if provider.use_pkce:
        challenge = needed("authlib.oauth2.rfc7636", "oauth").create_s256_code_challenge(verifier)
        more |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    if provider.is_oidc and provider.use_nonce:
        more["nonce"] = nonce
    if provider.response_mode != "query":
        more["response_mode"] = provider.response_mode
    made = needed("authlib.oauth2.rfc6749.parameters", "oauth").prepare_grant_uri(
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
    provider: OAuthProvider,
    metadata: ProviderMetadata,
    *,
    code: str,
    redirect_uri: str,
    verifier: str,
    now: datetime,
) -> tuple[dict[str, str], bytes]:
    """Return headers and body of the request that redeems a code."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    if provider.use_pkce:
        form["code_verifier"] = verifier
    headers, form = authenticated(provider, metadata, headers, form, unique=verifier, now=now)
    return headers, urlencode(form).encode()


def refresh_request(
    provider: OAuthProvider, metadata: ProviderMetadata, *, refresh_token: str, unique: str, now: datetime
) -> tuple[dict[str, str], bytes]:
    """Return headers and body of the request for another access token (RFC 6749, 6)."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    headers, form = authenticated(provider, metadata, headers, form, unique=unique, now=now)
    return headers, urlencode(form).encode()


def authenticated(
    provider: OAuthProvider,
    metadata: ProviderMetadata,
    headers: Mapping[str, str],
    form: Mapping[str, str],
    *,
    unique: str,
    now: datetime,
) -> tuple[dict[str, str], dict[str, str]]:
    """Add the application's authentication to headers and form of a token request (RFC 6749, 2.3.1).

    Args:
        provider: The provider.
        metadata: Its metadata.
        headers: The request's headers.
        form: The request's form.
        unique: A secret that is new for every request, from which the id of an assertion is made.
        now: The current time.
    """
    method = metadata.token_auth_method
    if method == "client_secret_basic":
        # Each is form-encoded (RFC 6749, appendix B), so that a colon, a percent sign or an umlaut arrives unchanged.
        pair = ":".join(quote_plus(part) for part in (provider.client_id, provider.client_secret or ""))
        return {**headers, "Authorization": f"Basic {b64encode(pair.encode()).decode()}"}, dict(form)
    made = {**form, "client_id": provider.client_id}
    if method == "client_secret_post":
        secret = provider.client_secret if provider.apple is None else apple_client_secret(provider, now)
        made["client_secret"] = secret or ""
    elif method in ("private_key_jwt", "client_secret_jwt"):
        made["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        made["client_assertion"] = _assertion(provider, metadata, unique, now)
    return dict(headers), made


def _assertion(provider: OAuthProvider, metadata: ProviderMetadata, unique: str, now: datetime) -> str:
    """Return a signed assertion that authenticates the application (OpenID Connect Core, 9; RFC 7523)."""
    key = provider.client_key
    if metadata.token_auth_method == "client_secret_jwt" or key is None:
        signer = needed("joserfc.jwk", "oauth").import_key(provider.client_secret, "oct")
        header: dict[str, str] = {"alg": "HS256"}
    else:
        signer, fitting = _signer(key.private_key, "client_key")
        header = {**key.headers, "alg": key.algorithm or fitting} | ({} if key.key_id is None else {"kid": key.key_id})
    issued = int(now.timestamp())
    claims = {
        "iss": provider.client_id,
        "sub": provider.client_id,
        "aud": metadata.token_endpoint,
        "jti": base64url.encode(sha256(b"torii-dynamodb/oauth/jti/1\0" + unique.encode()).digest()),
        "iat": issued,
        "exp": issued + 60,
    }
    return _signed(signer, header, claims)


def _signer(pem: str, what: str) -> tuple[Any, str]:
    """Load a private key, and return it with the algorithm that fits it.

    Raises:
        ConfigurationError: It is not a private key that can sign.
    """
    curves = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}
    for kind in ("RSA", "EC", "OKP"):
        try:
            # Environment variables often hold a key with its line breaks written out.
            signer = needed("joserfc.jwk", "oauth").import_key(pem.replace("\\n", "\n"), kind)
        except Exception:  # noqa: BLE001, S112 - joserfc and cryptography have many; the next kind may fit
            continue
        algorithm = "RS256" if kind == "RSA" else curves.get(signer.curve_name)
        if signer.is_private and algorithm is not None:
            return signer, algorithm
    raise ConfigurationError(f"{what}: give a private key as PEM: RSA, P-256, P-384, P-521 or Ed25519")


def _signed(signer: Any, header: Mapping[str, str], claims: Mapping[str, Any]) -> str:
    registry = _registry([header["alg"]])
    registry.strict_check_header = False  # x5t and similar headers are the application's concern
    made = needed("joserfc.jwt", "oauth").encode(dict(header), dict(claims), signer, registry=registry)
    return cast("str", made)


def _registry(algorithms: Sequence[str]) -> Any:
    registry = needed("joserfc.jws", "oauth").JWSRegistry(algorithms=list(algorithms))
    # RFC 9864 has its own name for EdDSA with this curve; with the old one, joserfc warns at every token.
    registry.algorithms = {**registry.algorithms, "EdDSA": registry.algorithms["Ed25519"]}
    return registry


def apple_client_secret(provider: OAuthProvider, now: datetime) -> str:
    """Return Apple's client secret: a JWT signed with the team's key, valid for five minutes."""
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
    signer, _ = _signer(key.private_key, "private_key")
    return _signed(signer, {"alg": "ES256", "kid": key.key_id}, claims)


def plain_metadata(provider: OAuthProvider) -> ProviderMetadata:
    """Return the endpoints of a plain OAuth 2 provider."""
    assert provider.authorization_endpoint is not None
    assert provider.token_endpoint is not None
    return ProviderMetadata(
        issuer=None,
        authorization_endpoint=provider.authorization_endpoint,
        token_endpoint=provider.token_endpoint,
        userinfo_endpoint=provider.userinfo_endpoint,
        jwks_uri=None,
        names_itself=False,
        token_auth_method=_token_auth_method(provider, ("client_secret_post",)),
    )


def _token_auth_method(provider: OAuthProvider, offered: object) -> TokenAuthMethod:
    if provider.token_auth_method is not None:
        return provider.token_auth_method
    if provider.apple is not None:
        return "client_secret_post"
    if provider.client_key is not None:
        return "private_key_jwt"
    if provider.client_secret is None:
        return "none"
    known: tuple[TokenAuthMethod, ...] = ("client_secret_basic", "client_secret_post", "client_secret_jwt")
    for method in known:
        # RFC 8414, 2: the default is client_secret_basic.
        if method in (cast("Sequence[object]", offered) if isinstance(offered, list | tuple) else known[:1]):
            return method
    raise OAuthError(
        "provider",
        f"{provider.name} does not accept a client secret at its token endpoint; set client_key or token_auth_method",
    )


def read_metadata(provider: OAuthProvider, document: object) -> ProviderMetadata:
    """Check an issuer's metadata.

    Raises:
        OAuthError: It is not metadata, or another issuer's (OpenID Connect Discovery, 4.3).
    """
    if not isinstance(document, dict):
        raise OAuthError("provider", f"{provider.name}'s metadata is not a JSON object")
    found = cast("dict[str, Any]", document)

    def endpoint(name: str) -> str:
        try:
            return provider.checked_url(found.get(name))
        except ConfigurationError as error:
            raise OAuthError("provider", f"the {name} in {provider.name}'s metadata: {error}") from None

    return ProviderMetadata(
        issuer=_described_issuer(provider, found.get("issuer")),
        authorization_endpoint=endpoint("authorization_endpoint"),
        token_endpoint=endpoint("token_endpoint"),
        userinfo_endpoint=None if found.get("userinfo_endpoint") is None else endpoint("userinfo_endpoint"),
        jwks_uri=endpoint("jwks_uri"),
        names_itself=found.get("authorization_response_iss_parameter_supported") is True,
        token_auth_method=_token_auth_method(provider, found.get("token_endpoint_auth_methods_supported")),
    )


def _described_issuer(provider: OAuthProvider, told: object) -> str | None:
    """Return the issuer named in the metadata; ``None`` if each tenant is its own issuer."""
    template = provider.issuer_template
    if template is None:
        # With or without a trailing slash, the metadata is the same, and it has the form that tokens use.
        if isinstance(told, str) and told.rstrip("/") == (provider.issuer or "").rstrip("/"):
            return told
        raise OAuthError(
            "provider",
            f"{provider.name} says that its issuer is {_shown(told)}, but {provider.issuer!r} is configured",
        )
    if told == template:
        return None
    before, _, after = template.partition("{tenantid}")
    if isinstance(told, str) and re.fullmatch(re.escape(before) + _TENANT + re.escape(after), told):
        return told
    raise OAuthError("provider", f"{provider.name} says that its issuer is {_shown(told)}, which is not expected here")


def _shown(told: object) -> str:
    return repr(told[:200]) if isinstance(told, str) else f"a {type(told).__name__}"


def verified(
    provider: OAuthProvider, metadata: ProviderMetadata, token: str, keys: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return header and claims of a token that one of these keys signed; ``None`` if none of them did.

    The claims are not checked.

    Raises:
        OAuthError: No key could verify the token.
    """
    header = _unverified(token, 0)
    claims = _unverified(token, 1)
    algorithm = header.get("alg")
    if algorithm not in provider.algorithms:
        raise OAuthError("id_token", "the ID token is not signed with an accepted algorithm")
    jwk, jwt, registry = needed("joserfc.jwk", "oauth"), needed("joserfc.jwt", "oauth"), _registry([algorithm])
    for key in _keys_for(keys, algorithm, header.get("kid"), claims)[:_MOST_KEYS]:
        try:
            found = jwt.decode(token, jwk.import_key(dict(key)), registry=registry)
        except Exception:  # noqa: BLE001, S112 - whatever is wrong with one key, the next may be right
            continue
        return dict(found.header), dict(found.claims)
    return None


def _unverified(token: str, part: int) -> dict[str, Any]:
    """Decode the header (0) or the claims (1) of a token, without verifying them."""
    parts = token.split(".")
    try:
        found = orjson.loads(base64url.decode(parts[part]))
    except (ValueError, IndexError):
        found = None
    if not isinstance(found, dict) or len(parts) != 3 or len(token) > _LONGEST_TOKEN:
        raise OAuthError("id_token", "the ID token is not a signed JWT")
    return cast("dict[str, Any]", found)


def _keys_for(
    keys: Sequence[Mapping[str, Any]], algorithm: str, kid: object, claims: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """Return the keys that may have signed a token."""
    kind = {"R": "RSA", "P": "RSA"}.get(algorithm[0], "OKP" if algorithm.startswith("Ed") else "EC")
    curve = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}
    ed = ("EdDSA", "Ed25519")
    return [
        key
        for key in keys
        if key.get("kty") == kind
        and key.get("use", "sig") == "sig"
        # A key that states its use is used for nothing else.
        and (key.get("alg", algorithm) == algorithm or (algorithm in ed and key.get("alg") in ed))
        and (kid is None or key.get("kid") in (None, kid))
        and (_rsa_bits(key) >= _LEAST_RSA_BITS if kind == "RSA" else key.get("crv") == curve[algorithm])
        and _signs_for(key, claims)
    ]


def _rsa_bits(key: Mapping[str, Any]) -> int:
    """Return the length of an RSA key; 0 if it is unknown or absurd."""
    modulus = key.get("n")
    if not isinstance(modulus, str) or len(modulus) > 3000:
        return 0
    try:
        return int.from_bytes(base64url.decode(modulus)).bit_length()
    except ValueError:
        return 0


def _signs_for(key: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
    """Whether a key signs for a token's issuer: Microsoft's keys, which tenants share, name the issuer."""
    issuer = key.get("issuer")
    if not isinstance(issuer, str):
        return True
    return issuer.replace("{tenantid}", str(claims.get("tid"))) == claims.get("iss")


def check_claims(
    provider: OAuthProvider,
    metadata: ProviderMetadata,
    header: Mapping[str, Any],
    claims: Mapping[str, Any],
    *,
    nonce: str,
    access_token: str | None,
    now: datetime,
    native: bool = False,
) -> str:
    """Check the claims of an ID token (OpenID Connect Core, 3.1.3.7), and return its subject.

    These are issuer, audience, authorised party, expiry, time of issue, nonce, and the access token's hash if present.
    With ``native``, audience and authorised party may also be ids of the application's mobile clients, and the
    nonce may also be its SHA-256 in hex.

    Raises:
        OAuthError: A claim is not valid.
    """
    subject = claims.get("sub")
    # At most 255 ASCII characters (OpenID Connect Core, 2); it is part of a key.
    if not isinstance(subject, str) or not subject or len(subject) > 255:
        raise OAuthError("id_token", "the ID token has no valid subject")
    options: dict[str, Any] = {
        "iss": {"essential": True, "values": [_issuer(provider, metadata, claims), *provider.issuer_aliases]},
        "aud": {"essential": True, "values": [provider.client_id]},
        "exp": {"essential": True},
        "iat": {"essential": True},
    }
    params: dict[str, Any] = {"client_id": provider.client_id, "access_token": access_token}
    if native:
        ours = (provider.client_id, *provider.native_client_ids)
        told = claims.get("aud")
        audiences = cast("list[object]", told) if isinstance(told, list) else [told]
        # Only ours: the token must not be for another application.
        if not audiences or not all(one in ours for one in audiences):
            raise OAuthError("id_token", "the ID token is not valid: aud")
        options["aud"] = {"essential": True, "values": list(ours)}
        # Google's tokens for Android are for the server's client, requested by the Android client ("azp").
        party = claims.get("azp", audiences[0])
        params["client_id"] = party if party in ours else provider.client_id
        hashed = sha256(nonce.encode()).hexdigest()
        nonce = hashed if claims.get("nonce") == hashed else nonce
    if provider.use_nonce:
        options["nonce"] = {"essential": True, "value": nonce}
        params["nonce"] = nonce
    seconds = int(now.timestamp())
    try:
        claims_of = needed("authlib.oidc.core", "oauth").CodeIDToken
        # amr (how the person signed in there) is not needed; some send a string, which Authlib refuses.
        looked_at = {name: value for name, value in claims.items() if name != "amr"}
        claims_of(looked_at, dict(header), options, params).validate(seconds, _LEEWAY)
        old = seconds - int(claims["iat"]) > _OLDEST.total_seconds()
    except Exception as error:  # noqa: BLE001 - Authlib and joserfc have several roots of errors
        # Only the claim's name: the error itself contains the value.
        detail = getattr(error, "claim", None) or getattr(error, "claim_name", None) or type(error).__name__
        raise OAuthError("id_token", f"the ID token is not valid: {detail}") from None
    if old:
        raise OAuthError("id_token", "the ID token was issued too long ago")
    return subject


def _issuer(provider: OAuthProvider, metadata: ProviderMetadata, claims: Mapping[str, Any]) -> str:
    if metadata.issuer is not None:
        return metadata.issuer
    assert provider.issuer_template is not None
    tenant = claims.get("tid")
    if not isinstance(tenant, str) or not re.fullmatch(_TENANT, tenant):
        raise OAuthError("id_token", "the ID token names no tenant")
    return provider.issuer_template.replace("{tenantid}", tenant)


def needs_userinfo(provider: OAuthProvider, claims: Mapping[str, Any]) -> bool:
    """Whether to query the userinfo endpoint for what an ID token lacks."""
    if provider.userinfo != "when_needed":
        return provider.userinfo == "always"
    wanted = ("email", provider.email_verified_claim) if provider.trust_email else ("email",)
    return "email" in provider.scopes and any(claims.get(name) is None for name in wanted)


def merged(provider: OAuthProvider, claims: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the claims of an ID token with those of the userinfo endpoint.

    The ID token's claims win, because they are signed; but an address and its ``email_verified`` come from one source.

    Raises:
        OAuthError: They describe different people, so userinfo must not be used (OpenID Connect Core, 5.3.2).
    """
    if more.get("sub") != claims["sub"]:
        raise OAuthError("provider", f"{provider.name} describes a different person")
    claims = {name: value for name, value in claims.items() if value is not None}
    word = provider.email_verified_claim
    found = {**more, **claims}
    if "email" not in claims or (word not in claims and more.get("email") is not None):
        found["email"], found[word] = more.get("email"), more.get(word)
    return found


def check_userinfo(provider: OAuthProvider, metadata: ProviderMetadata, claims: Mapping[str, Any]) -> None:
    """Check issuer and audience of a signed userinfo response (OpenID Connect Core, 5.3.2).

    Raises:
        OAuthError: It is from another issuer, or for another application.
    """
    audience = claims.get("aud", provider.client_id)
    issuers = (_issuer(provider, metadata, claims), *provider.issuer_aliases) if "iss" in claims else (None,)
    audiences = cast("list[object]", audience) if isinstance(audience, list) else [audience]
    if claims.get("iss") not in issuers or provider.client_id not in audiences:
        raise OAuthError("provider", f"{provider.name} describes a different person")


def read_keys(provider: OAuthProvider, document: object) -> list[Mapping[str, Any]]:
    """Return the keys of a key set.

    Raises:
        OAuthError: It is not a key set.
    """
    found = cast("dict[str, Any]", document).get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise OAuthError("provider", f"{provider.name} sent an invalid key set")
    return [cast("Mapping[str, Any]", key) for key in cast("Sequence[Any]", found) if isinstance(key, dict)]


def read_json(provider: OAuthProvider, answer: Answer) -> object:
    """Return the JSON of a response, or the text of a JWT.

    Raises:
        OAuthError: The response is an error, or neither of these.
    """
    if answer.status not in (200, 201):
        told = _error(answer.body)
        raise OAuthError(
            "provider", f"{provider.name} answered {answer.status}{shown_code(told)}", error_code=code_of(told)
        )
    try:
        if answer.content_type == "application/jwt":
            return answer.body.decode("ascii").strip()
        return cast("object", orjson.loads(answer.body))
    except ValueError:
        raise OAuthError("provider", f"{provider.name} returned something that is not JSON") from None


def _error(body: bytes) -> dict[str, Any]:
    """Build an error from an OAuth error response. Only the code is used: anybody may have written its description."""
    try:
        found = orjson.loads(body)
    except ValueError:
        found = None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def code_of(answer: Mapping[str, Any]) -> str | None:
    """Return the code of an OAuth error response; ``None`` if it is not one."""
    code = answer.get("error")
    return code if isinstance(code, str) and re.fullmatch(r"[a-z_]{1,64}", code) else None


def shown_code(answer: Mapping[str, Any]) -> str:
    """Return an error's code to append to a message; empty if it is not an OAuth error."""
    code = code_of(answer)
    return "" if code is None else f" ({code})"


def identity_of(provider: OAuthProvider, claims: Mapping[str, Any], subject: str) -> OAuthIdentity:
    """Return the identity that claims (or a userinfo response) describe."""
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
    """Return the name in the ``user`` that Apple posts; ``None`` if it is not the JSON that Apple documents."""
    if user is None or len(user) > 4096:
        return None
    try:
        name = orjson.loads(user)["name"]
        parts = [name.get("firstName"), name.get("lastName")]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return _line(" ".join(part for part in parts if isinstance(part, str)), 256)


def plain_identity(provider: OAuthProvider, told: object) -> OAuthIdentity:
    """Return the identity from the userinfo endpoint of a plain OAuth 2 provider.

    Raises:
        OAuthError: It has no subject.
    """
    found = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    subject = found.get("id") if found.get("sub") is None else found["sub"]
    if not isinstance(subject, str | int) or isinstance(subject, bool) or not 0 < len(str(subject)) <= 255:
        raise OAuthError("provider", f"{provider.name} sent no subject")
    return identity_of(provider, found, str(subject))


def github_identity(provider: OAuthProvider, user: object, emails: object) -> OAuthIdentity:
    """Return the identity from GitHub's ``/user`` and ``/user/emails``, by number, because logins change hands."""
    found = cast("dict[str, Any]", user) if isinstance(user, dict) else {}
    subject = found.get("id")
    if not isinstance(subject, int) or isinstance(subject, bool):
        raise OAuthError("provider", "GitHub sent no user id")
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
        picture=_web_address(picture),
        claims=dict(claims),
    )
    return replace(found, email_authoritative=_is_authority(provider.authoritative_for, found))


def _web_address(value: object) -> str | None:
    """Return a URL that may be put into a page; ``None`` if it is not http(s) (``javascript:``), or too long."""
    if not isinstance(value, str) or len(value) > 1024 or not re.fullmatch(r"https?://[!-~]+", value, re.IGNORECASE):
        return None
    return value


def _is_authority(rule: Authority, identity: OAuthIdentity) -> bool:
    if not identity.email_verified:
        return False
    try:
        domain = email_domain(identity.email)
    except ValidationError:
        return False
    return rule(identity) is True if callable(rule) else "*" in rule or domain in rule


def is_true(value: object) -> bool:
    """Whether a claim is true. Apple and Cognito send "true"; Microsoft's xms_edov is true, 1 or "1"."""
    return value in (True, "1") or (isinstance(value, str) and value.lower() == "true")


def shown_name(value: object) -> str | None:
    """Return a name to display, on one line and of limited length; ``None`` if there is none."""
    return _line(value, 256)


def error_of(parameter: str) -> OAuthError:
    """Build an error from a provider's ``error`` parameter, without its description, which anybody may have written."""
    if parameter in _CANCELLED:
        return OAuthError("denied", "the sign-in was not allowed")
    shown = parameter if re.fullmatch(r"[a-z_]{1,64}", parameter) else "an unknown error"
    return OAuthError("provider", f"the provider refused: {shown}")


def state_of(value: object) -> str:
    """Check a ``state`` that was sent back.

    Raises:
        OAuthError: It cannot be one of ours.
    """
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-]{43}", value):
        raise OAuthError("state", "the response does not belong to a sign-in that was started here")
    return value


def redirect_uri_of(value: str) -> str:
    """Check the URL that the provider will send the browser back to.

    Raises:
        ValidationError: It is not an https URL (http is accepted only on this machine).
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
