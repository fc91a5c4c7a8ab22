"""Which user a provider's account joins: by the provider's authority for the address, or by the owner's consent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.services._async.support import EMAIL, PASSWORD, as_signed_in, refuses
from tests.services._async.test_oauth import AsyncOAuthSetting
from tests.services.provider import ISSUER

from torii_dynamodb import NewOAuthAccount, NewUser, User
from torii_dynamodb.errors import AccountLocked, AlreadyExists, ConfigurationError, InvalidToken
from torii_dynamodb.mail import MailSettings
from torii_dynamodb.oauth import OAuthConfirmationSent, OAuthError, oidc

OTHERS = "grace@example.com"


def not_an_authority(**options: Any) -> AsyncOAuthSetting:
    """Services with a provider that verifies addresses but is the authority for none."""
    return AsyncOAuthSetting(oidc("issuer", ISSUER, "client", "the client secret"), **options)


async def have_user(here: AsyncOAuthSetting, *, verified: bool = True) -> User:
    """A user with a password."""
    user = await here.torii.password.register(EMAIL, PASSWORD)
    if verified:
        marked = await here.storage.mark_email_verified(user.id, email=user.email)
        assert marked is not None
        return marked
    return user


async def asked(here: AsyncOAuthSetting, **changes: Any) -> OAuthConfirmationSent:
    """Sign in; asserts that a mail to confirm the address is sent instead."""
    with pytest.raises(OAuthConfirmationSent) as sent:
        await here.sign_in(**changes)
    await here.torii.wait_for_mail()
    return sent.value


def mailed(here: AsyncOAuthSetting) -> list[str]:
    """The templates of all mails so far."""
    return [message.template for message in here.mailer.messages]


@pytest.mark.parametrize("verified", [True, False])
async def test_a_provider_without_authority_joins_nobody(verified: bool) -> None:
    """Even for a verified address, nobody is signed in and nothing is linked: the owner is asked by mail."""
    async with not_an_authority() as here:
        user = await have_user(here)
        here.provider.claims["email_verified"] = verified
        await asked(here)
        assert await here.torii.oauth.accounts(user.id) == []
        assert await here.torii.list_sessions(user.id) == []
        assert mailed(here) == ["confirm_provider"]
        assert here.mailer.messages[-1].to == "Ada@example.com"
        assert "Issuer account" in here.mailer.messages[-1].text


async def test_the_owners_confirmation_links_and_signs_in() -> None:
    """The link, opened in the browser that began, links and signs in, keeps the password and notifies the owner."""
    async with not_an_authority() as here:
        user = await have_user(here)
        sent = await asked(here)
        token = await here.link()
        looked = await here.torii.oauth.check_confirmation(token, browser_binding=sent.browser_binding)
        assert looked is not None
        assert (looked.provider, looked.email) == ("issuer", user.email)
        assert looked.user is not None
        result = await here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)
        assert (result.user.id, result.linked, result.created, result.next_url) == (user.id, True, False, "/next")
        assert result.session is not None
        await here.torii.wait_for_mail()
        assert mailed(here)[-1] == "provider_connected"
        assert [name for name in here.names() if name.startswith(("oauth", "user.signed"))] == [
            "oauth.linked",
            "user.signed_in",
        ]
        await here.torii.password.authenticate(EMAIL, PASSWORD)
        # From then on the account signs in directly, and the link is used up.
        assert (await here.sign_in()).user.id == user.id
        with pytest.raises(InvalidToken):
            await here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)


async def test_a_free_address_is_confirmed_too() -> None:
    """A user with a verified address is created once the link is opened, not before."""
    async with not_an_authority() as here:
        sent = await asked(here)
        assert not (await here.storage.list_users()).items
        result = await here.torii.oauth.complete_confirmation(await here.link(), browser_binding=sent.browser_binding)
        assert result.created
        assert result.user.is_email_verified
        assert (await here.sign_in()).user.id == result.user.id


async def test_the_answer_does_not_tell_who_has_an_account() -> None:
    """Free, taken, unverified and locked addresses get the same error and store as many tokens."""
    told = set[tuple[str, str, int]]()
    for state in ("free", "taken", "unverified", "locked", "no sign-up"):
        async with not_an_authority(oauth_sign_up=state != "no sign-up") as here:
            if state not in ("free", "no sign-up"):
                user = await have_user(here, verified=state != "unverified")
                if state == "locked":
                    await here.torii.lock_user(user.id)
            sent = await asked(here)
            told.add((sent.message, sent.reason, len(here.storage.dump()["tokens"])))
            assert mailed(here) == ([] if state in ("locked", "no sign-up") else ["confirm_provider"])
    assert len(told) == 1


async def test_only_the_browser_that_began_can_use_the_link() -> None:
    """A victim who opens an attacker's link joins nothing and does not use the link up."""
    async with not_an_authority() as here:
        user = await have_user(here)
        sent = await asked(here)
        token = await here.link()
        other = await asked(here)
        for binding in (None, "", "x" * 43, other.browser_binding):
            with refuses(OAuthError, "browser"):
                await here.torii.oauth.complete_confirmation(token, browser_binding=binding)
            with pytest.raises(OAuthError):
                await here.torii.oauth.check_confirmation(token, browser_binding=binding)
        assert await here.torii.oauth.accounts(user.id) == []
        await here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)


