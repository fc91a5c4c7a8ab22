"""The first proof of an address removes what was set up before, unless the same person proves it; by every route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from tests.services._async.support import EMAIL, PASSWORD, just_before
from tests.services._async.test_oauth import AsyncOAuthSetting

from torii_dynamodb.errors import AccountLocked, InvalidCredentials, InvalidToken, ValidationError
from torii_dynamodb.models import MAGIC_LINK, NewFactor, NewOAuthAccount, NewPasskey, NewToken, Session, User

NEW = "a brand new password"
ELSEWHERE = "ada@example.org"


@dataclass
class AsyncWorld:
    """An account, perhaps registered by a stranger, with everything set up that can be."""

    here: AsyncOAuthSetting
    user: User
    session: Session
    binding: str
    device: str
    one_time: str
    user_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.user_id = self.user.id

    async def now(self) -> User:
        """The user as stored."""
        found = await self.here.storage.get_user(self.user_id)
        assert found is not None
        return found

    async def left(self) -> set[str]:
        """What of the setup still works."""
        here, left = self.here, set[str]()
        user = await self.now()
        credentials = await here.storage.get_credentials_by_email(user.email)
        digest = None if credentials is None else credentials.password_hash
        if digest is not None and here.hasher.verify(digest, PASSWORD):
            left.add("password")
        if await here.storage.list_oauth_accounts_for_user(user.id):
            left.add("account")
        if await here.storage.get_oauth_account_by_provider_and_subject("stranger", "1") is not None:
            left.add("account")
        if await here.storage.get_passkey(b"stranger") is not None:
            left.add("passkey")
        if await here.torii.get_signed_in(self.session.token) is not None:
            left.add("session")
        if await here.storage.check_token(self.one_time, purpose=MAGIC_LINK) is not None:
            left.add("token")
        if here.torii.devices.recognise(self.device, user) is not None:
            left.add("device")
        if user.factors or await here.storage.accept_totp_step(self.user_id, "stranger", 2):
            left.add("factor")
        return left


EVERYTHING = {"password", "account", "passkey", "session", "token", "device", "factor"}


async def a_world(here: AsyncOAuthSetting) -> AsyncWorld:
    """Sign up in a browser and set everything up."""
    binding = here.torii.email_verification.new_browser_binding()
    await here.torii.password.sign_up(EMAIL, PASSWORD, browser_binding=binding)
    # Wait, so that link() finds this mail's link and not a later one's.
    await here.torii.wait_for_mail()
    user = await here.storage.get_user_by_email(EMAIL)
    assert user is not None
    await here.storage.link_oauth_account(user.id, NewOAuthAccount(provider="stranger", subject="1"))
    await here.storage.add_passkey(NewPasskey(user_id=user.id, credential_id=b"stranger", public_key=b"key"))
    user = await here.storage.get_user(user.id)
    assert user is not None
    session = await here.torii.create_session(user)
    later = here.clock() + here.torii.email_verification.lifetime
    made = await here.storage.create_token(NewToken(purpose=MAGIC_LINK, expires_at=later, user_id=user.id))
    device = here.torii.devices.issue(user)
    await here.storage.add_factor(NewFactor(user_id=user.id, id="stranger", secret=b"sealed", last_step=1))
    return AsyncWorld(here, user, session, binding, device, made.token)


async def by_verification(world: AsyncWorld) -> None:
    """The sign-up's link, opened where nobody is signed in."""
    await world.here.torii.email_verification.complete(await world.here.link())


async def by_verification_asked_for_again(world: AsyncWorld) -> None:
    """A requested link, used in the browser that signed up: it is bound to no browser, as anybody may request one."""
    await world.here.torii.email_verification.send_to(EMAIL)
    token = await world.here.link()
    await world.here.torii.email_verification.complete(token, browser_binding=world.binding)


async def by_verification_signed_in(world: AsyncWorld) -> None:
    """The sign-up's link, in a browser that a stranger signed in to their account (login CSRF)."""
    token = await world.here.link()
    await world.here.torii.email_verification.complete(token, user_id=world.user_id)


async def by_another_browser(world: AsyncWorld) -> None:
    """The sign-up's link, in a browser that made another sign-up."""
    other = world.here.torii.email_verification.new_browser_binding()
    await world.here.torii.email_verification.complete(await world.here.link(), browser_binding=other)


async def by_verification_with_a_new_password(world: AsyncWorld) -> None:
    """The sign-up's link, with a new password in the same write."""
    token = await world.here.link()
    await world.here.torii.email_verification.complete(token, browser_binding=world.binding, new_password=NEW)


