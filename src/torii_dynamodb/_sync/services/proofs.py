# Generated from src/torii_dynamodb/_async/services/proofs.py by tools/unasync.py. Do not edit.

"""What follows when somebody proves to own an address while signing in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torii_dynamodb.errors import Revoked
from torii_dynamodb.events import EmailVerified
from torii_dynamodb.models import User

if TYPE_CHECKING:
    from torii_dynamodb._sync.contract import Storage
    from torii_dynamodb._sync.services.events import Events
    from torii_dynamodb.clock import Clock

__all__ = ["prove_email"]


def prove_email(storage: Storage, events: Events, clock: Clock, user: User, *, email: str) -> User | None:
    """Record the proof. A first one removes password, accounts, passkeys and sessions set before it (pre-hijacking).

    Args:
        storage: Where the user is kept.
        events: Who is told.
        clock: What time it is.
        user: The user as read with the proof; the proof counts under their epoch only.
        email: The address that was proved, normalised.

    Returns:
        The user to make a session for; ``None`` when they hold another address by now, or all their sessions were ended
        since the proof (or may have been: the user was changed twice meanwhile).
    """
    if user.email != email:
        return None
    if user.is_email_verified:
        return user
    try:
        proved = storage.mark_email_verified(
            user.id, email=email, remove_unproven=True, session_epoch=user.session_epoch
        )
    except Revoked:
        return None
    if proved is None or not _only_proved(user, proved):
        return None
    events.emit(EmailVerified(at=clock(), user_id=proved.id, email=proved.email))
    return proved


def _only_proved(before: User, after: User) -> bool:
    """Whether nothing but first proofs moved the epoch: else somebody ended all sessions in between.

    A first proof is one version, one epoch, and leaves no password. A reset would be one of each too, with a password.
    """
    if after.session_epoch == before.session_epoch:
        return True
    one_on = (before.version + 1, before.session_epoch + 1)
    return (after.version, after.session_epoch) == one_on and not after.has_password
