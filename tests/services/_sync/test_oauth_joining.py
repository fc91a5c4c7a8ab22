# Generated from tests/services/_async/test_oauth_joining.py by tools/unasync.py. Do not edit.

"""Which user a provider's account joins: by the provider's authority for the address, or by the owner's consent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.services._sync.support import EMAIL, PASSWORD, as_signed_in, refuses
from tests.services._sync.test_oauth import OAuthSetting
from tests.services.provider import ISSUER

from torii_dynamodb import NewOAuthAccount, NewUser, User
from torii_dynamodb.errors import AccountLocked, AlreadyExists, ConfigurationError, InvalidToken
from torii_dynamodb.mail import MailSettings
from torii_dynamodb.oauth import OAuthConfirmationSent, OAuthError, oidc

OTHERS = "grace@example.com"


def not_an_authority(**options: Any) -> OAuthSetting:
    """Services with a provider that verifies addresses but is the authority for none."""
    return OAuthSetting(oidc("issuer", ISSUER, "client", "the client secret"), **options)


def have_user(here: OAuthSetting, *, verified: bool = True) -> User:
    """A user with a password."""
    user = here.torii.password.register(EMAIL, PASSWORD)
    if verified:
        marked = here.storage.mark_email_verified(user.id, email=user.email)
        assert marked is not None
        return marked
    return user


def asked(here: OAuthSetting, **changes: Any) -> OAuthConfirmationSent:
    """Sign in; asserts that a mail to confirm the address is sent instead."""
    with pytest.raises(OAuthConfirmationSent) as sent:
        here.sign_in(**changes)
    here.torii.wait_for_mail()
    return sent.value


def mailed(here: OAuthSetting) -> list[str]:
    """The templates of all mails so far."""
    return [message.template for message in here.mailer.messages]


@pytest.mark.parametrize("verified", [True, False])
def test_a_provider_without_authority_joins_nobody(verified: bool) -> None:
    """Even for a verified address, nobody is signed in and nothing is linked: the owner is asked by mail."""
    with not_an_authority() as here:
        user = have_user(here)
        here.provider.claims["email_verified"] = verified
        asked(here)
        assert here.torii.oauth.accounts(user.id) == []
        assert here.torii.list_sessions(user.id) == []
        assert mailed(here) == ["confirm_provider"]
        assert here.mailer.messages[-1].to == "Ada@example.com"
        assert "Issuer account" in here.mailer.messages[-1].text


def test_the_owners_confirmation_links_and_signs_in() -> None:
    """The link, opened in the browser that began, links and signs in, keeps the password and notifies the owner."""
    with not_an_authority() as here:
        user = have_user(here)
        sent = asked(here)
        token = here.link()
        looked = here.torii.oauth.check_confirmation(token, browser_binding=sent.browser_binding)
        assert looked is not None
        assert (looked.provider, looked.email) == ("issuer", user.email)
        assert looked.user is not None
        result = here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)
        assert (result.user.id, result.linked, result.created, result.next_url) == (user.id, True, False, "/next")
        assert result.session is not None
        here.torii.wait_for_mail()
        assert mailed(here)[-1] == "provider_connected"
        assert [name for name in here.names() if name.startswith(("oauth", "user.signed"))] == [
            "oauth.linked",
            "user.signed_in",
        ]
        here.torii.password.authenticate(EMAIL, PASSWORD)
        # From then on the account signs in directly, and the link is used up.
        assert (here.sign_in()).user.id == user.id
        with pytest.raises(InvalidToken):
            here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)


def test_a_free_address_is_confirmed_too() -> None:
    """A user with a verified address is created once the link is opened, not before."""
    with not_an_authority() as here:
        sent = asked(here)
        assert not (here.storage.list_users()).items
        result = here.torii.oauth.complete_confirmation(here.link(), browser_binding=sent.browser_binding)
        assert result.created
        assert result.user.is_email_verified
        assert (here.sign_in()).user.id == result.user.id


def test_the_answer_does_not_tell_who_has_an_account() -> None:
    """Free, taken, unverified and locked addresses get the same error and store as many tokens."""
    told = set[tuple[str, str, int]]()
    for state in ("free", "taken", "unverified", "locked", "no sign-up"):
        with not_an_authority(oauth_sign_up=state != "no sign-up") as here:
            if state not in ("free", "no sign-up"):
                user = have_user(here, verified=state != "unverified")
                if state == "locked":
                    here.torii.lock_user(user.id)
            sent = asked(here)
            told.add((sent.message, sent.reason, len(here.storage.dump()["tokens"])))
            assert mailed(here) == ([] if state in ("locked", "no sign-up") else ["confirm_provider"])
    assert len(told) == 1


def test_only_the_browser_that_began_can_use_the_link() -> None:
    """A victim who opens an attacker's link joins nothing and does not use the link up."""
    with not_an_authority() as here:
        user = have_user(here)
        sent = asked(here)
        token = here.link()
        other = asked(here)
        for binding in (None, "", "x" * 43, other.browser_binding):
            with refuses(OAuthError, "browser"):
                here.torii.oauth.complete_confirmation(token, browser_binding=binding)
            with pytest.raises(OAuthError):
                here.torii.oauth.check_confirmation(token, browser_binding=binding)
        assert here.torii.oauth.accounts(user.id) == []
        here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)


