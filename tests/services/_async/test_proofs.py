"""The first proof of an address, by every route: what was set up before it goes, unless whoever set it up proves it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.services._async.support import EMAIL, PASSWORD
from tests.services._async.test_oauth import AsyncOAuthSetting

from torii_dynamodb.errors import AccountLocked, InvalidCredentials, InvalidToken, ValidationError
from torii_dynamodb.models import MAGIC_LINK, NewOAuthAccount, NewPasskey, NewToken, Session, User

NEW = "a brand new password"
ELSEWHERE = "ada@example.org"


@dataclass
class AsyncWorld:
    """Somebody registered an address, perhaps a stranger to its owner, and set up all there is to set up."""

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
        """What of it still works."""
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
        if await here.torii.get_session(self.session.token or "") is not None:
            left.add("session")
        if await here.storage.check_token(self.one_time, purpose=MAGIC_LINK) is not None:
            left.add("token")
        if here.torii.devices.recognise(self.device, user) is not None:
            left.add("device")
        return left


EVERYTHING = {"password", "account", "passkey", "session", "token", "device"}


async def a_world(here: AsyncOAuthSetting) -> AsyncWorld:
    """Signed up in a browser, with everything set up."""
    binding = here.torii.email_verification.new_browser_binding()
    await here.torii.password.sign_up(EMAIL, PASSWORD, browser_binding=binding)
    # The mail is out before another is asked for: the link of the last mail is then the one meant.
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
    return AsyncWorld(here, user, session, binding, device, made.token or "")


async def by_verification(world: AsyncWorld) -> None:
    """The link of the sign-up, opened where nobody is signed in."""
    await world.here.torii.email_verification.complete(await world.here.link())


async def by_verification_asked_for_again(world: AsyncWorld) -> None:
    """A link that a stranger may have asked for, even in the browser that signed up: it is bound to none."""
    await world.here.torii.email_verification.request(EMAIL)
    token = await world.here.link()
    await world.here.torii.email_verification.complete(token, browser_binding=world.binding)


async def by_verification_signed_in(world: AsyncWorld) -> None:
    """The link of the sign-up, in a browser that a stranger signed in to their account (login CSRF)."""
    token = await world.here.link()
    await world.here.torii.email_verification.complete(token, user_id=world.user_id)


async def by_another_browser(world: AsyncWorld) -> None:
    """The link of the sign-up, in a browser that signed up something else."""
    other = world.here.torii.email_verification.new_browser_binding()
    await world.here.torii.email_verification.complete(await world.here.link(), browser_binding=other)


async def by_verification_with_a_new_password(world: AsyncWorld) -> None:
    """The link of the sign-up, and a new password in the same write."""
    token = await world.here.link()
    await world.here.torii.email_verification.complete(token, browser_binding=world.binding, new_password=NEW)


async def by_magic_link(world: AsyncWorld) -> None:
    """A sign-in link."""
    await world.here.torii.magic_link.send(EMAIL)
    await world.here.torii.magic_link.complete(await world.here.link())


async def by_reset(world: AsyncWorld) -> None:
    """A new password by a link."""
    await world.here.torii.password.initiate_reset(EMAIL)
    await world.here.torii.password.complete_reset(await world.here.link(), NEW)


async def by_oauth(world: AsyncWorld) -> None:
    """A provider vouches for the address. Afterwards its account is linked, and nothing else."""
    result = await world.here.sign_in()
    assert result.linked
    await world.here.torii.oauth.unlink(world.user_id, "issuer", result.identity.subject, allow_verified_email=True)


async def by_change(world: AsyncWorld) -> None:
    """A link to the victim's address, used by the victim, who is signed in as the stranger (login CSRF)."""
    torii = world.here.torii
    await torii.email_verification.send_change(await world.now(), ELSEWHERE, session=world.session)
    victims = await torii.create_session(await world.now())
    await torii.email_verification.complete_change(await world.here.link(), user_id=world.user_id, session=victims)


async def by_change_with_a_new_password(world: AsyncWorld) -> None:
    """A link to another address, with a new password in the same write."""
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
    """By every route: password, account, passkey, session, one-time token and device token work no more."""
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
    """The binding that the sign-up left."""
    token = await world.here.link()
    await world.here.torii.email_verification.complete(token, browser_binding=world.binding)


async def with_the_password(world: AsyncWorld) -> None:
    """Another device, and the password chosen at sign-up."""
    token = await world.here.link()
    await world.here.torii.email_verification.complete(token, password=PASSWORD)


