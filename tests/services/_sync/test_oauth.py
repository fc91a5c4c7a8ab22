# Generated from tests/services/_async/test_oauth.py by tools/unasync.py. Do not edit.

"""Signing in through providers, against a provider in this process that signs real tokens."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.services._sync.support import EMAIL, PASSWORD, Setting, as_signed_in, just_before, refuses
from tests.services.provider import ISSUER, FakeProvider

from torii_dynamodb import NewOAuthAccount, NewUser, Session
from torii_dynamodb.errors import (
    AccountLocked,
    AlreadyExists,
    ConfigurationError,
    LastSignInMethod,
    NotFound,
    Revoked,
    ValidationError,
)
from torii_dynamodb.oauth import OAuthError, OAuthProvider, OAuthResult, apple, github, google, microsoft, oidc

BACK = "https://app.example.com/auth/oauth/issuer/callback"


class OAuthSetting(Setting):
    """Services with one provider in this process, "issuer", which is the authority for every address."""

    def __init__(self, provider: OAuthProvider | None = None, **options: Any) -> None:
        self.offered = provider or oidc("issuer", ISSUER, "client", "the client secret", authoritative_for=("*",))
        super().__init__(oauth=[self.offered], **options)
        self.provider = FakeProvider(self.clock, self.offered.client_id)
        self.http = httpx.Client(transport=self.provider.transport())
        self.torii._http = self.http

    def __enter__(self) -> OAuthSetting:
        return self

    def __exit__(self, *error: object) -> None:
        self.http.close()

    def sign_in(self, link_to: Session | None = None, **changes: Any) -> OAuthResult:
        """Sign in from start to finish; ``changes`` replace what the browser brings back."""
        name = self.offered.name
        start = self.torii.oauth.begin(name, redirect_uri=BACK, next_url="/next", link_to=link_to)
        back: dict[str, Any] = {
            **self.provider.authorize(start.url),
            "browser_binding": start.browser_binding,
            "session": link_to,
        }
        return self.torii.oauth.complete(name, **(back | changes))


def test_a_new_person_signs_up() -> None:
    """An unknown account creates a user with a verified address, whom the next sign-in finds."""
    with OAuthSetting() as here:
        first = here.sign_in()
        assert first.created
        assert first.user.is_email_verified
        assert first.next_url == "/next"
        assert first.session is not None
        assert first.session.token
        assert here.torii.get_signed_in(first.session.token) is not None
        assert here.names() == ["user.created", "email.verified", "user.signed_in"]
        second = here.sign_in()
        assert (second.user.id, second.created, second.linked) == (first.user.id, False, False)
        assert "the-access-token" not in repr(second)
        assert "/next" not in repr(second)
        # Metadata and keys were fetched once.
        assert here.provider.requests.count("GET /keys") == 1
        assert here.provider.requests.count("GET /.well-known/openid-configuration") == 1


def test_the_secrets_are_not_in_the_table() -> None:
    """State, nonce and browser binding cannot be read from what is stored."""
    with OAuthSetting() as here:
        start = here.torii.oauth.begin("issuer", redirect_uri=BACK)
        query = parse_qs(urlsplit(start.url).query)
        dump = str(here.storage.dump())
        for secret in (query["state"][0], query["nonce"][0], start.browser_binding):
            assert secret not in dump
        assert start.browser_binding not in repr(start)


def test_a_verified_account_is_linked() -> None:
    """An existing user with a verified address keeps the password and gets the account linked."""
    with OAuthSetting() as here:
        user = here.torii.password.register(EMAIL, PASSWORD)
        here.storage.mark_email_verified(user.id, email=user.email)
        result = here.sign_in()
        assert (result.user.id, result.linked, result.created) == (user.id, True, False)
        assert len(here.torii.oauth.accounts(user.id)) == 1
        here.torii.password.authenticate(EMAIL, PASSWORD)


@pytest.mark.parametrize("at", ["begun", "provider asked", "checked"])
def test_no_linking_outlives_a_sign_out_everywhere(at: str) -> None:
    """A thief's account is not linked if the owner signs out everywhere at any step of the linking."""
    with OAuthSetting() as here:
        user, session = here.signed_in()
        here.provider.claims["sub"] = "the thief"
        start = here.torii.oauth.begin("issuer", redirect_uri=BACK, link_to=session)
        back: dict[str, Any] = {
            **here.provider.authorize(start.url),
            "browser_binding": start.browser_binding,
            "session": session,
        }
        sign_out = partial(here.torii.delete_sessions_for_user, user.id)
        with ExitStack() as stack:
            if at == "begun":
                sign_out()
            elif at == "provider asked":
                stack.enter_context(just_before(here.torii.oauth._clients["issuer"], "redeem", sign_out))
            else:
                stack.enter_context(just_before(here.storage, "link_oauth_account", sign_out))
            with pytest.raises(Revoked):
                here.torii.oauth.complete("issuer", **back)
        assert here.torii.oauth.accounts(user.id) == []
        assert "oauth.linked" not in here.names()


