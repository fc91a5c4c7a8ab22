"""The benchmarks' own contestant runs on this version of the library."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from benchmarks.harness.contestants import SCRIPTS, clean_environment

from torii_dynamodb import DynamoDbStorage
from torii_dynamodb.local.engines import LocalEngine


@pytest.mark.parametrize("twin", ["async", "sync"])
def test_every_flow_of_the_benchmarks_runs(dynoxide: LocalEngine, table_prefix: str, twin: str) -> None:
    """The contestant's process does each of its flows once, and reports what it took."""
    DynamoDbStorage().initialize(dynoxide.config(table_prefix=table_prefix)).close()
    command = [sys.executable, str(SCRIPTS / "ours.py"), twin, "merged"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=clean_environment()) as process:
        orders, answers = process.stdin, process.stdout
        assert orders is not None
        assert answers is not None

        def tell(order: str, **what: Any) -> Any:
            orders.write(json.dumps({"do": order, **what}) + "\n")
            orders.flush()
            answer = json.loads(answers.readline())
            assert "ok" in answer, answer
            return answer["ok"]

        flows = tell("open", endpoint=dynoxide.endpoint_url, prefix=table_prefix)["flows"]
        tell("seed", users=2)
        for flow in flows:
            took = tell("run", flow=flow, concurrency=1, operations=1)
            assert {"cpu_us", "per_second", "p50_ms", "p99_ms"} <= took.keys()
        tell("close")
