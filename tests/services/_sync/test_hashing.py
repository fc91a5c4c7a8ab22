# Generated from tests/services/_async/test_hashing.py by tools/unasync.py. Do not edit.

"""Hashing is bounded, and the work it does reveals nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack

import pytest
from tests.services._sync.support import EMAIL, PASSWORD, QuickHasher, Setting, as_signed_in, recording

from torii_dynamodb.errors import InvalidCredentials, Overloaded, RateLimited, ToriiError
from torii_dynamodb.models import NewUser
from torii_dynamodb.policies import HashingPool, SeveralKinds

NEW = "a brand new password"


def test_a_full_pool_refuses_before_anything_is_read_or_counted() -> None:
    """With a full pool, every call that hashes raises Overloaded without a single call to the storage."""
    calls: list[str] = []
    pool = HashingPool(width=1, queue=1)
    here = Setting(hashing=pool)
    user = here.torii.password.register(EMAIL, PASSWORD)
    bare = here.storage.create_user(NewUser(email="bare@example.com"))
    torii = Setting(storage=recording(here.storage, calls), hashing=pool).torii
    with ExitStack() as stack:
        stack.enter_context(pool.turn())
        stack.enter_context(pool.turn())
        for email in (EMAIL, "nobody@example.com"):
            with pytest.raises(Overloaded):
                torii.password.authenticate(email, PASSWORD)
        with pytest.raises(Overloaded):
            torii.password.register("new@example.com", PASSWORD)
        with pytest.raises(Overloaded):
            torii.password.sign_up("new@example.com", PASSWORD)
        with pytest.raises(Overloaded):
            torii.password.change_password(user.id, PASSWORD, NEW, user=user)
        with pytest.raises(Overloaded):
            torii.password.set_password(bare.id, NEW, user=bare)
        assert calls == []
        here.torii.password.send_reset(EMAIL)
        token = here.link()
        with pytest.raises(Overloaded):
            torii.password.complete_reset(token, NEW)
    # The link is still unused, and no attempt was counted.
    here.torii.password.complete_reset(token, NEW)
    assert (here.storage.get_lockout_status(EMAIL)).attempts == 0


def test_a_full_pool_does_not_undo_a_sign_in() -> None:
    """With a full pool, renewing an old hash is put off; the user is signed in."""
    pool = HashingPool(width=1, queue=0)
    here = Setting(hashing=pool)
    here.torii.password.register(EMAIL, PASSWORD)
    here.hasher.version = 2

    class Busy:
        """A storage that fills the pool as soon as a session is stored."""

        def __getattr__(self, name: str) -> object:
            if name == "create_session":
                stack.enter_context(pool.turn())
            return getattr(here.storage, name)

    torii = Setting(storage=Busy(), hashing=pool, hasher=here.hasher).torii
    with ExitStack() as stack:
        _, session = as_signed_in(torii.password.authenticate(EMAIL, PASSWORD))
    assert session.token


def test_password_changes_are_limited_even_when_right() -> None:
    """After five changes with the right password, or five tries to set a first one, nothing more is hashed."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    current = PASSWORD
    for number in range(5):
        following = f"{NEW} {number}"
        here.torii.password.change_password(user.id, current, following)
        current = following
    hashed, verified = here.hasher.hashed, here.hasher.verified
    with pytest.raises(RateLimited) as refused:
        here.torii.password.change_password(user.id, current, NEW)
    assert refused.value.retry_after.total_seconds() > 0
    bare = here.storage.create_user(NewUser(email="bare@example.com"))
    done = 0
    for _ in range(8):
        try:
            here.torii.password.set_password(bare.id, NEW, user=bare)
            done += 1
        except ToriiError:
            continue
    assert (here.hasher.hashed - hashed, here.hasher.verified - verified) == (5, 0)
    assert done == 1


def test_a_reset_link_allows_five_hashes() -> None:
    """With one reset link, at most five passwords are hashed, however often it is submitted."""
    here = Setting()
    here.torii.password.register(EMAIL, PASSWORD)
    here.torii.password.send_reset(EMAIL)
    token = here.link()
    before = here.hasher.hashed

    class Slow:
        """A storage on which the link stays unused, as if all attempts ran at the same time."""

        def __getattr__(self, name: str) -> object:
            if name == "complete_password_reset":
                return refused
            return getattr(here.storage, name)

    def refused(token: str, password_hash: str) -> None:
        return None

    torii = Setting(storage=Slow(), hasher=here.hasher).torii
    for _ in range(9):
        with pytest.raises(ToriiError):
            torii.password.complete_reset(token, NEW)
    assert here.hasher.hashed - before == 5


class TwoKinds(QuickHasher):
    """A hasher for current and imported hashes that counts the verifications of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.work: Counter[str] = Counter()

    def decoys(self) -> Mapping[str, str]:
        return {"quick": super().hash("decoy"), "old": "$old$" + super().hash("decoy").rpartition("$")[2]}

    def kind(self, password_hash: str) -> str:
        return password_hash.split("$")[1]

    def verify(self, password_hash: str, password: str) -> bool:
        self.work[self.kind(password_hash)] += 1
        return super().verify(password_hash, password)


@pytest.mark.parametrize("attempted", ["wrong password", "x" * 5000, "\ud800"])
def test_a_wrong_password_takes_the_work_of_every_kind_of_hash(attempted: str) -> None:
    """Unknown address, no password, current hash, imported hash: always one verification of each kind."""
    hasher = TwoKinds()
    assert isinstance(hasher, SeveralKinds)
    here = Setting(hasher=hasher)
    here.torii.password.register(EMAIL, PASSWORD)
    old = "$old$" + hasher.hash(PASSWORD).rpartition("$")[2]
    here.storage.create_user(NewUser(email="imported@example.com"), password_hash=old)
    here.storage.create_user(NewUser(email="bare@example.com"))
    for email in ("nobody@example.com", "bare@example.com", EMAIL, "imported@example.com", "nobody@example.com"):
        hasher.work.clear()
        hashed = hasher.hashed
        with pytest.raises(InvalidCredentials):
            here.torii.password.authenticate(email, attempted)
        assert hasher.work == {"quick": 1, "old": 1}, email
        assert hasher.hashed == hashed or email == "nobody@example.com"
    here.torii.password.authenticate("imported@example.com", PASSWORD)
    here.torii.password.authenticate(EMAIL, PASSWORD)


def test_a_hash_without_a_decoy_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A foreign hash that the hasher has no decoy for is logged once, with what to do."""
    here = Setting()
    foreign = "$old$" + here.hasher.hash(PASSWORD).rpartition("$")[2]
    here.storage.create_user(NewUser(email=EMAIL), password_hash=foreign)
    for _ in range(2):
        with pytest.raises(InvalidCredentials):
            here.torii.password.authenticate(EMAIL, "wrong password")
    told = [record.getMessage() for record in caplog.records if "decoys()" in record.getMessage()]
    assert len(told) == 1
    assert foreign not in told[0]
