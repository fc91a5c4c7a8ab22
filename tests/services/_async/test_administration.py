"""What administrators do to the accounts of others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from tests.services._async.support import EMAIL, PASSWORD, AsyncSetting, as_signed_in, just_before

from torii_dynamodb import NewFactor, NewUser, User
from torii_dynamodb.errors import (
    AccountLocked,
    AlreadyExists,
    ConfigurationError,
    InvalidCredentials,
    InvalidToken,
    NotFound,
    RateLimited,
    Revoked,
    ValidationError,
    VersionConflict,
)
from torii_dynamodb.events import EmailChanged, EmailVerified, PasswordChanged, SecondFactorRemoved

NEW = "another good password"


async def test_an_invited_user_chooses_a_password() -> None:
    """The link in the invitation sets the first password and proves the address."""
    here = AsyncSetting()
    user = await here.torii.administration.create(EMAIL, name="Ada", metadata={"plan": "pro"}, invite=True)
    assert (user.name, dict(user.metadata), user.has_password, user.is_email_verified) == (
        "Ada",
        {"plan": "pro"},
        False,
        False,
    )
    assert await here.templates() == ["invitation"]
    after = await here.torii.password.complete_reset(await here.link(), PASSWORD)
    assert after.is_email_verified
    as_signed_in(await here.torii.password.authenticate(EMAIL, PASSWORD))
    assert here.names()[0] == "user.created"


async def test_a_vouched_address_and_a_password_are_there_from_the_start() -> None:
    """With ``verified`` and ``password`` the user signs in at once, and no mail is sent."""
    here = AsyncSetting()
    user = await here.torii.administration.create(EMAIL, password=PASSWORD, verified=True)
    assert user.is_email_verified
    as_signed_in(await here.torii.password.authenticate(EMAIL, PASSWORD, require_verified=True))
    assert await here.templates() == []


@pytest.mark.parametrize("password", ["short", "password123", "ada.lovelace.1"])
async def test_the_password_policy_holds_for_administrators(password: str) -> None:
    """A password that a user could not choose is refused, and nobody is created."""
    here = AsyncSetting()
    with pytest.raises(ValidationError) as refused:
        await here.torii.administration.create(EMAIL, name="Lovelace", password=password)
    assert password not in str(refused.value)
    assert await here.torii.get_user_by_email(EMAIL) is None


async def test_creating_refuses_before_it_writes() -> None:
    """A taken address, a password beside an invitation, and an invitation without a mailer are errors."""
    here = AsyncSetting()
    await here.torii.administration.create(EMAIL)
    with pytest.raises(AlreadyExists):
        await here.torii.administration.create(EMAIL.upper())
    with pytest.raises(ValidationError, match="either this or invite"):
        await here.torii.administration.create("b@example.com", password=PASSWORD, invite=True)
    quiet = AsyncSetting(mailer=None, mail=None)
    with pytest.raises(ConfigurationError):
        await quiet.torii.administration.create("b@example.com", invite=True)
    for setting in (here, quiet):
        assert await setting.torii.get_user_by_email("b@example.com") is None


@pytest.mark.parametrize("keep", [False, True])
async def test_vouching_removes_what_a_stranger_may_have_set_up(keep: bool) -> None:
    """Like any first proof, it removes password and sessions, unless the administrator keeps them."""
    here = AsyncSetting()
    signed_in = await here.signed_in()
    user = await here.torii.administration.verify(signed_in.user, keep=keep)
    assert user.is_email_verified
    assert user.has_password is keep
    assert (await here.torii.get_signed_in(signed_in.session.token) is not None) is keep
    assert [one.by_administrator for one in here.events if isinstance(one, EmailVerified)] == [True]
    assert await here.torii.administration.verify(user) == user
    assert here.names().count("email.verified") == 1


async def moved(here: AsyncSetting, user: User) -> None:
    """Move the user to another address."""
    await here.storage.update_user(user, email="other@example.com")


async def ended(here: AsyncSetting, user: User) -> None:
    """End all sessions."""
    await here.storage.delete_sessions_for_user(user.id)


async def deleted(here: AsyncSetting, user: User) -> None:
    """Delete the user."""
    await here.storage.delete_user(user.id)


@pytest.mark.parametrize(("event", "error"), [(moved, VersionConflict), (ended, Revoked), (deleted, NotFound)])
async def test_what_is_vouched_for_is_what_was_looked_at(
    event: Callable[[AsyncSetting, User], Awaitable[None]], error: type[Exception]
) -> None:
    """An address changed, sessions ended or a user deleted since the user was read: nothing is verified."""
    here = AsyncSetting()
    user = await here.torii.password.register(EMAIL, PASSWORD)
    await event(here, user)
    with pytest.raises(error):
        await here.torii.administration.verify(user, keep=True)
    now = await here.torii.get_user(user.id)
    assert now is None or not now.is_email_verified


async def test_another_address_is_unverified_and_ends_what_the_old_one_gave() -> None:
    """Sessions and links to the old mailbox end; the password moves along; both mailboxes get a mail."""
    here = AsyncSetting()
    user = (await here.signed_in()).user
    session = (await here.torii.create_session(user)).token
    await here.torii.password.send_reset(EMAIL)
    old_link = await here.link()
    after = await here.torii.administration.change_email(user, "Ada@New.example")
    assert (after.email, after.email_as_given, after.is_email_verified) == ("ada@new.example", "Ada@New.example", False)
    assert await here.torii.get_signed_in(session) is None
    with pytest.raises(InvalidToken):
        await here.torii.password.complete_reset(old_link, NEW)
    assert [(one.template, one.to) for one in here.mailer.messages][-2:] == [
        ("email_changed", "Ada@example.com"),
        ("verify_email", "Ada@new.example"),
    ]
    assert [one.by_administrator for one in here.events if isinstance(one, EmailChanged)] == [True]
    proved = await here.torii.email_verification.complete(await here.link(), password=PASSWORD)
    assert proved.is_email_verified
    assert proved.has_password


async def test_an_address_is_moved_whole_or_not_at_all() -> None:
    """A taken address changes nothing; after a failure half-way, the same call ends the sessions."""
    here = AsyncSetting()
    await here.torii.administration.create("taken@example.com")
    signed_in = await here.signed_in()
    user = signed_in.user
    with pytest.raises(AlreadyExists):
        await here.torii.administration.change_email(user, "taken@example.com")
    assert await here.torii.get_signed_in(signed_in.session.token) is not None

    async def fail() -> None:
        raise ConnectionError

    with just_before(here.storage, "delete_sessions_for_user", fail), pytest.raises(ConnectionError):
        await here.torii.administration.change_email(user, "new@example.com")
    half = await here.torii.get_user(user.id)
    assert half is not None
    await here.torii.administration.change_email(half, "new@example.com")
    assert await here.torii.get_signed_in(signed_in.session.token) is None


async def test_another_spelling_ends_nothing() -> None:
    """The same address in capitals stays verified, and the sessions stay."""
    here = AsyncSetting()
    user = await here.torii.administration.create(EMAIL, verified=True)
    session = (await here.torii.create_session(user)).token
    after = await here.torii.administration.change_email(user, EMAIL.upper())
    assert after.email_as_given == EMAIL.upper()
    assert after.is_email_verified
    assert await here.torii.get_signed_in(session) is not None
    assert await here.torii.administration.change_email(after, EMAIL.upper()) == after


async def test_a_password_set_by_an_administrator_ends_the_sessions() -> None:
    """The old one is refused, lockout is lifted, and the owner is told."""
    here = AsyncSetting()
    signed_in = await here.signed_in()
    await here.guess_wrong(times=5)
    await here.torii.administration.set_password(signed_in.user, NEW)
    assert await here.torii.get_signed_in(signed_in.session.token) is None
    with pytest.raises(InvalidCredentials):
        await here.torii.password.authenticate(EMAIL, PASSWORD)
    as_signed_in(await here.torii.password.authenticate(EMAIL, NEW))
    assert "password_changed" in await here.templates()
    changed = [one for one in here.events if isinstance(one, PasswordChanged)]
    assert [(one.first, one.by_administrator) for one in changed] == [(False, True)]
    with pytest.raises(ValidationError):
        await here.torii.administration.set_password(signed_in.user, "password123")


async def test_a_reset_is_mailed_or_handed_over() -> None:
    """Both work once; for a locked account neither is made; too many are refused."""
    here = AsyncSetting()
    user = await here.torii.administration.create(EMAIL)
    await here.torii.administration.send_reset(user)
    await here.torii.password.complete_reset(await here.link(), PASSWORD)
    now = await here.torii.get_user(user.id)
    assert now is not None
    token = await here.torii.administration.new_reset_token(now)
    await here.torii.password.complete_reset(token.token, NEW)
    with pytest.raises(InvalidToken):
        await here.torii.password.complete_reset(token.token, NEW)
    locked = await here.torii.lock_user(user.id)
    assert locked is not None
    for call in (here.torii.administration.send_reset, here.torii.administration.new_reset_token):
        with pytest.raises(AccountLocked):
            await call(locked)
    for _ in range(4):
        await here.torii.administration.send_reset(user)
    with pytest.raises(RateLimited):
        await here.torii.administration.send_reset(user)


async def test_one_factor_is_removed_without_a_secret() -> None:
    """It needs no secret of the application; the owner is told which one it was."""
    here = AsyncSetting(secret=None)
    user = await here.torii.administration.create(EMAIL)
    await here.storage.add_factor(NewFactor(user_id=user.id, id="app", secret=b"sealed", last_step=1, name="Phone"))
    await here.storage.set_recovery_codes(user.id, ["mark"])
    belongings = await here.torii.administration.belongings(await here.storage.get_user(user.id) or user)
    assert belongings.described() == ["2 second factors"]
    assert await here.torii.administration.remove_second_factors(user, "app")
    assert not await here.torii.administration.remove_second_factors(user, "app")
    assert await here.templates() == ["second_factor_removed"]
    removed = [one for one in here.events if isinstance(one, SecondFactorRemoved)]
    assert [(one.kind, one.factor_id, one.by_administrator) for one in removed] == [("totp", "app", True)]


async def test_belongings_are_counted() -> None:
    """What a question about a deletion names, in words."""
    here = AsyncSetting()
    signed_in = await here.signed_in()
    await here.torii.create_session(signed_in.user)
    found = await here.torii.administration.belongings(signed_in.user)
    assert found.described() == ["the password", "2 sessions"]
    empty = await here.torii.administration.create("b@example.com")
    assert (await here.torii.administration.belongings(empty)).described() == []


@pytest.mark.parametrize(
    ("text", "found"),
    [("zoe", True), ("ZOË müller", True), ("bucher", True), ("zoe@", True), ("xn--bcher", True), ("zoe nobody", False)],
)
async def test_search_takes_parts_of_names_and_addresses(text: str, found: bool) -> None:
    """Every word must occur in the name or the address, in any case, with or without accents."""
    here = AsyncSetting()
    user = await here.storage.create_user(NewUser(email="Zoe@Bücher.example", name="Zoë Müller"))
    await here.storage.create_user(NewUser(email="ada@example.com"))
    page = await here.torii.administration.search(text)
    assert [one.id for one in page.users] == ([user.id] if found else [])
    assert (page.looked_at, page.next_cursor) == (2, None)


async def test_search_stops_and_continues() -> None:
    """A step reads a bounded number of users, says how many, and the next one continues: all are found once."""
    here = AsyncSetting()
    ids = {(await here.storage.create_user(NewUser(email=f"user{number}@example.com"))).id for number in range(350)}
    first = await here.torii.administration.search("nobody", most=200)
    assert (first.users, first.looked_at) == ((), 200)
    assert first.next_cursor is not None
    cursor, found, steps = None, list[str](), 0
    while steps == 0 or cursor is not None:
        page = await here.torii.administration.search("user", cursor=cursor)
        found += [user.id for user in page.users]
        cursor, steps = page.next_cursor, steps + 1
    assert sorted(found) == sorted(ids)
    assert steps == 4
    for text in (" ", "x" * 257):
        with pytest.raises(ValidationError):
            await here.torii.administration.search(text)
