import asyncio
import os

from torii_dynamodb import AsyncDynamoDbStorage, DynamoDbConfig


async def main():
    config = DynamoDbConfig(endpoint_url=os.environ["ENDPOINT"], table_prefix=os.environ["PREFIX"], create_tables=False)
    async with AsyncDynamoDbStorage.open(config) as storage:
        found = await storage.get_signed_in(os.environ["TOKEN"])
        assert found is not None
        print("ok", flush=True)


asyncio.run(main())
