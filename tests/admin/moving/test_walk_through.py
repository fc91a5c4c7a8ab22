"""The whole way of the users of each sample: import, sign-in with the old password, re-hash, sign-in again."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha512
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pyotp.hotp import HOTP
from tests.admin.moving.expected import SAMPLES, Sample, password_of, sample
from tests.services._sync.support import SECRET, Setting
from tests.services.authenticator import ORIGIN, RP_ID, Authenticator, b64
from typer.testing import CliRunner

from torii_dynamodb import DynamoDbStorage, SecondFactorChallenge, SignedIn, User, hashes
from torii_dynamodb._rules.totp import PERIOD, seed_text
from torii_dynamodb._sync.secret_box import AesGcmBox
from torii_dynamodb._sync.storage.handle import DynamoDbHandle
from torii_dynamodb.admin.moving import RowOutcome, UserImportReport, import_users
from torii_dynamodb.cli.app import app
from torii_dynamodb.errors import AccountLocked, InvalidCredentials
from torii_dynamodb.hashes import ImportedHashes
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.passkeys import PasskeySettings
from torii_dynamodb.policies import Argon2Hasher
from torii_dynamodb.testing import FakeClock

NATIVE = Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1)
NATIVE_FORM = "$argon2id$v=19$m=64,t=1,p=1$"
SIGNER_KEY = b64encode(sha512(b"the signer key of an invented project").digest()).decode()


@pytest.fixture(autouse=True)
def _cheap_hashes_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make new hashes cheap; those of the other systems are as they are."""
    monkeypatch.setattr("torii_dynamodb._rules.imported_hashes.Argon2Hasher", lambda: NATIVE)


def stays_behind(known: set[str]) -> bool:
    """Whether a user is imported only if something may be given up."""
    return "unknown password" in known or any(fact.startswith("lost: ") for fact in known)


@pytest.mark.parametrize("one", SAMPLES, ids=str)
def test_walk_through(one: Sample, dynoxide: LocalEngine, table_prefix: str) -> None:
    """Everybody in the sample is imported as the dry run says, signs in as before, and gets a hash of ours by that."""
    clock = FakeClock()
    config = dynoxide.config(table_prefix=table_prefix, clock=clock, session_cleanup="off")
    with DynamoDbStorage.open(config) as storage:
        done = imported(storage, one)
        hasher = hasher_of(done)
        for name, known in one.users.items():
            walk(storage, services(storage, clock, hasher), one, name, known)


def imported(storage: DynamoDbHandle, one: Sample) -> UserImportReport:
    """Import a sample: without writing, as far as nothing is given up, all of it, and again."""
    box = AesGcmBox(SECRET)
    behind = sum(map(stays_behind, one.users.values()))
    told: list[RowOutcome] = []
    planned = import_users(storage, one.path, box=box, dry_run=True, tell=told.append)
    refused = {outcome.number: outcome for outcome in told if outcome.outcome == "refused"}
    for number, who, reason in one.refused:
        assert refused[number].who == who
        assert reason in (refused[number].reason or "")
    assert not storage.list_users().items
    some = import_users(storage, one.path, box=box)
    assert planned.format == some.format == one.format
    assert planned.refused == some.refused == len(one.refused) + behind
    assert planned.imported == some.imported == len(one.users) - behind
    done = import_users(storage, one.path, box=box, without_passwords=True, without_second_factors=True)
    assert (done.imported, done.present, done.refused) == (behind, some.imported, len(one.refused))
    again = import_users(storage, one.path, box=box, without_passwords=True, without_second_factors=True)
    assert (again.imported, again.present) == (0, len(one.users))
    return done


def hasher_of(done: UserImportReport) -> ImportedHashes | Argon2Hasher:
    """The hasher that the import says is needed."""
    if not done.hasher:
        return NATIVE
    said = done.hasher.removeprefix("hasher=").replace("signer_key=...", f"signer_key={SIGNER_KEY!r}")
    named = eval(said, {name: getattr(hashes, name) for name in hashes.__all__})
    assert isinstance(named, ImportedHashes)
    return named


