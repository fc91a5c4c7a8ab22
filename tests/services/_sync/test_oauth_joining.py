# Generated from tests/services/_async/test_oauth_joining.py by tools/unasync.py. Do not edit.

"""Which account a provider's account joins: by its authority for the address, or by the owner's word."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.services._sync.support import EMAIL, PASSWORD
from tests.services._sync.test_oauth import OAuthSetting
from tests.services.provider import ISSUER

from torii_dynamodb import NewOAuthAccount, NewUser, User
from torii_dynamodb.errors import AccountLocked, AlreadyExists, ConfigurationError, InvalidToken
from torii_dynamodb.mail import MailSettings
from torii_dynamodb.oauth import OAuthConfirmationSent, OAuthError, oidc

OTHERS = "grace@example.com"


def not_an_authority(**options: Any) -> OAuthSetting:
    """Services with a provider that says that addresses are verified, and is the authority for none."""
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
    """Sign in, and be told to confirm the address."""
    with pytest.raises(OAuthConfirmationSent) as sent:
        here.sign_in(**changes)
    here.torii.wait_for_mail()
    return sent.value


def mailed(here: OAuthSetting) -> list[str]:
    """The templates of all mails so far."""
    return [message.template for message in here.mailer.messages]


@pytest.mark.parametrize("verified", [True, False])
def test_a_provider_that_is_no_authority_opens_no_account(verified: bool) -> None:
    """Though it vouches for the owner's address, nobody is signed in and nothing linked: the owner is asked by mail."""
    with not_an_authority() as here:
        user = have_user(here)
        here.provider.claims["email_verified"] = verified
        asked(here)
        assert here.torii.oauth.accounts(user.id) == []
        assert here.torii.list_sessions(user.id) == []
        assert mailed(here) == ["confirm_provider"]
        assert here.mailer.messages[-1].to == "Ada@example.com"
        assert "Issuer account" in here.mailer.messages[-1].text


def test_the_owners_word_links_it_and_signs_in() -> None:
    """The link, opened in the browser that began, links, signs in, keeps all there was, and is told to the owner."""
    with not_an_authority() as here:
        user = have_user(here)
        sent = asked(here)
        token = here.link()
        looked = here.torii.oauth.verify_confirmation(token, browser_binding=sent.browser_binding)
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
        # From then on it signs in by itself, and the link is used up.
        assert (here.sign_in()).user.id == user.id
        with pytest.raises(InvalidToken):
            here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)


def test_an_address_that_nobody_holds_is_confirmed_as_well() -> None:
    """Nothing is made before the link is opened; then a user with a verified address is."""
    with not_an_authority() as here:
        sent = asked(here)
        assert not (here.storage.list_users()).items
        result = here.torii.oauth.complete_confirmation(here.link(), browser_binding=sent.browser_binding)
        assert result.created
        assert result.user.is_email_verified
        assert (here.sign_in()).user.id == result.user.id


def test_the_answer_does_not_tell_who_has_an_account() -> None:
    """Free, taken, unverified and locked addresses: the same error, and the same number of tokens and of requests."""
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
    """A victim who opens an attacker's link joins nothing, and the link is not used up by it."""
    with not_an_authority() as here:
        user = have_user(here)
        sent = asked(here)
        token = here.link()
        other = asked(here)
        for binding in (None, "", "x" * 43, other.browser_binding):
            with pytest.raises(OAuthError) as refused:
                here.torii.oauth.complete_confirmation(token, browser_binding=binding)
            assert refused.value.reason == "browser"
            with pytest.raises(OAuthError):
                here.torii.oauth.verify_confirmation(token, browser_binding=binding)
        assert here.torii.oauth.accounts(user.id) == []
        here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)


def test_two_confirmations_in_one_browser_share_its_binding() -> None:
    """What an earlier one left is used again, so that its link stays good."""
    with not_an_authority() as here:
        first = asked(here)
        token = here.link()
        here.provider.claims |= {"sub": "subject-2", "email": OTHERS}
        second = asked(here, confirmation_binding=first.browser_binding)
        assert second.browser_binding == first.browser_binding
        for one in (token, here.link()):
            result = here.torii.oauth.complete_confirmation(one, browser_binding=first.browser_binding)
            assert result.created


def test_a_link_dies_with_the_epoch_and_with_time() -> None:
    """Signed out everywhere since, moved, locked or too late: it does not hold."""
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
                other = here.torii.password.register(OTHERS, PASSWORD)
                _, session = here.torii.password.authenticate(OTHERS, PASSWORD)
                here.sign_in(link_to=session)
                assert len(here.torii.oauth.accounts(other.id)) == 1
                expected = AlreadyExists
            with pytest.raises(expected):
                here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)
            assert here.torii.oauth.accounts(user.id) == []


def test_a_lock_that_came_before_the_link_was_used() -> None:
    """A user who was locked after the token was looked at is not signed in."""
    with not_an_authority() as here:
        user = have_user(here)
        sent = asked(here)
        token = here.link()
        # As if the token had been issued after the lock: the epoch is the lock's.
        here.torii.lock_user(user.id)
        with pytest.raises((AccountLocked, InvalidToken)):
            here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)
        assert here.torii.list_sessions(user.id) == []


