"""Reserve ports of this machine for tests."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reserved_port() -> Iterator[int]:
    """Yield a port that the system gives to no other process while the block lasts.

    It is bound, but nothing listens on it: connections are refused. A server that sets ``SO_REUSEADDR``, as servers do,
    can listen on it (on Linux).
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