async def test_two_confirmations_in_one_browser_share_its_binding() -> None:
    """A second confirmation reuses the first one's binding, so that both links work."""
    async with not_an_authority() as here:
        first = await asked(here)
        token = await here.link()
        here.provider.claims |= {"sub": "subject-2", "email": OTHERS}
        second = await asked(here, confirmation_binding=first.browser_binding)
        assert second.browser_binding == first.browser_binding
        for one in (token, await here.link()):
            result = await here.torii.oauth.complete_confirmation(one, browser_binding=first.browser_binding)
            assert result.created


async def test_a_link_can_be_revoked_and_expires() -> None:
    """A link is refused after a sign-out everywhere, a lock, its expiry, or if another user linked the account."""
    for change in ("epoch", "late", "locked", "linked by another"):
        async with not_an_authority() as here:
            user = await have_user(here)
            sent, token = await asked(here), await here.link()
            expected: type[Exception] = InvalidToken
            if change == "epoch":
                await here.torii.delete_sessions_for_user(user.id)
            elif change == "late":
                here.clock.advance(timedelta(minutes=30))
            elif change == "locked":
                await here.torii.lock_user(user.id)
            else:
                other, session = await here.signed_in(OTHERS)
                await here.sign_in(link_to=session)
                assert len(await here.torii.oauth.accounts(other.id)) == 1
                expected = AlreadyExists
            with pytest.raises(expected):
                await here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)
            assert await here.torii.oauth.accounts(user.id) == []


async def test_a_user_locked_before_the_link_is_used() -> None:
    """A user who was locked before the link is used is not signed in."""
    async with not_an_authority() as here:
        user = await have_user(here)
        sent = await asked(here)
        token = await here.link()
        await here.torii.lock_user(user.id)
        with pytest.raises((AccountLocked, InvalidToken)):
            await here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)
        assert await here.torii.list_sessions(user.id) == []


async def test_confirming_as_first_proof_removes_what_was_set_up_before() -> None:
    """Confirming an unverified address removes the password and sessions of whoever registered it."""
    async with not_an_authority() as here:
        user = await have_user(here, verified=False)
        strangers = await here.torii.create_session(user)
        sent = await asked(here)
        result = await here.torii.oauth.complete_confirmation(await here.link(), browser_binding=sent.browser_binding)
        assert result.user.id == user.id
        assert result.user.is_email_verified
        assert not result.user.has_password
        assert await here.torii.get_signed_in(strangers.token) is None
        assert len(await here.torii.oauth.accounts(user.id)) == 1


async def test_confirming_joins_a_registration_made_meanwhile() -> None:
    """If the address was registered after the link was sent, using the link is the first proof of it."""
    async with not_an_authority() as here:
        sent = await asked(here)
        token = await here.link()
        user = await have_user(here, verified=False)
        result = await here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)
        assert (result.user.id, result.linked) == (user.id, True)
        assert not result.user.has_password


async def test_a_link_to_a_free_address_joins_no_later_verified_user() -> None:
    """A link sent to a free address, which no sign-out everywhere could revoke, joins no user who verified it since."""
    async with not_an_authority() as here:
        sent = await asked(here)
        token = await here.link()
        user = await have_user(here)
        await here.torii.delete_sessions_for_user(user.id)
        with pytest.raises(InvalidToken):
            await here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)
        assert await here.torii.oauth.accounts(user.id) == []


async def test_nothing_of_the_identity_is_readable_in_the_table() -> None:
    """Name, subject and next URL are sealed under the browser's binding, which is not stored either."""
    async with not_an_authority() as here:
        here.provider.claims["name"] = "Augusta Ada"
        sent = await asked(here)
        dump = str(here.storage.dump())
        for secret in ("Augusta", "subject-1", "/next", sent.browser_binding, await here.link()):
            assert secret not in dump
        assert sent.browser_binding not in repr(sent)


