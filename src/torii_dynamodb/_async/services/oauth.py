"""Signing in through providers (OAuth 2, OpenID Connect), and linking them."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from torii_dynamodb._async.services.mail import mailbox
from torii_dynamodb._async.services.oauth_client import AsyncProviderClient
from torii_dynamodb._async.services.proofs import prove_email
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
    MetadataValue,
    NewOAuthAccount,
    NewUser,
    OAuthAccount,
    Session,
    SignedIn,
    Token,
    User,
)
from torii_dynamodb.second_factor import SecondFactorChallenge, SignInResult

if TYPE_CHECKING:
    import httpx

    from torii_dynamodb._async.contract import AsyncStorage
    from torii_dynamodb._async.services.events import AsyncEvents
    from torii_dynamodb._async.services.mail import AsyncMail
    from torii_dynamodb._async.services.provider_tokens import AsyncProviderTokens
    from torii_dynamodb._async.services.sessions import AsyncSessionService

__all__ = ["OAUTH_CONFIRMATION", "AsyncOAuthService"]

OAUTH_CONFIRMATION = "oauth_confirmation"
"""The purpose of tokens with which the owner of an address confirms an account at a provider."""

_SEALED = "sealed"
# Members of a token endpoint's response.
_KEPT = ("access_token", "refresh_token", "expires_in", "scope")
# Separate from states, so that neither can be used up as the other.
_NATIVE = "native-"

_UNKNOWN = "the response does not belong to a sign-in that was started here, or that sign-in is over"


@dataclass(frozen=True, slots=True)
class _Found:
    user: User
    created: bool = False
    linked: bool = False


class AsyncOAuthService:
    """Sign-in through providers, always with state, PKCE and (with OpenID Connect) a nonce, bound to the browser.

    An account at a provider belongs to the user who linked it. One that nobody has linked signs in to the user with
    its address, or creates one, only if the provider is the authority for the address
    (``OAuthProvider.authoritative_for``); if the address was not yet proved here, this is the first proof and removes
    what was set up before it. If the provider is not the authority, a link is mailed to the address: a person who opens
    it in the browser that started proves that both are theirs. Without a mailer, such an account signs in to no
    existing user, and creates a user whose address is not verified. The owner gets a mail about every linked account.

    Args:
        storage: Stores the accounts.
        sessions: Creates the sessions.
        providers: The providers to offer.
        events: Receives the events.
        clock: The clock.
        random: The randomness.
        http: Returns the application's HTTP client; ``None`` if it has none.
        mail: Mails the owners of addresses; ``None`` for no mails.
        tokens: Stores the tokens of providers with ``keep_tokens``; ``None`` to store none.
        sign_up: Whether an account at a provider that belongs to nobody creates a user.
        begin_for: How long a person may take at the provider.
    """

    def __init__(
        self,
        storage: AsyncStorage,
        sessions: AsyncSessionService,
        providers: Sequence[OAuthProvider],
        *,
        events: AsyncEvents,
        clock: Clock,
        random: RandomBytes,
        http: Callable[[], httpx.AsyncClient | None],
        mail: AsyncMail | None = None,
        tokens: AsyncProviderTokens | None = None,
        sign_up: bool = True,
        begin_for: timedelta = timedelta(minutes=10),
    ) -> None:
        names = [provider.name for provider in providers]
        if len(set(names)) != len(names):
            raise ConfigurationError(f"oauth: two providers have the same name: {', '.join(names)}")
        self._storage = storage
        self._sessions = sessions
        self._clients = {provider.name: AsyncProviderClient(provider, http, clock) for provider in providers}
        self._events = events
        self._clock = clock
        self._random = random
        self._mail = mail
        self._tokens = tokens
        self._sign_up = sign_up
        self._begin_for = begin_for

    @property
    def providers(self) -> tuple[OAuthProvider, ...]:
        """Return the providers, in the order given."""
        return tuple(client.provider for client in self._clients.values())

    async def begin(
        self,
        provider: str,
        *,
        redirect_uri: str,
        next_url: str | None = None,
        failure_url: str | None = None,
        replaces: str | None = None,
        link_to: Session | None = None,
    ) -> OAuthStart:
        """Start a sign-in or a link. One write.

        Args:
            provider: The provider's name.
            redirect_uri: Where it will send the browser back to; must be registered there.
            next_url: Returned to you at the end. Check yourself whether it is safe to go there.
            failure_url: Returned to you; where to go after a failure.
            replaces: Returned to you; the id of the user whose session in this browser the person agreed to replace.
            link_to: The session of a signed-in user, to link the account to that user instead of signing in.

        Raises:
            NotFound: ``what="provider"``.
            ValidationError: The redirect address cannot be used.
            OAuthError: The provider cannot be reached.
        """
        client = self._client(provider)
        back = oidc.redirect_uri_of(redirect_uri)
        metadata = await client.metadata()
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
        await self._storage.store_pkce_verifier(state, verifier, expires_at=expires_at, metadata=kept)
        return OAuthStart(
            url=url,
            state=state,
            browser_binding=binding,
            expires_at=expires_at,
            response_mode=client.provider.response_mode,
        )

    async def complete(
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
        browser: Browser = Browser(),
        confirmation_binding: str | None = None,
    ) -> OAuthResult:
        """Complete a sign-in or a link: :meth:`resume`, then :meth:`complete_flow`, with their arguments.

        Raises:
            OAuthError: It failed; ``reason`` says why.
            AccountLocked: An administrator locked the account.
            AlreadyExists: ``what="oauth_account"``: to link, but another user has the account.
            TooManyIdentities: To link, but the user has the maximum number of identities.
            NotFound: ``what="provider"``.
        """
        flow = await self.resume(provider, state=state, browser_binding=browser_binding)
        return await self.complete_flow(
            flow,
            code=code,
            error=error,
            iss=iss,
            posted_user=posted_user,
            session=session,
            browser=browser,
            confirmation_binding=confirmation_binding,
        )

    async def resume(self, provider: str, *, state: str | None, browser_binding: str | None) -> OAuthFlow:
        """Load the flow of a browser that has returned. This uses it up: a flow can be completed once. One write.

        Nothing is read or used up unless the binding matches the state, so a callback that another site sends a browser
        to does not spoil the sign-in that its owner started.

        Args:
            provider: The provider's name, from the URL that the browser returned to.
            state: As received.
            browser_binding: From the cookie of this state.

        Raises:
            OAuthError: ``reason="state"``: it is over, or never existed. ``reason="browser"``: another browser started
                it, or this one lost its cookie.
            NotFound: ``what="provider"``.
        """
        self._client(provider)
        given = oidc.state_of(state)
        if not isinstance(browser_binding, str) or not hmac.compare_digest(oidc.state_for(browser_binding), given):
            raise OAuthError("browser", "another browser started this sign-in, or it took too long")
        kept = await self._storage.consume_pkce_verifier(given)
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

    async def complete_flow(
        self,
        flow: OAuthFlow,
        *,
        code: str | None = None,
        error: str | None = None,
        iss: str | None = None,
        posted_user: str | None = None,
        session: Session | None = None,
        browser: Browser = Browser(),
        confirmation_binding: str | None = None,
    ) -> OAuthResult:
        """Redeem the code, and sign in or link.

        Args:
            flow: From :meth:`resume`.
            code: As received.
            error: As received instead of a code.
            iss: As received (RFC 9207).
            posted_user: Apple's ``user`` field as received; it contains the person's name only the first time.
            session: The session that is signed in now, as checked; needed to link.
            browser: The browser that sent the request.
            confirmation_binding: From the cookie of an earlier :class:`OAuthConfirmationSent`, if any.

        Raises:
            OAuthError: It failed; ``reason`` says why.
            OAuthConfirmationSent: The address has to be confirmed first.
            AccountLocked: An administrator locked the account.
            AlreadyExists: ``what="oauth_account"``: to link, but another user has the account.
            Revoked: To link, but all the user's sessions have been ended since the start.
            TooManyIdentities: To link, but the user has the maximum number of identities.
        """
        client = self._client(flow.provider)
        if error is not None or not code:
            raise oidc.error_of(error or "no_code")
        found = await client.metadata()
        if found.issuer is not None and iss != found.issuer and (iss is not None or found.names_itself):
            raise OAuthError("provider", "the response comes from another issuer")
        link_to = self._link_to(flow, session)
        identity, tokens = await client.redeem(
            code,
            redirect_uri=flow.redirect_uri,
            verifier=flow.verifier,
            nonce=oidc.nonce_of(flow.browser_binding),
            posted_user=posted_user,
        )
        result: SignInResult | None = None
        if link_to is not None:
            who = await self._link(*link_to, flow.provider, identity)
            await self._keep(who.user, flow.provider, identity, tokens)
        else:
            kept: Mapping[str, Any] = tokens if client.provider.keep_tokens else {}
            who = await self._find(flow.provider, identity, browser, flow.next_url, confirmation_binding, kept)
            await self._keep(who.user, flow.provider, identity, tokens)
            result = await self._sign_in(who.user, browser, flow.provider)
        return OAuthResult(
            user=who.user,
            session=result.session if isinstance(result, SignedIn) else None,
            challenge=result if isinstance(result, SecondFactorChallenge) else None,
            provider=flow.provider,
            identity=identity,
            created=who.created,
            linked=who.linked,
            next_url=flow.next_url,
            tokens=tokens,
        )

    # The provider's stored tokens.

    async def access_token(
        self,
        user_id: str,
        provider: str,
        *,
        subject: str | None = None,
        min_validity: timedelta = timedelta(minutes=1),
    ) -> OAuthAccessToken:
        """Return an access token for the provider's API, refreshed if it is about to expire.

        However many callers ask at once, on however many hosts, it is refreshed once: the one that refreshes holds a
        lease in the account's row, taken by a conditional write; the others wait and read the result. A refresh token
        that the provider replaces is stored. One request if the token is fresh (two without ``subject``); otherwise two
        writes and a request to the provider.

        Args:
            user_id: The user.
            provider: The provider's name; it has ``keep_tokens=True``.
            subject: The account, if the user has linked several.
            min_validity: How long the token must still be valid.

        Raises:
            NotFound: ``what="provider"``, or ``what="oauth_account"``: the user has linked no such account.
            ValidationError: ``subject``: there are several.
            OAuthError: ``reason="revoked"``: the person has to sign in through the provider again (they withdrew their
                consent, the refresh token expired, or no token was stored). ``reason="provider"``: the provider cannot
                be reached now.
            ConfigurationError: The provider does not keep tokens.
        """
        client = self._client(provider)
        if self._tokens is None or not client.provider.keep_tokens:
            raise ConfigurationError(f"the tokens of {provider} are not stored: give it keep_tokens=True")
        return await self._tokens.access_token(client, user_id, subject, min_validity)

    async def _keep(self, user: User, provider: str, identity: OAuthIdentity, tokens: Mapping[str, Any]) -> None:
        if self._tokens is not None and self._client(provider).provider.keep_tokens:
            await self._tokens.keep(user.id, provider, identity.subject, tokens)

    # Native applications: a mobile SDK obtains the ID token.

    async def begin_native(self, provider: str) -> OAuthNativeStart:
        """Start a sign-in with an ID token that a mobile SDK obtains. One write.

        Args:
            provider: The provider's name; it has ``native_client_ids``.

        Returns:
            The nonce for the SDK.

        Raises:
            NotFound: ``what="provider"``: there is none with this name, or it accepts no ID tokens.
        """
        self._native_client(provider)
        nonce, unused = (base64url.encode(self._random(32)) for _ in range(2))
        expires_at = self._clock() + self._begin_for
        await self._storage.store_pkce_verifier(
            _NATIVE + nonce, unused, expires_at=expires_at, metadata={"provider": provider}
        )
        return OAuthNativeStart(nonce=nonce, expires_at=expires_at)

    async def complete_native(
        self,
        provider: str,
        *,
        id_token: str,
        nonce: str,
        name: str | None = None,
        browser: Browser = Browser(),
        confirmation_binding: str | None = None,
    ) -> OAuthResult:
        """Sign in with an ID token that a mobile SDK obtained. The same rules as in a browser find the user.

        The token must be for this application (its ``client_id`` or one of ``native_client_ids``) and contain the
        nonce, which is used up even if the token is not valid.

        Args:
            provider: The provider's name.
            id_token: As the SDK returned it.
            nonce: From :meth:`begin_native`.
            name: The display name from the SDK (Apple sends it only the first time); it is not signed.
            browser: The browser that sent the request.
            confirmation_binding: The binding of an earlier :class:`OAuthConfirmationSent` on the device, if any.

        Raises:
            NotFound: ``what="provider"``.
            OAuthError: It failed; ``reason`` says why. ``"state"``: the nonce was not issued here, was used, or has
                expired.
            OAuthConfirmationSent: The address has to be confirmed first.
            AccountLocked: An administrator locked the account.
        """
        client = self._native_client(provider)
        kept = await self._storage.consume_pkce_verifier(_NATIVE + oidc.state_of(nonce))
        if kept is None or kept.metadata.get("provider") != provider:
            raise OAuthError("state", "the nonce was not issued here, was used, or has expired")
        identity = await client.identify(
            id_token, nonce=nonce, access_token=None, name=oidc.shown_name(name), native=True
        )
        who = await self._find(provider, identity, browser, None, confirmation_binding, {})
        result = await self._sign_in(who.user, browser, provider)
        return OAuthResult(
            user=who.user,
            session=result.session if isinstance(result, SignedIn) else None,
            challenge=result if isinstance(result, SecondFactorChallenge) else None,
            provider=provider,
            identity=identity,
            created=who.created,
            linked=who.linked,
            next_url=None,
            tokens={},
        )

    def _native_client(self, provider: str) -> AsyncProviderClient:
        client = self._client(provider)
        if not client.provider.native_client_ids:
            raise NotFound("provider", "no such provider accepts ID tokens of mobile applications")
        return client

    async def accounts(self, user_id: str) -> Listing[OAuthAccount]:
        """Return the user's linked accounts, oldest first."""
        return await self._storage.list_oauth_accounts_for_user(user_id)

    async def unlink(
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
            user_id: The user.
            provider: The provider's name, even if it is no longer offered.
            subject: The provider's id for the person.
            user: The user as the session check read it: nothing is unlinked if all sessions have been ended since.
            allow_verified_email: Whether a verified address counts as a way to sign in (magic links).

        Returns:
            Whether this user had it.

        Raises:
            LastSignInMethod: The user has no other way to sign in.
            Revoked: All sessions have been ended since ``user`` was read.
        """
        gone = await self._storage.unlink_oauth_account(
            user_id,
            provider,
            subject,
            allow_verified_email=allow_verified_email,
            session_epoch=None if user is None else user.session_epoch,
        )
        if gone:
            await self._events.emit(OAuthUnlinked(at=self._clock(), user_id=user_id, provider=provider))
            if self._mail is not None:
                context = {"provider": provider_label(provider)}
                await self._mail.notify_by_id("provider_disconnected", user_id, context, user=user)
        return gone

    def _client(self, provider: str) -> AsyncProviderClient:
        client = self._clients.get(provider)
        if client is None:
            raise NotFound("provider", "there is no such provider")
        return client

    def _link_to(self, flow: OAuthFlow, session: Session | None) -> tuple[str, int] | None:
        """Return the user to link the account to, and the epoch at the start.

        It must be the user who started the link, signed in with the same session.
        """
        if flow.link_user is None:
            return None
        if flow.link_epoch is None:
            raise OAuthError("state", _UNKNOWN)
        if session is None or session.user_id != flow.link_user or session.id != flow.link_session:
            raise OAuthError("browser", "the user who started to link this account is no longer signed in here")
        return flow.link_user, flow.link_epoch

    async def _link(self, user_id: str, epoch: int, provider: str, identity: OAuthIdentity) -> _Found:
        # The session was checked before the request to the provider, which takes a while: the write decides.
        await self._storage.link_oauth_account(user_id, _account(provider, identity), session_epoch=epoch)
        user = await self._storage.get_user(user_id, consistent=True)
        if user is None:
            raise OAuthError("state", _UNKNOWN)
        await self._tell_of_link(user, provider, identity)
        return _Found(user, linked=True)

    async def _tell_of_link(self, user: User, provider: str, identity: OAuthIdentity) -> None:
        """Report a newly linked account to the handlers of events, and always to the owner."""
        await self._events.emit(OAuthLinked(at=self._clock(), user_id=user.id, provider=provider))
        if self._mail is not None:
            context = {"provider": provider_label(provider), "provider_email": identity.email}
            # The mailbox of an unverified address may be a stranger's, and linking and unlinking can be repeated
            # endlessly.
            counted = None if user.is_email_verified else user.email
            await self._mail.send("provider_connected", mailbox(user), context, user=user, counted=counted)

    async def _find(
        self,
        provider: str,
        identity: OAuthIdentity,
        browser: Browser,
        next_url: str | None,
        confirmation_binding: str | None,
        tokens: Mapping[str, Any],
    ) -> _Found:
        """Find who linked the account, or the user with its address if the provider is the authority, or create a user.

        Raises:
            OAuthConfirmationSent: The owner of the address has to confirm it first.
        """
        for attempt in range(2):
            user = await self._storage.get_user_by_provider_and_subject(provider, identity.subject, consistent=True)
            if user is not None:
                await self._sessions.refuse_locked(user, browser, method="oauth", provider=provider)
                return _Found(user)
            # The following comes before any user is looked up, so that it does not reveal who has an account.
            if identity.email is None:
                raise OAuthError("email_missing", f"{provider} sent no address; sign in another way and link it")
            try:
                if not identity.email_authoritative and self._mail is not None:
                    raise await self._ask_owner(
                        self._mail, provider, identity, identity.email, next_url, confirmation_binding, tokens
                    )
                if not identity.email_verified:
                    raise OAuthError(
                        "email_unverified", f"{provider} has not verified the address; sign in another way and link it"
                    )
                held = await self._storage.get_user_by_email(identity.email, consistent=True)
                if held is not None:
                    return await self._join(held, provider, identity, browser)
                if not self._sign_up:
                    raise OAuthError("no_account", "nobody has linked this account")
                return await self._create(provider, identity, proved=identity.email_authoritative)
            except AlreadyExists:
                # Another request was first: look again.
                if attempt:
                    raise
            except ValidationError as error:
                raise OAuthError("email_missing", f"{provider} sent an address that cannot be used") from error
        raise OAuthError("provider", "the account keeps changing; try again")

    async def _join(self, user: User, provider: str, identity: OAuthIdentity, browser: Browser) -> _Found:
        if not identity.email_authoritative:
            raise OAuthError(
                "email_unverified", f"{provider} is not the authority for the address; sign in another way and link it"
            )
        await self._sessions.refuse_locked(user, browser, method="oauth", provider=provider)
        proved = await prove_email(self._storage, self._events, self._clock, user, email=user.email)
        if proved is None:
            raise OAuthError("state", "the account was changed at the same moment; start again")
        return await self._link_proved(proved, provider, identity)

    async def _link_proved(self, user: User, provider: str, identity: OAuthIdentity) -> _Found:
        """Link the account to the user who has just proved the address."""
        refuse_locked(user)
        try:
            await self._storage.link_oauth_account(
                user.id, _account(provider, identity), session_epoch=user.session_epoch, joining=True
            )
        except ProviderDisconnected as error:
            raise OAuthError(
                "disconnected",
                f"{provider} was disconnected here; sign in another way and connect it again",
            ) from error
        await self._tell_of_link(user, provider, identity)
        return _Found(user, linked=True)

    async def _create(self, provider: str, identity: OAuthIdentity, *, proved: bool) -> _Found:
        assert identity.email is not None
        now = self._clock()
        user, _ = await self._storage.create_oauth_account(
            NewUser(email=identity.email, name=identity.name, email_verified_at=now if proved else None),
            _account(provider, identity),
        )
        await self._events.emit(UserCreated(at=now, user_id=user.id, email=user.email, method="oauth"))
        if proved:
            await self._events.emit(EmailVerified(at=now, user_id=user.id, email=user.email))
        return _Found(user, created=True)

    # If the provider is not the authority for the address, its owner confirms it once.

    async def _ask_owner(
        self,
        mail: AsyncMail,
        provider: str,
        identity: OAuthIdentity,
        email: str,
        next_url: str | None,
        binding: str | None,
        tokens: Mapping[str, Any],
    ) -> OAuthConfirmationSent:
        """Mail a link to the address, with the same requests and the same response whether or not a user has it."""
        address = normalise_email(email)
        lifetime = mail.settings.confirm_provider_for
        user = await mail.find(email, OAUTH_CONFIRMATION, lifetime)
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
        token = await mail.token(
            OAUTH_CONFIRMATION,
            lifetime,
            user=user,
            email=address.normalised,
            metadata={_SEALED: urlsafe_b64encode(sealed).decode()},
        )
        if user.locked_at is None if user is not None else self._sign_up:
            await mail.send_link(
                "confirm_provider",
                address.normalised if user is None else mailbox(user),
                mail.settings.confirm_provider_path,
                token,
                lifetime,
                user=user,
                context={"provider": provider_label(provider)},
            )
        return OAuthConfirmationSent(secret, token.expires_at)

    async def check_confirmation(self, token: str, *, browser_binding: str | None) -> OAuthConfirmation | None:
        """Return what a link that confirms an address would do, without using it up. ``None`` if it is not valid.

        Raises:
            OAuthError: ``reason="browser"``: another browser started this sign-in.
        """
        found = await self._storage.check_token(token, purpose=OAUTH_CONFIRMATION)
        if found is None or found.token.email is None:
            return None
        opened = _opened(found.token, browser_binding)
        return OAuthConfirmation(provider=opened.provider, email=found.token.email, user=found.user)

    async def complete_confirmation(
        self, token: str, *, browser_binding: str | None, browser: Browser = Browser()
    ) -> OAuthResult:
        """Use a link that confirms an address: link the account or create a user, and sign in.

        It proves the address; the first proof removes what was set up before it.

        Args:
            token: The link's token.
            browser_binding: From the cookie: only the browser that started the sign-in can complete it.
            browser: The browser that sent the request.

        Raises:
            InvalidToken: The link is not valid, or its user has ended all sessions or changed the address since.
            OAuthError: ``reason="browser"``: another browser started this sign-in; the link is not used up.
                ``"disconnected"``: the user disconnected the provider.
            AccountLocked: An administrator locked the account.
            AlreadyExists: ``what="oauth_account"``: another user has linked it since.
            TooManyIdentities: The user has the maximum number of identities.
        """
        found = await self._storage.check_token(token, purpose=OAUTH_CONFIRMATION)
        if found is None or found.token.email is None:
            raise InvalidToken(INVALID_LINK)
        opened = _opened(found.token, browser_binding)
        if opened.provider not in self._clients:
            raise InvalidToken(INVALID_LINK)
        if found.user is not None:
            await self._sessions.refuse_locked(found.user, browser, method="oauth", provider=opened.provider)
            # Uses up the link and proves the address in one write, under the epoch in which the link was sent.
            user = await self._storage.complete_email_proof(token, purpose=OAUTH_CONFIRMATION)
            if user is None:
                raise InvalidToken(INVALID_LINK)
            if not found.user.is_email_verified:
                await self._events.emit(EmailVerified(at=self._clock(), user_id=user.id, email=user.email))
            who = await self._link_proved(user, opened.provider, opened.identity)
        else:
            used = await self._storage.verify_token(token, purpose=OAUTH_CONFIRMATION)
            if used is None or not self._sign_up:
                raise InvalidToken(INVALID_LINK)
            who = await self._create_or_join(opened.provider, opened.identity, browser)
        await self._keep(who.user, opened.provider, opened.identity, opened.tokens)
        result = await self._sign_in(who.user, browser, opened.provider)
        return OAuthResult(
            user=who.user,
            session=result.session if isinstance(result, SignedIn) else None,
            challenge=result if isinstance(result, SecondFactorChallenge) else None,
            provider=opened.provider,
            identity=opened.identity,
            created=who.created,
            linked=who.linked,
            next_url=opened.next_url,
            tokens={},
        )

    async def _sign_in(self, user: User, browser: Browser, provider: str) -> SignInResult:
        # A provider that is trusted to have asked for a second factor has given it.
        asked = self._client(provider).provider.trust_second_factor
        return await self._sessions.sign_in(
            user,
            browser,
            method="oauth",
            provider=provider,
            second_factor_at=self._clock() if asked else None,
        )

    async def _create_or_join(self, provider: str, identity: OAuthIdentity, browser: Browser) -> _Found:
        """Create a user with the proved address, or return the user who has registered it since without proving it.

        A user who has proved it gets other links, which end with their sessions.
        """
        try:
            return await self._create(provider, identity, proved=True)
        except AlreadyExists as error:
            if error.what != "email" or identity.email is None:
                raise
            held = await self._storage.get_user_by_email(identity.email, consistent=True)
            if held is None or held.is_email_verified:
                raise InvalidToken(INVALID_LINK) from error
            return await self._join(held, provider, replace(identity, email_authoritative=True), browser)


@dataclass(frozen=True, slots=True)
class _Opened:
    provider: str
    identity: OAuthIdentity
    next_url: str | None
    tokens: Mapping[str, Any]


def _opened(token: Token, binding: str | None) -> _Opened:
    """Open what is sealed in a link's token, for the browser that started the sign-in."""
    sealed = token.metadata.get(_SEALED)
    try:
        raw = urlsafe_b64decode(sealed) if isinstance(sealed, str) else b""
        plain = unseal_under_state(raw, state=binding or "", place=_place(token.email or ""))
    except ValueError:
        raise OAuthError("browser", "another browser started this sign-in; open the link in that one") from None
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
