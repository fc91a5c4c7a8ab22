# Generated from src/torii_dynamodb/_async/services/torii.py by tools/unasync.py. Do not edit.

"""The services in one object."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from torii_dynamodb._rules.signing_in import Browser
from torii_dynamodb._sync.services.events import Events
from torii_dynamodb._sync.services.options import check_options, tenant_of
from torii_dynamodb.clock import Clock, RandomBytes, system_clock, system_random
from torii_dynamodb.errors import ConfigurationError, SecondFactorRequired
from torii_dynamodb.models import UNSET, Listing, LockoutPolicy, Metadata, Page, Session, SignedIn, Unset, User
from torii_dynamodb.second_factor import SignInResult

if TYPE_CHECKING:
    import httpx

    from torii_dynamodb._pool import HashingPool
    from torii_dynamodb._rules.devices import Devices
    from torii_dynamodb._rules.hashing import PasswordHasher, PasswordPolicy
    from torii_dynamodb._rules.jwt import AccessTokenClaims, JwtSettings
    from torii_dynamodb._rules.oauth import OAuthProvider
    from torii_dynamodb._rules.second_factor import Challenges, SecondFactorPolicy
    from torii_dynamodb._rules.session_policy import SessionPolicy
    from torii_dynamodb._rules.webauthn import PasskeySettings
    from torii_dynamodb._sync.contract import Storage
    from torii_dynamodb._sync.mail import Mailer
    from torii_dynamodb._sync.secret_box import SecretBox
    from torii_dynamodb._sync.services.administration import Administration
    from torii_dynamodb._sync.services.email_codes import EmailCodeService
    from torii_dynamodb._sync.services.email_verification import EmailVerificationService
    from torii_dynamodb._sync.services.hashing import Hashing
    from torii_dynamodb._sync.services.jwt import JwtService
    from torii_dynamodb._sync.services.legacy import Legacy, Migration
    from torii_dynamodb._sync.services.magic_links import MagicLinkService
    from torii_dynamodb._sync.services.mail import Mail
    from torii_dynamodb._sync.services.oauth import OAuthService
    from torii_dynamodb._sync.services.passkeys import PasskeyService
    from torii_dynamodb._sync.services.passwords import PasswordService
    from torii_dynamodb._sync.services.provider_tokens import ProviderTokens
    from torii_dynamodb._sync.services.second_factor import SecondFactorService
    from torii_dynamodb._sync.services.sessions import SessionService
    from torii_dynamodb.compromised import CompromisedPasswords
    from torii_dynamodb.events import SignInMethod
    from torii_dynamodb.mail.settings import MailSettings
    from torii_dynamodb.mail.templates import Templates

__all__ = ["Torii"]


class Torii:
    """Register, sign in, check and sign out, on any storage that keeps the contract.

    Each service is created when it is first used, and imports what it needs only then: a session check loads no argon2,
    Jinja2, Authlib or webauthn. One object serves a whole program; :meth:`close` it at the end.

    Attributes:
        events: Subscribe to events here: ``@torii.events.on(UserSignedIn)``.
        tenant_name: The tenant whose users these are; ``None`` outside of any.

    Args:
        storage: Stores everything, for example an ``DynamoDbHandle``. Not closed here. With a tenant's handle
            (``handle.tenant("acme")``), these are the services of that tenant: nothing that they issue is valid in
            another tenant, even if both have the same ``secret`` and the same keys for access tokens.
        sessions: How long sessions last.
        passwords: Which passwords are accepted.
        lockout: How many attempts are accepted in which time.
        hasher: Hashes passwords; ``None`` for argon2id.
        hashing: How many passwords are hashed at the same time; ``None`` for the process's pool, shared by all services
            without their own.
        require_verified_to_sign_in: Whether the right password of a user whose address is not verified counts as a
            wrong one, so that nobody learns by registering and signing in whether an address was free. ``None``: the
            web layer does so if registration is private (which needs a mailer); otherwise ``authenticate`` decides.
        compromised: Knows passwords from breaches (``torii_dynamodb.compromised``); ``None`` for no such check.
        secret: 32 or more random bytes that stay the same over restarts and hosts, for second factors, device tokens
            and stored providers' tokens. Several to rotate: the first signs and seals, all are recognised. With
            ``None`` there are no second factors and no known devices, so strangers who guess can lock an owner out
            of signing in by password for a while.
        secret_box: Seals data that must be read back, such as providers' tokens (``torii_dynamodb.secret_box``), for
            example with a key management service; ``None`` for AES-256-GCM under ``secret``.
        mailer: Sends mail (``torii_dynamodb.mail``); needed, with ``mail``, for links and notices.
        mail: What mails say and where links lead.
        templates: Renders mails; ``None`` for the library's templates, after those in ``mail.templates``.
        magic_link_sign_up: Whether a sign-in link to an address without an account creates one when it is used.
        oauth: Providers to sign in through (``torii_dynamodb.oauth``).
        oauth_sign_up: Whether an account at a provider that belongs to nobody creates a user.
        http: Your own HTTP client for requests to providers, for example one with a proxy; you close it. ``None`` for
            our own connections, which are made only to public addresses.
        passkeys: The settings of passkeys (``torii_dynamodb.passkeys``).
        second_factor: Who must give a second factor (``torii_dynamodb.policies.SecondFactorPolicy``); ``None``: users
            who have set one up.
        jwt: How access tokens are made (``torii_dynamodb.jwt``).
        legacy: Another system, from which users are migrated when they first sign in: a function of address and
            password that returns a ``LegacyUser`` (``torii_dynamodb.legacy``), or ``None`` for a wrong password. It is
            asked about addresses that are not known here.
        legacy_timeout: How long that may take, 0.1 to 10 seconds. Every refused sign-in by password takes this long,
            so that the time does not reveal which addresses are known.
        access_token_claims: A function of a user and a session that returns your own claims, such as ``scope``, for
            an access token; it may be a coroutine function. The names of the library's claims are refused, as is more
            than 4,096 bytes of JSON.
        clock: The clock; should be the storage's.
        random: The randomness.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        sessions: SessionPolicy | None = None,
        passwords: PasswordPolicy | None = None,
        lockout: LockoutPolicy | None = None,
        hasher: PasswordHasher | None = None,
        hashing: HashingPool | None = None,
        require_verified_to_sign_in: bool | None = None,
        compromised: CompromisedPasswords | None = None,
        secret: str | bytes | Sequence[str | bytes] | None = None,
        secret_box: SecretBox | None = None,
        mailer: Mailer | None = None,
        mail: MailSettings | None = None,
        templates: Templates | None = None,
        magic_link_sign_up: bool = True,
        oauth: Sequence[OAuthProvider] = (),
        oauth_sign_up: bool = True,
        http: httpx.Client | None = None,
        passkeys: PasskeySettings | None = None,
        second_factor: SecondFactorPolicy | None = None,
        jwt: JwtSettings | None = None,
        legacy: Legacy | None = None,
        legacy_timeout: timedelta = timedelta(seconds=2),
        access_token_claims: AccessTokenClaims | None = None,
        clock: Clock = system_clock,
        random: RandomBytes = system_random,
    ) -> None:
        check_options(locals())
        self.storage = storage
        self.tenant_name = tenant_of(storage)
        self.events = Events(tenant=self.tenant_name)
        self.clock = clock
        self._random = random
        self._session_policy = sessions
        self._password_policy = passwords
        self._lockout = lockout or LockoutPolicy()
        self._hasher = hasher
        self._hashing_pool = hashing
        self._require_verified = require_verified_to_sign_in
        self._compromised = compromised
        self._secret = secret
        self._secret_box = secret_box
        self._mailer = mailer
        self._mail_settings = mail
        self._templates = templates
        self._magic_link_sign_up = magic_link_sign_up
        self._oauth_providers = tuple(oauth)
        self._oauth_sign_up = oauth_sign_up
        self._http = http
        self._passkey_settings = passkeys
        self._given_second_factor_policy = second_factor
        self._jwt_settings = jwt
        self._legacy = legacy
        self._legacy_timeout = legacy_timeout
        self._access_token_claims = access_token_claims
        # A wrong secret is reported at the start, not at the first sign-in.
        if secret is not None:
            self.devices  # noqa: B018
        if any(provider.keep_tokens for provider in self._oauth_providers):
            self.secret_box  # noqa: B018

    @cached_property
    def _keys(self) -> tuple[bytes, ...]:
        """The keys made of ``secret``; empty without one."""
        from torii_dynamodb._rules.app_secret import secret_keys

        return () if self._secret is None else secret_keys(self._secret, tenant=self.tenant_name)

    @cached_property
    def devices(self) -> Devices:
        """Device tokens: ``devices.issue(user, presented)`` makes one for the browser after a sign-in.

        Raises:
            ConfigurationError: There is no ``secret``.
        """
        from torii_dynamodb._rules.devices import Devices

        if self._secret is None:
            raise ConfigurationError("known devices need secret=...: 32 random bytes that stay the same")
        return Devices(self._keys, clock=self.clock, random=self._random)

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
    def _mail(self) -> Mail | None:
        if self._mailer is None or self._mail_settings is None:
            return None
        from torii_dynamodb._sync.services.mail import Mail
        from torii_dynamodb.mail.templates import Templates

        return Mail(
            self.storage,
            self._mailer,
            self._mail_settings,
            self._templates or Templates(self._mail_settings.templates),
            events=self.events,
            clock=self.clock,
            random=self._random,
        )

    def _needed_mail(self) -> Mail:
        if self._mail is None:
            raise ConfigurationError("this sends mail: give the services mailer=... and mail=MailSettings(...)")
        return self._mail

    @cached_property
    def sessions(self) -> SessionService:
        """Sessions. What applications need most often is also on this object: ``get_signed_in`` and its siblings."""
        from torii_dynamodb._rules.session_policy import SessionPolicy
        from torii_dynamodb._sync.services.sessions import SessionService

        return SessionService(
            self.storage,
            policy=self._session_policy or SessionPolicy(),
            clock=self.clock,
            events=self.events,
            devices=self._known_devices,
            mail=self._mail,
            second_factor=self._second_factor_policy,
            challenges=self._challenges,
        )

    @cached_property
    def password(self) -> PasswordService:
        """Sign-in by email address and password. Created on first use: a session check needs no argon2."""
        from torii_dynamodb._pool import shared_pool
        from torii_dynamodb._rules.hashing import Argon2Hasher, PasswordPolicy
        from torii_dynamodb._sync.services.hashing import Hashing
        from torii_dynamodb._sync.services.passwords import PasswordService

        hashing = Hashing(self._hasher or Argon2Hasher(), self._hashing_pool or shared_pool())
        return PasswordService(
            self.storage,
            self.sessions,
            hashing=hashing,
            policy=self._password_policy or PasswordPolicy(),
            lockout=self._lockout,
            events=self.events,
            clock=self.clock,
            compromised=self._compromised,
            devices=self._known_devices,
            mail=self._mail,
            require_verified=self._require_verified,
            migration=self._migration(hashing),
            random=self._random,
        )

    def _migration(self, hashing: Hashing) -> Migration | None:
        if self._legacy is None:
            return None
        from torii_dynamodb._sync.services.legacy import Migration

        return Migration(
            self._legacy,
            timeout=self._legacy_timeout,
            storage=self.storage,
            hashing=hashing,
            events=self.events,
            clock=self.clock,
            box=None if self._secret is None and self._secret_box is None else self.secret_box,
        )

    @property
    def require_verified_to_sign_in(self) -> bool | None:
        """Whether a password signs in only users whose address is verified; ``None`` if the caller decides."""
        return self._require_verified

    @cached_property
    def magic_link(self) -> MagicLinkService:
        """Sign-in with a link sent to the address.

        Raises:
            ConfigurationError: There is no mailer.
        """
        from torii_dynamodb._sync.services.magic_links import MagicLinkService

        return MagicLinkService(
            self.storage,
            self.sessions,
            self._needed_mail(),
            events=self.events,
            clock=self.clock,
            sign_up=self._magic_link_sign_up,
        )

    @cached_property
    def email_code(self) -> EmailCodeService:
        """Codes by mail, to sign in, to verify an address or to reset a password.

        Raises:
            ConfigurationError: There is no mailer.
        """
        from torii_dynamodb._sync.services.email_codes import EmailCodeService

        return EmailCodeService(
            self.storage,
            self._needed_mail(),
            lambda: self.magic_link,
            clock=self.clock,
            random=self._random,
            sign_up=self._magic_link_sign_up,
        )

    @cached_property
    def second_factor(self) -> SecondFactorService:
        """Second factors: authenticator apps, passkeys and recovery codes.

        Raises:
            ConfigurationError: There is no ``secret``, which protects seeds and recovery codes.
        """
        from torii_dynamodb._rules.recovery_codes import RecoveryCodes
        from torii_dynamodb._rules.second_factor import Challenges
        from torii_dynamodb._sync.services.second_factor import SecondFactorService

        if self._secret is None:
            raise ConfigurationError("second factors need secret=...: 32 random bytes that stay the same")
        mail, passkeys = self._mail_settings, self._passkey_settings
        name = "" if mail is None else mail.app_name
        return SecondFactorService(
            self.storage,
            self.sessions,
            policy=self._second_factor_policy,
            box=self.secret_box,
            recovery=RecoveryCodes(self._keys, random=self._random),
            challenges=Challenges(self._keys, clock=self.clock),
            devices=self.devices,
            passkeys=None if passkeys is None else lambda: self.passkeys,
            issuer=self._second_factor_policy.issuer or name or ("" if passkeys is None else passkeys.rp_name),
            events=self.events,
            clock=self.clock,
            random=self._random,
            mail=self._mail,
        )

    @cached_property
    def _second_factor_policy(self) -> SecondFactorPolicy:
        from torii_dynamodb._rules.second_factor import SecondFactorPolicy

        return self._given_second_factor_policy or SecondFactorPolicy()

    @property
    def _challenges(self) -> Challenges | None:
        if self._secret is None:
            return None
        from torii_dynamodb._rules.second_factor import Challenges

        return Challenges(self._keys, clock=self.clock)

    @property
    def takes_second_factors(self) -> bool:
        """Whether there is a ``secret``, so that :attr:`second_factor` can be used."""
        return self._secret is not None

    @cached_property
    def email_verification(self) -> EmailVerificationService:
        """Verifying and changing addresses.

        Raises:
            ConfigurationError: There is no mailer.
        """
        from torii_dynamodb._sync.services.email_verification import EmailVerificationService

        return EmailVerificationService(
            self.storage,
            self._needed_mail(),
            lambda: self.password,
            events=self.events,
            clock=self.clock,
            random=self._random,
        )

    @cached_property
    def oauth(self) -> OAuthService:
        """Sign-in through providers, and the accounts that are linked. Without providers, only the latter."""
        from torii_dynamodb._sync.services.oauth import OAuthService

        return OAuthService(
            self.storage,
            self.sessions,
            self._oauth_providers,
            events=self.events,
            clock=self.clock,
            random=self._random,
            http=lambda: self._http,
            mail=self._mail,
            tokens=self._provider_tokens,
            sign_up=self._oauth_sign_up,
        )

    @property
    def _provider_tokens(self) -> ProviderTokens | None:
        if not any(provider.keep_tokens for provider in self._oauth_providers):
            return None
        from torii_dynamodb._sync.services.provider_tokens import ProviderTokens

        return ProviderTokens(self.storage, self.secret_box, clock=self.clock, random=self._random)

    @cached_property
    def secret_box(self) -> SecretBox:
        """Seals data that must be read back: the box that was passed in, or AES-256-GCM under ``secret``.

        Raises:
            ConfigurationError: There is neither.
        """
        from torii_dynamodb._sync.secret_box import AesGcmBox, box_of_tenant

        if self._secret_box is not None:
            return box_of_tenant(self._secret_box, self.tenant_name)
        if self._secret is None:
            raise ConfigurationError("providers' tokens are stored sealed: give secret=..., 32 random bytes that stay")
        return AesGcmBox(self._secret, tenant=self.tenant_name, random=self._random)

    @property
    def oauth_providers(self) -> tuple[OAuthProvider, ...]:
        """The configured providers; empty if there are none."""
        return self._oauth_providers

    @cached_property
    def passkeys(self) -> PasskeyService:
        """Passkeys.

        Raises:
            ConfigurationError: There are no settings.
        """
        from torii_dynamodb._sync.services.passkeys import PasskeyService

        if self._passkey_settings is None:
            raise ConfigurationError("passkeys need passkeys=PasskeySettings(...)")
        return PasskeyService(
            self.storage,
            self.sessions,
            self._passkey_settings,
            events=self.events,
            clock=self.clock,
            random=self._random,
            mail=self._mail,
        )

    @property
    def takes_passkeys(self) -> bool:
        """Whether there are settings for passkeys."""
        return self._passkey_settings is not None

    @cached_property
    def jwt(self) -> JwtService:
        """Access tokens.

        Raises:
            ConfigurationError: There are no settings, or a key is too weak.
        """
        from torii_dynamodb._sync.services.jwt import JwtService

        if self._jwt_settings is None:
            raise ConfigurationError("access tokens need jwt=JwtSettings(...)")
        return JwtService(
            self.storage,
            self.sessions,
            self._jwt_settings,
            clock=self.clock,
            random=self._random,
            claims=self._access_token_claims,
            tenant=self.tenant_name,
        )

    @property
    def issues_jwt(self) -> bool:
        """Whether there are settings for access tokens."""
        return self._jwt_settings is not None

    # Users

    @cached_property
    def administration(self) -> Administration:
        """What administrators do to the accounts of others. It asks nobody who they are: that is up to you."""
        from torii_dynamodb._sync.services.administration import Administration

        return Administration(
            self.storage, lambda: self.password, events=self.events, clock=self.clock, mail=self._mail
        )

    def get_user(self, user_id: str) -> User | None:
        """Return a user; ``None`` if there is none."""
        return self.storage.get_user(user_id)

    def get_user_by_email(self, email: str) -> User | None:
        """Return the user with an address, however it is written; ``None`` if there is none."""
        return self.storage.get_user_by_email(email)

    def list_users(self, *, limit: int = 100, cursor: str | None = None) -> Page[User]:
        """Return one page of all users, in no particular order. It reads the whole table: for administrators.

        Args:
            limit: The maximum number of users per page, 1 to 1,000.
            cursor: ``next_cursor`` of the previous page; ``None`` for the first.
        """
        return self.storage.list_users(limit=limit, cursor=cursor)

    def update_user(self, user: User, *, name: str | None | Unset = UNSET, metadata: Metadata | Unset = UNSET) -> User:
        """Change what is given and nothing else, if the user is unchanged since it was read.

        The address is not changed here, because the new one has to be proved: see ``email_verification.send_change``.
        Administrators call ``administration.change_email``.

        Args:
            user: The user as read.
            name: The new display name; ``None`` removes it.
            metadata: The new metadata, which replaces all of the old.

        Returns:
            The user as stored now.

        Raises:
            VersionConflict: The user was changed since it was read. Nothing was written.
            ValidationError: Nothing to change was given.
            NotFound: The user no longer exists.
        """
        return self.storage.update_user(user, name=name, metadata=metadata)

    def delete_user(self, user_id: str, *, user: User | None = None) -> bool:
        """Delete a user with all identities, sessions and tokens. The owner is told by mail.

        Args:
            user_id: The user.
            user: The user as the session check read it: nothing is deleted if all sessions have been ended since.
                Without it, one more request reads the mailbox.

        Returns:
            Whether there was one.

        Raises:
            Revoked: All sessions have been ended since ``user`` was read.
        """
        epoch = None if user is None else user.session_epoch
        # Afterwards nobody knows the mailbox.
        owner = self.storage.get_user(user_id) if user is None and self._mail is not None else user
        deleted = self.storage.delete_user(user_id, session_epoch=epoch)
        if deleted:
            from torii_dynamodb.events import UserDeleted

            self.events.emit(UserDeleted(at=self.clock(), user_id=user_id))
            if owner is not None and self._mail is not None:
                self._mail.notify("account_deleted", owner, {})
        return deleted

    def lock_user(self, user_id: str) -> User | None:
        """Lock an account as an administrator: its sessions end, and no service signs it in.

        Returns:
            The user as stored now; ``None`` if there is none.
        """
        now = self.clock()
        user = self.storage.set_locked_at(user_id, now)
        if user is not None:
            from torii_dynamodb.events import UserLocked

            self.events.emit(UserLocked(at=now, user_id=user_id))
        return user

    def unlock_user(self, user_id: str) -> User | None:
        """Lift an administrator's lock. Returns the user as stored now; ``None`` if there is none."""
        user = self.storage.set_locked_at(user_id, None)
        if user is not None:
            from torii_dynamodb.events import UserUnlocked

            self.events.emit(UserUnlocked(at=self.clock(), user_id=user_id))
        return user

    # Sessions

    def get_signed_in(self, token: str) -> SignedIn | None:
        """Check a session's token, and return its user and session; ``None`` if it is not valid. One request."""
        return self.storage.get_signed_in(token)

    def sign_in(self, user: User, *, browser: Browser = Browser(), method: SignInMethod = "custom") -> SignInResult:
        """Sign in a user whom you have authenticated yourself.

        Args:
            user: The user as read then; if the password has been changed since, the session is invalid from the start.
            browser: The browser that sent the request.
            method: The method, for the event.

        Returns:
            The user and a session, or a challenge if the user must give a second factor.

        Raises:
            AccountLocked: An administrator locked the account.
        """
        return self.sessions.sign_in(user, browser, method=method)

    def create_session(
        self,
        user: User,
        *,
        browser: Browser = Browser(),
        method: SignInMethod = "custom",
        second_factor_at: datetime | None = None,
    ) -> Session:
        """Create a session without a second step. Where your code can show one, use :meth:`sign_in`.

        Args:
            user: As for :meth:`sign_in`.
            browser: Where the request comes from.
            method: The method, for the event.
            second_factor_at: When you verified a second factor of the user; ``None`` if you did not.

        Raises:
            SecondFactorRequired: The user must give a second factor, and ``second_factor_at`` is not given.
            AccountLocked: An administrator locked the account.
        """
        if second_factor_at is None and self._second_factor_policy.is_required_of(user):
            raise SecondFactorRequired("this user must give a second factor: use sign_in(user), which asks for it")
        result = self.sessions.sign_in(user, browser, method=method, second_factor_at=second_factor_at)
        assert isinstance(result, SignedIn)
        return result.session

    def refresh_session(self, token: str) -> Session | None:
        """Check a session and, if it is due, move its end. ``None`` if it is not valid."""
        return self.sessions.refresh(token)

    def touch_session(self, session: Session) -> Session | None:
        """Extend a session that ``get_signed_in`` has just returned, if that is due; usually costs no request."""
        return self.sessions.touch(session)

    def rotate_session(self, token: str) -> Session | None:
        """Give a session another token, for example after granting rights. ``None`` if it is not valid."""
        return self.sessions.rotate(token)

    def list_sessions(self, user_id: str) -> Listing[Session]:
        """Return the user's valid sessions, newest first ("your devices")."""
        return self.storage.list_sessions_for_user(user_id)

    def delete_session(self, token: str) -> None:
        """Sign out."""
        self.sessions.end(token)

    def delete_session_by_id(self, user_id: str, session_id: str) -> bool:
        """Sign out one device. Returns whether there was such a session of this user."""
        return self.sessions.end_by_id(user_id, session_id)

    def delete_other_sessions(self, token: str) -> Session | None:
        """Sign out everywhere else.

        Returns:
            The session that replaces this one, with a new token; ``None`` if this one is not valid.
        """
        return self.sessions.end_others(token)

    def delete_sessions_for_user(self, user_id: str) -> None:
        """Sign out everywhere: when it returns, no earlier session is valid, on any host."""
        self.sessions.end_all(user_id)

    # Ending

    def close(self) -> None:
        """Wait for mails in progress. The storage stays open."""
        self.wait_for_mail()

    def wait_for_mail(self) -> None:
        """Wait until no mail is in progress: for tests, and before the program ends."""
        # Not made for this: loading the templates takes longer than everything else about services that sent nothing.
        mail: Mail | None = self.__dict__.get("_mail")
        if mail is not None:
            mail.wait()
