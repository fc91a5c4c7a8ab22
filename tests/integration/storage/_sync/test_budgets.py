# Generated from tests/integration/storage/_async/test_budgets.py by tools/unasync.py. Do not edit.

"""What each operation of the contract costs: requests, dependent round trips, read and write units.

The numbers are exact, on Dynoxide, from what was sent and what the engine reports as consumed. Write units include
those of global secondary indexes. Dynoxide counts an index inside a transaction once; AWS was not tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from inspect import iscoroutinefunction
from threading import Lock
from typing import Any

import pytest
from pyotp.totp import TOTP

from torii_dynamodb._calls import CallRecord
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.services.torii import Torii
from torii_dynamodb._sync.storage.handle import DynamoDbHandle
from torii_dynamodb._sync.tables import Tables
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import (
    LockoutPolicy,
    NewFactor,
    NewOAuthAccount,
    NewPasskey,
    NewPasskeyChallenge,
    NewSession,
    NewToken,
    NewUser,
    Session,
    Token,
    User,
)
from torii_dynamodb.second_factor import SecondFactorChallenge
from torii_dynamodb.testing import FakeClock
from torii_dynamodb.testing._conformance.importing import new_import

HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2g"


# On one event loop it is certain which requests overlap; with threads it is not. Both twins are the same code, so
# rounds are asserted only in the asynchronous one.
EXACT_ROUNDS = iscoroutinefunction(Client.call)


@dataclass(frozen=True)
class Cost:
    """A measured or expected cost: requests, sequential round trips, read units, write units."""

    requests: int
    rounds: int = field(compare=EXACT_ROUNDS)
    read: float
    write: float


class PlainHasher:
    """Hashes nothing, because only the storage's work is counted."""

    def hash(self, password: str) -> str:
        """Return the password itself in the format of a hash."""
        return f"$plain$0000000000${password.encode().hex()}"

    def verify(self, password_hash: str, password: str) -> bool:
        """Return whether they match."""
        return password_hash == self.hash(password)

    def needs_rehash(self, password_hash: str) -> bool:
        """Return False."""
        del password_hash
        return False


class Meter:
    """Wraps the transport and counts requests and how many waited for one another."""

    def __init__(self, transport: Any, records: list[CallRecord]) -> None:
        self._transport = transport
        self._records = records
        self._lock = Lock()
        self._done = 0
        self.requests = 0
        self.rounds = 0

    def __call__(self, request: Any, timeout: float, fresh: bool = False) -> Any:
        with self._lock:
            self.requests += 1
            depth = self._done + 1
        response = self._transport(request, timeout, fresh)
        with self._lock:
            self._done = max(self._done, depth)
            self.rounds = max(self.rounds, depth)
        return response

    def close(self) -> None:
        self._transport.close()

    def cost(self, act: Callable[[], object]) -> Cost:
        """Measure one call."""
        self._done = self.requests = self.rounds = 0
        self._records.clear()
        act()
        read = sum(record.read_units for record in self._records)
        write = sum(record.write_units for record in self._records)
        return Cost(self.requests, self.rounds, read, write)


class World:
    """A storage with one user, who has one of everything."""

    storage: DynamoDbHandle
    torii: Torii
    meter: Meter
    user: User
    session: Session
    flow: str

    def __init__(self, config: DynamoDbConfig) -> None:
        self.config = config

    @property
    def later(self) -> Any:
        return self.config.clock() + timedelta(hours=1)

    def settle(self) -> None:
        """Create the user with one of everything."""
        storage = self.storage
        self.user = storage.create_user(NewUser(email="ada@example.com", name="Ada"), password_hash=HASH)
        storage.link_oauth_account(self.user.id, NewOAuthAccount(provider="google", subject="1"))
        storage.add_passkey(NewPasskey(user_id=self.user.id, credential_id=b"one", public_key=b"key"))
        self.refresh()

    def refresh(self) -> None:
        """Read the user again."""
        user = self.storage.get_user(self.user.id)
        assert user is not None
        self.user = user

    def token(self, purpose: str = "magic_link") -> Token:
        """Create a one-time token for the user."""
        return self.storage.create_token(
            NewToken(purpose=purpose, user_id=self.user.id, expires_at=self.later), user=self.user
        )

    def new_session(self) -> Session:
        """Create a session for the user."""
        return self.storage.create_session(NewSession(user_id=self.user.id, expires_at=self.later), user=self.user)


