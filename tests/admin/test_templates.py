"""Templates: linted, deployed into moto and compared with the schema, and Terraform's compared key by key."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from torii_dynamodb import DynamoDbConfig
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.options import (
    AWS_MANAGED_KEY,
    AWS_OWNED_KEY,
    NO_MAXIMUM,
    Autoscaling,
    Capacity,
    TableOptions,
)
from torii_dynamodb.admin.tables import AdminTables
from torii_dynamodb.admin.templates import KINDS, TemplateKind, render, template
from torii_dynamodb.config import TABLES
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.schema import SCHEMA

CONFIG = DynamoDbConfig(region="eu-central-1", table_prefix="shop")
EVERYTHING_ON_DEMAND = TableOptions(
    billing="on_demand",
    max_on_demand=Capacity(read=100, write=NO_MAXIMUM),
    warm=Capacity(read=12000, write=4000),
    kms_key="arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    deletion_protection=True,
    point_in_time_recovery=True,
    recovery_days=7,
    table_class="STANDARD_INFREQUENT_ACCESS",
    tags={"team": "identity"},
    stream="NEW_AND_OLD_IMAGES",
)
EVERYTHING_PROVISIONED = TableOptions(
    billing="provisioned",
    capacity=Capacity(read=10, write=20),
    index_capacity={"email-index": Capacity(read=3, write=20)},
    kms_key=AWS_MANAGED_KEY,
    autoscaling=Autoscaling(),
    deletion_protection=False,
)
OPTIONS = [
    pytest.param(TableOptions(), id="defaults"),
    pytest.param(EVERYTHING_ON_DEMAND, id="on demand"),
    pytest.param(EVERYTHING_PROVISIONED, id="provisioned"),
    pytest.param(
        TableOptions(kms_key=AWS_OWNED_KEY, per_table={"users": EVERYTHING_PROVISIONED}), id="one table otherwise"
    ),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", OPTIONS)
def test_a_template_is_deterministic_json(kind: TemplateKind, options: TableOptions) -> None:
    """The same options give the same text: JSON with every table's name."""
    text = render(template(kind, CONFIG, options))
    assert text == render(template(kind, CONFIG, options))
    assert json.loads(text) == template(kind, CONFIG, options)
    assert all(CONFIG.table_name(table) in text for table in TABLES)


