# Generated from src/torii_dynamodb/_async/services/oauth.py by tools/unasync.py. Do not edit.

"""Signing in through providers (OAuth 2, OpenID Connect), and linking them."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from torii_dynamodb._rules import base64url, oidc
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.oauth import (
    OAuthAccessToken,
    OAuthConfirmation,
    OAuthConfirmationSent,
    OAuthError,
    OAuthFlow,
    OAuthIdentity,
    OAuthNativeStart,
    OAuthProvider,
    OAuthResult,
    OAuthStart,
    provider_label,
)
from torii_dynamodb._rules.sealing import seal_under_state, unseal_under_state
from torii_dynamodb._rules.signing_in import INVALID_LINK, Browser, refuse_locked
from torii_dynamodb._sync.services.mail import mailbox
from torii_dynamodb._sync.services.oauth_client import ProviderClient
from torii_dynamodb._sync.services.proofs import prove_email
from torii_dynamodb.clock import Clock, RandomBytes
from torii_dynamodb.errors import (
    AlreadyExists,
    ConfigurationError,
    InvalidToken,
    NotFound,
    ProviderDisconnected,
    ValidationError,
)
from torii_dynamodb.events import EmailVerified, OAuthLinked, OAuthUnlinked, UserCreated
from torii_dynamodb.models import (
    Listing,
    Metadata,
    MetadataValue,
    NewOAuthAccount,
    NewUser,
    OAuthAccount,
    Session,
    Token,
    User,
)

if TYPE_CHECKING:
    import httpx

    from torii_dynamodb._sync.contract import Storage
    from torii_dynamodb._sync.services.events import Events
    from torii_dynamodb._sync.services.mail import Mail
    from torii_dynamodb._sync.services.provider_tokens import ProviderTokens
    from torii_dynamodb._sync.services.sessions import SessionService

__all__ = ["OAUTH_CONFIRMATION", "OAuthService"]

OAUTH_CONFIRMATION = "oauth_confirmation"
"""The purpose of tokens by which the owner of an address confirms an account at a provider."""

_SEALED = "sealed"
# Of a token endpoint's answer.
_KEPT = ("access_token", "refresh_token", "expires_in", "scope")
# Kept apart from states, so that nobody uses up the one by the other.
_NATIVE = "native-"

_UNKNOWN = "the answer belongs to no sign-in that was begun here, or to one that is over"


@dataclass(frozen=True, slots=True)
class _Found:
    user: User
    created: bool = False
    linked: bool = False


class OAuthService:
    """Sign-in through providers. State, PKCE and (with OpenID Connect) a nonce always; bound to the browser.

    An account at a provider belongs to the user who linked it. One that nobody has linked signs in to the account that
    holds its address, or makes one, only if the provider is the authority for the address
    (``OAuthProvider.authoritative_for``); if the address was not yet proved here, this is the first proof and removes
    what was set up before it. Where the provider is not the authority, a link is mailed to the address: whoever opens
    it in the browser that began shows that both are theirs. Without a mailer, such an account signs in to nothing that
    exists, and makes a user whose address is not verified. The owner is told of every account that is linked.

    Args:
        storage: Where accounts are kept.
        sessions: Makes the sessions.
        providers: Which are offered.
        events: Who is told.
        clock: What time it is.
        random: Where random bytes come from.
        http: Gives the application's HTTP client; ``None``: it has none.
        mail: Asks the owners of addresses, and tells them of linked accounts; ``None``: nobody is asked or told.
        tokens: Keeps the tokens of the providers that say so; ``None``: nothing is kept.
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
        mail: Mail | None = None,
        tokens: ProviderTokens | None = None,
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
        self._mail = mail
        self._tokens = tokens
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
        verifier, binding = (base64url.encode(self._random(32)) for _ in range(2))
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
        confirmation_binding: str | None = None,
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
            confirmation_binding=confirmation_binding,
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
        confirmation_binding: str | None = None,
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
            confirmation_binding: From the cookie that an earlier :class:`OAuthConfirmationSent` left, if any.

        Raises:
            OAuthError: It came to nothing; ``reason`` says why.
            OAuthConfirmationSent: The address has to be confirmed first.
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
            self._keep(who.user, flow.provider, identity, tokens)
        else:
            kept: Mapping[str, Any] = tokens if client.provider.keep_tokens else {}
            who = self._find(flow.provider, identity, browser, flow.next_url, confirmation_binding, kept)
            self._keep(who.user, flow.provider, identity, tokens)
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

    # The provider's tokens, where they are kept.

    def access_token(
        self,
        user_id: str,
        provider: str,
        *,
        subject: str | None = None,
        min_validity: timedelta = timedelta(minutes=1),
    ) -> OAuthAccessToken:
        """An access token for the provider's API, refreshed if it is about to end.

        However many ask at once, on however many hosts, it is refreshed once: whoever refreshes holds a lease in the
        account's row, taken by one conditional write; the others wait and read what they wrote. A refresh token that
        the provider replaces is replaced. One request where the token is fresh (two without ``subject``); two writes
        and a request to the provider where it is not.

        Args:
            user_id: Whose.
            provider: The provider's name; it has ``keep_tokens=True``.
            subject: Which account, where the user has linked several.
            min_validity: How long the token must be good for.

        Raises:
            NotFound: ``what="provider"``, or ``what="oauth_account"``: the user has linked no such account.
            ValidationError: ``subject``: there are several.
            OAuthError: ``reason="revoked"``: the person has to sign in through the provider again (they withdrew their
                consent, the refresh token ended, or no token was kept). ``reason="provider"``: the provider cannot be
                asked now.
            ConfigurationError: The provider does not keep tokens.
        """
        client = self._client(provider)
        if self._tokens is None or not client.provider.keep_tokens:
            raise ConfigurationError(f"{provider} does not keep tokens: give it keep_tokens=True")
        return self._tokens.access_token(client, user_id, subject, min_validity)

    def _keep(self, user: User, provider: str, identity: OAuthIdentity, tokens: Mapping[str, Any]) -> None:
        if self._tokens is not None and self._client(provider).provider.keep_tokens:
            self._tokens.keep(user.id, provider, identity.subject, tokens)

    # Native applications: a mobile SDK obtains the ID token.

    def begin_native(self, provider: str) -> OAuthNativeStart:
        """Begin to sign in by an ID token that a mobile SDK obtains. One write.

        Args:
            provider: The provider's name; it has ``native_client_ids``.

        Returns:
            The nonce to hand to the SDK.

        Raises:
            NotFound: ``what="provider"``: there is none of this name, or it takes no ID tokens.
        """
        self._native_client(provider)
        nonce, unused = (base64url.encode(self._random(32)) for _ in range(2))
        expires_at = self._clock() + self._begin_for
        self._storage.store_pkce_verifier(
            _NATIVE + nonce, unused, expires_at=expires_at, metadata={"provider": provider}
        )
        return OAuthNativeStart(nonce=nonce, expires_at=expires_at)

    def finish_native(
        self,
        provider: str,
        *,
        id_token: str,
        nonce: str,
        name: str | None = None,
        user_agent: str | None = None,
        ip_address: str | None = None,
        metadata: Metadata | None = None,
        device_token: str | None = None,
        confirmation_binding: str | None = None,
    ) -> OAuthResult:
        """Sign in by an ID token that a mobile SDK obtained. The same rules as in a browser find the account.

        The token must be for this application (its ``client_id`` or one of ``native_client_ids``) and hold the nonce,
        which is used up, also where the token does not hold.

        Args:
            provider: The provider's name.
            id_token: As the SDK gave it.
            nonce: From :meth:`begin_native`.
            name: The name to show, as the SDK tells it (Apple tells it the first time only); nobody signed it.
            user_agent: The application's name for itself.
            ip_address: Where it is.
            metadata: Anything of yours, for the session.
            device_token: What the device holds as proof that it signed this user in before.
            confirmation_binding: What an earlier :class:`OAuthConfirmationSent` left with the device, if any.

        Raises:
            NotFound: ``what="provider"``.
            OAuthError: It came to nothing; ``reason`` says why. ``"state"``: the nonce was not given out here, was
                used, or is too old.
            OAuthConfirmationSent: The address has to be confirmed first.
            AccountLocked: An administrator locked the account.
        """
        client = self._native_client(provider)
        browser = Browser(user_agent=user_agent, ip_address=ip_address, metadata=metadata, device_token=device_token)
        kept = self._storage.consume_pkce_verifier(_NATIVE + oidc.state_of(nonce))
        if kept is None or kept.metadata.get("provider") != provider:
            raise OAuthError("state", "the nonce was not given out here, was used, or is too old")
        identity = client.identify(id_token, nonce=nonce, access_token=None, name=oidc.shown_name(name), native=True)
        who = self._find(provider, identity, browser, None, confirmation_binding, {})
        made = self._sessions.sign_in(who.user, browser, method="oauth", provider=provider)
        return OAuthResult(
            user=who.user,
            session=made,
            provider=provider,
            identity=identity,
            created=who.created,
            linked=who.linked,
            next_url=None,
            tokens={},
        )

    def _native_client(self, provider: str) -> ProviderClient:
        client = self._client(provider)
        if not client.provider.native_client_ids:
            raise NotFound("provider", "there is no such provider that takes ID tokens of mobile applications")
        return client

    def accounts(self, user_id: str) -> Listing[OAuthAccount]:
        """The user's linked accounts, oldest first."""
        return self._storage.list_oauth_accounts_for_user(user_id)

    def unlink(
        self,
        user_id: str,
        provider: str,
        subject: str,
        *,
        user: User | None = None,
        allow_verified_email: bool = False,
    ) -> bool:
        """Unlink an account.

        Args:
            user_id: Whose.
            provider: The provider's name; also one that is not offered any more.
            subject: The provider's id for the person.
            user: The user as the session check read it: nothing is unlinked once all sessions were ended since.
            allow_verified_email: Whether a verified address counts as a way to sign in (magic links).

        Returns:
            Whether this user held it.

        Raises:
            LastSignInMethod: Nothing else is left to sign in with.
            Revoked: All sessions were ended since ``user`` was read.
        """
        gone = self._storage.unlink_oauth_account(
            user_id,
            provider,
            subject,
            allow_verified_email=allow_verified_email,
            session_epoch=None if user is None else user.session_epoch,
        )
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
        self._tell_of_link(user, provider, identity)
        return _Found(user, linked=True)

    def _tell_of_link(self, user: User, provider: str, identity: OAuthIdentity) -> None:
        """Tell of a newly linked account: the handlers of events, and always the owner."""
        self._events.emit(OAuthLinked(at=self._clock(), user_id=user.id, provider=provider))
        if self._mail is not None:
            context = {"provider": provider_label(provider), "provider_email": identity.email}
            # The mailbox of an unverified address may be a stranger's, and linking and unlinking can go on without end.
            counted = None if user.is_email_verified else user.email
            self._mail.send("provider_connected", mailbox(user), context, user_id=user.id, counted=counted)

    def _find(
        self,
        provider: str,
        identity: OAuthIdentity,
        browser: Browser,
        next_url: str | None,
        confirmation_binding: str | None,
        tokens: Mapping[str, Any],
    ) -> _Found:
        """Who linked the account; else who holds the address, if the provider is its authority; else a new user.

        Raises:
            OAuthConfirmationSent: The owner of the address is to confirm it first.
        """
        for attempt in range(2):
            user = self._storage.get_user_by_provider_and_subject(provider, identity.subject, consistent=True)
            if user is not None:
                self._sessions.refuse_locked(user, browser, method="oauth", provider=provider)
                return _Found(user)
            # What follows is said, or done, before anybody is looked up, so that it does not tell who has an account.
            if identity.email is None:
                raise OAuthError("email_missing", f"{provider} tells no address; sign in otherwise and link it")
            try:
                if not identity.email_authoritative and self._mail is not None:
                    raise self._ask_owner(
                        self._mail, provider, identity, identity.email, next_url, confirmation_binding, tokens
                    )
                if not identity.email_verified:
                    raise OAuthError(
                        "email_unverified", f"{provider} does not vouch for the address; sign in otherwise and link it"
                    )
                held = self._storage.get_user_by_email(identity.email, consistent=True)
                if held is not None:
                    return self._join(held, provider, identity, browser)
                if not self._sign_up:
                    raise OAuthError("no_account", "nobody has linked this account")
                return self._create(provider, identity, proved=identity.email_authoritative)
            except AlreadyExists:
                # Somebody was first: look again.
                if attempt:
                    raise
            except ValidationError as error:
                raise OAuthError("email_missing", f"{provider} tells an address that cannot be used") from error
        raise OAuthError("provider", "the account changes hands faster than it can be read")

    def _join(self, user: User, provider: str, identity: OAuthIdentity, browser: Browser) -> _Found:
        if not identity.email_authoritative:
            raise OAuthError(
                "email_unverified", f"{provider} is not the authority for the address; sign in otherwise and link it"
            )
        self._sessions.refuse_locked(user, browser, method="oauth", provider=provider)
        proved = prove_email(self._storage, self._events, self._clock, user, email=user.email)
        if proved is None:
            raise OAuthError("state", "the account was changed at the same moment; begin again")
        return self._link_proved(proved, provider, identity)

    def _link_proved(self, user: User, provider: str, identity: OAuthIdentity) -> _Found:
        """Link to whoever has just proved the address."""
        refuse_locked(user)
        try:
            self._storage.link_oauth_account(
                user.id, _account(provider, identity), session_epoch=user.session_epoch, joining=True
            )
        except ProviderDisconnected as error:
            raise OAuthError(
                "disconnected", f"{provider} was disconnected from this account; sign in otherwise and connect it again"
            ) from error
        self._tell_of_link(user, provider, identity)
        return _Found(user, linked=True)

    def _create(self, provider: str, identity: OAuthIdentity, *, proved: bool) -> _Found:
        assert identity.email is not None
        now = self._clock()
        user, _ = self._storage.create_oauth_account(
            NewUser(email=identity.email, name=identity.name, email_verified_at=now if proved else None),
            _account(provider, identity),
        )
        self._events.emit(UserCreated(at=now, user_id=user.id, email=user.email, method="oauth"))
        if proved:
            self._events.emit(EmailVerified(at=now, user_id=user.id, email=user.email))
        return _Found(user, created=True)

    # Where the provider is not the authority for the address, its owner says so once.

    def _ask_owner(
        self,
        mail: Mail,
        provider: str,
        identity: OAuthIdentity,
        email: str,
        next_url: str | None,
        binding: str | None,
        tokens: Mapping[str, Any],
    ) -> OAuthConfirmationSent:
        """Mail a link to the address. The same requests, and the same answer, whoever holds it."""
        address = normalise_email(email)
        lifetime = mail.settings.confirm_provider_for
        user = mail.find(email, OAUTH_CONFIRMATION, lifetime)
        secret = binding if binding is not None and len(binding) >= 43 else base64url.encode(self._random(32))
        kept = {
            "provider": provider,
            "next_url": next_url,
            "identity": {
                "subject": identity.subject,
                "email": email,
                "email_verified": identity.email_verified,
                "name": identity.name,
                "picture": identity.picture,
            },
            "tokens": {name: tokens[name] for name in _KEPT if name in tokens},
        }
        sealed = seal_under_state(
            json.dumps(kept).encode(), state=secret, place=_place(address.normalised), random=self._random
        )
        token = mail.token(
            OAUTH_CONFIRMATION,
            lifetime,
            user=user,
            email=address.normalised,
            metadata={_SEALED: urlsafe_b64encode(sealed).decode()},
        )
        if user.locked_at is None if user is not None else self._sign_up:
            mail.send_link(
                "confirm_provider",
                address.normalised if user is None else mailbox(user),
                mail.settings.confirm_provider_path,
                token,
                lifetime,
                user_id=None if user is None else user.id,
                context={"provider": provider_label(provider)},
            )
        return OAuthConfirmationSent(secret, token.expires_at)

    def verify_confirmation(self, token: str, *, browser_binding: str | None) -> OAuthConfirmation | None:
        """What a link that confirms an address would do, without using it up. ``None`` when it does not hold.

        Raises:
            OAuthError: ``reason="browser"``: another browser began this sign-in.
        """
        found = self._storage.check_token(token, purpose=OAUTH_CONFIRMATION)
        if found is None or found.token.email is None:
            return None
        opened = _opened(found.token, browser_binding)
        return OAuthConfirmation(provider=opened.provider, email=found.token.email, user=found.user)

    def complete_confirmation(
        self,
        token: str,
        *,
        browser_binding: str | None,
        user_agent: str | None = None,
        ip_address: str | None = None,
        metadata: Metadata | None = None,
        device_token: str | None = None,
    ) -> OAuthResult:
        """Use a link that confirms an address: link the account, or make one, and sign in.

        It proves the address; the first proof removes what was set up before it.

        Args:
            token: What the link carries.
            browser_binding: From the cookie: only the browser that began the sign-in can complete it.
            user_agent: The browser's name for itself.
            ip_address: Where it is.
            metadata: Anything of yours, for the session.
            device_token: What the browser holds as proof that it signed this user in before.

        Raises:
            InvalidToken: The link does not hold, or its user ended all sessions or moved to another address since.
            OAuthError: ``reason="browser"``: another browser began this sign-in; the link is not used up.
                ``"disconnected"``: the user disconnected the provider.
            AccountLocked: An administrator locked the account.
            AlreadyExists: ``what="oauth_account"``: somebody else has linked it since.
            TooManyIdentities: The user holds as many identities as there may be.
        """
        browser = Browser(user_agent=user_agent, ip_address=ip_address, metadata=metadata, device_token=device_token)
        found = self._storage.check_token(token, purpose=OAUTH_CONFIRMATION)
        if found is None or found.token.email is None:
            raise InvalidToken(INVALID_LINK)
        opened = _opened(found.token, browser_binding)
        if opened.provider not in self._clients:
            raise InvalidToken(INVALID_LINK)
        if found.user is not None:
            self._sessions.refuse_locked(found.user, browser, method="oauth", provider=opened.provider)
            # Uses the link up and proves the address in one write, under the epoch that the link was sent under.
            user = self._storage.complete_email_proof(token, purpose=OAUTH_CONFIRMATION)
            if user is None:
                raise InvalidToken(INVALID_LINK)
            if not found.user.is_email_verified:
                self._events.emit(EmailVerified(at=self._clock(), user_id=user.id, email=user.email))
            who = self._link_proved(user, opened.provider, opened.identity)
        else:
            used = self._storage.verify_token(token, purpose=OAUTH_CONFIRMATION)
            if used is None or not self._sign_up:
                raise InvalidToken(INVALID_LINK)
            who = self._create_or_join(opened.provider, opened.identity, browser)
        self._keep(who.user, opened.provider, opened.identity, opened.tokens)
        session = self._sessions.sign_in(who.user, browser, method="oauth", provider=opened.provider)
        return OAuthResult(
            user=who.user,
            session=session,
            provider=opened.provider,
            identity=opened.identity,
            created=who.created,
            linked=who.linked,
            next_url=opened.next_url,
            tokens={},
        )

    def _create_or_join(self, provider: str, identity: OAuthIdentity, browser: Browser) -> _Found:
        """A new user with an address that was just proved; or who has taken it since, and has not proved it.

        Whoever has proved it gets links of their own, which end with their sessions.
        """
        try:
            return self._create(provider, identity, proved=True)
        except AlreadyExists as error:
            if error.what != "email" or identity.email is None:
                raise
            held = self._storage.get_user_by_email(identity.email, consistent=True)
            if held is None or held.is_email_verified:
                raise InvalidToken(INVALID_LINK) from error
            return self._join(held, provider, replace(identity, email_authoritative=True), browser)


@dataclass(frozen=True, slots=True)
class _Opened:
    provider: str
    identity: OAuthIdentity
    next_url: str | None
    tokens: Mapping[str, Any]


def _opened(token: Token, binding: str | None) -> _Opened:
    """What stands sealed in a link's token, for the browser that began the sign-in."""
    sealed = token.metadata.get(_SEALED)
    try:
        raw = urlsafe_b64decode(sealed) if isinstance(sealed, str) else b""
        plain = unseal_under_state(raw, state=binding or "", place=_place(token.email or ""))
    except ValueError:
        raise OAuthError("browser", "another browser began this sign-in; open the link in that one") from None
    kept = json.loads(plain)
    return _Opened(kept["provider"], OAuthIdentity(**kept["identity"]), kept["next_url"], kept["tokens"])


def _place(email: str) -> bytes:
    return f"torii-dynamodb/oauth-confirmation/1\0{email}".encode()


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
