# Generated from tests/faults/_async/test_in_between.py by tools/unasync.py. Do not edit.

"""A write is applied, its response is lost, and another writer comes in between: the retry neither lies nor undoes.

Covers every write outside transactions, and the transactions whose effect another writer can change meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from tests import fault_proxy as faults
from tests.faults._sync.operations import ADA, APP, STATE
from tests.faults._sync.world import CODE, HASH, OTHER_HASH, World
from tests.faults.other import other_writer

from torii_dynamodb._sync.storage.handle import DynamoDbHandle
from torii_dynamodb._sync.storage.handle import DynamoDbHandle as Other
from torii_dynamodb.errors import AlreadyExists
from torii_dynamodb.models import (
    LockoutPolicy,
    NewOAuthAccount,
    NewPasskey,
    NewPasskeyChallenge,
    NewSession,
    NewUser,
)

ADDRESS = "ada@example.com"


@pytest.fixture
def storage(world: World) -> Iterator[DynamoDbHandle]:
    """A handle through the proxy."""
    handle = world.open()
    yield handle
    handle.close()


@pytest.fixture
def meanwhile(world: World) -> Callable[[Callable[[Other], object]], None]:
    """Run another writer after the next write was applied, while its response is lost."""

    def plan(act: Callable[[Other], object]) -> None:
        def between(_seen: faults.Seen) -> None:
            with other_writer(world) as other:
                act(other)

        world.proxy.inject(faults.answer_lost(between), operation=faults.WRITES)

    return plan


Meanwhile = Callable[[Callable[[Other], object]], None]


def test_a_refresh_that_was_overtaken_tells_the_later_end(
    world: World, storage: DynamoDbHandle, meanwhile: Meanwhile
) -> None:
    """Two refreshes: whichever retries, the session gets the later expiry, and both get a valid one."""
    meanwhile(lambda other: other.refresh_session(world.known.session, expires_at=world.later(9000)))
    session = storage.refresh_session(world.known.session, expires_at=world.later(7200))
    assert session is not None
    assert session.expires_at == world.later(9000)


def test_a_refresh_does_not_revive_a_session_that_was_ended(
    world: World, storage: DynamoDbHandle, meanwhile: Meanwhile
) -> None:
    """The session was extended, then signed out: the retry finds it gone and creates no row."""
    meanwhile(lambda other: other.delete_session(world.known.session))
    assert storage.refresh_session(world.known.session, expires_at=world.later(7200)) is None
    assert storage.get_session(world.known.session) is None
    assert world.known.session_id not in str((world.dump())["sessions"].keys())


def test_a_sign_out_everywhere_does_not_end_a_session_made_after_it(
    world: World, storage: DynamoDbHandle, meanwhile: Meanwhile
) -> None:
    """Sign-out, new sign-in, retry of the sign-out: the new session stays, the old ones do not."""
    made: list[str] = []

    def sign_in(other: Other) -> None:
        session = other.create_session(NewSession(user_id="usr_ada", expires_at=world.later()))
        made.append(session.token)

    meanwhile(sign_in)
    storage.delete_sessions_for_user("usr_ada")
    assert storage.get_session(made[0]) is not None
    assert storage.get_session(world.known.session) is None


@pytest.mark.parametrize("others", [1, 2, 3])
def test_a_sign_out_everywhere_recognises_itself_behind_others(
    world: World, storage: DynamoDbHandle, meanwhile: Meanwhile, others: int
) -> None:
    """Up to three others signed out everywhere in between: the epoch moved once for each, and not once more."""

    def sign_out(other: Other) -> None:
        for _ in range(others):
            other.delete_sessions_for_user("usr_ada")

    meanwhile(sign_out)
    epoch = storage.delete_sessions_for_user("usr_ada")
    assert epoch == world.known.ada.session_epoch + others + 1


def test_a_token_that_is_being_consumed_is_nobody_elses(
    world: World, storage: DynamoDbHandle, meanwhile: Meanwhile
) -> None:
    """A second consumer between the write and its retry gets nothing; the first still gets everything."""
    gotten: list[object] = []
    meanwhile(lambda other: gotten.append(other.verify_token(world.known.link, purpose="magic_link")))
    assert storage.verify_token(world.known.link, purpose="magic_link") is not None
    assert gotten == [None]


def test_a_verifier_that_is_being_consumed_is_nobody_elses(storage: DynamoDbHandle, meanwhile: Meanwhile) -> None:
    """The same for a PKCE verifier."""
    gotten: list[object] = []
    meanwhile(lambda other: gotten.append(other.consume_pkce_verifier(STATE)))
    assert storage.consume_pkce_verifier(STATE) is not None
    assert gotten == [None]


def test_a_challenge_that_is_being_consumed_is_nobody_elses(storage: DynamoDbHandle, meanwhile: Meanwhile) -> None:
    """The same for a passkey challenge."""
    gotten: list[object] = []
    meanwhile(lambda other: gotten.append(other.consume_passkey_challenge(b"c" * 32, kind="authentication")))
    assert storage.consume_passkey_challenge(b"c" * 32, kind="authentication") is not None
    assert gotten == [None]


def test_a_verifier_stored_and_used_meanwhile_is_stored(
    world: World, storage: DynamoDbHandle, meanwhile: Meanwhile
) -> None:
    """Stored, consumed by another, retried: no error, and it is not stored a second time."""
    state = "state-" + "y" * 32
    gotten: list[object] = []
    meanwhile(lambda other: gotten.append(other.consume_pkce_verifier(state)))
    storage.store_pkce_verifier(state, "w" * 43, expires_at=world.later())
    assert gotten != [None]
    assert storage.get_pkce_verifier(state) is None


def test_a_challenge_stored_twice_is_the_first_ones(
    world: World, storage: DynamoDbHandle, meanwhile: Meanwhile
) -> None:
    """Another caller that stores the same challenge in between is refused; the retry is not."""
    challenge = NewPasskeyChallenge(challenge=b"d" * 32, kind="registration", expires_at=world.later())
    refusals: list[str] = []

    def store(other: Other) -> None:
        try:
            other.store_passkey_challenge(replace(challenge, user_id="usr_eve"))
        except AlreadyExists as refusal:
            refusals.append(refusal.what)

    meanwhile(store)
    storage.store_passkey_challenge(challenge)
    assert refusals == ["challenge"]


def test_an_attempt_recognises_itself_behind_others(storage: DynamoDbHandle, meanwhile: Meanwhile) -> None:
    """The rest of the register filled up in between: the attempt counts once, and the limit holds."""
    policy, address = LockoutPolicy(max_attempts=5), "somebody@example.com"
    taken: list[bool] = []

    def fill(other: Other) -> None:
        taken.extend(other.acquire_login_attempt(address, policy=policy).allowed for _ in range(6))

    meanwhile(fill)
    assert (storage.acquire_login_attempt(address, policy=policy)).allowed
    assert taken == [True, True, True, True, False, False]
    assert (storage.get_lockout_status(address, policy=policy)).attempts == 5


@pytest.mark.parametrize("named", [True, False])
def test_clearing_forgets_no_attempt_made_after_it(
    world: World, storage: DynamoDbHandle, meanwhile: Meanwhile, named: bool
) -> None:
    """Cleared, another attempt, retry of the clearing: that attempt still counts."""
    meanwhile(lambda other: other.acquire_login_attempt(ADDRESS))
    storage.clear_attempts(ADDRESS, attempt_id=world.known.attempt_id if named else None)
    assert (storage.get_lockout_status(ADDRESS)).attempts == 1


def test_a_created_user_is_not_put_back_as_it_was(storage: DynamoDbHandle, meanwhile: Meanwhile) -> None:
    """Created, renamed by another, retried: success, and the new name stays."""

    def rename(other: Other) -> None:
        user = other.get_user("usr_new")
        assert user is not None
        other.update_user(user, name="Renamed")

    meanwhile(rename)
    created = storage.create_user(NewUser(id="usr_new", email="new@example.com", name="New"))
    assert created.id == "usr_new"
    found = storage.get_user("usr_new")
    assert found is not None
    assert (found.name, found.version) == ("Renamed", 2)


def test_a_user_deleted_meanwhile_is_not_created_again(storage: DynamoDbHandle, meanwhile: Meanwhile) -> None:
    """Created, deleted by another, retried: the creation succeeded, and nothing is left of it."""
    meanwhile(lambda other: other.delete_user("usr_new"))
    storage.create_user(NewUser(id="usr_new", email="new@example.com"))
    assert storage.get_user("usr_new") is None
    assert storage.get_user_by_email("new@example.com") is None


def test_an_update_is_told_although_another_followed(
    world: World, storage: DynamoDbHandle, meanwhile: Meanwhile
) -> None:
    """Updated, updated by another, retried: success, no conflict, and the other's change stays."""

    def rename(other: Other) -> None:
        user = other.get_user("usr_ada")
        assert user is not None
        other.update_user(user, name="Later")

    meanwhile(rename)
    after = storage.update_user(world.known.ada, name="Earlier", metadata={"mine": True})
    assert after.name == "Earlier"
    found = storage.get_user("usr_ada")
    assert found is not None
    assert (found.name, found.metadata) == ("Later", {"mine": True})


