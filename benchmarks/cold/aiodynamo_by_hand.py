import asyncio
import hashlib
import os
import time

import aiohttp
from aiodynamo.client import Client
from aiodynamo.credentials import Credentials
from aiodynamo.http.aiohttp import AIOHTTP
from yarl import URL


async def main():
    prefix = os.environ["PREFIX"]
    async with aiohttp.ClientSession() as http:
        client = Client(
            AIOHTTP(http), Credentials.auto(), os.environ["AWS_REGION"], endpoint=URL(os.environ["ENDPOINT"])
        )
        secret = os.environ["TOKEN"].partition(".")[2]
        key = {"id": hashlib.sha256(secret.encode()).hexdigest()}
        session = await client.get_item(f"{prefix}_sessions", key, consistent_read=True)
        assert session["expires_at"] > time.time()
        assert await client.get_item(f"{prefix}_users", {"id": session["user_id"]}, consistent_read=True)
        print("ok", flush=True)


asyncio.run(main())