async def test_mails_to_one_address_are_limited() -> None:
    """A stranger cannot cause more than five mails to one address."""
    async with not_an_authority() as here:
        for _ in range(8):
            with pytest.raises(Exception, match="mail") as refused:
                await here.sign_in()
            assert type(refused.value).__name__ in ("OAuthConfirmationSent", "RateLimited")
        await here.torii.wait_for_mail()
        assert len(here.mailer.messages) <= 5


async def test_without_a_mailer() -> None:
    """Without a mailer, an existing user is not joined, and a new user's address is not verified."""
    async with not_an_authority(mailer=None, mail=None) as here:
        await here.storage.create_user(NewUser(email=EMAIL, email_verified_at=here.clock()))
        with refuses(OAuthError, "email_unverified"):
            await here.sign_in()
        here.provider.claims |= {"sub": "subject-2", "email": OTHERS}
        result = await here.sign_in()
        assert result.created
        assert not result.user.is_email_verified
        assert "email.verified" not in here.names()
        assert (await here.sign_in()).user.id == result.user.id


@pytest.mark.parametrize("way", ["authority", "signed in"])
async def test_the_owner_is_notified_of_every_linked_account(way: str) -> None:
    """However an account is linked, the owner gets a mail that names the provider and the address."""
    async with AsyncOAuthSetting() as here:
        user = await have_user(here)
        session = None
        if way == "signed in":
            _, session = as_signed_in(await here.torii.password.authenticate(EMAIL, PASSWORD))
            here.provider.claims["email"] = "work@example.org"
        result = await here.sign_in(link_to=session)
        assert (result.user.id, result.linked) == (user.id, True)
        await here.torii.wait_for_mail()
        (message,) = [one for one in here.mailer.messages if one.template == "provider_connected"]
        assert message.to == "Ada@example.com"
        for part in (message.text, message.html):
            assert "Issuer" in part
            assert ("work@example.org" if way == "signed in" else "ada@example.com") in part


async def test_the_owner_is_notified_of_an_unlinked_account() -> None:
    """When an account is unlinked, the owner gets a mail that names the provider; when none was, no mail is sent."""
    async with AsyncOAuthSetting() as here:
        await have_user(here)
        result = await here.sign_in()
        for user in (result.user, None):
            await here.torii.oauth.unlink(result.user.id, result.provider, result.identity.subject, user=user)
        await here.torii.wait_for_mail()
        (message,) = [one for one in here.mailer.messages if one.template == "provider_disconnected"]
        assert message.to == "Ada@example.com"
        assert "Issuer" in message.text


@pytest.mark.parametrize(("verified", "mails"), [(True, 7), (False, 5)])
async def test_repeated_linking_does_not_flood_a_mailbox(verified: bool, mails: int) -> None:
    """A verified owner is notified of every linked account, an unverified address only up to the limit."""
    async with AsyncOAuthSetting() as here:
        user = await have_user(here, verified=verified)
        _, session = as_signed_in(await here.torii.password.authenticate(EMAIL, PASSWORD))
        here.provider.claims["email"] = "work@example.org"
        for _ in range(7):
            result = await here.sign_in(link_to=session)
            assert result.linked
            await here.torii.oauth.unlink(user.id, result.provider, result.identity.subject)
            await here.torii.wait_for_mail()
        assert [one.template for one in here.mailer.messages].count("provider_connected") == mails


def test_the_paths_of_links_are_checked() -> None:
    """A path without a placeholder for the token and a lifetime of zero are refused at construction."""
    wrong: list[dict[str, Any]] = [{"confirm_provider_path": "/x"}, {"confirm_provider_for": timedelta(0)}]
    for options in wrong:
        with pytest.raises(ConfigurationError, match="confirm_provider"):
            MailSettings(sender="a@example.com", app_name="A", base_url="https://a.example", **options)


async def test_a_mailed_link_does_not_bring_back_an_unlinked_provider() -> None:
    """Once a provider is unlinked, a mailed link is refused; only linking while signed in brings it back."""
    async with not_an_authority() as here:
        user = await have_user(here)
        sent = await asked(here)
        token = await here.link()
        await here.storage.link_oauth_account(user.id, NewOAuthAccount(provider="issuer", subject="before"))
        await here.torii.oauth.unlink(user.id, "issuer", "before")
        with refuses(OAuthError, "disconnected"):
            await here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)
        assert await here.torii.oauth.accounts(user.id) == []
        assert await here.torii.list_sessions(user.id) == []