async def by_magic_link(world: AsyncWorld) -> None:
    """A sign-in link."""
    await world.here.torii.magic_link.send(EMAIL)
    await world.here.torii.magic_link.complete(await world.here.link())


async def by_reset(world: AsyncWorld) -> None:
    """A reset link."""
    await world.here.torii.password.send_reset(EMAIL)
    await world.here.torii.password.complete_reset(await world.here.link(), NEW)


async def by_oauth(world: AsyncWorld) -> None:
    """A provider vouches for the address. Its account is the only one linked; unlink it again."""
    result = await world.here.sign_in()
    assert result.linked
    await world.here.torii.oauth.unlink(world.user_id, "issuer", result.identity.subject, allow_verified_email=True)


async def by_change(world: AsyncWorld) -> None:
    """A change-of-address link to the victim, used by the victim while signed in as the stranger (login CSRF)."""
    torii = world.here.torii
    await torii.email_verification.send_change(await world.now(), ELSEWHERE, session=world.session)
    victims = await torii.create_session(await world.now(), second_factor_at=world.here.clock())
    await torii.email_verification.complete_change(await world.here.link(), user_id=world.user_id, session=victims)


async def by_change_with_a_new_password(world: AsyncWorld) -> None:
    """A change of address, with a new password in the same write."""
    torii = world.here.torii
    await torii.email_verification.send_change(await world.now(), ELSEWHERE, session=world.session)
    await torii.email_verification.complete_change(
        await world.here.link(), user_id=world.user_id, session=world.session, new_password=NEW
    )


