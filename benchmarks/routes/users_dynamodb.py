"""FastAPI Users on its DynamoDB adapter."""

from common import ENDPOINT, REGION
from fastapi_users_db_dynamodb import DynamoDBBaseUserTableUUID, DynamoDBUserDatabase, config
from fastapi_users_db_dynamodb.access_token import DynamoDBAccessTokenDatabase, DynamoDBBaseAccessTokenTableUUID
from users import application

config.set("DATABASE_REGION", REGION)
config.set("DATABASE_USERTABLE_NAME", "peer_users")
config.set("DATABASE_TOKENTABLE_NAME", "peer_tokens")


class User(DynamoDBBaseUserTableUUID):
    class Meta(DynamoDBBaseUserTableUUID.Meta):
        host = ENDPOINT


class AccessToken(DynamoDBBaseAccessTokenTableUUID):
    class Meta(DynamoDBBaseAccessTokenTableUUID.Meta):
        host = ENDPOINT


async def users():
    yield DynamoDBUserDatabase(User)


async def tokens():
    yield DynamoDBAccessTokenDatabase(AccessToken)


async def prepare():
    user = await DynamoDBUserDatabase(User).create({"email": "ada@example.com", "hashed_password": "none"})
    token = await DynamoDBAccessTokenDatabase(AccessToken).create({"token": "a" * 43, "user_id": user.id})
    return token.token


app = application(users, tokens, prepare)