def test_two_confirmations_in_one_browser_share_its_binding() -> None:
    """A second confirmation reuses the first one's binding, so that both links work."""
    with not_an_authority() as here:
        first = asked(here)
        token = here.link()
        here.provider.claims |= {"sub": "subject-2", "email": OTHERS}
        second = asked(here, confirmation_binding=first.browser_binding)
        assert second.browser_binding == first.browser_binding
        for one in (token, here.link()):
            result = here.torii.oauth.complete_confirmation(one, browser_binding=first.browser_binding)
            assert result.created


def test_a_link_can_be_revoked_and_expires() -> None:
    """A link is refused after a sign-out everywhere, a lock, its expiry, or if another user linked the account."""
    for change in ("epoch", "late", "locked", "linked by another"):
        with not_an_authority() as here:
            user = have_user(here)
            sent, token = asked(here), here.link()
            expected: type[Exception] = InvalidToken
            if change == "epoch":
                here.torii.delete_sessions_for_user(user.id)
            elif change == "late":
                here.clock.advance(timedelta(minutes=30))
            elif change == "locked":
                here.torii.lock_user(user.id)
            else:
                other, session = here.signed_in(OTHERS)
                here.sign_in(link_to=session)
                assert len(here.torii.oauth.accounts(other.id)) == 1
                expected = AlreadyExists
            with pytest.raises(expected):
                here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)
            assert here.torii.oauth.accounts(user.id) == []


def test_a_user_locked_before_the_link_is_used() -> None:
    """A user who was locked before the link is used is not signed in."""
    with not_an_authority() as here:
        user = have_user(here)
        sent = asked(here)
        token = here.link()
        here.torii.lock_user(user.id)
        with pytest.raises((AccountLocked, InvalidToken)):
            here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)
        assert here.torii.list_sessions(user.id) == []


def test_confirming_as_first_proof_removes_what_was_set_up_before() -> None:
    """Confirming an unverified address removes the password and sessions of whoever registered it."""
    with not_an_authority() as here:
        user = have_user(here, verified=False)
        strangers = here.torii.create_session(user)
        sent = asked(here)
        result = here.torii.oauth.complete_confirmation(here.link(), browser_binding=sent.browser_binding)
        assert result.user.id == user.id
        assert result.user.is_email_verified
        assert not result.user.has_password
        assert here.torii.get_signed_in(strangers.token) is None
        assert len(here.torii.oauth.accounts(user.id)) == 1


def test_confirming_joins_a_registration_made_meanwhile() -> None:
    """If the address was registered after the link was sent, using the link is the first proof of it."""
    with not_an_authority() as here:
        sent = asked(here)
        token = here.link()
        user = have_user(here, verified=False)
        result = here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)
        assert (result.user.id, result.linked) == (user.id, True)
        assert not result.user.has_password


def test_a_link_to_a_free_address_joins_no_later_verified_user() -> None:
    """A link sent to a free address, which no sign-out everywhere could revoke, joins no user who verified it since."""
    with not_an_authority() as here:
        sent = asked(here)
        token = here.link()
        user = have_user(here)
        here.torii.delete_sessions_for_user(user.id)
        with pytest.raises(InvalidToken):
            here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)
        assert here.torii.oauth.accounts(user.id) == []


def test_nothing_of_the_identity_is_readable_in_the_table() -> None:
    """Name, subject and next URL are sealed under the browser's binding, which is not stored either."""
    with not_an_authority() as here:
        here.provider.claims["name"] = "Augusta Ada"
        sent = asked(here)
        dump = str(here.storage.dump())
        for secret in ("Augusta", "subject-1", "/next", sent.browser_binding, here.link()):
            assert secret not in dump
        assert sent.browser_binding not in repr(sent)


