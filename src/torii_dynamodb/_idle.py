"""Whether a connection that was idle can carry another request. Used by both pools.

A process may be frozen for minutes between two requests (AWS Lambda, a suspended virtual machine). Meanwhile the other
side closes the connection, or something on the way (NAT, a load balancer, VPC endpoints: after 350 seconds) forgets it.
A request over such a connection gets no response, and for a write nobody can tell whether it was applied. So a
connection is not used again when it is old, or when the other side has closed it; and if neither shows that it is dead,
the kernel gives it up soon.
"""

from __future__ import annotations

import select
import socket
from time import monotonic
from typing import Protocol

from torii_dynamodb.clock import system_seconds

__all__ = ["Moment", "can_carry_on", "limit_silence", "moment"]

# DynamoDB closes connections that are idle for about a minute; one that is about to be closed is not worth the risk.
IDLE_SECONDS = 50.0
# Within this time after the last response, checking whether the other side has closed is not worth it.
TRUSTED_SECONDS = 1.0

Moment = tuple[float, float]
"""A time on both clocks, in seconds."""


class _Socket(Protocol):
    """A socket, or what an event loop shows of one."""

    def fileno(self) -> int: ...

    def setsockopt(self, level: int, optname: int, value: int, /) -> None: ...


def moment() -> Moment:
    """Return the time.

    On the wall clock too, because the monotonic clock of a virtual machine need not count the time that the machine was
    frozen, or between its snapshot and its start (Lambda SnapStart).
    """
    return monotonic(), system_seconds()


def can_carry_on(sock: _Socket, idle_since: Moment) -> bool:
    """Return whether a connection without a request in flight can carry another one."""
    idle = max(monotonic() - idle_since[0], system_seconds() - idle_since[1])
    if idle < TRUSTED_SECONDS:
        return True
    if idle > IDLE_SECONDS:
        return False
    # Anything to read is the end of the connection, or at least not a response.
    if hasattr(select, "poll"):  # select() cannot handle sockets with numbers over 1023
        poller = select.poll()
        poller.register(sock.fileno(), select.POLLIN)
        return not poller.poll(0)
    return not select.select([sock.fileno()], [], [], 0)[0]


def limit_silence(sock: _Socket, seconds: float) -> None:
    """Let the kernel end a connection whose other side does not acknowledge a request for this long (RFC 5482).

    An acknowledgement takes a round trip, however long the response takes. So a connection that something on the way
    has forgotten is replaced after ``seconds`` instead of the full time for a response. Linux only; elsewhere, the time
    for the response is the limit.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))