@contextmanager
def a_world(engine: LocalEngine, prefix: str, *, tenant: str | None = None, **options: Any) -> Iterator[World]:
    """Open a world on tables of its own, with the meter in place; its storage is a tenant's, if one is named."""
    records: list[CallRecord] = []
    config = engine.config(table_prefix=prefix, on_call=records.append, session_cleanup="off", **options)
    client = Client(config)
    Tables(client, config).ensure()
    world = World(config)
    world.meter = Meter(client._transport, records)
    client._transport = world.meter
    with DynamoDbHandle(client, config) as storage:
        world.storage = storage if tenant is None else storage.tenant(tenant)
        world.torii = Torii(world.storage, hasher=PlainHasher())
        world.settle()
        yield world


Step = Callable[[World], object]


def nothing(world: World) -> object:
    """Prepare nothing."""
    return world


def make_session(world: World) -> object:
    """Create a session and keep it on the world."""
    world.session = world.new_session()
    return world


def grace(world: World) -> object:
    """Create a second user, with a password that the plain hasher can verify."""
    return world.torii.password.register("grace@example.com", "correct horse battery")


def register_token(world: World, purpose: str) -> str:
    """Create a one-time token and return its text."""
    token = world.token(purpose)
    assert token.token
    return token.token


def register(world: World) -> object:
    return world.torii.password.register("alan@example.com", "correct horse battery")


def import_user(world: World) -> object:
    # A user with two accounts, a passkey and an authenticator app: six items, and the index.
    one = new_import(FakeClock(world.config.clock()))
    other = replace(one.accounts[0], provider="apple")
    _, created = world.storage.import_user(replace(one, accounts=(*one.accounts, other)))
    assert created
    return world


def sign_in(world: World) -> object:
    return world.torii.password.authenticate("grace@example.com", "correct horse battery")


def create_session(world: World) -> object:
    return world.new_session()


def create_session_reading(world: World) -> object:
    return world.storage.create_session(NewSession(user_id=world.user.id, expires_at=world.later))


def check_session(world: World) -> object:
    found = world.storage.get_signed_in(world.session.token)
    assert found == (world.user, world.session)
    return found


def check_session_eventually(world: World) -> object:
    found = world.storage.get_signed_in(world.session.token, consistent=False)
    assert found is not None
    return found


def check_session_by_id(world: World) -> object:
    found = world.storage.get_signed_in_by_id(world.user.id, world.session.id)
    assert found == (world.user, replace(world.session, token=""))
    return found


def check_garbage(world: World) -> object:
    assert world.storage.get_signed_in("torii_s1_forged.token") is None
    return world


def refresh_session(world: World) -> object:
    ends = world.later + timedelta(hours=1)
    assert world.storage.refresh_session(world.session.token, expires_at=ends) is not None
    return ends


def sign_out(world: World) -> object:
    world.storage.delete_session(world.session.token)
    return world


def end_device(world: World) -> object:
    assert world.storage.delete_session_by_id(world.user.id, world.session.id)
    return world


def sign_out_everywhere(world: World) -> object:
    assert world.storage.delete_sessions_for_user(world.user.id) is not None
    return world


def list_sessions(world: World) -> object:
    assert len(world.storage.list_sessions_for_user(world.user.id)) == 1
    return world


def set_password(world: World) -> object:
    return world.storage.set_password_hash(world.user.id, HASH, user=world.user)


def set_password_reading(world: World) -> object:
    return world.storage.set_password_hash(world.user.id, HASH)


def change_password(world: World) -> object:
    credentials = world.storage.get_credentials_by_email(world.user.email)
    assert credentials is not None
    return world.storage.set_password_hash(
        world.user.id, HASH, expected_version=credentials.password_version, user=world.user
    )


def rehash(world: World) -> object:
    assert world.storage.rehash_password(world.user.id, email=world.user.email, old_hash=HASH, new_hash=HASH)
    return world


def remove_password(world: World) -> object:
    assert world.storage.remove_password_hash(world.user.id)
    return world


def get_hash(world: World) -> object:
    assert world.storage.get_password_hash(world.user.id) == HASH
    return world


