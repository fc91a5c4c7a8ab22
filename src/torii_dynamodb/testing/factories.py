"""Users and sessions for an application's own tests: valid, with a default for every field, and in no storage."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from torii_dynamodb._core import sessions, users
from torii_dynamodb._rules.secrets import digest
from torii_dynamodb.clock import system_clock, system_random
from torii_dynamodb.models import NewSession, NewUser, Session, User

__all__ = ["make_session", "make_user"]


def make_user(**fields: Any) -> User:
    """Make a user who has just been created, with a verified address, a unique id and no password.

    Args:
        fields: The fields of :class:`~torii_dynamodb.User` that should differ. ``email`` may be written in any way; it
            decides ``identities`` and, unless given, ``email_as_given``.
    """
    user_id = fields.get("id", f"usr_{system_random(16).hex()}")
    email = fields.pop("email", f"{user_id}@example.com")
    now = fields.get("created_at", system_clock())
    new_user = NewUser(id=user_id, email=email, name="Ada", email_verified_at=now)
    user = replace(users.new_user_model(new_user, None, now, system_random), session_epoch=1)
    return replace(user, **fields)


def make_session(user: User | None = None, **fields: Any) -> Session:
    """Make a session that has just begun and ends in 30 days, with its token.

    Args:
        user: Whose session it is; ``None`` makes a user.
        fields: The fields of :class:`~torii_dynamodb.Session` that should differ. ``token`` decides ``id``.
    """
    user = make_user() if user is None else user
    now = fields.get("created_at", system_clock())
    new_session = NewSession(user_id=user.id, expires_at=(now + timedelta(days=30)).replace(microsecond=0))
    session = sessions.bind(new_session, user.session_epoch, now, system_random)
    if token := fields.get("token"):
        session = replace(session, id=digest(token))
    return replace(session, **fields)
