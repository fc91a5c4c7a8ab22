"""Signing in by an ID token that a mobile SDK obtained."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from tests.services._async.test_oauth import AsyncOAuthSetting
from tests.services.provider import ISSUER

from torii_dynamodb.errors import AccountLocked, ConfigurationError, NotFound
from torii_dynamodb.oauth import OAuthConfirmationSent, OAuthError, OAuthResult, github, oidc

IOS, ANDROID = "com.example.app", "android.example"


def native(authoritative_for: tuple[str, ...] = ("*",), **options: Any) -> AsyncOAuthSetting:
    """Services with a provider whose mobile clients are known."""
    offered = oidc("issuer", ISSUER, "client", "the client secret", authoritative_for=authoritative_for)
    return AsyncOAuthSetting(replace(offered, native_client_ids=(IOS, ANDROID)), **options)


async def finish(here: AsyncOAuthSetting, claims: dict[str, Any] | None = None, **changes: Any) -> OAuthResult:
    """From begin to end; the SDK puts the nonce into the token, ``claims`` replace what it says."""
    start = await here.torii.oauth.begin_native("issuer")
    here.provider.claims |= {"aud": IOS} | (claims or {})
    given = {"id_token": here.provider.id_token(start.nonce), "nonce": start.nonce} | changes
    return await here.torii.oauth.finish_native("issuer", **given)


@pytest.mark.parametrize(
    "claims", [{"aud": IOS}, {"aud": ANDROID}, {"aud": "client"}, {"aud": "client", "azp": ANDROID}, {"aud": [IOS]}]
)
async def test_a_token_for_one_of_our_clients_signs_in(claims: dict[str, Any]) -> None:
    """For the mobile clients, for the server's, and as Google issues them on Android: for the one, by the other."""
    async with native() as here:
        result = await finish(here, claims)
        assert result.created
        assert result.session is not None
        assert await here.torii.get_session(result.session.token or "") is not None
        assert (await finish(here, claims)).user.id == result.user.id


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
async def test_a_token_for_others_does_not(claims: dict[str, Any]) -> None:
    """Another application's token, without our nonce, of another issuer or too old."""
    async with native() as here:
        with pytest.raises(OAuthError) as refused:
            await finish(here, claims)
        assert refused.value.reason == "id_token"
        assert not (await here.storage.list_users()).items


async def test_the_nonce_may_be_hashed() -> None:
    """Apple's samples hand SHA-256 of the nonce to the SDK; any other form is refused."""
    async with native() as here:
        for form, passes in ((lambda text: sha256(text.encode()).hexdigest(), True), (str.upper, False)):
            start = await here.torii.oauth.begin_native("issuer")
            here.provider.claims["aud"] = IOS
            token = here.provider.id_token(form(start.nonce))
            if passes:
                await here.torii.oauth.finish_native("issuer", id_token=token, nonce=start.nonce)
            else:
                with pytest.raises(OAuthError):
                    await here.torii.oauth.finish_native("issuer", id_token=token, nonce=start.nonce)


async def test_a_nonce_is_ours_and_good_once_and_in_time() -> None:
    """One that was made up, used, given out for a browser, or is too old lets no token in, however good it is."""
    async with native() as here:
        here.provider.claims["aud"] = IOS
        used = await here.torii.oauth.begin_native("issuer")
        await here.torii.oauth.finish_native("issuer", id_token=here.provider.id_token(used.nonce), nonce=used.nonce)
        flow = await here.torii.oauth.begin("issuer", redirect_uri="https://app.example.com/back")
        late = await here.torii.oauth.begin_native("issuer")
        here.clock.advance(timedelta(minutes=10))
        for nonce in (used.nonce, "x" * 43, "short", flow.state, late.nonce):
            with pytest.raises(OAuthError) as refused:
                await here.torii.oauth.finish_native("issuer", id_token=here.provider.id_token(nonce), nonce=nonce)
            assert refused.value.reason == "state"
        assert used.nonce not in repr(used)
        assert late.nonce not in str(here.storage.dump())


async def test_a_state_is_not_used_up_as_a_nonce() -> None:
    """Somebody who saw a browser's state cannot spoil its sign-in here."""
    async with native() as here:
        start = await here.torii.oauth.begin("issuer", redirect_uri="https://app.example.com/back")
        with pytest.raises(OAuthError):
            await here.torii.oauth.finish_native("issuer", id_token="x", nonce=start.state)
        flow = await here.torii.oauth.resume("issuer", state=start.state, browser_binding=start.browser_binding)
        assert flow.provider == "issuer"


async def test_the_rules_of_joining_hold_here_too() -> None:
    """Where the provider is not the authority, the owner is asked; a locked account is refused; the name is kept."""
    async with native(authoritative_for=()) as here:
        with pytest.raises(OAuthConfirmationSent) as sent:
            await finish(here, name="Ada\nLovelace")
        await here.torii.wait_for_mail()
        result = await here.torii.oauth.complete_confirmation(
            await here.link(), browser_binding=sent.value.browser_binding
        )
        assert result.user.name == "Ada Lovelace"
        await here.torii.lock_user(result.user.id)
        with pytest.raises(AccountLocked):
            await finish(here)


async def test_only_where_it_is_set_up() -> None:
    """A provider without mobile clients takes no ID tokens; one without a nonce cannot have them."""
    async with AsyncOAuthSetting() as here:
        with pytest.raises(NotFound):
            await here.torii.oauth.begin_native("issuer")
        with pytest.raises(NotFound):
            await here.torii.oauth.finish_native("issuer", id_token="x", nonce="x" * 43)
    for wrong in (github("client", "secret"), replace(oidc("x", ISSUER, "client", "secret"), use_nonce=False)):
        with pytest.raises(ConfigurationError, match="native_client_ids"):
            replace(wrong, native_client_ids=(IOS,))
    with pytest.raises(ConfigurationError, match="native_client_ids"):
        replace(oidc("x", ISSUER, "client", "secret"), native_client_ids="com.example.app")  # type: ignore[arg-type]
