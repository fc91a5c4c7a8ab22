"""The cost model: measured units, prices, break-even, charts; and consumed capacity of a handle and of CloudWatch."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from torii_dynamodb import DynamoDbStorage, NewUser
from torii_dynamodb._calls import CallRecord
from torii_dynamodb.admin.capacity import CapacityMeter, capacity_from_cloudwatch
from torii_dynamodb.admin.cost import (
    FLOWS,
    Units,
    Workload,
    bars,
    estimate,
    load_prices,
    load_units,
    svg,
)
from torii_dynamodb.admin.measuring import measure
from torii_dynamodb.errors import ConfigurationError, ValidationError
from torii_dynamodb.local import DYNOXIDE_VERSION, LocalEngine

PRICES: dict[str, Any] = {
    "as_of": "2026-01-01",
    "currency": "EUR",
    "hours_a_month": 100,
    "regions": {
        "here": {
            "on_demand": {"STANDARD": {"read_million": 1.0, "write_million": 10.0}},
            "provisioned": {"STANDARD": {"read_hour": 0.001, "write_hour": 0.01}},
            "storage_gb_month": {"STANDARD": 1.0},
            "point_in_time_gb_month": 0.5,
        }
    },
}
ONE_CHECK = Units(requests=1, read=2.0, write=0.0, tables={"users": (1.0, 0.0), "sessions": (1.0, 0.0)})
ONE_SIGN_UP = Units(requests=1, read=0.0, write=5.0, tables={"users": (0.0, 3.0), "identities": (0.0, 2.0)})
NONE = Units(requests=0, read=0.0, write=0.0, tables={})
UNITS = {"strong": {**dict.fromkeys(FLOWS, NONE), "session_check": ONE_CHECK, "sign_up": ONE_SIGN_UP}}
NOTHING: dict[str, Any] = {"sign_ins": 0, "sign_outs": 0, "password_changes": 0, "tokens": 0}


@pytest.mark.parametrize(("layout", "name"), [("tables", "units.json"), ("single", "units_single.json")])
def test_the_kept_units_are_what_the_code_consumes(
    dynoxide: LocalEngine, table_prefix: str, layout: str, name: str
) -> None:
    """The file must equal a new measurement, so that a change in the cost of a flow shows in a diff."""
    config = dynoxide.config(table_prefix=table_prefix, layout=layout)
    kept = json.loads(Path(f"src/torii_dynamodb/admin/data/{name}").read_text(encoding="utf-8"))
    found = measure(config, engine=f"Dynoxide {DYNOXIDE_VERSION}")
    assert json.loads(json.dumps(found["flows"])) == kept["flows"]
    assert kept["engine"] == found["engine"]


def test_an_estimate_is_units_times_prices() -> None:
    """By hand: a million checks of 2 read units, a hundred thousand sign-ups of 5 write units."""
    found = estimate(Workload(users=0, checks=1e6, sign_ups=1e5, **NOTHING), region="here", prices=PRICES, units=UNITS)
    costs = {flow.flow: flow.on_demand for flow in found.flows if flow.runs}
    assert costs == {"session_check": pytest.approx(2.0), "sign_up": pytest.approx(5.0)}
    assert found.on_demand == pytest.approx(7.0)
    assert found.flows[0].flow == "sign_up"
    assert (found.currency, found.prices_as_of) == ("EUR", "2026-01-01")


def test_a_single_table_costs_less() -> None:
    """For the same workload: fewer write units and less storage, and one table to provision."""
    several, single = estimate(Workload()), estimate(Workload(), units=load_units(layout="single"))
    assert (several.layout, single.layout) == ("tables", "single")
    assert set(single.capacity) == {"table"}
    assert sum(flow.write for flow in single.flows) < sum(flow.write for flow in several.flows)
    assert single.on_demand < several.on_demand
    assert single.storage < several.storage
    assert single.provisioned < several.provisioned


def test_provisioned_capacity_is_bought_for_the_peak() -> None:
    """By hand: 1e6 read units in 360,000 s, three times that at the peak, run at half: 17 units; else one, and one more
    for an index."""
    workload = Workload(users=0, checks=1e6, sign_ups=0, peak=3, utilisation=0.5, **NOTHING)
    found = estimate(workload, region="here", prices=PRICES, units=UNITS)
    assert found.capacity["users"] == found.capacity["sessions"] == (17, 2)
    assert found.capacity["tokens"] == (1, 1)
    assert found.provisioned == pytest.approx((2 * 17 + 3) * 0.001 * 100 + 7 * 0.01 * 100)


def test_break_even_is_where_the_two_are_equal() -> None:
    """At the break-even peak, provisioned and on demand cost the same (but for the minimum of one unit per table)."""
    workload = Workload(users=0, checks=1e9, sign_ups=1e8, **NOTHING)
    peak = estimate(workload, region="here", prices=PRICES, units=UNITS).break_even_peak
    same = Workload(users=0, checks=1e9, sign_ups=1e8, peak=peak, **NOTHING)
    found = estimate(same, region="here", prices=PRICES, units=UNITS)
    assert found.provisioned == pytest.approx(found.on_demand, rel=0.01)
    assert (
        estimate(
            Workload(users=0, checks=1e9, sign_ups=1e8, peak=peak * 1.1, **NOTHING),
            region="here",
            prices=PRICES,
            units=UNITS,
        ).cheaper
        == "on_demand"
    )


def test_each_region_takes_every_write_and_stores_everything() -> None:
    """Two Regions double writes and storage, but not reads."""
    one, two = (
        estimate(
            Workload(users=1_000_000, checks=1e6, sign_ups=1e5, regions=regions, **NOTHING),
            region="here",
            prices=PRICES,
            units=UNITS,
        )
        for regions in (1, 2)
    )
    assert two.on_demand - one.on_demand == pytest.approx(5.0)
    assert two.storage == pytest.approx(2 * one.storage)
    writes = sum(write for _, write in one.capacity.values()) * 0.01 * 100
    assert two.provisioned - one.provisioned == pytest.approx(writes)


def test_the_prices_say_how_old_they_are() -> None:
    """The estimate has date, Region and note of the price file; other files need no note."""
    found = estimate(Workload())
    assert (found.prices_as_of, found.region) == ("2025-01-01", "us-east-1")
    assert "check them" in found.prices_note
    assert estimate(Workload(), region="here", prices=PRICES, units=load_units()).prices_note == ""


@pytest.mark.parametrize("broken", [{"regions": {"here": {}}}, {**PRICES, "hours_a_month": "many"}])
def test_prices_that_lack_something_are_said(broken: dict[str, Any]) -> None:
    """A price file without a price is a wrong configuration, not an internal error."""
    with pytest.raises(ConfigurationError, match="cost prices"):
        estimate(Workload(), region="here", prices=broken)


@pytest.mark.parametrize("text", ["{}", '{"flows": 3}', '{"flows": {"strong": {"sign_up": {}}}}'])
def test_units_that_are_none_are_said(tmp_path: Path, text: str) -> None:
    """A malformed units file is a wrong configuration, and the message says how to make one."""
    path = tmp_path / "units.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="cost measure"):
        load_units(path)


def test_measuring_spares_tables_that_are_there(dynoxide: LocalEngine, table_prefix: str) -> None:
    """Measuring refuses existing tables and leaves them as they are; its own tables are deleted afterwards."""
    config = dynoxide.config(table_prefix=table_prefix)
    with DynamoDbStorage.open(config) as storage:
        user = storage.create_user(NewUser(email="ada@example.com"))
        with pytest.raises(ConfigurationError, match=f"{table_prefix}_users"):
            measure(config, engine="x")
        assert storage.list_users().items == (user,)


def test_longer_sessions_store_more_and_recovery_costs_more() -> None:
    """Storage grows with the lifetime of sessions; PITR is charged by the gigabyte."""
    short, long, kept = (
        estimate(Workload(session_days=days, point_in_time_recovery=pitr))
        for days, pitr in ((1, False), (30, False), (30, True))
    )
    assert short.storage < long.storage < kept.storage


def test_eventual_reads_are_half_the_price() -> None:
    """A check costs half with consistent=False, by the measured units."""
    strong, eventual = (
        next(flow for flow in estimate(Workload(consistent=mode)).flows if flow.flow == "session_check")
        for mode in (True, False)
    )
    assert eventual.on_demand == pytest.approx(strong.on_demand / 2)


def test_prices_have_a_date_and_can_be_replaced(tmp_path: Path) -> None:
    """The library's prices name their source and date; another file is accepted; a missing Region is reported."""
    assert load_prices()["as_of"]
    assert load_prices()["source"].startswith("https://aws.amazon.com/")
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(PRICES), encoding="utf-8")
    assert estimate(Workload(), region="here", prices=load_prices(path)).currency == "EUR"
    with pytest.raises(ConfigurationError, match="mars-1"):
        estimate(Workload(), region="mars-1")
    path.write_text("[", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_prices(path)


@pytest.mark.parametrize(("field", "value"), [("users", -1), ("regions", 0), ("peak", 0.5), ("utilisation", 0)])
def test_a_workload_that_cannot_be_is_refused(field: str, value: float) -> None:
    """Invalid numbers are refused by name."""
    with pytest.raises(ValidationError) as caught:
        Workload(**{field: value})  # type: ignore[arg-type]
    assert caught.value.field == field


def test_the_charts_show_every_flow_and_both_totals() -> None:
    """The SVG is well-formed and has the labels of the terminal's chart."""
    found = estimate(Workload(refreshes=1000, oauth_sign_ins=5))
    lines = bars(found)
    root = ET.fromstring(svg(found))
    texts = " ".join(element.text or "" for element in root.iter())
    for label in ("check a session", "refresh a session", "total, on demand", "total, provisioned", "storage"):
        assert any(line.startswith(label) for line in lines)
        assert label in texts
    assert found.prices_as_of in texts


def test_every_measured_flow_is_in_both_consistencies() -> None:
    """No flow is missing from the data."""
    assert {mode: set(flows) for mode, flows in load_units().items()} == {"strong": set(FLOWS), "eventual": set(FLOWS)}


def test_the_meter_names_hot_operations(dynoxide: LocalEngine, table_prefix: str) -> None:
    """A handle's calls are added up by operation and table; the few that use most units are called hot."""
    meter = CapacityMeter()
    with DynamoDbStorage.open(dynoxide.config(table_prefix=table_prefix, on_call=meter)) as storage:
        meter.reset()
        user = storage.create_user(NewUser(email="ada@example.com"))
        for _ in range(20):
            storage.get_user(user.id)
    report = meter.report()
    assert {(one.operation, one.calls) for one in report.operations} == {("TransactWriteItems", 1), ("GetItem", 20)}
    assert [one.operation for one in report.hot] == ["TransactWriteItems", "GetItem"]
    assert sum(one.read_units for one in report.tables) == 20
    assert {one.name for one in report.tables} == {f"{table_prefix}_users", f"{table_prefix}_identities"}


def test_the_meter_counts_throttles_retries_and_failures() -> None:
    """Trouble that the hook reports is added up; a condition that did not hold is not trouble."""
    meter = CapacityMeter()
    common: dict[str, Any] = {"operation": "GetItem", "tables": ("a",), "latency": 0.1}
    meter(CallRecord(**common, attempts=3, retries=2, throttles=2))
    meter(CallRecord(**common, attempts=4, retries=3, throttles=4, error="ThrottlingException"))
    meter(CallRecord(**common, attempts=1, error="ConditionalCheckFailedException"))
    report = meter.report()
    assert (report.retries, report.throttles, report.failures) == (5, 6, 1)


def test_cloudwatch_is_read_by_table_and_index(moto_engine: LocalEngine, table_prefix: str) -> None:
    """The report has the sums of the tables' metrics, separate for indexes, with throttles added up."""
    import boto3

    config = moto_engine.config(table_prefix=table_prefix)
    client: Any = boto3.client(
        "cloudwatch",
        region_name=moto_engine.region,
        endpoint_url=moto_engine.endpoint_url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    users = [{"Name": "TableName", "Value": f"{table_prefix}_users"}]
    index = [*users, {"Name": "GlobalSecondaryIndexName", "Value": "email-index"}]
    at = datetime.now(UTC) - timedelta(minutes=5)
    for name, value, dimensions in (
        ("ConsumedReadCapacityUnits", 30.0, users),
        ("ConsumedWriteCapacityUnits", 4.0, index),
        ("ReadThrottleEvents", 2.0, users),
    ):
        data = {"MetricName": name, "Value": value, "Dimensions": dimensions, "Timestamp": at}
        client.put_metric_data(Namespace="AWS/DynamoDB", MetricData=[data])
    report = capacity_from_cloudwatch(config)
    found = {one.name: (one.read_units, one.write_units) for one in report.tables if one.read_units or one.write_units}
    assert found == {f"{table_prefix}_users": (30.0, 0.0), f"{table_prefix}_users/email-index": (0.0, 4.0)}
    assert report.throttles == 2.0
