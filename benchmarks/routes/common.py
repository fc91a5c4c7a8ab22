"""What the applications share. Each writes the header of a signed-in request into a file when it is served."""

from __future__ import annotations

import logging
import os
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette

ENDPOINT = os.environ.get("ENDPOINT", "")
REGION = "us-east-1"
NOBODY = "usr_00000000000000000000000000000000"

# At 32 connections, Waitress would log every request that waits for a thread.
logging.getLogger("waitress.queue").setLevel(logging.ERROR)


def announce(header: str) -> None:
    """Tell the harness."""
    Path(os.environ["READY"]).write_text(header)


def signed_in(token: str = f"torii_s1_{NOBODY}.none") -> str:
    """Return the header with a session's token in our cookie. Without a token, it is as long, for bare routes."""
    return f"Cookie: __Host-torii={token}"


def announcing(seed):
    """Return a lifespan that creates a user and a session, and announces the header to send."""

    @asynccontextmanager
    async def lifespan(app: Starlette):
        announce(await seed())
        yield

    return lifespan
