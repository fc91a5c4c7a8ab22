"""The readers of other systems' exports: what they take from the samples, and what they do with damaged files."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from tests.admin.moving.expected import SAMPLES, Sample, sample

from torii_dynamodb.admin.moving.firebase import format_for
from torii_dynamodb.admin.moving.native import json_line
from torii_dynamodb.admin.moving.reading import FORMATS, detect, format_named
from torii_dynamodb.admin.moving.rows import LegacyRow
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.hashes import identify
from torii_dynamodb.legacy import LegacyUser

OTHERS = [one.name for one in FORMATS if one.source != "torii"]


def read(name: str, content: bytes | str | object) -> list[LegacyRow]:
    """The rows of a file of a format; what is not text is written as JSON."""
    text = content if isinstance(content, bytes | str) else json.dumps(content)
    return list(format_named(name).read(BytesIO(text if isinstance(text, bytes) else text.encode())))


def only(name: str, content: object) -> LegacyUser:
    """The one user of a file."""
    (row,) = read(name, content)
    assert row.user is not None, row.refused
    return row.user


@pytest.mark.parametrize("one", SAMPLES, ids=str)
def test_samples_are_recognised(one: Sample) -> None:
    """Each sample is recognised by its first bytes as its own format, and as no other."""
    with one.path.open("rb") as file:
        assert detect(file).name == one.format
        assert file.tell() == 0


@pytest.mark.parametrize("one", SAMPLES, ids=str)
def test_exports_of_our_own_are_recognised(one: Sample) -> None:
    """What was imported from another system and exported again is taken for our own format, not for that system's."""
    for row in one.rows():
        if row.user is not None:
            assert detect(BytesIO(json_line(row.user).encode())).name == "jsonl"


def test_a_wrong_format_is_refused() -> None:
    """A format that is named is used, also if the file is not recognised, but not for a file that is surely another."""
    content = sample("firebase.json").path.read_bytes()
    with pytest.raises(ValidationError, match="is of the format firebase, not keycloak"):
        detect(BytesIO(content), format_named("keycloak"))
    own = format_for(rounds=4)
    assert detect(BytesIO(content), own) is own
    assert detect(BytesIO(b'{"users": []}'), format_named("keycloak")).name == "keycloak"


def test_every_system_has_a_sample() -> None:
    """No reader is without a sample."""
    assert {one.format for one in SAMPLES} == set(OTHERS)


@pytest.mark.parametrize("one", SAMPLES, ids=str)
def test_users_of_samples(one: Sample) -> None:
    """Each sample has the expected users, with what the system knows of them; all others are refused with a reason."""
    rows = one.rows()
    found = {row.user.email.removesuffix("@example.com"): row.user for row in rows if row.user is not None}
    assert {name: facts(user) for name, user in found.items()} == one.users
    refused = [row for row in rows if row.user is None]
    assert [(row.number, row.who) for row in refused] == [(number, who) for number, who, _ in one.refused]
    for row, (_, _, reason) in zip(refused, one.refused, strict=True):
        assert reason in (row.refused or "")
    assert sorted({note for row in rows for note in row.notes}) == sorted(one.notes)


@pytest.mark.parametrize("one", SAMPLES, ids=str)
def test_hashes_of_samples(one: Sample) -> None:
    """Every hash that a reader returns is in a form that can be verified, unless the report says otherwise."""
    for row in one.rows():
        if row.user is not None and row.user.password_hash is not None:
            assert identify(row.user.password_hash) or row.notes


def facts(user: LegacyUser) -> set[str]:
    """What is known of a user, in words."""
    return {
        *([] if not user.password_hash else ["password"] if identify(user.password_hash) else ["unknown password"]),
        *(["verified"] if user.email_verified else []),
        *(["locked"] if user.locked else []),
        *(["totp"] * len(user.totp)),
        *(["passkey"] * len(user.passkeys)),
        *(["passkey as second factor"] if user.passkeys_are_second_factor else []),
        *(f"{account.provider}:{account.subject}" for account in user.accounts),
        *(f"lost: {factor}" for factor in user.other_factors),
    }


# --- Each system's own ------------------------------------------------------------------------------------------------


def test_auth0_hash_without_a_user() -> None:
    """An exported hash whose user is in no export becomes a user, with the address among its identifiers."""
    row = {
        "_id": {"$oid": "5f"},
        "passwordHash": "$2b$10$" + "a" * 53,
        "identifiers": [{"type": "email", "value": "ada@example.com", "verified": True}],
    }
    user = only("auth0", json.dumps(row))
    assert (user.id, user.email, user.email_verified) == ("auth0|5f", "ada@example.com", True)


