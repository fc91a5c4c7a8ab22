"""How many requests the operations of the control plane make, on moto, where everything is ready at once.

On AWS, waiting adds one ``DescribeTable`` for each look that finds a table not ready yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.admin.populated import people

from torii_dynamodb._calls import CallRecord
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.backups import Backups
from torii_dynamodb.admin.options import TableOptions
from torii_dynamodb.admin.tables import AdminTables
from torii_dynamodb.admin.transfer import export, import_
from torii_dynamodb.config import TABLES, DynamoDbConfig

OPTIONS = TableOptions(tags={"team": "identity"}, point_in_time_recovery=True, deletion_protection=True)


@contextmanager
def counting(config: DynamoDbConfig) -> Iterator[tuple[DynamoDbConfig, Client, Counter[str]]]:
    """A client whose requests are counted, by operation."""
    found: Counter[str] = Counter()

    def note(record: CallRecord) -> None:
        found[record.operation] += 1

    counted = replace(config, on_call=note)
    client = Client(counted)
    try:
        yield counted, client, found
    finally:
        client.close()


def test_ensure_describes_a_table_once_and_again_after_a_change(on_moto: DynamoDbConfig) -> None:
    """New tables are described before and after; those that fit are described once; a change adds one look each."""
    with counting(on_moto) as (config, client, found):
        AdminTables(config, client).ensure()
        assert found == {"DescribeTable": 10, "CreateTable": 5, "UpdateTimeToLive": 3}
    looks = {"DescribeTable": 5, "DescribeTimeToLive": 5, "DescribeContinuousBackups": 5, "ListTagsOfResource": 5}
    with counting(on_moto) as (config, client, found):
        AdminTables(config, client).ensure()
        assert found == looks
    with counting(on_moto) as (config, client, found):
        AdminTables(config, client).ensure(TableOptions(deletion_protection=True))
        assert found == {**looks, "DescribeTable": 10, "UpdateTable": 5}


@pytest.mark.parametrize("from_set", [True, False])
def test_a_restore_describes_each_table_once_a_phase(
    on_moto: DynamoDbConfig, moto_client: Client, from_set: bool
) -> None:
    """Each source once; each new table before the restore, after it, and after its settings were changed."""
    AdminTables(on_moto, moto_client).ensure(OPTIONS)
    people(on_moto)
    Backups(on_moto, moto_client).create("nightly")
    source = (
        {"ListBackups": 5, "RestoreTableFromBackup": 5, "DescribeContinuousBackups": 10}
        if from_set
        else {"RestoreTableToPointInTime": 5, "DescribeContinuousBackups": 15}
    )
    with counting(on_moto) as (config, client, found):
        backups = Backups(config, client)
        done = backups.restore(f"{on_moto.table_prefix}r", backup_set="nightly" if from_set else None)
    assert done.verification.ok
    assert found == {
        **source,
        "DescribeTable": 4 * len(TABLES),
        "ListTagsOfResource": 10,
        "DescribeTimeToLive": 5,
        "UpdateTable": 5,
        "UpdateContinuousBackups": 5,
        "TagResource": 5,
        "UpdateTimeToLive": 3,
        # Users and their sessions, one-time tokens, and what the verification reads.
        "Scan": 5,
        "UpdateItem": 3,
        "BatchWriteItem": 1,
        "BatchGetItem": 3,
    }
    assert found.total() == 85


def test_a_set_is_looked_up_once_before_it_is_made_or_deleted(on_moto: DynamoDbConfig, moto_client: Client) -> None:
    """Making a set lists backups before and after; deleting one lists them once."""
    AdminTables(on_moto, moto_client).ensure()
    with counting(on_moto) as (config, client, found):
        Backups(config, client).create("nightly")
        assert found == {"ListBackups": 10, "DescribeTable": 5, "CreateBackup": 5}
    with counting(on_moto) as (config, client, found):
        backups = Backups(config, client)
        backups.delete(backups.require("nightly"))
        assert found == {"ListBackups": 5, "DeleteBackup": 5}


def test_an_export_and_an_import_describe_each_table_once(
    on_moto: DynamoDbConfig, moto_client: Client, tmp_path: Path
) -> None:
    """The table's identity and its number of items come from one description."""
    AdminTables(on_moto, moto_client).ensure()
    with counting(on_moto) as (config, client, found):
        export(config, client, tmp_path / "export", segments=1)
        assert found["DescribeTable"] == 5
    with counting(on_moto) as (config, client, found):
        import_(config, client, tmp_path / "export")
        assert found["DescribeTable"] == 5
