"""Whether a session or a token is valid is decided in one place each; every part of the decision matters."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from torii_dynamodb._core import sessions, tokens, users
from torii_dynamodb._core.attributes import Item, number
from torii_dynamodb._rules.secrets import ParsedSecret, parse_one_time_token, parse_session_token
from torii_dynamodb.clock import system_random
from torii_dynamodb.models import MAGIC_LINK, NewSession, NewToken, NewUser

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ENDS = NOW + timedelta(hours=1)
ADA = users.new_user_model(NewUser(email="ada@example.com", id="ada"), None, NOW, system_random)
SESSION = sessions.bind(NewSession(user_id="ada", expires_at=ENDS), ADA.session_epoch, NOW, system_random)
TOKEN = tokens.issue(NewToken(purpose=MAGIC_LINK, expires_at=ENDS, user_id="ada"), ADA, NOW, system_random)


def parsed(token: str | None) -> ParsedSecret:
    found = parse_session_token(token) or parse_one_time_token(token)
    assert found is not None
    return found


def test_a_session_that_fits_passes() -> None:
    """If every part fits, the session and its user are returned."""
    found = sessions.judge(parsed(SESSION.token), SESSION.token, sessions.to_item(SESSION), users.to_item(ADA), NOW)
    assert found == (ADA, SESSION)


@pytest.mark.parametrize(
    ("session", "user", "seconds"),
    [
        (None, {}, 0),
        ({}, None, 0),
        ({"user_id": {"S": "grace"}}, {}, 0),
        ({}, {"id": {"S": "grace"}}, 0),
        ({"user_id": {"S": "grace"}}, {"id": {"S": "grace"}}, 0),
        ({"epoch": number(ADA.session_epoch - 1)}, {}, 0),
        ({"epoch": number(ADA.session_epoch + 1)}, {}, 0),
        ({}, {}, 3600),
        ({}, {}, 3601),
    ],
)
def test_a_session_that_does_not_fit_is_refused(session: Item | None, user: Item | None, seconds: int) -> None:
    """If any part is wrong, the session is refused, whatever the others are."""
    session_item = None if session is None else sessions.to_item(SESSION) | session
    user_item = None if user is None else users.to_item(ADA) | user
    now = NOW + timedelta(seconds=seconds)
    assert sessions.judge(parsed(SESSION.token), SESSION.token, session_item, user_item, now) is None


def test_a_token_holds_while_all_is_as_it_was() -> None:
    """A token is valid only while address, epoch, serial and user are as they were when it was issued."""
    item, named = tokens.bearer_item(TOKEN, ADA), parsed(TOKEN.token).user_id
    assert tokens.verified(item, named, ADA)
    changed = [
        replace(ADA, id="grace"),
        replace(ADA, email="grace@example.com"),
        replace(ADA, session_epoch=ADA.session_epoch + 1),
        replace(ADA, token_serials={MAGIC_LINK: "a"}),
        replace(ADA, token_serials={users.ANY_PURPOSE: "a"}),
        None,
    ]
    assert [tokens.verified(item, named, user) for user in changed] == [None] * len(changed)
    assert not tokens.verified(item, "grace", ADA)
    assert tokens.verified(item, named, replace(ADA, token_serials={"other": "a"}))
