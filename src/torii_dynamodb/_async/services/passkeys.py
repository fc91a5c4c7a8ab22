"""Adding passkeys, and signing in with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torii_dynamodb._async.primitives import gather
from torii_dynamodb._core.keys import passkey_key
from torii_dynamodb._rules import base64url
from torii_dynamodb._rules import webauthn as ceremonies
from torii_dynamodb._rules.signing_in import Browser, refuse_locked
from torii_dynamodb._rules.webauthn import PasskeyError, PasskeySettings
from torii_dynamodb.clock import Clock, RandomBytes
from torii_dynamodb.errors import ClonedAuthenticator
from torii_dynamodb.events import PasskeyAdded, PasskeyRemoved, SignInFailed
from torii_dynamodb.models import (
    CeremonyKind,
    Listing,
    NewPasskeyChallenge,
    Passkey,
    PasskeyChallenge,
    SignedIn,
    User,
)

if TYPE_CHECKING:
    from torii_dynamodb._async.contract import AsyncStorage
    from torii_dynamodb._async.services.events import AsyncEvents
    from torii_dynamodb._async.services.sessions import AsyncSessionService

__all__ = ["AsyncPasskeyService"]

_CHALLENGE = "the challenge was not issued here, was used, or has expired"
_UNKNOWN = "nobody has this passkey"
_EPOCH = "session_epoch"


class AsyncPasskeyService:
    """Passkeys (WebAuthn). Options and answers are the JSON forms of WebAuthn Level 3, as dicts.

    Args:
        storage: Where passkeys and challenges are kept.
        sessions: Makes the sessions.
        settings: Where passkeys are good for.
        events: Who is told.
        clock: What time it is.
        random: Makes the challenges.
    """

    def __init__(
        self,
        storage: AsyncStorage,
        sessions: AsyncSessionService,
        settings: PasskeySettings,
        *,
        events: AsyncEvents,
        clock: Clock,
        random: RandomBytes,
    ) -> None:
        self._storage = storage
        self._sessions = sessions
        self.settings = settings
        self._events = events
        self._clock = clock
        self._random = random

    async def begin_registration(self, user: User) -> dict[str, Any]:
        """Options for ``navigator.credentials.create``: a discoverable passkey for a signed-in user.

        Ask for a recent sign-in before. Passkeys that the user has are excluded, so that none is made twice.
        """
        refuse_locked(user)
        held: list[Passkey] = []
        challenges: list[bytes] = []

        async def read() -> None:
            held.extend(await self._storage.list_passkeys_for_user(user.id))

        async def remember() -> None:
            challenges.append(await self._challenge("registration", user))

        await gather(read, remember)
        return ceremonies.registration_options(self.settings, user, held, challenges[0])

    async def complete_registration(self, user: User, answer: Mapping[str, Any], *, name: str = "Passkey") -> Passkey:
        """Verify the browser's answer and add the passkey.

        Args:
            user: Who is signed in.
            answer: ``credential.toJSON()``.
            name: What the person calls it, up to 64 characters.

        Raises:
            PasskeyError: It does not hold; ``reason`` says why.
            Revoked: All the user's sessions were ended since the registration was begun.
            AlreadyExists: ``what="passkey"``: another user holds it.
            TooManyIdentities: The user holds as many identities as there may be.
            ValidationError: The name cannot be used.
        """
        refuse_locked(user)
        challenge = ceremonies.read_challenge(answer)
        issued = await self._consume(challenge, "registration", user.id)
        new = ceremonies.verify_registration(self.settings, answer, challenge, user, name)
        passkey = await self._storage.add_passkey(new, session_epoch=_epoch_of(issued))
        await self._events.emit(
            PasskeyAdded(
                at=self._clock(),
                user_id=user.id,
                credential_id=base64url.encode(passkey.credential_id),
                passkey_name=passkey.name,
            )
        )
        return passkey

    async def begin_sign_in(self, *, user: User | None = None) -> dict[str, Any]:
        """Options for ``navigator.credentials.get``.

        Args:
            user: Who is signed in already, to ask them once more: then only their passkeys pass. For a sign-in leave it
                out: the person picks a passkey and needs no address, so nothing tells who has an account.
        """
        if user is None:
            return ceremonies.sign_in_options(self.settings, (), await self._challenge("authentication", None))
        held = await self._storage.list_passkeys_for_user(user.id)
        challenge = await self._challenge("authentication", user)
        return ceremonies.sign_in_options(self.settings, held, challenge)

    async def complete_sign_in(self, answer: Mapping[str, Any], *, browser: Browser = Browser()) -> SignedIn:
        """Verify the browser's answer and sign in. Six requests in four rounds.

        Args:
            answer: ``credential.toJSON()``.
            browser: Where the request comes from.

        Returns:
            The user and a new session with its token.

        Raises:
            PasskeyError: It does not hold; ``reason`` says why.
            ClonedAuthenticator: The sign count did not go up, and the settings refuse that; or the passkey can be
                backed up all at once, or cannot any more.
            AccountLocked: An administrator locked the account.
        """
        try:
            user = await self._verify(answer)
        except (PasskeyError, ClonedAuthenticator):
            await self._events.emit(
                SignInFailed(
                    at=self._clock(),
                    user_id=None,
                    method="passkey",
                    reason="credentials",
                    ip_address=browser.ip_address,
                    user_agent=browser.user_agent,
                )
            )
            raise
        return SignedIn(user, await self._sessions.sign_in(user, browser, method="passkey"))

    async def _verify(self, answer: Mapping[str, Any]) -> User:
        claimed = ceremonies.read_sign_in(answer)
        found: list[Passkey | None] = []
        issued: list[PasskeyChallenge] = []

        async def consume() -> None:
            issued.append(await self._consume(claimed.challenge, "authentication", None))

        async def read() -> None:
            found.append(await self._storage.get_passkey(claimed.credential_id, consistent=True))

        await gather(consume, read)
        passkey = found[0]
        if passkey is None:
            raise PasskeyError("unknown", _UNKNOWN)
        # WebAuthn, 7.2 step 6: who was asked by name must answer; else the authenticator must name the holder.
        asked = issued[0].user_id
        if asked not in (None, passkey.user_id) or claimed.user_handle not in (None, passkey.user_id):
            raise PasskeyError("unknown", _UNKNOWN)
        if asked is None and claimed.user_handle is None:
            raise PasskeyError("refused", "the authenticator does not say whose passkey it is")
        use = ceremonies.verify_sign_in(self.settings, answer, claimed.challenge, passkey)
        user = await self._use(passkey, use)
        # The session made next is bound to the user as read here.
        if asked is not None and _epoch_of(issued[0]) != user.session_epoch:
            raise PasskeyError("challenge", _CHALLENGE)
        return user

    async def _use(self, passkey: Passkey, use: ceremonies.Use) -> User:
        """Record the use, and read the user: at once."""
        users: list[User | None] = []
        used: list[Passkey | None] = []

        async def record() -> None:
            used.append(
                await self._storage.update_passkey_use(
                    passkey.user_id,
                    passkey.credential_id,
                    sign_count=use.sign_count,
                    allow_decrease=self.settings.cloned == "accept",
                    backup_eligible=use.backup_eligible,
                    backed_up=use.backed_up,
                )
            )

        async def read() -> None:
            users.append(await self._storage.get_user(passkey.user_id, consistent=True))

        await gather(record, read)
        user = users[0]
        # Removed since it was read: then it signs nobody in any more. The user as read decides: the session is bound to
        # them, and a first proof between the two requests must end this sign-in, too.
        if used[0] is None or user is None or passkey_key(passkey.credential_id) not in user.identities:
            raise PasskeyError("unknown", _UNKNOWN)
        return user

    def related_origins(self) -> dict[str, list[str]]:
        """What ``https://<rp_id>/.well-known/webauthn`` is to answer, as JSON (WebAuthn Level 3, 5.11)."""
        return {"origins": list(self.settings.related_origins)}

    async def list_for_user(self, user_id: str) -> Listing[Passkey]:
        """The user's passkeys, oldest first."""
        return await self._storage.list_passkeys_for_user(user_id)

    async def rename(self, user_id: str, credential_id: bytes, name: str) -> Passkey | None:
        """Call a passkey otherwise. ``None`` when this user does not hold it."""
        return await self._storage.rename_passkey(user_id, credential_id, name)

    async def remove(
        self, user_id: str, credential_id: bytes, *, user: User | None = None, allow_verified_email: bool = False
    ) -> bool:
        """Remove a passkey.

        Args:
            user_id: Whose.
            credential_id: Which.
            user: The user as the session check read it: nothing is removed once all sessions were ended since.
            allow_verified_email: Whether a verified address counts as a way to sign in (magic links).

        Returns:
            Whether this user held it.

        Raises:
            LastSignInMethod: Nothing else is left to sign in with.
            Revoked: All sessions were ended since ``user`` was read.
        """
        epoch = None if user is None else user.session_epoch
        gone = await self._storage.delete_passkey(
            user_id, credential_id, allow_verified_email=allow_verified_email, session_epoch=epoch
        )
        if gone:
            await self._events.emit(
                PasskeyRemoved(at=self._clock(), user_id=user_id, credential_id=base64url.encode(credential_id))
            )
        return gone

    async def _challenge(self, kind: CeremonyKind, user: User | None) -> bytes:
        challenge = self._random(32)
        await self._storage.store_passkey_challenge(
            NewPasskeyChallenge(
                challenge=challenge,
                kind=kind,
                expires_at=self._clock() + self.settings.timeout,
                user_id=None if user is None else user.id,
                metadata={} if user is None else {_EPOCH: user.session_epoch},
            )
        )
        return challenge

    async def _consume(self, challenge: bytes, kind: CeremonyKind, user_id: str | None) -> PasskeyChallenge:
        found = await self._storage.consume_passkey_challenge(challenge, kind=kind)
        if found is None or (user_id is not None and found.user_id != user_id):
            raise PasskeyError("challenge", _CHALLENGE)
        return found


def _epoch_of(challenge: PasskeyChallenge) -> int:
    """The epoch of the user's sessions when the challenge was issued to them."""
    epoch = challenge.metadata.get(_EPOCH)
    if not isinstance(epoch, int):
        raise PasskeyError("challenge", _CHALLENGE)
    return epoch