def test_cfn_lint_finds_nothing(tmp_path: Path) -> None:
    """CloudFormation's own schemas find no error and no warning, with any options, nor for a SAM template."""
    chosen: list[tuple[TemplateKind, TableOptions]] = [
        ("cloudformation", EVERYTHING_ON_DEMAND),
        ("cloudformation", EVERYTHING_PROVISIONED),
        ("sam", EVERYTHING_ON_DEMAND),
        ("application", EVERYTHING_ON_DEMAND),
    ]
    files: list[str] = []
    for kind, options in chosen:
        files.append(str(tmp_path / f"{len(files)}-{kind}.json"))
        Path(files[-1]).write_text(render(template(kind, CONFIG, options)), encoding="utf-8")
    run = "import sys; from cfnlint.runner import main; sys.exit(main())"
    command = [sys.executable, "-W", "ignore", "-c", run, "--regions", "eu-central-1", "--", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(TableOptions(), id="defaults"),
        pytest.param(
            TableOptions(
                billing="on_demand", deletion_protection=True, stream="NEW_AND_OLD_IMAGES", tags={"team": "identity"}
            ),
            id="on demand",
        ),
        pytest.param(
            TableOptions(
                billing="provisioned",
                capacity=Capacity(read=10, write=20),
                index_capacity={"email-index": Capacity(read=3, write=20)},
            ),
            id="provisioned",
        ),
    ],
)
def test_deployed_into_moto_it_is_what_tables_diff_wants(
    moto_engine: LocalEngine, table_prefix: str, options: TableOptions
) -> None:
    """The stack's tables differ from the schema and the options only in TTL, which moto's stacks leave out."""
    import boto3

    config = moto_engine.config(table_prefix=table_prefix)
    stacks: Any = boto3.client(
        "cloudformation",
        region_name=moto_engine.region,
        endpoint_url=moto_engine.endpoint_url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    name = f"stack-{table_prefix}"
    stacks.create_stack(StackName=name, TemplateBody=render(template("cloudformation", config, options)))
    assert stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    client = Client(config)
    try:
        plan = AdminTables(config, client).plan(options)
    finally:
        client.close()
    assert not plan.obstacles
    assert sorted((step.operation, step.table) for step in plan.steps) == [
        ("UpdateTimeToLive", table) for table in sorted(TABLES) if SCHEMA[table].ttl
    ]


@pytest.mark.parametrize("options", OPTIONS)
def test_terraform_is_the_schema_key_by_key(options: TableOptions) -> None:
    """Every key, index, type and TTL attribute of the schema is in the Terraform tables, and nothing else."""
    tables = template("terraform", CONFIG, options)["resource"]["aws_dynamodb_table"]
    assert set(tables) == set(TABLES)
    for table, schema in SCHEMA.items():
        body = tables[table]
        assert body["name"] == CONFIG.table_name(table)
        assert body["hash_key"] == schema.hash_key.name
        assert body.get("range_key") == (schema.range_key.name if schema.range_key else None)
        assert {one["name"]: one["type"] for one in body["attribute"]} == schema.attributes
        assert body.get("ttl") == ({"attribute_name": schema.ttl, "enabled": True} if schema.ttl else None)
        found = [
            (one["name"], one["hash_key"], one.get("range_key"), one["projection_type"])
            for one in body.get("global_secondary_index", [])
        ]
        wanted = [
            (one.name, one.hash_key.name, one.range_key.name if one.range_key else None, "ALL")
            for one in schema.indexes
        ]
        assert found == wanted
        assert body["lifecycle"]["prevent_destroy"] is True


@pytest.mark.parametrize("options", OPTIONS)
def test_terraform_and_cloudformation_say_the_same(options: TableOptions) -> None:
    """Capacity, protection, encryption, backups, class, stream and tags are the same in both."""
    cloud = template("cloudformation", CONFIG, options)["Resources"]
    terra = template("terraform", CONFIG, options)["resource"]
    for table in TABLES:
        body = terra["aws_dynamodb_table"][table]
        name = "".join(part.capitalize() for part in table.split("_")) + "Table"
        properties = cloud[name]["Properties"]
        units = properties.get("ProvisionedThroughput", {})
        assert body["billing_mode"] == properties["BillingMode"]
        assert body.get("read_capacity") == units.get("ReadCapacityUnits")
        assert body.get("write_capacity") == units.get("WriteCapacityUnits")
        assert body.get("on_demand_throughput", {}).get("max_read_request_units") == properties.get(
            "OnDemandThroughput", {}
        ).get("MaxReadRequestUnits")
        assert body.get("deletion_protection_enabled") == properties.get("DeletionProtectionEnabled")
        assert body.get("table_class") == properties.get("TableClass")
        assert body.get("stream_view_type") == properties.get("StreamSpecification", {}).get("StreamViewType")
        recovery = properties.get("PointInTimeRecoverySpecification", {})
        assert body.get("point_in_time_recovery", {}).get("enabled") == recovery.get("PointInTimeRecoveryEnabled")
        assert body.get("point_in_time_recovery", {}).get("recovery_period_in_days") == recovery.get(
            "RecoveryPeriodInDays"
        )
        encryption = properties.get("SSESpecification", {})
        assert body.get("server_side_encryption", {}).get("enabled") == encryption.get("SSEEnabled")
        assert body.get("server_side_encryption", {}).get("kms_key_arn") == encryption.get("KMSMasterKeyId")
        assert body.get("tags", {}) == {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
    targets = sum(one["Type"].endswith("ScalableTarget") for one in cloud.values())
    assert len(terra.get("aws_appautoscaling_target", {})) == targets


def test_autoscaling_covers_tables_and_indexes() -> None:
    """Five tables and two indexes, read and write: fourteen targets, each with a policy."""
    resources = template("cloudformation", CONFIG, EVERYTHING_PROVISIONED)["Resources"]
    kinds = [one["Type"].rpartition("::")[2] for one in resources.values()]
    assert kinds.count("ScalableTarget") == kinds.count("ScalingPolicy") == 14


def test_cdk_names_begin_small() -> None:
    """CDK's property names: a leading run of capitals is one word; tags and attribute names stay as they are."""
    users = template("cdk-json", CONFIG, EVERYTHING_ON_DEMAND)["UsersTable"]
    assert users["tableName"] == "shop_users"
    assert users["keySchema"] == [{"attributeName": "id", "keyType": "HASH"}]
    assert users["sseSpecification"]["sseEnabled"] is True
    assert users["sseSpecification"]["kmsMasterKeyId"].startswith("arn:aws:kms")
    assert users["tags"] == [{"key": "team", "value": "identity"}]


@pytest.mark.parametrize("kind", ["cloudformation", "sam", "cdk-json", "terraform"])
def test_a_single_table_has_a_template_of_every_kind(kind: TemplateKind) -> None:
    """One table with the configured keys and TTL attribute, and no index; options of other tables are refused."""
    config = DynamoDbConfig(region="eu-central-1", layout="single", table="app", sort_key="range", ttl_attribute="ttl")
    made = render(template(kind, config, EVERYTHING_ON_DEMAND))
    assert all(name in made for name in ('"app"', '"range"', '"ttl"'))
    assert "ndex" not in made
    with pytest.raises(ConfigurationError, match="no table users"):
        template(kind, config, TableOptions(per_table={"users": TableOptions()}))
    with pytest.raises(ConfigurationError, match=r"five tables.*use the template `sam`.*iam policy --layout single"):
        template("application", config)
