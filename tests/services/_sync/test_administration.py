# Generated from tests/services/_async/test_administration.py by tools/unasync.py. Do not edit.

"""What administrators do to the accounts of others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.services._sync.support import EMAIL, PASSWORD, Setting, as_signed_in, just_before

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


def test_an_invited_user_chooses_a_password() -> None:
    """The link in the invitation sets the first password and proves the address."""
    here = Setting()
    user = here.torii.administration.create(EMAIL, name="Ada", metadata={"plan": "pro"}, invite=True)
    assert (user.name, dict(user.metadata), user.has_password, user.is_email_verified) == (
        "Ada",
        {"plan": "pro"},
        False,
        False,
    )
    assert here.templates() == ["invitation"]
    after = here.torii.password.complete_reset(here.link(), PASSWORD)
    assert after.is_email_verified
    as_signed_in(here.torii.password.authenticate(EMAIL, PASSWORD))
    assert here.names()[0] == "user.created"


def test_a_vouched_address_and_a_password_are_there_from_the_start() -> None:
    """With ``verified`` and ``password`` the user signs in at once, and no mail is sent."""
    here = Setting()
    user = here.torii.administration.create(EMAIL, password=PASSWORD, verified=True)
    assert user.is_email_verified
    as_signed_in(here.torii.password.authenticate(EMAIL, PASSWORD, require_verified=True))
    assert here.templates() == []


@pytest.mark.parametrize("password", ["short", "password123", "ada.lovelace.1"])
def test_the_password_policy_holds_for_administrators(password: str) -> None:
    """A password that a user could not choose is refused, and nobody is created."""
    here = Setting()
    with pytest.raises(ValidationError) as refused:
        here.torii.administration.create(EMAIL, name="Lovelace", password=password)
    assert password not in str(refused.value)
    assert here.torii.get_user_by_email(EMAIL) is None


def test_creating_refuses_before_it_writes() -> None:
    """A taken address, a password beside an invitation, and an invitation without a mailer are errors."""
    here = Setting()
    here.torii.administration.create(EMAIL)
    with pytest.raises(AlreadyExists):
        here.torii.administration.create(EMAIL.upper())
    with pytest.raises(ValidationError, match="either this or invite"):
        here.torii.administration.create("b@example.com", password=PASSWORD, invite=True)
    quiet = Setting(mailer=None, mail=None)
    with pytest.raises(ConfigurationError):
        quiet.torii.administration.create("b@example.com", invite=True)
    for setting in (here, quiet):
        assert setting.torii.get_user_by_email("b@example.com") is None


@pytest.mark.parametrize("keep", [False, True])
def test_vouching_removes_what_a_stranger_may_have_set_up(keep: bool) -> None:
    """Like any first proof, it removes password and sessions, unless the administrator keeps them."""
    here = Setting()
    signed_in = here.signed_in()
    user = here.torii.administration.verify(signed_in.user, keep=keep)
    assert user.is_email_verified
    assert user.has_password is keep
    assert (here.torii.get_signed_in(signed_in.session.token) is not None) is keep
    assert [one.by_administrator for one in here.events if isinstance(one, EmailVerified)] == [True]
    assert here.torii.administration.verify(user) == user
    assert here.names().count("email.verified") == 1


def moved(here: Setting, user: User) -> None:
    """Move the user to another address."""
    here.storage.update_user(user, email="other@example.com")


def ended(here: Setting, user: User) -> None:
    """End all sessions."""
    here.storage.delete_sessions_for_user(user.id)


def deleted(here: Setting, user: User) -> None:
    """Delete the user."""
    here.storage.delete_user(user.id)


@pytest.mark.parametrize(("event", "error"), [(moved, VersionConflict), (ended, Revoked), (deleted, NotFound)])
def test_what_is_vouched_for_is_what_was_looked_at(
    event: Callable[[Setting, User], None], error: type[Exception]
) -> None:
    """An address changed, sessions ended or a user deleted since the user was read: nothing is verified."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    event(here, user)
    with pytest.raises(error):
        here.torii.administration.verify(user, keep=True)
    now = here.torii.get_user(user.id)
    assert now is None or not now.is_email_verified


def test_another_address_is_unverified_and_ends_what_the_old_one_gave() -> None:
    """Sessions and links to the old mailbox end; the password moves along; both mailboxes get a mail."""
    here = Setting()
    user = (here.signed_in()).user
    session = (here.torii.create_session(user)).token
    here.torii.password.send_reset(EMAIL)
    old_link = here.link()
    after = here.torii.administration.change_email(user, "Ada@New.example")
    assert (after.email, after.email_as_given, after.is_email_verified) == ("ada@new.example", "Ada@New.example", False)
    assert here.torii.get_signed_in(session) is None
    with pytest.raises(InvalidToken):
        here.torii.password.complete_reset(old_link, NEW)
    assert [(one.template, one.to) for one in here.mailer.messages][-2:] == [
        ("email_changed", "Ada@example.com"),
        ("verify_email", "Ada@new.example"),
    ]
    assert [one.by_administrator for one in here.events if isinstance(one, EmailChanged)] == [True]
    proved = here.torii.email_verification.complete(here.link(), password=PASSWORD)
    assert proved.is_email_verified
    assert proved.has_password