def test_mails_to_one_address_are_limited() -> None:
    """A stranger cannot cause more than five mails to one address."""
    with not_an_authority() as here:
        for _ in range(8):
            with pytest.raises(Exception, match="mail") as refused:
                here.sign_in()
            assert type(refused.value).__name__ in ("OAuthConfirmationSent", "RateLimited")
        here.torii.wait_for_mail()
        assert len(here.mailer.messages) <= 5


def test_without_a_mailer() -> None:
    """Without a mailer, an existing user is not joined, and a new user's address is not verified."""
    with not_an_authority(mailer=None, mail=None) as here:
        here.storage.create_user(NewUser(email=EMAIL, email_verified_at=here.clock()))
        with refuses(OAuthError, "email_unverified"):
            here.sign_in()
        here.provider.claims |= {"sub": "subject-2", "email": OTHERS}
        result = here.sign_in()
        assert result.created
        assert not result.user.is_email_verified
        assert "email.verified" not in here.names()
        assert (here.sign_in()).user.id == result.user.id


@pytest.mark.parametrize("way", ["authority", "signed in"])
def test_the_owner_is_notified_of_every_linked_account(way: str) -> None:
    """However an account is linked, the owner gets a mail that names the provider and the address."""
    with OAuthSetting() as here:
        user = have_user(here)
        session = None
        if way == "signed in":
            _, session = as_signed_in(here.torii.password.authenticate(EMAIL, PASSWORD))
            here.provider.claims["email"] = "work@example.org"
        result = here.sign_in(link_to=session)
        assert (result.user.id, result.linked) == (user.id, True)
        here.torii.wait_for_mail()
        (message,) = [one for one in here.mailer.messages if one.template == "provider_connected"]
        assert message.to == "Ada@example.com"
        for part in (message.text, message.html):
            assert "Issuer" in part
            assert ("work@example.org" if way == "signed in" else "ada@example.com") in part


def test_the_owner_is_notified_of_an_unlinked_account() -> None:
    """When an account is unlinked, the owner gets a mail that names the provider; when none was, no mail is sent."""
    with OAuthSetting() as here:
        have_user(here)
        result = here.sign_in()
        for user in (result.user, None):
            here.torii.oauth.unlink(result.user.id, result.provider, result.identity.subject, user=user)
        here.torii.wait_for_mail()
        (message,) = [one for one in here.mailer.messages if one.template == "provider_disconnected"]
        assert message.to == "Ada@example.com"
        assert "Issuer" in message.text


@pytest.mark.parametrize(("verified", "mails"), [(True, 7), (False, 5)])
def test_repeated_linking_does_not_flood_a_mailbox(verified: bool, mails: int) -> None:
    """A verified owner is notified of every linked account, an unverified address only up to the limit."""
    with OAuthSetting() as here:
        user = have_user(here, verified=verified)
        _, session = as_signed_in(here.torii.password.authenticate(EMAIL, PASSWORD))
        here.provider.claims["email"] = "work@example.org"
        for _ in range(7):
            result = here.sign_in(link_to=session)
            assert result.linked
            here.torii.oauth.unlink(user.id, result.provider, result.identity.subject)
            here.torii.wait_for_mail()
        assert [one.template for one in here.mailer.messages].count("provider_connected") == mails


def test_the_paths_of_links_are_checked() -> None:
    """A path without a placeholder for the token and a lifetime of zero are refused at construction."""
    wrong: list[dict[str, Any]] = [{"confirm_provider_path": "/x"}, {"confirm_provider_for": timedelta(0)}]
    for options in wrong:
        with pytest.raises(ConfigurationError, match="confirm_provider"):
            MailSettings(sender="a@example.com", app_name="A", base_url="https://a.example", **options)


def test_a_mailed_link_does_not_bring_back_an_unlinked_provider() -> None:
    """Once a provider is unlinked, a mailed link is refused; only linking while signed in brings it back."""
    with not_an_authority() as here:
        user = have_user(here)
        sent = asked(here)
        token = here.link()
        here.storage.link_oauth_account(user.id, NewOAuthAccount(provider="issuer", subject="before"))
        here.torii.oauth.unlink(user.id, "issuer", "before")
        with refuses(OAuthError, "disconnected"):
            here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)
        assert here.torii.oauth.accounts(user.id) == []
        assert here.torii.list_sessions(user.id) == []
