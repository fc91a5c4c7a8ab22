"""The services in one object."""

from __future__ import annotations

from torii_dynamodb._async.services.made import AsyncServices
from torii_dynamodb._rules.signing_in import Browser
from torii_dynamodb.events import SignInMethod, UserDeleted, UserLocked, UserUnlocked
from torii_dynamodb.models import Listing, Metadata, Session, SignedIn, User

__all__ = ["AsyncTorii"]


class AsyncTorii(AsyncServices):
    """Register, sign in, check, sign out, on any storage that keeps the contract.

    Each service is made when it is first used, and only then imports what it needs: checking sessions costs no argon2,
    Jinja2, Authlib or webauthn. One object serves a whole program; :meth:`close` it at the end.

    Attributes:
        storage: Where everything is kept.
        events: Who is told what happened.
        clock: What time it is.
        sessions: Sessions.
        password: Sign-in by e-mail address and password.
        magic_link: Sign-in by a link sent to the address.
        email_verification: Verifying addresses, and changing them.
        oauth: Sign-in through providers.
        passkeys: Passkeys.
        jwt: Access tokens.
        devices: Device tokens.

    Args:
        storage: Where everything is kept, for example an ``AsyncDynamoDbHandle``. Not closed here.
        sessions: How long sessions last.
        passwords: Which passwords are taken.
        lockout: How many attempts are taken in which time.
        hasher: Hashes passwords; ``None``: argon2id.
        hashing: How many passwords are hashed at the same time; ``None``: the process' own pool, which all services
            without one share.
        require_verified_to_sign_in: Whether the right password of a user whose address is not verified is answered as
            a wrong one, so that nobody learns by registering and signing in whether an address was free. ``None``: the
            web layer does so where registration is private (which needs a mailer); elsewhere ``authenticate`` is told.
        compromised: Knows passwords from breaches (``torii_dynamodb.compromised``); ``None``: none is asked.
        secret: 32 or more random bytes that stay the same over restarts and hosts, for device tokens; several to
            rotate: the first signs, all are recognised. ``None``: there are no known devices, so strangers who guess
            can lock an owner out of signing in by password for a while.
        secret_box: Seals what must be read back, such as the tokens of providers (``torii_dynamodb.secret_box``), for
            example by a key management service; ``None``: AES-256-GCM under ``secret``.
        mailer: Sends mail (``torii_dynamodb.mail``); needed, with ``mail``, for links and notices.
        mail: What mails say and where links lead.
        templates: Renders mails; ``None``: the library's templates, behind those of ``mail.templates``.
        magic_link_sign_up: Whether a sign-in link to an address without an account makes one when it is used.
        oauth: Providers to sign in through (``torii_dynamodb.oauth``).
        oauth_sign_up: Whether an account at a provider that belongs to nobody makes a new user.
        http: The HTTP client that asks providers; ``None``: one is made when needed, and closed here.
        passkeys: Where passkeys are good for (``torii_dynamodb.passkeys``).
        jwt: How access tokens are made (``torii_dynamodb.jwt``).
        clock: What time it is; should be the storage's.
        random: Where random bytes come from.
    """

    # Users

    async def get_user(self, user_id: str) -> User | None:
        """The user; ``None`` where there is none."""
        return await self.storage.get_user(user_id)

    async def delete_user(self, user_id: str, *, user: User | None = None) -> bool:
        """Delete a user with all identities, sessions and tokens.

        Args:
            user_id: Who.
            user: The user as the session check read it: nothing is deleted once all sessions were ended since.

        Returns:
            Whether there was one.

        Raises:
            Revoked: All sessions were ended since ``user`` was read.
        """
        epoch = None if user is None else user.session_epoch
        deleted = await self.storage.delete_user(user_id, session_epoch=epoch)
        if deleted:
            await self.events.emit(UserDeleted(at=self.clock(), user_id=user_id))
        return deleted

    async def lock_user(self, user_id: str) -> User | None:
        """Lock an account as an administrator: its sessions end, and no service signs it in.

        Returns:
            The user as stored now; ``None`` where there is none.
        """
        now = self.clock()
        user = await self.storage.set_locked_at(user_id, now)
        if user is not None:
            await self.events.emit(UserLocked(at=now, user_id=user_id))
        return user

    async def unlock_user(self, user_id: str) -> User | None:
        """Lift an administrator's lock. Returns the user as stored now; ``None`` where there is none."""
        user = await self.storage.set_locked_at(user_id, None)
        if user is not None:
            await self.events.emit(UserUnlocked(at=self.clock(), user_id=user_id))
        return user

    # Sessions

    async def get_signed_in(self, token: str) -> SignedIn | None:
        """Check a session's token: its user and session, or ``None`` if it is not valid. One request."""
        return await self.storage.get_signed_in(token)

    async def create_session(
        self,
        user: User,
        *,
        user_agent: str | None = None,
        ip_address: str | None = None,
        metadata: Metadata | None = None,
        device_token: str | None = None,
        method: SignInMethod = "custom",
    ) -> Session:
        """Sign a user in whom you have authenticated by means of your own.

        Args:
            user: The user as read then; a password changed since makes the session invalid from the start.
            user_agent: The browser's name for itself.
            ip_address: Where the sign-in came from.
            metadata: Anything of yours.
            device_token: What the browser holds as proof that it signed this user in before.
            method: How, for the event.

        Raises:
            AccountLocked: An administrator locked the account.
        """
        browser = Browser(user_agent=user_agent, ip_address=ip_address, metadata=metadata, device_token=device_token)
        return await self.sessions.sign_in(user, browser, method=method)

    async def refresh_session(self, token: str) -> Session | None:
        """Check a session and, if it is time, move its end. ``None`` when it is not valid."""
        return await self.sessions.refresh(token)

    async def touch_session(self, session: Session) -> Session | None:
        """Extend a session that ``get_signed_in`` has just returned, if that is due; usually costs no request."""
        return await self.sessions.touch(session)

    async def rotate_session(self, token: str) -> Session | None:
        """Replace a session by one with another token, for example when rights were raised. ``None`` if not valid."""
        return await self.sessions.rotate(token)

    async def list_sessions(self, user_id: str) -> Listing[Session]:
        """The user's valid sessions, newest first ("your devices")."""
        return await self.storage.list_sessions_for_user(user_id)

    async def delete_session(self, token: str) -> None:
        """Sign out."""
        await self.sessions.end(token)

    async def delete_session_by_id(self, user_id: str, session_id: str) -> bool:
        """Sign one device out. Returns whether there was such a session of this user."""
        return await self.sessions.end_by_id(user_id, session_id)

    async def delete_other_sessions(self, token: str) -> Session | None:
        """Sign out everywhere else.

        Returns:
            The session that takes this one's place, with a new token; ``None`` when this one is not valid.
        """
        return await self.sessions.end_others(token)

    async def delete_sessions_for_user(self, user_id: str) -> None:
        """Sign out everywhere: when it returns, no session made before is valid, on any host."""
        await self.sessions.end_all(user_id)
