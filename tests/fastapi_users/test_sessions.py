"""``ToriiStrategy`` and ``ToriiAccessTokenDatabase``: tokens that are revoked at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi_users.authentication.strategy import DatabaseStrategy
from tests.fastapi_users.support import QUICK, Person, Site

from torii_dynamodb import NewFactor
from torii_dynamodb.errors import AccountLocked, ConfigurationError, Revoked, SecondFactorRequired
from torii_dynamodb.fastapi_users import ToriiAccessTokenDatabase, ToriiStrategy


async def test_queries(site: Site) -> None:
    """A token is created, found unless it is older than max_age, and gone once deleted; unknown ones are not found."""
    user, tokens = await site.person(), site.strategy.database
    created = await tokens.create({"user": user})
    assert (created.user_id, created.created_at) == (str(user.id), site.clock())
    found = await tokens.get_by_token(created.token)
    assert found is not None
    assert (found.token, found.user_id, found.created_at) == (created.token, created.user_id, created.created_at)
    hour = timedelta(hours=1)
    assert await tokens.get_by_token(created.token, max_age=site.clock() - hour) is not None
    assert await tokens.get_by_token(created.token, max_age=site.clock() + hour) is None
    assert await tokens.get_by_token("NOT_EXISTING_TOKEN") is None
    await tokens.delete(created)
    await tokens.delete(created)
    assert await tokens.get_by_token(created.token) is None
    assert created.token not in repr(created)


async def test_what_is_not_supported_is_told(site: Site) -> None:
    """A token of the caller's own, a mere user id, DatabaseStrategy and a change of a token raise clear errors."""
    user, tokens = await site.person(), site.strategy.database
    for given in ({"token": "TOKEN", "user_id": user.id}, {"user_id": user.id}, {"user": user, "token": "TOKEN"}):
        with pytest.raises(ConfigurationError, match="ToriiStrategy"):
            await tokens.create(given)
    plain: Any = DatabaseStrategy(tokens)
    with pytest.raises(ConfigurationError, match="ToriiStrategy"):
        await plain.write_token(user)
    with pytest.raises(NotImplementedError, match="SessionPolicy"):
        await tokens.update(await tokens.create({"user": user}), {"created_at": site.clock()})

    class OtherManager:
        user_db = object()

    other: Any = OtherManager()
    with pytest.raises(ConfigurationError, match="ToriiUserDatabase"):
        await site.strategy.read_token("x", other)


async def test_the_services_know_the_session(site: Site) -> None:
    """A session of the first step is a session of the services: checked, listed without its token, and ended there."""
    user = await site.person()
    token = await site.strategy.write_token(user)
    signed_in = await site.torii.get_signed_in(token)
    assert signed_in is not None
    assert signed_in.user.id == str(user.id)
    (listed,) = await site.torii.list_sessions(str(user.id))
    assert listed.token == ""
    await site.torii.delete_session_by_id(str(user.id), listed.id)
    assert await site.strategy.read_token(token, site.manager) is None


@pytest.mark.parametrize(
    "change",
    [
        {"hashed_password": QUICK.hash("a new password")},
        {"is_active": False},
        None,
    ],
    ids=["password", "lock", "deletion"],
)
async def test_revoked_means_revoked(site: Site, change: dict[str, Any] | None) -> None:
    """Neither an earlier session nor a sign-in that was under way survives a new password, a lock or a deletion."""
    user = await site.person()
    earlier = await site.strategy.write_token(user)
    checked = await site.users.get(user.id)
    assert checked is not None
    await (site.users.delete(user) if change is None else site.users.update(user, change))
    if change == {"is_active": False}:
        # Unlocking revives nothing.
        with pytest.raises(AccountLocked):
            await site.strategy.write_token(user)
        await site.users.update(user, {"is_active": True})
    late = await site.strategy.write_token(checked)
    for token in (earlier, late):
        assert await site.strategy.read_token(token, site.manager) is None


async def test_a_second_factor_is_not_walked_around(site: Site) -> None:
    """Whoever has set up a second factor gets no session here, but the response says why."""
    await site.register()
    user = await site.users.get_by_email("ada@example.com")
    assert user is not None
    await site.storage.add_factor(NewFactor(user_id=str(user.id), id="app", secret=b"sealed", last_step=1))
    user = await site.users.get(user.id)
    assert isinstance(user, Person)
    with pytest.raises(SecondFactorRequired):
        await site.strategy.write_token(user)
    form = {"username": "ada@example.com", "password": "correct horse battery staple"}
    answer = await site.client.post("/login", data=form)
    assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required")


async def test_a_session_that_is_used_goes_on(site: Site) -> None:
    """A session is extended while it is used, as the policy says, and ends a week after its last use."""
    token = await site.strategy.write_token(await site.person())
    for _ in range(3):
        site.clock.advance(timedelta(days=6))
        assert await site.strategy.read_token(token, site.manager) is not None
    site.clock.advance(timedelta(days=7))
    assert await site.strategy.read_token(token, site.manager) is None
    assert await site.strategy.read_token(None, site.manager) is None


async def test_what_a_request_costs(site: Site) -> None:
    """A check reads the session with its user in one request, and then hash and accounts: three in all."""
    token = await site.strategy.write_token(await site.person())
    site.requests()
    assert await site.strategy.read_token(token, site.manager) is not None
    assert site.requests() == 3


async def test_a_changed_user_is_bound_to_its_reading(site: Site) -> None:
    """What a request does with the user of a revoked session is refused, even if the session was valid when checked."""
    user = await site.person()
    strategy = ToriiStrategy[Any, Any](ToriiAccessTokenDatabase(site.torii))
    reader = await strategy.read_token(await strategy.write_token(user), site.manager)
    assert reader is not None
    await site.torii.delete_sessions_for_user(str(user.id))
    with pytest.raises(Revoked):
        await site.users.update(reader, {"first_name": "Thief"})
