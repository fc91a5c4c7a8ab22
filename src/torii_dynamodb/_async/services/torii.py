"""The services in one object."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from torii_dynamodb._async.services.events import AsyncEvents
from torii_dynamodb._async.services.sessions import AsyncSessionService
from torii_dynamodb._core.events import SignInMethod, UserDeleted, UserLocked, UserUnlocked
from torii_dynamodb._core.session_policy import SessionPolicy
from torii_dynamodb._core.signing_in import Browser
from torii_dynamodb.clock import Clock, RandomBytes, system_clock, system_random
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.models import LockoutPolicy, Metadata, Session, User

if TYPE_CHECKING:
    from torii_dynamodb._async.contract import AsyncStorage
    from torii_dynamodb._async.mail import AsyncMailer
    from torii_dynamodb._async.services.email_verification import AsyncEmailVerificationService
    from torii_dynamodb._async.services.magic_links import AsyncMagicLinkService
    from torii_dynamodb._async.services.mail import AsyncMail
    from torii_dynamodb._async.services.passwords import AsyncPasswordService
    from torii_dynamodb._core.devices import Devices
    from torii_dynamodb._core.hashing import PasswordHasher, PasswordPolicy
    from torii_dynamodb.compromised import CompromisedPasswords
    from torii_dynamodb.mail.settings import MailSettings
    from torii_dynamodb.mail.templates import Templates

__all__ = ["AsyncTorii"]


class AsyncTorii:
    """Register, sign in, check, sign out, on any storage that keeps the contract.

    Each service is made when it is first used, and only then imports what it needs: checking sessions costs no argon2,
    Jinja2, Authlib or webauthn. One object serves a whole program; :meth:`close` it at the end.

    Args:
        storage: Where everything is kept, for example an ``AsyncDynamoDbHandle``. Not closed here.
        sessions: How long sessions last.
        passwords: Which passwords are taken.
        lockout: How many attempts are taken in which time.
        hasher: Hashes passwords; ``None``: argon2id.
        compromised: Knows passwords from breaches (``torii_dynamodb.compromised``); ``None``: none is asked.
        secret: 32 or more random bytes that stay the same over restarts and hosts, for device tokens; several to
            rotate: the first signs, all are recognised. ``None``: there are no known devices, so strangers who guess
            can lock an owner out of signing in by password for a while.
        mailer: Sends mail (``torii_dynamodb.mail``); needed, with ``mail``, for links and notices.
        mail: What mails say and where links lead.
        templates: Renders mails; ``None``: the library's templates, behind those of ``mail.templates``.
        magic_link_sign_up: Whether a sign-in link to an address without an account makes one when it is used.
        clock: What time it is; should be the storage's.
        random: Where random bytes come from.
    """

    def __init__(
        self,
        storage: AsyncStorage,
        *,
        sessions: SessionPolicy | None = None,
        passwords: PasswordPolicy | None = None,
        lockout: LockoutPolicy | None = None,
        hasher: PasswordHasher | None = None,
        compromised: CompromisedPasswords | None = None,
        secret: str | bytes | Sequence[str | bytes] | None = None,
        mailer: AsyncMailer | None = None,
        mail: MailSettings | None = None,
        templates: Templates | None = None,
        magic_link_sign_up: bool = True,
        clock: Clock = system_clock,
        random: RandomBytes = system_random,
    ) -> None:
        if (mailer is None) != (mail is None):
            raise ConfigurationError("give mailer and mail, or neither")
        self.storage = storage
        self.events = AsyncEvents()
        self.clock = clock
        self._random = random
        self._session_policy = sessions or SessionPolicy()
        self._password_policy = passwords
        self._lockout = lockout or LockoutPolicy()
        self._hasher = hasher
        self._compromised = compromised
        self._secret = secret
        self._mailer = mailer
        self._mail_settings = mail
        self._templates = templates
        self._magic_link_sign_up = magic_link_sign_up
        # A wrong secret is told at the start, not at the first sign-in.
        if secret is not None:
            self.devices  # noqa: B018

    async def close(self) -> None:
        """Wait for mails under way, and close connections to OAuth providers. The storage stays open."""
        if "_mail" in self.__dict__ and self._mail is not None:
            await self._mail.wait()

    @cached_property
    def devices(self) -> Devices:
        """Device tokens: ``devices.issue(user, presented)`` makes the one to leave with a browser after a sign-in.

        Raises:
            ConfigurationError: There is no ``secret``.
        """
        from torii_dynamodb._core.devices import Devices, secret_keys

        if self._secret is None:
            raise ConfigurationError("known devices need secret=...: 32 random bytes that stay the same")
        return Devices(secret_keys(self._secret), clock=self.clock, random=self._random)

    @property
    def remembers_devices(self) -> bool:
        """Whether there is a ``secret``, so that :attr:`devices` can be used."""
        return self._secret is not None

    @property
    def sends_mail(self) -> bool:
        """Whether there is a mailer, so that links and notices can be sent."""
        return self._mailer is not None

    @property
    def _known_devices(self) -> Devices | None:
        return self.devices if self.remembers_devices else None

    @cached_property
    def _mail(self) -> AsyncMail | None:
        if self._mailer is None or self._mail_settings is None:
            return None
        from torii_dynamodb._async.services.mail import AsyncMail
        from torii_dynamodb.mail.templates import Templates

        return AsyncMail(
            self.storage,
            self._mailer,
            self._mail_settings,
            self._templates or Templates(self._mail_settings.templates),
            events=self.events,
            clock=self.clock,
            random=self._random,
        )

    def _needed_mail(self) -> AsyncMail:
        if self._mail is None:
            raise ConfigurationError("this sends mail: give the services mailer=... and mail=MailSettings(...)")
        return self._mail

    @cached_property
    def sessions(self) -> AsyncSessionService:
        """Sessions. What applications need most often is also here, as ``get_session`` and its siblings."""
        return AsyncSessionService(
            self.storage,
            policy=self._session_policy,
            clock=self.clock,
            events=self.events,
            devices=self._known_devices,
            mail=self._mail,
        )

    @cached_property
    def password(self) -> AsyncPasswordService:
        """Sign-in by e-mail address and password. Made when first used: a session check needs no argon2."""
        from torii_dynamodb._async.services.passwords import AsyncPasswordService
        from torii_dynamodb._core.hashing import Argon2Hasher, PasswordPolicy

        return AsyncPasswordService(
            self.storage,
            self.sessions,
            hasher=self._hasher or Argon2Hasher(),
            policy=self._password_policy or PasswordPolicy(),
            lockout=self._lockout,
            events=self.events,
            clock=self.clock,
            compromised=self._compromised,
            devices=self._known_devices,
            mail=self._mail,
        )

    @cached_property
    def magic_link(self) -> AsyncMagicLinkService:
        """Sign-in by a link sent to the address.

        Raises:
            ConfigurationError: There is no mailer.
        """
        from torii_dynamodb._async.services.magic_links import AsyncMagicLinkService

        return AsyncMagicLinkService(
            self.storage,
            self.sessions,
            self._needed_mail(),
            events=self.events,
            clock=self.clock,
            sign_up=self._magic_link_sign_up,
        )

    @cached_property
    def email_verification(self) -> AsyncEmailVerificationService:
        """Verifying addresses, and changing them.

        Raises:
            ConfigurationError: There is no mailer.
        """
        from torii_dynamodb._async.services.email_verification import AsyncEmailVerificationService

        return AsyncEmailVerificationService(self.storage, self._needed_mail(), events=self.events, clock=self.clock)

    async def wait_for_mail(self) -> None:
        """Wait until no mail is under way: for tests, and before the program ends."""
        if self._mail is not None:
            await self._mail.wait()

    # Users

    async def get_user(self, user_id: str) -> User | None:
        """The user; ``None`` where there is none."""
        return await self.storage.get_user(user_id)

    async def delete_user(self, user_id: str) -> bool:
        """Delete a user with all identities, sessions and tokens. Returns whether there was one."""
        deleted = await self.storage.delete_user(user_id)
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

    async def get_session(self, token: str) -> tuple[Session, User] | None:
        """Check a session's token: the session and its user, or ``None`` when it is not valid. One request."""
        return await self.storage.get_session_and_user(token)

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

    async def touch_session(self, session: Session, token: str) -> Session | None:
        """Move the end of a session that ``get_session`` has just returned, if it is time; mostly costs no request."""
        return await self.sessions.touch(session, token)

    async def rotate_session(self, token: str) -> Session | None:
        """Replace a session by one with another token, for example when rights were raised. ``None`` if not valid."""
        return await self.sessions.rotate(token)

    async def list_sessions(self, user_id: str) -> list[Session]:
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
