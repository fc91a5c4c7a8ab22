"""Two engines simulate two Regions, with a replicator between them; requests for replicas against AWS' model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from torii_dynamodb import DynamoDbConfig, DynamoDbHandle, DynamoDbStorage, NewSession, NewToken, NewUser
from torii_dynamodb._core.tables import create_request
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.autoscaling import targets
from torii_dynamodb.admin.control import NotOffered
from torii_dynamodb.admin.global_tables import add_replica, list_replicas, remove_replica
from torii_dynamodb.config import TABLES
from torii_dynamodb.errors import AlreadyExists, ConfigurationError, Unavailable, ValidationError
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import LockoutPolicy
from torii_dynamodb.schema import SCHEMA, schema_of

SOON = timedelta(hours=1)


class Regions:
    """Two Regions with one prefix, and DynamoDB's replication between them: whole items, last writer wins."""

    def __init__(self, a: LocalEngine, b: LocalEngine, prefix: str) -> None:
        self.engines = {"a": a, "b": b}
        self.configs = {
            name: engine.config(table_prefix=prefix, session_cleanup="off") for name, engine in self.engines.items()
        }
        for config in self.configs.values():
            with DynamoDbStorage.open(config):
                pass
        self._clients = {name: Client(config) for name, config in self.configs.items()}
        self._known: dict[tuple[str, tuple[str, ...]], dict[str, Any] | None] = {}

    def abroad(self, **options: Any) -> DynamoDbConfig:
        """Region b, with its home in a."""
        return self.engines["b"].config(
            table_prefix=self.configs["b"].table_prefix,
            create_tables=False,
            home_region="eu-central-1",
            home_endpoint_url=self.engines["a"].endpoint_url,
            session_cleanup="off",
            **options,
        )

    def items(self, region: str) -> dict[tuple[str, tuple[str, ...]], dict[str, Any]]:
        found: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}
        for table in TABLES:
            schema = SCHEMA[table]
            keys = [schema.hash_key.name] + ([schema.range_key.name] if schema.range_key else [])
            answer = self._clients[region].call("Scan", {"TableName": self.configs[region].table_name(table)})
            for item in answer["Items"]:
                found[table, tuple(item[key]["S"] for key in keys)] = item
        return found

    def replicate(self, *, last: str = "a") -> None:
        """Carry what changed in one region to the other; where both changed an item, the write of ``last`` wins."""
        held = {name: self.items(name) for name in self.configs}
        for key in {*held["a"], *held["b"], *self._known}:
            before = self._known.get(key)
            changed = [name for name in ("a", "b") if held[name].get(key) != before]
            if not changed:
                continue
            winner = last if last in changed else changed[0]
            item = held[winner].get(key)
            other = "b" if winner == "a" else "a"
            self._write(other, key, item)
            self._known[key] = item

    def _write(self, region: str, key: tuple[str, tuple[str, ...]], item: dict[str, Any] | None) -> None:
        table, values = key
        schema = SCHEMA[table]  # type: ignore[index]
        name = self.configs[region].table_name(table)  # type: ignore[arg-type]
        if item is not None:
            self._clients[region].call("PutItem", {"TableName": name, "Item": item})
            return
        names = [schema.hash_key.name] + ([schema.range_key.name] if schema.range_key else [])
        body = {name: {"S": value} for name, value in zip(names, values, strict=True)}
        self._clients[region].call("DeleteItem", {"TableName": name, "Key": body})

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


@pytest.fixture
def other() -> Iterator[LocalEngine]:
    with LocalEngine("dynoxide") as engine:
        yield engine


@pytest.fixture
def regions(dynoxide: LocalEngine, other: LocalEngine, table_prefix: str) -> Iterator[Regions]:
    found = Regions(dynoxide, other, table_prefix)
    yield found
    found.close()


@pytest.fixture
def home(regions: Regions) -> Iterator[DynamoDbHandle]:
    with DynamoDbStorage.open(regions.configs["a"]) as storage:
        yield storage


@pytest.fixture
def abroad(regions: Regions) -> Iterator[DynamoDbHandle]:
    with DynamoDbStorage.open(regions.abroad()) as storage:
        yield storage


def a_session(storage: DynamoDbHandle, user_id: str) -> str:
    session = storage.create_session(NewSession(user_id=user_id, expires_at=storage.config.clock() + SOON))
    return session.token


def test_every_write_goes_home(regions: Regions, abroad: DynamoDbHandle) -> None:
    """A write from another Region goes to the home Region, and reaches the other one only by replication."""
    user = abroad.create_user(NewUser(email="ada@example.com"))
    a_session(abroad, user.id)
    assert len(regions.items("a")) == 3
    assert regions.items("b") == {}