def test_a_password_set_later_stays(storage: DynamoDbHandle, meanwhile: Meanwhile) -> None:
    """Set, set by another, retried: the later hash is stored."""
    meanwhile(lambda other: other.set_password_hash("usr_ada", HASH + "later"))
    storage.set_password_hash("usr_ada", OTHER_HASH)
    assert storage.get_password_hash("usr_ada") == HASH + "later"


def test_a_reset_is_told_although_the_user_signed_out_everywhere_since(
    world: World, storage: DynamoDbHandle, meanwhile: Meanwhile
) -> None:
    """Reset, another change, retried: the reset succeeded."""
    meanwhile(lambda other: other.delete_sessions_for_user("usr_ada"))
    assert storage.complete_password_reset(world.known.reset, OTHER_HASH) is not None
    assert storage.get_password_hash("usr_ada") == OTHER_HASH


def test_a_link_removed_meanwhile_stays_removed(storage: DynamoDbHandle, meanwhile: Meanwhile) -> None:
    """Linked, unlinked by another, retried: success, and it is not linked again."""
    meanwhile(lambda other: other.unlink_oauth_account("usr_ada", "github", "ada"))
    account = storage.link_oauth_account("usr_ada", NewOAuthAccount(provider="github", subject="ada"))
    assert account.user_id == "usr_ada"
    assert storage.get_oauth_account_by_provider_and_subject("github", "ada") is None


