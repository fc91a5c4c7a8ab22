# Generated from tests/services/_async/test_jwt.py by tools/unasync.py. Do not edit.

"""Access tokens."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from tests.services._sync.support import PASSWORD, Setting
from tests.services.provider import rsa_key

from torii_dynamodb import Session, User
from torii_dynamodb.errors import ConfigurationError, InvalidToken
from torii_dynamodb.jwt import JwtKey, JwtSettings, JwtTokens, tenant_of

HMAC = "a shared secret of more than 32 bytes"


@cache
def pem(kind: str) -> tuple[str, str]:
    """A private and a public key, as PEM."""
    make: dict[str, Callable[[], Any]] = {
        "RS256": lambda: rsa_key(0),
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
        "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "weak": lambda: rsa.generate_private_key(public_exponent=65537, key_size=1024),
    }
    key = make[kind]()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def key(algorithm: Any, kid: str = "one") -> JwtKey:
    """A signing key."""
    return JwtKey(kid=kid, algorithm=algorithm, private_key=HMAC if algorithm == "HS256" else pem(algorithm)[0])


def settings(*keys: JwtKey, **options: Any) -> JwtSettings:
    """Settings for access tokens."""
    return JwtSettings(issuer="https://app.example.com", audience="api", keys=keys or [key("HS256")], **options)


def made(*keys: JwtKey, **options: Any) -> tuple[Setting, User, Session]:
    """Services with access tokens, a user and their session."""
    here = Setting(jwt=settings(*keys, **options))
    user, session = here.signed_in()
    return here, user, session


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "EdDSA"])
def test_issue_and_verify(algorithm: str) -> None:
    """A token names the user and the session, and is valid for five minutes plus the leeway."""
    here, user, session = made(key(algorithm))
    access = here.torii.jwt.issue(user, session, claims={"role": "admin"})
    assert access.token not in repr(access)
    claims = here.torii.jwt.verify(access.token)
    assert (claims.user_id, claims.session_id, claims.email) == (user.id, session.id, "ada@example.com")
    assert (claims.expires_at, claims.email_verified) == (here.clock() + timedelta(minutes=5), False)
    assert claims.extra == {"role": "admin"}
    here.clock.advance(timedelta(minutes=5, seconds=9))
    here.torii.jwt.verify(access.token)
    here.clock.advance(timedelta(seconds=1))
    with pytest.raises(InvalidToken):
        here.torii.jwt.verify(access.token)


def test_refresh_checks_the_session() -> None:
    """A session that has ended gets no new token; its last one stays valid until it expires, as documented."""
    here, _, session = made()
    assert session.token
    access = here.torii.jwt.refresh(session.token)
    assert access is not None
    assert access.session.id == session.id
    here.torii.delete_session(session.token)
    assert here.torii.jwt.refresh(session.token) is None
    assert here.torii.jwt.refresh("garbage") is None
    here.torii.jwt.verify(access.token)


def test_a_token_ends_with_its_session() -> None:
    """A token never outlives its session."""
    here, user, session = made()
    here.clock.set(session.expires_at - timedelta(seconds=30))
    assert (here.torii.jwt.issue(user, session)).expires_at == session.expires_at


def test_keys_rotate() -> None:
    """The first key signs; old tokens are valid for as long as their key is listed."""
    old, new = key("ES256", "old"), key("EdDSA", "new")
    here, user, session = made(old)
    token = (here.torii.jwt.issue(user, session)).token
    both = Setting(jwt=settings(new, old), clock=here.clock).torii.jwt
    assert both.verify(token).user_id == user.id
    assert jwt.get_unverified_header((both.issue(user, session)).token)["kid"] == "new"
    after = Setting(jwt=settings(new), clock=here.clock).torii.jwt
    with pytest.raises(InvalidToken):
        after.verify(token)


def test_public_keys_are_published_and_secrets_are_not() -> None:
    """Others can verify tokens with the published keys, which contain no private part and no HMAC secret."""
    here, user, session = made(key("RS256", "r"), key("ES256", "e"), key("EdDSA", "d"), key("HS256", "h"))
    published = here.torii.jwt.jwks()["keys"]
    assert [entry["kid"] for entry in published] == ["r", "e", "d"]
    assert all("d" not in entry and entry["use"] == "sig" for entry in published)
    token = (here.torii.jwt.issue(user, session)).token
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims = jwt.decode(token, jwt.PyJWK(published[0]), algorithms=["RS256"], audience="api", options=options)
    assert claims["sub"] == user.id


def test_verifying_needs_no_private_key() -> None:
    """A public key verifies, with and without services; it cannot sign."""
    here, user, session = made(key("ES256", "a"))
    checker = JwtKey(kid="a", algorithm="ES256", public_key=pem("ES256")[1])
    there = Setting(jwt=settings(key("HS256", "b"), checker), clock=here.clock).torii.jwt
    assert there.verify((here.torii.jwt.issue(user, session)).token).user_id == user.id
    alone = JwtTokens(settings(checker))
    claims = alone.verify((here.torii.jwt.issue(user, session)).token, now=here.clock())
    assert (claims.user_id, claims.session_id) == (user.id, session.id)
    with pytest.raises(ConfigurationError, match="private key"):
        alone.issue(user, session, now=here.clock(), token_id="1")
    checking = Setting(jwt=settings(checker), storage=here.storage, clock=here.clock).torii.jwt
    assert checking.check((here.torii.jwt.issue(user, session)).token) is not None
    with pytest.raises(ConfigurationError, match="private key"):
        checking.issue(user, session)


def test_check_reads_the_session() -> None:
    """check() refuses invalid tokens, and valid ones once their session has ended, however it ended."""
    for how in ("sign out", "everywhere", "by id", "lock", "delete", "rotate", "password", "expiry"):
        here, user, session = made()
        assert session.token
        access = here.torii.jwt.issue(user, session)
        found = here.torii.jwt.check(access.token)
        assert found is not None
        claims, (owner, behind) = found
        assert (claims.user_id, behind.id, behind.token, owner) == (user.id, session.id, "", user)
        if how == "sign out":
            here.torii.delete_session(session.token)
        elif how == "everywhere":
            here.torii.delete_sessions_for_user(user.id)
        elif how == "by id":
            here.torii.delete_session_by_id(user.id, session.id)
        elif how == "lock":
            here.torii.lock_user(user.id)
        elif how == "delete":
            here.torii.delete_user(user.id)
        elif how == "rotate":
            here.torii.rotate_session(session.token)
        elif how == "password":
            here.torii.password.change_password(user.id, PASSWORD, PASSWORD + "!")
        else:
            here.clock.advance(timedelta(minutes=6))
        assert here.torii.jwt.check(access.token) is None, how
    here, user, session = made()
    forged = (here.torii.jwt.issue(user, session)).token[:-4] + "AAAA"
    for nonsense in ("", "a.b.c", session.token, forged):
        assert here.torii.jwt.check(nonsense) is None


def test_impossible_claims_under_a_shared_key_are_refused() -> None:
    """A holder of the shared key can sign any subject and session; impossible ones are refused, not an error."""
    here, user, session = made()
    for claims in ({"sub": "../x"}, {"sid": "no digest"}, {"sid": "0" * 64}, {"sub": ""}):
        issued = jwt.decode((here.torii.jwt.issue(user, session)).token, options={"verify_signature": False})
        token = jwt.encode(issued | claims, HMAC, algorithm="HS256", headers={"kid": "one", "typ": "at+jwt"})
        assert here.torii.jwt.check(token) is None


def _without(name: str) -> Any:
    return {name: None}


def _b64(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_an_invalid_token_is_refused() -> None:
    """A wrong algorithm, key, type, issuer or audience, or a missing claim, is refused, however well signed."""
    here, user, session = made(key("RS256", "r"), key("HS256", "h"))
    service = here.torii.jwt
    token = (service.issue(user, session)).token
    options: Any = {"verify_signature": False}
    good = jwt.decode(token, options=options)
    private, public = pem("RS256")

    def signed(algorithm: str = "RS256", secret: str = private, header: Any = None, **changes: Any) -> str:
        claims = {name: value for name, value in (good | changes).items() if value is not None}
        heads = {"kid": "r", "typ": "at+jwt"} | (header or {})
        return jwt.encode(claims, secret, algorithm=algorithm, headers=heads)

    assert service.verify(signed()).user_id == user.id
    head, body, signature = token.split(".")
    hmac = f"{_b64({'alg': 'HS256', 'kid': 'r', 'typ': 'at+jwt'})}.{body}"
    forged = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(hmac.encode(), public.encode())
    now = int(here.clock().timestamp())
    wrong: list[Any] = [
        f"{hmac}.{urlsafe_b64encode(forged).rstrip(b'=').decode()}",
        f"{_b64({'alg': 'none', 'kid': 'r', 'typ': 'at+jwt'})}.{body}.",
        f"{head}.{body}.",
        f"{head}.{_b64(good | {'sub': 'somebody'})}.{signature}",
        signed("PS256"),
        signed("HS256", HMAC),
        signed("RS256", header={"kid": "h"}),
        signed(header={"kid": "x"}),
        signed(header={"typ": "JWT"}),
        signed(iss="https://evil.example"),
        signed(aud="other"),
        signed(aud=["api", "other"]),
        signed(exp=now - 3600),
        signed(nbf=now + 3600),
        signed(iat=now + 3600),
        signed(sub=5),
        *(signed(**_without(name)) for name in ("iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp")),
        "",
        "a.b.c",
        "x" * 20_000,
        None,
    ]
    for bad in wrong:
        with pytest.raises(InvalidToken):
            service.verify(bad)


@pytest.mark.parametrize(
    "wrong",
    [
        {"algorithm": "HS256", "private_key": "short"},
        {"algorithm": "HS256"},
        {"algorithm": "HS256", "private_key": HMAC, "public_key": "x"},
        {"algorithm": "RS256", "private_key": "no PEM"},
        {"algorithm": "RS256"},
        {"algorithm": "HS512", "private_key": HMAC * 2},
        {"algorithm": "ES256", "private_key": "RS256"},
        {"algorithm": "ES256", "private_key": "P-384"},
        {"algorithm": "RS256", "private_key": "weak"},
        {"algorithm": "EdDSA", "private_key": "ES256"},
    ],
)
def test_weak_and_wrong_keys_are_refused(wrong: dict[str, Any]) -> None:
    """Keys that are too short or do not fit their algorithm raise an error that does not show them."""
    if wrong.get("private_key") in ("RS256", "ES256", "P-384", "weak"):
        wrong = wrong | {"private_key": pem(wrong["private_key"])[0]}
    with pytest.raises(ConfigurationError) as refused:
        _ = Setting(jwt=settings(key("HS256", "first"), JwtKey(kid="x", **wrong))).torii.jwt
    assert "PRIVATE" not in str(refused.value)
    assert HMAC not in str(refused.value)


def test_wrong_settings_are_refused() -> None:
    """A lifetime over an hour, two keys with one id, and no keys are refused."""
    with pytest.raises(ConfigurationError):
        settings(lifetime=timedelta(hours=2))
    with pytest.raises(ConfigurationError):
        settings(key("HS256"), key("ES256"))
    with pytest.raises(ConfigurationError):
        JwtSettings(issuer="a", audience="b", keys=[])


def test_our_claims_cannot_be_replaced() -> None:
    """Extra claims cannot replace the library's own, such as the subject."""
    here, user, session = made()
    with pytest.raises(ConfigurationError):
        here.torii.jwt.issue(user, session, claims={"sub": "somebody"})
    with pytest.raises(ConfigurationError):
        here.torii.jwt.issue(user, session, claims={"amr": ["otp"]})


