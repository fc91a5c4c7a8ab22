# Generated from tests/services/_async/test_email_codes.py by tools/unasync.py. Do not edit.

"""Codes that people type from a mail: to sign in, to verify an address, to reset a password."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from tests.faults._sync.primitives import together
from tests.services._sync.support import EMAIL, PASSWORD, Setting, as_signed_in, recording
from tests.services._sync.test_second_factor import mailed_code

from torii_dynamodb import SignedIn
from torii_dynamodb.errors import AccountLocked, InvalidCode, RateLimited, ValidationError
from torii_dynamodb.models import EMAIL_VERIFICATION, PASSWORD_RESET


def test_sign_in_by_code() -> None:
    """The code from the mail signs in, however it is typed, once, in the browser that asked; it proves the address."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    flow = here.torii.email_code.send(EMAIL)
    code = mailed_code(here)
    with pytest.raises(InvalidCode):
        here.torii.email_code.complete(here.torii.email_code.send("eve@example.com"), code)
    found, session = as_signed_in(here.torii.email_code.complete(flow, f" {code.replace(' ', '-')} "))
    assert (found.id, found.is_email_verified, session.amr) == (user.id, True, ("otp",))
    assert here.torii.get_signed_in(session.token) is not None
    with pytest.raises(InvalidCode):
        here.torii.email_code.complete(flow, code)


def test_a_new_address_signs_up_by_code() -> None:
    """A code to an address without an account creates one when it is used, unless sign-up is off."""
    here = Setting()
    flow = here.torii.email_code.send(EMAIL)
    user, _ = as_signed_in(here.torii.email_code.complete(flow, mailed_code(here)))
    assert (user.email_as_given, user.is_email_verified) == (EMAIL, True)
    closed = Setting(magic_link_sign_up=False)
    assert closed.torii.email_code.send(EMAIL)
    assert closed.templates() == []


def test_five_tries_whatever_happens_at_once() -> None:
    """Of 50 parallel right tries one signs in; after five wrong ones the right code is refused."""
    here = Setting()
    here.torii.password.register(EMAIL, PASSWORD)
    flow = here.torii.email_code.send(EMAIL)
    code = mailed_code(here)
    results = together(*(partial(here.torii.email_code.complete, flow, code) for _ in range(50)))
    assert len([result for result in results if isinstance(result, SignedIn)]) == 1
    flow = here.torii.email_code.send(EMAIL)
    code = mailed_code(here)
    wrong = f"{(int(code.replace(' ', '')) + 1) % 10**8:08d}"
    for _ in range(5):
        with pytest.raises(InvalidCode):
            here.torii.email_code.complete(flow, wrong)
    with pytest.raises(InvalidCode):
        here.torii.email_code.complete(flow, code)


