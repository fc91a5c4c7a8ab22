# Generated from tests/services/_async/test_proofs.py by tools/unasync.py. Do not edit.

"""The first proof of an address removes what was set up before, unless the same person proves it; by every route."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from tests.services._sync.support import EMAIL, PASSWORD, just_before
from tests.services._sync.test_oauth import OAuthSetting

from torii_dynamodb.errors import AccountLocked, InvalidCredentials, InvalidToken, ValidationError
from torii_dynamodb.models import MAGIC_LINK, NewFactor, NewOAuthAccount, NewPasskey, NewToken, Session, User

NEW = "a brand new password"
ELSEWHERE = "ada@example.org"


@dataclass
class World:
    """An account, perhaps registered by a stranger, with everything set up that can be."""

    here: OAuthSetting
    user: User
    session: Session
    binding: str
    device: str
    one_time: str
    user_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.user_id = self.user.id

    def now(self) -> User:
        """The user as stored."""
        found = self.here.storage.get_user(self.user_id)
        assert found is not None
        return found

    def left(self) -> set[str]:
        """What of the setup still works."""
        here, left = self.here, set[str]()
        user = self.now()
        credentials = here.storage.get_credentials_by_email(user.email)
        digest = None if credentials is None else credentials.password_hash
        if digest is not None and here.hasher.verify(digest, PASSWORD):
            left.add("password")
        if here.storage.list_oauth_accounts_for_user(user.id):
            left.add("account")
        if here.storage.get_oauth_account_by_provider_and_subject("stranger", "1") is not None:
            left.add("account")
        if here.storage.get_passkey(b"stranger") is not None:
            left.add("passkey")
        if here.torii.get_signed_in(self.session.token) is not None:
            left.add("session")
        if here.storage.check_token(self.one_time, purpose=MAGIC_LINK) is not None:
            left.add("token")
        if here.torii.devices.recognise(self.device, user) is not None:
            left.add("device")
        if user.factors or here.storage.accept_totp_step(self.user_id, "stranger", 2):
            left.add("factor")
        return left


EVERYTHING = {"password", "account", "passkey", "session", "token", "device", "factor"}


def a_world(here: OAuthSetting) -> World:
    """Sign up in a browser and set everything up."""
    binding = here.torii.email_verification.new_browser_binding()
    here.torii.password.sign_up(EMAIL, PASSWORD, browser_binding=binding)
    # Wait, so that link() finds this mail's link and not a later one's.
    here.torii.wait_for_mail()
    user = here.storage.get_user_by_email(EMAIL)
    assert user is not None
    here.storage.link_oauth_account(user.id, NewOAuthAccount(provider="stranger", subject="1"))
    here.storage.add_passkey(NewPasskey(user_id=user.id, credential_id=b"stranger", public_key=b"key"))
    user = here.storage.get_user(user.id)
    assert user is not None
    session = here.torii.create_session(user)
    later = here.clock() + here.torii.email_verification.lifetime
    made = here.storage.create_token(NewToken(purpose=MAGIC_LINK, expires_at=later, user_id=user.id))
    device = here.torii.devices.issue(user)
    here.storage.add_factor(NewFactor(user_id=user.id, id="stranger", secret=b"sealed", last_step=1))
    return World(here, user, session, binding, device, made.token)


def by_verification(world: World) -> None:
    """The sign-up's link, opened where nobody is signed in."""
    world.here.torii.email_verification.complete(world.here.link())


def by_verification_asked_for_again(world: World) -> None:
    """A requested link, used in the browser that signed up: it is bound to no browser, as anybody may request one."""
    world.here.torii.email_verification.send_to(EMAIL)
    token = world.here.link()
    world.here.torii.email_verification.complete(token, browser_binding=world.binding)


def by_verification_signed_in(world: World) -> None:
    """The sign-up's link, in a browser that a stranger signed in to their account (login CSRF)."""
    token = world.here.link()
    world.here.torii.email_verification.complete(token, user_id=world.user_id)


def by_another_browser(world: World) -> None:
    """The sign-up's link, in a browser that made another sign-up."""
    other = world.here.torii.email_verification.new_browser_binding()
    world.here.torii.email_verification.complete(world.here.link(), browser_binding=other)


def by_verification_with_a_new_password(world: World) -> None:
    """The sign-up's link, with a new password in the same write."""
    token = world.here.link()
    world.here.torii.email_verification.complete(token, browser_binding=world.binding, new_password=NEW)


