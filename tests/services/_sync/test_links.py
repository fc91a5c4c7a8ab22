# Generated from tests/services/_async/test_links.py by tools/unasync.py. Do not edit.

"""Magic links, email verification, changes of address, and the mails that carry the links."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.services._sync.support import (
    EMAIL,
    PASSWORD,
    Setting,
    as_signed_in,
    assert_only_first_is_mailed,
    just_before,
    settings,
)

from torii_dynamodb.errors import (
    AccountLocked,
    AlreadyExists,
    ConfigurationError,
    InvalidCredentials,
    InvalidToken,
    RateLimited,
    ValidationError,
)
from torii_dynamodb.mail import MailMessage
from torii_dynamodb.models import NewUser


def test_a_magic_link_signs_in_once() -> None:
    """A magic link signs in and verifies the address, once; verify() does not use it up."""
    here = Setting()
    user = here.storage.create_user(NewUser(email=EMAIL))
    here.torii.magic_link.send("ada@example.com")
    token = here.link()
    assert here.mailer.messages[-1].to == "Ada@example.com"
    assert here.torii.magic_link.check(token) is not None
    found, session = as_signed_in(here.torii.magic_link.complete(token))
    assert (found.id, found.is_email_verified) == (user.id, True)
    assert session.token
    assert here.torii.get_signed_in(session.token) is not None
    with pytest.raises(InvalidToken):
        here.torii.magic_link.complete(token)
    assert here.torii.magic_link.check(token) is None
    assert here.names() == ["email.verified", "user.signed_in"]


def test_a_magic_link_expires() -> None:
    """A magic link is refused after 15 minutes."""
    here = Setting()
    here.torii.magic_link.send(EMAIL)
    token = here.link()
    here.clock.advance(timedelta(minutes=15))
    with pytest.raises(InvalidToken):
        here.torii.magic_link.complete(token)


def test_a_magic_link_signs_up() -> None:
    """A link to a free address creates the user when it is used, not before, with the address as typed."""
    here = Setting()
    here.torii.magic_link.send(EMAIL)
    token = here.link()
    assert here.storage.get_user_by_email(EMAIL) is None
    user, _ = as_signed_in(here.torii.magic_link.complete(token))
    assert (user.email_as_given.partition("@")[0], user.is_email_verified) == ("Ada", True)
    assert here.names() == ["user.created", "email.verified", "user.signed_in"]


def test_a_sign_up_link_takes_over_a_later_registration() -> None:
    """If somebody registered the address after the link was sent, using the link takes the account over."""
    here = Setting()
    here.torii.magic_link.send(EMAIL)
    token = here.link()
    thief = here.torii.password.register(EMAIL, PASSWORD)
    user, _ = as_signed_in(here.torii.magic_link.complete(token))
    assert user.id == thief.id
    assert not user.has_password
    with pytest.raises(InvalidCredentials):
        here.torii.password.authenticate(EMAIL, PASSWORD)


@pytest.mark.parametrize("end", [True, False], ids=["signed out everywhere", "signed up"])
def test_an_old_sign_up_link_does_not_sign_in(end: bool) -> None:
    """Once the address is verified, an older sign-up link signs nobody in.

    It was sent when nobody had the address, so no sign-out everywhere could have revoked it.
    """
    here = Setting()
    links = []
    for _ in range(2):
        here.torii.magic_link.send(EMAIL)
        links.append(here.link())
    user, _ = as_signed_in(here.torii.magic_link.complete(links[1]))
    if end:
        here.torii.delete_sessions_for_user(user.id)
    before = len(here.torii.list_sessions(user.id))
    with pytest.raises(InvalidToken):
        here.torii.magic_link.complete(links[0])
    assert len(here.torii.list_sessions(user.id)) == before


def test_sign_up_by_link_can_be_off() -> None:
    """With sign-up by link off, a free address gets no mail, after the same storage calls."""
    here = Setting(magic_link_sign_up=False)
    here.torii.password.register(EMAIL, PASSWORD)
    emails = [EMAIL, "nobody@example.com"]
    assert_only_first_is_mailed(
        here, lambda torii, email: torii.magic_link.send(email), emails, "magic_link", magic_link_sign_up=False
    )


def test_the_first_proof_removes_what_was_set_before() -> None:
    """The password and sessions of whoever registered an address first are removed once its owner uses a link."""
    here = Setting()
    _, session = here.signed_in()
    here.torii.magic_link.send(EMAIL)
    user, mine = as_signed_in(here.torii.magic_link.complete(here.link()))
    assert not user.has_password
    assert session.token
    assert here.torii.get_signed_in(session.token) is None
    assert mine.token
    assert here.torii.get_signed_in(mine.token) is not None
    # After the first proof, a password that the owner sets stays.
    here.torii.password.set_password(user.id, PASSWORD)
    here.torii.magic_link.send(EMAIL)
    user, _ = as_signed_in(here.torii.magic_link.complete(here.link()))
    assert user.has_password


def test_a_locked_account_gets_no_magic_link() -> None:
    """A locked account is sent no link, and a link sent before the lock is refused."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    here.torii.magic_link.send(EMAIL)
    token = here.link()
    here.torii.lock_user(user.id)
    with pytest.raises((InvalidToken, AccountLocked)):
        here.torii.magic_link.complete(token)
    here.torii.magic_link.send(EMAIL)
    assert here.templates() == ["magic_link"]


