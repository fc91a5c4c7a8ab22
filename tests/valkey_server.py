"""A Valkey or Redis server for tests."""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import pytest
from redis import Redis, RedisError
from tests.ports import reserved_port
from tools.valkey import find_valkey


class ValkeyServer:
    """A server on a port of its own, which keeps no data on disk. Fails the test if none is installed.

    Args:
        cluster: Whether it is a cluster, of this node alone.
        certificate: Where ``cert.pem``, ``key.pem`` and ``ca.pem`` are; with them, it also speaks TLS, on ``tls_port``.
    """

    def __init__(self, *, cluster: bool = False, certificate: Path | None = None) -> None:
        self._cluster = cluster
        self._certificate = certificate
        self.tls_port = 0
        self._options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"]
        self._stack = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The URL to connect to."""
        return f"valkey://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, also again: on the same port, empty."""
        binary = find_valkey()
        if binary is None:
            pytest.fail("no Valkey or Redis server is installed: run 'make setup', or set TORII_VALKEY")
        self._process = subprocess.Popen(
            [str(binary), *self._options], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + 20
        with self.client() as client:
            while True:
                try:
                    client.ping()
                except RedisError:
                    assert time.monotonic() < deadline
                    assert self._process.poll() is None, "the server ended"
                    time.sleep(0.01)
                else:
                    break
            if self._cluster:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
                while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
                    assert time.monotonic() < deadline
                    time.sleep(0.01)

    def stop(self) -> None:
        """Kill it, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stop it from answering, while its connections stay open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def client(self) -> Any:
        """Return a client of redis-py, to look at what is stored. Not typed: its answers are unions of everything."""
        return Redis(host="127.0.0.1", port=self.port)

    def __enter__(self) -> ValkeyServer:
        self.port = self._stack.enter_context(reserved_port())
        self._options += ["--port", str(self.port), "--dir", self._stack.enter_context(TemporaryDirectory())]
        if self._cluster:
            bus = self._stack.enter_context(reserved_port())
            self._options += ["--cluster-enabled", "yes", "--cluster-port", str(bus)]
            self._options += ["--cluster-announce-ip", "127.0.0.1"]
        if self._certificate is not None:
            self.tls_port = self._stack.enter_context(reserved_port())
            self._options += ["--tls-port", str(self.tls_port), "--tls-auth-clients", "no"]
            for name, file in (("cert", "cert"), ("key", "key"), ("ca-cert", "ca")):
                self._options += [f"--tls-{name}-file", str(self._certificate / f"{file}.pem")]
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        self._stack.close()