def test_joining_by_address_does_not_outlive_a_sign_out_everywhere() -> None:
    """An account is not joined by address if the user signs out everywhere meanwhile."""
    with OAuthSetting() as here:
        user = here.storage.create_user(NewUser(email=EMAIL, email_verified_at=here.clock()))
        sign_out = partial(here.torii.delete_sessions_for_user, user.id)
        with just_before(here.storage, "link_oauth_account", sign_out), pytest.raises(Revoked):
            here.sign_in()
        assert here.torii.oauth.accounts(user.id) == []
        assert here.torii.list_sessions(user.id) == []


def test_the_first_proof_removes_an_earlier_password() -> None:
    """Whoever registered an address first loses password and sessions when its owner signs in (pre-hijacking)."""
    with OAuthSetting() as here:
        user, session = here.signed_in()
        result = here.sign_in()
        assert result.user.id == user.id
        assert not result.user.has_password
        assert session.token
        assert here.torii.get_signed_in(session.token) is None
        assert result.session is not None
        assert result.session.token
        assert here.torii.get_signed_in(result.session.token) is not None


@pytest.mark.parametrize("taken", [True, False])
def test_an_unverified_address_neither_finds_nor_creates_a_user(taken: bool) -> None:
    """Without a mailer, an unverified address is refused alike whether or not it has an account."""
    with OAuthSetting(mailer=None, mail=None) as here:
        if taken:
            here.storage.create_user(NewUser(email=EMAIL, email_verified_at=here.clock()))
        here.provider.claims["email_verified"] = False
        with refuses(OAuthError, "email_unverified"):
            here.sign_in()
        here.provider.claims["email"] = None
        with refuses(OAuthError, "email_missing"):
            here.sign_in()


def test_an_issuer_whose_addresses_are_not_trusted() -> None:
    """With trust_email off, addresses count as unverified, even with authoritative_for."""
    offered = oidc("issuer", ISSUER, "client", "secret", trust_email=False, authoritative_for=("*",))
    with OAuthSetting(offered, mailer=None, mail=None) as here:
        with refuses(OAuthError, "email_unverified"):
            here.sign_in()


def test_sign_up_can_be_off() -> None:
    """With sign-up off, an account that is not linked is refused."""
    with OAuthSetting(oauth_sign_up=False) as here:
        with refuses(OAuthError, "no_account"):
            here.sign_in()


def test_a_signed_in_user_links_an_account() -> None:
    """Linking needs the session that began it, works with an unverified address, and makes no session."""
    with OAuthSetting() as here:
        user, session = here.signed_in("grace@example.com")
        _, other = as_signed_in(here.torii.password.authenticate("grace@example.com", PASSWORD))
        here.provider.claims["email_verified"] = False
        for wrong in (None, other):
            with refuses(OAuthError, "browser"):
                here.sign_in(link_to=session, session=wrong)
        result = here.sign_in(link_to=session)
        assert result.session is None
        assert result.linked
        assert (here.sign_in()).user.id == user.id
        _, eves = here.signed_in("eve@example.com")
        with pytest.raises(AlreadyExists):
            here.sign_in(link_to=eves)


def test_another_browser_cannot_finish() -> None:
    """Without the binding of the browser that began, the answer is refused (login CSRF) but not used up."""
    with OAuthSetting() as here:
        start = here.torii.oauth.begin("issuer", redirect_uri=BACK)
        back: dict[str, Any] = {**here.provider.authorize(start.url)}
        other = here.torii.oauth.begin("issuer", redirect_uri=BACK)
        for binding in (None, "", other.browser_binding, start.state):
            with refuses(OAuthError, "browser"):
                here.torii.oauth.complete("issuer", **back, browser_binding=binding)
        result = here.torii.oauth.complete("issuer", **back, browser_binding=start.browser_binding)
        assert result.session is not None


