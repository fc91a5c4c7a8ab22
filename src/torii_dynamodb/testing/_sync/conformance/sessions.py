# Generated from src/torii_dynamodb/testing/_async/conformance/sessions.py by tools/unasync.py. Do not edit.

"""The conformance tests of :class:`~torii_dynamodb._sync.contract.SessionStorage`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from torii_dynamodb._sync.contract import Storage
from torii_dynamodb.errors import NotFound, ValidationError
from torii_dynamodb.models import MAGIC_LINK, NewSession, NewUser, Session, User
from torii_dynamodb.testing._sync.conformance.support import (
    Conformance,
    clause,
    fresh,
    new_address,
    new_hash,
    retarget,
)
from torii_dynamodb.testing._sync.conformance.users import NASTY_METADATA, same
from torii_dynamodb.testing.clock import FakeClock

__all__ = ["SessionConformance", "garbage_tokens"]


def garbage_tokens(token: str) -> list[str]:
    """Texts that were never issued, many of them near the one that was."""
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

    # Making.

    @clause("SESSION-1", "SESSION-4", "SESSION-18")
    def test_a_new_session_passes(self, storage: Storage, clock: FakeClock) -> None:
        """The token of a new session yields session and user, with all that was given."""
        user = self.user(storage)
        created = storage.create_session(
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
        found = storage.get_signed_in(created.token)
        assert found is not None
        owner, session = found
        assert owner == user
        alone = storage.get_session(created.token)
        assert alone is not None
        for each in (created, session, alone):
            assert (each.id, each.user_id, each.epoch) == (created.id, user.id, user.session_epoch)
            assert (each.created_at, each.expires_at) == (clock(), self.later(3600))
            assert (each.user_agent, each.ip_address) == ("Mozilla/5.0 (X11; Linux x86_64)", "203.0.113.7")
            assert each.metadata == {"device": "laptop"}

    @clause("SESSION-16", "SESSION-17")
    def test_a_check_by_id(self, storage: Storage, clock: FakeClock) -> None:
        """Whatever ends a session ends it by its id too; only its own user's id finds it."""

        def end(session: Session, owner: User, how: str) -> None:
            if how == "expiry":
                clock.advance(session.expires_at - clock())
            elif how == "sign-out":
                storage.delete_session(session.token)
            elif how == "everywhere":
                storage.delete_sessions_for_user(owner.id)
            elif how == "lock":
                storage.set_locked_at(owner.id, clock())
            elif how == "password":
                storage.set_password_hash(owner.id, new_hash())
            else:
                storage.delete_user(owner.id)

        other = self.user(storage)
        for how in ("sign-out", "everywhere", "lock", "password", "deletion", "expiry"):
            user = self.user(storage)
            created = storage.create_session(NewSession(user_id=user.id, expires_at=self.later(600)), user=user)
            assert created.token
            by_token = storage.get_signed_in(created.token)
            by_id = storage.get_signed_in_by_id(user.id, created.id)
            assert by_token is not None
            assert by_id == (by_token.user, replace(by_token.session, token=""))
            assert storage.get_signed_in_by_id(other.id, created.id) is None
            assert storage.get_signed_in_by_id(fresh("u"), created.id) is None
            assert storage.get_signed_in_by_id(user.id, "0" * 64) is None
            end(created, user, how)
            assert storage.get_signed_in_by_id(user.id, created.id) is None, how

    @clause("SESSION-1", "SESSION-4")
    @pytest.mark.parametrize("consistent", [None, True, False])
    def test_a_check_works_in_each_mode(self, storage: Storage, consistent: bool | None) -> None:
        """Strong and eventual checks pass a valid token (an eventual one as soon as the store has caught up)."""
        user = self.user(storage)
        token = self.session(storage, user)
        found = self.until(lambda: storage.get_signed_in(token, consistent=consistent), lambda found: found is not None)
        alone = self.until(lambda: storage.get_session(token, consistent=consistent), lambda found: found is not None)
        assert found is not None
        assert found.user == user
        assert alone is not None

    @clause("SESSION-1")
    def test_a_session_needs_no_user_at_hand(self, storage: Storage) -> None:
        """Without the user given, the session is bound to the user as it is now."""
        user = self.user(storage)
        storage.delete_sessions_for_user(user.id)
        created = storage.create_session(NewSession(user_id=user.id, expires_at=self.later()))
        assert created.token
        assert storage.get_session(created.token) is not None

    @clause("SESSION-1")
    def test_each_token_is_another(self, storage: Storage) -> None:
        """Tokens and ids of one user's sessions differ, and no id is a part of a token."""
        user = self.user(storage)
        made = [
            storage.create_session(NewSession(user_id=user.id, expires_at=self.later()), user=user) for _ in range(20)
        ]
        assert len({session.token for session in made}) == len({session.id for session in made}) == 20
        assert all(session.id not in session.token for session in made)

    @clause("SESSION-1")
    def test_nothing_stored_tells_the_token(self, storage: Storage) -> None:
        """Neither the raw tables nor repr tell the token; listed sessions have none."""
        user = self.user(storage)
        created = storage.create_session(NewSession(user_id=user.id, expires_at=self.later()), user=user)
        assert created.token
        secret = created.token.rpartition(".")[2]
        assert secret not in repr(created)
        if "raw" in self.capabilities:
            assert secret not in repr(self.dump())

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
    def test_any_user_agent_is_taken(self, storage: Storage, given: str | None, stored: str | None) -> None:
        """What a browser calls itself stops no sign-in: cut to 1,024 characters, control characters blank."""
        user = self.user(storage)
        created = storage.create_session(
            NewSession(user_id=user.id, expires_at=self.later(), user_agent=given), user=user
        )
        assert created.token
        found = storage.get_session(created.token)
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
    def test_an_ip_address_is_kept_in_one_form(self, storage: Storage, given: str | None, stored: str | None) -> None:
        """Each spelling of an IP address is stored in its canonical one."""
        user = self.user(storage)
        created = storage.create_session(
            NewSession(user_id=user.id, expires_at=self.later(), ip_address=given), user=user
        )
        assert created.token
        found = storage.get_session(created.token)
        assert found is not None
        assert found.ip_address == created.ip_address == stored

    @clause("SESSION-1")
    def test_session_metadata_comes_back_the_same(self, storage: Storage) -> None:
        """A session's metadata keeps values and types, as a user's does."""
        user = self.user(storage)
        created = storage.create_session(
            NewSession(user_id=user.id, expires_at=self.later(), metadata=NASTY_METADATA), user=user
        )
        assert created.token
        found = storage.get_session(created.token)
        assert found is not None
        assert same(found.metadata, NASTY_METADATA)
        assert same(created.metadata, NASTY_METADATA)

    @clause("SESSION-2")
    def test_a_session_from_a_stale_user_never_passes(self, storage: Storage) -> None:
        """Made from a user as read before its sessions were ended, a session is dead from its first moment."""
        stale = self.user(storage, password_hash=new_hash())
        storage.delete_sessions_for_user(stale.id)
        token = self.session(storage, stale)
        assert storage.get_session(token) is None
        assert storage.get_signed_in(token) is None
        storage.refresh_session(token, expires_at=self.later(7200))
        assert storage.get_session(token) is None
        assert token not in {session.token for session in storage.list_sessions_for_user(stale.id)}

    @clause("SESSION-2", "PASSWORD-1")
    def test_a_sign_in_that_began_with_the_old_password_fails(self, storage: Storage) -> None:
        """The password changes between reading the user and making the session: no session comes of it."""
        user = self.user(storage, password_hash=new_hash())
        read = self.reread(storage, user)
        storage.set_password_hash(user.id, new_hash())
        token = self.session(storage, read)
        assert storage.get_signed_in(token) is None

    @clause("SESSION-3")
    def test_no_session_for_nobody(self, storage: Storage) -> None:
        """Without a user to bind to, NotFound; with a deleted one's, at most a session that never passes."""
        with pytest.raises(NotFound) as caught:
            storage.create_session(NewSession(user_id=fresh("u"), expires_at=self.later()))
        assert caught.value.what == "user"
        user = self.user(storage)
        storage.delete_user(user.id)
        with pytest.raises(NotFound):
            storage.create_session(NewSession(user_id=user.id, expires_at=self.later()))
        try:
            token = self.session(storage, user)
        except NotFound:
            return
        assert storage.get_session(token) is None
        assert storage.get_signed_in(token) is None
        assert storage.get_user(user.id, consistent=True) is None

    @clause("SESSION-3", "SESSION-6")
    def test_a_session_cannot_be_bound_to_another_user(self, storage: Storage) -> None:
        """A user handed in that is not the one the session names is refused, and nothing passes for either."""
        one, two = self.user(storage), self.user(storage)
        with pytest.raises(ValidationError):
            storage.create_session(NewSession(user_id=one.id, expires_at=self.later()), user=two)
        assert storage.list_sessions_for_user(one.id) == []
        assert storage.list_sessions_for_user(two.id) == []

    # Checking.

    @clause("SESSION-5")
    def test_expiry_is_exact(self, storage: Storage, clock: FakeClock) -> None:
        """Valid until a microsecond before expires_at, refused from expires_at on, though the row still exists."""
        user = self.user(storage)
        token = self.session(storage, user, seconds=600)
        ends = self.later(600)
        clock.advance(ends - timedelta(seconds=1) - clock())
        assert storage.get_session(token) is not None
        clock.advance(timedelta(microseconds=999_999))
        assert storage.get_session(token) is not None
        assert storage.get_signed_in(token) is not None
        clock.advance(timedelta(microseconds=1))
        assert clock() == ends
        assert storage.get_session(token) is None
        assert storage.get_signed_in(token) is None
        clock.advance(86_400 * 400)
        assert storage.get_session(token) is None

    @clause("SESSION-5")
    def test_expiry_counts_whole_seconds(self, storage: Storage, clock: FakeClock) -> None:
        """expires_at is rounded down to the second, and the session says so."""
        user = self.user(storage)
        ends = self.later(60)
        created = storage.create_session(
            NewSession(user_id=user.id, expires_at=ends + timedelta(microseconds=999_999)), user=user
        )
        assert created.token
        assert created.expires_at == ends
        found = storage.get_session(created.token)
        assert found is not None
        assert found.expires_at == ends
        clock.advance(ends - clock())
        assert storage.get_session(created.token) is None

    @clause("SESSION-5")
    def test_a_session_that_is_over_already_never_passes(self, storage: Storage) -> None:
        """With expires_at not in the future, making the session is refused, or it never passes."""
        user = self.user(storage)
        for seconds in (0, -1, -86_400):
            try:
                token = self.session(storage, user, seconds=seconds)
            except ValidationError:
                continue
            assert storage.get_session(token) is None

    @clause("SESSION-6", "SESSION-18")
    def test_garbage_is_refused_without_an_exception(self, storage: Storage) -> None:
        """Texts that were never issued, some a character away from one that was, yield None everywhere."""
        user = self.user(storage)
        token = self.session(storage, user)
        for text in garbage_tokens(token):
            assert storage.get_session(text) is None, text[:80]
            assert storage.get_signed_in(text) is None, text[:80]
            assert storage.refresh_session(text, expires_at=self.later(7200)) is None, text[:80]
            storage.delete_session(text)
        assert storage.get_session(token) is not None

    @clause("SESSION-6")
    def test_a_token_that_names_another_user_is_refused(self, storage: Storage) -> None:
        """The secret of one user's session under another user's id, with a checksum that fits, passes for nobody."""
        user, victim = self.user(storage), self.user(storage)
        token = self.session(storage, user)
        victims = self.session(storage, victim)
        for forged in (retarget(token, victim.id), retarget(victims, user.id), retarget(token, fresh("u"))):
            assert storage.get_session(forged) is None
            assert storage.get_signed_in(forged) is None
            assert storage.refresh_session(forged, expires_at=self.later(7200)) is None
            storage.delete_session(forged)
        assert storage.get_session(token) is not None
        assert storage.get_session(victims) is not None

    @clause("SESSION-6")
    def test_other_secrets_are_no_session(self, storage: Storage) -> None:
        """A one-time token, a session's id, or a user's id is not a session's token."""
        user = self.user(storage)
        created = storage.create_session(NewSession(user_id=user.id, expires_at=self.later()), user=user)
        one_time = self.token(storage, user, MAGIC_LINK)
        swapped = retarget(one_time.replace("torii_t1_", "torii_s1_"), user.id)
        for text in (created.id, user.id, one_time, swapped):
            assert storage.get_session(text) is None

    @clause("SESSION-7")
    def test_a_deleted_users_session_is_refused(self, storage: Storage) -> None:
        """When delete_user has returned, no session of the user passes, and refreshing revives none."""
        user = self.user(storage)
        tokens = [self.session(storage, user) for _ in range(3)]
        storage.delete_user(user.id)
        for token in tokens:
            assert storage.get_session(token) is None
            storage.refresh_session(token, expires_at=self.later(7200))
            assert storage.get_signed_in(token) is None

    # Listing.

    @clause("SESSION-8")
    def test_lists_the_valid_sessions_newest_first(self, storage: Storage, clock: FakeClock) -> None:
        """Valid sessions of this user only, newest first whatever their ends, without tokens."""
        user, other = self.user(storage), self.user(storage)
        self.session(storage, other)
        made: list[str] = []
        for seconds in (9000, 5000, 7000, 100):
            created = storage.create_session(
                NewSession(user_id=user.id, expires_at=self.later(seconds), user_agent=f"agent {seconds}"), user=user
            )
            made.insert(0, created.id)
            clock.advance(1)
        listed = self.until(lambda: storage.list_sessions_for_user(user.id), lambda found: len(found) == 4)
        assert [session.id for session in listed] == made
        assert [session.user_agent for session in listed] == ["agent 100", "agent 7000", "agent 5000", "agent 9000"]
        assert all(session.token == "" for session in listed)
        clock.advance(200)
        listed = storage.list_sessions_for_user(user.id)
        assert [session.id for session in listed] == made[1:]

    @clause("SESSION-8")
    def test_an_expired_session_is_not_listed(self, storage: Storage, clock: FakeClock) -> None:
        """From expires_at on a session is not listed; a second before it is."""
        user = self.user(storage)
        self.session(storage, user, seconds=60)
        ends = self.later(60)
        clock.advance(ends - clock() - timedelta(seconds=1))
        listed = self.until(lambda: storage.list_sessions_for_user(user.id), lambda found: len(found) == 1)
        assert len(listed) == 1
        clock.advance(1)
        assert storage.list_sessions_for_user(user.id) == []

    @clause("SESSION-8", "SESSION-12")
    def test_ended_sessions_are_not_listed(self, storage: Storage) -> None:
        """Sessions of an earlier epoch, and those signed out, are not listed; a new one is."""
        user = self.user(storage)
        self.session(storage, user)
        stale = user
        storage.delete_sessions_for_user(user.id)
        self.session(storage, stale)
        assert storage.list_sessions_for_user(user.id) == []
        user = self.reread(storage, user)
        kept = self.session(storage, user)
        gone = self.session(storage, user)
        storage.delete_session(gone)
        found = storage.get_session(kept)
        assert found is not None
        listed = self.until(lambda: storage.list_sessions_for_user(user.id), lambda found: len(found) == 1)
        assert [session.id for session in listed] == [found.id]

    @clause("SESSION-8")
    def test_lists_more_sessions_than_one_page_holds(self, storage: Storage) -> None:
        """40 sessions of 40 KB are over what one read returns (1 MB): all are listed."""
        self.needs("large")
        user = self.user(storage)
        made: set[str] = set()
        for _ in range(40):
            created = storage.create_session(
                NewSession(user_id=user.id, expires_at=self.later(), metadata={"b": b"x" * 40_000}), user=user
            )
            made.add(created.id)
        listed = self.until(lambda: storage.list_sessions_for_user(user.id), lambda found: len(found) == 40)
        assert {session.id for session in listed} == made

    @clause("SESSION-8")
    def test_valid_sessions_behind_many_ended_ones_are_listed(self, storage: Storage) -> None:
        """Valid sessions are found behind more than a page of ended ones."""
        self.needs("large")
        user = self.user(storage)
        for _ in range(30):
            storage.create_session(
                NewSession(user_id=user.id, expires_at=self.later(100), metadata={"b": b"x" * 40_000}), user=user
            )
        storage.delete_sessions_for_user(user.id)
        user = self.reread(storage, user)
        self.session(storage, user, seconds=9000)
        self.session(storage, user, seconds=50)
        listed = self.until(lambda: storage.list_sessions_for_user(user.id), lambda found: len(found) == 2)
        assert len(listed) == 2

    @clause("SESSION-8")
    def test_lists_nothing_for_nobody(self, storage: Storage) -> None:
        """A user without sessions, and one that does not exist, have none."""
        user = self.user(storage)
        assert storage.list_sessions_for_user(user.id) == []
        assert storage.list_sessions_for_user(fresh("u")) == []

    # Refreshing.

    @clause("SESSION-9")
    def test_refreshing_extends(self, storage: Storage, clock: FakeClock) -> None:
        """The session ends later, passes until then, and keeps everything else."""
        user = self.user(storage)
        created = storage.create_session(
            NewSession(user_id=user.id, expires_at=self.later(60), user_agent="a", metadata={"m": 1}), user=user
        )
        assert created.token
        clock.advance(30)
        ends = self.later(3600)
        refreshed = storage.refresh_session(created.token, expires_at=ends)
        assert refreshed is not None
        assert refreshed.expires_at == ends
        found = storage.get_session(created.token)
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
        assert storage.get_session(created.token) is not None
        clock.advance(1)
        assert storage.get_session(created.token) is None

    @clause("SESSION-9")
    def test_refreshing_never_shortens(self, storage: Storage) -> None:
        """An earlier or equal end leaves the session as it is, and returns it so."""
        user = self.user(storage)
        token = self.session(storage, user, seconds=3600)
        for seconds in (60, 3599, 3600):
            refreshed = storage.refresh_session(token, expires_at=self.later(seconds))
            assert refreshed is not None
            assert refreshed.expires_at == self.later(3600)
        found = storage.get_session(token)
        assert found is not None
        assert found.expires_at == self.later(3600)

    @clause("SESSION-9")
    def test_refreshing_revives_nothing(self, storage: Storage, clock: FakeClock) -> None:
        """Expired (from its last moment on), signed out, or never there: None, and nothing comes into being."""
        user = self.user(storage)
        expired = self.session(storage, user, seconds=60)
        out = self.session(storage, user)
        storage.delete_session(out)
        clock.advance(self.later(60) - clock())
        assert storage.refresh_session(expired, expires_at=self.later(3600)) is None
        assert storage.refresh_session(out, expires_at=self.later(3600)) is None
        forged = retarget(expired, fresh("u"))
        assert storage.refresh_session(forged, expires_at=self.later(3600)) is None
        for token in (expired, out, forged):
            assert storage.get_session(token) is None
        assert storage.list_sessions_for_user(user.id) == []

    @clause("SESSION-9", "SESSION-12")
    def test_refreshing_does_not_revive_what_was_ended_everywhere(self, storage: Storage) -> None:
        """Refreshed after signing out everywhere, a session stays refused: refreshing never restamps."""
        user = self.user(storage)
        token = self.session(storage, user)
        storage.delete_sessions_for_user(user.id)
        storage.refresh_session(token, expires_at=self.later(7200))
        assert storage.get_session(token) is None
        assert storage.list_sessions_for_user(user.id) == []

    # Ending.

    @clause("SESSION-10")
    def test_signing_out_ends_one_session(self, storage: Storage) -> None:
        """The session is refused from then on, others pass; doing it again, or with an unknown token, is no error."""
        user = self.user(storage)
        gone, kept = self.session(storage, user), self.session(storage, user)
        storage.delete_session(gone)
        assert storage.get_session(gone) is None
        assert storage.get_signed_in(gone) is None
        assert storage.get_session(kept) is not None
        storage.delete_session(gone)
        storage.delete_session(retarget(kept, fresh("u")))
        assert storage.get_session(kept) is not None

    @clause("SESSION-11")
    def test_ending_a_session_by_its_id(self, storage: Storage) -> None:
        """True for the user's own session, which is refused then; False the second time and for an unknown id."""
        user = self.user(storage)
        kept = self.session(storage, user)
        created = storage.create_session(NewSession(user_id=user.id, expires_at=self.later()), user=user)
        assert created.token
        assert storage.delete_session_by_id(user.id, created.id) is True
        assert storage.get_session(created.token) is None
        assert storage.delete_session_by_id(user.id, created.id) is False
        assert storage.delete_session_by_id(user.id, "0" * 64) is False
        assert storage.get_session(kept) is not None

    @clause("SESSION-11")
    def test_nobody_ends_another_users_session(self, storage: Storage) -> None:
        """Named with another user's id, a session stays."""
        user, other = self.user(storage), self.user(storage)
        created = storage.create_session(NewSession(user_id=user.id, expires_at=self.later()), user=user)
        assert created.token
        assert storage.delete_session_by_id(other.id, created.id) is False
        assert storage.delete_session_by_id(fresh("u"), created.id) is False
        assert storage.get_session(created.token) is not None

    @clause("SESSION-12")
    def test_signing_out_everywhere(self, storage: Storage) -> None:
        """All earlier sessions are refused, a new one passes; other users' are not touched."""
        user, other = self.user(storage), self.user(storage)
        tokens = [self.session(storage, user) for _ in range(5)]
        others = self.session(storage, other)
        epoch = storage.delete_sessions_for_user(user.id)
        now = self.reread(storage, user)
        assert epoch == now.session_epoch != user.session_epoch
        for token in tokens:
            assert storage.get_session(token) is None
            assert storage.get_signed_in(token) is None
        new = self.session(storage, now)
        assert storage.get_session(new) is not None
        assert storage.get_session(others) is not None
        again = storage.delete_sessions_for_user(user.id)
        assert again is not None
        assert again != epoch
        assert storage.get_session(new) is None

    @clause("SESSION-12")
    def test_no_clock_can_save_a_session(self, storage: Storage, clock: FakeClock) -> None:
        """Signing out everywhere ends sessions whatever the clock says: in the same instant, or set back since."""
        user = self.user(storage)
        token = self.session(storage, user)
        clock.advance(-300)
        storage.delete_sessions_for_user(user.id)
        assert storage.get_session(token) is None
        new = self.session(storage, self.reread(storage, user))
        assert storage.get_session(new) is not None
        clock.advance(300)
        assert storage.get_session(token) is None
        assert storage.get_session(new) is not None

    @clause("SESSION-12")
    def test_signing_out_everywhere_again_and_again(self, storage: Storage) -> None:
        """No epoch returns: after each of ten rounds all earlier sessions are still refused."""
        user = self.user(storage)
        ended: list[str] = []
        for _ in range(10):
            token = self.session(storage, self.reread(storage, user))
            assert storage.get_session(token) is not None
            storage.delete_sessions_for_user(user.id)
            ended.append(token)
            for old in ended:
                assert storage.get_session(old) is None

    @clause("SESSION-13")
    def test_signing_out_nobody_creates_nobody(self, storage: Storage) -> None:
        """For a user that does not exist, or was deleted: None, and no ghost in the tables."""
        user = self.user(storage)
        storage.delete_user(user.id)
        for user_id in (user.id, fresh("u")):
            assert storage.delete_sessions_for_user(user_id) is None
            assert storage.get_user(user_id, consistent=True) is None
            if "raw" in self.capabilities:
                assert user_id not in {item["id"] for item in (self.dump())["users"]}
        assert (storage.create_user(NewUser(email=new_address(), id=user.id))).id == user.id

    @clause("SESSION-14")
    def test_cleaning_up_spares_new_sessions(self, storage: Storage) -> None:
        """Rounds of many sessions, sign-out everywhere and one new session: the new one passes, however the rows go."""
        user = self.user(storage)
        for _ in range(4):
            for _ in range(30):
                self.session(storage, user)
            storage.delete_sessions_for_user(user.id)
            user = self.reread(storage, user)
            new = self.session(storage, user)
            for _ in range(5):
                assert storage.get_session(new) is not None
        listed = self.until(lambda: storage.list_sessions_for_user(user.id), lambda found: len(found) == 1)
        assert len(listed) == 1

    @clause("SESSION-14", "USER-19")
    def test_deleting_again_resumes_cleaning_up(self, storage: Storage) -> None:
        """delete_user called again for a deleted user, and after the id is used again, spares valid sessions."""
        user_id = fresh("u")
        user = storage.create_user(NewUser(email=new_address(), id=user_id))
        for _ in range(30):
            self.session(storage, user)
        storage.delete_user(user_id)
        assert storage.delete_user(user_id) is False
        user = storage.create_user(NewUser(email=new_address(), id=user_id))
        token = self.session(storage, user)
        storage.delete_sessions_for_user(fresh("u"))
        assert storage.get_session(token) is not None

    @clause("SESSION-15")
    def test_cleaning_up_keeps_what_has_not_expired(self, storage: Storage, clock: FakeClock) -> None:
        """Sessions with a second left survive the clean-up; it tells a number, and expired ones stay refused."""
        user = self.user(storage)
        short = self.session(storage, user, seconds=60)
        long = self.session(storage, user, seconds=61)
        clock.advance(self.later(60) - clock())
        removed = storage.cleanup_expired_sessions()
        assert removed >= 0
        assert storage.get_session(long) is not None
        assert storage.get_session(short) is None
        assert storage.cleanup_expired_sessions() == 0
