"""The services, each made when it is first used."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from torii_dynamodb._async.primitives import BLOCKING
from torii_dynamodb._async.services.events import AsyncEvents
from torii_dynamodb._async.services.sessions import AsyncSessionService
from torii_dynamodb._rules.checking import check_kind, check_methods, check_policy, check_twin, wrong
from torii_dynamodb._rules.session_policy import SessionPolicy
from torii_dynamodb.clock import Clock, RandomBytes, system_clock, system_random
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.models import LockoutPolicy

if TYPE_CHECKING:
    import httpx

    from torii_dynamodb._async.contract import AsyncStorage
    from torii_dynamodb._async.mail import AsyncMailer
    from torii_dynamodb._async.secret_box import AsyncSecretBox
    from torii_dynamodb._async.services.email_verification import AsyncEmailVerificationService
    from torii_dynamodb._async.services.jwt import AsyncJwtService
    from torii_dynamodb._async.services.magic_links import AsyncMagicLinkService
    from torii_dynamodb._async.services.mail import AsyncMail
    from torii_dynamodb._async.services.oauth import AsyncOAuthService
    from torii_dynamodb._async.services.passkeys import AsyncPasskeyService
    from torii_dynamodb._async.services.passwords import AsyncPasswordService
    from torii_dynamodb._async.services.provider_tokens import AsyncProviderTokens
    from torii_dynamodb._pool import HashingPool
    from torii_dynamodb._rules.devices import Devices
    from torii_dynamodb._rules.hashing import PasswordHasher, PasswordPolicy
    from torii_dynamodb._rules.jwt import JwtSettings
    from torii_dynamodb._rules.oauth import OAuthProvider
    from torii_dynamodb._rules.webauthn import PasskeySettings
    from torii_dynamodb.compromised import CompromisedPasswords
    from torii_dynamodb.mail.settings import MailSettings
    from torii_dynamodb.mail.templates import Templates

__all__ = ["AsyncServices"]


_RULES = "torii_dynamodb._rules"


def _check_storage(storage: object) -> None:
    """Refuse what is no open storage of this kind. One that passes everything on is believed."""
    wanted = "an open storage, for example that of `async with AsyncDynamoDbStorage.open(config)`"
    if not isinstance(storage, type) and hasattr(storage, "initialize") and not hasattr(storage, "get_signed_in"):
        raise ConfigurationError(f"storage: {type(storage).__name__} is not open yet: give {wanted}")
    check_methods("storage", storage, ["get_signed_in"], wanted)
    check_twin("storage", storage, "get_signed_in", blocking=BLOCKING, wanted=wanted)


class AsyncServices:
    """Makes the services. Use :class:`AsyncTorii`, which has what applications need most often besides.

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
        http: An HTTP client of yours that asks providers, for example one with a proxy; you close it. ``None``:
            connections of our own, which are made to public addresses only.
        passkeys: Where passkeys are good for (``torii_dynamodb.passkeys``).
        jwt: How access tokens are made (``torii_dynamodb.jwt``).
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
        hashing: HashingPool | None = None,
        require_verified_to_sign_in: bool | None = None,
        compromised: CompromisedPasswords | None = None,
        secret: str | bytes | Sequence[str | bytes] | None = None,
        secret_box: AsyncSecretBox | None = None,
        mailer: AsyncMailer | None = None,
        mail: MailSettings | None = None,
        templates: Templates | None = None,
        magic_link_sign_up: bool = True,
        oauth: Sequence[OAuthProvider] = (),
        oauth_sign_up: bool = True,
        http: httpx.AsyncClient | None = None,
        passkeys: PasskeySettings | None = None,
        jwt: JwtSettings | None = None,
        clock: Clock = system_clock,
        random: RandomBytes = system_random,
    ) -> None:
        _check_storage(storage)
        if (mailer is None) != (mail is None):
            raise ConfigurationError("give mailer and mail, or neither")
        if mailer is not None:
            wanted = "a mailer with `async def send(message)`, for example AsyncSmtpMailer(...)"
            check_methods("mailer", mailer, ["send"], wanted)
            check_twin("mailer", mailer, "send", blocking=BLOCKING, wanted=wanted)
        if isinstance(oauth, str) or not isinstance(oauth, Collection):
            raise wrong("oauth", oauth, "a list of providers, for example [google(...)]")
        for provider in oauth:
            check_kind("oauth", provider, f"{_RULES}.oauth.OAuthProvider", "providers, for example google(...)")
        check_policy("lockout", lockout)
        for option, value, kind, wanted in (
            ("sessions", sessions, f"{_RULES}.session_policy.SessionPolicy", "SessionPolicy(...)"),
            ("passwords", passwords, f"{_RULES}.hashing.PasswordPolicy", "PasswordPolicy(...)"),
            ("hashing", hashing, "torii_dynamodb._pool.HashingPool", "HashingPool(...)"),
            ("mail", mail, "torii_dynamodb.mail.settings.MailSettings", "MailSettings(...)"),
            ("passkeys", passkeys, f"{_RULES}.webauthn.PasskeySettings", "PasskeySettings(...)"),
            ("jwt", jwt, f"{_RULES}.jwt.JwtSettings", "JwtSettings(...)"),
        ):
            if value is not None:
                check_kind(option, value, kind, wanted)
        for option, one, methods, wanted in (
            ("hasher", hasher, ["hash", "verify", "needs_rehash"], "a hasher, for example Argon2Hasher()"),
            ("compromised", compromised, ["is_compromised"], "for example PasswordList(...)"),
            ("templates", templates, ["render"], "Templates(...)"),
            ("clock", clock, ["__call__"], "a function without arguments that returns the time"),
            ("random", random, ["__call__"], "a function of a number that returns so many random bytes"),
        ):
            if one is not None:
                check_methods(option, one, methods, wanted)
        for option, answer in (
            ("magic_link_sign_up", magic_link_sign_up),
            ("oauth_sign_up", oauth_sign_up),
            ("require_verified_to_sign_in", require_verified_to_sign_in),
        ):
            if not isinstance(answer, bool) and (answer is not None or option != "require_verified_to_sign_in"):
                raise wrong(option, answer, "True or False")
        self.storage = storage
        self.events = AsyncEvents()
        self.clock = clock
        self._random = random
        self._session_policy = sessions or SessionPolicy()
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
        self._jwt_settings = jwt
        # A wrong secret is told at the start, not at the first sign-in.
        if secret is not None:
            self.devices  # noqa: B018
        if any(provider.keep_tokens for provider in self._oauth_providers):
            self.secret_box  # noqa: B018

    async def close(self) -> None:
        """Wait for mails under way. The storage stays open."""
        await self.wait_for_mail()

    @cached_property
    def devices(self) -> Devices:
        """Device tokens: ``devices.issue(user, presented)`` makes the one to leave with a browser after a sign-in.

        Raises:
            ConfigurationError: There is no ``secret``.
        """
        from torii_dynamodb._rules.devices import Devices, secret_keys

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
        """Sessions. What applications need most often is also here, as ``get_signed_in`` and its siblings."""
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
        from torii_dynamodb._async.services.hashing import AsyncHashing
        from torii_dynamodb._async.services.passwords import AsyncPasswordService
        from torii_dynamodb._pool import shared_pool
        from torii_dynamodb._rules.hashing import Argon2Hasher, PasswordPolicy

        return AsyncPasswordService(
            self.storage,
            self.sessions,
            hashing=AsyncHashing(self._hasher or Argon2Hasher(), self._hashing_pool or shared_pool()),
            policy=self._password_policy or PasswordPolicy(),
            lockout=self._lockout,
            events=self.events,
            clock=self.clock,
            compromised=self._compromised,
            devices=self._known_devices,
            mail=self._mail,
            require_verified=self._require_verified,
            random=self._random,
        )

    @property
    def require_verified_to_sign_in(self) -> bool | None:
        """Whether a password signs in only users whose address is verified; ``None``: as the caller says."""
        return self._require_verified

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

        return AsyncEmailVerificationService(
            self.storage,
            self._needed_mail(),
            lambda: self.password,
            events=self.events,
            clock=self.clock,
            random=self._random,
        )

    @cached_property
    def oauth(self) -> AsyncOAuthService:
        """Sign-in through providers, and the accounts that are linked. Without providers, only the latter."""
        from torii_dynamodb._async.services.oauth import AsyncOAuthService

        return AsyncOAuthService(
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
    def _provider_tokens(self) -> AsyncProviderTokens | None:
        if not any(provider.keep_tokens for provider in self._oauth_providers):
            return None
        from torii_dynamodb._async.services.provider_tokens import AsyncProviderTokens

        return AsyncProviderTokens(self.storage, self.secret_box, clock=self.clock, random=self._random)

    @cached_property
    def secret_box(self) -> AsyncSecretBox:
        """Seals what must be read back: what was handed in, or AES-256-GCM under ``secret``.

        Raises:
            ConfigurationError: There is neither.
        """
        if self._secret_box is not None:
            return self._secret_box
        from torii_dynamodb._async.secret_box import AsyncAesGcmBox

        if self._secret is None:
            raise ConfigurationError("tokens of providers are kept sealed: give secret=..., 32 random bytes that stay")
        return AsyncAesGcmBox(self._secret, random=self._random)

    @property
    def oauth_providers(self) -> tuple[OAuthProvider, ...]:
        """The providers that are offered; empty where there are none."""
        return self._oauth_providers

    @cached_property
    def passkeys(self) -> AsyncPasskeyService:
        """Passkeys.

        Raises:
            ConfigurationError: There are no settings.
        """
        from torii_dynamodb._async.services.passkeys import AsyncPasskeyService

        if self._passkey_settings is None:
            raise ConfigurationError("passkeys need passkeys=PasskeySettings(...)")
        return AsyncPasskeyService(
            self.storage,
            self.sessions,
            self._passkey_settings,
            events=self.events,
            clock=self.clock,
            random=self._random,
        )

    @property
    def takes_passkeys(self) -> bool:
        """Whether there are settings for passkeys."""
        return self._passkey_settings is not None

    @cached_property
    def jwt(self) -> AsyncJwtService:
        """Access tokens.

        Raises:
            ConfigurationError: There are no settings, or a key is too weak.
        """
        from torii_dynamodb._async.services.jwt import AsyncJwtService

        if self._jwt_settings is None:
            raise ConfigurationError("access tokens need jwt=JwtSettings(...)")
        return AsyncJwtService(self.storage, self.sessions, self._jwt_settings, clock=self.clock, random=self._random)

    @property
    def issues_jwt(self) -> bool:
        """Whether there are settings for access tokens."""
        return self._jwt_settings is not None

    async def wait_for_mail(self) -> None:
        """Wait until no mail is under way: for tests, and before the program ends."""
        if self._mail is not None:
            await self._mail.wait()
