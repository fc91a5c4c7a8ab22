# Generated from tests/services/_async/test_oauth_tokens.py by tools/unasync.py. Do not edit.

"""The tokens of providers: kept sealed, and refreshed once however many ask."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from tests.services._sync.support import SECRET, Setting
from tests.services._sync.test_oauth import OAuthSetting
from tests.services.provider import ISSUER, FakeProvider

from torii_dynamodb import DynamoDbStorage, NewOAuthAccount, Torii
from torii_dynamodb._sync.primitives import gather, sleep
from torii_dynamodb.errors import ConfigurationError, NotFound, ValidationError
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import Metadata
from torii_dynamodb.oauth import OAuthAccessToken, OAuthConfirmationSent, OAuthError, oidc
from torii_dynamodb.secret_box import AesGcmBox

OFFERED = replace(oidc("issuer", ISSUER, "client", "the client secret", authoritative_for=("*",)), keep_tokens=True)
HOUR = timedelta(hours=1)


class Rotating:
    """A token endpoint that replaces the refresh token at each use, and takes none a second time.

    Attributes:
        refreshed: How often it refreshed.
        lifetime: How long access tokens live, in seconds; ``None``: it does not say.
        rotates: Whether it replaces refresh tokens.
        refuses: What it answers to a refresh, instead.
    """

    def __init__(self, provider: FakeProvider) -> None:
        self.provider = provider
        self.refreshed = 0
        self.lifetime: Any = 3600
        self.rotates = True
        self.refuses: tuple[int, dict[str, Any]] | None = None
        self.good = "refresh-0"
        provider.answers["/token"] = self.answer

    def answer(self, request: httpx.Request) -> httpx.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        more: dict[str, Any] = {} if self.lifetime is None else {"expires_in": self.lifetime}
        if form["grant_type"] == "authorization_code":
            answer = self.provider._token(request)
            more |= {"refresh_token": self.good, "scope": "openid email calendar"}
            return httpx.Response(answer.status_code, json=answer.json() | more)
        assert "authorization" in request.headers or "client_secret" in form
        if self.refuses is not None:
            return httpx.Response(self.refuses[0], json=self.refuses[1])
        if form["refresh_token"] != self.good:
            return httpx.Response(400, json={"error": "invalid_grant"})
        self.refreshed += 1
        if self.rotates:
            self.good = f"refresh-{self.refreshed}"
            more["refresh_token"] = self.good
        return httpx.Response(200, json={"access_token": f"access-{self.refreshed}", "token_type": "Bearer"} | more)


def keeping(**options: Any) -> tuple[OAuthSetting, Rotating]:
    """Services that keep the provider's tokens, and its token endpoint."""
    here = OAuthSetting(options.pop("provider", OFFERED), **options)
    return here, Rotating(here.provider)


def token(here: Setting, user_id: str, **options: Any) -> OAuthAccessToken:
    return here.torii.oauth.access_token(user_id, "issuer", **options)


def test_a_fresh_token_is_given_out_as_it_is() -> None:
    """Until it is about to end the provider is not asked."""
    here, endpoint = keeping()
    with here:
        user = (here.sign_in()).user
        found = token(here, user.id)
        assert (found.access_token, found.provider, found.subject) == ("the-access-token", "issuer", "subject-1")
        assert found.expires_at == here.clock() + HOUR
        assert found.scopes == ("openid", "email", "calendar")
        here.clock.advance(HOUR - timedelta(seconds=61))
        assert (token(here, user.id)).access_token == "the-access-token"
        assert endpoint.refreshed == 0
        # Somebody who needs it longer gets another.
        assert (token(here, user.id, min_validity=timedelta(minutes=30))).access_token == "access-1"


def test_an_old_token_is_refreshed_and_the_refresh_token_replaced() -> None:
    """Each refresh uses the latest refresh token; one that is not replaced stays; scopes that are left out stay."""
    here, endpoint = keeping()
    with here:
        user = (here.sign_in()).user
        for number in range(1, 4):
            endpoint.rotates = number != 2
            here.clock.advance(HOUR)
            found = token(here, user.id)
            assert (found.access_token, found.scopes) == (f"access-{number}", ("openid", "email", "calendar"))
        assert endpoint.refreshed == 3
        # A sign-in that brings no refresh token keeps the one that is there (Google gives one the first time only).
        endpoint.provider.answers["/token"] = endpoint.provider._token
        here.sign_in()
        endpoint.provider.answers["/token"] = endpoint.answer
        assert (token(here, user.id)).access_token == "the-access-token"