async def with_the_password_for_a_link_asked_for_again(world: AsyncWorld) -> None:
    """A link that is bound to no browser, and the password."""
    await world.here.torii.email_verification.request(EMAIL)
    token = await world.here.link()
    await world.here.torii.email_verification.complete(token, password=PASSWORD)


async def changed_in_the_same_session(world: AsyncWorld) -> None:
    """A link to another address, in the session that asked for it."""
    torii = world.here.torii
    await torii.email_verification.send_change(await world.now(), ELSEWHERE, session=world.session)
    token = await world.here.link()
    await torii.email_verification.complete_change(token, user_id=world.user_id, session=world.session)


async def changed_with_the_password(world: AsyncWorld) -> None:
    """A link to another address, on another device, with the password."""
    torii = world.here.torii
    await torii.email_verification.send_change(await world.now(), ELSEWHERE, session=world.session)
    token = await world.here.link()
    other = await torii.create_session(await world.now())
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
async def test_what_was_set_up_stays_for_who_set_it_up(prove: Callable[[AsyncWorld], Awaitable[None]]) -> None:
    """The same browser, or the password: everything stays. (Links and device tokens name the address, which moves.)"""
    async with AsyncOAuthSetting() as here:
        world = await a_world(here)
        await prove(world)
        moved = prove in (changed_in_the_same_session, changed_with_the_password)
        assert await world.left() == (EVERYTHING - {"token", "device"} if moved else EVERYTHING)
        user = await world.now()
        assert (user.is_email_verified, user.email) == (True, ELSEWHERE if moved else EMAIL.lower())


async def test_a_wrong_password_keeps_nothing_and_uses_nothing_up() -> None:
    """It is refused alike with and without a password, counted as an attempt to sign in, and the link still holds."""
    for has_password in (True, False):
        async with AsyncOAuthSetting() as here:
            world = await a_world(here)
            if not has_password:
                await here.torii.password.remove_password(world.user_id)
            await here.torii.email_verification.request(EMAIL)
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
            # Before the hash, and as the same limit as signing in.
            assert here.hasher.verified == 5
            with pytest.raises(AccountLocked):
                await here.torii.password.authenticate(EMAIL, PASSWORD)
            assert not (await world.now()).is_email_verified
            # The owner gets in all the same, with a new password.
            await here.torii.email_verification.complete(token, new_password=NEW)
            await here.torii.password.authenticate(EMAIL, NEW)


async def test_a_proof_that_cannot_be_meant_uses_nothing_up() -> None:
    """Both passwords, or a new one that cannot be used: refused, and the link still holds."""
    async with AsyncOAuthSetting() as here:
        world = await a_world(here)
        token = await here.link()
        for given in ({"password": PASSWORD, "new_password": NEW}, {"new_password": "short"}):
            with pytest.raises(ValidationError):
                await here.torii.email_verification.complete(token, **given)
        with pytest.raises(InvalidToken):
            await here.torii.email_verification.complete(token, user_id="somebody else", new_password=NEW)
        assert await world.left() == EVERYTHING
        await here.torii.email_verification.complete(token, browser_binding=world.binding)
        assert await world.left() == EVERYTHING


async def test_a_later_proof_removes_nothing_and_sets_no_password() -> None:
    """Proved before: another link is used up without a word, and is no way to another password."""
    async with AsyncOAuthSetting() as here:
        world = await a_world(here)
        first = await here.link()
        await here.torii.email_verification.request(EMAIL)
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
    """All sessions ended, or the account locked, between the link and its write: nothing is proved, nothing moves."""
    async with AsyncOAuthSetting() as here:
        world = await a_world(here)
        service = here.torii.email_verification
        if change:
            await service.send_change(await world.now(), ELSEWHERE, session=world.session)
        token = await here.link()
        write = here.storage.complete_email_proof

        async def write_late(*arguments: Any, **named: Any) -> User | None:
            if end == "lock":
                await here.torii.lock_user(world.user_id)
            else:
                await here.torii.delete_sessions_for_user(world.user_id)
            return await write(*arguments, **named)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(here.storage, "complete_email_proof", write_late)
            with pytest.raises(InvalidToken):
                await (
                    service.complete_change(token, user_id=world.user_id, session=world.session)
                    if change
                    else service.complete(token, browser_binding=world.binding)
                )
        user = await world.now()
        assert (user.email, user.is_email_verified) == (EMAIL.lower(), False)


async def test_a_sign_up_leaves_no_trace_of_the_binding() -> None:
    """Only its digest is stored, for a free and for a taken address; a short one is refused before anything is done."""
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
