# Generated from tests/services/_async/test_oauth_dialects.py by tools/unasync.py. Do not edit.

"""How providers differ in practice: where claims are, changing keys, client authentication, tenants, garbage."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

import httpx
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from tests.services._sync.support import refuses
from tests.services._sync.test_oauth import BACK, OAuthSetting
from tests.services.provider import ISSUER, public_jwk, rsa_key

from torii_dynamodb.errors import ConfigurationError, ValidationError
from torii_dynamodb.mail import MailSettings
from torii_dynamodb.oauth import ClientKey, OAuthError, OAuthProvider, apple, github, google, microsoft, oidc
from torii_dynamodb.passkeys import PasskeySettings

EMAIL = "ada@example.com"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
TENANT = "11111111-2222-3333-4444-555555555555"
LOGIN = "https://login.microsoftonline.com"


class Dialect(OAuthSetting):
    """Services without a mailer, so that no sign-in is stopped to confirm the address by mail."""

    def __init__(self, provider: OAuthProvider | None = None, **options: Any) -> None:
        super().__init__(provider, **({"mailer": None, "mail": None} | options))


def pem(key: Any) -> str:
    """A private key as PEM."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return str(key.private_bytes(encoding, form, serialization.NoEncryption()).decode())


def generic(**options: Any) -> OAuthProvider:
    return oidc("issuer", ISSUER, "client", "secret", **options)


def plain(**options: Any) -> OAuthProvider:
    """A provider with OAuth 2 but without OpenID Connect."""
    return OAuthProvider(
        name="plain",
        client_id="client",
        client_secret="secret",
        authorization_endpoint=f"{ISSUER}/authorize",
        token_endpoint=f"{ISSUER}/token",
        userinfo_endpoint=f"{ISSUER}/user",
        **options,
    )


def refused(here: OAuthSetting, reason: str, **changes: Any) -> OAuthError:
    """Assert that signing in fails for this reason."""
    with refuses(OAuthError, reason) as error:
        here.sign_in(**changes)
    return error.value


# Claims


def test_email_verified_may_come_from_userinfo() -> None:
    """If the ID token has the address but not email_verified, userinfo is asked for it (Okta, Authelia)."""
    with Dialect() as here:
        here.provider.claims = {"sub": "subject-1", "email": EMAIL}
        here.provider.userinfo = {"sub": "subject-1", "email_verified": True, "name": "Ada"}
        result = here.sign_in()
        assert (result.user.email, result.user.name) == (EMAIL, "Ada")


@pytest.mark.parametrize(
    ("token", "told", "expected"),
    [
        ({"email": "a@x.com"}, {"email": "b@x.com", "email_verified": True}, ("b@x.com", True)),
        ({"email": "a@x.com"}, {"email": "b@x.com"}, ("b@x.com", False)),
        ({"email": "a@x.com"}, {"email": "a@x.com", "email_verified": "true"}, ("a@x.com", True)),
        ({"email": "a@x.com"}, {"email": None, "email_verified": True}, ("a@x.com", True)),
        ({"email": "a@x.com", "email_verified": False}, {"email_verified": True}, ("a@x.com", False)),
        ({"email_verified": True}, {"email": "b@x.com"}, ("b@x.com", False)),
        ({"email_verified": False}, {"email": "b@x.com", "email_verified": True}, ("b@x.com", True)),
        ({"email": None}, {"email": "b@x.com", "email_verified": True}, ("b@x.com", True)),
        ({"iss": ISSUER}, {"iss": "https://evil.example", "email": "b@x.com"}, ("b@x.com", False)),
        ({}, {"email": ["b@x.com"], "email_verified": [True]}, (None, False)),
    ],
)
def test_address_and_email_verified_come_from_one_place(
    token: dict[str, Any], told: dict[str, Any], expected: tuple[str | None, bool]
) -> None:
    """email_verified is only applied to the address it came with, or to the same one."""
    seen: list[Any] = []

    def check(identity: Any) -> str:
        seen.append(identity)
        return "seen"

    with Dialect(generic(check=check)) as here:
        here.provider.claims = {"sub": "subject-1", **token}
        here.provider.userinfo = {"sub": "subject-1", **told}
        refused(here, "refused")
        assert (seen[0].email, seen[0].email_verified) == expected
        assert seen[0].claims["iss"] == ISSUER


