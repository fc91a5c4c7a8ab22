"""Export and import, on Dynoxide."""

from __future__ import annotations

import gzip
import hashlib
import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.admin.populated import dump, people

from torii_dynamodb import DynamoDbStorage
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.control import Occupied
from torii_dynamodb.admin.scanning import Pacer
from torii_dynamodb.admin.tables import AdminTables
from torii_dynamodb.admin.transfer import IntegrityError, canonical, export, import_
from torii_dynamodb.admin.transfer.keys import SeenKeys
from torii_dynamodb.admin.verify import verify
from torii_dynamodb.config import TABLES, DynamoDbConfig
from torii_dynamodb.errors import ConfigurationError, RequestRejected, ValidationError


class Interrupted(Exception):
    """Simulates Ctrl-C, a crash or a lost connection."""


class Interrupting(Client):
    """A client that fails after some calls of an operation, and returns small pages."""

    def __init__(self, config: DynamoDbConfig, operation: str = "", after: int = 10**9) -> None:
        super().__init__(config)
        self.operation, self.left = operation, after

    def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        if operation == self.operation and "Limit" not in payload:
            self.left -= 1
            if self.left < 0:
                raise Interrupted
        if operation == "Scan" and "Limit" not in payload:
            payload = {**payload, "Limit": 2}
        return super().call(operation, payload)


@pytest.fixture
def target(on_dynoxide: DynamoDbConfig, dynoxide_client: Client) -> DynamoDbConfig:
    """Empty tables to import into."""
    made = replace(on_dynoxide, table_prefix=on_dynoxide.table_prefix + "n")
    AdminTables(made, dynoxide_client).ensure()
    return made


ODD = {
    "id": {"S": "email#odd"},
    "user_id": {"S": "usr_odd"},
    "big": {"N": "-12345678901234567890.123456789012345678"},
    "bin": {"B": "AAECAw=="},
    "ns": {"NS": ["3", "1", "2"]},
    "bs": {"BS": ["AA==", "/w=="]},
    "l": {"L": [{"NULL": True}, {"BOOL": False}, {"M": {"$x": {"S": "\u2028 \u0000 \U0001f600"}}}, {"L": []}]},
    "empty": {"M": {}},
}


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_a_round_trip_is_exact(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, target: DynamoDbConfig, tmp_path: Path, compression: Any
) -> None:
    """Every item of every table comes back as it was, whatever types are in it; sessions stay valid."""
    sessions = people(on_dynoxide, 7)
    dynoxide_client.call("PutItem", {"TableName": on_dynoxide.table_name("identities"), "Item": ODD})
    before = dump(on_dynoxide, dynoxide_client)
    made = export(on_dynoxide, dynoxide_client, tmp_path / "x", compression=compression)
    assert made.items == {table: len(before[table]) for table in TABLES}
    done = import_(target, dynoxide_client, tmp_path / "x")
    after = dump(target, dynoxide_client)
    assert canonical(after) == canonical(before)
    assert done.verified == done.written == sum(made.items.values())
    with DynamoDbStorage.open(target) as storage:
        assert storage.get_session(sessions[0].token) is not None


def test_an_export_is_for_its_owner_and_holds_no_token(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, tmp_path: Path
) -> None:
    """Others cannot read the files, and no session or one-time token is in them in clear text."""
    sessions = people(on_dynoxide, 2)
    export(on_dynoxide, dynoxide_client, tmp_path / "x", compression="none")
    every = [path for path in (tmp_path / "x").rglob("*") if path.is_file()]
    assert every
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in every)
    text = b"".join(path.read_bytes() for path in every)
    assert all(session.token.encode() not in text for session in sessions)
    assert b"torii_" not in text


@pytest.mark.parametrize("after", [0, 1, 4, 9, 14])
def test_an_interrupted_export_goes_on(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, target: DynamoDbConfig, tmp_path: Path, after: int
) -> None:
    """Interrupted at any page, and with a partial page at a file's end: a second run makes it complete and exact."""
    people(on_dynoxide, 9)
    before = dump(on_dynoxide, dynoxide_client)
    broken = Interrupting(on_dynoxide, "Scan", after)
    with pytest.raises(Interrupted):
        export(on_dynoxide, broken, tmp_path, segments=2)
    with pytest.raises(IntegrityError, match="not complete"):
        import_(target, dynoxide_client, tmp_path)
    for path in tmp_path.rglob("*.gz"):
        with path.open("ab") as file:
            file.write(b"\x1f\x8btorn")
    broken.left = 10**9
    made = export(on_dynoxide, broken, tmp_path)
    broken.close()
    assert made.resumed
    import_(target, dynoxide_client, tmp_path)
    assert canonical(dump(target, dynoxide_client)) == canonical(before)