def test_auth0_enterprise_connection() -> None:
    """An account of an enterprise connection is of the connection, since two of a kind are two providers."""
    identity = {"connection": "Acme-SAML", "provider": "samlp", "user_id": "ada", "isSocial": False}
    row = {"user_id": "samlp|Acme-SAML|ada", "email": "a@example.com", "identities": [identity]}
    user = only("auth0", json.dumps(row))
    assert [(one.provider, one.subject) for one in user.accounts] == [("acme-saml", "ada")]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        (
            "auth0",
            {"user_id": "windowslive|1", "identities": [{"provider": "windowslive", "user_id": "1", "isSocial": True}]},
        ),
        ("fastapi-users", {"oauth_accounts": [{"oauth_name": "microsoft", "account_id": "1"}]}),
    ],
)
def test_microsoft_accounts_by_another_id(name: str, row: dict[str, Any]) -> None:
    """An account at Microsoft whose id is not OpenID Connect's subject is left out, and the report says so."""
    (found,) = read(name, json.dumps({"email": "ada@example.com", **row}))
    assert found.user is not None
    assert found.user.accounts == ()
    assert "Microsoft" in found.notes[0]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("A827F5A3-B76D-454D-8535-DCF45FF0066F", "a827f5a3-b76d-454d-8535-dcf45ff0066f"),
        ("a827f5a3b76d454d8535dcf45ff0066f", "a827f5a3-b76d-454d-8535-dcf45ff0066f"),
        (42, "42"),
        ("x" * 32, "x" * 32),
        ("63f1c0ffee63f1c0ffee63f1", "63f1c0ffee63f1c0ffee63f1"),
    ],
)
def test_fastapi_users_ids(given: object, found: str) -> None:
    """A UUID has one form, whatever the database wrote, so that ``ToriiUserDatabase`` finds it; other ids are kept."""
    row = {"id": given, "email": "a@example.com", "hashed_password": "", "is_active": True, "is_verified": False}
    assert only("fastapi-users", [row]).id == found


def test_firebase_parameters() -> None:
    """The hashes carry the project's own parameters, where they are not the usual ones."""
    user = {"localId": "1", "email": "a@example.com", "passwordHash": "QUJD" * 16, "salt": "QUJDRA=="}
    content = BytesIO(json.dumps({"users": [user]}).encode())
    (row,) = format_for(salt_separator="Cg==", rounds=4, memory_cost=12).read(content)
    assert row.user is not None
    assert (row.user.password_hash or "").startswith("$fbscrypt$v=1,n=12,r=4,p=1,ss=Cg==$")


def test_firebase_second_factors() -> None:
    """A user whose second factor is not in the export is marked."""
    factors: list[dict[str, Any]] = [{"phoneInfo": "+15550100"}, {"totpInfo": {}}]
    user: dict[str, Any] = {"localId": "1", "email": "a@example.com", "mfaInfo": factors}
    assert only("firebase", {"users": [user]}).other_factors == ("sms", "totp")


def test_keycloak_base32_seed() -> None:
    """A seed that Keycloak was given in base32 is decoded; its own is the text itself."""
    credential = {"type": "otp", "secretData": json.dumps({"value": "MFRGG==="})}
    for encoding, seed in ((None, b"MFRGG==="), ("BASE32", b"abc")):
        data = {"subType": "totp", "digits": 6, "period": 30, "algorithm": "HmacSHA1", "secretEncoding": encoding}
        user = {"email": "a@example.com", "credentials": [credential | {"credentialData": json.dumps(data)}]}
        (app,) = only("keycloak", {"realm": "shop", "users": [user]}).totp
        assert app.seed == seed


def test_keycloak_second_factors() -> None:
    """A security key that comes after the password stays a second factor; a counter-based token cannot be moved."""
    key = {"credentialId": "AAEC", "credentialPublicKey": "pQECAyYg", "counter": 3, "transports": ["USB"]}
    credentials = [
        {"type": "webauthn", "secretData": "{}", "credentialData": json.dumps(key)},
        {"type": "otp", "secretData": '{"value":"x"}', "credentialData": '{"subType":"hotp"}'},
        {"type": "recovery-authn-codes", "secretData": "{}", "credentialData": "{}"},
    ]
    (row,) = read("keycloak", {"realm": "shop", "users": [{"email": "a@example.com", "credentials": credentials}]})
    assert row.user is not None
    assert row.user.passkeys_are_second_factor
    assert (row.user.passkeys[0].sign_count, row.user.passkeys[0].transports) == (3, ("usb",))
    assert row.user.other_factors == ("hotp",)
    assert row.notes == ("recovery codes",)