def test_the_first_proof_by_it_removes_what_was_set_up_before() -> None:
    """Whoever registered the address and waited has neither password nor session when its owner comes."""
    with not_an_authority() as here:
        user = have_user(here, verified=False)
        strangers = here.torii.create_session(user)
        sent = asked(here)
        result = here.torii.oauth.complete_confirmation(here.link(), browser_binding=sent.browser_binding)
        assert result.user.id == user.id
        assert result.user.is_email_verified
        assert not result.user.has_password
        assert here.torii.get_session(strangers.token or "") is None
        assert len(here.torii.oauth.accounts(user.id)) == 1


def test_who_registered_meanwhile_is_joined_and_proved() -> None:
    """An address that was free when the link was sent, and is held when it is used: the link is the first proof."""
    with not_an_authority() as here:
        sent = asked(here)
        token = here.link()
        user = have_user(here, verified=False)
        result = here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)
        assert (result.user.id, result.linked) == (user.id, True)
        assert not result.user.has_password


def test_a_link_to_a_free_address_joins_nobody_who_proved_it_since() -> None:
    """It was sent when nobody held the address, so that no sign-out everywhere could end it: it joins no such user."""
    with not_an_authority() as here:
        sent = asked(here)
        token = here.link()
        user = have_user(here)
        here.torii.delete_sessions_for_user(user.id)
        with pytest.raises(InvalidToken):
            here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)
        assert here.torii.oauth.accounts(user.id) == []


def test_nothing_of_the_identity_is_readable_in_the_table() -> None:
    """Name, subject and where to go are sealed under what the browser holds; so is the binding nowhere."""
    with not_an_authority() as here:
        here.provider.claims["name"] = "Augusta Ada"
        sent = asked(here)
        dump = str(here.storage.dump())
        for secret in ("Augusta", "subject-1", "/next", sent.browser_binding, here.link()):
            assert secret not in dump
        assert sent.browser_binding not in repr(sent)


def test_mails_to_one_address_are_limited() -> None:
    """A stranger cannot have any number of mails sent to somebody."""
    with not_an_authority() as here:
        for _ in range(8):
            with pytest.raises(Exception, match="mail") as refused:
                here.sign_in()
            assert type(refused.value).__name__ in ("OAuthConfirmationSent", "RateLimited")
        here.torii.wait_for_mail()
        assert len(here.mailer.messages) <= 5


def test_without_a_mailer() -> None:
    """It opens no account that exists, and one that it makes has an address that is not verified."""
    with not_an_authority(mailer=None, mail=None) as here:
        here.storage.create_user(NewUser(email=EMAIL, email_verified_at=here.clock()))
        with pytest.raises(OAuthError) as refused:
            here.sign_in()
        assert refused.value.reason == "email_unverified"
        here.provider.claims |= {"sub": "subject-2", "email": OTHERS}
        result = here.sign_in()
        assert result.created
        assert not result.user.is_email_verified
        assert "email.verified" not in here.names()
        assert (here.sign_in()).user.id == result.user.id


@pytest.mark.parametrize("way", ["authority", "signed in"])
def test_the_owner_is_told_of_every_linked_account(way: str) -> None:
    """By the provider's authority, or signed in: a mail says which provider and which address."""
    with OAuthSetting() as here:
        user = have_user(here)
        session = None
        if way == "signed in":
            _, session = here.torii.password.authenticate(EMAIL, PASSWORD)
            here.provider.claims["email"] = "work@example.org"
        result = here.sign_in(link_to=session)
        assert (result.user.id, result.linked) == (user.id, True)
        here.torii.wait_for_mail()
        (message,) = [one for one in here.mailer.messages if one.template == "provider_connected"]
        assert message.to == "Ada@example.com"
        for part in (message.text, message.html):
            assert "Issuer" in part
            assert ("work@example.org" if way == "signed in" else "ada@example.com") in part


@pytest.mark.parametrize(("verified", "mails"), [(True, 7), (False, 5)])
def test_linking_again_and_again_floods_no_strangers_mailbox(verified: bool, mails: int) -> None:
    """An owner is told of every account; an address that nobody proved gets as many mails as the limit allows."""
    with OAuthSetting() as here:
        user = have_user(here, verified=verified)
        _, session = here.torii.password.authenticate(EMAIL, PASSWORD)
        here.provider.claims["email"] = "work@example.org"
        for _ in range(7):
            result = here.sign_in(link_to=session)
            assert result.linked
            here.torii.oauth.unlink(user.id, result.provider, result.identity.subject)
            here.torii.wait_for_mail()
        assert [one.template for one in here.mailer.messages].count("provider_connected") == mails


def test_the_paths_of_links_are_checked() -> None:
    """A path without a place for the token, and a lifetime that is none, are told at the start."""
    wrong: list[dict[str, Any]] = [{"confirm_provider_path": "/x"}, {"confirm_provider_for": timedelta(0)}]
    for options in wrong:
        with pytest.raises(ConfigurationError, match="confirm_provider"):
            MailSettings(sender="a@example.com", app_name="A", base_url="https://a.example", **options)


def test_a_mailed_link_does_not_bring_back_what_the_owner_disconnected() -> None:
    """Confirming the address is not asking for the provider: it is refused until the owner connects it signed in."""
    with not_an_authority() as here:
        user = have_user(here)
        sent = asked(here)
        token = here.link()
        here.storage.link_oauth_account(user.id, NewOAuthAccount(provider="issuer", subject="before"))
        here.torii.oauth.unlink(user.id, "issuer", "before")
        with pytest.raises(OAuthError) as refused:
            here.torii.oauth.complete_confirmation(token, browser_binding=sent.browser_binding)
        assert refused.value.reason == "disconnected"
        assert here.torii.oauth.accounts(user.id) == []
        assert here.torii.list_sessions(user.id) == []