def get_credentials(world: World) -> object:
    return world.storage.get_credentials_by_email("ada@example.com")


def get_user(world: World) -> object:
    return world.storage.get_user(world.user.id)


def by_email(world: World) -> object:
    assert world.storage.get_user_by_email("Ada@example.com") == world.user
    return world


def by_email_eventually(world: World) -> object:
    assert world.storage.get_user_by_email("Ada@example.com", consistent=False) == world.user
    return world


def rename(world: World) -> object:
    return world.storage.update_user(world.user, name="Augusta Ada")


def change_email(world: World) -> object:
    return world.storage.update_user(world.user, email="countess@example.com")


def verify_email(world: World) -> object:
    return world.storage.mark_email_verified(world.user.id, email="ada@example.com")


def batch_of_250(world: World) -> object:
    ids = [world.user.id, *(f"nobody{number}" for number in range(249))]
    users = world.storage.batch_get_users(ids)
    assert users == [world.user] + [None] * 249
    return users


def page_of_users(world: World) -> object:
    return world.storage.list_users(limit=10)


def delete_user(world: World) -> object:
    assert world.storage.delete_user(world.user.id)
    return world


def oauth_sign_in(world: World) -> object:
    user = world.storage.get_user_by_provider_and_subject("google", "1")
    assert user is not None
    return world.torii.create_session(user)


def oauth_sign_up(world: World) -> object:
    return world.storage.create_oauth_account(
        NewUser(email="alan@example.com"), NewOAuthAccount(provider="google", subject="2")
    )


def link(world: World) -> object:
    return world.storage.link_oauth_account(world.user.id, NewOAuthAccount(provider="github", subject="1"))


def unlink(world: World) -> object:
    assert world.storage.unlink_oauth_account(world.user.id, "google", "1")
    return world


def list_accounts(world: World) -> object:
    assert len(world.storage.list_oauth_accounts_for_user(world.user.id)) == 1
    return world


def get_account(world: World) -> object:
    return world.storage.get_oauth_account_by_provider_and_subject("google", "1")


def update_account(world: World) -> object:
    return world.storage.update_oauth_account(world.user.id, "google", "1", email="ada@gmail.example")


def store_verifier(world: World) -> object:
    world.storage.store_pkce_verifier("s" * 32, "v" * 43, expires_at=world.later)
    return world


def get_verifier(world: World) -> object:
    assert world.storage.get_pkce_verifier("s" * 32) is not None
    return world


def consume_verifier(world: World) -> object:
    assert world.storage.consume_pkce_verifier("s" * 32) is not None
    return world


def add_passkey(world: World) -> object:
    return world.storage.add_passkey(NewPasskey(user_id=world.user.id, credential_id=b"two", public_key=b"key"))


def get_passkey(world: World) -> object:
    return world.storage.get_passkey(b"one")


def list_passkeys(world: World) -> object:
    assert len(world.storage.list_passkeys_for_user(world.user.id)) == 1
    return world


def rename_passkey(world: World) -> object:
    return world.storage.rename_passkey(world.user.id, b"one", "Laptop")


def use_passkey(world: World) -> object:
    return world.storage.update_passkey_use(world.user.id, b"one", sign_count=1, backup_eligible=True, backed_up=True)


def delete_passkey(world: World) -> object:
    assert world.storage.delete_passkey(world.user.id, b"one")
    return world


def delete_passkeys(world: World) -> object:
    assert world.storage.delete_passkeys_for_user(world.user.id) == 1
    return world


def store_challenge(world: World) -> object:
    world.storage.store_passkey_challenge(
        NewPasskeyChallenge(challenge=b"c" * 32, kind="registration", expires_at=world.later)
    )
    return world


def consume_challenge(world: World) -> object:
    assert world.storage.consume_passkey_challenge(b"c" * 32, kind="registration") is not None
    return world


def issue_token(world: World) -> object:
    return world.token()


def issue_token_reading(world: World) -> object:
    return world.storage.create_token(NewToken(purpose="magic_link", user_id=world.user.id, expires_at=world.later))


def issue_token_for_nobody(world: World) -> object:
    return world.storage.create_token(NewToken(purpose="magic_link", email="new@example.com", expires_at=world.later))


