"""Access tokens as JWT (RFC 7519, RFC 9068) without I/O: keys, claims and checks."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias, cast
from urllib.parse import urlsplit

from torii_dynamodb._rules import validation
from torii_dynamodb._rules.checking import check_fields
from torii_dynamodb._rules.extras import needed
from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb._rules.session_policy import signed_in_at
from torii_dynamodb.clock import system_clock
from torii_dynamodb.errors import ConfigurationError, InvalidToken, ValidationError
from torii_dynamodb.models import Session, User

__all__ = [
    "AccessClaims",
    "AccessToken",
    "AccessTokenClaims",
    "JwtKey",
    "JwtSettings",
    "JwtTokens",
    "merged_claims",
    "tenant_of",
]

AccessTokenClaims: TypeAlias = Callable[[User, Session], Mapping[str, Any] | Awaitable[Mapping[str, Any]]]
"""Returns an application's own claims for an access token of this user and session."""

JwtAlgorithm = Literal["HS256", "RS256", "ES256", "EdDSA"]

_LEAST_SECRET = 32  # bytes: RFC 7518, 3.2
_LEAST_RSA = 2048  # bits: RFC 7518, 3.3
_TYPE = "at+jwt"
_OURS = frozenset({"iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "email", "email_verified"})
_NOT_ALWAYS = frozenset({"amr", "auth_time", "second_factor_at", "tenant"})
# Registered names (IANA), reserved: an application's own claim must not be mistaken for one of them.
_RESERVED = _NOT_ALWAYS | {"acr", "client_id", "cnf"}
_INVALID = "the access token is not valid"
# API Gateway accepts 10,240 bytes of request line and headers together, and ours take about 1 KB with the signature.
_LARGEST_EXTRA = 4096
_LONGEST = 16_384
_CONFIGURATION, _KEYS = "/.well-known/openid-configuration", "/.well-known/jwks.json"


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class JwtKey:
    """A key. Its algorithm is fixed: a token that names the key with another algorithm is refused.

    Args:
        kid: The key's id, which is in the tokens' headers.
        algorithm: ``"HS256"`` (a shared secret: anyone who can check tokens can also make them), ``"RS256"``,
            ``"ES256"`` (P-256) or ``"EdDSA"`` (Ed25519).
        private_key: Signs: at least 32 random bytes for HS256, otherwise a private key as PEM. ``None`` if it only
            checks.
        public_key: Checks, as PEM; ``None`` to derive it from the private key. Not for HS256.
    """

    kid: str
    algorithm: JwtAlgorithm
    private_key: str | bytes | None = field(default=None, repr=False)
    public_key: str | bytes | None = None


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class JwtSettings:
    """How access tokens are made.

    The trade-off: a session check reads the storage, so a revoked session is refused at once. An access token is
    checked by itself, so it is valid until it expires, even after sign-out, a change of password or deletion. Make
    ``lifetime`` short enough for that, and check the session (``jwt.check``, or the session's own token) before
    anything that somebody who was signed out must not do.

    Args:
        issuer: The issuer (``iss``). For services that find the keys themselves, such as API Gateway, an ``https://``
            URL without ``?`` and ``#``, below which the discovery document is served
            (``/.well-known/openid-configuration``).
        audience: The audience (``aud``).
        keys: The first signs, all check; a service that only checks needs no private key. To rotate, add the new key
            at the end on every host, then move it to the front, then, after ``lifetime``, remove the old one. Services
            that cache the published keys must see the new one first: wait for two hours if API Gateway checks tokens.
        lifetime: How long a token is valid: at most an hour.
        leeway: How far clocks may differ: at most a minute.
    """

    issuer: str
    audience: str
    keys: Sequence[JwtKey] = field(repr=False)
    lifetime: timedelta = timedelta(minutes=5)
    leeway: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.issuer or not self.audience:
            raise ConfigurationError("jwt: give issuer and audience")
        if not timedelta(seconds=10) <= self.lifetime <= timedelta(hours=1):
            raise ConfigurationError("jwt: lifetime: give ten seconds to one hour: nothing revokes an access token")
        if not timedelta(0) <= self.leeway <= timedelta(minutes=1):
            raise ConfigurationError("jwt: leeway: give at most one minute")
        names = [key.kid for key in self.keys]
        if not names or len(set(names)) != len(names) or not all(names):
            raise ConfigurationError("jwt: give at least one key, each with its own kid")


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """An access token.

    Args:
        token: The JWT.
        expires_at: When it expires.
        session: The session behind it; its token gets the next access token.
    """

    token: str = field(repr=False)
    expires_at: datetime
    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """The claims of a valid access token. They were true when it was issued.

    Args:
        user_id: The user (``sub``).
        tenant: The user's tenant; ``None`` outside of any.
        session_id: The session (``sid``).
        token_id: The token's own id (``jti``).
        issued_at: When it was issued.
        expires_at: When it expires.
        email: The address, normalised.
        email_verified: Whether the address was proved.
        extra: Your own claims.
        amr: How the user signed in (RFC 8176).
        authenticated_at: When the user signed in (``auth_time``); ``None`` if the token does not say.
        second_factor_at: When the user last gave a second factor for the session; ``None`` if never.
    """

    user_id: str
    session_id: str
    token_id: str
    issued_at: datetime
    expires_at: datetime
    email: str
    email_verified: bool
    extra: Mapping[str, Any]
    tenant: str | None = None
    amr: tuple[str, ...] = ()
    authenticated_at: datetime | None = None
    second_factor_at: datetime | None = None

    @property
    def scopes(self) -> tuple[str, ...]:
        """The names in the claim ``scope`` (RFC 9068, 2.2.3); empty if there is none."""
        scope = self.extra.get("scope")
        return tuple(scope.split()) if isinstance(scope, str) else ()


@dataclass(frozen=True, slots=True)
class _Loaded:
    algorithm: JwtAlgorithm
    signs: Any = field(repr=False)
    checks: Any = field(repr=False)


class JwtTokens:
    """Makes and checks access tokens without a storage, also for services that have no tables.

    Args:
        settings: The settings.
        tenant: The tenant whose tokens these are; ``None`` outside of any. Tokens of others are refused, although they
            are signed with the same keys.

    Raises:
        ConfigurationError: PyJWT is not installed, or a key is too weak or of another kind than its algorithm.
    """

    def __init__(self, settings: JwtSettings, *, tenant: str | None = None) -> None:
        self.settings = settings
        self.tenant = tenant
        self._jwt = needed("jwt", "jwt")
        self._keys = {key.kid: _load(key) for key in settings.keys}

    def require_signing(self) -> None:
        """Check that there is a key to sign with.

        Raises:
            ConfigurationError: The first key has no private part.
        """
        first = self.settings.keys[0]
        if self._keys[first.kid].signs is None:
            raise ConfigurationError(f"jwt: the first key, {first.kid!r}, signs, so it needs a private key")

    def issue(
        self, user: User, session: Session, *, now: datetime, token_id: str, extra: Mapping[str, Any] | None = None
    ) -> AccessToken:
        """Issue an access token for a checked session. It expires no later than the session.

        Raises:
            ConfigurationError: There is no private key, or ``extra`` has a reserved name, is not JSON, is too large, or
                has a ``scope`` that is not text.
        """
        self.require_signing()
        claims = _checked_claims({} if extra is None else dict(extra))
        expires_at = min(now + self.settings.lifetime, session.expires_at)
        issued, expires = int(now.timestamp()), int(expires_at.timestamp())
        claims |= {
            "iss": self.settings.issuer,
            "aud": self.settings.audience,
            "sub": user.id,
            "sid": session.id,
            "jti": token_id,
            "iat": issued,
            "nbf": issued,
            "exp": expires,
            "email": user.email,
            "email_verified": user.is_email_verified,
            "amr": list(session.amr),
            "auth_time": int(signed_in_at(session).timestamp()),
        }
        if self.tenant is not None:
            claims["tenant"] = self.tenant
        if session.second_factor_at is not None:
            claims["second_factor_at"] = int(session.second_factor_at.timestamp())
        kid = self.settings.keys[0].kid
        key = self._keys[kid]
        headers = {"kid": kid, "typ": _TYPE}
        token = cast("str", self._jwt.encode(claims, key.signs, algorithm=key.algorithm, headers=headers))
        return AccessToken(token=token, expires_at=datetime.fromtimestamp(expires, UTC), session=session)

    def verify(self, token: str, *, now: datetime | None = None, any_tenant: bool = False) -> AccessClaims:
        """Check a token, and return its claims.

        Checked are signature, key, algorithm, type, issuer, audience, tenant and times, and that no claim is missing.

        Args:
            token: The token.
            now: The current time; ``None`` for the system's.
            any_tenant: Accept tokens of every tenant, and of none, for a service that serves all of them. A user is
                then known only by ``tenant`` and ``user_id`` together.

        Raises:
            InvalidToken: It is not valid. The message does not say why.
        """
        if not isinstance(token, str) or len(token) > _LONGEST:
            raise InvalidToken(_INVALID)
        try:
            header = self._jwt.get_unverified_header(token)
            key = self._keys[header["kid"]]
            # RFC 8725, 3.1 and 3.11: the key decides the algorithm, and no other kind of JWT is accepted.
            if header.get("alg") != key.algorithm or str(header.get("typ")).lower() not in (
                _TYPE,
                f"application/{_TYPE}",
            ):
                raise InvalidToken(_INVALID)
            claims = self._jwt.decode(
                token,
                key.checks,
                algorithms=[key.algorithm],
                issuer=self.settings.issuer,
                audience=self.settings.audience,
                # The times are checked below, with the clock that was passed in.
                options={
                    "require": sorted(_OURS),
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "strict_aud": True,
                },
            )
            read = self._read(claims, system_clock() if now is None else now)
        except InvalidToken:
            raise
        except (self._jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise InvalidToken(_INVALID) from error
        if read.tenant != self.tenant and not any_tenant:
            raise InvalidToken(_INVALID)
        return read

    def _read(self, claims: dict[str, Any], now: datetime) -> AccessClaims:
        issued, starts, ends = (_moment(claims[name]) for name in ("iat", "nbf", "exp"))
        leeway = self.settings.leeway
        if now >= ends + leeway or now < starts - leeway or now < issued - leeway:
            raise InvalidToken(_INVALID)
        for name in ("sub", "sid", "jti", "email"):
            if not isinstance(claims[name], str):
                raise InvalidToken(_INVALID)
        return AccessClaims(
            user_id=claims["sub"],
            session_id=claims["sid"],
            token_id=claims["jti"],
            issued_at=issued,
            expires_at=ends,
            email=claims["email"],
            tenant=_tenant_in(claims),
            email_verified=claims["email_verified"] is True,
            amr=tuple(str(name) for name in claims.get("amr", ())),
            authenticated_at=_moment(claims["auth_time"]) if "auth_time" in claims else None,
            second_factor_at=_moment(claims["second_factor_at"]) if "second_factor_at" in claims else None,
            extra={name: value for name, value in claims.items() if name not in _OURS | _NOT_ALWAYS},
        )

    def jwks(self) -> dict[str, Any]:
        """Return the public keys (RFC 7517), for others that check tokens. Shared secrets are left out."""
        algorithms = needed("jwt.algorithms", "jwt").get_default_algorithms()
        keys: list[dict[str, Any]] = []
        for kid, key in self._keys.items():
            if key.algorithm != "HS256":
                jwk = algorithms[key.algorithm].to_jwk(key.checks, as_dict=True)
                kept = {name: value for name, value in jwk.items() if name != "key_ops"}
                keys.append({**kept, "kid": kid, "alg": key.algorithm, "use": "sig"})
        return {"keys": keys}

    def discovery(self) -> dict[str, Any]:
        """Return the document to serve at ``<issuer>/.well-known/openid-configuration`` (OpenID Connect Discovery 1.0).

        It names ``<issuer>/.well-known/jwks.json`` as the place of :meth:`jwks`. There is no authorization endpoint and
        no token endpoint, because this is not an OpenID provider: the document only tells services that check
        access tokens where the keys are. ``response_types_supported`` must not be missing or empty, so it says what
        other issuers without these endpoints say, for example Kubernetes.

        Raises:
            ConfigurationError: The issuer is not an ``https://`` URL, or there are only shared secrets.
        """
        if not _is_url(self.settings.issuer):
            raise ConfigurationError(
                f"jwt: issuer {self.settings.issuer!r}: for others to find it, give an https:// URL without ? and #"
            )
        if not (algorithms := self._published()):
            raise ConfigurationError("jwt: HS256 keys cannot be published: give an RS256, ES256 or EdDSA key")
        return {
            "issuer": self.settings.issuer,
            "jwks_uri": self.settings.issuer.rstrip("/") + _KEYS,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
            "claims_supported": sorted(_OURS | _NOT_ALWAYS),
        }

    def well_known(self, base_url: str | None = None) -> dict[str, Callable[[], dict[str, Any]]]:
        """Return what to serve for :meth:`discovery`: paths, and the functions that return their JSON.

        Args:
            base_url: The URL of the application that serves them; if it has a path, the paths returned are below that.

        Returns:
            Empty if the issuer is not a URL or there are only shared secrets: then others cannot find any keys.
        """
        if not _is_url(self.settings.issuer) or not self._published():
            return {}
        issuer = self.settings.issuer.rstrip("/")
        inside = base_url is not None and f"{issuer}/".startswith(f"{base_url}/")
        path = issuer.removeprefix(base_url or "") if inside else urlsplit(issuer).path
        return {path + _CONFIGURATION: self.discovery, path + _KEYS: self.jwks}

    def _published(self) -> list[str]:
        return sorted({key.algorithm for key in self._keys.values()} - {"HS256"})


def _is_url(issuer: str) -> bool:
    # https, no query and no fragment: OpenID Connect Discovery 1.0, 3. http is for trying it on this machine.
    pattern = r"(https://[A-Za-z0-9.-]+|http://(localhost|127\.0\.0\.1))(:[0-9]+)?(/[A-Za-z0-9._~-]+)*/?"
    return re.fullmatch(pattern, issuer) is not None


def tenant_of(token: str) -> str | None:
    """Return the tenant that an access token names, **unverified**: only to choose the services that verify it.

    Returns:
        ``None`` if the token names no tenant, or is not a token.
    """
    jwt = needed("jwt", "jwt")
    if not isinstance(token, str) or len(token) > _LONGEST:
        return None
    try:
        return _tenant_in(jwt.decode(token, options={"verify_signature": False}))
    except (jwt.PyJWTError, InvalidToken):
        return None


def _tenant_in(claims: Mapping[str, Any]) -> str | None:
    try:
        return validation.tenant(claims["tenant"]) if "tenant" in claims else None
    except ValidationError as error:
        raise InvalidToken(_INVALID) from error


def merged_claims(*given: Mapping[str, Any]) -> dict[str, Any]:
    """Return an application's own claims together; of two with the same name, the last.

    Raises:
        ConfigurationError: Something is not a mapping, for example what a function without ``return`` returns.
    """
    for claims in cast("tuple[object, ...]", given):
        if not isinstance(claims, Mapping):
            raise ConfigurationError(f"jwt: claims: give a mapping of names to values, not {type(claims).__name__}")
    return {name: value for claims in given for name, value in claims.items()}


def _checked_claims(claims: dict[str, Any]) -> dict[str, Any]:
    if taken := (_OURS | _RESERVED) & claims.keys():
        raise ConfigurationError(f"jwt: these claims are reserved, use other names: {', '.join(sorted(taken))}")
    try:
        size = len(json.dumps(claims, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError("jwt: claims: give only values that JSON has") from error
    if size > _LARGEST_EXTRA:
        raise ConfigurationError(f"jwt: claims: at most {_LARGEST_EXTRA} bytes as JSON, not {size}")
    if "scope" in claims and not isinstance(claims["scope"], str):
        raise ConfigurationError("jwt: claims: scope: give one text with spaces between the names (RFC 8693, 4.2)")
    return claims


def _moment(value: object) -> datetime:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidToken(_INVALID)
    return datetime.fromtimestamp(value, UTC)


def _load(key: JwtKey) -> _Loaded:
    if key.algorithm == "HS256":
        secret = key.private_key.encode() if isinstance(key.private_key, str) else key.private_key
        if secret is None or len(secret) < _LEAST_SECRET or key.public_key is not None:
            raise ConfigurationError(
                f"jwt: key {key.kid!r}: HS256 takes only a private_key, of at least {_LEAST_SECRET} random bytes"
            )
        return _Loaded("HS256", secret, secret)
    if key.algorithm not in ("RS256", "ES256", "EdDSA"):
        raise ConfigurationError(f"jwt: key {key.kid!r}: give HS256, RS256, ES256 or EdDSA, not {key.algorithm!r}")
    load = needed("cryptography.hazmat.primitives.serialization", "jwt")
    try:
        signs = None if key.private_key is None else load.load_pem_private_key(_raw(key.private_key), None)
        given = None if key.public_key is None else load.load_pem_public_key(_raw(key.public_key))
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"jwt: key {key.kid!r}: give a PEM private key, or a PEM public key") from error
    checks = given if given is not None or signs is None else signs.public_key()
    _check_kind(key, checks)
    if signs is not None and signs.public_key() != checks:
        raise ConfigurationError(f"jwt: key {key.kid!r}: private and public key do not belong together")
    return _Loaded(key.algorithm, signs, checks)


def _check_kind(key: JwtKey, public: Any) -> None:
    asymmetric = "cryptography.hazmat.primitives.asymmetric"
    if key.algorithm == "RS256":
        good = isinstance(public, needed(f"{asymmetric}.rsa", "jwt").RSAPublicKey) and public.key_size >= _LEAST_RSA
    elif key.algorithm == "ES256":
        good = (
            isinstance(public, needed(f"{asymmetric}.ec", "jwt").EllipticCurvePublicKey)
            and public.curve.name == "secp256r1"
        )
    else:
        good = isinstance(public, needed(f"{asymmetric}.ed25519", "jwt").Ed25519PublicKey)
    if not good:
        raise ConfigurationError(
            f"jwt: key {key.kid!r}: it is not a key for {key.algorithm} (RS256: RSA of at least {_LEAST_RSA} bits; "
            "ES256: P-256; EdDSA: Ed25519)"
        )


def _raw(pem: str | bytes) -> bytes:
    return pem.encode() if isinstance(pem, str) else pem