@pytest.mark.parametrize("word", ["true", "True", True, 1, "1"])
def test_other_ways_to_write_true(word: Any) -> None:
    """Providers that write true as text or as 1 are understood."""
    with Dialect() as here:
        here.provider.claims["email_verified"] = word
        assert (here.sign_in()).identity.email_verified


@pytest.mark.parametrize("word", ["false", "", "yes", 0, 2, [], ["true"], {"true": True}, None])
def test_values_that_are_not_true(word: Any) -> None:
    """Anything else counts as not verified."""
    with Dialect() as here:
        here.provider.claims["email_verified"] = word
        refused(here, "email_unverified")


def test_failing_userinfo_does_not_keep_linked_accounts_out() -> None:
    """Without userinfo, linked accounts still sign in and new ones lack the address; userinfo="always" requires it."""
    with Dialect() as here:
        user = (here.sign_in()).user
        for broken in (500, 403, b"<html>", b"[]", b'{"email": "eve@example.com"}'):
            here.provider.answers["/userinfo"] = broken
            here.provider.claims = {"sub": "subject-1"}
            assert (here.sign_in()).user.id == user.id
            here.provider.claims = {"sub": "subject-2"}
            refused(here, "email_missing")
    with Dialect(generic(userinfo="always")) as here:
        here.provider.answers["/userinfo"] = 500
        refused(here, "provider")
    with Dialect(generic(userinfo="never")) as here:
        here.provider.claims = {"sub": "subject-1"}
        refused(here, "email_missing")
        assert "GET /userinfo" not in here.provider.requests


def test_checks_see_what_userinfo_says() -> None:
    """With userinfo="always", a check sees claims that only userinfo has, such as groups."""
    allowed = generic(
        userinfo="always",
        check=lambda identity: None if "staff" in identity.claims.get("groups", ()) else "Staff only.",
    )
    with Dialect(allowed) as here:
        refused(here, "refused")
        here.provider.userinfo["groups"] = ["staff"]
        here.sign_in()


@pytest.mark.parametrize(
    ("claims", "key", "reason"),
    [
        ({}, 0, None),
        ({"iss": ISSUER, "aud": "client"}, 0, None),
        ({"aud": ["other", "client"]}, 0, None),
        ({"aud": "other"}, 0, "provider"),
        ({"iss": "https://evil.example"}, 0, "provider"),
        ({"sub": "subject-2"}, 0, "provider"),
        ({}, 1, "id_token"),
    ],
)
def test_userinfo_as_a_signed_jwt(claims: dict[str, Any], key: int, reason: str | None) -> None:
    """Signed userinfo is accepted if signature, issuer, audience and subject are right."""
    with Dialect() as here:
        here.provider.claims = {"sub": "subject-1"}
        told = {"sub": "subject-1", "email": EMAIL, "email_verified": True} | claims
        signed = here.provider.signed(told, {"kid": "key-1"}, key)
        headers = {"Content-Type": "application/jwt; charset=utf-8"}
        here.provider.answers["/userinfo"] = lambda _: httpx.Response(200, text=signed, headers=headers)
        if reason is None:
            assert (here.sign_in()).user.email == EMAIL
        else:
            refused(here, reason)


def test_without_nonce_and_pkce() -> None:
    """With nonce and PKCE off, neither is sent nor expected."""
    with Dialect(generic(use_nonce=False, use_pkce=False)) as here:
        here.provider.pkce = False
        here.provider.claims["nonce"] = None
        start = here.torii.oauth.begin("issuer", redirect_uri=BACK)
        assert not {"nonce", "code_challenge", "code_challenge_method"} & parse_qs(urlsplit(start.url).query).keys()
        assert (here.sign_in()).created
        assert "code_verifier" not in here.provider.forms[-1]


def test_several_audiences() -> None:
    """An ID token with several audiences is accepted if azp names this client."""
    with Dialect() as here:
        here.provider.claims |= {"aud": ["account", "client"], "azp": "client"}
        assert (here.sign_in()).created
        here.provider.claims |= {"aud": ["client"], "azp": None}
        here.sign_in()