@pytest.mark.parametrize("after", [0, 2, 4])
def test_an_interrupted_import_goes_on(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, target: DynamoDbConfig, tmp_path: Path, after: int
) -> None:
    """After an interruption between batches, a second run writes the rest, although the tables are not empty."""
    people(on_dynoxide, 9)
    export(on_dynoxide, dynoxide_client, tmp_path)
    broken = Interrupting(target, "BatchWriteItem", after)
    with pytest.raises(Interrupted):
        import_(target, broken, tmp_path, workers=1)
    broken.close()
    done = import_(target, dynoxide_client, tmp_path)
    assert done.resumed
    assert canonical(dump(target, dynoxide_client)) == canonical(dump(on_dynoxide, dynoxide_client))
    assert not list(tmp_path.glob("import-*"))


def test_a_damaged_export_writes_nothing(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, target: DynamoDbConfig, tmp_path: Path
) -> None:
    """One changed byte, a missing file, a name that leads outside: found before the first item is written."""
    people(on_dynoxide, 2)
    export(on_dynoxide, dynoxide_client, tmp_path, segments=1)
    part = tmp_path / "users" / "part-0000.jsonl.gz"
    good, manifest = part.read_bytes(), (tmp_path / "manifest.json").read_text()
    part.write_bytes(gzip.compress(gzip.decompress(good).replace(b"user0", b"user9")))
    with pytest.raises(IntegrityError, match=r"users.part-0000.jsonl.gz is damaged"):
        import_(target, dynoxide_client, tmp_path)
    part.unlink()
    with pytest.raises(IntegrityError, match="is missing"):
        import_(target, dynoxide_client, tmp_path)
    part.write_bytes(good)
    (tmp_path / "manifest.json").write_text(manifest.replace("users/part-0000", "../x/part-0000"))
    with pytest.raises(IntegrityError, match="outside the export"):
        import_(target, dynoxide_client, tmp_path)
    newer = json.loads(manifest) | {"schema_version": 99}
    (tmp_path / "manifest.json").write_text(json.dumps(newer))
    with pytest.raises(ConfigurationError, match="schema version 99"):
        import_(target, dynoxide_client, tmp_path)
    assert all(items == [] for items in dump(target, dynoxide_client).values())


