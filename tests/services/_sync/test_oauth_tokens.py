# Generated from tests/services/_async/test_oauth_tokens.py by tools/unasync.py. Do not edit.

"""Providers' tokens: stored sealed, and refreshed once however many callers ask."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from tests.services._sync.support import PASSWORD, SECRET, Setting, as_signed_in, refuses
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
    """A token endpoint that replaces the refresh token at each use and accepts none twice.

    Attributes:
        refreshed: The number of refreshes.
        lifetime: The lifetime of access tokens in seconds; not sent if ``None``.
        rotates: Whether it replaces refresh tokens.
        refuses: The status and body that replace the response to a refresh.
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
    """Services that store the provider's tokens, and the provider's token endpoint."""
    here = OAuthSetting(options.pop("provider", OFFERED), **options)
    return here, Rotating(here.provider)


def token(here: Setting, user_id: str, **options: Any) -> OAuthAccessToken:
    return here.torii.oauth.access_token(user_id, "issuer", **options)


def test_a_fresh_token_is_returned_as_it_is() -> None:
    """Until the token is about to expire, the provider is not asked."""
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
        # A caller that needs it for longer gets a new one.
        assert (token(here, user.id, min_validity=timedelta(minutes=30))).access_token == "access-1"


def test_an_old_token_is_refreshed_and_the_refresh_token_replaced() -> None:
    """Each refresh uses the latest refresh token; refresh token and scopes are kept if the provider omits them."""
    here, endpoint = keeping()
    with here:
        user = (here.sign_in()).user
        for number in range(1, 4):
            endpoint.rotates = number != 2
            here.clock.advance(HOUR)
            found = token(here, user.id)
            assert (found.access_token, found.scopes) == (f"access-{number}", ("openid", "email", "calendar"))
        assert endpoint.refreshed == 3
        # A sign-in without a refresh token keeps the stored one (Google sends it only the first time).
        endpoint.provider.answers["/token"] = endpoint.provider._token
        here.sign_in()
        endpoint.provider.answers["/token"] = endpoint.answer
        assert (token(here, user.id)).access_token == "the-access-token"


def test_a_token_without_a_lifetime_is_never_refreshed() -> None:
    """A token with no lifetime, as GitHub's, or an invalid one is never refreshed."""
    for lifetime in (None, "soon", -5, True, [1]):
        here, endpoint = keeping()
        with here:
            endpoint.lifetime = lifetime
            user = (here.sign_in()).user
            here.clock.advance(timedelta(days=300))
            found = token(here, user.id)
            assert (found.access_token, found.expires_at) == ("the-access-token", None)


def test_tokens_are_not_stored_readable() -> None:
    """No token is readable in the table, a repr or an event; a sealed token opens only in its own row."""
    here, _ = keeping()
    with here:
        user = (here.sign_in()).user
        (account,) = here.torii.oauth.accounts(user.id)
        found = token(here, user.id)
        for text in (str(here.storage.dump()), repr(account), repr(found), repr(here.events)):
            assert "the-access-token" not in text
            assert "refresh-0" not in text
        moved = NewOAuthAccount(provider="issuer", subject="subject-2", tokens=account.tokens)
        other = here.torii.password.register("eve@example.com", PASSWORD)
        here.storage.link_oauth_account(other.id, moved)
        with refuses(OAuthError, "revoked"):
            token(here, other.id)


@pytest.mark.parametrize(
    "answer",
    [(400, {"error": "invalid_grant"}), (401, {"error": "invalid_grant"}), (200, {"error": "bad_refresh_token"})],
)
def test_a_refused_refresh_token(answer: tuple[int, dict[str, Any]]) -> None:
    """A refused refresh token raises "revoked", is not tried again, and is replaced by the next sign-in."""
    here, endpoint = keeping()
    with here:
        user = (here.sign_in()).user
        here.clock.advance(HOUR)
        endpoint.refuses = answer
        asked = here.provider.requests.count("POST /token")
        for _ in range(3):
            with refuses(OAuthError, "revoked") as refused:
                token(here, user.id)
            assert "refresh-0" not in str(refused.value)
        assert here.provider.requests.count("POST /token") == asked + 1
        endpoint.refuses, endpoint.good = None, "refresh-new"
        here.sign_in()
        here.clock.advance(HOUR)
        assert (token(here, user.id)).access_token == "access-1"