def by_magic_link(world: World) -> None:
    """A sign-in link."""
    world.here.torii.magic_link.send(EMAIL)
    world.here.torii.magic_link.complete(world.here.link())


def by_reset(world: World) -> None:
    """A reset link."""
    world.here.torii.password.send_reset(EMAIL)
    world.here.torii.password.complete_reset(world.here.link(), NEW)


def by_oauth(world: World) -> None:
    """A provider vouches for the address. Its account is the only one linked; unlink it again."""
    result = world.here.sign_in()
    assert result.linked
    world.here.torii.oauth.unlink(world.user_id, "issuer", result.identity.subject, allow_verified_email=True)


def by_change(world: World) -> None:
    """A change-of-address link to the victim, used by the victim while signed in as the stranger (login CSRF)."""
    torii = world.here.torii
    torii.email_verification.send_change(world.now(), ELSEWHERE, session=world.session)
    victims = torii.create_session(world.now(), second_factor_at=world.here.clock())
    torii.email_verification.complete_change(world.here.link(), user_id=world.user_id, session=victims)


def by_change_with_a_new_password(world: World) -> None:
    """A change of address, with a new password in the same write."""
    torii = world.here.torii
    torii.email_verification.send_change(world.now(), ELSEWHERE, session=world.session)
    torii.email_verification.complete_change(
        world.here.link(), user_id=world.user_id, session=world.session, new_password=NEW
    )


REMOVING: list[Callable[[World], None]] = [
    by_verification,
    by_verification_asked_for_again,
    by_verification_signed_in,
    by_another_browser,
    by_verification_with_a_new_password,
    by_magic_link,
    by_reset,
    by_oauth,
    by_change,
    by_change_with_a_new_password,
]


@pytest.mark.parametrize("prove", REMOVING, ids=lambda prove: prove.__name__)
def test_the_first_proof_removes_what_was_set_up_before(prove: Callable[[World], None]) -> None:
    """After any route, password, account, passkey, session, one-time token and device token no longer work."""
    with OAuthSetting() as here:
        world = a_world(here)
        assert world.left() == EVERYTHING
        prove(world)
        assert world.left() == set()
        user = world.now()
        assert user.is_email_verified
        assert "email.verified" in here.names()
        changes = "new_password" in prove.__name__ or prove is by_reset
        assert user.has_password == changes
        if changes:
            here.torii.password.authenticate(user.email, NEW)


def in_the_same_browser(world: World) -> None:
    """The sign-up's link, with the binding that the sign-up left in the browser."""
    token = world.here.link()
    world.here.torii.email_verification.complete(token, browser_binding=world.binding)


def with_the_password(world: World) -> None:
    """The sign-up's link on another device, with the password chosen at sign-up."""
    token = world.here.link()
    world.here.torii.email_verification.complete(token, password=PASSWORD)


def with_the_password_for_a_link_asked_for_again(world: World) -> None:
    """A requested link, bound to no browser, with the password."""
    world.here.torii.email_verification.send_to(EMAIL)
    token = world.here.link()
    world.here.torii.email_verification.complete(token, password=PASSWORD)


def changed_in_the_same_session(world: World) -> None:
    """A change of address, in the session that asked for it."""
    torii = world.here.torii
    torii.email_verification.send_change(world.now(), ELSEWHERE, session=world.session)
    token = world.here.link()
    torii.email_verification.complete_change(token, user_id=world.user_id, session=world.session)


def changed_with_the_password(world: World) -> None:
    """A change of address, on another device, with the password."""
    torii = world.here.torii
    torii.email_verification.send_change(world.now(), ELSEWHERE, session=world.session)
    token = world.here.link()
    other = torii.create_session(world.now(), second_factor_at=world.here.clock())
    torii.email_verification.complete_change(token, user_id=world.user_id, session=other, password=PASSWORD)


@pytest.mark.parametrize(
    "prove",
    [
        in_the_same_browser,
        with_the_password,
        with_the_password_for_a_link_asked_for_again,
        changed_in_the_same_session,
        changed_with_the_password,
    ],
    ids=lambda prove: prove.__name__,
)
def test_what_was_set_up_stays_for_the_same_person(prove: Callable[[World], None]) -> None:
    """With the same browser or the password, everything stays, except what names an address that has changed."""
    with OAuthSetting() as here:
        world = a_world(here)
        prove(world)
        moved = prove in (changed_in_the_same_session, changed_with_the_password)
        assert world.left() == (EVERYTHING - {"token", "device"} if moved else EVERYTHING)
        user = world.now()
        assert (user.is_email_verified, user.email) == (True, ELSEWHERE if moved else EMAIL.lower())


