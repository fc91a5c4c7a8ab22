"""Concurrent callers for addresses and identities: winners are counted, and the raw tables must be consistent.

Each race runs many rounds (:attr:`Conformance.race_rounds`); the base class checks the raw tables after it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from torii_dynamodb.contract import AsyncStorage
from torii_dynamodb.errors import (
    AlreadyExists,
    ClonedAuthenticator,
    LastSignInMethod,
    NotFound,
    ProviderDisconnected,
    Revoked,
    TooManyIdentities,
    VersionConflict,
)
from torii_dynamodb.models import (
    MAGIC_LINK,
    NewOAuthAccount,
    NewPasskey,
    NewSession,
    NewToken,
    NewUser,
    OAuthAccount,
    Passkey,
    User,
)
from torii_dynamodb.testing._conformance.base import (
    Call,
    Conformance,
    clause,
    fresh,
    new_address,
    new_hash,
)
from torii_dynamodb.testing._conformance.invariants import MAX_IDENTITIES
from torii_dynamodb.testing._conformance.oauth import new_account
from torii_dynamodb.testing._conformance.passkeys import new_credential_id

__all__ = ["IdentityRaceConformance"]

CALLERS = 50


class IdentityRaceConformance(Conformance):
    """Races for addresses and identities."""

    # Addresses.

    @clause("USER-1", "USER-3")
    async def test_of_50_registrations_one_wins(self, storage: AsyncStorage) -> None:
        """50 callers register one address, in ten times the rounds of other races: one user per round, nothing else."""
        self.needs("races")
        rounds = self.rounds * 10
        addresses: set[str] = set()
        for _ in range(rounds):
            address = new_address()
            addresses.add(address)
            hashes = [new_hash() for _ in range(CALLERS)]

            def register(number: int, address: str = address, hashes: list[str] = hashes) -> Call[User]:
                spelling = address.upper() if number % 2 else address
                new_user = NewUser(email=spelling, name=f"caller {number}")
                return lambda: storage.create_user(new_user, password_hash=hashes[number])

            won, lost = await self.race([register(number) for number in range(CALLERS)])
            self.only(lost, AlreadyExists)
            assert len(won) == 1
            assert len(lost) == CALLERS - 1
            credentials = await storage.get_credentials_by_email(address)
            assert credentials is not None
            assert credentials.user_id == won[0].id
            assert won[0].name == f"caller {hashes.index(credentials.password_hash or '')}"
        if {"raw", "isolated"} <= self.capabilities:
            dump = await self.dump()
            assert len(dump["users"]) == len(dump["identities"]) == rounds
            assert {item["email"] for item in dump["users"]} == addresses

    @clause("USER-1", "USER-5")
    async def test_of_registrations_under_one_id_one_wins(self, storage: AsyncStorage) -> None:
        """Callers with one id and different addresses: one user, and only its address is taken."""
        self.needs("races")
        for _ in range(self.rounds):
            user_id = fresh("u")
            addresses = [new_address() for _ in range(16)]

            def register(address: str, user_id: str = user_id) -> Call[User]:
                return lambda: storage.create_user(NewUser(email=address, id=user_id))

            won, lost = await self.race([register(address) for address in addresses])
            self.only(lost, AlreadyExists)
            assert len(won) == 1
            taken = [address for address in addresses if await storage.get_user_by_email(address)]
            assert taken == [won[0].email]

    @clause("USER-4")
    async def test_repetitions_of_one_registration_all_succeed(self, storage: AsyncStorage) -> None:
        """Callers with the same id and address are one caller that repeats: all get the one user."""
        self.needs("races")
        for _ in range(self.rounds):
            new_user = NewUser(email=new_address(), id=fresh("u"))

            def register(new_user: NewUser = new_user) -> Call[User]:
                return lambda: storage.create_user(new_user)

            won, lost = await self.race([register() for _ in range(16)])
            self.only(lost)
            assert len({user.id for user in won}) == 1
            assert all(user == won[0] for user in won)

    @clause("USER-9")
    async def test_get_or_create_creates_one(self, storage: AsyncStorage) -> None:
        """All callers get one user, and exactly one of them created it."""
        self.needs("races")
        for _ in range(self.rounds):
            address = new_address()

            def enter(address: str = address) -> Call[tuple[User, bool]]:
                return lambda: storage.get_or_create_user_by_email(address)

            won, lost = await self.race([enter() for _ in range(CALLERS)])
            self.only(lost)
            assert len({user.id for user, _ in won}) == 1
            assert sum(created for _, created in won) == 1

    @clause("USER-19", "USER-20", "USER-1")
    async def test_registering_against_deleting(self, storage: AsyncStorage) -> None:
        """While a user is deleted, many register its address: at most one gets it, and nothing is left half done."""
        self.needs("races")
        for number in range(self.rounds):
            user = await self.user(storage, password_hash=new_hash())

            def register(address: str = user.email) -> Call[object]:
                return lambda: storage.create_user(NewUser(email=address), password_hash=new_hash())

            def delete(user_id: str = user.id) -> Call[object]:
                return lambda: storage.delete_user(user_id)

            calls = [*(register() for _ in range(10)), *(delete() for _ in range(3))]
            won, lost = await self.race(self.shuffled(calls, number))
            self.only(lost, AlreadyExists)
            users = [found for found in won if isinstance(found, User)]
            assert sum(found is True for found in won) == 1, "exactly one of the deletions returned True"
            assert len(users) <= 1
            holder = await storage.get_user_by_email(user.email)
            assert (holder.id if holder else None) == (users[0].id if users else None)
            assert await storage.get_user(user.id, consistent=True) is None
        await self.whole()

    @clause("USER-1", "USER-12", "USER-13")
    async def test_changing_an_address_against_registering_it(self, storage: AsyncStorage) -> None:
        """Users move to an address while others register it: one holds it in the end, the others keep theirs."""
        self.needs("races")
        for number in range(self.rounds):
            address = new_address()
            users = [await self.user(storage, password_hash=new_hash()) for _ in range(4)]

            def move(user: User, address: str = address) -> Call[object]:
                return lambda: storage.update_user(user, email=address)

            def register(address: str = address) -> Call[object]:
                return lambda: storage.create_user(NewUser(email=address))

            calls = [*(move(user) for user in users), *(register() for _ in range(8))]
            won, lost = await self.race(self.shuffled(calls, number))
            self.only(lost, AlreadyExists)
            assert len(won) == 1
            assert await storage.get_user_by_email(address) == won[0]
            for user in users:
                if user.id != getattr(won[0], "id", None):
                    assert await storage.get_user_by_email(user.email) == user
        await self.whole()

    @clause("USER-10")
    async def test_of_updates_of_one_version_one_wins(self, storage: AsyncStorage) -> None:
        """Callers update one version: one succeeds, the others raise VersionConflict."""
        self.needs("races")
        user = await self.user(storage)
        for _ in range(self.rounds):

            def update(number: int, user: User = user) -> Call[User]:
                return lambda: storage.update_user(user, name=f"caller {number}")

            won, lost = await self.race([update(number) for number in range(16)])
            self.only(lost, VersionConflict)
            assert len(won) == 1
            user = await self.reread(storage, user)
            assert user == won[0]

    @clause("USER-10", "USER-11")
    async def test_no_update_is_lost(self, storage: AsyncStorage) -> None:
        """Callers each increment a counter in the metadata and retry on a conflict: all increments are counted."""
        self.needs("races")
        user = await self.user(storage)
        counts = 3

        async def count_up() -> None:
            for _ in range(counts):
                while True:
                    read = await self.reread(storage, user)
                    count = read.metadata.get("count", 0)
                    assert isinstance(count, int)
                    try:
                        await storage.update_user(read, metadata={"count": count + 1})
                    except VersionConflict:
                        continue
                    break

        for number in range(max(1, self.rounds // 5)):
            _, lost = await self.race([count_up for _ in range(8)])
            self.only(lost)
            assert (await self.reread(storage, user)).metadata == {"count": (number + 1) * 8 * counts}

    @clause("USER-10", "USER-12", "PASSWORD-1")
    async def test_changing_the_address_against_changing_the_password(self, storage: AsyncStorage) -> None:
        """In any order, the password that was set is the one stored, under the address the user holds in the end."""
        self.needs("races")
        for number in range(self.rounds):
            user = await self.user(storage, password_hash=new_hash())
            address, digest = new_address(), new_hash()

            def move(user: User = user, address: str = address) -> Call[object]:
                return lambda: storage.update_user(user, email=address)

            def change(user: User = user, digest: str = digest) -> Call[object]:
                return lambda: storage.set_password_hash(user.id, digest)

            _, lost = await self.race(self.shuffled([move(), change()], number))
            self.only(lost, VersionConflict)
            now = await self.reread(storage, user)
            assert now.email == (user.email if lost else address)
            credentials = await storage.get_credentials_by_email(now.email)
            assert credentials is not None
            assert (credentials.password_hash, credentials.password_version) == (digest, now.password_version)
        await self.whole()

    @clause("PASSWORD-4", "USER-12")
    async def test_changing_the_address_against_rehashing(self, storage: AsyncStorage) -> None:
        """A re-hash while the address moves leaves one valid hash, under the address that the user holds."""
        self.needs("races")
        for number in range(self.rounds):
            old, new = new_hash(), new_hash()
            user = await self.user(storage, password_hash=old)
            address = new_address()

            def move(user: User = user, address: str = address) -> Call[object]:
                return lambda: storage.update_user(user, email=address)

            def rehash(user: User = user, old: str = old, new: str = new) -> Call[object]:
                return lambda: storage.rehash_password(user.id, email=user.email, old_hash=old, new_hash=new)

            won, lost = await self.race(self.shuffled([move(), rehash()], number))
            self.only(lost, VersionConflict)
            now = await self.reread(storage, user)
            assert now.email == (user.email if lost else address)
            stored = await storage.get_password_hash(user.id)
            assert stored == (new if True in won else old)
        await self.whole()

    @clause("USER-15", "USER-19", "USER-20")
    async def test_changing_the_address_against_deleting(self, storage: AsyncStorage) -> None:
        """A deletion wins in the end: neither the old address nor the new one stays taken."""
        self.needs("races")
        for number in range(self.rounds):
            user = await self.user(storage, password_hash=new_hash())
            address = new_address()

            def move(user: User = user, address: str = address) -> Call[object]:
                return lambda: storage.update_user(user, email=address)

            def delete(user: User = user) -> Call[object]:
                return lambda: storage.delete_user(user.id)

            won, lost = await self.race(self.shuffled([move(), delete()], number))
            self.only(lost, NotFound, VersionConflict)
            assert True in won
            for each in (user.email, address):
                assert await storage.get_user_by_email(each) is None
                assert await storage.get_credentials_by_email(each) is None
        await self.whole()

    @clause("USER-16")
    async def test_changing_the_address_against_proving_the_old_one(self, storage: AsyncStorage) -> None:
        """A proof of the old address never verifies the new one."""
        self.needs("races")
        for number in range(self.rounds):
            user = await self.user(storage)
            address = new_address()

            def move(user: User = user, address: str = address) -> Call[object]:
                return lambda: storage.update_user(user, email=address)

            def prove(user: User = user) -> Call[object]:
                return lambda: storage.mark_email_verified(user.id, email=user.email)

            _, lost = await self.race(self.shuffled([move(), prove()], number))
            self.only(lost, VersionConflict)
            now = await self.reread(storage, user)
            assert now.is_email_verified == (now.email == user.email)

    # Identities.

    @clause("OAUTH-2")
    async def test_of_50_users_who_link_one_account_one_gets_it(self, storage: AsyncStorage) -> None:
        """50 users link one account: one holds it, the others get AlreadyExists."""
        self.needs("races")
        users = [await self.user(storage) for _ in range(CALLERS)]
        for _ in range(self.rounds):
            account = new_account()

            def link(user: User, account: NewOAuthAccount = account) -> Call[OAuthAccount]:
                return lambda: storage.link_oauth_account(user.id, account)

            won, lost = await self.race([link(user) for user in users])
            self.only(lost, AlreadyExists)
            assert len(won) == 1
            assert len(lost) == CALLERS - 1
            holder = await storage.get_user_by_provider_and_subject(account.provider, account.subject)
            assert holder is not None
            assert holder.id == won[0].user_id
        await self.whole()

    @clause("OAUTH-1", "OAUTH-2")
    async def test_of_sign_ups_with_one_account_one_wins(self, storage: AsyncStorage) -> None:
        """New users with different addresses and one account: one user, and only its address is taken."""
        self.needs("races")
        for _ in range(self.rounds):
            account = new_account()
            addresses = [new_address() for _ in range(16)]

            def sign_up(address: str, account: NewOAuthAccount = account) -> Call[tuple[User, OAuthAccount]]:
                return lambda: storage.create_oauth_account(NewUser(email=address), account)

            won, lost = await self.race([sign_up(address) for address in addresses])
            self.only(lost, AlreadyExists)
            assert len(won) == 1
            taken = [address for address in addresses if await storage.get_user_by_email(address)]
            assert taken == [won[0][0].email]

    @clause("OAUTH-3")
    async def test_one_user_who_links_many_times_links_once(self, storage: AsyncStorage) -> None:
        """Many callers link the same account to one user: all get the account, and the user lists it once."""
        self.needs("races")
        user = await self.user(storage)
        for number in range(self.rounds):
            account = new_account()

            def link(account: NewOAuthAccount = account) -> Call[OAuthAccount]:
                return lambda: storage.link_oauth_account(user.id, account)

            won, lost = await self.race([link() for _ in range(8)])
            self.only(lost)
            assert all(linked == won[0] for linked in won)
            assert len((await self.reread(storage, user)).identities) == number + 2

    @clause("PASSKEY-1")
    async def test_of_50_users_who_add_one_passkey_one_gets_it(self, storage: AsyncStorage) -> None:
        """50 users add one credential id: one holds it."""
        self.needs("races")
        users = [await self.user(storage) for _ in range(CALLERS)]
        for _ in range(self.rounds):
            credential_id = new_credential_id()

            def add(user: User, credential_id: bytes = credential_id) -> Call[Passkey]:
                new = NewPasskey(user_id=user.id, credential_id=credential_id, public_key=b"key")
                return lambda: storage.add_passkey(new)

            won, lost = await self.race([add(user) for user in users])
            self.only(lost, AlreadyExists)
            assert len(won) == 1
            found = await storage.get_passkey(credential_id)
            assert found is not None
            assert found.user_id == won[0].user_id
        await self.whole()

    @clause("OAUTH-5", "PASSKEY-2")
    async def test_the_limit_of_identities_holds(self, storage: AsyncStorage) -> None:
        """With room for two, two of many concurrent links and passkeys succeed."""
        self.needs("races", "large")
        user = await self.user(storage)
        for _ in range(MAX_IDENTITIES - 3):
            await self.link(storage, user)
        for _ in range(max(1, self.rounds // 5)):

            def link() -> Call[Any]:
                account = new_account()
                return lambda: storage.link_oauth_account(user.id, account)

            def add() -> Call[Any]:
                return lambda: self.passkey(storage, user)

            won, lost = await self.race([*(link() for _ in range(6)), *(add() for _ in range(6))])
            self.only(lost, TooManyIdentities)
            assert len(won) == 2
            assert len((await self.reread(storage, user)).identities) == MAX_IDENTITIES
            for identity in won:
                if isinstance(identity, OAuthAccount):
                    await storage.unlink_oauth_account(user.id, identity.provider, identity.subject)
                else:
                    await storage.delete_passkey(user.id, identity.credential_id)
        await self.whole()

    @clause("OAUTH-10", "PASSKEY-7", "PASSWORD-7")
    async def test_the_last_ways_to_sign_in_do_not_all_go(self, storage: AsyncStorage) -> None:
        """An account, a passkey and the password are removed at the same time: one of them stays, in any order."""
        self.needs("races")
        for number in range(self.rounds * 2):
            user = await self.user(storage, password_hash=new_hash() if number % 2 else None)
            accounts = [await self.link(storage, user) for _ in range(2)]
            passkey = await self.passkey(storage, user)

            def unlink(account: OAuthAccount, user: User = user) -> Call[object]:
                return lambda: storage.unlink_oauth_account(user.id, account.provider, account.subject)

            def delete(passkey: Passkey = passkey, user: User = user) -> Call[object]:
                return lambda: storage.delete_passkey(user.id, passkey.credential_id)

            def forget(user: User = user) -> Call[object]:
                return lambda: storage.remove_password_hash(user.id)

            calls = [*(unlink(account) for account in accounts), delete()]
            if user.has_password:
                calls.append(forget())
            won, lost = await self.race(self.shuffled(calls, number))
            self.only(lost, LastSignInMethod)
            assert (len(won), len(lost)) == (len(calls) - 1, 1)
            assert all(found is True for found in won)
            now = await self.reread(storage, user)
            assert len(now.identities) - 1 + now.has_password == 1
        await self.whole()

    @clause("PASSKEY-8", "OAUTH-10")
    async def test_all_passkeys_against_the_last_account(self, storage: AsyncStorage) -> None:
        """All passkeys are deleted while the only account is unlinked: one of the two is refused."""
        self.needs("races")
        for number in range(self.rounds):
            user = await self.user(storage)
            account = await self.link(storage, user)
            for _ in range(2):
                await self.passkey(storage, user)

            def unlink(account: OAuthAccount = account, user: User = user) -> Call[object]:
                return lambda: storage.unlink_oauth_account(user.id, account.provider, account.subject)

            def delete(user: User = user) -> Call[object]:
                return lambda: storage.delete_passkeys_for_user(user.id)

            won, lost = await self.race(self.shuffled([unlink(), delete()], number))
            self.only(lost, LastSignInMethod)
            assert len(won) == len(lost) == 1
            now = await self.reread(storage, user)
            assert len(now.identities) == (3 if won[0] is True else 2)
        await self.whole()

    @clause("PASSKEY-6")
    async def test_of_uses_with_one_count_one_wins(self, storage: AsyncStorage) -> None:
        """Many callers send the same new count: one is recorded, the others look like clones."""
        self.needs("races")
        user = await self.user(storage)
        passkey = await self.passkey(storage, user, sign_count=1)
        for number in range(self.rounds):

            def use(count: int = number + 2) -> Call[Passkey | None]:
                return lambda: storage.update_passkey_use(user.id, passkey.credential_id, sign_count=count)

            won, lost = await self.race([use() for _ in range(16)])
            self.only(lost, ClonedAuthenticator)
            assert len(won) == 1
            assert won[0] is not None
            assert won[0].sign_count == number + 2

    @clause("OAUTH-4", "PASSKEY-2", "USER-19", "SESSION-3", "PASSWORD-3")
    async def test_deleting_against_everything(self, storage: AsyncStorage) -> None:
        """While a user is deleted, others link, add, sign in and issue tokens: nothing outlives it."""
        self.needs("races")
        for number in range(self.rounds * 2):
            user = await self.user(storage, password_hash=new_hash())
            account, credential_id = new_account(), new_credential_id()
            passkey = NewPasskey(user_id=user.id, credential_id=credential_id, public_key=b"key")
            new_session = NewSession(user_id=user.id, expires_at=self.later())
            new_token = NewToken(purpose=MAGIC_LINK, expires_at=self.later(), user_id=user.id)
            calls: list[Call[Any]] = [
                partial(storage.delete_user, user.id),
                partial(storage.link_oauth_account, user.id, account),
                partial(storage.add_passkey, passkey),
                partial(storage.set_password_hash, user.id, new_hash()),
                partial(storage.create_session, new_session, user=user),
                partial(storage.create_session, new_session),
                partial(storage.create_token, new_token),
                partial(storage.delete_sessions_for_user, user.id),
                partial(storage.mark_email_verified, user.id, email=user.email),
                partial(storage.set_locked_at, user.id, self.now()),
            ]
            won, lost = await self.race(self.shuffled(calls, number))
            self.only(lost, NotFound)
            assert True in won
            assert await storage.get_user(user.id, consistent=True) is None
            assert await storage.get_user_by_email(user.email) is None
            assert await storage.get_oauth_account_by_provider_and_subject(account.provider, account.subject) is None
            assert await storage.get_passkey(credential_id) is None
            for found in won:
                secret = getattr(found, "token", None)
                if secret is not None:
                    assert await storage.get_session(secret) is None
                    assert await storage.check_token(secret, purpose=MAGIC_LINK) is None
        await self.whole()

    @clause("OAUTH-15", "PASSKEY-11", "PASSWORD-11", "USER-25")
    async def test_signing_out_everywhere_against_what_was_begun_before(self, storage: AsyncStorage) -> None:
        """While all sessions end, what began before completes entirely or is refused; afterwards nothing completes."""
        self.needs("races")
        for number in range(self.rounds):
            user = await self.user(storage)
            epoch, account, digest = user.session_epoch, new_account(), new_hash()
            passkey = NewPasskey(user_id=user.id, credential_id=new_credential_id(), public_key=b"key")
            begun: list[Call[Any]] = [
                partial(storage.link_oauth_account, user.id, account, session_epoch=epoch),
                partial(storage.add_passkey, passkey, session_epoch=epoch),
                partial(storage.mark_email_verified, user.id, email=user.email, session_epoch=epoch),
            ]
            if number % 2:
                begun.append(partial(storage.set_password_hash, user.id, digest, session_epoch=epoch))
            ending: Call[Any] = partial(storage.delete_sessions_for_user, user.id)
            won, lost = await self.race(self.shuffled([*begun, ending], number))
            self.only(lost, Revoked)
            now = await self.reread(storage, user)
            held = await storage.get_oauth_account_by_provider_and_subject(account.provider, account.subject)
            assert (held is not None) == any(isinstance(found, OAuthAccount) for found in won)
            added = await storage.get_passkey(passkey.credential_id)
            assert (added is not None) == any(isinstance(found, Passkey) for found in won)
            written = [found for found in won if isinstance(found, User)]
            assert now.has_password == any(found.has_password for found in written)
            assert now.is_email_verified == any(found.is_email_verified for found in written)
            later: list[Call[Any]] = [
                partial(storage.link_oauth_account, user.id, new_account(), session_epoch=epoch),
                partial(storage.set_password_hash, user.id, digest, session_epoch=epoch),
            ]
            _, refused = await self.race(later)
            assert [type(error) for error in refused] == [Revoked, Revoked]
            assert await self.reread(storage, user) == now
        await self.whole()

    @clause("OAUTH-16")
    async def test_disconnecting_against_joining(self, storage: AsyncStorage) -> None:
        """While a provider is disconnected, others join by address: none does afterwards, and it is remembered."""
        self.needs("races")
        for number in range(self.rounds):
            user = await self.user(storage, password_hash=new_hash())
            held = await self.link(storage, user)
            joins: list[Call[Any]] = [
                partial(storage.link_oauth_account, user.id, new_account(), joining=True) for _ in range(4)
            ]
            unlink: Call[Any] = partial(storage.unlink_oauth_account, user.id, held.provider, held.subject)
            won, lost = await self.race(self.shuffled([*joins, unlink], number))
            self.only(lost, ProviderDisconnected)
            assert (await self.reread(storage, user)).disconnected == {"google"}
            joined = {found.subject for found in won if isinstance(found, OAuthAccount)}
            assert {account.subject for account in await storage.list_oauth_accounts_for_user(user.id)} == joined
            with pytest.raises(ProviderDisconnected):
                await storage.link_oauth_account(user.id, new_account(), joining=True)
        await self.whole()

    @clause("USER-21")
    async def test_of_deletions_one_deletes(self, storage: AsyncStorage) -> None:
        """Many delete one user with several identities: one gets True."""
        self.needs("races")
        for _ in range(self.rounds):
            user = await self.user(storage)
            for _ in range(3):
                await self.link(storage, user)

            def delete(user: User = user) -> Call[bool]:
                return lambda: storage.delete_user(user.id)

            won, lost = await self.race([delete() for _ in range(8)])
            self.only(lost)
            assert sum(won) == 1
        await self.whole()

    @clause("USER-18", "PASSWORD-9")
    async def test_a_first_proof_against_what_it_removes(self, storage: AsyncStorage) -> None:
        """While the first proof removes what is unproven, more is added: all of it before the proof, or after it."""
        self.needs("races")
        for number in range(self.rounds):
            user = await self.user(storage, password_hash=new_hash())
            before = await self.link(storage, user)
            account, digest = new_account(), new_hash()

            def prove(user: User = user) -> Call[object]:
                return lambda: storage.mark_email_verified(user.id, email=user.email, remove_unproven=True)

            def link(user: User = user, account: NewOAuthAccount = account) -> Call[object]:
                return lambda: storage.link_oauth_account(user.id, account)

            def change(user: User = user, digest: str = digest) -> Call[object]:
                return lambda: storage.set_password_hash(user.id, digest)

            _, lost = await self.race(self.shuffled([prove(), link(), change(), prove()], number))
            self.only(lost)
            now = await self.reread(storage, user)
            assert now.is_email_verified
            found = await storage.get_oauth_account_by_provider_and_subject(before.provider, before.subject)
            assert found is None
            assert await storage.get_password_hash(user.id) in (None, digest)
        await self.whole()
