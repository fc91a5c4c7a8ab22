"""fastapi-users' OAuth routers on our storage."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.fastapi_users.support import EMAIL, Person, Site

from torii_dynamodb.errors import AlreadyExists, NotFound, Revoked, ValidationError
from torii_dynamodb.fastapi_users import ToriiBaseUser, ToriiUserDatabase

OTHER = "grace@example.com"
IDP: dict[str, Any] = {
    "oauth_name": "idp",
    "account_id": "subject-1",
    "account_email": EMAIL,
    "access_token": "provider-access-1",
    "refresh_token": "provider-refresh-1",
    "expires_at": 1_900_000_000,
}


async def back(site: Site, prefix: str, headers: dict[str, str] | None = None) -> httpx.Response:
    """Go to the provider and come back."""
    begun = await site.client.get(f"{prefix}/authorize", headers=headers)
    state = parse_qs(urlsplit(begun.json()["authorization_url"]).query)["state"][0]
    return await site.client.get(f"{prefix}/callback", params={"code": "code", "state": state}, headers=headers)


async def test_queries(site: Site) -> None:
    """Accounts are added, found with their user, changed and listed oldest first, with the same ids each time."""
    user = await site.person()
    user = await site.users.add_oauth_account(user, IDP)
    site.clock.advance(1)
    user = await site.users.add_oauth_account(
        user, IDP | {"oauth_name": "other", "refresh_token": None, "expires_at": None}
    )
    assert [account.oauth_name for account in user.oauth_accounts] == ["idp", "other"]
    first = user.oauth_accounts[0]
    assert {name: getattr(first, name) for name in IDP} == IDP
    assert first.id != user.oauth_accounts[1].id
    change = IDP | {"access_token": "provider-access-2", "refresh_token": None, "account_email": OTHER}
    user = await site.users.update_oauth_account(user, first, change)
    for found in (
        await site.users.get(user.id),
        await site.users.get_by_email(EMAIL),
        await site.users.get_by_oauth_account("idp", "subject-1"),
    ):
        assert found == user
        account = found.oauth_accounts[0]
        # A provider sends a refresh token only once: that it sends none does not mean that it is void.
        assert (account.access_token, account.refresh_token) == ("provider-access-2", "provider-refresh-1")
        assert (account.id, account.account_email) == (first.id, OTHER)
    assert await site.users.get_by_oauth_account("foo", "bar") is None


async def test_googles_accounts_are_those_of_the_services(site: Site) -> None:
    """httpx-oauth's name for a person at Google finds the account under either spelling; the services know its end."""
    google = IDP | {"oauth_name": "google", "account_id": "people/1234"}
    user = await site.users.add_oauth_account(await site.person(), google)
    assert await site.storage.get_user_by_provider_and_subject("google", "1234") is not None
    for spelling in ("people/1234", "1234"):
        found = await site.users.get_by_oauth_account("google", spelling)
        assert found is not None
        (account,) = found.oauth_accounts
        assert account.account_id == spelling
        change = google | {"account_id": spelling, "access_token": f"from {spelling}"}
        await site.users.update_oauth_account(found, account, change)
        found = await site.users.get(user.id)
        assert found is not None
        assert found.oauth_accounts[0].access_token == f"from {spelling}"


async def test_providers_tokens_are_sealed(site: Site) -> None:
    """The storage has no token of a provider; representations have none; without the secret, there is none."""
    user = await site.users.add_oauth_account(await site.person(), IDP)
    (stored,) = await site.storage.list_oauth_accounts_for_user(str(user.id))
    assert "provider-" not in str(stored.tokens)
    assert "provider-" not in repr(user)
    sealed_by_another = {**stored.tokens, "sealed": b"x" * 60}
    await site.storage.update_oauth_account(str(user.id), "idp", "subject-1", tokens=sealed_by_another)
    found = await site.users.get(user.id)
    assert found is not None
    assert (found.oauth_accounts[0].access_token, found.oauth_accounts[0].refresh_token) == ("", None)


async def test_an_account_has_one_user(site: Site) -> None:
    """An account that somebody linked is refused to others, however many try; linking it again is not an error."""
    people = [await site.person(f"user{number}@example.com") for number in range(4)]
    found = await asyncio.gather(*(site.users.add_oauth_account(user, IDP) for user in people), return_exceptions=True)
    (owner,) = [one for one in found if isinstance(one, Person)]
    assert len([one for one in found if isinstance(one, AlreadyExists)]) == 3
    assert len((await site.users.add_oauth_account(owner, IDP)).oauth_accounts) == 1