def test_a_fresh_session_is_found_before_it_is_replicated(regions: Regions, abroad: DynamoDbHandle) -> None:
    """A check asks the home Region before it refuses, so that nobody is signed out just after signing in."""
    user = abroad.create_user(NewUser(email="ada@example.com"))
    assert abroad.get_signed_in(a_session(abroad, user.id)) is not None


def test_session_checks_are_local(regions: Regions, home: DynamoDbHandle, dynoxide: LocalEngine) -> None:
    """A replicated session passes while the home Region is unreachable; a miss is then Unavailable, not a refusal."""
    nowhere = "http://127.0.0.1:9"
    user = home.create_user(NewUser(email="ada@example.com"))
    token, late = a_session(home, user.id), a_session(home, user.id)
    home.delete_session(late)
    regions.replicate()
    config = regions.engines["b"].config(
        table_prefix=regions.configs["b"].table_prefix,
        create_tables=False,
        home_region="eu-central-1",
        home_endpoint_url=nowhere,
        retry_attempts=0,
    )
    with DynamoDbStorage.open(config) as storage:
        found = storage.get_signed_in(token)
        assert found is not None
        assert found.user == user
        with pytest.raises(Unavailable):
            storage.get_signed_in(late)
        with pytest.raises(Unavailable):
            storage.get_user(user.id)


def test_a_revocation_holds_abroad_once_it_is_replicated(
    regions: Regions, home: DynamoDbHandle, abroad: DynamoDbHandle
) -> None:
    """As documented: revoked immediately at home, elsewhere after the replication lag, and then for good."""
    user = home.create_user(NewUser(email="ada@example.com"))
    token = a_session(home, user.id)
    regions.replicate()
    abroad.delete_sessions_for_user(user.id)
    assert home.get_signed_in(token) is None
    assert abroad.get_signed_in(token) is not None
    regions.replicate()
    assert abroad.get_signed_in(token) is None


def test_a_session_made_with_a_stale_user_is_worth_nothing(
    regions: Regions, home: DynamoDbHandle, abroad: DynamoDbHandle
) -> None:
    """A session made from a user read elsewhere before a revocation at home has the old epoch, and is refused."""
    user = home.create_user(NewUser(email="ada@example.com"))
    token = a_session(home, user.id)
    regions.replicate()
    home.delete_sessions_for_user(user.id)
    stale = abroad.get_signed_in(token)
    assert stale is not None
    made = abroad.create_session(NewSession(user_id=user.id, expires_at=abroad.config.clock() + SOON), user=stale.user)
    assert home.get_signed_in(made.token) is None
    regions.replicate()
    assert abroad.get_signed_in(made.token) is None


def test_one_address_is_one_user_across_regions(home: DynamoDbHandle, abroad: DynamoDbHandle) -> None:
    """With a home Region, the second of two Regions is refused."""
    home.create_user(NewUser(email="ada@example.com"))
    with pytest.raises(AlreadyExists):
        abroad.create_user(NewUser(email="ada@example.com"))


def test_a_token_is_used_once_across_regions(home: DynamoDbHandle, abroad: DynamoDbHandle) -> None:
    """Tokens are consumed in the home Region: one of two Regions succeeds."""
    user = home.create_user(NewUser(email="ada@example.com"))
    made = home.create_token(
        NewToken(purpose="magic_link", user_id=user.id, expires_at=home.config.clock() + SOON), user=user
    )
    assert abroad.verify_token(made.token, purpose="magic_link") is not None
    assert home.verify_token(made.token, purpose="magic_link") is None


def test_attempts_are_counted_once_for_all_regions(home: DynamoDbHandle, abroad: DynamoDbHandle) -> None:
    """The lockout cannot be avoided by going to another Region."""
    policy = LockoutPolicy(max_attempts=3)
    taken = [
        storage.acquire_login_attempt("ada@example.com", policy=policy).allowed
        for storage in (home, abroad, home, abroad)
    ]
    assert taken == [True, True, True, False]


def test_without_a_home_region_the_promise_is_lost(regions: Regions) -> None:
    """Why the option exists: two writing Regions give one address to two users, and replication keeps one identity."""
    made = {}
    for name in ("a", "b"):
        with DynamoDbStorage.open(regions.configs[name]) as storage:
            made[name] = storage.create_user(NewUser(email="ada@example.com"))
    regions.replicate(last="b")
    with DynamoDbStorage.open(regions.configs["a"]) as storage:
        both = storage.batch_get_users([made["a"].id, made["b"].id])
        assert [user is not None and user.email for user in both] == ["ada@example.com", "ada@example.com"]
        found = storage.get_user_by_email("ada@example.com")
        assert found is not None
        assert found.id == made["b"].id