@pytest.mark.parametrize(
    "emails", [403, 404, b"{}", b"[1, null]", b'[{"primary": true, "email": 1, "verified": true}]']
)
def test_github_without_addresses(emails: int | bytes) -> None:
    """A GitHub App that may not read addresses can be linked by signed-in users, and then signs them in."""
    with Dialect(github("client", "secret")) as here:
        here.provider.userinfo = {"id": 1, "login": "octocat"}
        here.provider.answers["/user/emails"] = emails
        refused(here, "email_missing")
        user, session = here.signed_in()
        assert (here.sign_in(link_to=session)).linked
        assert (here.sign_in()).user.id == user.id


@pytest.mark.parametrize(("configured", "told"), [(ISSUER, f"{ISSUER}/"), (f"{ISSUER}/", ISSUER), (ISSUER, ISSUER)])
def test_a_slash_at_the_end_of_the_issuer(configured: str, told: str) -> None:
    """The issuer may be configured with or without the slash; tokens must name it as the metadata does (Auth0)."""
    with Dialect(oidc("issuer", configured, "client", "secret")) as here:
        here.provider.metadata = {"issuer": told}
        here.provider.claims["iss"] = told
        assert (here.sign_in()).created
        here.provider.claims["iss"] = "https://issuer.example/other"
        refused(here, "id_token")


# Client authentication

SECRET = "s3cr3t: 100% +ü&="


def proof_of(form: dict[str, str], headers: dict[str, str]) -> Any:
    """The client authentication method of a token request, with the client id and the secret or algorithm."""
    if "authorization" in headers:
        client, _, secret = b64decode(headers["authorization"].removeprefix("Basic ")).decode().partition(":")
        assert "client_id" not in form
        return "basic", unquote_plus(client), unquote_plus(secret)
    if "client_secret" in form:
        return "post", form["client_id"], form["client_secret"]
    if "client_assertion" in form:
        return ("jwt", form["client_id"], jwt.get_unverified_header(form["client_assertion"])["alg"])
    return "none", form["client_id"], None


@pytest.mark.parametrize(
    ("offered", "options", "expected"),
    [
        (None, {}, ("basic", "cl:ient", SECRET)),
        (["client_secret_basic"], {}, ("basic", "cl:ient", SECRET)),
        (["client_secret_post"], {}, ("post", "cl:ient", SECRET)),
        (["private_key_jwt", "client_secret_post"], {}, ("post", "cl:ient", SECRET)),
        (["client_secret_jwt"], {}, ("jwt", "cl:ient", "HS256")),
        ("client_secret_post", {}, ("basic", "cl:ient", SECRET)),  # not a list, so ignored
        (["client_secret_basic"], {"token_auth_method": "client_secret_post"}, ("post", "cl:ient", SECRET)),
        (["client_secret_basic"], {"client_secret": None}, ("none", "cl:ient", None)),
        (None, {"token_auth_method": "none"}, ("none", "cl:ient", None)),
    ],
)
def test_client_authentication(offered: Any, options: dict[str, Any], expected: Any) -> None:
    """The method follows the issuer's metadata unless it is configured; secrets arrive with every character."""
    provider = replace(oidc("issuer", ISSUER, "cl:ient", SECRET), **options)
    with Dialect(provider) as here:
        here.provider.metadata = {"token_endpoint_auth_methods_supported": offered}
        here.sign_in()
        headers = here.provider.headers[here.provider.requests.index("POST /token")]
        assert proof_of(here.provider.forms[-1], headers) == expected


def test_an_issuer_without_a_usable_authentication_method() -> None:
    """An issuer with no usable authentication method is refused before the browser is sent there."""
    with Dialect() as here:
        here.provider.metadata = {"token_endpoint_auth_methods_supported": ["tls_client_auth"]}
        with pytest.raises(OAuthError, match="token_auth_method") as error:
            here.torii.oauth.begin("issuer", redirect_uri=BACK)
        assert error.value.reason == "provider"