async def test_what_is_refused(site: Site) -> None:
    """Tokens of an account that is not linked, another account's, odd names, and links begun before a revocation."""
    user = await site.users.add_oauth_account(await site.person(), IDP)
    (account,) = user.oauth_accounts
    with pytest.raises(ValidationError, match="account_id"):
        await site.users.update_oauth_account(user, account, {"account_id": "subject-2"})
    # Nothing is created for a provider whose accounts could not be stored afterwards.
    with pytest.raises(ValidationError, match="provider"):
        await site.users.get_by_oauth_account("My Provider", "1")
    assert await site.storage.unlink_oauth_account(str(user.id), "idp", "subject-1")
    with pytest.raises(NotFound):
        await site.users.update_oauth_account(user, account, IDP)
    await site.torii.delete_sessions_for_user(str(user.id))
    with pytest.raises(Revoked):
        await site.users.add_oauth_account(user, IDP)


async def test_a_user_class_without_accounts(site: Site) -> None:
    """Without accounts in the user class, their methods say how to switch them on."""
    plain = ToriiUserDatabase(site.torii, ToriiBaseUser[str], str)
    user: Any = await plain.create({"email": EMAIL})
    account: Any = None
    for call in (
        plain.get_by_oauth_account("foo", "bar"),
        plain.add_oauth_account(user, {}),
        plain.update_oauth_account(user, account, {}),
    ):
        with pytest.raises(NotImplementedError, match="ToriiBaseOAuthUser"):
            await call


async def test_sign_up_and_sign_in(site: Site) -> None:
    """The first return from the provider creates a user, later ones sign the same user in and store the new token."""
    first = await back(site, "/idp")
    assert first.status_code == 200
    assert site.hooks == [f"register {EMAIL}"]
    site.provider.token = {"access_token": "provider-access-2", "expires_at": 1_900_000_000}
    second = await back(site, "/idp")
    for answer in (first, second):
        assert await site.status({"Authorization": f"Bearer {answer.json()['access_token']}"}) == 200
    user = await site.users.get_by_oauth_account("idp", "subject-1")
    assert user is not None
    (account,) = user.oauth_accounts
    assert (account.access_token, account.expires_at) == ("provider-access-2", 1_900_000_000)
    assert len(site.hooks) == 1


async def test_an_existing_address(site: Site) -> None:
    """The address of an existing user is refused, and joined only where the application says so."""
    await site.register()
    refused = await back(site, "/idp")
    assert (refused.status_code, refused.json()["detail"]) == (400, "OAUTH_USER_ALREADY_EXISTS")
    assert (await back(site, "/trusted")).status_code == 200
    user = await site.users.get_by_email(EMAIL)
    assert user is not None
    assert [account.account_id for account in user.oauth_accounts] == ["subject-1"]
    assert (await back(site, "/idp")).status_code == 200


async def test_who_is_refused(site: Site) -> None:
    """An inactive user, a person without an address, and a return without the state that was begun are refused."""
    assert (await back(site, "/idp")).status_code == 200
    user = await site.users.get_by_email(EMAIL)
    assert user is not None
    await site.users.update(user, {"is_active": False})
    answer = await back(site, "/idp")
    assert (answer.status_code, answer.json()["detail"]) == (400, "LOGIN_BAD_CREDENTIALS")
    site.provider.person = ("subject-2", None)
    assert (await back(site, "/idp")).json()["detail"] == "OAUTH_NOT_AVAILABLE_EMAIL"
    answer = await site.client.get("/idp/callback", params={"code": "code", "state": "x"})
    assert answer.status_code == 400


async def test_associating(site: Site) -> None:
    """A signed-in user links an account, which then signs them in; another user's account is refused with 409."""
    await site.register(OTHER)
    headers = await site.login(OTHER)
    assert (await site.client.get("/associate/authorize")).status_code == 401
    answer = await back(site, "/associate", headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["email"] == OTHER
    signed_in = await back(site, "/idp")
    me = await site.client.get("/users/me", headers={"Authorization": f"Bearer {signed_in.json()['access_token']}"})
    assert me.json()["email"] == OTHER
    await site.register("third@example.com")
    assert (await back(site, "/associate", await site.login("third@example.com"))).status_code == 409
