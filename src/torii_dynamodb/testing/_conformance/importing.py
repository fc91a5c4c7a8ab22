"""The conformance tests of :meth:`~torii_dynamodb.contract.AsyncUserStorage.import_user`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from torii_dynamodb.contract import AsyncStorage
from torii_dynamodb.errors import AlreadyExists, TooManyFactors, TooManyIdentities
from torii_dynamodb.legacy import ImportedUser
from torii_dynamodb.models import Factor, NewOAuthAccount, NewUser, OAuthAccount, Passkey
from torii_dynamodb.testing._conformance.base import Conformance, clause, fresh, new_address, new_hash
from torii_dynamodb.testing._conformance.passkeys import new_credential_id
from torii_dynamodb.testing.clock import FakeClock

__all__ = ["ImportConformance", "new_import"]


def new_import(clock: FakeClock, **changes: Any) -> ImportedUser:
    """Return a user to import, who has one of everything that nobody has yet."""
    user_id, then = fresh("u"), clock() - timedelta(days=900)
    user = NewUser(
        id=user_id,
        email=new_address(),
        name="Ada",
        email_verified_at=then + timedelta(hours=1),
        metadata={"plan": "pro"},
    )
    whole = ImportedUser(
        user=user,
        created_at=then,
        password_hash=new_hash(),
        accounts=(_account(user_id, clock),),
        passkeys=(_passkey(user_id, clock),),
        passkeys_are_second_factor=True,
        factors=(_app(user_id, clock),),
        disconnected=frozenset({"github"}),
    )
    return replace(whole, **changes)


def _account(user_id: str, clock: FakeClock, provider: str = "google") -> OAuthAccount:
    then = clock() - timedelta(days=800)
    return OAuthAccount(
        provider=provider,
        subject=fresh("s"),
        user_id=user_id,
        email="ada@gmail.example",
        profile={"locale": "en"},
        tokens={},
        created_at=then,
        updated_at=then + timedelta(days=1),
    )


def _passkey(user_id: str, clock: FakeClock) -> Passkey:
    return Passkey(
        user_id=user_id,
        credential_id=new_credential_id(),
        public_key=b"\xa5key",
        sign_count=7,
        name="Laptop",
        transports=("internal",),
        aaguid=None,
        backed_up=True,
        backup_eligible=True,
        created_at=clock() - timedelta(days=700),
        last_used_at=clock() - timedelta(days=1),
        imported=True,
    )


def _app(user_id: str, clock: FakeClock, factor_id: str = "app") -> Factor:
    return Factor(
        user_id=user_id,
        id=factor_id,
        kind="totp",
        name="Authenticator app",
        created_at=clock() - timedelta(days=600),
        last_used_at=None,
        secret=b"sealed elsewhere",
        last_step=0,
    )


def _renamed(given: ImportedUser, user_id: str) -> ImportedUser:
    """Return the import under another id."""
    return replace(
        given,
        user=replace(given.user, id=user_id),
        accounts=tuple(replace(one, user_id=user_id) for one in given.accounts),
        passkeys=tuple(replace(one, user_id=user_id) for one in given.passkeys),
        factors=tuple(replace(one, user_id=user_id) for one in given.factors),
    )


class ImportConformance(Conformance):
    """Users from other systems."""

    @clause("USER-27")
    async def test_an_imported_user_has_everything(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """The user, the password, the accounts, the passkeys and the factors are as given, with their own times."""
        given = new_import(clock, locked_at=clock() - timedelta(days=2))
        user, created = await storage.import_user(given)
        assert created
        assert user.id == given.user.id
        assert (user.email, user.name, user.metadata) == (given.user.email, "Ada", {"plan": "pro"})
        assert (user.created_at, user.locked_at) == (given.created_at, given.locked_at)
        assert user.email_verified_at == given.user.email_verified_at
        assert user.disconnected == {"github"}
        assert len(user.identities) == 3
        assert user.factors == {"totp#app", "passkey"}
        assert await storage.get_user(user.id, consistent=True) == user
        credentials = await storage.get_credentials_by_email(given.user.email)
        assert credentials is not None
        assert (credentials.user_id, credentials.password_hash) == (user.id, given.password_hash)
        assert credentials.password_version == user.password_version is not None
        assert await storage.list_oauth_accounts_for_user(user.id) == list(given.accounts)
        assert await storage.list_passkeys_for_user(user.id) == list(given.passkeys)
        assert await storage.list_factors_for_user(user.id) == list(given.factors)

    @clause("USER-27")
    async def test_an_imported_user_can_be_little(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """A user without a password and anything else is imported; passkeys that do not exist are no second factor."""
        user, created = await storage.import_user(
            ImportedUser(
                user=NewUser(id=fresh("u"), email=new_address()), created_at=clock(), passkeys_are_second_factor=True
            )
        )
        assert created
        assert not user.has_password
        assert (len(user.identities), user.factors) == (1, frozenset())

    @clause("USER-27")
    async def test_more_than_a_user_can_have_is_refused(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """The 90th account and the sixth authenticator app are refused, and nothing is written."""
        given = new_import(clock, passkeys=())
        user_id = str(given.user.id)
        accounts = tuple(_account(user_id, clock) for _ in range(90))
        with pytest.raises(TooManyIdentities):
            await storage.import_user(replace(given, accounts=accounts))
        with pytest.raises(TooManyFactors):
            await storage.import_user(replace(given, factors=tuple(_app(user_id, clock, f"{n}") for n in range(6))))
        assert await storage.get_user(user_id) is None
        apps = tuple(_app(user_id, clock, f"{n}") for n in range(5))
        user, _ = await storage.import_user(replace(given, accounts=accounts[:89], factors=apps))
        assert (len(user.identities), len(user.factors)) == (90, 5)
        assert await storage.delete_user(user_id)

    @clause("USER-28")
    async def test_a_repeated_import_changes_nothing(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """A second import returns the user as it is by then: name, password, accounts and lock stay."""
        given = new_import(clock)
        user, _ = await storage.import_user(given)
        changed = await storage.update_user(user, name="Countess")
        changed = await storage.set_password_hash(user.id, new_hash())
        (account,) = given.accounts
        await storage.unlink_oauth_account(user.id, account.provider, account.subject)
        other = await self.user(storage)
        taken = NewOAuthAccount(provider=account.provider, subject=account.subject)
        await storage.link_oauth_account(other.id, taken)
        changed = await self.reread(storage, changed)
        again, created = await storage.import_user(replace(given, locked_at=clock(), password_hash=new_hash()))
        assert not created
        assert again == changed == await self.reread(storage, changed)

    @clause("USER-29")
    async def test_what_another_user_has_is_not_taken(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """A taken id, address, account or passkey is refused by its name, and nothing of the import is written."""
        held = new_import(clock)
        holder, _ = await storage.import_user(held)
        mine = new_import(clock)
        my_id = str(mine.user.id)
        (account,), (passkey,) = held.accounts, held.passkeys
        taken = {
            "user": _renamed(mine, str(held.user.id)),
            "email": replace(mine, user=replace(mine.user, email=held.user.email)),
            "oauth_account": replace(mine, accounts=(replace(account, user_id=my_id),)),
            "passkey": replace(mine, passkeys=(replace(passkey, user_id=my_id),)),
        }
        for what, given in taken.items():
            with pytest.raises(AlreadyExists) as caught:
                await storage.import_user(given)
            assert caught.value.what == what
        assert await self.reread(storage, holder) == holder
        assert await storage.get_user(my_id) is None
        user, created = await storage.import_user(mine)
        assert created, "no claim was left behind"
        assert len(user.identities) == 3

    @clause("USER-28", "USER-29")
    async def test_one_of_many_imports_creates_the_user(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Racing imports of one user create it once; of two users with one address, one is created."""
        self.needs("races")
        for _ in range(self.rounds):
            given = new_import(clock)
            rival = replace(new_import(clock), passkeys=())
            rival = replace(rival, user=replace(rival.user, email=given.user.email))
            returned, raised = await self.race(
                [*(partial(storage.import_user, given) for _ in range(4)), partial(storage.import_user, rival)]
            )
            self.only(raised, AlreadyExists)
            assert [created for _, created in returned].count(True) == 1
            assert len({user.id for user, _ in returned}) == 1
            await self.whole()