def test_an_answer_is_accepted_once_and_in_time() -> None:
    """A used answer, a late one, an unknown state and garbage are refused."""
    with OAuthSetting() as here:
        start = here.torii.oauth.begin("issuer", redirect_uri=BACK)
        back: dict[str, Any] = {**here.provider.authorize(start.url)}
        here.torii.oauth.complete("issuer", **back, browser_binding=start.browser_binding)
        late = here.torii.oauth.begin("issuer", redirect_uri=BACK)
        here.clock.advance(timedelta(minutes=10))
        answers = [
            (start, start.state, "state"),
            (late, late.state, "state"),
            (late, "x" * 43, "browser"),
            *((late, garbage, "state") for garbage in ("short", "", None)),
        ]
        for begun, state, reason in answers:
            with refuses(OAuthError, reason):
                here.torii.oauth.complete("issuer", state=state, code="code-1", browser_binding=begun.browser_binding)


def test_a_refusal_at_the_provider() -> None:
    """A refusal by the user has its own reason; the text of other errors is not repeated."""
    with OAuthSetting() as here:
        with refuses(OAuthError, "denied"):
            here.sign_in(code=None, error="access_denied")
        with refuses(OAuthError, "provider") as strange:
            here.sign_in(code=None, error="<script>")
        assert "script" not in str(strange.value)


WRONG_CLAIMS: list[tuple[str, dict[str, Any]]] = [
    ("another issuer", {"iss": "https://evil.example"}),
    ("another audience", {"aud": "somebody else"}),
    ("several audiences without an authorised party", {"aud": ["client", "other"]}),
    ("another authorised party", {"azp": "other"}),
    ("no nonce", {"nonce": None}),
    ("another nonce", {"nonce": "x"}),
    ("expired", {"exp": 1}),
    ("no expiry", {"exp": None}),
    ("no issue time", {"iat": None}),
    ("issued in the future", {"iat": 4102444800}),
    ("issued long ago", {"iat": 1}),
    ("no subject", {"sub": None}),
    ("an empty subject", {"sub": ""}),
    ("another access token", {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}),
]


@pytest.mark.parametrize("claims", [claims for _, claims in WRONG_CLAIMS], ids=[name for name, _ in WRONG_CLAIMS])
def test_an_id_token_with_wrong_claims_is_refused(claims: dict[str, Any]) -> None:
    """A required claim that is missing or wrong makes the ID token invalid."""
    with OAuthSetting() as here:
        here.provider.claims |= claims
        with refuses(OAuthError, "id_token"):
            here.sign_in()
        assert here.storage.get_user_by_email(EMAIL) is None


def test_an_invalid_signature_is_refused() -> None:
    """Another key with the right key id, no signature, and HS256 are refused."""
    with OAuthSetting() as here:
        for algorithm, key, secret in (
            ("RS256", ("key-1", 1), None),
            ("none", ("key-1", 0), ""),
            ("HS256", ("key-1", 0), "the client secret, long enough for HS256"),
        ):
            here.provider.algorithm, here.provider.signs_with, here.provider.secret_key = algorithm, key, secret
            with refuses(OAuthError, "id_token"):
                here.sign_in()


def test_keys_are_fetched_again_for_a_new_key() -> None:
    """A new key is fetched at once, but at most once a minute; a withdrawn one is dropped within an hour."""
    with OAuthSetting() as here:
        here.sign_in()
        here.clock.advance(timedelta(minutes=2))
        here.provider.keys = {"key-1": 0, "key-2": 1}
        here.provider.signs_with = ("key-2", 1)
        here.sign_in()
        assert here.provider.requests.count("GET /keys") == 2
        here.provider.signs_with = ("key-3", 2)
        for _ in range(3):
            with pytest.raises(OAuthError):
                here.sign_in()
        assert here.provider.requests.count("GET /keys") == 2
        here.provider.keys = {"key-2": 1}
        here.provider.signs_with = ("key-1", 0)
        here.clock.advance(timedelta(hours=1))
        with pytest.raises(OAuthError):
            here.sign_in()


def test_another_issuers_answer_is_refused() -> None:
    """An iss that is wrong, or missing although the issuer's metadata promises it, is refused (RFC 9207)."""
    with OAuthSetting() as here:
        with pytest.raises(OAuthError):
            here.sign_in(iss="https://evil.example")
        here.sign_in(iss=ISSUER)
    with OAuthSetting() as here:
        here.provider.metadata = {"authorization_response_iss_parameter_supported": True}
        with refuses(OAuthError, "provider"):
            here.sign_in()


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://issuer.example/token"},
        {"jwks_uri": None},
    ],
)
def test_wrong_metadata_is_refused(metadata: dict[str, Any]) -> None:
    """Metadata with another issuer, a missing endpoint or one that is not https is refused."""
    with OAuthSetting() as here:
        here.provider.metadata = metadata
        with refuses(OAuthError, "provider"):
            here.torii.oauth.begin("issuer", redirect_uri=BACK)