def test_links_are_limited_by_mailbox() -> None:
    """Five mails in 15 minutes, however the address is spelled; each kind of mail has its own limit."""
    here = Setting()
    for email in (EMAIL, "ada@example.com", "ADA@EXAMPLE.COM", EMAIL, EMAIL):
        here.torii.magic_link.send(email)
    with pytest.raises(RateLimited) as refused:
        here.torii.magic_link.send(EMAIL)
    assert refused.value.retry_after == timedelta(minutes=15)
    assert refused.value.what == "mail"
    here.torii.password.send_reset(EMAIL)
    here.torii.magic_link.send("other@example.com")
    with pytest.raises(ValidationError):
        here.torii.magic_link.send("no address")


def test_verification() -> None:
    """In the browser that signed up, the link verifies the address once and keeps password and sessions."""
    here = Setting()
    user, session = here.signed_in()
    binding = here.torii.email_verification.new_browser_binding()
    assert here.torii.email_verification.send(user, browser_binding=binding)
    token = here.link()
    found = here.torii.email_verification.check(token)
    assert found is not None
    assert here.torii.email_verification.keeps(found, browser_binding=binding)
    assert not here.torii.email_verification.keeps(found)
    verified = here.torii.email_verification.complete(token, user_id=user.id, browser_binding=binding)
    assert verified.is_email_verified
    assert session.token
    assert here.torii.get_signed_in(session.token) is not None
    with pytest.raises(InvalidToken):
        here.torii.email_verification.complete(token)
    assert not here.torii.email_verification.send(verified)
    assert here.names()[-1] == "email.verified"


def test_a_verification_link_belongs_to_its_owner() -> None:
    """Another signed-in user can neither use a verification link nor use it up."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    eve = here.torii.password.register("eve@example.com", PASSWORD)
    here.torii.email_verification.send(user)
    token = here.link()
    with pytest.raises(InvalidToken):
        here.torii.email_verification.complete(token, user_id=eve.id)
    here.torii.email_verification.complete(token)


def test_a_link_serves_one_purpose() -> None:
    """A verification link neither signs in nor resets the password."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    here.torii.email_verification.send(user)
    token = here.link()
    with pytest.raises(InvalidToken):
        here.torii.magic_link.complete(token)
    with pytest.raises(InvalidToken):
        here.torii.password.complete_reset(token, "another password")
    here.torii.email_verification.complete(token)


def test_verification_by_address_answers_alike() -> None:
    """Unknown and verified addresses get no mail, after the same storage calls as an unverified one."""
    here = Setting()
    here.torii.password.register(EMAIL, PASSWORD)
    done = here.torii.password.register("done@example.com", PASSWORD)
    here.storage.mark_email_verified(done.id, email=done.email)
    emails = [EMAIL, "done@example.com", "nobody@example.com"]
    assert_only_first_is_mailed(
        here, lambda torii, email: torii.email_verification.send_to(email), emails, "verify_email"
    )


def test_a_change_of_address() -> None:
    """Nothing changes until the new address is proved; then it is verified and the old address is notified."""
    here = Setting()
    user, session = here.signed_in()
    with pytest.raises(ValidationError):
        here.torii.email_verification.send_change(user, "ada@EXAMPLE.com")
    here.torii.email_verification.send_change(user, "Ada.L@Example.org", session=session)
    token = here.link()
    assert here.mailer.messages[-1].to == "Ada.L@example.org"
    assert here.torii.email_verification.check_change(token) is not None
    with pytest.raises(InvalidToken):
        here.torii.email_verification.complete_change(token, user_id="somebody")
    # An unrelated update in between does not interfere.
    now = here.torii.get_user(user.id)
    assert now is not None
    here.storage.update_user(now, name="Ada L.")
    moved = here.torii.email_verification.complete_change(token, user_id=user.id, session=session)
    assert (moved.email, moved.name, moved.is_email_verified) == ("ada.l@example.org", "Ada L.", True)
    assert (here.templates())[-1] == "email_changed"
    assert here.mailer.messages[-1].to == "Ada@example.com"
    assert here.names()[-2:] == ["email.changed", "email.verified"]
    here.torii.password.authenticate("ada.l@example.org", PASSWORD)