def test_an_address_is_moved_whole_or_not_at_all() -> None:
    """A taken address changes nothing; after a failure half-way, the same call ends the sessions."""
    here = Setting()
    here.torii.administration.create("taken@example.com")
    signed_in = here.signed_in()
    user = signed_in.user
    with pytest.raises(AlreadyExists):
        here.torii.administration.change_email(user, "taken@example.com")
    assert here.torii.get_signed_in(signed_in.session.token) is not None

    def fail() -> None:
        raise ConnectionError

    with just_before(here.storage, "delete_sessions_for_user", fail), pytest.raises(ConnectionError):
        here.torii.administration.change_email(user, "new@example.com")
    half = here.torii.get_user(user.id)
    assert half is not None
    here.torii.administration.change_email(half, "new@example.com")
    assert here.torii.get_signed_in(signed_in.session.token) is None


def test_another_spelling_ends_nothing() -> None:
    """The same address in capitals stays verified, and the sessions stay."""
    here = Setting()
    user = here.torii.administration.create(EMAIL, verified=True)
    session = (here.torii.create_session(user)).token
    after = here.torii.administration.change_email(user, EMAIL.upper())
    assert after.email_as_given == EMAIL.upper()
    assert after.is_email_verified
    assert here.torii.get_signed_in(session) is not None
    assert here.torii.administration.change_email(after, EMAIL.upper()) == after


def test_a_password_set_by_an_administrator_ends_the_sessions() -> None:
    """The old one is refused, lockout is lifted, and the owner is told."""
    here = Setting()
    signed_in = here.signed_in()
    here.guess_wrong(times=5)
    here.torii.administration.set_password(signed_in.user, NEW)
    assert here.torii.get_signed_in(signed_in.session.token) is None
    with pytest.raises(InvalidCredentials):
        here.torii.password.authenticate(EMAIL, PASSWORD)
    as_signed_in(here.torii.password.authenticate(EMAIL, NEW))
    assert "password_changed" in here.templates()
    changed = [one for one in here.events if isinstance(one, PasswordChanged)]
    assert [(one.first, one.by_administrator) for one in changed] == [(False, True)]
    with pytest.raises(ValidationError):
        here.torii.administration.set_password(signed_in.user, "password123")


def test_a_reset_is_mailed_or_handed_over() -> None:
    """Both work once; for a locked account neither is made; too many are refused."""
    here = Setting()
    user = here.torii.administration.create(EMAIL)
    here.torii.administration.send_reset(user)
    here.torii.password.complete_reset(here.link(), PASSWORD)
    now = here.torii.get_user(user.id)
    assert now is not None
    token = here.torii.administration.new_reset_token(now)
    here.torii.password.complete_reset(token.token, NEW)
    with pytest.raises(InvalidToken):
        here.torii.password.complete_reset(token.token, NEW)
    locked = here.torii.lock_user(user.id)
    assert locked is not None
    for call in (here.torii.administration.send_reset, here.torii.administration.new_reset_token):
        with pytest.raises(AccountLocked):
            call(locked)
    for _ in range(4):
        here.torii.administration.send_reset(user)
    with pytest.raises(RateLimited):
        here.torii.administration.send_reset(user)


def test_one_factor_is_removed_without_a_secret() -> None:
    """It needs no secret of the application; the owner is told which one it was."""
    here = Setting(secret=None)
    user = here.torii.administration.create(EMAIL)
    here.storage.add_factor(NewFactor(user_id=user.id, id="app", secret=b"sealed", last_step=1, name="Phone"))
    here.storage.set_recovery_codes(user.id, ["mark"])
    belongings = here.torii.administration.belongings(here.storage.get_user(user.id) or user)
    assert belongings.described() == ["2 second factors"]
    assert here.torii.administration.remove_second_factors(user, "app")
    assert not here.torii.administration.remove_second_factors(user, "app")
    assert here.templates() == ["second_factor_removed"]
    removed = [one for one in here.events if isinstance(one, SecondFactorRemoved)]
    assert [(one.kind, one.factor_id, one.by_administrator) for one in removed] == [("totp", "app", True)]


def test_belongings_are_counted() -> None:
    """What a question about a deletion names, in words."""
    here = Setting()
    signed_in = here.signed_in()
    here.torii.create_session(signed_in.user)
    found = here.torii.administration.belongings(signed_in.user)
    assert found.described() == ["the password", "2 sessions"]
    empty = here.torii.administration.create("b@example.com")
    assert (here.torii.administration.belongings(empty)).described() == []


@pytest.mark.parametrize(
    ("text", "found"),
    [("zoe", True), ("ZOË müller", True), ("bucher", True), ("zoe@", True), ("xn--bcher", True), ("zoe nobody", False)],
)
def test_search_takes_parts_of_names_and_addresses(text: str, found: bool) -> None:
    """Every word must occur in the name or the address, in any case, with or without accents."""
    here = Setting()
    user = here.storage.create_user(NewUser(email="Zoe@Bücher.example", name="Zoë Müller"))
    here.storage.create_user(NewUser(email="ada@example.com"))
    page = here.torii.administration.search(text)
    assert [one.id for one in page.users] == ([user.id] if found else [])
    assert (page.looked_at, page.next_cursor) == (2, None)


def test_search_stops_and_continues() -> None:
    """A step reads a bounded number of users, says how many, and the next one continues: all are found once."""
    here = Setting()
    ids = {(here.storage.create_user(NewUser(email=f"user{number}@example.com"))).id for number in range(350)}
    first = here.torii.administration.search("nobody", most=200)
    assert (first.users, first.looked_at) == ((), 200)
    assert first.next_cursor is not None
    cursor, found, steps = None, list[str](), 0
    while steps == 0 or cursor is not None:
        page = here.torii.administration.search("user", cursor=cursor)
        found += [user.id for user in page.users]
        cursor, steps = page.next_cursor, steps + 1
    assert sorted(found) == sorted(ids)
    assert steps == 4
    for text in (" ", "x" * 257):
        with pytest.raises(ValidationError):
            here.torii.administration.search(text)
