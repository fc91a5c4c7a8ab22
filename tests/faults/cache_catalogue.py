"""The faults of the cache: what each does, and for how long a call may wait because of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.faults.cache_proxy import CacheProxy, Mode
from tests.valkey_server import ValkeyServer

__all__ = ["OPERATIONS", "PASSWORD", "TROUBLES", "Bench", "Trouble"]

PASSWORD = "the right password"

OPERATIONS = (
    "check, stored",
    "check, not stored",
    "refresh",
    "sign-out",
    "sign-out everywhere",
    "password",
    "deletion",
)
"""What is done while a fault lasts."""


@dataclass
class Bench:
    """A server and the proxy before it.

    Attributes:
        hang_after_dynamodb: Whether the connection hangs from the moment at which DynamoDB has responded.
    """

    server: ValkeyServer
    proxy: CacheProxy
    client: Any
    hang_after_dynamodb: bool = False
    undo: ExitStack = field(default_factory=ExitStack)

    def entries(self) -> dict[bytes, tuple[bytes, int]]:
        """What is stored for sessions and users, with the milliseconds that are left."""
        strings = [key for key in self.client.keys("torii:{*") if self.client.type(key) == b"string"]
        return {key: (self.client.get(key), self.client.pttl(key)) for key in strings}

    def put(self, entries: dict[bytes, tuple[bytes, int]]) -> None:
        """Store it again."""
        for key, (value, left) in entries.items():
            self.client.set(key, value, px=left)

    def configure(self, **settings: str) -> None:
        """Set options of the server until the fault ends."""
        for name, value in settings.items():
            option = name.replace("_", "-")
            before = self.client.config_get(option)[option]
            self.undo.callback(self.client.config_set, option, before)
            self.client.config_set(option, value)


Begin = Callable[[Bench], object]

LASTING = "1 s + T"


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One fault of the cache.

    Args:
        title: What happens, for the page.
        begin: Makes it happen.
        after: Called when the operation has ended, with what was stored before it.
        check: For how many requests to the cache a check waits at most, for the page.
        end: For how long what ends sessions waits, for the page.
        clock: How far the host's clock is off.
        without: Whether the operation is done without the cache, as if the process were killed before the removal.
        hangs: Whether something waits for a time limit.
    """

    title: str
    begin: Begin = lambda bench: None
    after: Callable[[Bench, dict[bytes, tuple[bytes, int]]], object] = lambda bench, before: None
    check: str = "3 T"
    end: str = "T"
    clock: timedelta = timedelta(0)
    without: bool = False
    hangs: bool = False


def _mode(mode: Mode) -> Begin:
    def begin(bench: Bench) -> None:
        bench.proxy.start(mode)

    return begin


def _restart(bench: Bench) -> None:
    bench.server.stop()
    bench.server.start()


def _evict(bench: Bench) -> None:
    bench.proxy.before = bench.client.flushdb


def _need_password(bench: Bench) -> None:
    bench.configure(requirepass=PASSWORD)
    bench.client.auth(PASSWORD)
    bench.client.client_kill_filter(_type="normal", skipme=True)


def _demote(bench: Bench) -> None:
    bench.undo.callback(bench.client.replicaof, "NO", "ONE")
    bench.client.replicaof("127.0.0.1", "1")


def _hang_later(bench: Bench) -> None:
    bench.hang_after_dynamodb = True


def _each(change: Callable[[Any, bytes, bytes], object]) -> Begin:
    def begin(bench: Bench) -> None:
        for key, (value, _) in bench.entries().items():
            change(bench.client, key, value)

    return begin


def _of_another_type(client: Any, key: bytes, _value: bytes) -> None:
    client.delete(key)
    client.lpush(key, b"theirs")


TROUBLES: dict[str, Trouble] = {
    "C1": Trouble(
        title="down: the connection is refused", check="T", end=LASTING, begin=lambda bench: bench.proxy.refuse()
    ),
    "C2": Trouble(title="every request ends its connection", check="T", end=LASTING, begin=_mode("reset")),
    "C3": Trouble(title="slow: each response takes a good part of the time limit", begin=_mode("slow")),
    "C4": Trouble(title="hanging: no request arrives", check="T", end=LASTING, begin=_mode("hang"), hangs=True),
    "C5": Trouble(
        title="hanging: requests are carried out, responses are lost",
        check="T",
        end=LASTING,
        begin=_mode("lost"),
        hangs=True,
    ),
    "C6": Trouble(title="responses come byte by byte", check="T", end=LASTING, begin=_mode("trickle"), hangs=True),
    "C7": Trouble(
        title="hanging from the moment at which DynamoDB has responded",
        begin=_hang_later,
        check="2 T",
        end=LASTING,
        hangs=True,
    ),
    "C8": Trouble(
        title="flapping: every second connection ends at its first request", end=LASTING, begin=_mode("flap")
    ),
    "C9": Trouble(title="restarted empty", begin=_restart),
    "C10": Trouble(
        title="out of memory: it accepts no new keys",
        begin=lambda bench: bench.configure(maxmemory_policy="noeviction", maxmemory="1"),
    ),
    "C11": Trouble(title="evicting everything at once", begin=_evict),
    "C12": Trouble(title="wrong password", check="T", end=LASTING, begin=_need_password),
    "C13": Trouble(title="a replica, which accepts no writes", check="2 T", end=LASTING, begin=_demote),
    "C14": Trouble(
        title="a failover loses the last writes, or somebody puts old entries back",
        after=lambda bench, was: bench.put(was),
    ),
    "C15": Trouble(
        title="poisoned: somebody changes the values",
        begin=_each(lambda client, key, value: client.set(key, value[:-3] + b"}}}")),
    ),
    "C16": Trouble(
        title="poisoned: truncated values", begin=_each(lambda client, key, value: client.set(key, value[:41]))
    ),
    "C17": Trouble(title="another application's keys under ours", begin=_each(_of_another_type)),
    "C18": Trouble(
        title="entries of another release of the library",
        begin=_each(lambda client, key, value: client.set(key, b"E2" + value[2:])),
    ),
    "C19": Trouble(title="the host's clock is an hour slow", clock=timedelta(hours=-1)),
    "C20": Trouble(title="the host's clock is an hour fast", clock=timedelta(hours=1)),
    "C21": Trouble(
        title="the process is killed after its write to DynamoDB, or writes without the cache",
        without=True,
        check="nothing",
        end="nothing",
    ),
}
"""The faults by the short names that head the page's rows."""