@pytest.mark.parametrize(
    ("made", "algorithm"),
    [
        (lambda: rsa_key(0), "RS256"),
        (lambda: ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (lambda: ec.generate_private_key(ec.SECP384R1()), "ES384"),
    ],
)
def test_private_key_jwt(made: Callable[[], Any], algorithm: str) -> None:
    """The client assertion is signed with the key, for the token endpoint, for a minute, with a new jti each time."""
    key = made()
    own = ClientKey(private_key=pem(key), key_id="mine", headers={"x5t": "thumbprint"})
    assert "PRIVATE" not in repr(own)
    with Dialect(oidc("issuer", ISSUER, "client", client_key=own)) as here:
        here.sign_in()
        here.sign_in()
        names = set[str]()
        for form in here.provider.forms:
            header = jwt.get_unverified_header(form["client_assertion"])
            assert (header["alg"], header["kid"], header["x5t"]) == (algorithm, "mine", "thumbprint")
            claims = jwt.decode(
                form["client_assertion"],
                key.public_key(),
                algorithms=[algorithm],
                audience=f"{ISSUER}/token",
                options={"verify_exp": False, "verify_iat": False},
            )
            assert (claims["iss"], claims["sub"], claims["exp"] - claims["iat"]) == ("client", "client", 60)
            names.add(claims["jti"])
            assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            assert "client_secret" not in form
        assert len(names) == 2


def test_wrong_settings_are_refused_at_construction() -> None:
    """Methods without their secret or key, unreadable keys, empty values and strings in place of lists are refused."""
    for preset in (google, github):
        with pytest.raises(ConfigurationError, match="client_secret"):
            preset("client", None)  # type: ignore[arg-type]
    settings: list[tuple[dict[str, Any], str]] = [
        ({"token_auth_method": "private_key_jwt"}, "client_key"),
        ({"token_auth_method": "client_secret_basic", "client_secret": None}, "client_secret"),
        ({"client_key": ClientKey(private_key="ssh-rsa AAAA")}, "client_key"),
        ({"client_id": ""}, "client_id"),
        ({"client_id": None}, "client_id"),
        ({"client_secret": ""}, "client_secret"),
        ({"scopes": "openid email"}, "scopes"),
        ({"scopes": ("email",)}, "scopes"),
        ({"parameters": {"state": "x"}}, "parameters"),
        ({"parameters": {"scope": "x"}}, "parameters"),
        ({"algorithms": ("ES256K",)}, "algorithms"),
        ({"algorithms": "RS256"}, "algorithms"),
    ]
    for options, name in settings:
        with pytest.raises(ConfigurationError, match=name):
            replace(generic(), **options)


def test_an_unreadable_key_is_a_configuration_error() -> None:
    """An invalid key is a ConfigurationError at the first sign-in, which does not show the key."""
    broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    with Dialect(oidc("issuer", ISSUER, "client", client_key=ClientKey(private_key=broken))) as here:
        with pytest.raises(ConfigurationError, match="client_key") as error:
            here.sign_in()
        assert "AAAA" not in str(error.value)


def test_a_refused_code_says_why() -> None:
    """The error contains the provider's error code, which helps with wrong settings, but not its description."""
    with Dialect() as here:
        body = b'{"error": "invalid_client", "error_description": "<script>"}'
        here.provider.answers["/token"] = lambda _: httpx.Response(401, content=body)
        error = refused(here, "provider")
        assert "invalid_client" in str(error)
        assert "script" not in str(error)


# Keys


@pytest.mark.parametrize(
    ("signs", "kid"),
    [(("key-1", 1), "key-1"), (("key-1", 1), None), (("key-2", 1), "key-2")],
    ids=["same id", "no id", "new id"],
)
def test_a_provider_that_changes_its_key(signs: tuple[str, int], kid: str | None) -> None:
    """The first sign-in after a key change succeeds at the cost of one more request."""
    with Dialect() as here:
        here.sign_in()
        here.provider.signs_with, here.provider.header = signs, {"kid": kid}
        here.provider.keys = {signs[0]: signs[1]}
        here.sign_in()
        assert here.provider.requests.count("GET /keys") == 2
        # A token that no key verifies does not cause another request so soon.
        here.provider.signs_with = (signs[0], 2)
        for _ in range(3):
            refused(here, "id_token")
        assert here.provider.requests.count("GET /keys") == 2
        here.clock.advance(timedelta(minutes=2))
        for _ in range(3):
            refused(here, "id_token")
        assert here.provider.requests.count("GET /keys") == 3


@pytest.mark.parametrize("claims", [{"exp": 1}, {"nonce": "x"}, {"aud": "other"}, {"iss": "https://evil.example"}])
def test_wrong_claims_do_not_cause_a_request_for_keys(claims: dict[str, Any]) -> None:
    """Only an unverifiable signature causes a request for newer keys, not a wrong claim."""
    with Dialect() as here:
        here.sign_in()
        here.provider.claims |= claims
        refused(here, "id_token")
        assert here.provider.requests.count("GET /keys") == 1


def as_keys(*keys: Any) -> bytes:
    return orjson.dumps({"keys": list(keys)})


GOOD = public_jwk(0, "key-1")


@pytest.mark.parametrize(
    "keys",
    [
        as_keys({name: value for name, value in GOOD.items() if name != "kid"}),
        as_keys({name: value for name, value in GOOD.items() if name not in ("alg", "use")}),
        as_keys({"kty": "oct", "k": "AAAA", "kid": "key-1"}, None, 7, [], {"kty": []}, {"kid": {}}, GOOD),
        as_keys({**GOOD, "n": 1}, {**GOOD, "n": "!"}, {**GOOD, "n": "ü"}, {**GOOD, "e": "AA"}, GOOD),
        as_keys({**GOOD, "key_ops": ["verify"]}),
        as_keys(*({**public_jwk(1, f"other-{number}")} for number in range(500)), GOOD),
    ],
    ids=[
        "no kid",
        "no alg and use",
        "among other entries",
        "among broken keys",
        "with key_ops",
        "among 500",
    ],
)
def test_key_sets_that_work(keys: bytes) -> None:
    """The right key is found, whatever else is in the set."""
    with Dialect() as here:
        here.provider.answers["/keys"] = keys
        assert (here.sign_in()).created


@pytest.mark.parametrize(
    "keys",
    [
        as_keys({**GOOD, "use": "enc"}),
        as_keys({**GOOD, "alg": "PS256"}),
        as_keys({**GOOD, "kid": "key-2"}),
        as_keys({**GOOD, "kty": "EC"}),
        as_keys({**GOOD, "issuer": "https://another.example"}),
        as_keys(),
        *(b"[]", b"null", b'{"keys": {}}', b'{"keys": null}', b"<html>", b"", b"[" * 100_000, b"\xff\xfe"),
    ],
)
def test_key_sets_that_do_not_work(keys: bytes) -> None:
    """A key for another use, algorithm, id, type or issuer verifies nothing; nor does an unreadable set."""
    with Dialect() as here:
        here.provider.answers["/keys"] = keys
        with pytest.raises(OAuthError) as error:
            here.sign_in()
        assert error.value.reason in ("id_token", "provider")


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_short_rsa_key_is_refused() -> None:
    """An RSA key under 2,048 bits is refused although its signature verifies (RFC 7518, 3.3)."""
    for bits, passes in ((2048, True), (1024, False)):
        key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        with Dialect() as here:
            here.provider.signer = lambda data, key=key: key.sign(data, padding.PKCS1v15(), hashes.SHA256())
            here.provider.answers["/keys"] = as_keys(published(jwt.algorithms.RSAAlgorithm, key))
            if passes:
                here.sign_in()
            else:
                refused(here, "id_token")


@pytest.mark.parametrize(
    ("curve", "size", "passes"), [(ec.SECP256R1(), 32, True), (ec.SECP256K1(), 32, False), (ec.SECP521R1(), 66, False)]
)
def test_a_key_on_another_curve_is_refused(curve: ec.EllipticCurve, size: int, passes: bool) -> None:
    """ES256 is only accepted with P-256 (RFC 7518, 3.4)."""
    key = ec.generate_private_key(curve)

    def sign(data: bytes) -> bytes:
        return b"".join(
            number.to_bytes(size) for number in decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        )

    with Dialect() as here:
        here.provider.algorithm, here.provider.signer = "ES256", sign
        here.provider.answers["/keys"] = as_keys(published(jwt.algorithms.ECAlgorithm, key))
        if passes:
            here.sign_in()
        else:
            refused(here, "id_token")


def published(algorithm: Any, key: Any) -> dict[str, Any]:
    made = algorithm.to_jwk(key.public_key(), as_dict=True)
    return {**{name: value for name, value in made.items() if name != "key_ops"}, "kid": "key-1"}


# Apple


def test_the_name_that_apple_posts_is_stored() -> None:
    """Apple posts the name with the first sign-in only; it is stored, and nothing else from there is used."""
    # With escaped line breaks, as in many environment variables.
    own = pem(ec.generate_private_key(ec.SECP256R1())).replace("\n", "\\n")
    offered = apple("com.example.app", team_id="TEAM", key_id="KEY", private_key=own)
    with Dialect(offered) as here:
        here.provider.metadata = {"issuer": "https://appleid.apple.com"}
        here.provider.claims |= {"iss": "https://appleid.apple.com", "email_verified": "true"}
        posted = {"name": {"firstName": "Ada", "lastName": "Lovelace"}, "email": "eve@example.com", "sub": "x"}
        first = here.sign_in(posted_user=orjson.dumps(posted).decode())
        assert (first.created, first.user.name, first.user.email) == (True, "Ada Lovelace", EMAIL)
        again = here.sign_in()
        assert (again.user.id, again.user.name) == (first.user.id, "Ada Lovelace")


def test_a_name_posted_by_another_provider_is_ignored() -> None:
    """The posted name is ignored from any provider but Apple."""
    with Dialect() as here:
        assert (here.sign_in(posted_user='{"name": {"firstName": "Eve"}}')).user.name is None


# Tenants and domains


def microsoft_setting(tenant: str, describes: str) -> Dialect:
    """Services for a Microsoft tenant whose metadata names this issuer."""
    here = Dialect(microsoft("client", "secret", tenant=tenant))
    here.provider.metadata = {"issuer": describes}
    here.provider.claims |= {"email": EMAIL, "xms_edov": True}
    return here


@pytest.mark.parametrize(
    ("tenant", "described", "passes", "fails"),
    [
        ("common", "{tenantid}", [TENANT, PERSONAL], []),
        ("Organizations", "{tenantid}", [TENANT], [PERSONAL]),
        ("consumers", PERSONAL, [PERSONAL], [TENANT]),
        (TENANT, TENANT, [TENANT], [PERSONAL, "99999999-2222-3333-4444-555555555555"]),
        (TENANT.upper(), TENANT, [TENANT], [PERSONAL]),
        ("contoso.onmicrosoft.com", TENANT, [TENANT], [PERSONAL]),
    ],
)
def test_microsofts_tenants(tenant: str, described: str, passes: list[str], fails: list[str]) -> None:
    """Each form of a tenant signs in its own accounts and no others."""
    for who in passes + fails:
        with microsoft_setting(tenant, f"{LOGIN}/{described}/v2.0") as here:
            here.provider.claims |= {"iss": f"{LOGIN}/{who}/v2.0", "tid": who}
            if who in passes:
                assert (here.sign_in()).created
            else:
                with pytest.raises(OAuthError) as error:
                    here.sign_in()
                assert error.value.reason in ("id_token", "refused")
            assert here.provider.requests[0] == f"GET /{tenant.lower()}/v2.0/.well-known/openid-configuration"


@pytest.mark.parametrize(
    "tenant", ["", "everybody", "common/..", "a b", "contoso.com/x", "https://contoso.com", "{tenantid}"]
)
def test_invalid_tenants(tenant: str) -> None:
    """An invalid tenant is refused at construction."""
    with pytest.raises(ConfigurationError, match="tenant"):
        microsoft("client", "secret", tenant=tenant)


@pytest.mark.parametrize("described", ["https://evil.example/x/v2.0", f"{LOGIN}/common/v2.0", None])
def test_a_tenant_with_another_issuer_is_refused(described: Any) -> None:
    """Metadata whose issuer is neither Microsoft's template nor a tenant's is refused."""
    with microsoft_setting("contoso.com", described) as here:
        refused(here, "provider")


def test_microsofts_keys_verify_only_for_their_issuer() -> None:
    """All tenants share one key set; a key verifies only tokens of the issuer it names."""
    for issuer, passes in ((f"{LOGIN}/{{tenantid}}/v2.0", True), (f"{LOGIN}/{PERSONAL}/v2.0", False)):
        with microsoft_setting("common", f"{LOGIN}/{{tenantid}}/v2.0") as here:
            here.provider.claims |= {"iss": f"{LOGIN}/{TENANT}/v2.0", "tid": TENANT}
            here.provider.answers["/keys"] = as_keys({**GOOD, "issuer": issuer})
            if passes:
                here.sign_in()
            else:
                refused(here, "id_token")


@pytest.mark.parametrize(
    ("wanted", "asked", "hd", "passes"),
    [
        (None, None, None, True),
        ("example.com", "example.com", "example.com", True),
        ("Example.com", "example.com", "example.com", True),
        ("example.com", "example.com", "other.example", False),
        ("example.com", "example.com", None, False),
        ("example.com", "example.com", ["example.com"], False),
        ("*", "*", "any.example", True),
        ("*", "*", None, False),
        ("*", "*", "", False),
        (("example.com", "example.org"), "*", "example.org", True),
        (("example.com", "example.org"), "*", "other.example", False),
    ],
)
def test_googles_hosted_domain(wanted: Any, asked: str | None, hd: Any, passes: bool) -> None:
    """The domain is requested and must be in the ID token, as the browser could remove the parameter."""
    with Dialect(google("client", "secret", hosted_domain=wanted)) as here:
        here.provider.metadata = {"issuer": "https://accounts.google.com"}
        here.provider.claims |= {"iss": "accounts.google.com", "hd": hd}
        start = here.torii.oauth.begin("google", redirect_uri=BACK)
        assert parse_qs(urlsplit(start.url).query).get("hd") == (None if asked is None else [asked])
        if passes:
            here.sign_in()
        else:
            refused(here, "refused")


@pytest.mark.parametrize("wanted", ["", "@example.com", "example.com,example.org", (), ("example.com", "")])
def test_invalid_hosted_domains(wanted: Any) -> None:
    """An invalid hosted domain is refused at construction."""
    with pytest.raises(ConfigurationError, match="hosted_domain"):
        google("client", "secret", hosted_domain=wanted)


@pytest.mark.parametrize("amr", ["pwd", ["pwd", 1], {"a": 1}, None])
def test_any_form_of_amr_is_accepted(amr: Any) -> None:
    """Any form of ``amr`` is accepted, as some providers send text instead of a list."""
    with OAuthSetting() as here:
        here.provider.claims["amr"] = amr
        assert (here.sign_in()).created


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("https://issuer.example/a.png?size=96", "https://issuer.example/a.png?size=96"),
        ("javascript:alert(1)", None),
        ("data:image/png;base64,AAAA", None),
        ("https://issuer.example/a b.png", None),
        ("https://issuer.example/" + "x" * 1024, None),
        ({"data": {"url": "https://issuer.example/a.png"}}, None),
    ],
)
def test_a_picture_is_a_web_url(told: Any, kept: str | None) -> None:
    """Only a web URL of bounded length is stored as the picture, because applications put it into their pages."""
    with OAuthSetting() as here:
        here.provider.claims["picture"] = told
        result = here.sign_in()
        assert result.identity.picture == kept
        (account,) = here.torii.oauth.accounts(result.user.id)
        assert account.profile.get("picture") == kept