def test_without_a_home_region_a_revocation_can_be_overwritten(regions: Regions) -> None:
    """Last writer wins, item by item: a profile written elsewhere brings revoked sessions back."""
    with DynamoDbStorage.open(regions.configs["a"]) as a, DynamoDbStorage.open(regions.configs["b"]) as b:
        user = a.create_user(NewUser(email="ada@example.com"))
        token = a_session(a, user.id)
        regions.replicate()
        a.delete_sessions_for_user(user.id)
        b.update_user(user, name="Ada")
        regions.replicate(last="b")
        assert a.get_signed_in(token) is not None


def test_home_configuration_is_checked() -> None:
    """A home endpoint without a home Region, and invalid Regions or URLs, are refused by name."""
    with pytest.raises(ConfigurationError, match="home_endpoint_url"):
        DynamoDbConfig(home_endpoint_url="http://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="home_region"):
        DynamoDbConfig(home_region="Frankfurt am Main")


def test_the_environment_s_endpoint_is_not_taken_for_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint in the environment is for the near Region; the home endpoint is set explicitly."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1")
    home = DynamoDbConfig(region="us-east-1", home_region="eu-central-1").at_home()
    assert (home.region, home.endpoint_url) == ("eu-central-1", "https://dynamodb.eu-central-1.amazonaws.com")
    assert DynamoDbConfig(region="us-east-1").at_home().endpoint_url is None


class Aws:
    """DynamoDB's control plane for replicas, following the API reference; each change takes two looks."""

    def __init__(self, layout: Any = "tables", **description: Any) -> None:
        self.config = DynamoDbConfig(region="us-east-1", layout=layout)
        self.where = "AWS"
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.tables: dict[str, dict[str, Any]] = {
            (name := self.config.table_name(table)): {
                **create_request(schema, name),
                "TableStatus": "ACTIVE",
                "Replicas": [],
                **description,
            }
            for table, schema in schema_of(self.config).items()
        }
        self.fails_with: str | None = None

    def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        table = self.tables[payload["TableName"]]
        if operation == "DescribeTable":
            answer = {"Table": {**table, "Replicas": [dict(one) for one in table["Replicas"]]}}
            for one in list(table["Replicas"]):
                if one["ReplicaStatus"] == "CREATING":
                    one["ReplicaStatus"] = self.fails_with or "ACTIVE"
                elif one["ReplicaStatus"] == "DELETING":
                    table["Replicas"].remove(one)
            return answer
        self.calls.append((operation, payload))
        if "StreamSpecification" in payload:
            table["StreamSpecification"] = payload["StreamSpecification"]
        for update in payload.get("ReplicaUpdates", []):
            if "Create" in update:
                table["Replicas"].append({**update["Create"], "ReplicaStatus": "CREATING"})
            else:
                for one in table["Replicas"]:
                    one["ReplicaStatus"] = "DELETING"
        return {"TableDescription": table}


def quick(aws: Any, region: str, **options: Any) -> list[str]:
    return add_replica(aws, aws.config, region, pause=lambda seconds: None, **options)


def test_a_replica_is_added_to_every_table() -> None:
    """Per table: the stream, then UpdateTable with one ReplicaUpdates.Create, then wait until it is active."""
    aws: Any = Aws()
    done = quick(aws, "eu-west-1", kms_key="alias/torii")
    assert len(done) == 10
    assert aws.calls[:2] == [
        (
            "UpdateTable",
            {
                "TableName": "torii_users",
                "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
            },
        ),
        (
            "UpdateTable",
            {
                "TableName": "torii_users",
                "ReplicaUpdates": [{"Create": {"RegionName": "eu-west-1", "KMSMasterKeyId": "alias/torii"}}],
            },
        ),
    ]
    assert all(one.usable and one.region == "eu-west-1" for one in list_replicas(aws, aws.config))
    assert quick(aws, "eu-west-1") == []


def test_a_single_table_is_replicated_and_removed() -> None:
    """The one table gets a stream and a replica; both are planned before, and nothing is left to do after."""
    aws: Any = Aws("single")
    region = "eu-west-1"
    planned = quick(aws, region, dry_run=True)
    assert planned == ["turn on the stream of torii, which replication needs", f"replicate torii to {region}"]
    assert quick(aws, region) == planned
    assert [(one.table, one.name, one.region) for one in list_replicas(aws, aws.config)] == [("table", "torii", region)]
    assert quick(aws, region) == []
    assert len(remove_replica(aws, aws.config, region, pause=lambda seconds: None)) == 1
    assert list_replicas(aws, aws.config) == []


