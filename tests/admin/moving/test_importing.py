"""Importing and exporting users on a real engine: what is refused, what an interruption leaves, and what comes back."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from torii_dynamodb import DynamoDbHandle, DynamoDbStorage, NewOAuthAccount, NewPasskey, NewUser, User
from torii_dynamodb._rules import totp
from torii_dynamodb._sync.secret_box import AesGcmBox
from torii_dynamodb.admin.control import Occupied
from torii_dynamodb.admin.moving import RowOutcome, UserImportReport, export_users, import_users, importing
from torii_dynamodb.admin.moving.exporting import ExportForm
from torii_dynamodb.admin.scanning import Pacer
from torii_dynamodb.cli.app import app
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import NewFactor
from torii_dynamodb.testing._conformance.users import NASTY_METADATA, same

SECRET, OTHER_SECRET = "an invented secret for tests, no. 1", "an invented secret for tests, no. 2"
SEED = b"an invented seed 20b"
SEED_TEXT = totp.seed_text(SEED)
BCRYPT = "$2b$04$abcdefghijklmnopqrstuuHJ/VrHeqVsSYbnPcXUWZVtJDFJq7HXa"
NATIVE = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2g"
FACTORS = "second factors"
SECRETS = (BCRYPT, SEED_TEXT, "hunter2", "d41d8cd98f00b204e9800998ecf8427e")


@pytest.fixture
def storage(dynoxide: LocalEngine, table_prefix: str) -> Iterator[DynamoDbHandle]:
    """The tables to import into."""
    with DynamoDbStorage.open(dynoxide.config(table_prefix=table_prefix)) as handle:
        yield handle


@pytest.fixture
def elsewhere(dynoxide: LocalEngine, table_prefix: str) -> Iterator[DynamoDbHandle]:
    """A tenant of the same tables, with no users."""
    with DynamoDbStorage.open(dynoxide.config(table_prefix=table_prefix)) as handle:
        yield handle.tenant("elsewhere")


def lines(path: Path, *rows: Any) -> Path:
    """Write a file of JSON lines; text is a line as it is."""
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def outcomes(report: UserImportReport) -> dict[str, int]:
    """The counts of a report."""
    return {"imported": report.imported, "present": report.present, "refused": report.refused}


# What each row of the file below has wrong with it, by the kind of refusal; None for one that is imported.
MIXED: list[tuple[Any, str | None]] = [
    ({"email": "ada@example.com", "password_hash": BCRYPT, "email_verified": True, "locked": True}, None),
    ({"email": "Ada@Example.com"}, "duplicate"),
    ({"email": "bob@example.com", "totp": [{"seed": SEED_TEXT}]}, FACTORS),
    # The first of the two was refused for its second factor: the other must not take the address without one.
    ({"email": "bob@example.com"}, "duplicate"),
    ({"email": "carol@example.com", "totp": [{"seed": SEED_TEXT, "digits": 8}]}, FACTORS),
    ({"email": "dan@example.com", "other_factors": ["sms"]}, FACTORS),
    ({"email": "erin@example.com", "password_hash": "hunter2"}, "password_hash"),
    ({"email": "frank@example.com", "password_hash": BCRYPT.replace("04", "31")}, "password_hash"),
    ({"email": "not an address"}, "email"),
    ({"id": "md5$salt$d41d8cd98f00b204e9800998ecf8427e"}, "unreadable"),
    ({"name": "Nobody"}, "unreadable"),
    ({"email": ["grace@example.com"]}, "unreadable"),
    ("{", "unreadable"),
    ('{"email": "x@example.com", "metadata": ' + '{"a":' * 50_000, "unreadable"),
    ({"email": "y@example.com", "name": "x" * 1_048_576}, "unreadable"),
    ({"email": "heidi@example.com", "metadata": {"blob": "x" * 500_000}}, "item_too_large"),
    (
        {"email": "ivan@example.com", "accounts": [{"provider": "p", "subject": str(n)} for n in range(90)]},
        "too_many_identities",
    ),
    ({"email": "judy@example.com", "accounts": [{"provider": "No", "subject": "1"}]}, "provider"),
    ({"email": "kim@example.com", "accounts": [{"provider": "google", "subject": "taken"}]}, "taken"),
    ({"email": "lea@example.com", "passkeys": [{"credential_id": "dGFrZW4", "public_key": "a2V5"}]}, "taken"),
    ({"email": "taken@example.com"}, "taken"),
    ({"id": "usr_taken", "email": "mia@example.com"}, "taken"),
    ({"id": "a|b", "email": "nina@example.com", "surname": "Berg"}, None),
    ({"email": "oleg@example.com", "created_at": "yesterday"}, "unreadable"),
]


def taken(storage: DynamoDbHandle) -> None:
    """Create a user who has what some rows of the file want."""
    user = storage.create_user(NewUser(id="usr_taken", email="taken@example.com"))
    storage.link_oauth_account(user.id, NewOAuthAccount(provider="google", subject="taken"))
    storage.add_passkey(NewPasskey(user_id=user.id, credential_id=b"taken", public_key=b"key"))


def test_a_dry_run_finds_what_the_import_refuses(storage: DynamoDbHandle, tmp_path: Path) -> None:
    """Row by row, a dry run says what the import does, and writes nothing; the import writes only what is accepted."""
    taken(storage)
    file = lines(tmp_path / "users.jsonl", *(row for row, _ in MIXED))
    said: list[list[tuple[int, str, str | None]]] = []
    for dry_run in (True, False):
        told: list[RowOutcome] = []
        done = import_users(storage, file, dry_run=dry_run, tell=told.append)
        said.append([(one.number, one.outcome, one.kind) for one in told])
        assert outcomes(done) == {"imported": 2, "present": 0, "refused": len(MIXED) - 2}
        assert done.left_behind == {"the unknown field 'surname'": 1}
        assert done.hasher == "hasher=ImportedHashes([Bcrypt(max_cost=4)])"
        assert len(storage.list_users().items) == (1 if dry_run else 3)
        assert not [one for one in told for secret in SECRETS if secret in str(one)]
    assert said[0] == said[1]
    assert [kind for _, _, kind in said[0]] == [kind for _, kind in MIXED]
    ada = storage.get_user_by_email("ada@example.com")
    assert ada is not None
    assert ada.is_email_verified
    assert ada.locked_at is not None
    assert storage.get_password_hash(ada.id) == BCRYPT


def test_a_second_import_changes_nothing(storage: DynamoDbHandle, tmp_path: Path) -> None:
    """Users who were imported are recognised, by ids of any form and without ids; what they changed since stays."""
    file = lines(
        tmp_path / "users.jsonl",
        {"id": "1", "email": "ada@example.com"},
        {"id": "auth0|2", "email": "bob@example.com"},
        {"email": "carol@example.com"},
        {"id": "4", "email": "dan@example.com"},
    )
    assert outcomes(import_users(storage, file)) == {"imported": 4, "present": 0, "refused": 0}
    carol, dan = storage.get_user_by_email("carol@example.com"), storage.get_user("4")
    assert carol is not None
    assert dan is not None
    carol = storage.update_user(carol, name="Carol")
    storage.update_user(dan, email="dan@example.org")
    told: list[RowOutcome] = []
    done = import_users(storage, file, tell=told.append)
    assert outcomes(done) == {"imported": 0, "present": 3, "refused": 1}
    assert "has changed it since" in str(told[3].reason)
    assert storage.get_user(carol.id) == carol


def test_factors_and_passwords_are_given_up_only_on_request(storage: DynamoDbHandle, tmp_path: Path) -> None:
    """With the options, users come over without what cannot be moved; what can be moved stays in any case."""
    both = {"email": "ada@example.com", "totp": [{"seed": SEED_TEXT}], "other_factors": ["sms"]}
    sms = {"email": "bob@example.com", "other_factors": ["sms"], "password_hash": "hunter2"}
    file = lines(tmp_path / "users.jsonl", both, sms)
    options: dict[str, Any] = {"without_second_factors": True, "without_passwords": True}
    done = import_users(storage, file, box=AesGcmBox(SECRET), **options)
    assert done.left_behind == {"a second factor: sms cannot be moved": 2, "the password": 1}
    ada, bob = storage.get_user_by_email("ada@example.com"), storage.get_user_by_email("bob@example.com")
    assert ada is not None
    assert bob is not None
    (factor,) = storage.list_factors_for_user(ada.id)
    assert AesGcmBox(SECRET).open(factor.secret or b"", associated=totp.associated(ada.id, factor.id)) == SEED
    assert (bob.factors, bob.has_password) == (frozenset(), False)


def test_addresses_are_verified_as_the_file_says_or_all_of_them(
    storage: DynamoDbHandle, elsewhere: DynamoDbHandle, tmp_path: Path
) -> None:
    """Without the file's word for it, an address is not verified, and counted; whoever vouches verifies all."""
    report = tmp_path / "report.jsonl"
    ada = {"email": "ada@example.com", "email_verified": True, "created_at": "2020-01-02T03:04:05Z"}
    bob = {"email": "bob@example.com", "created_at": "2020-01-02T03:04:05Z"}
    file = lines(tmp_path / "users.jsonl", ada, bob, {"email": "bob"})
    assert import_users(storage, file, dry_run=True).unverified == 1
    assert import_users(storage, file, report_to=report).unverified == 1
    assert [json.loads(line).get("unverified") for line in report.read_text().splitlines()[1:4]] == [None, True, None]
    assert import_users(storage, file).unverified == 0, "nobody was imported by this run"
    assert import_users(elsewhere, file, verified=True).unverified == 0
    for handle, verified_at in ((storage, None), (elsewhere, datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC))):
        found = handle.get_user_by_email("bob@example.com")
        assert found is not None
        assert found.email_verified_at == verified_at


