# Generated from src/torii_dynamodb/_async/services/oauth.py by tools/unasync.py. Do not edit.

"""Signing in through providers (OAuth 2, OpenID Connect), and linking them."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from torii_dynamodb._core import oidc
from torii_dynamodb._core.events import EmailVerified, OAuthLinked, OAuthUnlinked, UserCreated
from torii_dynamodb._core.oauth_types import (
    OAuthError,
    OAuthFlow,
    OAuthIdentity,
    OAuthProvider,
    OAuthResult,
    OAuthStart,
)
from torii_dynamodb._core.signing_in import Browser, refuse_locked
from torii_dynamodb._sync.services.oauth_client import ProviderClient
from torii_dynamodb._sync.services.proofs import prove_email
from torii_dynamodb.clock import Clock, RandomBytes
from torii_dynamodb.errors import AlreadyExists, ConfigurationError, NotFound, ValidationError
from torii_dynamodb.models import Metadata, MetadataValue, NewOAuthAccount, NewUser, OAuthAccount, Session, User

if TYPE_CHECKING:
    import httpx

    from torii_dynamodb._sync.contract import Storage
    from torii_dynamodb._sync.services.events import Events
    from torii_dynamodb._sync.services.sessions import SessionService

__all__ = ["OAuthService"]

_UNKNOWN = "the answer belongs to no sign-in that was begun here, or to one that is over"


@dataclass(frozen=True, slots=True)
class _Found:
    user: User
    created: bool = False
    linked: bool = False


class OAuthService:
    """Sign-in through providers. State, PKCE and (with OpenID Connect) a nonce always; bound to the browser.

    An account at a provider belongs to the user who linked it. One that nobody has linked signs in to the account that
    holds its address only if the provider vouches for the address; if the address was not yet proved here, this is the
    first proof and removes what was set before it.

    Args:
        storage: Where accounts are kept.
        sessions: Makes the sessions.
        providers: Which are offered.
        events: Who is told.
        clock: What time it is.
        random: Where random bytes come from.
        http: Gives the application's HTTP client; ``None``: it has none.
        sign_up: Whether an account at a provider that belongs to nobody makes a new user.
        begin_for: How long a person may take at the provider.
    """

    def __init__(
        self,
        storage: Storage,
        sessions: SessionService,
        providers: Sequence[OAuthProvider],
        *,
        events: Events,
        clock: Clock,
        random: RandomBytes,
        http: Callable[[], httpx.Client | None],
        sign_up: bool = True,
        begin_for: timedelta = timedelta(minutes=10),
    ) -> None:
        names = [provider.name for provider in providers]
        if len(set(names)) != len(names):
            raise ConfigurationError(f"oauth: two providers have one name: {', '.join(names)}")
        self._storage = storage
        self._sessions = sessions
        self._clients = {provider.name: ProviderClient(provider, http, clock) for provider in providers}
        self._events = events
        self._clock = clock
        self._random = random
        self._sign_up = sign_up
        self._begin_for = begin_for

    @property
    def providers(self) -> tuple[OAuthProvider, ...]:
        """The providers, in the order given."""
        return tuple(client.provider for client in self._clients.values())

    def begin(
        self,
        provider: str,
        *,
        redirect_uri: str,
        next_url: str | None = None,
        failure_url: str | None = None,
        replaces: str | None = None,
        link_to: Session | None = None,
    ) -> OAuthStart:
        """Begin to sign in, or to link. One write.

        Args:
            provider: The provider's name.
            redirect_uri: Where it is to send the browser back to; must be registered there.
            next_url: Yours; handed back at the end. Whether it is safe to go there is for you to check.
            failure_url: Yours; where to go if it comes to nothing.
            replaces: Yours; the id of the user whose session in this browser the person agreed to replace.
            link_to: The session of a signed-in user, to link the account to that user instead of signing in.

        Raises:
            NotFound: ``what="provider"``.
            ValidationError: The redirect address cannot be used.
            OAuthError: The provider cannot be reached.
        """
        client = self._client(provider)
        back = oidc.redirect_uri_of(redirect_uri)
        metadata = client.metadata()
        verifier, binding = (oidc.random_text(self._random(32)) for _ in range(2))
        state = oidc.state_for(binding)
        url = oidc.authorization_url(
            client.provider,
            metadata,
            redirect_uri=back,
            state=state,
            verifier=verifier,
            nonce=oidc.nonce_of(binding),
        )
        kept: dict[str, MetadataValue] = {
            "provider": provider,
            "redirect_uri": back,
            "next_url": next_url,
            "failure_url": failure_url,
            "replaces": replaces,
        }
        if link_to is not None:
            kept |= {"link_user": link_to.user_id, "link_session": link_to.id, "link_epoch": link_to.epoch}
        expires_at = self._clock() + self._begin_for
        self._storage.store_pkce_verifier(state, verifier, expires_at=expires_at, metadata=kept)
        return OAuthStart(
            url=url,
            state=state,
            browser_binding=binding,
            expires_at=expires_at,
            response_mode=client.provider.response_mode,
        )

    def complete(
        self,
        provider: str,
        *,
        state: str | None,
        browser_binding: str | None,
        code: str | None = None,
        error: str | None = None,
        iss: str | None = None,
        posted_user: str | None = None,
        session: Session | None = None,
        user_agent: str | None = None,
        ip_address: str | None = None,
        metadata: Metadata | None = None,
        device_token: str | None = None,
    ) -> OAuthResult:
        """The browser is back: sign in, or link. It is :meth:`resume` and then :meth:`finish`, whose arguments it has.

        Raises:
            OAuthError: It came to nothing; ``reason`` says why.
            AccountLocked: An administrator locked the account.
            AlreadyExists: ``what="oauth_account"``: to link, but another user holds the account.
            TooManyIdentities: To link, but the user holds as many identities as there may be.
            NotFound: ``what="provider"``.
        """
        flow = self.resume(provider, state=state, browser_binding=browser_binding)
        return self.finish(
            flow,
            code=code,
            error=error,
            iss=iss,
            posted_user=posted_user,
            session=session,
            user_agent=user_agent,
            ip_address=ip_address,
            metadata=metadata,
            device_token=device_token,
        )

    def resume(self, provider: str, *, state: str | None, browser_binding: str | None) -> OAuthFlow:
        """What was kept for a browser that is back. It is used up: a flow can be finished once. One write.

        Nothing is read or used up unless the binding is that of the state: an answer that another site makes a browser
        bring does not spoil the sign-in that its owner began.

        Args:
            provider: The provider's name, by the address that the browser came back to.
            state: As it came back.
            browser_binding: From the cookie of this state.

        Raises:
            OAuthError: ``reason="state"``: it is over, or never was. ``reason="browser"``: another browser began it, or
                this one lost its cookie.
            NotFound: ``what="provider"``.
        """
        self._client(provider)
        given = oidc.state_of(state)
        if not isinstance(browser_binding, str) or not hmac.compare_digest(oidc.state_for(browser_binding), given):
            raise OAuthError("browser", "another browser began this sign-in, or it took too long")
        kept = self._storage.consume_pkce_verifier(given)
        if kept is None or kept.metadata.get("provider") != provider:
            raise OAuthError("state", _UNKNOWN)
        epoch = kept.metadata.get("link_epoch")
        return OAuthFlow(
            provider=provider,
            redirect_uri=str(kept.metadata.get("redirect_uri")),
            next_url=_text(kept.metadata.get("next_url")),
            failure_url=_text(kept.metadata.get("failure_url")),
            replaces=_text(kept.metadata.get("replaces")),
            link_user=_text(kept.metadata.get("link_user")),
            link_session=_text(kept.metadata.get("link_session")),
            link_epoch=epoch if isinstance(epoch, int) else None,
            browser_binding=browser_binding,
            verifier=kept.verifier,
        )

    def finish(
        self,
        flow: OAuthFlow,
        *,
        code: str | None = None,
        error: str | None = None,
        iss: str | None = None,
        posted_user: str | None = None,
        session: Session | None = None,
        user_agent: str | None = None,
        ip_address: str | None = None,
        metadata: Metadata | None = None,
        device_token: str | None = None,
    ) -> OAuthResult:
        """Redeem the code, and sign in or link.

        Args:
            flow: From :meth:`resume`.
            code: As it came back.
            error: As it came back, instead of a code.
            iss: As it came back (RFC 9207).
            posted_user: Apple's ``user`` field as it came back, which holds the person's name the first time only.
            session: The session of who is signed in now, as checked; needed to link.
            user_agent: The browser's name for itself.
            ip_address: Where it is.
            metadata: Anything of yours, for the session.
            device_token: What the browser holds as proof that it signed this user in before.

        Raises:
            OAuthError: It came to nothing; ``reason`` says why.
            AccountLocked: An administrator locked the account.
            AlreadyExists: ``what="oauth_account"``: to link, but another user holds the account.
            Revoked: To link, but all the user's sessions were ended since that was begun.
            TooManyIdentities: To link, but the user holds as many identities as there may be.
        """
        client = self._client(flow.provider)
        browser = Browser(user_agent=user_agent, ip_address=ip_address, metadata=metadata, device_token=device_token)
        if error is not None or not code:
            raise oidc.error_of(error or "no_code")
        found = client.metadata()
        if found.issuer is not None and iss != found.issuer and (iss is not None or found.names_itself):
            raise OAuthError("provider", "the answer comes from another issuer")
        link_to = self._link_to(flow, session)
        identity, tokens = client.redeem(
            code,
            redirect_uri=flow.redirect_uri,
            verifier=flow.verifier,
            nonce=oidc.nonce_of(flow.browser_binding),
            posted_user=posted_user,
        )
        made: Session | None = None
        if link_to is not None:
            who = self._link(*link_to, flow.provider, identity)
        else:
            who = self._find(flow.provider, identity, browser)
            made = self._sessions.sign_in(who.user, browser, method="oauth", provider=flow.provider)
        return OAuthResult(
            user=who.user,
            session=made,
            provider=flow.provider,
            identity=identity,
            created=who.created,
            linked=who.linked,
            next_url=flow.next_url,
            tokens=tokens,
        )

    def accounts(self, user_id: str) -> list[OAuthAccount]:
        """The user's linked accounts, oldest first."""
        return self._storage.list_oauth_accounts_for_user(user_id)

    def unlink(self, user_id: str, provider: str, subject: str, *, allow_verified_email: bool = False) -> bool:
        """Unlink an account.

        Args:
            user_id: Whose.
            provider: The provider's name; also one that is not offered any more.
            subject: The provider's id for the person.
            allow_verified_email: Whether a verified address counts as a way to sign in (magic links).

        Returns:
            Whether this user held it.

        Raises:
            LastSignInMethod: Nothing else is left to sign in with.
        """
        gone = self._storage.unlink_oauth_account(user_id, provider, subject, allow_verified_email=allow_verified_email)
        if gone:
            self._events.emit(OAuthUnlinked(at=self._clock(), user_id=user_id, provider=provider))
        return gone

    def _client(self, provider: str) -> ProviderClient:
        client = self._clients.get(provider)
        if client is None:
            raise NotFound("provider", "there is no such provider")
        return client

    def _link_to(self, flow: OAuthFlow, session: Session | None) -> tuple[str, int] | None:
        """To whom the account is to be linked, and under which epoch that was begun.

        It is who began it, and is signed in by the same session still.
        """
        if flow.link_user is None:
            return None
        if flow.link_epoch is None:
            raise OAuthError("state", _UNKNOWN)
        if session is None or session.user_id != flow.link_user or session.id != flow.link_session:
            raise OAuthError("browser", "who began to link this account is not signed in here any more")
        return flow.link_user, flow.link_epoch

    def _link(self, user_id: str, epoch: int, provider: str, identity: OAuthIdentity) -> _Found:
        # The session was checked before the provider was asked, which takes a while: the write decides.
        self._storage.link_oauth_account(user_id, _account(provider, identity), session_epoch=epoch)
        user = self._storage.get_user(user_id, consistent=True)
        if user is None:
            raise OAuthError("state", _UNKNOWN)
        self._events.emit(OAuthLinked(at=self._clock(), user_id=user_id, provider=provider))
        return _Found(user, linked=True)

    def _find(self, provider: str, identity: OAuthIdentity, browser: Browser) -> _Found:
        """The user who linked the account; else who holds the address that the provider vouches for; else a new one."""
        for attempt in range(2):
            user = self._storage.get_user_by_provider_and_subject(provider, identity.subject, consistent=True)
            if user is not None:
                self._sessions.refuse_locked(user, browser, method="oauth", provider=provider)
                return _Found(user)
            if identity.email is None:
                raise OAuthError("email_missing", f"{provider} tells no address; sign in otherwise and link it")
            # Said before anybody is looked up, so that it does not tell whether somebody holds the address.
            if not identity.email_verified:
                raise OAuthError(
                    "email_unverified", f"{provider} does not vouch for the address; sign in otherwise and link it"
                )
            try:
                held = self._storage.get_user_by_email(identity.email, consistent=True)
                if held is not None:
                    return self._join(held, provider, identity, browser)
                if not self._sign_up:
                    raise OAuthError("no_account", "nobody has linked this account")
                return self._create(provider, identity)
            except AlreadyExists:
                # Somebody was first: look again.
                if attempt:
                    raise
            except ValidationError as error:
                raise OAuthError("email_missing", f"{provider} tells an address that cannot be used") from error
        raise OAuthError("provider", "the account changes hands faster than it can be read")

    def _join(self, user: User, provider: str, identity: OAuthIdentity, browser: Browser) -> _Found:
        self._sessions.refuse_locked(user, browser, method="oauth", provider=provider)
        proved = prove_email(self._storage, self._events, self._clock, user, email=user.email)
        if proved is None:
            raise OAuthError("state", "the account was changed at the same moment; begin again")
        refuse_locked(proved)
        self._storage.link_oauth_account(proved.id, _account(provider, identity), session_epoch=proved.session_epoch)
        self._events.emit(OAuthLinked(at=self._clock(), user_id=proved.id, provider=provider))
        return _Found(proved, linked=True)

    def _create(self, provider: str, identity: OAuthIdentity) -> _Found:
        assert identity.email is not None
        now = self._clock()
        user, _ = self._storage.create_oauth_account(
            NewUser(email=identity.email, name=identity.name, email_verified_at=now), _account(provider, identity)
        )
        self._events.emit(UserCreated(at=now, user_id=user.id, email=user.email, method="oauth"))
        self._events.emit(EmailVerified(at=now, user_id=user.id, email=user.email))
        return _Found(user, created=True)


def _text(value: MetadataValue) -> str | None:
    return value if isinstance(value, str) else None


def _account(provider: str, identity: OAuthIdentity) -> NewOAuthAccount:
    profile = {"name": identity.name, "picture": identity.picture}
    return NewOAuthAccount(
        provider=provider,
        subject=identity.subject,
        email=identity.email,
        profile={key: value for key, value in profile.items() if value is not None},
    )
