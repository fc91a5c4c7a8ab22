# Generated from src/torii_dynamodb/_async/services/passkeys.py by tools/unasync.py. Do not edit.

"""Adding passkeys, and signing in with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torii_dynamodb._core.keys import passkey_key
from torii_dynamodb._rules import base64url
from torii_dynamodb._rules import webauthn as ceremonies
from torii_dynamodb._rules.signing_in import Browser, refuse_locked
from torii_dynamodb._rules.webauthn import PasskeyError, PasskeySettings
from torii_dynamodb._sync.primitives import both
from torii_dynamodb.clock import Clock, RandomBytes
from torii_dynamodb.errors import ClonedAuthenticator
from torii_dynamodb.events import PasskeyAdded, PasskeyRemoved, SignInFailed
from torii_dynamodb.models import CeremonyKind, Listing, NewPasskeyChallenge, Passkey, PasskeyChallenge, User
from torii_dynamodb.second_factor import SignInResult

if TYPE_CHECKING:
    from torii_dynamodb._sync.contract import Storage
    from torii_dynamodb._sync.services.events import Events
    from torii_dynamodb._sync.services.mail import Mail
    from torii_dynamodb._sync.services.sessions import SessionService

__all__ = ["PasskeyService"]

_CHALLENGE = "the challenge was not issued here, was used, or has expired"
_UNKNOWN = "no user has this passkey"
_EPOCH = "session_epoch"


class PasskeyService:
    """Passkeys (WebAuthn). Options and responses are the JSON forms of WebAuthn Level 3, as dicts.

    Args:
        storage: Stores passkeys and challenges.
        sessions: Creates the sessions.
        settings: The settings.
        events: Receives the events.
        clock: The clock.
        random: The randomness for challenges.
        mail: Mails the owner about passkeys that were added or removed; ``None`` for no mails.
    """

    def __init__(
        self,
        storage: Storage,
        sessions: SessionService,
        settings: PasskeySettings,
        *,
        events: Events,
        clock: Clock,
        random: RandomBytes,
        mail: Mail | None = None,
    ) -> None:
        self._storage = storage
        self._sessions = sessions
        self.settings = settings
        self._events = events
        self._clock = clock
        self._random = random
        self._mail = mail

    def begin_registration(self, user: User) -> dict[str, Any]:
        """Return options for ``navigator.credentials.create``: a discoverable passkey for a signed-in user.

        Require a recent sign-in first. The user's existing passkeys are excluded, so that none is created twice.
        """
        refuse_locked(user)
        held, challenge = both(
            lambda: self._storage.list_passkeys_for_user(user.id), lambda: self._challenge("registration", user)
        )
        return ceremonies.registration_options(self.settings, user, held, challenge)

    def complete_registration(self, user: User, answer: Mapping[str, Any], *, name: str = "Passkey") -> Passkey:
        """Verify the browser's response and add the passkey.

        Args:
            user: The user who is signed in.
            answer: ``credential.toJSON()``.
            name: The user's name for it, up to 64 characters.

        Raises:
            PasskeyError: It is not valid; ``reason`` says why.
            Revoked: All the user's sessions have been ended since the registration started.
            AlreadyExists: ``what="passkey"``: another user has it.
            TooManyIdentities: The user has the maximum number of identities.
            ValidationError: The name cannot be used.
        """
        refuse_locked(user)
        challenge = ceremonies.read_challenge(answer)
        issued = self._consume(challenge, "registration", user.id)
        new = ceremonies.verify_registration(self.settings, answer, challenge, user, name)
        passkey = self._storage.add_passkey(new, session_epoch=_epoch_of(issued))
        self._events.emit(
            PasskeyAdded(
                at=self._clock(),
                user_id=user.id,
                credential_id=base64url.encode(passkey.credential_id),
                passkey_name=passkey.name,
            )
        )
        if self._mail is not None:
            self._mail.notify("passkey_added", user, {"passkey": passkey.name})
        return passkey

    def begin_sign_in(self, *, user: User | None = None) -> dict[str, Any]:
        """Return options for ``navigator.credentials.get``.

        Args:
            user: The user who is signed in, to ask them again: then only their passkeys are accepted. Omit it for a
                sign-in: the person picks a passkey and enters no address, so nothing reveals who has an account.
        """
        if user is None:
            return ceremonies.sign_in_options(self.settings, (), self._challenge("authentication", None))
        held = self._storage.list_passkeys_for_user(user.id)
        challenge = self._challenge("authentication", user)
        return ceremonies.sign_in_options(self.settings, held, challenge)

    def complete_sign_in(self, answer: Mapping[str, Any], *, browser: Browser = Browser()) -> SignInResult:
        """Verify the browser's response and sign in. Six requests in four rounds.

        Args:
            answer: ``credential.toJSON()``.
            browser: The browser that sent the request.

        Returns:
            The user and a new session with its token.

        Raises:
            PasskeyError: It is not valid; ``reason`` says why.
            ClonedAuthenticator: The sign count did not go up, and the settings refuse that; or the passkey's
                backup eligibility has changed.
            AccountLocked: An administrator locked the account.
        """
        try:
            user, verified = self._verify(answer)
        except (PasskeyError, ClonedAuthenticator):
            self._events.emit(
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
        # The authenticator asked for a PIN or a biometric: possession and that are two factors.
        return self._sessions.sign_in(
            user,
            browser,
            method="passkey",
            second_factor_at=self._clock() if verified else None,
            second_factor="user" if verified else None,
        )

    def verify(self, answer: Mapping[str, Any], *, user: User, user_verified: bool = False) -> User:
        """Verify the browser's answer to options that were made for this user, and record the use.

        Args:
            answer: ``credential.toJSON()``.
            user: The user.
            user_verified: Whether the authenticator must have verified the user, whatever the settings say.

        Returns:
            The user as stored now.

        Raises:
            PasskeyError: It is not valid, or not a passkey of this user; ``reason`` says why.
            ClonedAuthenticator: As for :meth:`complete_sign_in`.
        """
        found, verified = self._verify(answer, of=user.id)
        if user_verified and not verified:
            raise PasskeyError("refused", "the authenticator did not verify the user by PIN, fingerprint or face")
        return found

    def _verify(self, answer: Mapping[str, Any], *, of: str | None = None) -> tuple[User, bool]:
        claimed = ceremonies.read_sign_in(answer)
        issued, passkey = both(
            lambda: self._consume(claimed.challenge, "authentication", None),
            lambda: self._storage.get_passkey(claimed.credential_id, consistent=True),
        )
        if passkey is None:
            raise PasskeyError("unknown", _UNKNOWN)
        # WebAuthn, 7.2 step 6: a user who was named must respond; otherwise the authenticator must name the user.
        asked = issued.user_id
        if (
            of not in (None, asked)
            or asked not in (None, passkey.user_id)
            # An imported passkey names the user by the id of the system that created it. That name is not signed, and
            # a credential belongs to one user here, so nothing depends on it.
            or (claimed.user_handle not in (None, passkey.user_id) and not passkey.imported)
        ):
            raise PasskeyError("unknown", _UNKNOWN)
        if asked is None and claimed.user_handle is None:
            raise PasskeyError("refused", "the authenticator does not say whose passkey it is")
        use = ceremonies.verify_sign_in(self.settings, answer, claimed.challenge, passkey)
        user = self._use(passkey, use)
        # The session created next is bound to the user as read here.
        if asked is not None and _epoch_of(issued) != user.session_epoch:
            raise PasskeyError("challenge", _CHALLENGE)
        return user, use.user_verified

    def _use(self, passkey: Passkey, use: ceremonies.Use) -> User:
        """Record the use and read the user at the same time."""
        used, user = both(
            lambda: self._storage.update_passkey_use(
                passkey.user_id,
                passkey.credential_id,
                sign_count=use.sign_count,
                allow_decrease=self.settings.cloned == "accept",
                backup_eligible=use.backup_eligible,
                backed_up=use.backed_up,
            ),
            lambda: self._storage.get_user(passkey.user_id, consistent=True),
        )
        # If the passkey was removed since it was read, it no longer signs in. The user as read decides: the session is
        # bound to them, and a first proof between the two requests must end this sign-in, too.
        if used is None or user is None or passkey_key(passkey.credential_id) not in user.identities:
            raise PasskeyError("unknown", _UNKNOWN)
        return user

    def related_origins(self) -> dict[str, list[str]]:
        """Return the JSON for ``https://<rp_id>/.well-known/webauthn`` (WebAuthn Level 3, 5.11)."""
        return {"origins": list(self.settings.related_origins)}

    def list_for_user(self, user_id: str) -> Listing[Passkey]:
        """Return the user's passkeys, oldest first."""
        return self._storage.list_passkeys_for_user(user_id)

    def rename(self, user_id: str, credential_id: bytes, name: str) -> Passkey | None:
        """Rename a passkey. ``None`` if this user does not have it."""
        return self._storage.rename_passkey(user_id, credential_id, name)

    def remove(
        self, user_id: str, credential_id: bytes, *, user: User | None = None, allow_verified_email: bool = False
    ) -> bool:
        """Remove a passkey.

        Args:
            user_id: The user.
            credential_id: The passkey.
            user: The user as the session check read it: nothing is removed if all sessions have been ended since.
            allow_verified_email: Whether a verified address counts as a way to sign in (magic links).

        Returns:
            Whether this user had it.

        Raises:
            LastSignInMethod: The user has no other way to sign in.
            Revoked: All sessions have been ended since ``user`` was read.
        """
        epoch = None if user is None else user.session_epoch
        gone = self._storage.delete_passkey(
            user_id, credential_id, allow_verified_email=allow_verified_email, session_epoch=epoch
        )
        if gone:
            self._events.emit(
                PasskeyRemoved(at=self._clock(), user_id=user_id, credential_id=base64url.encode(credential_id))
            )
            if self._mail is not None:
                self._mail.notify_by_id("passkey_removed", user_id, {}, user=user)
        return gone

    def _challenge(self, kind: CeremonyKind, user: User | None) -> bytes:
        challenge = self._random(32)
        self._storage.store_passkey_challenge(
            NewPasskeyChallenge(
                challenge=challenge,
                kind=kind,
                expires_at=self._clock() + self.settings.timeout,
                user_id=None if user is None else user.id,
                metadata={} if user is None else {_EPOCH: user.session_epoch},
            )
        )
        return challenge

    def _consume(self, challenge: bytes, kind: CeremonyKind, user_id: str | None) -> PasskeyChallenge:
        found = self._storage.consume_passkey_challenge(challenge, kind=kind)
        if found is None or (user_id is not None and found.user_id != user_id):
            raise PasskeyError("challenge", _CHALLENGE)
        return found


def _epoch_of(challenge: PasskeyChallenge) -> int:
    """Return the user's session epoch when the challenge was issued."""
    epoch = challenge.metadata.get(_EPOCH)
    if not isinstance(epoch, int):
        raise PasskeyError("challenge", _CHALLENGE)
    return epoch
