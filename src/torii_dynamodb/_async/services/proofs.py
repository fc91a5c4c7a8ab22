"""Recording that a user proved to own an address while signing in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torii_dynamodb.errors import Revoked
from torii_dynamodb.events import EmailVerified
from torii_dynamodb.models import User

if TYPE_CHECKING:
    from torii_dynamodb._async.contract import AsyncStorage
    from torii_dynamodb._async.services.events import AsyncEvents
    from torii_dynamodb.clock import Clock

__all__ = ["prove_email"]


async def prove_email(
    storage: AsyncStorage, events: AsyncEvents, clock: Clock, user: User, *, email: str
) -> User | None:
    """Record the proof. A first one removes password, accounts, passkeys and sessions set before it (pre-hijacking).

    Args:
        storage: Stores the user.
        events: Receives the events.
        clock: The clock.
        user: The user as read with the proof; the proof only counts under their epoch.
        email: The address that was proved, normalised.

    Returns:
        The user to create a session for; ``None`` if they have another address by now, or all their sessions have been
        ended since the proof (or may have been: the user was changed twice meanwhile).
    """
    if user.email != email:
        return None
    if user.is_email_verified:
        return user
    try:
        proved = await storage.mark_email_verified(
            user.id, email=email, remove_unproven=True, session_epoch=user.session_epoch
        )
    except Revoked:
        return None
    if proved is None or not _only_proved(user, proved):
        return None
    await events.emit(EmailVerified(at=clock(), user_id=proved.id, email=proved.email))
    return proved


def _only_proved(before: User, after: User) -> bool:
    """Whether only first proofs changed the epoch; otherwise all sessions were ended in between.

    A first proof is one version and one epoch, and leaves no password. So is a reset, but it leaves a password.
    """
    if after.session_epoch == before.session_epoch:
        return True
    one_on = (before.version + 1, before.session_epoch + 1)
    return (after.version, after.session_epoch) == one_on and not after.has_password