def test_names_below_localhost() -> None:
    """Settings that accept localhost accept names below it, which browsers resolve to this machine."""
    with OAuthSetting() as here:
        start = here.torii.oauth.begin("issuer", redirect_uri="http://app.localhost:8000/back")
        assert "app.localhost" in start.url
        with pytest.raises(ValidationError):
            here.torii.oauth.begin("issuer", redirect_uri="http://app.localhost.evil.example/back")
    MailSettings(sender="a@example.com", app_name="x", base_url="http://app.localhost:8000")
    PasskeySettings(rp_id="app.localhost", rp_name="x", origins=["http://app.localhost:8000"])
    for wrong in ("http://localhost.evil.example", "http://evillocalhost"):
        with pytest.raises(ConfigurationError):
            MailSettings(sender="a@example.com", app_name="x", base_url=wrong)
        with pytest.raises(ConfigurationError):
            PasskeySettings(rp_id=wrong.removeprefix("http://"), rp_name="x", origins=[wrong])
    with pytest.raises(ConfigurationError):
        PasskeySettings(rp_id="localhost", rp_name="x", origins=["https://["])


# Garbage

NONSENSE = [
    b"",
    b"null",
    b"[]",
    b"1",
    b'"text"',
    b"{",
    b"{}",
    b"<html>",
    b"\xff\xfe",
    b"[" * 200_000,
    b'{"a":' * 50_000,
]