def test_the_application_adds_claims() -> None:
    """The function's claims are in every token; those of one call are added, and win where the names are the same."""

    def claims(user: User, session: Session) -> Mapping[str, Any]:
        return {"scope": "notes:read notes:write", "shop": "acme", "of": [user.id, session.id]}

    here = Setting(jwt=settings(), access_token_claims=claims)
    user, session = here.signed_in()
    read = here.torii.jwt.verify((here.torii.jwt.issue(user, session)).token)
    assert read.scopes == ("notes:read", "notes:write")
    assert (read.extra["shop"], read.extra["of"]) == ("acme", [user.id, session.id])
    again = here.torii.jwt.refresh(session.token, claims={"shop": "other", "plan": 2})
    assert again is not None
    read = here.torii.jwt.verify(again.token)
    assert (read.extra["shop"], read.extra["plan"], read.scopes[0]) == ("other", 2, "notes:read")
    plain, owner, theirs = made()
    assert plain.torii.jwt.verify((plain.torii.jwt.issue(owner, theirs)).token).scopes == ()


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"sub": "somebody"}, "reserved.*sub"),
        ({"client_id": "x", "acr": "1"}, "reserved.*acr, client_id"),
        ({"groups": ["x" * 100] * 50}, "4096 bytes as JSON, not 5"),
        ({"when": object()}, "values that JSON has"),
        ({"ratio": float("nan")}, "values that JSON has"),
        ({"scope": ["a", "b"]}, "scope: give one text"),
        (["admin"], "mapping of names to values, not list"),
        (None, "mapping of names to values, not NoneType"),
    ],
)
def test_claims_that_cannot_be_issued(claims: Any, says: str) -> None:
    """Reserved names, values that are not JSON, and too much of it are an error that says so; no token is issued."""
    here = Setting(jwt=settings(), access_token_claims=lambda user, session: claims)
    user, session = here.signed_in()
    with pytest.raises(ConfigurationError, match=says):
        here.torii.jwt.issue(user, session)