def test_a_token_that_says_no_end_is_never_refreshed() -> None:
    """As GitHub's; and a lifetime that is nonsense is none."""
    for lifetime in (None, "soon", -5, True, [1]):
        here, endpoint = keeping()
        with here:
            endpoint.lifetime = lifetime
            user = (here.sign_in()).user
            here.clock.advance(timedelta(days=300))
            found = token(here, user.id)
            assert (found.access_token, found.expires_at) == ("the-access-token", None)


def test_nothing_readable_is_kept() -> None:
    """Neither table nor repr nor event tells a token; the sealed value opens in its own row only."""
    here, _ = keeping()
    with here:
        user = (here.sign_in()).user
        (account,) = here.torii.oauth.accounts(user.id)
        found = token(here, user.id)
        for text in (str(here.storage.dump()), repr(account), repr(found), repr(here.events)):
            assert "the-access-token" not in text
            assert "refresh-0" not in text
        moved = NewOAuthAccount(provider="issuer", subject="subject-2", tokens=account.tokens)
        other = here.torii.password.register("eve@example.com", "correct horse battery staple")
        here.storage.link_oauth_account(other.id, moved)
        with pytest.raises(OAuthError) as refused:
            token(here, other.id)
        assert refused.value.reason == "revoked"


@pytest.mark.parametrize(
    "answer",
    [(400, {"error": "invalid_grant"}), (401, {"error": "invalid_grant"}), (200, {"error": "bad_refresh_token"})],
)
def test_a_refresh_token_that_is_not_taken_any_more(answer: tuple[int, dict[str, Any]]) -> None:
    """A typed error, the provider is not asked again, and a new sign-in heals it."""
    here, endpoint = keeping()
    with here:
        user = (here.sign_in()).user
        here.clock.advance(HOUR)
        endpoint.refuses = answer
        asked = here.provider.requests.count("POST /token")
        for _ in range(3):
            with pytest.raises(OAuthError) as refused:
                token(here, user.id)
            assert refused.value.reason == "revoked"
            assert "refresh-0" not in str(refused.value)
        assert here.provider.requests.count("POST /token") == asked + 1
        endpoint.refuses, endpoint.good = None, "refresh-new"
        here.sign_in()
        here.clock.advance(HOUR)
        assert (token(here, user.id)).access_token == "access-1"


def test_a_provider_that_is_down_for_a_while() -> None:
    """The error says so, nothing is lost, and the next call tries again at once."""
    here, endpoint = keeping()
    with here:
        user = (here.sign_in()).user
        here.clock.advance(HOUR)
        for failure in ((503, {}), (400, {"error": "temporarily_unavailable"}), (200, {"token_type": "Bearer"})):
            endpoint.refuses = failure
            with pytest.raises(OAuthError) as refused:
                token(here, user.id)
            assert refused.value.reason == "provider"
        endpoint.refuses = None
        assert (token(here, user.id)).access_token == "access-1"


def test_a_lease_of_somebody_who_died_ends() -> None:
    """While it lasts the others wait; then one of them refreshes."""
    here, endpoint = keeping()
    with here:
        user = (here.sign_in()).user
        here.clock.advance(HOUR)
        (account,) = here.torii.oauth.accounts(user.id)
        ends = int(here.clock().timestamp()) + 30
        leased: Metadata = {**account.tokens, "lease": "somebody", "lease_ends": ends}
        here.storage.update_oauth_account(user.id, "issuer", "subject-1", tokens=leased)
        here.clock.advance(30)
        assert (token(here, user.id)).access_token == "access-1"
        assert endpoint.refreshed == 1


def test_whose_and_which() -> None:
    """Nobody's, another's, several and a provider that keeps nothing are told apart."""
    here, _ = keeping()
    with here:
        user = (here.sign_in()).user
        other = here.torii.password.register("eve@example.com", "correct horse battery staple")
        for asked in (
            {"user_id": other.id},
            {"user_id": user.id, "subject": "x"},
            {"user_id": other.id, "subject": "subject-1"},
        ):
            with pytest.raises(NotFound):
                token(here, **asked)
        here.provider.claims |= {"sub": "subject-2"}
        _, session = here.torii.password.authenticate("eve@example.com", "correct horse battery staple")
        here.sign_in(link_to=session)
        assert (token(here, other.id)).subject == "subject-2"
        here.storage.link_oauth_account(other.id, NewOAuthAccount(provider="issuer", subject="subject-3"))
        with pytest.raises(ValidationError, match="several"):
            token(here, other.id)
        assert (token(here, other.id, subject="subject-2")).access_token == "the-access-token"
        with pytest.raises(OAuthError) as refused:
            token(here, other.id, subject="subject-3")
        assert refused.value.reason == "revoked"
        with pytest.raises(NotFound):
            here.torii.oauth.access_token(user.id, "other")
    with OAuthSetting() as plain:
        user = (plain.sign_in()).user
        assert (plain.torii.oauth.accounts(user.id))[0].tokens == {}
        with pytest.raises(ConfigurationError, match="keep_tokens"):
            token(plain, user.id)