def test_a_provider_that_is_down() -> None:
    """The error blames the provider and does not carry the request, whose body contains code and secret."""
    with OAuthSetting() as here:
        start = here.torii.oauth.begin("issuer", redirect_uri=BACK)
        back: dict[str, Any] = {**here.provider.authorize(start.url)}
        here.provider.down = True
        with refuses(OAuthError, "provider") as refused:
            here.torii.oauth.complete("issuer", **back, browser_binding=start.browser_binding)
        assert refused.value.__cause__ is None
        assert refused.value.__context__ is None


def test_the_address_can_come_from_userinfo() -> None:
    """If the ID token has no address, userinfo is asked; a response about another subject is refused."""
    with OAuthSetting() as here:
        here.provider.claims = {"sub": "subject-1"}
        here.provider.userinfo = {"sub": "subject-1", "email": "ada@example.com", "email_verified": True, "name": "Ada"}
        result = here.sign_in()
        assert (result.user.email, result.user.name) == ("ada@example.com", "Ada")
        here.provider.userinfo["sub"] = "subject-2"
        with refuses(OAuthError, "provider"):
            here.sign_in()


def test_github() -> None:
    """The subject is GitHub's numeric id, the address the primary one, verified only if GitHub says so."""
    with OAuthSetting(replace(github("client", "secret"), authoritative_for=("*",)), mailer=None, mail=None) as here:
        here.provider.userinfo = {"id": 583231, "login": "octocat", "name": None, "email": "public@example.com"}
        here.provider.emails = [
            {"email": "old@example.com", "primary": False, "verified": True},
            {"email": "octocat@example.com", "primary": True, "verified": True},
        ]
        result = here.sign_in()
        assert (result.identity.subject, result.user.email, result.user.name) == (
            "583231",
            "octocat@example.com",
            "octocat",
        )
        here.provider.userinfo["id"] = 2
        here.provider.emails[1] = {"email": "other@example.com", "primary": True, "verified": False}
        with refuses(OAuthError, "email_unverified"):
            here.sign_in()


def test_apples_secret_is_a_jwt() -> None:
    """The client secret is a short-lived JWT signed with the team's key; "true" counts as verified."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    offered = apple("com.example.app", team_id="TEAM", key_id="KEY", private_key=pem)
    with OAuthSetting(replace(offered, authoritative_for=("*",))) as here:
        here.provider.metadata = {"issuer": "https://appleid.apple.com"}
        here.provider.claims |= {"iss": "https://appleid.apple.com", "email_verified": "true"}
        start = here.torii.oauth.begin("apple", redirect_uri=BACK)
        assert start.response_mode == "form_post"
        result = here.sign_in()
        assert result.created
        sent = here.provider.forms[-1]["client_secret"]
        assert jwt.get_unverified_header(sent)["kid"] == "KEY"
        claims = jwt.decode(
            sent,
            key.public_key(),
            algorithms=["ES256"],
            audience="https://appleid.apple.com",
            options={"verify_exp": False, "verify_iat": False},
        )
        assert (claims["iss"], claims["sub"], claims["exp"] - claims["iat"]) == ("TEAM", "com.example.app", 300)
        assert "PRIVATE" not in repr(offered)


def test_microsofts_shared_tenants() -> None:
    """The issuer must be that of the tenant in the token; the address counts as verified only with xms_edov."""
    tenant = "11111111-2222-3333-4444-555555555555"
    with OAuthSetting(microsoft("client", "secret"), mailer=None, mail=None) as here:
        here.provider.metadata = {"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"}
        here.provider.requests.clear()
        path = "/common/v2.0/.well-known/openid-configuration"
        answer = here.provider.answer

        def moved(request: httpx.Request) -> httpx.Response:
            if request.url.path == path:
                request.url = request.url.copy_with(path="/.well-known/openid-configuration")
            return answer(request)

        here.http.close()
        here.http = here.torii._http = httpx.Client(transport=httpx.MockTransport(moved))
        issuer = f"https://login.microsoftonline.com/{tenant}/v2.0"
        here.provider.claims |= {"iss": issuer, "tid": tenant}
        with refuses(OAuthError, "email_unverified"):
            here.sign_in()
        here.provider.claims["xms_edov"] = True
        here.sign_in()
        for wrong in ({"tid": "99999999-2222-3333-4444-555555555555"}, {"tid": "evil/../x"}, {"tid": None}):
            here.provider.claims |= {"tid": tenant} | wrong
            with refuses(OAuthError, "id_token"):
                here.sign_in()


def test_a_locked_account_is_refused() -> None:
    """An administrator's lock applies to linked accounts and to users found by address."""
    with OAuthSetting() as here:
        first = here.sign_in()
        here.torii.lock_user(first.user.id)
        with pytest.raises(AccountLocked):
            here.sign_in()
        grace = here.storage.create_user(NewUser(email="grace@example.com", email_verified_at=here.clock()))
        here.torii.lock_user(grace.id)
        here.provider.claims |= {"sub": "subject-2", "email": "grace@example.com"}
        with pytest.raises(AccountLocked):
            here.sign_in()
        assert here.torii.oauth.accounts(grace.id) == []