def test_an_error_of_the_application_is_its_own() -> None:
    """What the function for claims raises reaches the caller as it is."""

    def claims(user: User, session: Session) -> dict[str, Any]:
        raise LookupError(user.id)

    here = Setting(jwt=settings(), access_token_claims=claims)
    user, session = here.signed_in()
    with pytest.raises(LookupError):
        here.torii.jwt.issue(user, session)


def test_the_discovery_document() -> None:
    """It has the fields that Discovery requires of an issuer without endpoints, and only asymmetric algorithms."""
    tokens = JwtTokens(settings(key("HS256", "h"), key("ES256", "e"), key("RS256", "r")))
    assert tokens.discovery() == {
        "issuer": "https://app.example.com",
        "jwks_uri": "https://app.example.com/.well-known/jwks.json",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
        "claims_supported": [
            "amr", "aud", "auth_time", "email", "email_verified", "exp", "iat", "iss", "jti", "nbf", "second_factor_at",
            "sid", "sub", "tenant",
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("issuer", "base_url", "below"),
    [
        ("https://app.example.com", None, ""),
        ("https://app.example.com/", None, ""),
        ("https://app.example.com/auth/v1", None, "/auth/v1"),
        ("https://app.example.com/auth/", "https://app.example.com", "/auth"),
        ("https://app.example.com/app", "https://app.example.com/app", ""),
        ("https://app.example.com/app/auth", "https://app.example.com/app", "/auth"),
        ("https://app.example.com/application", "https://app.example.com/app", "/application"),
        ("https://other.example.com/x", "https://app.example.com/app", "/x"),
        ("http://localhost:8000", None, ""),
    ],
)
def test_where_the_document_is_served(issuer: str, base_url: str | None, below: str) -> None:
    """It is below the issuer's URL, without a slash at the end; an application with a path serves the rest of it."""
    tokens = JwtTokens(JwtSettings(issuer=issuer, audience="api", keys=[key("ES256")]))
    served = tokens.well_known(base_url)
    assert list(served) == [f"{below}/.well-known/openid-configuration", f"{below}/.well-known/jwks.json"]
    document, keys = (serve() for serve in served.values())
    assert document["issuer"] == issuer
    assert document["jwks_uri"] == issuer.rstrip("/") + "/.well-known/jwks.json"
    assert [one["kid"] for one in keys["keys"]] == ["one"]


@pytest.mark.parametrize(
    "issuer",
    [
        "example", "http://app.example.com", "https://app.example.com?x=1", "https://app.example.com/#x", "https://",
        "https://a@app.example.com", "https://app.example.com//x", "https://app.example.com/{x}",
    ],
)  # fmt: skip
def test_an_issuer_that_cannot_be_found(issuer: str) -> None:
    """An issuer that is not an https URL works, but has no discovery document."""
    tokens = JwtTokens(JwtSettings(issuer=issuer, audience="api", keys=[key("ES256")]))
    assert tokens.well_known() == {}
    with pytest.raises(ConfigurationError, match="https://"):
        tokens.discovery()


def test_shared_secrets_are_never_discovered() -> None:
    """With HS256 keys only there is nothing to publish."""
    tokens = JwtTokens(settings(key("HS256")))
    assert tokens.well_known() == {}
    with pytest.raises(ConfigurationError, match="HS256"):
        tokens.discovery()


def test_a_token_is_for_its_tenant() -> None:
    """Signed with the keys that all tenants share, it is valid for its own; a service of all reads whose it is."""
    here, user, session = made()
    makers = {name: JwtTokens(settings(), tenant=name) for name in (None, "acme", "other")}
    for name, maker in makers.items():
        token = maker.issue(user, session, now=here.clock(), token_id="1").token
        assert tenant_of(token) == name
        for other, checker in makers.items():
            if other == name:
                assert checker.verify(token, now=here.clock()).tenant == name
                continue
            assert checker.verify(token, now=here.clock(), any_tenant=True).tenant == name
            with pytest.raises(InvalidToken):
                checker.verify(token, now=here.clock())


@pytest.mark.parametrize("tenant", [None, "", "@acme", "acme#", "ACME", 1, ["acme"], {"acme": 1}, "a" * 64])
def test_a_claim_that_names_no_tenant_is_refused(tenant: Any) -> None:
    """Whoever shares the key cannot make a token for every tenant, or for none and one at once."""
    here, user, session = made()
    token = (here.torii.jwt.issue(user, session)).token
    claims = jwt.decode(token, options={"verify_signature": False}) | {"tenant": tenant}
    made_up = jwt.encode(claims, HMAC, headers=jwt.get_unverified_header(token))
    assert tenant_of(made_up) is None
    for checker in (JwtTokens(settings()), JwtTokens(settings(), tenant="acme")):
        for any_tenant in (False, True):
            with pytest.raises(InvalidToken):
                checker.verify(made_up, now=here.clock(), any_tenant=any_tenant)


def test_what_is_not_a_token_names_no_tenant() -> None:
    """Reading the tenant never raises, whatever a client sends."""
    payload = "eyJ0ZW5hbnQiOiJhY21lIn0"
    for text in ("", "a.b.c", f"x.{payload}.x", f"e30.{payload}", f".{payload}.", "e30.e30.", "a" * 20_000, None, 1):
        assert tenant_of(text) is None  # type: ignore[arg-type]


def test_the_application_cannot_name_a_tenant() -> None:
    """The claim is the library's, with and without tenants."""
    here, user, session = made()
    with pytest.raises(ConfigurationError, match="tenant"):
        here.torii.jwt.issue(user, session, claims={"tenant": "acme"})