def test_a_change_to_a_taken_address_answers_alike() -> None:
    """The holder of a taken address gets no mail; a link is refused if its address was taken meanwhile."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    here.torii.password.register("grace@example.com", PASSWORD)
    here.torii.email_verification.send_change(user, "grace@example.com")
    assert here.templates() == []
    here.torii.email_verification.send_change(user, "free@example.com")
    token = here.link()
    here.torii.password.register("free@example.com", PASSWORD)
    with pytest.raises(AlreadyExists):
        here.torii.email_verification.complete_change(token, user_id=user.id)


def test_mails_contain_the_link() -> None:
    """Text and HTML contain the link, the HTML escaped; subject and repr contain no token."""
    here = Setting(mail=settings(app_name="<b>Exa & mple</b>"))
    here.torii.magic_link.send(EMAIL)
    token = here.link()
    message = here.mailer.messages[-1]
    assert f"https://app.example.com/auth/magic-link?token={token}" in message.text
    assert token in message.html
    assert "&lt;b&gt;Exa &amp; mple" in message.html
    assert "<b>Exa & mple</b>" in message.text
    assert token not in repr(message)
    assert token not in message.subject
    assert "15 minutes" in message.text


def test_templates_can_be_replaced(tmp_path: Path) -> None:
    """A template in the folder replaces the library's, which is used where the folder has none."""
    (tmp_path / "magic_link.txt").write_text("Subject: Bitte\n klicken {{ app_name }}\n\nHier: {{ link }}\n")
    here = Setting(mail=settings(templates=tmp_path))
    here.torii.magic_link.send(EMAIL)
    token = here.link()
    message = here.mailer.messages[-1]
    assert message.subject == "Bitte"
    assert message.text.endswith(f"token={token}\n")
    assert "<!doctype html>" in message.html


@pytest.mark.parametrize("text", ["no subject", "Subject: x\n\n{{ nothing }}", "Subject: {% if %}"])
def test_an_invalid_template_is_logged(text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The failed mail is logged with the template's name and published as an event; the caller is not affected."""
    (tmp_path / "magic_link.txt").write_text(text)
    here = Setting(mail=settings(templates=tmp_path))
    here.torii.magic_link.send(EMAIL)
    here.torii.wait_for_mail()
    assert [event.name for event in here.events] == ["mail.failed"]
    assert "magic_link" in caplog.text


def test_a_failing_mailer_does_not_fail_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    """The log gets only the type of a mailer's error, which may quote the mail; an event is published."""

    class Broken:
        def send(self, message: MailMessage) -> None:
            raise OSError(message.text)

    for delivery in ("background", "inline"):
        here = Setting(mailer=Broken(), mail=settings(delivery=delivery))
        here.torii.magic_link.send(EMAIL)
        here.torii.wait_for_mail()
        assert [event.name for event in here.events] == ["mail.failed"]
    assert "OSError" in caplog.text
    assert "token=" not in caplog.text


@pytest.mark.parametrize(
    "options",
    [
        {"sender": "nobody"},
        {"sender": "a@example.com\nBcc: b@example.com"},
        {"base_url": "http://app.example.com"},
        {"base_url": "https://app.example.com/?x"},
        {"magic_link_path": "/magic"},
        {"magic_link_for": timedelta(0)},
        {"delivery": "later"},
    ],
)
def test_wrong_mail_settings_are_refused(options: dict[str, Any]) -> None:
    """Settings that would send broken or unsafe mails are refused at construction."""
    with pytest.raises(ConfigurationError):
        settings(**options)


@pytest.mark.parametrize("ended_by", ["reset", "sign-out", "proof and sign-out"])
def test_a_link_does_not_outlive_a_reset_or_sign_out_everywhere(ended_by: str) -> None:
    """A reset or sign-out everywhere between a link's use and its new session prevents the session."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    here.torii.magic_link.send(EMAIL)
    link = here.link()
    here.torii.password.send_reset(EMAIL)
    reset = here.link()
    mark = here.storage.mark_email_verified

    def end() -> None:
        if ended_by == "reset":
            here.torii.password.complete_reset(reset, "a brand new password")
        elif ended_by == "sign-out":
            here.torii.delete_sessions_for_user(user.id)
        else:
            mark(user.id, email=user.email)
            here.torii.delete_sessions_for_user(user.id)

    with just_before(here.storage, "mark_email_verified", end), pytest.raises(InvalidToken):
        here.torii.magic_link.complete(link)
    assert here.torii.list_sessions(user.id) == []