def test_keycloak_unknown_hash() -> None:
    """A password whose hash cannot be verified is left to the import to refuse, and the report names its algorithm."""
    password = {"type": "password", "secretData": '{"value":"","salt":""}', "credentialData": '{"algorithm":"md5"}'}
    (row,) = read("keycloak", {"users": [{"email": "a@example.com", "credentials": [password]}]})
    assert row.user is not None
    assert row.user.password_hash == "*"
    assert "'md5'" in row.notes[0]


@pytest.mark.parametrize(("ends", "locked"), [(None, True), ("2124-01-01T00:00:00Z", True), (1700000000000, False)])
def test_better_auth_ban(ends: object, locked: bool) -> None:
    """A ban that has ended locks nobody."""
    row = {"id": "1", "email": "a@example.com", "banned": True, "banExpires": ends}
    assert only("better-auth", json.dumps(row)).locked is locked


def test_better_auth_snake_case() -> None:
    """Tables whose columns are in snake_case, as some ORMs name them, are read as well."""
    user = {"id": 7, "email": "a@example.com", "email_verified": 1, "created_at": 1700000000, "favouriteColour": "red"}
    account = {"user_id": "7", "provider_id": "github", "account_id": 99}
    found = only("better-auth", {"users": [user], "accounts": [account]})
    assert (found.email_verified, found.created_at and found.created_at.year) == (True, 2023)
    assert [(one.provider, one.subject) for one in found.accounts] == [("github", "99")]
    assert found.metadata == {"favouriteColour": "red"}


@pytest.mark.parametrize(("until", "locked"), [("infinity", True), ("2020-01-01 00:00:00+00", False)])
def test_supabase_ban(until: str, locked: bool) -> None:
    """A ban without an end locks, one that has ended does not."""
    row = {"id": "1", "email": "a@example.com", "encrypted_password": "", "banned_until": until}
    assert only("supabase", json.dumps(row)).locked is locked


def test_supabase_confirmed_phone() -> None:
    """A confirmed phone does not verify the address, although Supabase then has a time of confirmation."""
    row = {"id": "1", "email": "a@example.com", "encrypted_password": "", "confirmed_at": "2024-01-01 00:00:00+00"}
    assert not only("supabase", json.dumps(row | {"email_confirmed_at": None})).email_verified
    assert only("supabase", json.dumps(row)).email_verified


def test_supabase_factors() -> None:
    """Passkeys are read as the library behind Supabase writes them; phones and encrypted seeds cannot be moved."""
    credential = {
        "id": "AAEC",
        "publicKey": "pQECAyYg",
        "transport": ["internal"],
        "flags": {"backupEligible": True, "backupState": False},
        "authenticator": {"signCount": 5},
    }
    factors = [
        {"factor_type": "webauthn", "status": "verified", "web_authn_credential": credential},
        {"factor_type": "phone", "status": "verified"},
        {"factor_type": "totp", "status": "verified", "secret": '{"key_id":"1","data":"x"}'},
    ]
    user = only("supabase", json.dumps({"id": "1", "email": "a@example.com", "mfa_factors": factors}))
    assert (user.passkeys[0].sign_count, user.passkeys[0].backup_eligible) == (5, True)
    assert user.passkeys_are_second_factor
    assert user.other_factors == ("phone", "an authenticator app whose secret is encrypted or missing")


def test_supabase_deleted_user() -> None:
    """A user whom Supabase keeps only as deleted does not come back."""
    (row,) = read("supabase", json.dumps({"email": "a@example.com", "deleted_at": "2024-01-01 00:00:00+00"}))
    assert "deleted" in (row.refused or "")


@pytest.mark.parametrize("number", ["NaN", "1e99999999", "-Infinity", "x"])
def test_authjs_numbers(number: str) -> None:
    """A number that DynamoDB cannot have refuses its item."""
    item = {"type": {"S": "USER"}, "id": {"S": "1"}, "email": {"S": "a@example.com"}, "n": {"N": number}}
    (row,) = read("authjs", {"Items": [item]})
    assert row.refused == "is not an item in DynamoDB's JSON"


def test_cognito_authenticator_app() -> None:
    """A user who has an authenticator app according to admin-get-user is marked: its seed is not given out."""
    attributes = [{"Name": "email", "Value": "a@example.com"}]
    row = {"Username": "ada", "Attributes": attributes, "UserMFASettingList": ["SOFTWARE_TOKEN_MFA"]}
    assert only("cognito", {"Users": [row]}).other_factors == ("SOFTWARE_TOKEN_MFA",)