def test_a_code_ends() -> None:
    """After ten minutes, or after the sessions were ended, it is refused."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    flow = here.torii.email_code.send(EMAIL)
    code = mailed_code(here)
    here.clock.advance(timedelta(minutes=10))
    with pytest.raises(InvalidCode):
        here.torii.email_code.complete(flow, code)
    flow = here.torii.email_code.send(EMAIL)
    code = mailed_code(here)
    here.torii.delete_sessions_for_user(user.id)
    with pytest.raises(InvalidCode):
        here.torii.email_code.complete(flow, code)


def test_a_code_is_for_one_purpose() -> None:
    """A code for one purpose does nothing for another, and its flow token is no link."""
    here = Setting()
    here.torii.password.register(EMAIL, PASSWORD)
    flow = here.torii.email_code.send(EMAIL, purpose=PASSWORD_RESET)
    code = mailed_code(here)
    with pytest.raises(InvalidCode):
        here.torii.email_code.complete(flow, code)
    assert here.torii.password.check_reset(flow) is None
    token = here.torii.email_code.exchange(flow, code, purpose=PASSWORD_RESET)
    here.torii.password.complete_reset(token, "another good passphrase")
    assert as_signed_in(here.torii.password.authenticate(EMAIL, "another good passphrase"))


@pytest.mark.parametrize("same_browser", [False, True])
def test_a_verification_by_code_keeps_what_the_same_browser_set_up(same_browser: bool) -> None:
    """In the browser that signed up the password stays; elsewhere the first proof removes it (P9)."""
    here = Setting()
    binding = here.torii.email_verification.new_browser_binding()
    user = here.torii.password.register(EMAIL, PASSWORD)
    flow = here.torii.email_code.send(EMAIL, purpose=EMAIL_VERIFICATION, browser_binding=binding, user_id=user.id)
    token = here.torii.email_code.exchange(flow, mailed_code(here), purpose=EMAIL_VERIFICATION)
    verified = here.torii.email_verification.complete(token, browser_binding=binding if same_browser else None)
    assert (verified.id, verified.is_email_verified) == (user.id, True)
    assert verified.has_password is same_browser


def test_a_binding_counts_only_for_whoever_is_signed_in() -> None:
    """Whoever signed up after a stranger has a binding too: it keeps nothing that the stranger set up (P9)."""
    here = Setting()
    here.torii.password.register(EMAIL, PASSWORD)
    binding = here.torii.email_verification.new_browser_binding()
    here.torii.password.sign_up(EMAIL, "a second passphrase", browser_binding=binding)
    token = ""
    for user_id in (None, "usr_other"):
        flow = here.torii.email_code.send(EMAIL, purpose=EMAIL_VERIFICATION, browser_binding=binding, user_id=user_id)
        token = here.torii.email_code.exchange(flow, mailed_code(here), purpose=EMAIL_VERIFICATION)
        found = here.torii.email_verification.check(token)
        assert found is not None
        assert not here.torii.email_verification.keeps(found, browser_binding=binding)
    assert not (here.torii.email_verification.complete(token, browser_binding=binding)).has_password


def test_a_code_is_for_no_other_purpose() -> None:
    """A code stands for the three links only: no challenge or token of the application comes of one."""
    here = Setting()
    here.torii.password.register(EMAIL, PASSWORD)
    flow = here.torii.email_code.send(EMAIL)
    purposes: list[Any] = ["second_factor", "email_change", "invitation", "", None]
    for purpose in purposes:
        with pytest.raises(ValidationError):
            here.torii.email_code.send(EMAIL, purpose=purpose)
        with pytest.raises(ValidationError):
            here.torii.email_code.exchange(flow, "12345678", purpose=purpose)
    assert here.templates() == ["email_code"]


def test_nothing_tells_who_has_an_account() -> None:
    """For each purpose, known, unknown, verified and locked addresses cause the same calls and refusals."""
    for purpose in ("magic_link", "email_verification", "password_reset"):
        seen: set[tuple[str, ...]] = set()
        for state in ("unknown", "known", "verified", "locked"):
            here = Setting(magic_link_sign_up=False)
            if state != "unknown":
                user = here.torii.password.register(EMAIL, PASSWORD)
                if state == "verified":
                    here.storage.mark_email_verified(user.id, email=user.email)
                if state == "locked":
                    here.torii.lock_user(user.id)
            calls: list[str] = []
            spied = Setting(storage=recording(here.storage, calls), clock=here.clock, magic_link_sign_up=False)
            flow = spied.torii.email_code.send(EMAIL, purpose=purpose)
            with pytest.raises(InvalidCode):
                spied.torii.email_code.exchange(flow, "00000000", purpose=purpose)
            seen.add(tuple(calls))
        assert len(seen) == 1, seen


def test_mails_with_codes_are_limited() -> None:
    """A mailbox gets five in ten minutes; bad addresses are refused."""
    here = Setting()
    for _ in range(5):
        here.torii.email_code.send(EMAIL)
    with pytest.raises(RateLimited):
        here.torii.email_code.send(EMAIL)
    with pytest.raises(ValidationError):
        here.torii.email_code.send("not an address")


def test_a_locked_account_is_not_signed_in() -> None:
    """The lock of an administrator ends codes that were sent, and later ones do not sign in."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    flow = here.torii.email_code.send(EMAIL)
    code = mailed_code(here)
    here.torii.lock_user(user.id)
    with pytest.raises((InvalidCode, AccountLocked)):
        here.torii.email_code.complete(flow, code)
