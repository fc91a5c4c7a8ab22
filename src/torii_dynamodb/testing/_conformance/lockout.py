"""The conformance tests of :class:`~torii_dynamodb.contract.AsyncBruteForceStorage`."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from random import Random

import pytest

from torii_dynamodb.contract import AsyncStorage
from torii_dynamodb.models import MAGIC_LINK, AttemptKind, AttemptResult, LockoutPolicy
from torii_dynamodb.testing._conformance.base import Conformance, clause, fresh, new_address, new_hash
from torii_dynamodb.testing.clock import FakeClock

__all__ = ["LockoutConformance"]

MILLISECOND = timedelta(milliseconds=1)


class LockoutConformance(Conformance):
    """Attempts, lockout and audit."""

    async def fail(self, storage: AsyncStorage, email: str, count: int = 1, *, user_agent: str = "agent") -> list[str]:
        """Record failed attempts in the audit, a second apart, and return their ids."""
        ids: list[str] = []
        policy = LockoutPolicy(max_attempts=20, window=timedelta(seconds=1))
        for _ in range(count):
            result = await storage.acquire_login_attempt(email, policy=policy)
            assert result.allowed
            await storage.record_failed_attempt(email, result.attempt_id, ip_address="192.0.2.1", user_agent=user_agent)
            ids.append(result.attempt_id)
            self._clock.advance(1)
        return ids

    # The window.

    @clause("LOCKOUT-14")
    async def test_a_success_forgets_the_attempts_of_its_subject(self, storage: AsyncStorage) -> None:
        """The latest attempt forgets those before it; an earlier one, another purpose or another subject do not."""
        policy = LockoutPolicy(max_attempts=2)
        user = fresh("u")

        async def attempt() -> AttemptResult:
            return await storage.acquire_attempt("user", user, purpose="second_factor", policy=policy)

        first, second = await attempt(), await attempt()
        await storage.clear_attempt("user", user, purpose="second_factor", attempt_id=first.attempt_id)
        await storage.clear_attempt("user", user, purpose="other", attempt_id=second.attempt_id)
        await storage.clear_attempt("user", fresh("u"), purpose="second_factor", attempt_id=second.attempt_id)
        assert not (await attempt()).allowed
        await storage.clear_attempt("user", user, purpose="second_factor", attempt_id=second.attempt_id)
        assert (await attempt()).allowed

    @clause("LOCKOUT-1", "LOCKOUT-2")
    async def test_the_defaults_are_five_in_fifteen_minutes(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Five attempts are allowed; the sixth has to wait until the first is fifteen minutes old."""
        email = new_address()
        first = clock()
        for _ in range(5):
            result = await storage.acquire_login_attempt(email)
            assert result.allowed
            assert result.attempt_id
            assert result.retry_after is None
            clock.advance(10)
        refused = await storage.acquire_login_attempt(email)
        assert not refused.allowed
        assert refused.attempt_id == ""
        assert refused.retry_after == first + timedelta(minutes=15) - clock()

    @clause("LOCKOUT-1")
    @pytest.mark.parametrize("limit", [1, 2, 5, 20])
    @pytest.mark.parametrize("seconds", [1, 60, 900])
    async def test_the_window_is_exact(self, storage: AsyncStorage, clock: FakeClock, limit: int, seconds: int) -> None:
        """Over 150 attempts at odd times, one is allowed exactly when fewer than the limit are in the window."""
        if limit == 20:
            self.needs("many")
        policy = LockoutPolicy(max_attempts=limit, window=timedelta(seconds=seconds))
        email, random = new_address(), Random(limit * 1000 + seconds)
        allowed: list[datetime] = []
        for number in range(150):
            recent = [at for at in allowed if at > clock() - policy.window]
            result = await storage.acquire_login_attempt(email, policy=policy)
            assert result.allowed == (len(recent) < limit), f"attempt {number}, {len(recent)} in the window"
            if result.allowed:
                allowed.append(clock())
            else:
                assert result.retry_after == recent[-limit] + policy.window - clock()
                if result.retry_after and random.random() < 0.3:
                    clock.advance(result.retry_after - random.choice([MILLISECOND, timedelta()]))
                    continue
            clock.advance(timedelta(milliseconds=random.choice([0, 1, 7, seconds * 1000 // limit, seconds * 300])))

    @clause("LOCKOUT-1", "LOCKOUT-2")
    @pytest.mark.parametrize("limit", [1, 5, 20])
    async def test_the_end_of_the_window_is_exact(self, storage: AsyncStorage, clock: FakeClock, limit: int) -> None:
        """A millisecond before retry_after is over the next is refused; then exactly one is allowed."""
        if limit == 20:
            self.needs("many")
        policy = LockoutPolicy(max_attempts=limit, window=timedelta(minutes=15))
        email = new_address()
        for _ in range(limit):
            assert (await storage.acquire_login_attempt(email, policy=policy)).allowed
            clock.advance(1)
        for _ in range(limit):
            refused = await storage.acquire_login_attempt(email, policy=policy)
            assert refused.retry_after is not None
            assert refused.retry_after > timedelta()
            clock.advance(refused.retry_after - MILLISECOND)
            still = await storage.acquire_login_attempt(email, policy=policy)
            assert not still.allowed
            assert still.retry_after == MILLISECOND
            clock.advance(MILLISECOND)
            assert (await storage.acquire_login_attempt(email, policy=policy)).allowed
            assert not (await storage.acquire_login_attempt(email, policy=policy)).allowed

    @clause("LOCKOUT-1")
    async def test_refusals_do_not_count(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Trying while refused does not move the end of the lockout."""
        email, first = new_address(), clock()
        for _ in range(5):
            await storage.acquire_login_attempt(email)
        for _ in range(29):
            clock.advance(30)
            assert not (await storage.acquire_login_attempt(email)).allowed
        clock.advance(first + timedelta(minutes=15) - clock())
        assert (await storage.acquire_login_attempt(email)).allowed

    @clause("LOCKOUT-1")
    async def test_attempts_of_one_instant_are_counted_each(self, storage: AsyncStorage) -> None:
        """With a clock that stands still, two attempts stay two, with different ids."""
        email = new_address()
        results = [await storage.acquire_login_attempt(email) for _ in range(8)]
        assert [result.allowed for result in results] == [True] * 5 + [False] * 3
        assert len({result.attempt_id for result in results[:5]}) == 5

    @clause("LOCKOUT-1")
    async def test_a_stricter_policy_counts_earlier_attempts(self, storage: AsyncStorage) -> None:
        """Attempts taken under a higher limit count under a lower one."""
        email = new_address()
        for _ in range(5):
            assert (await storage.acquire_login_attempt(email, policy=LockoutPolicy(max_attempts=10))).allowed
        for limit in (1, 3, 5):
            result = await storage.acquire_login_attempt(email, policy=LockoutPolicy(max_attempts=limit))
            assert not result.allowed
        assert (await storage.acquire_login_attempt(email, policy=LockoutPolicy(max_attempts=6))).allowed

    @clause("LOCKOUT-1")
    async def test_a_clock_set_back_gives_no_further_attempts(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """With one host's clock a minute behind another's, the limit still holds."""
        email = new_address()
        for number in range(5):
            assert (await storage.acquire_login_attempt(email)).allowed
            clock.advance(-60 if number % 2 else 60)
        for _ in range(4):
            assert not (await storage.acquire_login_attempt(email)).allowed
            clock.advance(-60)

    @clause("LOCKOUT-3")
    async def test_addresses_without_a_user_are_treated_alike(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Results, status and audit are the same whether or not a user holds the address."""
        user = await self.user(storage, password_hash=new_hash())
        known, unknown = user.email, new_address()
        for _ in range(7):
            results = [await storage.acquire_login_attempt(email) for email in (known, unknown)]
            assert results[0].allowed == results[1].allowed
            assert results[0].retry_after == results[1].retry_after
            assert len(results[0].attempt_id) == len(results[1].attempt_id)
            for email, result in zip((known, unknown), results, strict=True):
                if result.allowed:
                    await storage.record_failed_attempt(email, result.attempt_id)
            statuses = [await storage.get_lockout_status(email) for email in (known, unknown)]
            assert statuses[0] == statuses[1]
            clock.advance(1)
        audits = [await storage.list_failed_attempts(email) for email in (known, unknown)]
        assert [row.at for row in audits[0]] == [row.at for row in audits[1]]
        for email in (known, unknown):
            await storage.clear_attempts(email)
        assert await storage.get_lockout_status(known) == await storage.get_lockout_status(unknown)

    @clause("LOCKOUT-3")
    async def test_spellings_of_one_address_share_the_limit(self, storage: AsyncStorage) -> None:
        """Another spelling of the address gives no further attempts."""
        email = new_address()
        spellings = [email, email.upper(), f" {email}", email.title(), email.swapcase()]
        for spelling in spellings:
            assert (await storage.acquire_login_attempt(spelling)).allowed
        for spelling in spellings:
            assert not (await storage.acquire_login_attempt(spelling)).allowed
            assert (await storage.get_lockout_status(spelling)).locked

    @clause("LOCKOUT-4")
    async def test_switched_off_nothing_is_counted(self, storage: AsyncStorage) -> None:
        """With enabled=False 30 attempts are allowed and nothing is written; only those while enabled count."""
        email, off = new_address(), LockoutPolicy(enabled=False, max_attempts=1)
        for _ in range(30):
            assert (await storage.acquire_login_attempt(email, policy=off)).allowed
            assert (await storage.acquire_attempt("ip", "192.0.2.77", policy=off)).allowed
        status = await storage.get_lockout_status(email, policy=off)
        assert (status.locked, status.retry_after) == (False, None)
        if "raw" in self.capabilities:
            keys = {f"login#{sha256(email.encode()).hexdigest()}", f"ip#{sha256(b'192.0.2.77').hexdigest()}"}
            assert not [row for row in (await self.dump())["login_attempts"] if row.get("subject") in keys]
        for _ in range(5):
            assert (await storage.acquire_login_attempt(email)).allowed
        assert not (await storage.acquire_login_attempt(email)).allowed
        assert (await storage.acquire_login_attempt(email, policy=off)).allowed

    @clause("LOCKOUT-5")
    async def test_kinds_and_values_do_not_share_a_limit(self, storage: AsyncStorage) -> None:
        """One value under each kind, two values of one kind, and one under two purposes are counted separately."""
        value, policy = new_address(), LockoutPolicy(max_attempts=1)
        assert (await storage.acquire_login_attempt(value, policy=policy)).allowed
        kinds: tuple[AttemptKind, ...] = ("mail", "device", "user")
        for kind in kinds:
            assert (await storage.acquire_attempt(kind, value, policy=policy)).allowed
            assert (await storage.acquire_attempt(kind, f"x{value}", policy=policy)).allowed
            for purpose in ("one", "two"):
                assert (await storage.acquire_attempt(kind, value, purpose=purpose, policy=policy)).allowed
                assert not (await storage.acquire_attempt(kind, value, purpose=purpose, policy=policy)).allowed
        assert not (await storage.acquire_login_attempt(value, policy=policy)).allowed
        for kind in kinds:
            assert not (await storage.acquire_attempt(kind, value, policy=policy)).allowed

    @clause("LOCKOUT-5")
    @pytest.mark.parametrize("kind", ["ip", "mail", "device"])
    async def test_the_window_of_any_kind_is_exact(
        self, storage: AsyncStorage, clock: FakeClock, kind: AttemptKind
    ) -> None:
        """Every kind has the same limit with the same retry_after."""
        value = {"ip": "2001:db8::7", "mail": new_address()}.get(kind) or fresh("v")
        policy = LockoutPolicy(max_attempts=3, window=timedelta(seconds=60))
        if kind == "ip":
            clock.advance(86_400)
        for _ in range(3):
            assert (await storage.acquire_attempt(kind, value, policy=policy)).allowed
            clock.advance(5)
        refused = await storage.acquire_attempt(kind, value, policy=policy)
        assert not refused.allowed
        assert refused.retry_after == timedelta(seconds=45)
        clock.advance(45)
        assert (await storage.acquire_attempt(kind, value, policy=policy)).allowed

    @clause("LOCKOUT-5")
    async def test_spellings_of_one_ip_address_share_the_limit(self, storage: AsyncStorage) -> None:
        """An IPv4 address inside IPv6, leading zeros and capitals do not make a different address."""
        policy = LockoutPolicy(max_attempts=1, window=timedelta(seconds=1))
        group = f"{Random().randrange(1, 0xFFFF):x}"
        spellings = (
            ("198.51.100.9", "::ffff:198.51.100.9"),
            (f"2001:db8:{group}::abcd", f"2001:0DB8:{group.upper()}:0::ABCD"),
        )
        for one, other in spellings:
            self._clock.advance(10)
            assert (await storage.acquire_attempt("ip", one, policy=policy)).allowed
            assert not (await storage.acquire_attempt("ip", other, policy=policy)).allowed

    @clause("LOCKOUT-7")
    async def test_the_status_tells_what_an_attempt_would(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """At each step the status agrees with the attempt made right after it, and reading it changes nothing."""
        email, random = new_address(), Random(7)
        policy = LockoutPolicy(max_attempts=3, window=timedelta(seconds=60))
        allowed: list[datetime] = []
        for _ in range(60):
            statuses = [await storage.get_lockout_status(email, policy=policy) for _ in range(2)]
            assert statuses[0] == statuses[1]
            status = statuses[0]
            assert status.attempts == len([at for at in allowed if at > clock() - policy.window])
            result = await storage.acquire_login_attempt(email, policy=policy)
            assert status.locked == (not result.allowed)
            assert status.retry_after == result.retry_after
            if result.allowed:
                allowed.append(clock())
            clock.advance(random.choice([0, 1, 5, 20, 45]))

    @clause("LOCKOUT-7")
    async def test_an_unknown_address_is_not_locked(self, storage: AsyncStorage) -> None:
        """Without attempts nothing is counted, and nothing is created."""
        email = new_address()
        status = await storage.get_lockout_status(email)
        assert (status.locked, status.attempts, status.retry_after) == (False, 0, None)
        assert await storage.list_failed_attempts(email) == []

    # Clearing.

    @clause("LOCKOUT-8")
    async def test_clearing_gives_all_attempts_back(self, storage: AsyncStorage) -> None:
        """After clearing, the full number is allowed again and no more; the audit and other addresses stay."""
        email, other = new_address(), new_address()
        for address in (email, other):
            for _ in range(5):
                result = await storage.acquire_login_attempt(address)
                await storage.record_failed_attempt(address, result.attempt_id)
        await storage.clear_attempts(email.upper())
        assert not (await storage.get_lockout_status(email)).locked
        for _ in range(5):
            assert (await storage.acquire_login_attempt(email)).allowed
        assert not (await storage.acquire_login_attempt(email)).allowed
        assert not (await storage.acquire_login_attempt(other)).allowed
        assert len(await storage.list_failed_attempts(email)) == 5
        await storage.clear_attempts(new_address())

    @clause("LOCKOUT-8")
    async def test_a_success_clears_only_if_it_was_the_last(self, storage: AsyncStorage) -> None:
        """With the latest attempt's id all are cleared; with an earlier one's, those made since still count."""
        email = new_address()
        ids = [(await storage.acquire_login_attempt(email)).attempt_id for _ in range(4)]
        for attempt_id in ids[:3]:
            await storage.clear_attempts(email, attempt_id=attempt_id)
        assert (await storage.get_lockout_status(email)).attempts == 4
        last = await storage.acquire_login_attempt(email)
        assert last.allowed
        assert not (await storage.acquire_login_attempt(email)).allowed
        await storage.clear_attempts(email, attempt_id=last.attempt_id)
        assert (await storage.get_lockout_status(email)).attempts == 0
        for _ in range(5):
            assert (await storage.acquire_login_attempt(email)).allowed
        await storage.clear_attempts(email, attempt_id=last.attempt_id)
        assert (await storage.get_lockout_status(email)).locked

    # The audit.

    @clause("LOCKOUT-6", "LOCKOUT-9")
    async def test_an_audit_row_tells_when_from_where_by_what(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Each failed attempt has time, canonical IP address and user agent; values not given are None."""
        email = new_address()
        first = await storage.acquire_login_attempt(email)
        at = clock()
        await storage.record_failed_attempt(
            email.upper(), first.attempt_id, ip_address="::ffff:192.0.2.9", user_agent="Mozilla/5.0\r\n" + "x" * 5000
        )
        clock.advance(3)
        second = await storage.acquire_login_attempt(email)
        await storage.record_failed_attempt(email, second.attempt_id)
        rows = await storage.list_failed_attempts(email)
        assert [row.attempt_id for row in rows] == [second.attempt_id, first.attempt_id]
        assert [row.at for row in rows] == [clock(), at]
        assert [row.ip_address for row in rows] == [None, "192.0.2.9"]
        assert rows[0].user_agent is None
        assert rows[1].user_agent == ("Mozilla/5.0  " + "x" * 5000)[:1024]

    @clause("LOCKOUT-6")
    async def test_one_row_an_attempt(self, storage: AsyncStorage) -> None:
        """An attempt recorded twice (a retry) is one row; attempts that were only taken are not listed."""
        email = new_address()
        ids = [(await storage.acquire_login_attempt(email)).attempt_id for _ in range(3)]
        for _ in range(2):
            await storage.record_failed_attempt(email, ids[0], ip_address="192.0.2.1")
            await storage.record_failed_attempt(email, ids[1])
        rows = await storage.list_failed_attempts(email)
        assert {row.attempt_id for row in rows} == {ids[0], ids[1]}
        assert len(rows) == 2

    @clause("LOCKOUT-9")
    async def test_the_audit_is_newest_first_and_at_most_the_limit(self, storage: AsyncStorage) -> None:
        """With any limit the newest are listed, up to the limit; other addresses' rows are not."""
        email, other = new_address(), new_address()
        ids = await self.fail(storage, email, 12)
        await self.fail(storage, other, 2)
        newest = list(reversed(ids))
        for limit in (1, 2, 11, 12, 13, 100):
            rows = await storage.list_failed_attempts(email, limit=limit)
            assert [row.attempt_id for row in rows] == newest[:limit]

    @clause("LOCKOUT-9")
    async def test_audit_rows_expire(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Listed until its retention ends (in whole seconds), and not from then on, even if the row still exists."""
        email = new_address()
        policy = LockoutPolicy(retention=timedelta(days=1))
        made = clock()
        for _ in range(2):
            result = await storage.acquire_login_attempt(email, policy=policy)
            await storage.record_failed_attempt(email, result.attempt_id, policy=policy)
            clock.advance(3600)
        clock.advance(made + timedelta(days=1) - timedelta(seconds=2) - clock())
        assert len(await storage.list_failed_attempts(email)) == 2
        clock.advance(3)
        assert len(await storage.list_failed_attempts(email)) == 1
        clock.advance(3600)
        assert await storage.list_failed_attempts(email) == []

    @clause("LOCKOUT-9")
    async def test_expired_rows_do_not_hide_others(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """With a limit of one, a row within its retention is found behind newer ones that have expired."""
        email = new_address()
        kept = await storage.acquire_login_attempt(email)
        await storage.record_failed_attempt(email, kept.attempt_id)
        for _ in range(4):
            clock.advance(1)
            result = await storage.acquire_login_attempt(email)
            await storage.record_failed_attempt(
                email, result.attempt_id, policy=LockoutPolicy(retention=timedelta(seconds=10))
            )
        clock.advance(60)
        rows = await storage.list_failed_attempts(email, limit=1)
        assert [row.attempt_id for row in rows] == [kept.attempt_id]

    @clause("LOCKOUT-10")
    async def test_cleaning_up_removes_older_rows_only(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Rows before the given time are removed and counted, a row at that time stays; the window is not affected."""
        email, other = new_address(), new_address()
        start = clock()
        ids = await self.fail(storage, email, 10)
        others = await self.fail(storage, other, 3)
        removed = await storage.cleanup_old_attempts(email.upper(), before=start + timedelta(seconds=4))
        assert removed == 4
        rows = await storage.list_failed_attempts(email)
        assert [row.attempt_id for row in rows] == list(reversed(ids[4:]))
        assert await storage.cleanup_old_attempts(email, before=start + timedelta(seconds=4)) == 0
        assert await storage.cleanup_old_attempts(new_address(), before=clock()) == 0
        assert [row.attempt_id for row in await storage.list_failed_attempts(other)] == list(reversed(others))
        assert (await storage.get_lockout_status(email, policy=LockoutPolicy(max_attempts=20))).attempts == 10

    @clause("LOCKOUT-10")
    async def test_cleaning_up_many_rows(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """More rows than one batch takes (25) are all removed."""
        self.needs("many")
        email = new_address()
        await self.fail(storage, email, 60)
        assert await storage.cleanup_old_attempts(email, before=clock()) == 60
        assert await storage.list_failed_attempts(email) == []

    @clause("LOCKOUT-9", "LOCKOUT-10")
    async def test_an_audit_over_a_page_is_listed_and_cleaned(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """280 rows of 4 KB exceed one read (1 MB): all are listed, and all are removed."""
        self.needs("large", "many")
        email = new_address()
        ids = await self.fail(storage, email, 280, user_agent="\U0001f511" * 1024)
        listed = await storage.list_failed_attempts(email, limit=1000)
        assert [row.attempt_id for row in listed] == list(reversed(ids))
        assert await storage.cleanup_old_attempts(email, before=clock()) == 280
        assert await storage.list_failed_attempts(email) == []

    @clause("LOCKOUT-10", "LOCKOUT-12")
    async def test_a_locked_accounts_audit_is_not_cleaned(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """While an administrator's lock is on, no row is removed; once it is off, they can be."""
        user = await self.user(storage)
        ids = await self.fail(storage, user.email, 3)
        await storage.set_locked_at(user.id, clock())
        assert await storage.cleanup_old_attempts(user.email, before=clock()) == 0
        assert [row.attempt_id for row in await storage.list_failed_attempts(user.email)] == list(reversed(ids))
        await storage.set_locked_at(user.id, None)
        assert await storage.cleanup_old_attempts(user.email, before=clock()) == 3

    # The administrator's lock.

    @clause("LOCKOUT-11", "LOCKOUT-13")
    async def test_an_account_is_locked_and_unlocked(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """The given time is stored, returned by all reads, changed, and removed."""
        user = await self.user(storage)
        assert await storage.get_locked_at(user.id) is None
        at = clock() - timedelta(hours=1, microseconds=5)
        for moment in (at, clock()):
            locked = await storage.set_locked_at(user.id, moment)
            assert locked is not None
            assert locked.locked_at == moment
            assert await storage.get_locked_at(user.id) == moment
            assert await self.reread(storage, user) == locked
        unlocked = await storage.set_locked_at(user.id, None)
        assert unlocked is not None
        assert unlocked.locked_at is None
        assert await storage.get_locked_at(user.id) is None
        again = await storage.set_locked_at(user.id, None)
        assert again is not None
        assert again.locked_at is None

    @clause("LOCKOUT-11", "SESSION-12", "TOKEN-6")
    async def test_locking_ends_the_sessions(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Sessions and tokens made before the lock are refused, and unlocking revives none; other users keep theirs."""
        user, other = await self.user(storage), await self.user(storage)
        tokens = [await self.session(storage, user) for _ in range(3)]
        link = await self.token(storage, user, MAGIC_LINK)
        others = await self.session(storage, other)
        await storage.set_locked_at(user.id, clock())
        for moment in (clock(), None):
            await storage.set_locked_at(user.id, moment)
            for token in [*tokens, await self.session(storage, user)]:
                assert await storage.get_session(token) is None
            assert await storage.check_token(link, purpose=MAGIC_LINK) is None
        assert await storage.get_session(others) is not None
        new = await self.session(storage, await self.reread(storage, user))
        assert await storage.get_session(new) is not None

    @clause("LOCKOUT-11")
    async def test_a_lock_changes_nothing_else(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Password, identities, address, name and metadata stay."""
        digest = new_hash()
        user = await self.user(storage, password_hash=digest, verified=True)
        await self.link(storage, user)
        user = await storage.update_user(await self.reread(storage, user), name="Ada", metadata={"a": 1})
        locked = await storage.set_locked_at(user.id, clock())
        assert locked is not None
        for each in (locked, await self.reread(storage, user)):
            assert (each.email, each.email_verified_at, each.name) == (user.email, user.email_verified_at, "Ada")
            assert (each.metadata, each.identities) == ({"a": 1}, user.identities)
            assert each.password_version == user.password_version
        assert await storage.get_password_hash(user.id) == digest

    @clause("LOCKOUT-11", "LOCKOUT-13")
    async def test_nobody_is_locked(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """For a user that does not exist, locking, unlocking and reading return None, and no row is created."""
        gone = await self.user(storage)
        await storage.delete_user(gone.id)
        for user_id in (fresh("u"), gone.id):
            assert await storage.set_locked_at(user_id, clock()) is None
            assert await storage.set_locked_at(user_id, None) is None
            assert await storage.get_locked_at(user_id) is None
            assert await storage.get_user(user_id, consistent=True) is None

    @clause("LOCKOUT-12")
    async def test_a_locked_accounts_audit_is_kept(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Rows from before and during the lock are still listed long after their retention."""
        user, other = await self.user(storage), await self.user(storage)
        before = await self.fail(storage, user.email, 30)
        await self.fail(storage, other.email, 2)
        await storage.set_locked_at(user.id, clock())
        during = await self.fail(storage, user.email, 2)
        clock.advance(timedelta(days=30))
        rows = await storage.list_failed_attempts(user.email)
        assert [row.attempt_id for row in rows] == list(reversed(before + during))
        assert await storage.list_failed_attempts(other.email) == []

    @clause("LOCKOUT-12")
    async def test_the_store_does_not_expire_a_locked_accounts_audit(
        self, storage: AsyncStorage, clock: FakeClock
    ) -> None:
        """No row of the audit has a time at which the store itself would delete it (DynamoDB's TTL)."""
        self.needs("ttl")
        user = await self.user(storage)
        await self.fail(storage, user.email, 30)
        await storage.set_locked_at(user.id, clock())
        await self.fail(storage, user.email, 2)
        subject = f"login#{sha256(user.email.encode()).hexdigest()}"
        rows = [
            row
            for row in (await self.dump())["login_attempts"]
            if row.get("subject") == subject and row.get("attempt") != "#register"
        ]
        assert not [row for row in rows if row.get("expires_at") is not None]

    @clause("LOCKOUT-12")
    async def test_rows_that_expired_before_the_lock_stay_expired(
        self, storage: AsyncStorage, clock: FakeClock
    ) -> None:
        """Locking does not bring back a row whose retention was already over."""
        user = await self.user(storage)
        await self.fail(storage, user.email, 2)
        clock.advance(timedelta(days=8))
        fresh_ids = await self.fail(storage, user.email, 1)
        await storage.set_locked_at(user.id, clock())
        rows = await storage.list_failed_attempts(user.email)
        assert [row.attempt_id for row in rows] == fresh_ids
