"""The conformance tests of :class:`~torii_dynamodb.contract.AsyncSessionStorage`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from torii_dynamodb.contract import AsyncStorage
from torii_dynamodb.errors import NotFound, ValidationError
from torii_dynamodb.models import MAGIC_LINK, NewSession, NewUser, Session, User
from torii_dynamodb.testing._conformance.base import (
    Conformance,
    clause,
    fresh,
    new_address,
    new_hash,
    retarget,
)
from torii_dynamodb.testing._conformance.users import NASTY_METADATA, same
from torii_dynamodb.testing.clock import FakeClock

__all__ = ["SessionConformance", "garbage_tokens"]


def garbage_tokens(token: str) -> list[str]:
    """Return texts that were never issued, many of them close to one that was."""
    middle = len(token) // 2
    return [
        "",
        " ",
        "x",
        "\x00",
        "\ud800",
        "ünïcödé",
        ".",
        "torii_s1_",
        "torii_s1_.",
        "torii_t1_.",
        "torii_s1_" + "a" * 64 + "." + "A" * 43 + "00000000",
        "a" * 100_000,
        token[:-1],
        token[1:],
        token + "0",
        token + "\n",
        " " + token,
        token + " ",
        token.upper(),
        token.swapcase(),
        token * 2,
        token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :],
        token[:-1] + ("0" if token[-1] != "0" else "1"),
        token.replace(".", "..", 1),
        token.replace("torii_", "torii-", 1),
        ("torii_t1_" if token.startswith("torii_s1_") else "torii_s1_") + token[9:],
        token.replace("_", "\u2010", 1),
        token + "\ud800",
        '{"token": "' + token + '"}',
    ]


class SessionConformance(Conformance):
    """Sessions."""

    # Creating.

    @clause("SESSION-1", "SESSION-4", "SESSION-18")
    async def test_a_new_session_passes(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """The token of a new session returns session and user with everything that was given."""
        user = await self.user(storage)
        created = await storage.create_session(
            NewSession(
                user_id=user.id,
                expires_at=self.later(3600),
                user_agent="Mozilla/5.0 (X11; Linux x86_64)",
                ip_address="203.0.113.7",
                metadata={"device": "laptop"},
            ),
            user=user,
        )
        assert created.token
        found = await storage.get_signed_in(created.token)
        assert found is not None
        owner, session = found
        assert owner == user
        alone = await storage.get_session(created.token)
        assert alone is not None
        for each in (created, session, alone):
            assert (each.id, each.user_id, each.epoch) == (created.id, user.id, user.session_epoch)
            assert (each.created_at, each.expires_at) == (clock(), self.later(3600))
            assert (each.user_agent, each.ip_address) == ("Mozilla/5.0 (X11; Linux x86_64)", "203.0.113.7")
            assert each.metadata == {"device": "laptop"}

    @clause("SESSION-16", "SESSION-17")
    async def test_a_check_by_id(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Whatever ends a session also ends it for reads by id; only its own user's id finds it."""

        async def end(session: Session, owner: User, how: str) -> None:
            if how == "expiry":
                clock.advance(session.expires_at - clock())
            elif how == "sign-out":
                await storage.delete_session(session.token)
            elif how == "everywhere":
                await storage.delete_sessions_for_user(owner.id)
            elif how == "lock":
                await storage.set_locked_at(owner.id, clock())
            elif how == "password":
                await storage.set_password_hash(owner.id, new_hash())
            else:
                await storage.delete_user(owner.id)

        other = await self.user(storage)
        for how in ("sign-out", "everywhere", "lock", "password", "deletion", "expiry"):
            user = await self.user(storage)
            created = await storage.create_session(NewSession(user_id=user.id, expires_at=self.later(600)), user=user)
            assert created.token
            by_token = await storage.get_signed_in(created.token)
            by_id = await storage.get_signed_in_by_id(user.id, created.id)
            assert by_token is not None
            assert by_id == (by_token.user, replace(by_token.session, token=""))
            assert await storage.get_signed_in_by_id(other.id, created.id) is None
            assert await storage.get_signed_in_by_id(fresh("u"), created.id) is None
            assert await storage.get_signed_in_by_id(user.id, "0" * 64) is None
            await end(created, user, how)
            assert await storage.get_signed_in_by_id(user.id, created.id) is None, how

    @clause("SESSION-1", "SESSION-4")
    @pytest.mark.parametrize("consistent", [None, True, False])
    async def test_a_check_works_in_each_mode(self, storage: AsyncStorage, consistent: bool | None) -> None:
        """Strong and eventual checks accept a valid token (an eventual one as soon as the store has caught up)."""
        user = await self.user(storage)
        token = await self.session(storage, user)
        found = await self.until(
            lambda: storage.get_signed_in(token, consistent=consistent), lambda found: found is not None
        )
        alone = await self.until(
            lambda: storage.get_session(token, consistent=consistent), lambda found: found is not None
        )
        assert found is not None
        assert found.user == user
        assert alone is not None

    @clause("SESSION-1")
    async def test_a_session_needs_no_user_at_hand(self, storage: AsyncStorage) -> None:
        """If no user is given, the session is bound to the user as stored now."""
        user = await self.user(storage)
        await storage.delete_sessions_for_user(user.id)
        created = await storage.create_session(NewSession(user_id=user.id, expires_at=self.later()))
        assert created.token
        assert await storage.get_session(created.token) is not None

    @clause("SESSION-1")
    async def test_each_token_is_another(self, storage: AsyncStorage) -> None:
        """Tokens and ids of a user's sessions are all different, and no id is part of a token."""
        user = await self.user(storage)
        made = [
            await storage.create_session(NewSession(user_id=user.id, expires_at=self.later()), user=user)
            for _ in range(20)
        ]
        assert len({session.token for session in made}) == len({session.id for session in made}) == 20
        assert all(session.id not in session.token for session in made)

    @clause("SESSION-1")
    async def test_nothing_stored_tells_the_token(self, storage: AsyncStorage) -> None:
        """Neither the raw tables nor repr show the token; listed sessions have none."""
        user = await self.user(storage)
        created = await storage.create_session(NewSession(user_id=user.id, expires_at=self.later()), user=user)
        assert created.token
        secret = created.token.rpartition(".")[2]
        assert secret not in repr(created)
        if "raw" in self.capabilities:
            assert secret not in repr(await self.dump())

    @clause("SESSION-1")
    @pytest.mark.parametrize(
        ("given", "stored"),
        [
            (None, None),
            ("", ""),
            ("x" * 5000, "x" * 1024),
            ("Zoë/1.0 (東京)", "Zoë/1.0 (東京)"),
            ("a\r\nb\x00c", "a  b c"),
        ],
    )
    async def test_any_user_agent_is_taken(self, storage: AsyncStorage, given: str | None, stored: str | None) -> None:
        """No user agent prevents a sign-in: it is cut to 1,024 characters, and control characters become blanks."""
        user = await self.user(storage)
        created = await storage.create_session(
            NewSession(user_id=user.id, expires_at=self.later(), user_agent=given), user=user
        )
        assert created.token
        found = await storage.get_session(created.token)
        assert found is not None
        assert found.user_agent == created.user_agent == stored

    @clause("SESSION-1")
    @pytest.mark.parametrize(
        ("given", "stored"),
        [
            (None, None),
            ("192.0.2.1", "192.0.2.1"),
            ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("fe80::1%eth0", "fe80::1"),
        ],
    )
    async def test_an_ip_address_is_kept_in_one_form(
        self, storage: AsyncStorage, given: str | None, stored: str | None
    ) -> None:
        """Every spelling of an IP address is stored in canonical form."""
        user = await self.user(storage)
        created = await storage.create_session(
            NewSession(user_id=user.id, expires_at=self.later(), ip_address=given), user=user
        )
        assert created.token
        found = await storage.get_session(created.token)
        assert found is not None
        assert found.ip_address == created.ip_address == stored

    @clause("SESSION-1")
    async def test_session_metadata_comes_back_the_same(self, storage: AsyncStorage) -> None:
        """A session's metadata keeps values and types, as a user's does."""
        user = await self.user(storage)
        created = await storage.create_session(
            NewSession(user_id=user.id, expires_at=self.later(), metadata=NASTY_METADATA), user=user
        )
        assert created.token
        found = await storage.get_session(created.token)
        assert found is not None
        assert same(found.metadata, NASTY_METADATA)
        assert same(created.metadata, NASTY_METADATA)

    @clause("SESSION-2")
    async def test_a_session_from_a_stale_user_never_passes(self, storage: AsyncStorage) -> None:
        """A session bound to a user read before all sessions ended is never valid."""
        stale = await self.user(storage, password_hash=new_hash())
        await storage.delete_sessions_for_user(stale.id)
        token = await self.session(storage, stale)
        assert await storage.get_session(token) is None
        assert await storage.get_signed_in(token) is None
        await storage.refresh_session(token, expires_at=self.later(7200))
        assert await storage.get_session(token) is None
        assert token not in {session.token for session in await storage.list_sessions_for_user(stale.id)}

    @clause("SESSION-2", "PASSWORD-1")
    async def test_a_sign_in_that_began_with_the_old_password_fails(self, storage: AsyncStorage) -> None:
        """If the password changes between reading the user and creating the session, the session is not valid."""
        user = await self.user(storage, password_hash=new_hash())
        read = await self.reread(storage, user)
        await storage.set_password_hash(user.id, new_hash())
        token = await self.session(storage, read)
        assert await storage.get_signed_in(token) is None

    @clause("SESSION-3")
    async def test_no_session_for_nobody(self, storage: AsyncStorage) -> None:
        """If there is no user, NotFound; if the given user has been deleted, at most a session that is never valid."""
        with pytest.raises(NotFound) as caught:
            await storage.create_session(NewSession(user_id=fresh("u"), expires_at=self.later()))
        assert caught.value.what == "user"
        user = await self.user(storage)
        await storage.delete_user(user.id)
        with pytest.raises(NotFound):
            await storage.create_session(NewSession(user_id=user.id, expires_at=self.later()))
        try:
            token = await self.session(storage, user)
        except NotFound:
            return
        assert await storage.get_session(token) is None
        assert await storage.get_signed_in(token) is None
        assert await storage.get_user(user.id, consistent=True) is None

    @clause("SESSION-3", "SESSION-6")
    async def test_a_session_cannot_be_bound_to_another_user(self, storage: AsyncStorage) -> None:
        """A given user that is not the session's is refused, and neither user gets a valid session."""
        one, two = await self.user(storage), await self.user(storage)
        with pytest.raises(ValidationError):
            await storage.create_session(NewSession(user_id=one.id, expires_at=self.later()), user=two)
        assert await storage.list_sessions_for_user(one.id) == []
        assert await storage.list_sessions_for_user(two.id) == []

    # Checking.

    @clause("SESSION-5")
    async def test_expiry_is_exact(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Valid until a microsecond before expires_at and refused from then on, even if the row still exists."""
        user = await self.user(storage)
        token = await self.session(storage, user, seconds=600)
        ends = self.later(600)
        clock.advance(ends - timedelta(seconds=1) - clock())
        assert await storage.get_session(token) is not None
        clock.advance(timedelta(microseconds=999_999))
        assert await storage.get_session(token) is not None
        assert await storage.get_signed_in(token) is not None
        clock.advance(timedelta(microseconds=1))
        assert clock() == ends
        assert await storage.get_session(token) is None
        assert await storage.get_signed_in(token) is None
        clock.advance(86_400 * 400)
        assert await storage.get_session(token) is None

    @clause("SESSION-5")
    async def test_expiry_counts_whole_seconds(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """expires_at is rounded down to the second, and the session shows the rounded value."""
        user = await self.user(storage)
        ends = self.later(60)
        created = await storage.create_session(
            NewSession(user_id=user.id, expires_at=ends + timedelta(microseconds=999_999)), user=user
        )
        assert created.token
        assert created.expires_at == ends
        found = await storage.get_session(created.token)
        assert found is not None
        assert found.expires_at == ends
        clock.advance(ends - clock())
        assert await storage.get_session(created.token) is None

    @clause("SESSION-5")
    async def test_a_session_that_is_over_already_never_passes(self, storage: AsyncStorage) -> None:
        """If expires_at is not in the future, creating the session is refused, or the session is never valid."""
        user = await self.user(storage)
        for seconds in (0, -1, -86_400):
            try:
                token = await self.session(storage, user, seconds=seconds)
            except ValidationError:
                continue
            assert await storage.get_session(token) is None

    @clause("SESSION-6", "SESSION-18")
    async def test_garbage_is_refused_without_an_exception(self, storage: AsyncStorage) -> None:
        """Texts that were never issued, some one character away from one that was, return None everywhere."""
        user = await self.user(storage)
        token = await self.session(storage, user)
        for text in garbage_tokens(token):
            assert await storage.get_session(text) is None, text[:80]
            assert await storage.get_signed_in(text) is None, text[:80]
            assert await storage.refresh_session(text, expires_at=self.later(7200)) is None, text[:80]
            await storage.delete_session(text)
        assert await storage.get_session(token) is not None

    @clause("SESSION-6")
    async def test_a_token_that_names_another_user_is_refused(self, storage: AsyncStorage) -> None:
        """The secret of one user's session with another user's id and a correct checksum is valid for nobody."""
        user, victim = await self.user(storage), await self.user(storage)
        token = await self.session(storage, user)
        victims = await self.session(storage, victim)
        for forged in (retarget(token, victim.id), retarget(victims, user.id), retarget(token, fresh("u"))):
            assert await storage.get_session(forged) is None
            assert await storage.get_signed_in(forged) is None
            assert await storage.refresh_session(forged, expires_at=self.later(7200)) is None
            await storage.delete_session(forged)
        assert await storage.get_session(token) is not None
        assert await storage.get_session(victims) is not None

    @clause("SESSION-6")
    async def test_other_secrets_are_no_session(self, storage: AsyncStorage) -> None:
        """A one-time token, a session's id or a user's id is not a session token."""
        user = await self.user(storage)
        created = await storage.create_session(NewSession(user_id=user.id, expires_at=self.later()), user=user)
        one_time = await self.token(storage, user, MAGIC_LINK)
        swapped = retarget(one_time.replace("torii_t1_", "torii_s1_"), user.id)
        for text in (created.id, user.id, one_time, swapped):
            assert await storage.get_session(text) is None

    @clause("SESSION-7")
    async def test_a_deleted_users_session_is_refused(self, storage: AsyncStorage) -> None:
        """When delete_user has returned, none of the user's sessions is valid, and refreshing revives none."""
        user = await self.user(storage)
        tokens = [await self.session(storage, user) for _ in range(3)]
        await storage.delete_user(user.id)
        for token in tokens:
            assert await storage.get_session(token) is None
            await storage.refresh_session(token, expires_at=self.later(7200))
            assert await storage.get_signed_in(token) is None

    # Listing.

    @clause("SESSION-8")
    async def test_lists_the_valid_sessions_newest_first(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Only this user's valid sessions are listed, newest first whatever their expiry, without tokens."""
        user, other = await self.user(storage), await self.user(storage)
        await self.session(storage, other)
        made: list[str] = []
        for seconds in (9000, 5000, 7000, 100):
            created = await storage.create_session(
                NewSession(user_id=user.id, expires_at=self.later(seconds), user_agent=f"agent {seconds}"), user=user
            )
            made.insert(0, created.id)
            clock.advance(1)
        listed = await self.until(lambda: storage.list_sessions_for_user(user.id), lambda found: len(found) == 4)
        assert [session.id for session in listed] == made
        assert [session.user_agent for session in listed] == ["agent 100", "agent 7000", "agent 5000", "agent 9000"]
        assert all(session.token == "" for session in listed)
        clock.advance(200)
        listed = await storage.list_sessions_for_user(user.id)
        assert [session.id for session in listed] == made[1:]

    @clause("SESSION-8")
    async def test_an_expired_session_is_not_listed(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """A session is listed until a second before expires_at, and not from then on."""
        user = await self.user(storage)
        await self.session(storage, user, seconds=60)
        ends = self.later(60)
        clock.advance(ends - clock() - timedelta(seconds=1))
        listed = await self.until(lambda: storage.list_sessions_for_user(user.id), lambda found: len(found) == 1)
        assert len(listed) == 1
        clock.advance(1)
        assert await storage.list_sessions_for_user(user.id) == []

    @clause("SESSION-8", "SESSION-12")
    async def test_ended_sessions_are_not_listed(self, storage: AsyncStorage) -> None:
        """Signed-out sessions and those of an earlier epoch are not listed; a new one is."""
        user = await self.user(storage)
        await self.session(storage, user)
        stale = user
        await storage.delete_sessions_for_user(user.id)
        await self.session(storage, stale)
        assert await storage.list_sessions_for_user(user.id) == []
        user = await self.reread(storage, user)
        kept = await self.session(storage, user)
        gone = await self.session(storage, user)
        await storage.delete_session(gone)
        found = await storage.get_session(kept)
        assert found is not None
        listed = await self.until(lambda: storage.list_sessions_for_user(user.id), lambda found: len(found) == 1)
        assert [session.id for session in listed] == [found.id]

    @clause("SESSION-8")
    async def test_lists_more_sessions_than_one_page_holds(self, storage: AsyncStorage) -> None:
        """40 sessions of 40 KB exceed one read (1 MB): all are listed."""
        self.needs("large")
        user = await self.user(storage)
        made: set[str] = set()
        for _ in range(40):
            created = await storage.create_session(
                NewSession(user_id=user.id, expires_at=self.later(), metadata={"b": b"x" * 40_000}), user=user
            )
            made.add(created.id)
        listed = await self.until(lambda: storage.list_sessions_for_user(user.id), lambda found: len(found) == 40)
        assert {session.id for session in listed} == made

    @clause("SESSION-8")
    async def test_valid_sessions_behind_many_ended_ones_are_listed(self, storage: AsyncStorage) -> None:
        """Valid sessions are found behind more than a page of ended ones."""
        self.needs("large")
        user = await self.user(storage)
        for _ in range(30):
            await storage.create_session(
                NewSession(user_id=user.id, expires_at=self.later(100), metadata={"b": b"x" * 40_000}), user=user
            )
        await storage.delete_sessions_for_user(user.id)
        user = await self.reread(storage, user)
        await self.session(storage, user, seconds=9000)
        await self.session(storage, user, seconds=50)
        listed = await self.until(lambda: storage.list_sessions_for_user(user.id), lambda found: len(found) == 2)
        assert len(listed) == 2

    @clause("SESSION-8")
    async def test_lists_nothing_for_nobody(self, storage: AsyncStorage) -> None:
        """A user without sessions has an empty list, and so has a user that does not exist."""
        user = await self.user(storage)
        assert await storage.list_sessions_for_user(user.id) == []
        assert await storage.list_sessions_for_user(fresh("u")) == []

    # Refreshing.

    @clause("SESSION-9")
    async def test_refreshing_extends(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """The session expires later, is valid until then, and keeps everything else."""
        user = await self.user(storage)
        created = await storage.create_session(
            NewSession(user_id=user.id, expires_at=self.later(60), user_agent="a", metadata={"m": 1}), user=user
        )
        assert created.token
        clock.advance(30)
        ends = self.later(3600)
        refreshed = await storage.refresh_session(created.token, expires_at=ends)
        assert refreshed is not None
        assert refreshed.expires_at == ends
        found = await storage.get_session(created.token)
        assert found is not None
        for each in (refreshed, found):
            assert (each.id, each.user_id, each.created_at, each.epoch) == (
                created.id,
                created.user_id,
                created.created_at,
                created.epoch,
            )
            assert (each.user_agent, each.metadata, each.expires_at) == ("a", {"m": 1}, ends)
        clock.advance(3599)
        assert await storage.get_session(created.token) is not None
        clock.advance(1)
        assert await storage.get_session(created.token) is None

    @clause("SESSION-9")
    async def test_refreshing_never_shortens(self, storage: AsyncStorage) -> None:
        """With an earlier or equal expiry the session stays as it is and is returned so."""
        user = await self.user(storage)
        token = await self.session(storage, user, seconds=3600)
        for seconds in (60, 3599, 3600):
            refreshed = await storage.refresh_session(token, expires_at=self.later(seconds))
            assert refreshed is not None
            assert refreshed.expires_at == self.later(3600)
        found = await storage.get_session(token)
        assert found is not None
        assert found.expires_at == self.later(3600)

    @clause("SESSION-9")
    async def test_refreshing_revives_nothing(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """An expired, signed-out or unknown session returns None, and nothing is created."""
        user = await self.user(storage)
        expired = await self.session(storage, user, seconds=60)
        out = await self.session(storage, user)
        await storage.delete_session(out)
        clock.advance(self.later(60) - clock())
        assert await storage.refresh_session(expired, expires_at=self.later(3600)) is None
        assert await storage.refresh_session(out, expires_at=self.later(3600)) is None
        forged = retarget(expired, fresh("u"))
        assert await storage.refresh_session(forged, expires_at=self.later(3600)) is None
        for token in (expired, out, forged):
            assert await storage.get_session(token) is None
        assert await storage.list_sessions_for_user(user.id) == []

    @clause("SESSION-9", "SESSION-12")
    async def test_refreshing_does_not_revive_what_was_ended_everywhere(self, storage: AsyncStorage) -> None:
        """A session refreshed after signing out everywhere stays refused: refreshing never binds it to a new epoch."""
        user = await self.user(storage)
        token = await self.session(storage, user)
        await storage.delete_sessions_for_user(user.id)
        await storage.refresh_session(token, expires_at=self.later(7200))
        assert await storage.get_session(token) is None
        assert await storage.list_sessions_for_user(user.id) == []

    # Ending.

    @clause("SESSION-10")
    async def test_signing_out_ends_one_session(self, storage: AsyncStorage) -> None:
        """The session is refused from then on, others stay valid; repeating it or an unknown token is no error."""
        user = await self.user(storage)
        gone, kept = await self.session(storage, user), await self.session(storage, user)
        await storage.delete_session(gone)
        assert await storage.get_session(gone) is None
        assert await storage.get_signed_in(gone) is None
        assert await storage.get_session(kept) is not None
        await storage.delete_session(gone)
        await storage.delete_session(retarget(kept, fresh("u")))
        assert await storage.get_session(kept) is not None

    @clause("SESSION-11")
    async def test_ending_a_session_by_its_id(self, storage: AsyncStorage) -> None:
        """True for the user's own session, which is then refused; False the second time and for an unknown id."""
        user = await self.user(storage)
        kept = await self.session(storage, user)
        created = await storage.create_session(NewSession(user_id=user.id, expires_at=self.later()), user=user)
        assert created.token
        assert await storage.delete_session_by_id(user.id, created.id) is True
        assert await storage.get_session(created.token) is None
        assert await storage.delete_session_by_id(user.id, created.id) is False
        assert await storage.delete_session_by_id(user.id, "0" * 64) is False
        assert await storage.get_session(kept) is not None

    @clause("SESSION-11")
    async def test_nobody_ends_another_users_session(self, storage: AsyncStorage) -> None:
        """With another user's id the session stays."""
        user, other = await self.user(storage), await self.user(storage)
        created = await storage.create_session(NewSession(user_id=user.id, expires_at=self.later()), user=user)
        assert created.token
        assert await storage.delete_session_by_id(other.id, created.id) is False
        assert await storage.delete_session_by_id(fresh("u"), created.id) is False
        assert await storage.get_session(created.token) is not None

    @clause("SESSION-12")
    async def test_signing_out_everywhere(self, storage: AsyncStorage) -> None:
        """All earlier sessions are refused, a new one is valid, and other users' sessions are not affected."""
        user, other = await self.user(storage), await self.user(storage)
        tokens = [await self.session(storage, user) for _ in range(5)]
        others = await self.session(storage, other)
        epoch = await storage.delete_sessions_for_user(user.id)
        now = await self.reread(storage, user)
        assert epoch == now.session_epoch != user.session_epoch
        for token in tokens:
            assert await storage.get_session(token) is None
            assert await storage.get_signed_in(token) is None
        new = await self.session(storage, now)
        assert await storage.get_session(new) is not None
        assert await storage.get_session(others) is not None
        again = await storage.delete_sessions_for_user(user.id)
        assert again is not None
        assert again != epoch
        assert await storage.get_session(new) is None

    @clause("SESSION-12")
    async def test_no_clock_can_save_a_session(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Signing out everywhere ends sessions whatever the clock says: in the same instant, or if it is set back."""
        user = await self.user(storage)
        token = await self.session(storage, user)
        clock.advance(-300)
        await storage.delete_sessions_for_user(user.id)
        assert await storage.get_session(token) is None
        new = await self.session(storage, await self.reread(storage, user))
        assert await storage.get_session(new) is not None
        clock.advance(300)
        assert await storage.get_session(token) is None
        assert await storage.get_session(new) is not None

    @clause("SESSION-12")
    async def test_signing_out_everywhere_again_and_again(self, storage: AsyncStorage) -> None:
        """Epochs never repeat: after each of ten rounds all earlier sessions are still refused."""
        user = await self.user(storage)
        ended: list[str] = []
        for _ in range(10):
            token = await self.session(storage, await self.reread(storage, user))
            assert await storage.get_session(token) is not None
            await storage.delete_sessions_for_user(user.id)
            ended.append(token)
            for old in ended:
                assert await storage.get_session(old) is None

    @clause("SESSION-13")
    async def test_signing_out_nobody_creates_nobody(self, storage: AsyncStorage) -> None:
        """For a user that does not exist or was deleted the result is None, and no row is created."""
        user = await self.user(storage)
        await storage.delete_user(user.id)
        for user_id in (user.id, fresh("u")):
            assert await storage.delete_sessions_for_user(user_id) is None
            assert await storage.get_user(user_id, consistent=True) is None
            if "raw" in self.capabilities:
                assert user_id not in {item["id"] for item in (await self.dump())["users"]}
        assert (await storage.create_user(NewUser(email=new_address(), id=user.id))).id == user.id

    @clause("SESSION-14")
    async def test_cleaning_up_spares_new_sessions(self, storage: AsyncStorage) -> None:
        """After rounds of many sessions and signing out everywhere, a new session is valid, whatever the old rows."""
        user = await self.user(storage)
        for _ in range(4):
            for _ in range(30):
                await self.session(storage, user)
            await storage.delete_sessions_for_user(user.id)
            user = await self.reread(storage, user)
            new = await self.session(storage, user)
            for _ in range(5):
                assert await storage.get_session(new) is not None
        listed = await self.until(lambda: storage.list_sessions_for_user(user.id), lambda found: len(found) == 1)
        assert len(listed) == 1

    @clause("SESSION-14", "USER-19")
    async def test_deleting_again_resumes_cleaning_up(self, storage: AsyncStorage) -> None:
        """Repeating delete_user for a deleted user does not end valid sessions of a new user with the same id."""
        user_id = fresh("u")
        user = await storage.create_user(NewUser(email=new_address(), id=user_id))
        for _ in range(30):
            await self.session(storage, user)
        await storage.delete_user(user_id)
        assert await storage.delete_user(user_id) is False
        user = await storage.create_user(NewUser(email=new_address(), id=user_id))
        token = await self.session(storage, user)
        await storage.delete_sessions_for_user(fresh("u"))
        assert await storage.get_session(token) is not None

    @clause("SESSION-15")
    async def test_cleaning_up_keeps_what_has_not_expired(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Sessions with a second left survive the clean-up; it returns a number, and expired ones stay refused."""
        user = await self.user(storage)
        short = await self.session(storage, user, seconds=60)
        long = await self.session(storage, user, seconds=61)
        clock.advance(self.later(60) - clock())
        removed = await storage.cleanup_expired_sessions()
        assert removed >= 0
        assert await storage.get_session(long) is not None
        assert await storage.get_session(short) is None
        assert await storage.cleanup_expired_sessions() == 0