def issue_only_token(world: World) -> object:
    return world.storage.create_token(
        NewToken(purpose="magic_link", user_id=world.user.id, expires_at=world.later, revoke_earlier=True),
        user=world.user,
    )


def factors(world: World) -> object:
    """An authenticator app and recovery codes."""
    world.storage.add_factor(NewFactor(user_id=world.user.id, id="app", secret=b"s" * 80, last_step=1))
    world.storage.set_recovery_codes(world.user.id, [f"{number:060d}" for number in range(10)])
    world.refresh()
    return world


def replaced_codes(world: World) -> object:
    """Recovery codes made after others were used: the item remembers the last uses."""
    factors(world)
    for number in range(5):
        assert world.storage.use_recovery_code(world.user.id, f"{number:060d}")
    return set_codes(world)


def code(world: World) -> object:
    """A code from a mail, its flow token kept on the world."""
    new = NewToken(purpose="magic_link", user_id=world.user.id, expires_at=world.later)
    world.flow = (world.storage.create_code(new, "01234567", user=world.user)).token
    return world


def add_factor(world: World) -> object:
    return world.storage.add_factor(NewFactor(user_id=world.user.id, id="phone", secret=b"s" * 80, last_step=1))


def get_factor(world: World) -> object:
    assert world.storage.get_factor(world.user.id, "recovery") is not None
    return world


def list_factors(world: World) -> object:
    assert len(world.storage.list_factors_for_user(world.user.id, user=world.user)) == 2
    return world


def list_factors_reading(world: World) -> object:
    assert len(world.storage.list_factors_for_user(world.user.id)) == 2
    return world


def list_no_factors(world: World) -> object:
    assert world.storage.list_factors_for_user(world.user.id, user=world.user) == []
    return world


def remove_factor(world: World) -> object:
    assert world.storage.remove_factor(world.user.id, "recovery")
    return world


def remove_factors(world: World) -> object:
    assert world.storage.remove_factors_for_user(world.user.id)
    return world


def use_passkeys(world: World) -> object:
    assert world.storage.use_passkeys_as_factor(world.user.id, True)
    return world


def accept_step(world: World) -> object:
    assert world.storage.accept_totp_step(world.user.id, "app", 2)
    return world


def set_codes(world: World) -> object:
    return world.storage.set_recovery_codes(world.user.id, [f"{number:060d}" for number in range(10)])


def use_recovery(world: World) -> object:
    assert world.storage.use_recovery_code(world.user.id, f"{7:060d}")
    return world


def list_and_reseal(world: World) -> object:
    [_, app] = world.storage.list_factors_for_user(world.user.id, user=world.user)
    assert world.storage.reseal_factor(app, b"t" * 80)
    return world


def invite(world: World) -> object:
    new = NewToken(purpose="invite", user_id=world.user.id, expires_at=world.later, revoke_earlier=True)
    return world.storage.create_token(new)


def latest_token(world: World) -> object:
    user = world.storage.get_user(world.user.id, consistent=True)
    return world.storage.get_latest_token(world.user.id, purpose="invite", user=user)


def no_latest_token(world: World) -> object:
    return world.storage.get_latest_token(world.user.id, purpose="invite", user=world.user)


def revoke_latest_token(world: World) -> object:
    assert world.storage.revoke_latest_token(world.user.id, purpose="invite")
    return world


def issue_code(world: World) -> object:
    return code(world)


def issue_code_reading(world: World) -> object:
    new = NewToken(purpose="magic_link", user_id=world.user.id, expires_at=world.later)
    return world.storage.create_code(new, "01234567")


def try_code(world: World) -> object:
    assert world.storage.try_code(world.flow, "01234567", purpose="magic_link") is not None
    return world


def try_wrong_code(world: World) -> object:
    assert world.storage.try_code(world.flow, "76543210", purpose="magic_link") is None
    return world


def try_no_code(world: World) -> object:
    assert world.storage.try_code(world.flow, "0123456", purpose="magic_link") is None
    return world


def acquire(world: World) -> object:
    assert (world.storage.acquire_login_attempt("ada@example.com")).allowed
    return world


def acquire_refused(world: World) -> object:
    result = world.storage.acquire_login_attempt("ada@example.com", policy=LockoutPolicy(max_attempts=1))
    assert not result.allowed
    return world