def test_what_was_completed_is_told_although_all_sessions_were_ended_since(
    world: World, storage: DynamoDbHandle, meanwhile: Meanwhile
) -> None:
    """Linked, or a passkey added, then the user signed out everywhere, retried: the write succeeded in time."""
    epoch = world.known.ada.session_epoch
    account = NewOAuthAccount(provider="github", subject="ada")
    meanwhile(lambda other: other.delete_sessions_for_user("usr_ada"))
    assert (storage.link_oauth_account("usr_ada", account, session_epoch=epoch)).user_id == "usr_ada"
    assert storage.get_oauth_account_by_provider_and_subject("github", "ada") is not None
    meanwhile(lambda other: other.delete_sessions_for_user("usr_ada"))
    new = NewPasskey(user_id="usr_ada", credential_id=b"new", public_key=b"key")
    assert (storage.add_passkey(new, session_epoch=epoch + 1)).credential_id == b"new"
    assert storage.get_passkey(b"new") is not None


def test_an_account_unlinked_may_be_linked_by_another_at_once(storage: DynamoDbHandle, meanwhile: Meanwhile) -> None:
    """Unlinked, linked by another user, retried: the unlinking succeeded, and the other user keeps the account."""
    meanwhile(lambda other: other.link_oauth_account("usr_eve", NewOAuthAccount(provider="google", subject="ada")))
    assert storage.unlink_oauth_account("usr_ada", "google", "ada")
    user = storage.get_user_by_provider_and_subject("google", "ada")
    assert user is not None
    assert user.id == "usr_eve"


