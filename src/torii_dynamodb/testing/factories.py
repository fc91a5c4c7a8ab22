"""Users and sessions for an application's own tests: valid, with a default for every field, and in no storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict, cast

from torii_dynamodb._core import sessions, users
from torii_dynamodb._rules.secrets import digest
from torii_dynamodb.clock import system_clock, system_random
from torii_dynamodb.models import Metadata, NewSession, NewUser, Session, User

if TYPE_CHECKING:
    from typing import Unpack

__all__ = ["SessionFields", "UserFields", "make_session", "make_user"]


class UserFields(TypedDict, total=False):
    """The fields of :class:`~torii_dynamodb.User`."""

    id: str
    email: str
    email_as_given: str
    name: str | None
    email_verified_at: datetime | None
    locked_at: datetime | None
    created_at: datetime
    updated_at: datetime
    metadata: Metadata
    version: int
    session_epoch: int
    password_version: str | None
    identities: frozenset[str]
    token_serials: Mapping[str, str]
    disconnected: frozenset[str]


class SessionFields(TypedDict, total=False):
    """The fields of :class:`~torii_dynamodb.Session`, without its user's."""

    id: str
    created_at: datetime
    expires_at: datetime
    epoch: int
    user_agent: str | None
    ip_address: str | None
    metadata: Metadata
    token: str


def make_user(**fields: Unpack[UserFields]) -> User:
    """Make a user who has just been created, with a verified address, a unique id and no password.

    Args:
        fields: What is to differ. ``email`` may be written in any way; it decides ``identities`` and, unless given,
            ``email_as_given``.
    """
    user_id = fields.get("id", f"usr_{system_random(16).hex()}")
    now = fields.get("created_at", system_clock())
    new_user = NewUser(
        id=user_id, email=fields.get("email", f"{user_id}@example.com"), name="Ada", email_verified_at=now
    )
    user = replace(users.new_user_model(new_user, None, now, system_random), session_epoch=1)
    return replace(user, **{name: value for name, value in cast("dict[str, Any]", fields).items() if name != "email"})


def make_session(user: User | None = None, **fields: Unpack[SessionFields]) -> Session:
    """Make a session that has just begun and ends in 30 days, with its token.

    Args:
        user: Whose it is; ``None`` makes a user.
        fields: What is to differ. ``token`` decides ``id``.
    """
    user = make_user() if user is None else user
    now = fields.get("created_at", system_clock())
    new_session = NewSession(user_id=user.id, expires_at=(now + timedelta(days=30)).replace(microsecond=0))
    session = sessions.bind(new_session, user.session_epoch, now, system_random)
    if token := fields.get("token"):
        session = replace(session, id=digest(token))
    return replace(session, **cast("dict[str, Any]", fields))
