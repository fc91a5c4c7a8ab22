import asyncio
import hashlib
import os
import time

from aiobotocore.session import get_session


async def main():
    prefix = os.environ["PREFIX"]
    async with get_session().create_client("dynamodb", endpoint_url=os.environ["ENDPOINT"]) as client:

        async def get(table, key):
            found = await client.get_item(TableName=f"{prefix}_{table}", Key={"id": {"S": key}}, ConsistentRead=True)
            return found["Item"]

        secret = os.environ["TOKEN"].partition(".")[2]
        session = await get("sessions", hashlib.sha256(secret.encode()).hexdigest())
        assert int(session["expires_at"]["N"]) > time.time()
        assert await get("users", session["user_id"]["S"])
        print("ok", flush=True)


asyncio.run(main())
