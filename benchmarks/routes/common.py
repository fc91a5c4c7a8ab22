"""What the applications share. Each is served by uvicorn, and writes the header of a signed-in request into a file."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette

ENDPOINT = os.environ.get("ENDPOINT", "")
REGION = "us-east-1"


def announce(header: str) -> None:
    """Tell the harness."""
    Path(os.environ["READY"]).write_text(header)


def announcing(seed):
    """Return a lifespan that creates a user and a session, and announces the header to send."""

    @asynccontextmanager
    async def lifespan(app: Starlette):
        announce(await seed())
        yield

    return lifespan