def services(storage: DynamoDbHandle, clock: FakeClock, hasher: ImportedHashes | Argon2Hasher) -> Setting:
    """The application, with the same relying party for passkeys as the other system had."""
    passkeys = PasskeySettings(rp_id=RP_ID, rp_name="Example", origins=[ORIGIN])
    here = Setting(storage=storage, clock=clock, hasher=hasher, passkeys=passkeys)
    here.clock = clock
    return here


def walk(storage: DynamoDbHandle, here: Setting, one: Sample, name: str, known: set[str]) -> None:
    """Check that a user has come over, and sign in."""
    user = storage.get_user_by_email(f"{name}@example.com")
    assert user is not None
    assert user.is_email_verified is ("verified" in known)
    assert (user.locked_at is not None) is ("locked" in known)
    assert user.has_password is ("password" in known)
    assert any(factor.startswith("totp#") for factor in user.factors) is ("totp" in known)
    linked = {f"{account.provider}:{account.subject}" for account in storage.list_oauth_accounts_for_user(user.id)}
    assert linked == {fact for fact in known if ":" in fact and not fact.startswith("lost: ")}
    if "password" in known:
        sign_in(storage, here, one, name, user)
    if "passkey" in known:
        sign_in_with_passkey(here, one, name, user)


def sign_in(storage: DynamoDbHandle, here: Setting, one: Sample, name: str, user: User) -> None:
    """Sign in with the old password, and again where only our own hashes are known."""
    password = password_of(name)
    if user.locked_at is not None:
        with pytest.raises(AccountLocked):
            here.torii.password.authenticate(user.email, password)
        return
    before = storage.get_credentials_by_email(user.email)
    assert before is not None
    assert not (before.password_hash or "").startswith(NATIVE_FORM)
    with pytest.raises(InvalidCredentials):
        here.torii.password.authenticate(user.email, password.upper())
    for setting in (here, services(storage, here.clock, NATIVE)):
        result = setting.torii.password.authenticate(user.email, password)
        if name in one.seeds:
            assert isinstance(result, SecondFactorChallenge)
            setting.clock.advance(PERIOD)
            counter = int(setting.clock().timestamp()) // PERIOD
            code = HOTP(seed_text(one.seeds[name])).at(counter)
            result = setting.torii.second_factor.complete(result.token, code)
        assert isinstance(result, SignedIn)
        assert result.user.id == user.id
        after = storage.get_credentials_by_email(user.email)
        assert after is not None
        assert (after.password_hash or "").startswith(NATIVE_FORM)


def sign_in_with_passkey(here: Setting, one: Sample, name: str, user: User) -> None:
    """Sign in with the passkey of the other system."""
    number, credential_id, handle = one.passkeys[name]
    device = Authenticator()
    device.key = ec.derive_private_key(number, ec.SECP256R1())
    device.credential_id = credential_id
    device.user_handle = b64(handle.encode())
    passkeys = here.torii.passkeys
    result = passkeys.complete_sign_in(device.get(passkeys.begin_sign_in()))
    assert isinstance(result, SignedIn)
    assert result.user.id == user.id


def test_dry_run_on_the_command_line(dynoxide: LocalEngine, table_prefix: str, tmp_path: Path) -> None:
    """The dry run says line by line what would be refused and why, and what the application needs."""
    environment = {**dynoxide.environment, "TORII_TABLE_PREFIX": table_prefix}
    with DynamoDbStorage.open(dynoxide.config(table_prefix=table_prefix)) as storage:
        arguments = ["users", "import", str(sample("auth0-bulk.json").path), "--dry-run"]
        found = CliRunner().invoke(app, arguments, env=environment)
        assert found.exit_code == 1, found.output
        said = " ".join(found.output.split())
        assert "row 8 (zed): email: is missing; only users with an email address can be imported" in said
        assert "row 7 (yuri): second factors: phone cannot be moved" in said
        assert "8 rows (auth0): 4 would be imported, 0 there already, 4 refused." in said
        assert "Torii(storage, hasher=ImportedHashes([Argon2(" in said
        as_json = CliRunner().invoke(app, [*arguments, "--json"], env=environment)
        assert json.loads(as_json.stdout)["refused"] == 4
        assert not storage.list_users().items
        assert list(tmp_path.iterdir()) == []