def acquire_ip(world: World) -> object:
    return world.storage.acquire_attempt("ip", "192.0.2.1")


def acquire_and_clear_ip(world: World) -> object:
    taken = world.storage.acquire_attempt("ip", "192.0.2.1")
    world.storage.clear_attempt("ip", "192.0.2.1", attempt_id=taken.attempt_id)
    return world


def lockout_status(world: World) -> object:
    return world.storage.get_lockout_status("ada@example.com")


def clear(world: World) -> object:
    world.storage.clear_attempts("ada@example.com")
    return world


def record_failure(world: World) -> object:
    world.storage.record_failed_attempt("nobody@example.com", "1700000000000#0123456789abcdef")
    return world


def list_failures(world: World) -> object:
    return world.storage.list_failed_attempts("ada@example.com")


def get_lock(world: World) -> object:
    return world.storage.get_locked_at(world.user.id)


def lock(world: World) -> object:
    return world.storage.set_locked_at(world.user.id, world.config.clock())


def health(world: World) -> object:
    assert (world.storage.health_check()).healthy
    return world


def clean_up(world: World) -> object:
    assert world.storage.cleanup() == 0
    return world


BUDGETS: list[tuple[Step, Step, Cost]] = [
    # Preparation, operation, and requests / round trips / read units / write units (indexes included).
    (nothing, register, Cost(1, 1, 0, 5)),
    (nothing, import_user, Cost(1, 1, 0, 13)),
    (grace, sign_in, Cost(5, 3, 2, 4)),
    (nothing, create_session, Cost(1, 1, 0, 2)),
    (nothing, create_session_reading, Cost(2, 2, 1, 2)),
    (make_session, check_session, Cost(1, 1, 2, 0)),
    (make_session, check_session_eventually, Cost(1, 1, 1, 0)),
    (make_session, check_session_by_id, Cost(1, 1, 2, 0)),
    (nothing, check_garbage, Cost(0, 0, 0, 0)),
    (make_session, refresh_session, Cost(1, 1, 0, 3)),
    (make_session, sign_out, Cost(1, 1, 0, 2)),
    (make_session, end_device, Cost(1, 1, 0, 3)),
    (make_session, sign_out_everywhere, Cost(1, 1, 0, 2)),
    (make_session, list_sessions, Cost(2, 1, 1.5, 0)),
    (nothing, set_password, Cost(1, 1, 0, 5)),
    (nothing, set_password_reading, Cost(2, 2, 1, 5)),
    (nothing, change_password, Cost(2, 2, 1, 5)),
    (nothing, rehash, Cost(1, 1, 0, 2)),
    (nothing, remove_password, Cost(2, 2, 1, 5)),
    (nothing, get_hash, Cost(2, 2, 2, 0)),
    (nothing, get_credentials, Cost(1, 1, 1, 0)),
    (nothing, get_user, Cost(1, 1, 1, 0)),
    (nothing, by_email, Cost(2, 2, 2, 0)),
    (nothing, by_email_eventually, Cost(1, 1, 0.5, 0)),
    (nothing, rename, Cost(1, 1, 0, 3)),
    (nothing, change_email, Cost(2, 2, 1, 8)),
    (nothing, verify_email, Cost(2, 2, 1, 3)),
    (nothing, batch_of_250, Cost(3, 1, 250, 0)),
    (nothing, page_of_users, Cost(1, 1, 1, 0)),
    (nothing, delete_user, Cost(2, 2, 1, 9)),
    (nothing, oauth_sign_in, Cost(3, 3, 2, 2)),
    (nothing, oauth_sign_up, Cost(1, 1, 0, 7)),
    (nothing, link, Cost(1, 1, 0, 5)),
    (nothing, unlink, Cost(1, 1, 0, 5)),
    (nothing, list_accounts, Cost(2, 2, 2, 0)),
    (nothing, get_account, Cost(1, 1, 1, 0)),
    (nothing, update_account, Cost(2, 2, 1, 2)),
    (nothing, store_verifier, Cost(1, 1, 0, 1)),
    (store_verifier, get_verifier, Cost(1, 1, 1, 0)),
    (store_verifier, consume_verifier, Cost(1, 1, 0, 1)),
    (nothing, add_passkey, Cost(1, 1, 0, 5)),
    (nothing, get_passkey, Cost(1, 1, 1, 0)),
    (nothing, list_passkeys, Cost(2, 2, 2, 0)),
    (nothing, rename_passkey, Cost(2, 2, 1, 2)),
    (nothing, use_passkey, Cost(2, 2, 1, 2)),
    (nothing, delete_passkey, Cost(1, 1, 0, 5)),
    (nothing, delete_passkeys, Cost(2, 2, 1, 5)),
    (nothing, store_challenge, Cost(1, 1, 0, 1)),
    (store_challenge, consume_challenge, Cost(1, 1, 0, 1)),
    (nothing, issue_token, Cost(1, 1, 0, 1)),
    (nothing, issue_token_reading, Cost(2, 2, 1, 1)),
    (nothing, issue_token_for_nobody, Cost(1, 1, 0, 1)),
    (nothing, issue_only_token, Cost(1, 1, 0, 5)),
    (nothing, add_factor, Cost(2, 2, 1, 5)),
    (factors, list_factors, Cost(1, 1, 2, 0)),
    (factors, list_factors_reading, Cost(2, 2, 3, 0)),
    (nothing, list_no_factors, Cost(0, 0, 0, 0)),
    (factors, get_factor, Cost(1, 1, 1, 0)),
    (factors, remove_factor, Cost(2, 2, 1, 5)),
    (factors, remove_factors, Cost(2, 2, 1, 7)),
    (nothing, use_passkeys, Cost(2, 2, 1, 3)),
    (factors, accept_step, Cost(1, 1, 0, 1)),
    (nothing, set_codes, Cost(2, 2, 1, 5)),
    (replaced_codes, use_recovery, Cost(1, 1, 0, 1)),
    (factors, list_and_reseal, Cost(2, 2, 2, 2)),
    (invite, latest_token, Cost(2, 2, 2, 0)),
    (nothing, no_latest_token, Cost(0, 0, 0, 0)),
    (invite, revoke_latest_token, Cost(2, 2, 1, 1)),
    (nothing, issue_code, Cost(1, 1, 0, 1)),
    (nothing, issue_code_reading, Cost(2, 2, 1, 1)),
    (code, try_code, Cost(2, 2, 1, 1)),
    (code, try_wrong_code, Cost(1, 1, 0, 1)),
    (code, try_no_code, Cost(0, 0, 0, 0)),
    (nothing, acquire, Cost(1, 1, 0, 1)),
    # DynamoDB charges for a refused write too, but its response does not say so.
    (acquire, acquire_refused, Cost(1, 1, 0, 0)),
    (nothing, acquire_ip, Cost(1, 1, 0, 1)),
    (nothing, acquire_and_clear_ip, Cost(2, 2, 0, 2)),
    (acquire, lockout_status, Cost(1, 1, 1, 0)),
    (acquire, clear, Cost(1, 1, 0, 2)),
    (nothing, record_failure, Cost(3, 3, 2, 1)),
    (record_failure, list_failures, Cost(1, 1, 1, 0)),
    (nothing, get_lock, Cost(1, 1, 1, 0)),
    (nothing, lock, Cost(3, 3, 2, 3)),
    (nothing, health, Cost(5, 1, 5, 0)),
    (nothing, clean_up, Cost(0, 0, 0, 0)),
]


