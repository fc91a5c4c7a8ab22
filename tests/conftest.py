"""Fixtures for all tests: the engines, the wheel, a table prefix, a clean AWS environment."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.valkey_server import ValkeyServer

from torii_dynamodb.local import EngineError, LocalEngine, find_dynoxide

# No deadline: pauses of a shared machine are not failures. CI is repeatable; elsewhere every run differs.
settings.register_profile("dev", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("dev"), max_examples=100, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


def pytest_collection_finish() -> None:
    """Save a seventh of the time of tests/web (by collecting no imported modules), and most of the commands'."""
    gc.collect()
    gc.freeze()
    typer = sys.modules.get("typer.testing")
    if hasattr(typer, "_get_command"):  # builds all commands from their signatures, for each command line that runs
        vars(typer)["_get_command"] = functools.cache(vars(typer)["_get_command"])


@pytest.fixture(scope="session", autouse=True)
def _no_aws_from_the_machine() -> Iterator[None]:
    """Keep the developer's AWS settings out of the tests, and the tests out of the developer's account."""
    if os.environ.get("TORII_TEST_AWS"):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        ways = {"http_proxy", "https_proxy", "no_proxy", "requests_ca_bundle"}
        for name in [name for name in os.environ if name.startswith("AWS_") or name.lower() in ways]:
            patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> Iterator[None]:
    """Let the programs that tests start react to Ctrl-C.

    A shell starts background jobs with SIGINT ignored, and all their child processes inherit that.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _a_dynoxide() -> Iterator[LocalEngine]:
    binary = find_dynoxide()
    if binary is None:
        pytest.fail("the Dynoxide engine is not installed: run 'make setup' (needs npm), or set TORII_DYNOXIDE")
    with LocalEngine("dynoxide", binary=binary) as engine:
        yield engine


@pytest.fixture(scope="module")
def dynoxide() -> Iterator[LocalEngine]:
    """A running Dynoxide, in memory, one per test module. If it is missing, the test fails.

    It starts in 30 ms. With thousands of tables, creating another takes it ten times as long as the first.
    """
    with _a_dynoxide() as engine:
        yield engine


@pytest.fixture(scope="class")
def dynoxide_of_class() -> Iterator[LocalEngine]:
    """The same, one per test class, for classes with very many tables."""
    with _a_dynoxide() as engine:
        yield engine


@pytest.fixture(scope="session")
def moto_engine() -> Iterator[LocalEngine]:
    """A running moto server, one per test process. If it is missing, the test fails. Not safe under concurrency."""
    try:
        engine = LocalEngine("moto").start()
    except EngineError as error:
        pytest.fail(f"{error}; run 'make setup'")
    with engine:
        yield engine


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """A running Valkey or Redis, in memory, one per test process. If it is missing, the test fails."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, built as for a package index, once for all test processes."""
    folder = tmp_path_factory.getbasetemp()
    shared = (folder.parent if os.environ.get("PYTEST_XDIST_WORKER") else folder) / "distributions"
    if not shared.exists():
        made = tmp_path_factory.mktemp("distributions")
        command = [sys.executable, "-m", "hatchling", "build", "-d", str(made)]
        subprocess.run(command, check=True, timeout=110, cwd=Path(__file__).parents[1], capture_output=True)
        with contextlib.suppress(OSError):  # another process was first
            made.rename(shared)
    return shared


@pytest.fixture(scope="session")
def wheel(distributions: Path) -> Path:
    """The library's wheel."""
    (built,) = distributions.glob("*.whl")
    return built


@pytest.fixture
def table_prefix() -> str:
    """A table prefix that no other test uses: tests share an engine, never a table."""
    return f"t{uuid.uuid4().hex[:16]}"
