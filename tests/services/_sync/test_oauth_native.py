# Generated from tests/services/_async/test_oauth_native.py by tools/unasync.py. Do not edit.

"""Signing in with an ID token from a mobile SDK."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from tests.services._sync.support import refuses
from tests.services._sync.test_oauth import OAuthSetting
from tests.services.provider import ISSUER

from torii_dynamodb.errors import AccountLocked, ConfigurationError, NotFound
from torii_dynamodb.oauth import OAuthConfirmationSent, OAuthError, OAuthResult, github, oidc

IOS, ANDROID = "com.example.app", "android.example"


def native(authoritative_for: tuple[str, ...] = ("*",), **options: Any) -> OAuthSetting:
    """Services with a provider that has mobile clients."""
    offered = oidc("issuer", ISSUER, "client", "the client secret", authoritative_for=authoritative_for)
    return OAuthSetting(replace(offered, native_client_ids=(IOS, ANDROID)), **options)


def finish(here: OAuthSetting, claims: dict[str, Any] | None = None, **changes: Any) -> OAuthResult:
    """Sign in; the SDK's token contains the nonce, and ``claims`` replace its claims."""
    start = here.torii.oauth.begin_native("issuer")
    here.provider.claims |= {"aud": IOS} | (claims or {})
    given = {"id_token": here.provider.id_token(start.nonce), "nonce": start.nonce} | changes
    return here.torii.oauth.complete_native("issuer", **given)


@pytest.mark.parametrize(
    "claims", [{"aud": IOS}, {"aud": ANDROID}, {"aud": "client"}, {"aud": "client", "azp": ANDROID}, {"aud": [IOS]}]
)
def test_a_token_for_one_of_our_clients_signs_in(claims: dict[str, Any]) -> None:
    """Accepted audiences are the mobile clients and the server's, with azp naming a mobile client as on Android."""
    with native() as here:
        result = finish(here, claims)
        assert result.created
        assert result.session is not None
        assert here.torii.get_signed_in(result.session.token) is not None
        assert (finish(here, claims)).user.id == result.user.id


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": [IOS, "another"]},
        {"aud": IOS, "azp": "another"},
        {"aud": None},
        {"aud": []},
        {"nonce": None},
        {"nonce": "x" * 43},
        {"iss": "https://evil.example"},
        {"exp": 1},
    ],
)
def test_an_invalid_token_does_not_sign_in(claims: dict[str, Any]) -> None:
    """A token for another client, without our nonce, from another issuer or expired is refused."""
    with native() as here:
        with refuses(OAuthError, "id_token"):
            finish(here, claims)
        assert not (here.storage.list_users()).items


def test_the_nonce_may_be_hashed() -> None:
    """The token may contain the nonce's SHA-256, as in Apple's samples, but no other form."""
    with native() as here:
        for form, passes in ((lambda text: sha256(text.encode()).hexdigest(), True), (str.upper, False)):
            start = here.torii.oauth.begin_native("issuer")
            here.provider.claims["aud"] = IOS
            token = here.provider.id_token(form(start.nonce))
            if passes:
                here.torii.oauth.complete_native("issuer", id_token=token, nonce=start.nonce)
            else:
                with pytest.raises(OAuthError):
                    here.torii.oauth.complete_native("issuer", id_token=token, nonce=start.nonce)


def test_a_nonce_is_issued_here_and_used_once_and_in_time() -> None:
    """A nonce that is invented, used, expired or issued to a browser is refused, even with a valid token."""
    with native() as here:
        here.provider.claims["aud"] = IOS
        used = here.torii.oauth.begin_native("issuer")
        here.torii.oauth.complete_native("issuer", id_token=here.provider.id_token(used.nonce), nonce=used.nonce)
        flow = here.torii.oauth.begin("issuer", redirect_uri="https://app.example.com/back")
        late = here.torii.oauth.begin_native("issuer")
        here.clock.advance(timedelta(minutes=10))
        for nonce in (used.nonce, "x" * 43, "short", flow.state, late.nonce):
            with refuses(OAuthError, "state"):
                here.torii.oauth.complete_native("issuer", id_token=here.provider.id_token(nonce), nonce=nonce)
        assert used.nonce not in repr(used)
        assert late.nonce not in str(here.storage.dump())


def test_a_state_is_not_used_up_as_a_nonce() -> None:
    """Sending a browser's state as a nonce does not use up the browser's sign-in."""
    with native() as here:
        start = here.torii.oauth.begin("issuer", redirect_uri="https://app.example.com/back")
        with pytest.raises(OAuthError):
            here.torii.oauth.complete_native("issuer", id_token="x", nonce=start.state)
        flow = here.torii.oauth.resume("issuer", state=start.state, browser_binding=start.browser_binding)
        assert flow.provider == "issuer"


def test_the_rules_for_joining_apply() -> None:
    """Without authority the owner is asked by mail; the name is stored; a locked account is refused."""
    with native(authoritative_for=()) as here:
        with pytest.raises(OAuthConfirmationSent) as sent:
            finish(here, name="Ada\nLovelace")
        here.torii.wait_for_mail()
        result = here.torii.oauth.complete_confirmation(here.link(), browser_binding=sent.value.browser_binding)
        assert result.user.name == "Ada Lovelace"
        here.torii.lock_user(result.user.id)
        with pytest.raises(AccountLocked):
            finish(here)


def test_native_sign_in_must_be_configured() -> None:
    """A provider without mobile clients accepts no ID tokens; mobile clients need OpenID Connect with a nonce."""
    with OAuthSetting() as here:
        with pytest.raises(NotFound):
            here.torii.oauth.begin_native("issuer")
        with pytest.raises(NotFound):
            here.torii.oauth.complete_native("issuer", id_token="x", nonce="x" * 43)
    for wrong in (github("client", "secret"), replace(oidc("x", ISSUER, "client", "secret"), use_nonce=False)):
        with pytest.raises(ConfigurationError, match="native_client_ids"):
            replace(wrong, native_client_ids=(IOS,))
    with pytest.raises(ConfigurationError, match="native_client_ids"):
        replace(oidc("x", ISSUER, "client", "secret"), native_client_ids="com.example.app")  # type: ignore[arg-type]
