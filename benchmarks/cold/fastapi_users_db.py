import asyncio
import os
from datetime import UTC, datetime, timedelta

from fastapi_users_db_dynamodb import DynamoDBBaseUserTableUUID, DynamoDBUserDatabase, config
from fastapi_users_db_dynamodb.access_token import DynamoDBAccessTokenDatabase, DynamoDBBaseAccessTokenTableUUID

config.set("DATABASE_REGION", os.environ["AWS_REGION"])
config.set("DATABASE_USERTABLE_NAME", os.environ["PREFIX"] + "_users")
config.set("DATABASE_TOKENTABLE_NAME", os.environ["PREFIX"] + "_tokens")


class User(DynamoDBBaseUserTableUUID):
    class Meta(DynamoDBBaseUserTableUUID.Meta):
        host = os.environ["ENDPOINT"]


class AccessToken(DynamoDBBaseAccessTokenTableUUID):
    class Meta(DynamoDBBaseAccessTokenTableUUID.Meta):
        host = os.environ["ENDPOINT"]


async def main():
    tokens = DynamoDBAccessTokenDatabase(AccessToken)
    found = await tokens.get_by_token(os.environ["TOKEN"], datetime.now(UTC) - timedelta(days=14))
    assert await DynamoDBUserDatabase(User).get(found.user_id)
    print("ok", flush=True)


asyncio.run(main())