def test_a_provider_that_fails_temporarily() -> None:
    """A temporary failure raises "provider", loses nothing, and the next call tries again."""
    here, endpoint = keeping()
    with here:
        user = (here.sign_in()).user
        here.clock.advance(HOUR)
        for failure in ((503, {}), (400, {"error": "temporarily_unavailable"}), (200, {"token_type": "Bearer"})):
            endpoint.refuses = failure
            with refuses(OAuthError, "provider"):
                token(here, user.id)
        endpoint.refuses = None
        assert (token(here, user.id)).access_token == "access-1"


def test_an_abandoned_lease_expires() -> None:
    """A lease left by a process that died expires, and another caller refreshes."""
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


def test_which_account_is_meant() -> None:
    """No account, another user's, several, no tokens and a provider that stores none raise different errors."""
    here, _ = keeping()
    with here:
        user = (here.sign_in()).user
        other = here.torii.password.register("eve@example.com", PASSWORD)
        for asked in (
            {"user_id": other.id},
            {"user_id": user.id, "subject": "x"},
            {"user_id": other.id, "subject": "subject-1"},
        ):
            with pytest.raises(NotFound):
                token(here, **asked)
        here.provider.claims |= {"sub": "subject-2"}
        _, session = as_signed_in(here.torii.password.authenticate("eve@example.com", PASSWORD))
        here.sign_in(link_to=session)
        assert (token(here, other.id)).subject == "subject-2"
        here.storage.link_oauth_account(other.id, NewOAuthAccount(provider="issuer", subject="subject-3"))
        with pytest.raises(ValidationError, match="several"):
            token(here, other.id)
        assert (token(here, other.id, subject="subject-2")).access_token == "the-access-token"
        with refuses(OAuthError, "revoked"):
            token(here, other.id, subject="subject-3")
        with pytest.raises(NotFound):
            here.torii.oauth.access_token(user.id, "other")
    with OAuthSetting() as plain:
        user = (plain.sign_in()).user
        assert (plain.torii.oauth.accounts(user.id))[0].tokens == {}
        with pytest.raises(ConfigurationError, match="keep_tokens"):
            token(plain, user.id)


def test_tokens_wait_for_the_owners_confirmation() -> None:
    """While the owner confirms the address, the tokens are sealed with the link; then they are stored."""
    here, _ = keeping(provider=replace(OFFERED, authoritative_for=()))
    with here:
        with pytest.raises(OAuthConfirmationSent) as sent:
            here.sign_in()
        link = here.link()
        for secret in ("the-access-token", "refresh-0"):
            assert secret not in str(here.storage.dump())
        result = here.torii.oauth.complete_confirmation(link, browser_binding=sent.value.browser_binding)
        assert (token(here, result.user.id)).access_token == "the-access-token"


def test_secrets_rotate_and_a_secret_box_replaces_them() -> None:
    """Tokens open while the old secret is listed and are "revoked" without it; a secret box replaces the secret."""

    class Kms:
        """A stand-in for a key management service."""

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
                with refuses(OAuthError, "revoked"):
                    torii.oauth.access_token(user.id, "issuer")
    kms = Kms()
    here, _ = keeping(secret=None, secret_box=kms)
    with here:
        user = (here.sign_in()).user
        assert (token(here, user.id)).access_token == "the-access-token"
        assert b"subject-1" in kms.calls[0]
    with pytest.raises(ConfigurationError, match="secret"):
        Setting(oauth=[OFFERED], secret=None)


def test_one_of_many_callers_on_many_hosts_refreshes(dynoxide: LocalEngine, table_prefix: str) -> None:
    """Of three hosts with eight callers each, one refreshes in each round, and all callers get its token."""
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
            # However slow the machine, all callers have read the old token before any of them refreshes.
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
            # In round 3 the lifetime is shorter than min_validity; the new token must be accepted anyway.
            endpoint.lifetime = 3600 if number < 3 else 30
            here.clock.advance(HOUR)
            answers = gather(*[partial(ask, host) for host in hosts for _ in range(8)])
            assert set(answers) == {f"access-{number}"}
            assert endpoint.refreshed == number