def test_cognito_compromised_user() -> None:
    """A user whom Cognito has disabled as compromised stays locked."""
    row = {"Username": "ada", "UserStatus": "COMPROMISED", "Attributes": [{"Name": "email", "Value": "a@example.com"}]}
    assert only("cognito", {"Users": [row]}).locked


# --- Damaged and hostile files ----------------------------------------------------------------------------------------


class Damage(NamedTuple):
    """A file that is not an export of its system."""

    format: str
    content: bytes
    says: str


@pytest.mark.parametrize(
    "damage",
    [
        Damage("firebase", b'{"accounts": []}', "it has no 'users'"),
        Damage("keycloak", b'{"realm": "shop",\n "clients": []}', "it has no 'users'"),
        Damage("cognito", b'{"Users": [{"Username": "a"', "not JSON"),
        Damage("authjs", b'{"Items": 3}', "there is no '['"),
        Damage("better-auth", b'{"user": 3, "users": [1]}', "'user' is not an array of objects"),
        Damage("better-auth", b'{\n"user": [' + b"[" * 100_000, "nested too deeply"),
        Damage("django", b'{\n  "model": "auth.user"\n}', "is one JSON object"),
        Damage("fastapi-users", b"", "is empty"),
        Damage("supabase", "\ufeffid,email".encode("utf-16"), "UTF-16"),
    ],
    ids=lambda damage: f"{damage.format}: {damage.says}",
)
def test_unreadable_files(damage: Damage) -> None:
    """A file that is no such export gets one error that says what was expected."""
    with pytest.raises(ValidationError) as caught:
        read(damage.format, damage.content)
    assert damage.says in str(caught.value)


def test_tables_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document with tables is all in memory, so a larger one is refused, and the error names the other form."""
    monkeypatch.setattr("torii_dynamodb.admin.moving.shapes.MAX_TABLES", 100)
    with pytest.raises(ValidationError, match="one JSON object for each user and line"):
        read("better-auth", {"user": [{"email": "ada@example.com"}] * 9})


@pytest.mark.parametrize("one", SAMPLES, ids=str)
def test_damaged_samples(one: Sample) -> None:
    """Whatever is changed or cut off, a reader returns rows or raises its one error, and no message has a secret."""
    content = one.path.read_bytes()
    chance = random.Random(one.path.name)
    for damaged in (*cut_off(content, chance), *changed(one, chance)):
        try:
            rows = list(format_named(one.format).read(BytesIO(damaged)))
        except ValidationError:
            continue
        for row in rows:
            assert (row.user is None) == (row.refused is not None)
            said = f"{row.refused} {row.notes}"
            assert "$2b$" not in said
            assert "likes green figs" not in said


def cut_off(content: bytes, chance: random.Random) -> Iterable[bytes]:
    """The beginnings of a file."""
    return (content[: chance.randrange(len(content))] for _ in range(20))


def changed(one: Sample, chance: random.Random) -> Iterable[bytes]:
    """A file with other values in it."""
    values: list[Any] = [
        None,
        True,
        -1,
        1e308,
        10**400,
        "",
        "x",
        "\ud800",
        [],
        {},
        [1],
        [[]],
        [{"a": 1}],
        {"a": 1},
        "[1]",
        "-1",
    ]
    if one.path.suffix == ".csv":
        lines = one.path.read_text().splitlines()
        for _ in range(40):
            cells = lines[1].split(",")
            cells[chance.randrange(len(cells))] = str(chance.choice(values))
            yield "\n".join((lines[0], ",".join(cells))).encode("utf-8", "surrogatepass")
        return
    text = one.path.read_text()
    single = one.path.suffix == ".json"
    for _ in range(120):
        document = [json.loads(text)] if single else [json.loads(line) for line in text.splitlines()]
        holder, key = chance.choice(list(places(document)))
        holder[key] = chance.choice(values)
        yield "\n".join(json.dumps(one) for one in document).encode()


def places(value: Any) -> Iterable[tuple[Any, Any]]:
    """Every place in a JSON document: what it is in, and its key or index there."""
    pairs: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        pairs = list(cast("dict[str, Any]", value).items())
    elif isinstance(value, list):
        pairs = list(enumerate(cast("list[object]", value)))
    for key, inner in pairs:
        yield value, key
        yield from places(inner)


def test_sample_is_found() -> None:
    """The samples of the tests are the files of the folder."""
    folder = Path(__file__).parent / "samples"
    assert {one.path.name for one in SAMPLES} == {path.name for path in folder.iterdir() if path.suffix in KINDS}
    assert sample("firebase.json").format == "firebase"


KINDS = (".json", ".jsonl", ".ndjson", ".csv")
