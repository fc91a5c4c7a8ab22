"""How the conformance kit calls a storage. That its tests find what is wrong is shown by the storages they run on."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from threading import Barrier, get_ident
from typing import Any

from torii_dynamodb.testing import FakeClock, conformance


class Probe:
    """Stands in for a blocking storage."""

    def __init__(self) -> None:
        self.barrier = Barrier(16)
        self.threads = {get_ident()}

    def meet(self) -> int:
        """Return only while 16 threads are here."""
        return self.barrier.wait(timeout=30)

    def note_thread(self) -> None:
        self.threads.add(get_ident())


class WithProbe(conformance.Conformance):
    @contextmanager
    def make_storage(self, clock: FakeClock) -> Generator[Any]:
        probe = Probe()
        yield probe
        probe.note_thread()
        assert "races" in self.capabilities or len(probe.threads) == 1

    def raw(self, storage: Probe) -> conformance.Dump:
        storage.note_thread()
        return {}


class TestRaces(WithProbe):
    """A blocking storage whose calls may race."""

    async def test_calls_of_a_blocking_storage_run_at_the_same_time(self, storage: Any) -> None:
        """16 calls that wait for each other all return, and so do 200."""
        for count in (16, 208):
            returned, raised = await self.race([storage.meet for _ in range(count)])
            assert (len(returned), raised) == (count, [])


class TestOneThread(WithProbe):
    """A blocking storage that is bound to its thread."""

    capabilities = frozenset({"raw"})

    async def test_a_storage_without_races_stays_in_one_thread(self, storage: Any) -> None:
        """Opening, calls, raw and closing run in one thread, which is not the event loop's."""
        for _ in range(20):
            await storage.note_thread()
        assert len(self.opened.threads) == 1
        assert get_ident() not in self.opened.threads