def test_tokens_wait_for_the_owners_word() -> None:
    """Where the address has to be confirmed first, they wait sealed in the link, and are kept with the account."""
    here, _ = keeping(provider=replace(OFFERED, authoritative_for=()))
    with here:
        with pytest.raises(OAuthConfirmationSent) as sent:
            here.sign_in()
        link = here.link()
        for secret in ("the-access-token", "refresh-0"):
            assert secret not in str(here.storage.dump())
        result = here.torii.oauth.complete_confirmation(link, browser_binding=sent.value.browser_binding)
        assert (token(here, result.user.id)).access_token == "the-access-token"


def test_secrets_rotate_and_a_box_of_the_applications_serves() -> None:
    """What the old secret sealed is opened while it is listed; without it one signs in again. A box takes its place."""

    class Kms:
        """Stands for a key management service."""

        def __init__(self) -> None:
            self.box = AesGcmBox("k" * 32)
            self.calls: list[bytes] = []

        def seal(self, plain: bytes, *, associated: bytes) -> bytes:
            self.calls.append(associated)
            return self.box.seal(plain, associated=associated)

        def open(self, sealed: bytes, *, associated: bytes) -> bytes:
            return self.box.open(sealed, associated=associated)

    here, _ = keeping()
    with here:
        user = (here.sign_in()).user
        for secrets, opens in ((["n" * 32, SECRET], True), (["n" * 32], False)):
            torii = Torii(here.storage, oauth=[OFFERED], secret=secrets, clock=here.clock, http=here.http)
            if opens:
                assert (torii.oauth.access_token(user.id, "issuer")).access_token == "the-access-token"
            else:
                with pytest.raises(OAuthError) as refused:
                    torii.oauth.access_token(user.id, "issuer")
                assert refused.value.reason == "revoked"
    kms = Kms()
    here, _ = keeping(secret=None, secret_box=kms)
    with here:
        user = (here.sign_in()).user
        assert (token(here, user.id)).access_token == "the-access-token"
        assert b"subject-1" in kms.calls[0]
    with pytest.raises(ConfigurationError, match="secret"):
        Setting(oauth=[OFFERED], secret=None)


def test_of_many_on_many_hosts_one_refreshes(dynoxide: LocalEngine, table_prefix: str) -> None:
    """Three hosts with eight callers each ask at once: the provider is asked once a round, and all get its answer."""
    here, endpoint = keeping()
    config = dynoxide.config(table_prefix=table_prefix, clock=here.clock)
    with (
        here,
        DynamoDbStorage.open(config) as one,
        DynamoDbStorage.open(config) as two,
        DynamoDbStorage.open(config) as three,
    ):
        hosts = [
            Torii(storage, oauth=[OFFERED], secret=SECRET, clock=here.clock, http=here.http)
            for storage in (one, two, three)
        ]
        here.torii = hosts[0]
        user = (here.sign_in()).user

        read: list[None] = []

        def all_read_first(host: Torii) -> None:
            # However slow the machine, nobody asks after the refresh only: the first reading waits for all of them.
            account = host.oauth._tokens._account  # type: ignore[union-attr]

            def reading(*arguments: Any) -> Any:
                found = account(*arguments)
                read.append(None)
                while len(read) < 8 * len(hosts):
                    sleep(0.001)
                return found

            host.oauth._tokens._account = reading  # type: ignore[union-attr, method-assign]

        for host in hosts:
            all_read_first(host)

        def ask(host: Torii) -> str:
            return (host.oauth.access_token(user.id, "issuer")).access_token

        for number in range(1, 4):
            read.clear()
            # Short of what is asked for: what another has just fetched must do.
            endpoint.lifetime = 3600 if number < 3 else 30
            here.clock.advance(HOUR)
            answers = gather(*[partial(ask, host) for host in hosts for _ in range(8)])
            assert set(answers) == {f"access-{number}"}
            assert endpoint.refreshed == number