def test_tables_in_use_and_directories_in_use_are_refused(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, target: DynamoDbConfig, tmp_path: Path
) -> None:
    """No import over users, no export over an export or without tables; each is reported, and nothing is lost."""
    people(on_dynoxide, 1)
    export(on_dynoxide, dynoxide_client, tmp_path / "a")
    with pytest.raises(ConfigurationError, match=r"not empty: .*_users"):
        import_(on_dynoxide, dynoxide_client, tmp_path / "a")
    assert import_(on_dynoxide, dynoxide_client, tmp_path / "a", overwrite=True).verified
    with pytest.raises(Occupied, match="already contains a complete export"):
        export(on_dynoxide, dynoxide_client, tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").touch()
    with pytest.raises(Occupied, match="not empty"):
        export(on_dynoxide, dynoxide_client, tmp_path / "b")
    with pytest.raises(ValidationError, match="there is no export"):
        import_(target, dynoxide_client, tmp_path / "none")
    nowhere = replace(on_dynoxide, table_prefix="nowhere")
    with pytest.raises(ConfigurationError, match="there is no table nowhere_users"):
        export(nowhere, dynoxide_client, tmp_path / "c")
    with pytest.raises(ConfigurationError, match="there is no table"):
        import_(nowhere, dynoxide_client, tmp_path / "a")


def test_an_item_changed_after_it_was_written_is_found(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, target: DynamoDbConfig, tmp_path: Path
) -> None:
    """Reading back compares every item, so a write that went wrong or was overtaken does not pass."""
    people(on_dynoxide, 1)
    export(on_dynoxide, dynoxide_client, tmp_path)

    class Meddling(Client):
        def batch_get(self, keys: Any, *, consistent: bool) -> list[dict[str, Any] | None]:
            found = super().batch_get(keys, consistent=consistent)
            return [{**item, "name": {"S": "Mallory"}} if item else None for item in found]

    meddling = Meddling(target)
    with pytest.raises(IntegrityError, match="differs when read back"):
        import_(target, meddling, tmp_path)
    meddling.close()


def test_the_rate_limit_is_kept(on_dynoxide: DynamoDbConfig, dynoxide_client: Client, tmp_path: Path) -> None:
    """The next request waits for the units spent: at U units a second, N units take N/U seconds."""
    people(on_dynoxide, 3)
    now = 0.0

    def pause(seconds: float) -> None:
        nonlocal now
        now += seconds

    limit = Pacer(0.5, monotonic=lambda: now, pause=pause)
    small = Interrupting(on_dynoxide)
    made = export(on_dynoxide, small, tmp_path, segments=1, rate=limit)
    small.close()
    assert made.units >= 5
    # The last request's debt is left.
    assert made.units / 0.5 - 4 <= now <= made.units / 0.5
    with pytest.raises(ValidationError):
        Pacer(0)


def test_verification_finds_what_does_not_agree(on_dynoxide: DynamoDbConfig, dynoxide_client: Client) -> None:
    """Each kind of disagreement is found and named, and nothing else; no password hash is in a finding."""
    people(on_dynoxide, 5)
    assert verify(on_dynoxide, dynoxide_client).ok
    users, identities = on_dynoxide.table_name("users"), on_dynoxide.table_name("identities")
    by_email = {item["email"]["S"]: item["id"] for item in dump(on_dynoxide, dynoxide_client)["users"]}
    ids = [by_email[f"user{index}@example.com"] for index in range(5)]

    def change(table: str, key: dict[str, str], expression: str, values: dict[str, Any] | None = None) -> None:
        payload = {"TableName": table, "Key": {"id": key}, "UpdateExpression": expression}
        dynoxide_client.call("UpdateItem", payload | ({"ExpressionAttributeValues": values} if values else {}))

    dynoxide_client.call("DeleteItem", {"TableName": identities, "Key": {"id": {"S": "oauth#github#s0"}}})
    change(identities, {"S": "oauth#github#s1"}, "SET user_id = :u", {":u": ids[2]})
    change(users, ids[2], "SET password_version = :v", {":v": {"S": "other"}})
    dynoxide_client.call("DeleteItem", {"TableName": users, "Key": {"id": ids[3]}})
    change(users, ids[4], "REMOVE created_at")
    change(users, ids[1], "SET factors = :f", {":f": {"SS": ["recovery", "passkey"]}})
    recovery = {"S": f"factor#{ids[1]['S']}#recovery"}
    dynoxide_client.call("DeleteItem", {"TableName": identities, "Key": {"id": recovery}})
    found = verify(on_dynoxide, dynoxide_client)
    assert sorted(one.kind for one in found.findings) == [
        "factor_missing",
        "factor_not_listed",
        "identity_missing",
        "identity_not_listed",
        "identity_of_another",
        "password_version_differs",
        "unreadable",
        "user_missing",
        "user_missing",
    ]
    assert (found.users, found.identities, found.sessions, found.valid_sessions) == (4, 10, 5, 4)
    assert "argon2" not in str(found)


def test_tables_made_anew_are_filled_from_the_start(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, target: DynamoDbConfig, tmp_path: Path
) -> None:
    """After an interrupted import the tables are deleted and made again: nothing counts as already written."""
    people(on_dynoxide, 9)
    export(on_dynoxide, dynoxide_client, tmp_path)
    broken = Interrupting(target, "BatchWriteItem", 2)
    with pytest.raises(Interrupted):
        import_(target, broken, tmp_path, workers=1)
    broken.close()
    tables = AdminTables(target, dynoxide_client)
    tables.delete()
    tables.ensure()
    done = import_(target, dynoxide_client, tmp_path, read_back=False)
    assert not done.resumed
    assert canonical(dump(target, dynoxide_client)) == canonical(dump(on_dynoxide, dynoxide_client))


def test_an_export_of_tables_made_anew_is_not_gone_on_with(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, tmp_path: Path
) -> None:
    """Half of the old tables and half of the new ones would be an export of neither."""
    people(on_dynoxide, 4)
    broken = Interrupting(on_dynoxide, "Scan", 3)
    with pytest.raises(Interrupted):
        export(on_dynoxide, broken, tmp_path)
    broken.close()
    tables = AdminTables(on_dynoxide, dynoxide_client)
    tables.delete()
    tables.ensure()
    with pytest.raises(Occupied, match="created again"):
        export(on_dynoxide, dynoxide_client, tmp_path)


def test_a_file_that_was_cut_is_not_filled_up(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, tmp_path: Path
) -> None:
    """A part shorter than its state says ends the export: padded with zeros, it would pass every later check."""
    people(on_dynoxide, 9)
    broken = Interrupting(on_dynoxide, "Scan", 7)
    with pytest.raises(Interrupted):
        export(on_dynoxide, broken, tmp_path, segments=1)
    broken.close()
    (tmp_path / "users" / "part-0000.jsonl.gz").write_bytes(b"")
    with pytest.raises(IntegrityError, match="shorter"):
        export(on_dynoxide, dynoxide_client, tmp_path)


def test_a_map_with_a_member_called_like_a_set_is_compared_by_value() -> None:
    """Reading back tells {"SS": {"S": "a"}} inside a map from {"SS": {"S": "b"}}; sets are compared without order."""
    one, other = ({"M": {"SS": {"S": text}, "NS": {"N": "1"}}} for text in "ab")
    assert canonical(one) != canonical(other)
    assert canonical({"SS": ["b", "a"]}) == canonical({"SS": ["a", "b"]})


class Whole(Client):
    """An endpoint that ignores ``Segment``; with ``but_first``, only after the first test of it."""

    def __init__(self, config: DynamoDbConfig, *, but_first: bool = False) -> None:
        super().__init__(config)
        self.but_first = but_first

    def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        if operation == "Scan" and not (self.but_first and "Limit" in payload):
            payload = {name: value for name, value in payload.items() if "Segment" not in name}
        return super().call(operation, payload)


def test_an_endpoint_without_segments_is_read_once(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, target: DynamoDbConfig, tmp_path: Path
) -> None:
    """If each segment returns all items, the export falls back to one segment, says so, and has each item once."""
    people(on_dynoxide, 7)
    before = dump(on_dynoxide, dynoxide_client)
    whole = Whole(on_dynoxide)
    made = export(on_dynoxide, whole, tmp_path, segments=4)
    whole.close()
    assert (made.segments, made.repeated) == (1, 0)
    assert made.items == {table: len(before[table]) for table in TABLES}
    done = import_(target, dynoxide_client, tmp_path)
    assert done.verified == done.written == sum(made.items.values())
    assert canonical(dump(target, dynoxide_client)) == canonical(before)


@pytest.mark.parametrize("count", [1, 2])
def test_one_person_is_enough_to_tell(on_dynoxide: DynamoDbConfig, tmp_path: Path, count: int) -> None:
    """A table of one item works, too: in a divided scan, one of the two segments is empty."""
    people(on_dynoxide, count)
    whole, right = Whole(on_dynoxide), Client(on_dynoxide)
    assert export(on_dynoxide, whole, tmp_path / "whole").items["users"] == count
    assert export(on_dynoxide, right, tmp_path / "right").segments == 4
    whole.close()
    right.close()


def test_segments_that_overlap_are_an_error(on_dynoxide: DynamoDbConfig, tmp_path: Path) -> None:
    """An item in two segments ends the export: an endpoint that gives too much may give too little elsewhere."""
    people(on_dynoxide, 7)
    whole = Whole(on_dynoxide, but_first=True)
    with pytest.raises(IntegrityError, match=r"both contain an item: .*--segments 1"):
        export(on_dynoxide, whole, tmp_path, segments=4)
    with pytest.raises(IntegrityError, match="both contain an item"):
        export(on_dynoxide, whole, tmp_path, segments=4)
    whole.close()
    assert not (tmp_path / "manifest.json").exists()


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_page_that_comes_twice_is_kept_once(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, target: DynamoDbConfig, tmp_path: Path, interrupted: bool
) -> None:
    """With overlapping pages in one segment, before or after an interruption, each item is in it once, and counted."""
    people(on_dynoxide, 5)
    before = dump(on_dynoxide, dynoxide_client)

    class Overlapping(Interrupting):
        kept: Any = None

        def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
            answer = super().call(operation, payload)
            if operation == "Scan" and "Limit" not in payload and payload["TableName"].endswith("_users"):
                extra = [] if self.kept is None else [self.kept]
                self.kept = answer["Items"][-1] if answer["Items"] else None
                answer["Items"] = extra + answer["Items"]
            return answer

    client = Overlapping(on_dynoxide, "Scan", 2 if interrupted else 10**9)
    if interrupted:
        with pytest.raises(Interrupted):
            export(on_dynoxide, client, tmp_path, segments=1)
        client.left = 10**9
    made = export(on_dynoxide, client, tmp_path, segments=1)
    client.close()
    assert made.repeated == 2
    assert made.items["users"] == 5
    assert import_(target, dynoxide_client, tmp_path).repeated == 0
    assert canonical(dump(target, dynoxide_client)) == canonical(before)


def test_a_scan_that_does_not_move_on_is_ended(on_dynoxide: DynamoDbConfig, tmp_path: Path) -> None:
    """An endpoint that ignores ``ExclusiveStartKey`` is an error instead of an endless scan."""
    people(on_dynoxide, 3)

    class Stuck(Interrupting):
        def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
            payload = {name: value for name, value in payload.items() if name != "ExclusiveStartKey"}
            return super().call(operation, payload)

    stuck = Stuck(on_dynoxide)
    with pytest.raises(RequestRejected, match="the same page again"):
        export(on_dynoxide, stuck, tmp_path, segments=1)
    stuck.close()


def test_an_export_with_repeated_items_is_read_right(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, target: DynamoDbConfig, tmp_path: Path
) -> None:
    """An older release wrote such exports: each item is written and counted once, and the repetition is reported."""
    people(on_dynoxide, 5)
    before = dump(on_dynoxide, dynoxide_client)
    export(on_dynoxide, dynoxide_client, tmp_path, segments=2, compression="none")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    parts = manifest["tables"]["users"]["files"]
    every = b"".join((tmp_path / one["name"]).read_bytes() for one in parts)
    for one in parts:
        (tmp_path / one["name"]).write_bytes(every)
        one.update(items=5, sha256=hashlib.sha256(every).hexdigest())
    manifest["tables"]["users"]["items"] = 10
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    done = import_(target, dynoxide_client, tmp_path)
    assert (done.repeated, done.items["users"]) == (5, 5)
    assert done.verified == done.written == sum(len(items) for items in before.values())
    assert canonical(dump(target, dynoxide_client)) == canonical(before)


def test_a_manifest_that_does_not_count_right_writes_nothing(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, target: DynamoDbConfig, tmp_path: Path
) -> None:
    """A wrong count, a file listed twice, a line that is not an item of the table: found before the first write."""
    people(on_dynoxide, 2)
    export(on_dynoxide, dynoxide_client, tmp_path, segments=1, compression="none")
    path = tmp_path / "manifest.json"
    good = json.loads(path.read_text())

    def refused(told: str) -> None:
        with pytest.raises(IntegrityError, match=told):
            import_(target, dynoxide_client, tmp_path)

    wrong = json.loads(json.dumps(good))
    wrong["tables"]["users"]["files"][0]["items"] = 3
    path.write_text(json.dumps(wrong))
    refused("contains 2 items; the manifest says 3")
    wrong = json.loads(json.dumps(good))
    wrong["tables"]["users"]["files"] *= 2
    path.write_text(json.dumps(wrong))
    refused("twice")
    part = tmp_path / good["tables"]["users"]["files"][0]["name"]
    part.write_bytes(b'{"email":{"S":"a"}}\n')
    good["tables"]["users"]["files"][0].update(items=1, sha256=hashlib.sha256(part.read_bytes()).hexdigest())
    path.write_text(json.dumps(good))
    refused("not an item of users")
    assert all(items == [] for items in dump(target, dynoxide_client).values())


def test_seen_keys_outgrow_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """More keys than fit into the cache are remembered, each with its place, separately for each table."""
    monkeypatch.setattr("torii_dynamodb.admin.transfer.keys._CACHE", 100)
    items = [{"id": {"S": f"usr_{number}"}} for number in range(20_000)]
    with SeenKeys() as seen:
        assert set(seen.add("users", items, "0")) == {None}
        assert seen.add("users", items[::1000], "1") == ["0"] * 20
        assert set(seen.add("identities", items[:10], "1")) == {None}