@pytest.mark.parametrize("body", NONSENSE, ids=lambda body: repr(body[:8]))
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/userinfo"])
def test_garbage_is_the_providers_fault(path: str, body: bytes) -> None:
    """Garbage from any endpoint ends in an OAuthError that blames the provider or the ID token."""
    with Dialect(generic(userinfo="always")) as here:
        here.provider.answers[path] = body
        with pytest.raises(OAuthError) as error:
            here.sign_in()
        assert error.value.reason in ("provider", "id_token")


@pytest.mark.parametrize(
    "value", [None, 1, True, [], {}, "", "text", "x" * 5000, "http://issuer.example", "https://[", "https://10.0.0.1"]
)
@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"])
def test_invalid_endpoints(name: str, value: Any) -> None:
    """An issuer with an invalid endpoint URL is refused; only the userinfo endpoint may be missing."""
    with Dialect() as here:
        here.provider.metadata = {name: value}
        if (name, value) == ("userinfo_endpoint", None):
            here.torii.oauth.begin("issuer", redirect_uri=BACK)
            return
        with pytest.raises(OAuthError, match=name) as error:
            here.torii.oauth.begin("issuer", redirect_uri=BACK)
        assert error.value.reason == "provider"


def segment(value: Any) -> str:
    return urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "token",
    [
        *(None, 1, [], {}, "", "text", "a.b", "a.b.c", "....", "a.b.c.d.e", "ü.ü.ü", "\x00.\x00.\x00"),
        *(f"{segment([])}.{segment({})}.x", f"{segment({'alg': 'RS256'})}.{segment([])}.x"),
        f"{segment({'alg': ['RS256']})}.{segment({})}.x",
        f"{segment({'alg': 'none'})}.{segment({'sub': 'x'})}.",
        f"{segment({'alg': 'RS256', 'kid': {'a': 1}})}.{segment({'sub': 'x'})}.AAAA",
        f"{segment({'alg': 'RS256'})}.{segment({'sub': 'x' * 200_000})}.AAAA",
    ],
)
def test_invalid_id_tokens(token: Any) -> None:
    """Anything that is not a signed JWT is refused as an ID token."""
    with Dialect() as here:
        answer = orjson.dumps({"access_token": "the-access-token", "id_token": token})
        here.provider.answers["/token"] = answer
        refused(here, "id_token")


