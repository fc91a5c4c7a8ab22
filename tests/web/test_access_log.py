"""The server's access log."""

from __future__ import annotations

import asyncio
import logging
import socket

import httpx
import pytest
import uvicorn
from tests.web.api import API
from tests.web.paged import Paged


async def test_no_token_stands_in_the_access_log(caplog: pytest.LogCaptureFixture) -> None:
    """A mailed link stays valid after a visit, so its token is redacted in the log; the path stays."""
    site = Paged()
    await site.user()
    await site.torii.password.send_reset("ada@example.com")
    token = await site.here.link()
    caplog.set_level(logging.INFO, "uvicorn.access")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(site.app, lifespan="off", ws="none", log_config=None)
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve([listener]))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as browser:
            assert token in (await browser.get(f"/auth/reset-password?token={token}")).text
            await browser.get(f"{API}/oauth/issuer/callback?code=the-code&state=the-state&iss=https%3A%2F%2Fid.example")
        server.should_exit = True
        await running
    told = [record.getMessage() for record in caplog.records if record.name == "uvicorn.access"]
    assert 'GET /auth/reset-password?token=torii_t1_[redacted] HTTP/1.1" 200' in told[0]
    assert f"{API}/oauth/issuer/callback?code=[redacted]&state=[redacted]&iss=https%3A%2F%2Fid.example" in told[1]
    assert not any(secret in caplog.text for secret in (token, token.partition(".")[2], "the-code", "the-state"))
