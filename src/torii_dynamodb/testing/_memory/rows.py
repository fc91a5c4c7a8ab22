"""The rows as DynamoDB would store them: for reading past the storage, and to compute their size."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

from torii_dynamodb._core import attributes, keys
from torii_dynamodb._core.sizes import check_item_size
from torii_dynamodb._rules import times
from torii_dynamodb.models import Factor, OAuthAccount, Passkey, Session, User
from torii_dynamodb.testing._memory.inputs import own
from torii_dynamodb.testing._memory.state import EmailIdentity, Identity, MemoryState, TokenRow

__all__ = ["Row", "check_size", "dump", "identity_row", "session_row", "token_row", "user_row"]

Row: TypeAlias = dict[str, Any]


def user_row(user: User) -> Row:
    """A user."""
    return _kept(
        id=user.id,
        email=user.email,
        email_as_given=user.email_as_given,
        name=user.name,
        email_verified_at=user.email_verified_at and times.to_text(user.email_verified_at),
        locked_at=user.locked_at and times.to_text(user.locked_at),
        created_at=times.to_text(user.created_at),
        updated_at=times.to_text(user.updated_at),
        metadata=own(user.metadata),
        version=user.version,
        session_epoch=user.session_epoch,
        password_version=user.password_version,
        identities=user.identities,
        token_serials=dict(user.token_serials),
        disconnected=user.disconnected or None,
        factors=user.factors or None,
    )


def identity_row(key: str, identity: Identity) -> Row:
    """An identity."""
    created = times.to_text(identity.created_at)
    match identity:
        case EmailIdentity():
            return _kept(
                id=key,
                user_id=identity.user_id,
                email=identity.email,
                password_hash=identity.password_hash,
                password_version=identity.password_version,
                created_at=created,
            )
        case OAuthAccount():
            return _kept(
                id=key,
                user_id=identity.user_id,
                provider=identity.provider,
                subject=identity.subject,
                email=identity.email,
                profile=own(identity.profile),
                tokens=own(identity.tokens),
                created_at=created,
                updated_at=times.to_text(identity.updated_at),
            )
        case Passkey():
            return _kept(
                id=key,
                user_id=identity.user_id,
                credential_id=identity.credential_id,
                public_key=identity.public_key,
                sign_count=identity.sign_count,
                name=identity.name,
                transports=list(identity.transports),
                aaguid=identity.aaguid,
                backed_up=identity.backed_up,
                backup_eligible=identity.backup_eligible,
                imported=identity.imported or None,
                created_at=created,
                last_used_at=identity.last_used_at and times.to_text(identity.last_used_at),
            )
        case Factor():
            return _kept(
                id=key,
                user_id=identity.user_id,
                kind=identity.kind,
                name=identity.name,
                secret=identity.secret,
                last_step=identity.last_step,
                codes=identity.marks or None,
                created_at=created,
                last_used_at=identity.last_used_at and times.to_text(identity.last_used_at),
            )


def session_row(session: Session) -> Row:
    """A session."""
    return _kept(
        id=session.id,
        user_id=session.user_id,
        created_at=times.to_text(session.created_at),
        expires_at=times.epoch_seconds(session.expires_at),
        epoch=session.epoch,
        user_agent=session.user_agent,
        ip_address=session.ip_address,
        metadata=own(session.metadata),
        amr=list(session.amr) or None,
        authenticated_at=session.authenticated_at and times.to_text(session.authenticated_at),
        second_factor_at=session.second_factor_at and times.to_text(session.second_factor_at),
    )


def token_row(token: TokenRow) -> Row:
    """A one-time secret."""
    return _kept(
        id=token.id,
        purpose=token.purpose,
        user_id=token.user_id,
        email=token.email,
        epoch=token.epoch,
        serial=token.serial,
        kind=token.kind,
        sealed=token.sealed,
        created_at=times.to_text(token.created_at),
        expires_at=times.epoch_seconds(token.expires_at),
        metadata=own(token.metadata),
        consumed_by=token.consumed_by,
        mark=token.mark,
        tries=list(token.tries) or None,
    )


def check_size(row: Row, what: str) -> None:
    """Refuse a row that would be too large on DynamoDB.

    Raises:
        ItemTooLarge: It would take more than 400 KB.
    """
    item: attributes.Item = {}
    for name, value in row.items():
        item[name] = (
            attributes.string_set(cast("frozenset[str]", value))
            if isinstance(value, frozenset)
            else attributes.encode(value)
        )
    check_item_size(item, what)


def dump(state: MemoryState) -> dict[str, list[Row]]:
    """Return everything stored, by table. The caller holds the lock."""
    attempts: list[Row] = [
        {"subject": subject, "attempt": keys.REGISTER, "attempts": list(register)}
        for subject, register in state.registers.items()
    ]
    attempts += [
        _kept(
            subject=subject,
            attempt=row.attempt_id,
            at=times.to_text(row.at),
            ip_address=row.ip_address,
            user_agent=row.user_agent,
            expires_at=times.epoch_seconds(row.expires_at),
        )
        for subject, rows in state.audit.items()
        for row in rows.values()
    ]
    return {
        "users": [user_row(user) for user in state.users.values()],
        "sessions": [session_row(session) for session in state.sessions.values()],
        "identities": [identity_row(key, identity) for key, identity in state.identities.items()],
        "tokens": [token_row(token) for token in state.tokens.values()],
        "login_attempts": attempts,
    }


def _kept(**values: Any) -> Row:
    """Leave out absent values, as in the tables."""
    return {name: value for name, value in values.items() if value is not None}
