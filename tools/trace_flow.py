"""Count the files and functions of this library that three flows pass through, warm.

    python tools/trace_flow.py            the counts
    python tools/trace_flow.py --list     each function, too

The flows: a sign-in by password through FastAPI's JSON route and an asynchronous session check, on Dynoxide; the
restore of a backup, on moto.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import CodeType, FrameType

import httpx
from fastapi import FastAPI

import torii_dynamodb
from torii_dynamodb import AsyncDynamoDbStorage, AsyncTorii, DynamoDbConfig, DynamoDbStorage, NewSession, NewUser
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.backups import Backups
from torii_dynamodb.fastapi import WebConfig, router
from torii_dynamodb.local.engines import LocalEngine

SOURCE = str(Path(torii_dynamodb.__file__).parent)
EMAIL, PASSWORD = "ada@example.com", "correct horse battery staple"


class Trace:
    """Collects what is entered while it is on, in every thread."""

    def __init__(self) -> None:
        self.entered: set[CodeType] = set()
        self._on = False
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    @contextmanager
    def on(self) -> Generator[None]:
        """Collect within the block."""
        self.entered.clear()
        self._on = True
        yield
        self._on = False

    def _note(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if self._on and event == "call" and code.co_filename.startswith(SOURCE) and not code.co_name.startswith("<"):
            self.entered.add(code)

    def tell(self, flow: str, names: bool) -> None:
        """Print what was collected."""
        files = {code.co_filename for code in self.entered}
        print(f"{flow}: {len(files)} files, {len(self.entered)} functions")
        if names:
            for code in sorted(self.entered, key=lambda code: (code.co_filename, code.co_firstlineno)):
                print(f"    {Path(code.co_filename).relative_to(SOURCE)}:{code.co_firstlineno} {code.co_qualname}")


async def sign_in(trace: Trace, config: DynamoDbConfig) -> None:
    """A sign-in by password, as an application's page sends it."""
    async with AsyncDynamoDbStorage.open(config) as storage:
        torii = AsyncTorii(storage, secret=bytes(32))
        await torii.password.register(EMAIL, PASSWORD)
        app = FastAPI()
        app.include_router(router(torii, config=WebConfig(registration="direct")))
        transport = httpx.ASGITransport(app)
        for _ in range(2):  # the first makes what is made once
            async with httpx.AsyncClient(
                transport=transport, base_url="https://example.com", headers={"Origin": "https://example.com"}
            ) as browser:
                with trace.on():
                    answer = await browser.post("/api/auth/sign-in", json={"email": EMAIL, "password": PASSWORD})
            answer.raise_for_status()


async def check(trace: Trace, config: DynamoDbConfig) -> None:
    """A session check, by the services."""
    async with AsyncDynamoDbStorage.open(config) as storage:
        torii = AsyncTorii(storage)
        user = await storage.create_user(NewUser(email="grace@example.com"))
        session = await storage.create_session(
            NewSession(user_id=user.id, expires_at=datetime.now(UTC) + timedelta(days=1))
        )
        for _ in range(2):
            with trace.on():
                assert await torii.get_signed_in(session.token)


def restore(trace: Trace, config: DynamoDbConfig) -> None:
    """A restore of a backup with one user in it."""
    with DynamoDbStorage.open(config) as storage:
        storage.create_user(NewUser(email="joan@example.com"))
    client = Client(config)
    backups = Backups(config, client)
    backups.create("nightly")
    with trace.on():
        backups.restore("restored", backup_set="nightly")
    client.close()


def main() -> None:
    """Run the flows and print their counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="name the functions")
    names = parser.parse_args().list
    trace = Trace()
    with LocalEngine("dynoxide") as engine:
        for flow in (sign_in, check):
            asyncio.run(flow(trace, engine.config(table_prefix="trace")))
            trace.tell(flow.__name__, names)
    with LocalEngine("moto") as engine:
        restore(trace, engine.config(table_prefix="trace"))
        trace.tell("restore", names)


if __name__ == "__main__":
    main()