def test_a_passkeys_use_is_not_taken_for_a_clone(storage: DynamoDbHandle, meanwhile: Meanwhile) -> None:
    """Used, used again with a higher count, retried: no ClonedAuthenticator, and the higher count stays."""
    meanwhile(lambda other: other.update_passkey_use("usr_ada", ADA, sign_count=9))
    passkey = storage.update_passkey_use("usr_ada", ADA, sign_count=6)
    assert passkey is not None
    assert passkey.sign_count == 9


def test_a_user_created_anew_is_not_deleted(storage: DynamoDbHandle, meanwhile: Meanwhile) -> None:
    """Deleted, created again under the same id, retried: the deletion succeeded, and the new user stays."""
    meanwhile(lambda other: other.create_user(NewUser(id="usr_ada", email=ADDRESS)))
    assert storage.delete_user("usr_ada")
    assert storage.get_user("usr_ada") is not None


def test_a_session_deleted_by_id_is_told(world: World, storage: DynamoDbHandle, meanwhile: Meanwhile) -> None:
    """Deleted, checked by another, retried: the session existed, and this call ended it."""
    gotten: list[object] = []
    meanwhile(lambda other: gotten.append(other.delete_session_by_id("usr_ada", world.known.session_id)))
    assert storage.delete_session_by_id("usr_ada", world.known.session_id)
    assert gotten == [False]


def test_a_failure_recorded_before_a_lock_is_kept(world: World, storage: DynamoDbHandle, meanwhile: Meanwhile) -> None:
    """Recorded, the account locked (which keeps its audit), retried: the row is still kept."""
    meanwhile(lambda other: other.set_locked_at("usr_ada", world.clock()))
    storage.record_failed_attempt(ADDRESS, world.known.attempt_id)
    world.clock.advance(timedelta(days=30))
    try:
        assert len(storage.list_failed_attempts(ADDRESS)) == 2
    finally:
        world.clock.advance(-timedelta(days=30))


@pytest.mark.parametrize("others", [1, 2, 3])
def test_a_recovery_code_recognises_its_use_behind_others(
    storage: DynamoDbHandle, meanwhile: Meanwhile, others: int
) -> None:
    """Used, up to three other codes used, retried: this call used its code up, and nobody can use it again."""
    codes = [f"code-{number}" for number in range(5)]
    storage.set_recovery_codes("usr_ada", codes)
    told: list[bool] = []

    def use(other: Other) -> None:
        told.append(other.use_recovery_code("usr_ada", codes[0]))
        told.extend(other.use_recovery_code("usr_ada", code) for code in codes[1 : others + 1])

    meanwhile(use)
    assert storage.use_recovery_code("usr_ada", codes[0])
    assert told == [False, *[True] * others]
    [left, _] = storage.list_factors_for_user("usr_ada")
    assert left.codes_left == 4 - others


def test_a_recovery_code_recognises_its_use_although_the_codes_were_replaced(
    storage: DynamoDbHandle, meanwhile: Meanwhile
) -> None:
    """Used, all codes replaced, retried: this call used its code up, and the new codes are untouched."""
    meanwhile(lambda other: other.set_recovery_codes("usr_ada", ["new-1", "new-2"]))
    assert storage.use_recovery_code("usr_ada", "mark-1")
    [codes, _] = storage.list_factors_for_user("usr_ada")
    assert (codes.marks, codes.last_used_at) == (frozenset({"new-1", "new-2"}), None)


@pytest.mark.parametrize("others", [1, 2, 3])
def test_an_accepted_step_recognises_itself_behind_others(
    storage: DynamoDbHandle, meanwhile: Meanwhile, others: int
) -> None:
    """Accepted, later steps accepted, retried: the step was accepted once, for this call."""
    told: list[bool] = []

    def accept(other: Other) -> None:
        told.append(other.accept_totp_step("usr_ada", "app", 101))
        told.extend(other.accept_totp_step("usr_ada", "app", 102 + later) for later in range(others))

    meanwhile(accept)
    assert storage.accept_totp_step("usr_ada", "app", 101)
    assert told == [False, *[True] * others]
    [_, app] = storage.list_factors_for_user("usr_ada")
    assert app.last_step == 101 + others