def test_an_interrupted_import_continues(
    storage: DynamoDbHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C, the same command continues after the report's last row; every row is in the report once."""
    monkeypatch.setattr(importing, "_CHUNK", 2)
    rows = [{"email": f"user{number}@example.com"} for number in range(6)]
    file = lines(tmp_path / "users.jsonl", *rows, {"email": "user1@example.com"})
    report = tmp_path / "report.jsonl"

    def interrupt(outcome: RowOutcome) -> None:
        if outcome.number == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_users(storage, file, report_to=report, tell=interrupt)
    assert len(storage.list_users().items) == 4
    with report.open("ab") as half:
        half.write(b'{"number": 5, "outc')
    with pytest.raises(ValidationError, match="begun with other options"):
        import_users(storage, file, report_to=report, without_passwords=True)
    told: list[RowOutcome] = []
    done = import_users(storage, file, report_to=report, tell=told.append)
    assert [one.number for one in told] == [5, 6, 7]
    assert done.resumed
    assert outcomes(done) == {"imported": 6, "present": 0, "refused": 1}
    written = [json.loads(line) for line in report.read_text().splitlines()]
    assert [one.get("number") for one in written] == [None, *range(1, 8), None]
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    # A finished report is replaced, that of another file and any other file are not.
    assert outcomes(import_users(storage, file, report_to=report)) == {"imported": 0, "present": 6, "refused": 1}
    other = lines(tmp_path / "other.jsonl", *rows)
    for path, reason in ((report, "another import"), (file, "not a report")):
        before = path.read_bytes()
        with pytest.raises(ValidationError, match=reason):
            import_users(storage, other, report_to=path)
        assert path.read_bytes() == before


def test_an_import_keeps_below_its_rate(storage: DynamoDbHandle, tmp_path: Path) -> None:
    """Each user's write units are charged: two for each item, and one for the index."""
    accounts = [{"provider": "google", "subject": "1"}]
    file = lines(tmp_path / "u.jsonl", {"email": "a@example.com"}, {"email": "b@example.com", "accounts": accounts})
    waited: list[float] = []
    done = import_users(storage, file, workers=1, rate=Pacer(1, monotonic=lambda: 0.0, pause=waited.append))
    assert done.units == 5 + 7
    assert waited == [pytest.approx(5, abs=0.01)]


def populated(storage: DynamoDbHandle) -> None:
    """Create users with everything that an export has."""
    box = AesGcmBox(SECRET)
    ada = storage.create_user(
        NewUser(email="Ada@bücher.example", name="=1+1", email_verified_at=datetime.now(UTC), metadata=NASTY_METADATA),
        password_hash=NATIVE,
    )
    storage.link_oauth_account(ada.id, NewOAuthAccount(provider="google", subject="+1", profile={"a": b"\x00"}))
    storage.link_oauth_account(ada.id, NewOAuthAccount(provider="github", subject="2", email="ada@example.com"))
    storage.unlink_oauth_account(ada.id, "github", "2")
    storage.add_passkey(NewPasskey(user_id=ada.id, credential_id=b"\xff\x00", public_key=b"k", backup_eligible=False))
    sealed = box.seal(SEED, associated=totp.associated(ada.id, "phone"))
    storage.add_factor(NewFactor(user_id=ada.id, id="phone", secret=sealed, last_step=7, name="'-1"))
    storage.use_passkeys_as_factor(ada.id, True)
    storage.set_recovery_codes(ada.id, ["mark"])
    bob = storage.create_user(NewUser(email="bob@example.com", name='Bob, "the builder"'))
    storage.set_locked_at(bob.id, datetime.now(UTC))


def comparable(storage: DynamoDbHandle, secret: str) -> list[Any]:
    """Everything of the users that an export moves."""
    box = AesGcmBox(secret, tenant=storage.tenant_name)
    found: list[Any] = []
    for user in sorted(storage.list_users().items, key=lambda one: one.email):
        seeds = [
            (factor.name, factor.created_at, box.open(factor.secret, associated=totp.associated(user.id, factor.id)))
            for factor in storage.list_factors_for_user(user.id)
            if factor.secret is not None
        ]
        accounts = [replace(one, updated_at=one.created_at) for one in storage.list_oauth_accounts_for_user(user.id)]
        found.append(
            (plain(user), storage.get_password_hash(user.id), accounts, storage.list_passkeys_for_user(user.id), seeds)
        )
    return found


def plain(user: User) -> User:
    """A user without what is new in every table."""
    return replace(
        user,
        updated_at=user.created_at,
        version=0,
        session_epoch=0,
        password_version=None,
        token_serials={},
        factors=frozenset(name.partition("#")[0] for name in user.factors - {"recovery"}),
    )


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_an_export_comes_back_equal(
    storage: DynamoDbHandle, elsewhere: DynamoDbHandle, form: ExportForm, tmp_path: Path
) -> None:
    """Exported with their seeds and imported elsewhere under another secret, all users are as before."""
    populated(storage)
    file = tmp_path / f"users.{form}"
    done = export_users(storage, file, form=form, box=AesGcmBox(SECRET))
    assert (done.users, done.passwords, done.without_seeds, done.without_recovery_codes) == (2, 1, 0, 1)
    assert done.ok
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    read = import_users(elsewhere, file, box=AesGcmBox(OTHER_SECRET))
    assert (read.format, outcomes(read)) == (form, {"imported": 2, "present": 0, "refused": 0})
    before, after = comparable(storage, SECRET), comparable(elsewhere, OTHER_SECRET)
    assert after == before
    assert same(dict(after[0][0].metadata), NASTY_METADATA)
    with pytest.raises(Occupied):
        export_users(storage, file)


def test_an_export_without_seeds_gives_no_factor_away(
    storage: DynamoDbHandle, elsewhere: DynamoDbHandle, tmp_path: Path
) -> None:
    """Without seeds, or with a secret that does not open them, the user is marked and not imported unprotected."""
    user = storage.create_user(NewUser(email="ada@example.com"))
    sealed = AesGcmBox(SECRET).seal(SEED, associated=totp.associated(user.id, "phone"))
    storage.add_factor(NewFactor(user_id=user.id, id="phone", secret=sealed, last_step=7))
    for box in (None, AesGcmBox(OTHER_SECRET)):
        file = tmp_path / "users.jsonl"
        done = export_users(storage, file, box=box, overwrite=True)
        assert done.without_seeds == 1
        assert done.unopened == (() if box is None else (user.id,))
        assert import_users(elsewhere, file, box=box).refused_by == {FACTORS: 1}


def test_the_commands(
    dynoxide: LocalEngine, table_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """import and export work as commands: exit codes, refusals by row, the hasher's line, JSON, and no overwriting."""
    for name, value in {**dynoxide.environment, "TORII_TABLE_PREFIX": table_prefix, "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TEST_SECRET", SECRET)

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["users", *arguments])
        assert done.exit_code == code, done.output
        return done.output

    file = lines(
        tmp_path / "users.jsonl",
        {"email": "ada@example.com", "password_hash": BCRYPT, "totp": [{"seed": SEED_TEXT}]},
        {"email": "bob"},
    )
    assert "tables ensure" in run("import", str(file), "--secret", "env:TEST_SECRET", code=3)
    with DynamoDbStorage.open(dynoxide.config(table_prefix=table_prefix)):
        pass
    (report,) = tmp_path.glob("users.jsonl.import-*.jsonl")
    report.unlink()
    assert "2 refused" in run("import", str(file), "--dry-run", code=1)
    assert [one.name for one in tmp_path.iterdir()] == ["users.jsonl"]
    told = run("import", str(file), "--secret", "env:TEST_SECRET", code=1)
    assert "row 2 (bob): email: is not a valid email address" in told
    assert "Torii(storage, hasher=ImportedHashes([Bcrypt(max_cost=4)]))" in told
    assert "address not verified: 1" in told
    done = json.loads(
        CliRunner().invoke(app, ["users", "import", str(file), "--secret", "env:TEST_SECRET", "--json"]).stdout
    )
    assert (done["present"], done["refused"]) == (1, 1)
    out = tmp_path / "out.csv"
    assert "Users with an authenticator app whose seed is not in the file: 1." in run("export", str(out))
    assert SEED_TEXT not in out.read_text()
    run("export", str(out), code=6)
    assert "is not written to standard output" in run("export", "-", code=2)
    missing = str(tmp_path / "missing" / "out.csv")
    assert f"{missing} cannot be written: No such file" in run("export", missing, code=2)
    run("export", str(out), "--overwrite", "--with-seeds", code=2)
    run("export", str(out), "--overwrite", "--with-seeds", "--secret", "env:TEST_SECRET")
    assert SEED_TEXT in out.read_text()
    (tmp_path / "notes.txt").write_text("users: ada, bob")
    assert "is not recognised" in run("import", str(tmp_path / "notes.txt"), code=2)
    assert "is not known" in run("import", str(file), "--format", "ldap", code=2)
    assert "cannot be read" in run("import", str(tmp_path / "none"), code=2)