@pytest.mark.parametrize(("prepare", "act", "budget"), BUDGETS, ids=[act.__name__ for _, act, _ in BUDGETS])
def test_an_operation_costs_its_budget(
    dynoxide: LocalEngine, table_prefix: str, prepare: Step, act: Step, budget: Cost
) -> None:
    """Each operation sends exactly its budget of requests and rounds, and consumes exactly its budget of units."""
    with a_world(dynoxide, table_prefix) as world:
        prepare(world)
        assert world.meter.cost(lambda: act(world)) == budget


@pytest.mark.parametrize("merge_reads", [True, False])
def test_consuming_a_token_reads_its_user_at_the_same_time(
    dynoxide: LocalEngine, table_prefix: str, merge_reads: bool
) -> None:
    """Verifying a user's token takes one round trip; checking it without using it up is one request."""
    with a_world(dynoxide, table_prefix, merge_reads=merge_reads) as world:
        text = register_token(world, "magic_link")
        check = world.meter.cost(lambda: world.storage.check_token(text, purpose="magic_link"))
        assert check == Cost(1, 1, 2, 0)
        verify = world.meter.cost(lambda: world.storage.verify_token(text, purpose="magic_link"))
        assert verify == Cost(2, 1, 1, 1)


def test_a_reset_is_one_transaction(dynoxide: LocalEngine, table_prefix: str) -> None:
    """Completing a reset reads token and user in one request and writes everything in another."""
    with a_world(dynoxide, table_prefix) as world:
        world.storage.mark_email_verified(world.user.id, email=world.user.email)
        world.refresh()
        text = register_token(world, "password_reset")
        cost = world.meter.cost(lambda: world.storage.complete_password_reset(text, HASH))
        assert cost == Cost(2, 2, 2, 7)