def test_a_factor_removed_while_it_is_used_stays_removed(storage: DynamoDbHandle, meanwhile: Meanwhile) -> None:
    """A step accepted, or a code used, all factors removed, retried: nothing comes back."""
    uses: list[Callable[[], object]] = [
        lambda: storage.accept_totp_step("usr_ada", "app", 101),
        lambda: storage.use_recovery_code("usr_ada", "mark-1"),
    ]
    for use in uses:
        storage.add_factor(replace(APP, id="app"))
        storage.set_recovery_codes("usr_ada", ["mark-1"])
        meanwhile(lambda other: other.remove_factors_for_user("usr_ada"))
        use()
        assert storage.list_factors_for_user("usr_ada") == []


def test_a_factor_sealed_anew_is_told_although_it_was_removed_since(
    world: World, storage: DynamoDbHandle, meanwhile: Meanwhile
) -> None:
    """Sealed anew, removed, retried: it was sealed anew, and it stays removed."""
    meanwhile(lambda other: other.remove_factor("usr_ada", "app"))
    assert storage.reseal_factor(world.known.app, b"sealed anew")
    assert storage.list_factors_for_user("usr_ada") == []


def test_a_factor_removed_meanwhile_is_not_added_again(storage: DynamoDbHandle, meanwhile: Meanwhile) -> None:
    """Added, removed by another, retried: it was added, and it stays removed."""
    meanwhile(lambda other: other.remove_factor("usr_ada", "new"))
    assert (storage.add_factor(APP)).id == "new"
    assert "new" not in {factor.id for factor in storage.list_factors_for_user("usr_ada")}


def test_a_factor_added_meanwhile_is_not_removed(storage: DynamoDbHandle, meanwhile: Meanwhile) -> None:
    """All removed, one added by another, retried: the removal succeeded, and the new factor stays."""
    meanwhile(lambda other: other.add_factor(APP))
    assert storage.remove_factors_for_user("usr_ada")
    assert [factor.id for factor in storage.list_factors_for_user("usr_ada")] == ["new"]


def test_recovery_codes_made_later_stay(storage: DynamoDbHandle, meanwhile: Meanwhile) -> None:
    """Replaced, replaced by another, retried: the later codes are stored."""
    meanwhile(lambda other: other.set_recovery_codes("usr_ada", ["later"]))
    storage.set_recovery_codes("usr_ada", ["earlier"])
    [codes, _] = storage.list_factors_for_user("usr_ada")
    assert codes.marks == {"later"}


def test_a_code_recognises_its_use_behind_others(world: World, storage: DynamoDbHandle, meanwhile: Meanwhile) -> None:
    """Used, tried by others until no try is left, retried: this call gets what it proves, and nobody else."""
    told: list[object] = []

    def guess(other: Other) -> None:
        told.append(other.try_code(world.known.flow, CODE, purpose="magic_link"))
        told.extend(other.try_code(world.known.flow, f"{wrong:08d}", purpose="magic_link") for wrong in range(5))

    meanwhile(guess)
    found = storage.try_code(world.known.flow, CODE, purpose="magic_link")
    assert found is not None
    assert told == [None] * 6


def test_a_wrong_code_counts_once_though_its_response_is_lost(
    world: World, storage: DynamoDbHandle, meanwhile: Meanwhile
) -> None:
    """A wrong code, tried again, and three others: the right one still passes at the fifth try."""

    def guess(other: Other) -> None:
        for wrong in range(3):
            other.try_code(world.known.flow, f"{wrong:08d}", purpose="magic_link")

    meanwhile(guess)
    assert storage.try_code(world.known.flow, "76543210", purpose="magic_link") is None
    assert storage.try_code(world.known.flow, CODE, purpose="magic_link") is not None