REMOVING: list[Callable[[AsyncWorld], Awaitable[None]]] = [
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
async def test_the_first_proof_removes_what_was_set_up_before(prove: Callable[[AsyncWorld], Awaitable[None]]) -> None:
    """After any route, password, account, passkey, session, one-time token and device token no longer work."""
    async with AsyncOAuthSetting() as here:
        world = await a_world(here)
        assert await world.left() == EVERYTHING
        await prove(world)
        assert await world.left() == set()
        user = await world.now()
        assert user.is_email_verified
        assert "email.verified" in here.names()
        changes = "new_password" in prove.__name__ or prove is by_reset
        assert user.has_password == changes
        if changes:
            await here.torii.password.authenticate(user.email, NEW)


async def in_the_same_browser(world: AsyncWorld) -> None:
    """The sign-up's link, with the binding that the sign-up left in the browser."""
    token = await world.here.link()
    await world.here.torii.email_verification.complete(token, browser_binding=world.binding)


async def with_the_password(world: AsyncWorld) -> None:
    """The sign-up's link on another device, with the password chosen at sign-up."""
    token = await world.here.link()
    await world.here.torii.email_verification.complete(token, password=PASSWORD)


async def with_the_password_for_a_link_asked_for_again(world: AsyncWorld) -> None:
    """A requested link, bound to no browser, with the password."""
    await world.here.torii.email_verification.send_to(EMAIL)
    token = await world.here.link()
    await world.here.torii.email_verification.complete(token, password=PASSWORD)


async def changed_in_the_same_session(world: AsyncWorld) -> None:
    """A change of address, in the session that asked for it."""
    torii = world.here.torii
    await torii.email_verification.send_change(await world.now(), ELSEWHERE, session=world.session)
    token = await world.here.link()
    await torii.email_verification.complete_change(token, user_id=world.user_id, session=world.session)


async def changed_with_the_password(world: AsyncWorld) -> None:
    """A change of address, on another device, with the password."""
    torii = world.here.torii
    await torii.email_verification.send_change(await world.now(), ELSEWHERE, session=world.session)
    token = await world.here.link()
    other = await torii.create_session(await world.now(), second_factor_at=world.here.clock())
    await torii.email_verification.complete_change(token, user_id=world.user_id, session=other, password=PASSWORD)


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
async def test_what_was_set_up_stays_for_the_same_person(prove: Callable[[AsyncWorld], Awaitable[None]]) -> None:
    """With the same browser or the password, everything stays, except what names an address that has changed."""
    async with AsyncOAuthSetting() as here:
        world = await a_world(here)
        await prove(world)
        moved = prove in (changed_in_the_same_session, changed_with_the_password)
        assert await world.left() == (EVERYTHING - {"token", "device"} if moved else EVERYTHING)
        user = await world.now()
        assert (user.is_email_verified, user.email) == (True, ELSEWHERE if moved else EMAIL.lower())


async def test_a_wrong_password_leaves_the_link_usable() -> None:
    """A wrong password is refused, even if none is set, counted as a sign-in attempt, and leaves the link usable."""
    for has_password in (True, False):
        async with AsyncOAuthSetting() as here:
            world = await a_world(here)
            if not has_password:
                await here.torii.password.remove_password(world.user_id)
            await here.torii.email_verification.send_to(EMAIL)
            token = await here.link()
            here.hasher.verified = 0
            for _ in range(5):
                with pytest.raises(InvalidCredentials) as refused:
                    await here.torii.email_verification.complete(token, password="wrong password")
                assert str(refused.value) == "the password is wrong"
            assert here.hasher.verified == 5
            with pytest.raises(AccountLocked) as locked:
                await here.torii.email_verification.complete(token, password=PASSWORD)
            assert locked.value.retry_after is not None
            # Refused before hashing, by the limit that sign-ins share.
            assert here.hasher.verified == 5
            with pytest.raises(AccountLocked):
                await here.torii.password.authenticate(EMAIL, PASSWORD)
            assert not (await world.now()).is_email_verified
            # The owner can still get in, with a new password.
            await here.torii.email_verification.complete(token, new_password=NEW)
            await here.torii.password.authenticate(EMAIL, NEW)


async def test_a_contradictory_proof_leaves_the_link_usable() -> None:
    """Both passwords at once, an unusable new one or another user are refused; the link stays usable."""
    async with AsyncOAuthSetting() as here:
        world = await a_world(here)
        token = await here.link()
        contradictions: list[dict[str, Any]] = [{"password": PASSWORD, "new_password": NEW}, {"new_password": "short"}]
        for given in contradictions:
            with pytest.raises(ValidationError):
                await here.torii.email_verification.complete(token, **given)
        with pytest.raises(InvalidToken):
            await here.torii.email_verification.complete(token, user_id="somebody else", new_password=NEW)
        assert await world.left() == EVERYTHING
        await here.torii.email_verification.complete(token, browser_binding=world.binding)
        assert await world.left() == EVERYTHING


async def test_a_later_proof_removes_nothing_and_sets_no_password() -> None:
    """Once the address is proved, another link is accepted without effect, and cannot set a password."""
    async with AsyncOAuthSetting() as here:
        world = await a_world(here)
        first = await here.link()
        await here.torii.email_verification.send_to(EMAIL)
        second = await here.link()
        await here.torii.email_verification.complete(first, browser_binding=world.binding)
        with pytest.raises(InvalidToken):
            await here.torii.email_verification.complete(second, new_password=NEW)
        user = await here.torii.email_verification.complete(second)
        assert user == await world.now()
        assert await world.left() == EVERYTHING


@pytest.mark.parametrize("end", ["sign-out", "lock"])
@pytest.mark.parametrize("change", [False, True], ids=["verification", "change"])
async def test_no_proof_outlives_a_sign_out_everywhere(change: bool, end: str) -> None:
    """A sign-out everywhere or a lock between a link's use and its write leaves the address as it was, unproved."""
    async with AsyncOAuthSetting() as here:
        world = await a_world(here)
        service = here.torii.email_verification
        if change:
            await service.send_change(await world.now(), ELSEWHERE, session=world.session)
        token = await here.link()
        act = here.torii.lock_user if end == "lock" else here.torii.delete_sessions_for_user
        with (
            just_before(here.storage, "complete_email_proof", partial(act, world.user_id)),
            pytest.raises(InvalidToken),
        ):
            await (
                service.complete_change(token, user_id=world.user_id, session=world.session)
                if change
                else service.complete(token, browser_binding=world.binding)
            )
        user = await world.now()
        assert (user.email, user.is_email_verified) == (EMAIL.lower(), False)


async def test_the_browser_binding_is_not_stored() -> None:
    """Only a digest of the binding is stored, for free and taken addresses; a short binding is refused up front."""
    async with AsyncOAuthSetting() as here:
        world = await a_world(here)
        again = here.torii.email_verification.new_browser_binding()
        await here.torii.password.sign_up(EMAIL, NEW, browser_binding=again)
        dump = str(here.storage.dump())
        assert world.binding not in dump
        assert again not in dump
        with pytest.raises(ValidationError):
            await here.torii.password.sign_up("free@example.com", NEW, browser_binding="short")
        assert await here.storage.get_user_by_email("free@example.com") is None
