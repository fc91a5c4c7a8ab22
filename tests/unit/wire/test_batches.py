"""Batches of reads: which items belong to which caller."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torii_dynamodb._wire.batches import (
    ALONE,
    BATCH_KEYS,
    MAX_KEYS,
    ReadBatch,
    ReadUnit,
    depart,
    goes_alone,
    key_id,
)
from torii_dynamodb.errors import Unavailable

TABLES = ("users", "sessions")
keys = st.tuples(st.sampled_from(TABLES), st.integers(0, 30).map(lambda number: {"id": {"S": str(number)}}))
units = st.lists(st.lists(keys, min_size=1, max_size=12), min_size=1, max_size=6)


def item_of(table: str, key: dict[str, Any]) -> dict[str, Any] | None:
    """Every third item is missing."""
    return {**key, "of": {"S": table}} if int(key["id"]["S"]) % 3 else None


@given(asked=units, data=st.data())
def test_every_unit_gets_its_own(asked: list[list[tuple[str, dict[str, Any]]]], data: st.DataObject) -> None:
    """Whatever the order of the items and the unprocessed keys, each unit gets its items in its own order."""
    waiting = [ReadUnit(unit) for unit in asked]
    everyone = list(waiting)
    rounds = 0
    while waiting:
        batch = ReadBatch(waiting, True)
        payload = batch.payload
        responses: dict[str, list[Any]] = {}
        left: dict[str, Any] = {}
        for table, request in payload["RequestItems"].items():
            assert len({key_id(table, key) for key in request["Keys"]}) == len(request["Keys"])
            for position, key in enumerate(data.draw(st.permutations(request["Keys"]))):
                if rounds < 5 and position and data.draw(st.booleans()):
                    left.setdefault(table, {"Keys": []})["Keys"].append(key)
                elif (item := item_of(table, key)) is not None:
                    responses.setdefault(table, []).append(item)
        assert batch.absorb({"Responses": responses, "UnprocessedKeys": left}) > 0
        waiting = [unit for unit in waiting if unit.result is None]
        rounds += 1
    for unit, wanted in zip(everyone, asked, strict=True):
        assert unit.result == [item_of(table, key) for table, key in wanted]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"id": {"S": "1"}}, {"id": {"S": "1"}}, True),
        ({"id": {"S": "1"}}, {"id": {"N": "1"}}, False),
        ({"id": {"N": "1"}}, {"id": {"N": "1.0"}}, True),
        ({"id": {"N": "100"}}, {"id": {"N": "1E2"}}, True),
        ({"a": {"S": "x"}, "b": {"N": "1"}}, {"b": {"N": "1.00"}, "a": {"S": "x"}}, True),
        ({"a": {"S": "x"}, "b": {"S": "y"}}, {"a": {"S": "y"}, "b": {"S": "x"}}, False),
    ],
)
def test_keys_are_told_apart(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    """Identifiers are equal exactly if DynamoDB treats the keys as the same."""
    assert (key_id("t", one) == key_id("t", other)) is same


def test_composite_and_number_keys_find_their_items() -> None:
    """Any key schema works, even if DynamoDB writes a number differently than the request did."""
    unit = ReadUnit(
        [("attempts", {"subject": {"S": "a"}, "attempt": {"S": "#register"}}), ("numbers", {"n": {"N": "1.50"}})]
    )
    batch = ReadBatch((unit,), True)
    register = {"attempt": {"S": "#register"}, "subject": {"S": "a"}, "a1": {"S": "x"}}
    number = {"n": {"N": "1.5"}}
    batch.absorb({"Responses": {"attempts": [register], "numbers": [number]}})
    assert unit.result == [register, number]


def test_an_empty_answer_is_no_answer() -> None:
    """A response without items and unprocessed keys is an error: no item counts as missing."""
    batch = ReadBatch((ReadUnit([("users", {"id": {"S": "1"}})]),), True)
    with pytest.raises(Unavailable):
        batch.absorb({})


def queue_of(sizes: list[int], *, shared: bool = False) -> deque[ReadUnit]:
    """Units of that many keys each, all different, or the same ones."""
    return deque(
        ReadUnit([("t", {"id": {"S": f"{0 if shared else number}-{key}"}}) for key in range(size)])
        for number, size in enumerate(sizes)
    )


@given(sizes=st.lists(st.integers(1, MAX_KEYS), max_size=40), free=st.integers(0, 64), shared=st.booleans())
def test_what_waits_departs_in_order(sizes: list[int], free: int, shared: bool) -> None:
    """At most 100 different keys in a batch, no more batches than may be sent, first come, first served."""
    queue = queue_of(sizes, shared=shared)
    waiting = list(queue)
    batches = depart(queue, free)
    assert [unit for batch in batches for unit in batch] + list(queue) == waiting
    assert len(batches) <= free
    assert all(batch and len({key for unit in batch for key in unit.missing}) <= MAX_KEYS for batch in batches)
    if queue:
        assert len(batches) == free


@pytest.mark.parametrize(
    ("checks", "free", "batches"),
    [
        (0, 60, []),
        (1, 60, [1]),
        (BATCH_KEYS // 2, 60, [BATCH_KEYS // 2]),
        (BATCH_KEYS // 2 + 1, 60, [BATCH_KEYS // 4 + 1, BATCH_KEYS // 4]),
        (64, 60, [BATCH_KEYS // 2] * (128 // BATCH_KEYS)),
        (64, 2, [32, 32]),
        (130, 2, [50, 50]),
        (64, 0, []),
    ],
)
def test_session_checks_are_dealt_evenly(checks: int, free: int, batches: list[int]) -> None:
    """A batch grows beyond its usual size, up to 100 keys, only if there are too few connections."""
    assert [len(batch) for batch in depart(queue_of([2] * checks), free)] == batches


def test_callers_of_the_same_keys_share_one_batch() -> None:
    """A page that sends 64 requests at once with one session reads it once."""
    assert [len(batch) for batch in depart(queue_of([2] * 64, shared=True), 60)] == [64]


def test_a_few_reads_go_alone() -> None:
    """Merging begins with the fifth read in flight, and never exceeds the connections."""
    assert [goes_alone(number, 64) for number in range(6)] == [True] * ALONE + [False] * (6 - ALONE)
    assert [goes_alone(number, 2) for number in range(3)] == [True, True, False]