@pytest.mark.parametrize(
    "claims",
    [
        *({"sub": 1}, {"sub": ["x"]}, {"sub": "x" * 256}, {"exp": "soon"}, {"exp": [1]}, {"iat": "x"}, {"aud": {}}),
        *(
            {"aud": [["client"]]},
            {"iss": [ISSUER]},
            {"nonce": ["x"]},
            {"azp": ["client"]},
            {"at_hash": 1},
            {"amr": "x"},
        ),
    ],
)
def test_claims_of_wrong_types(claims: dict[str, Any]) -> None:
    """Claims of the wrong type make the ID token invalid."""
    with Dialect() as here:
        token = jwt.api_jws.PyJWS().encode(
            orjson.dumps(
                {"iss": ISSUER, "aud": "client", "iat": int(here.clock().timestamp()), "sub": "x"}
                | {"exp": int(here.clock().timestamp()) + 300}
                | claims
            ),
            rsa_key(0),
            algorithm="RS256",
            headers={"kid": "key-1"},
        )
        here.provider.answers["/token"] = orjson.dumps({"access_token": "the-access-token", "id_token": token})
        refused(here, "id_token")


@pytest.mark.parametrize("access_token", [None, 1, [], "", "a\r\nX-Evil: 1", "ü", "x" * 200_000])
def test_invalid_access_tokens(access_token: Any) -> None:
    """Without a usable access token, a provider without ID tokens fails the sign-in."""
    with Dialect(plain()) as here:
        here.provider.answers["/token"] = orjson.dumps({"access_token": access_token})
        here.provider.answers["/user"] = 401
        refused(here, "provider")


@pytest.mark.parametrize(
    "user", [{}, {"id": None}, {"id": True}, {"id": []}, {"sub": ""}, {"id": "x" * 256}, {"id": 1.5}]
)
def test_a_plain_provider_without_a_subject(user: dict[str, Any]) -> None:
    """A plain OAuth provider that returns no valid subject fails the sign-in."""
    with Dialect(plain(scopes=("identify",), email_verified_claim="verified")) as here:
        here.provider.userinfo = {"email": EMAIL, "verified": True, **user}
        refused(here, "provider")
        here.provider.userinfo["id"] = "80351110224678912"
        here.provider.userinfo.pop("sub", None)
        assert (here.sign_in()).identity.subject == "80351110224678912"
