"""What follows when somebody proves to own an address while signing in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torii_dynamodb._core.events import EmailVerified
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
        storage: Where the user is kept.
        events: Who is told.
        clock: What time it is.
        user: The user as read with the proof.
        email: The address that was proved, normalised.

    Returns:
        The user to make a session for; ``None`` when they hold another address by now, or all their sessions were ended
        since the proof.
    """
    if user.email != email:
        return None
    if user.is_email_verified:
        return user
    proved = await storage.mark_email_verified(user.id, email=email, remove_unproven=True)
    # The proof itself moves the epoch by one. If it moved further, somebody ended all sessions in between.
    if proved is None or not 0 <= proved.session_epoch - user.session_epoch <= 1:
        return None
    await events.emit(EmailVerified(at=clock(), user_id=proved.id, email=proved.email))
    return proved
