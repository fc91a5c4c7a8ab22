"""Users and sessions made for an application's tests."""

from __future__ import annotations

from datetime import timedelta

import pytest

from torii_dynamodb._core import sessions, users
from torii_dynamodb._rules.secrets import parse_session_token
from torii_dynamodb.testing import FakeClock, make_session, make_user


def test_they_are_as_a_storage_returns_them() -> None:
    """A user and a session survive being stored and read, and the session passes the check."""
    user = make_user(metadata={"plan": "free"})
    session = make_session(user)
    assert users.read(users.to_item(user)) == user
    parsed = parse_session_token(session.token)
    assert parsed is not None
    found = sessions.judge(
        parsed, session.token, sessions.to_item(session), users.to_item(user), session.created_at + timedelta(days=29)
    )
    assert found == (user, session)


def test_two_users_do_not_clash() -> None:
    """Ids and addresses differ from call to call."""
    one, two = make_user(), make_user()
    assert one.id != two.id
    assert one.email != two.email
    assert one.identities.isdisjoint(two.identities)


def test_fields_that_are_given_decide_the_others() -> None:
    """An address is normalised and is the identity; a token decides the id, and the user the epoch."""
    user = make_user(email="Ada@EXAMPLE.com", session_epoch=7)
    assert (user.email, user.email_as_given) == ("ada@example.com", "Ada@EXAMPLE.com")
    clock = FakeClock()
    session = make_session(user, token="torii_s1_x", created_at=clock())
    assert (session.user_id, session.epoch, session.token) == (user.id, 7, "torii_s1_x")
    assert session.expires_at == clock() + timedelta(days=30)
    assert session.id == make_session(token="torii_s1_x").id
    assert make_session(user, token="").token == ""


def test_every_field_can_be_given() -> None:
    """Any field of the model may be given; a name that is not one is an error."""
    assert make_user(locked_at=None, name=None, password_version="1").has_password
    with pytest.raises(TypeError):
        make_user(nickname="Ada")
