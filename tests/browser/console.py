"""A program that runs during a browser test, and its output."""

from __future__ import annotations

import queue
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_SECONDS = 40.0


class Console:
    """The process and its output.

    Attributes:
        url: Where it serves, where the test knows.

    Args:
        process: The process.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.url = ""
        self._lines: queue.Queue[str] = queue.Queue()
        self._seen: list[str] = []
        threading.Thread(target=self._read, args=[process], daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._lines.put(line)

    def find(self, pattern: str) -> str:
        """Wait for the next output that matches."""
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            try:
                line = self._lines.get(timeout=0.2)
            except queue.Empty:
                continue
            self._seen.append(line)
            found = re.search(pattern, line)
            if found is not None:
                return found[0]
        raise AssertionError(f"{pattern} was not written: {''.join(self._seen)[-3000:]}")


@contextmanager
def running(command: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None) -> Iterator[Console]:
    """Run a program while the test lasts."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, cwd=cwd
    )
    try:
        yield Console(process)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            if process.stdout is not None:
                process.stdout.close()