def test_a_wrong_password_leaves_the_link_usable() -> None:
    """A wrong password is refused, even if none is set, counted as a sign-in attempt, and leaves the link usable."""
    for has_password in (True, False):
        with OAuthSetting() as here:
            world = a_world(here)
            if not has_password:
                here.torii.password.remove_password(world.user_id)
            here.torii.email_verification.send_to(EMAIL)
            token = here.link()
            here.hasher.verified = 0
            for _ in range(5):
                with pytest.raises(InvalidCredentials) as refused:
                    here.torii.email_verification.complete(token, password="wrong password")
                assert str(refused.value) == "the password is wrong"
            assert here.hasher.verified == 5
            with pytest.raises(AccountLocked) as locked:
                here.torii.email_verification.complete(token, password=PASSWORD)
            assert locked.value.retry_after is not None
            # Refused before hashing, by the limit that sign-ins share.
            assert here.hasher.verified == 5
            with pytest.raises(AccountLocked):
                here.torii.password.authenticate(EMAIL, PASSWORD)
            assert not (world.now()).is_email_verified
            # The owner can still get in, with a new password.
            here.torii.email_verification.complete(token, new_password=NEW)
            here.torii.password.authenticate(EMAIL, NEW)


def test_a_contradictory_proof_leaves_the_link_usable() -> None:
    """Both passwords at once, an unusable new one or another user are refused; the link stays usable."""
    with OAuthSetting() as here:
        world = a_world(here)
        token = here.link()
        contradictions: list[dict[str, Any]] = [{"password": PASSWORD, "new_password": NEW}, {"new_password": "short"}]
        for given in contradictions:
            with pytest.raises(ValidationError):
                here.torii.email_verification.complete(token, **given)
        with pytest.raises(InvalidToken):
            here.torii.email_verification.complete(token, user_id="somebody else", new_password=NEW)
        assert world.left() == EVERYTHING
        here.torii.email_verification.complete(token, browser_binding=world.binding)
        assert world.left() == EVERYTHING


def test_a_later_proof_removes_nothing_and_sets_no_password() -> None:
    """Once the address is proved, another link is accepted without effect, and cannot set a password."""
    with OAuthSetting() as here:
        world = a_world(here)
        first = here.link()
        here.torii.email_verification.send_to(EMAIL)
        second = here.link()
        here.torii.email_verification.complete(first, browser_binding=world.binding)
        with pytest.raises(InvalidToken):
            here.torii.email_verification.complete(second, new_password=NEW)
        user = here.torii.email_verification.complete(second)
        assert user == world.now()
        assert world.left() == EVERYTHING


@pytest.mark.parametrize("end", ["sign-out", "lock"])
@pytest.mark.parametrize("change", [False, True], ids=["verification", "change"])
def test_no_proof_outlives_a_sign_out_everywhere(change: bool, end: str) -> None:
    """A sign-out everywhere or a lock between a link's use and its write leaves the address as it was, unproved."""
    with OAuthSetting() as here:
        world = a_world(here)
        service = here.torii.email_verification
        if change:
            service.send_change(world.now(), ELSEWHERE, session=world.session)
        token = here.link()
        act = here.torii.lock_user if end == "lock" else here.torii.delete_sessions_for_user
        with (
            just_before(here.storage, "complete_email_proof", partial(act, world.user_id)),
            pytest.raises(InvalidToken),
        ):
            (
                service.complete_change(token, user_id=world.user_id, session=world.session)
                if change
                else service.complete(token, browser_binding=world.binding)
            )
        user = world.now()
        assert (user.email, user.is_email_verified) == (EMAIL.lower(), False)


def test_the_browser_binding_is_not_stored() -> None:
    """Only a digest of the binding is stored, for free and taken addresses; a short binding is refused up front."""
    with OAuthSetting() as here:
        world = a_world(here)
        again = here.torii.email_verification.new_browser_binding()
        here.torii.password.sign_up(EMAIL, NEW, browser_binding=again)
        dump = str(here.storage.dump())
        assert world.binding not in dump
        assert again not in dump
        with pytest.raises(ValidationError):
            here.torii.password.sign_up("free@example.com", NEW, browser_binding="short")
        assert here.storage.get_user_by_email("free@example.com") is None
