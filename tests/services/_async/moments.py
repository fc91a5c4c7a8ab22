"""Waiting in the tests of the services, which differs between the twins: written by hand on both sides."""

from __future__ import annotations

import asyncio

__all__ = ["Gate", "other_twin"]


class Gate:
    """Waited for until it is opened."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def open(self) -> None:
        """Let all go on."""
        self._event.set()

    async def wait(self) -> None:
        """Wait until it is open."""
        await self._event.wait()


def other_twin(email: str, password: str) -> None:
    """A function of the kind that this twin refuses."""