def test_an_unlinked_provider_does_not_join_again_by_address() -> None:
    """After unlinking, no account of the provider joins by address; linking while signed in still works."""
    with OAuthSetting() as here:
        user = here.storage.create_user(NewUser(email=EMAIL, email_verified_at=here.clock()))
        joined = here.sign_in()
        assert (joined.user.id, joined.linked) == (user.id, True)
        here.torii.oauth.unlink(user.id, "issuer", "subject-1", allow_verified_email=True)
        for subject in ("subject-1", "subject-2"):
            here.provider.claims["sub"] = subject
            with refuses(OAuthError, "disconnected") as refused:
                here.sign_in()
            assert "connect it again" in str(refused.value)
        assert here.torii.oauth.accounts(user.id) == []
        now = here.torii.get_user(user.id)
        assert now is not None
        session = here.torii.create_session(now)
        assert (here.sign_in(link_to=session)).linked
        again = here.sign_in()
        assert (again.user.id, again.linked) == (user.id, False)


def test_unlinking_by_a_stranger_does_not_keep_the_owner_out() -> None:
    """The owner's first proof undoes the unlinking by a stranger who registered the address before."""
    with OAuthSetting() as here:
        stranger = here.torii.password.register(EMAIL, PASSWORD)
        here.storage.link_oauth_account(stranger.id, NewOAuthAccount(provider="issuer", subject="theirs"))
        here.torii.oauth.unlink(stranger.id, "issuer", "theirs")
        result = here.sign_in()
        assert (result.user.id, result.linked, result.user.has_password) == (stranger.id, True, False)


def test_unlink() -> None:
    """The last way to sign in cannot be unlinked, unless a verified address is allowed to count as one."""
    with OAuthSetting() as here:
        user = (here.sign_in()).user
        with pytest.raises(LastSignInMethod):
            here.torii.oauth.unlink(user.id, "issuer", "subject-1")
        assert here.torii.oauth.unlink(user.id, "issuer", "subject-1", allow_verified_email=True)
        assert not here.torii.oauth.unlink(user.id, "issuer", "subject-1", allow_verified_email=True)
        assert here.names()[-1] == "oauth.unlinked"


def test_wrong_settings_are_refused() -> None:
    """Plain http, HMAC for ID tokens, invalid, duplicate or unknown names and invalid redirect URIs are refused."""
    with pytest.raises(ConfigurationError):
        oidc("issuer", "http://issuer.example", "client")
    with pytest.raises(ConfigurationError):
        oidc("Issuer", ISSUER, "client")
    with pytest.raises(ConfigurationError):
        OAuthProvider(name="x", client_id="c", issuer=ISSUER, algorithms=("HS256",))
    with pytest.raises(ConfigurationError):
        OAuthProvider(name="x", client_id="c")
    with pytest.raises(ConfigurationError):
        _ = Setting(oauth=[google("a", "b"), google("c", "d")]).torii.oauth
    # Linked accounts can be listed and unlinked without providers.
    assert Setting().torii.oauth.accounts("usr_1") == []
    with pytest.raises(NotFound):
        Setting().torii.oauth.begin("issuer", redirect_uri=BACK)
    with OAuthSetting() as here:
        with pytest.raises(NotFound):
            here.torii.oauth.begin("other", redirect_uri=BACK)
        with pytest.raises(ValidationError):
            here.torii.oauth.begin("issuer", redirect_uri="http://app.example.com/")
        assert here.torii.oauth.providers == (here.offered,)
