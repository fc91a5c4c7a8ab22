"""Makes what blocks usable by the asynchronous services."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any

__all__ = ["InThreads", "in_thread"]

# The same methods have other names in the asynchronous twin.
_NAMES = {"aclose": "close"}


class InThreads:
    """An object whose methods are coroutine functions that run those of a blocking one, such as a mailer, in threads.

    Args:
        blocking: The object.
    """

    def __init__(self, blocking: object) -> None:
        self._blocking = blocking

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._blocking, _NAMES.get(name, name))
        return in_thread(found) if callable(found) and not name.startswith("__") else found


def in_thread(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a coroutine function that runs a blocking one in a thread."""

    async def run(*args: Any, **kwargs: Any) -> Any:
        ready = partial(copy_context().run, call, *args, **kwargs)
        try:
            running = asyncio.get_running_loop().run_in_executor(None, ready)
        except RuntimeError:
            return ready()  # the program is ending, and starts no more threads: the last mails are sent here
        return await running

    return run