def test_an_endpoint_that_makes_no_replica_is_told(on_moto: DynamoDbConfig, moto_client: Client) -> None:
    """moto accepts the request and does nothing: the wait ends with that, not after hours."""
    with DynamoDbStorage.open(on_moto):
        pass
    pauses: list[float] = []
    with pytest.raises(NotOffered, match="emulators have no replicas"):
        add_replica(moto_client, on_moto, "eu-west-1", pause=pauses.append)
    assert 60 < sum(pauses) < 90


def test_a_dry_run_changes_nothing() -> None:
    """A dry run says what would be done, and only describes."""
    aws: Any = Aws()
    assert len(quick(aws, "eu-west-1", dry_run=True)) == 10
    assert aws.calls == []


def test_adding_goes_on_after_an_interruption() -> None:
    """A replica that is already being made is waited for, not requested again."""
    aws: Any = Aws()
    aws.tables["torii_users"]["Replicas"].append({"RegionName": "eu-west-1", "ReplicaStatus": "CREATING"})
    assert not any("replicate torii_users" in line for line in quick(aws, "eu-west-1"))


def test_replicas_are_removed() -> None:
    """Per table one ReplicaUpdates.Delete, until it is gone; a second run does nothing."""
    aws: Any = Aws()
    quick(aws, "eu-west-1")
    aws.calls.clear()
    done = remove_replica(aws, aws.config, "eu-west-1", pause=lambda seconds: None)
    assert len(done) == 5
    assert aws.calls[0] == (
        "UpdateTable",
        {"TableName": "torii_users", "ReplicaUpdates": [{"Delete": {"RegionName": "eu-west-1"}}]},
    )
    assert list_replicas(aws, aws.config) == []
    assert remove_replica(aws, aws.config, "eu-west-1", pause=lambda seconds: None) == []


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ({"MultiRegionConsistency": "STRONG"}, "neither TTL nor transactions"),
        ({"GlobalTableVersion": "2017.11.29"}, "legacy"),
        ({"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}}, "KEYS_ONLY"),
    ],
)
def test_what_cannot_be_replicated_is_refused_before_anything_is_changed(
    description: dict[str, Any], words: str
) -> None:
    """Strong consistency, the legacy version and another stream are refused with the reason."""
    aws: Any = Aws(**description)
    with pytest.raises(ConfigurationError, match=words):
        quick(aws, "eu-west-1")
    assert aws.calls == []


def test_a_replica_that_dynamodb_cannot_make_is_told() -> None:
    """A failed creation ends the wait, with DynamoDB's explanation."""
    aws: Any = Aws()
    aws.fails_with = "REPLICATION_NOT_AUTHORIZED"
    with pytest.raises(ConfigurationError, match="REPLICATION_NOT_AUTHORIZED"):
        quick(aws, "eu-west-1")


def test_provisioned_tables_must_scale_their_writes() -> None:
    """DynamoDB needs autoscaling of every table's and index' writes; a lack is reported before anything changes."""
    provisioned: dict[str, Any] = {"BillingModeSummary": {"BillingMode": "PROVISIONED"}}
    aws: Any = Aws(**provisioned)

    class Scaler:
        def __init__(self, every: list[dict[str, Any]]) -> None:
            self.every = every

        def describe_scalable_targets(self, **parameters: Any) -> dict[str, Any]:
            return {"ScalableTargets": self.every}

        def describe_scaling_policies(self, **parameters: Any) -> dict[str, Any]:
            return {"ScalingPolicies": []}

        def describe_scheduled_actions(self, **parameters: Any) -> dict[str, Any]:
            return {"ScheduledActions": []}

    with pytest.raises(ConfigurationError, match=r"table/torii_users write.*autoscaling enable"):
        quick(aws, "eu-west-1", autoscaling=Scaler([]))
    assert aws.calls == []
    writes = [
        {"ResourceId": one.resource_id, "ScalableDimension": one.dimension, "MinCapacity": 1, "MaxCapacity": 9}
        for one in targets(aws.config)
        if one.direction == "write"
    ]
    assert len(quick(aws, "eu-west-1", autoscaling=Scaler(writes))) == 10


def test_the_tables_own_region_is_known_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Region from the environment counts as the tables' own, like a given one."""
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    aws: Any = Aws()
    aws.config = DynamoDbConfig()
    with pytest.raises(ValidationError, match=r"are in .* already"):
        quick(aws, "eu-west-3")


def test_the_tables_own_region_is_no_replica() -> None:
    """The Region of the tables themselves is refused: removing it would delete the tables."""
    aws: Any = Aws()
    with pytest.raises(ValidationError, match=r"are in .* already"):
        remove_replica(aws, aws.config, "us-east-1")