@pytest.mark.parametrize(
    ("how", "budget"),
    [
        ({}, Cost(2, 2, 2, 11)),
        ({"keep": True}, Cost(2, 2, 2, 5)),
        ({"password_hash": HASH}, Cost(2, 2, 2, 11)),
        ({"new_email": "new@example.com", "keep": True}, Cost(3, 3, 3, 10)),
        ({"new_email": "new@example.com"}, Cost(2, 2, 2, 14)),
    ],
    ids=str,
)
def test_a_proof_is_one_transaction(
    dynoxide: LocalEngine, table_prefix: str, how: dict[str, Any], budget: Cost
) -> None:
    """A proof reads token and user in one request and writes all in another; a claim that moves is read first."""
    with a_world(dynoxide, table_prefix) as world:
        world.refresh()
        text = register_token(world, "email_verification")
        assert world.meter.cost(lambda: world.storage.complete_email_proof(text, **how)) == budget


def test_a_second_factor_keeps_its_budget(dynoxide: LocalEngine, table_prefix: str) -> None:
    """What docs/second-factors.md says: a challenge instead of a session, four round trips, and step-up."""
    with a_world(dynoxide, table_prefix) as world:
        torii = Torii(world.storage, hasher=PlainHasher(), secret="s" * 43, clock=world.config.clock)
        grace(world)
        user = world.storage.get_user_by_email("grace@example.com")
        assert user is not None
        without = world.meter.cost(lambda: sign_in(world))
        assert without == Cost(5, 3, 2, 4)
        enrolment = torii.second_factor.begin_enrolment(user)
        app, now = TOTP(enrolment.secret), world.config.clock()
        enrolled = torii.second_factor.complete_enrolment(user, enrolment.token, app.at(now))
        begun: list[Any] = []

        def first() -> None:
            begun.append(torii.password.authenticate("grace@example.com", "correct horse battery"))

        assert world.meter.cost(first) == Cost(5, 3, 2, 3)
        [challenge] = begun
        assert isinstance(challenge, SecondFactorChallenge)
        code = app.at(now, counter_offset=1)

        def second() -> None:
            begun.append(torii.second_factor.complete(challenge.token, code, factor_id=enrolled.factor.id))

        assert world.meter.cost(second) == Cost(8, 4, 4, 6)
        again = enrolled.recovery_codes[0]
        assert world.meter.cost(lambda: torii.second_factor.step_up(begun[1], again)) == Cost(6, 5, 2, 8)


def test_opening_without_creating_asks_nothing(dynoxide: LocalEngine, table_prefix: str) -> None:
    """With create_tables=False no request is made before the first operation."""
    records: list[CallRecord] = []
    config = dynoxide.config(table_prefix=table_prefix, create_tables=False, on_call=records.append)
    client = Client(config)
    with DynamoDbHandle(client, config):
        assert records == []


def test_no_operation_of_a_person_touches_the_control_plane_or_scans(dynoxide: LocalEngine, table_prefix: str) -> None:
    """No operation on one user's behalf describes or scans a table (listing all users is for administrators)."""
    seen: set[str] = set()
    for number, (prepare, act, _) in enumerate(BUDGETS):
        if act is page_of_users:
            continue
        with a_world(dynoxide, f"{table_prefix}-{number}") as world:
            world.meter._records.clear()
            prepare(world)
            act(world)
            seen |= {record.operation for record in world.meter._records}
    single = {"DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem"}
    assert seen <= single | {"BatchGetItem", "BatchWriteItem", "TransactWriteItems"}
