"""A dependency written by hand: one BatchGetItem of session and user, by aiobotocore."""

import hashlib
import time
from contextlib import asynccontextmanager

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from common import ENDPOINT, REGION, announcing
from fastapi import Depends, FastAPI, HTTPException, Request

from torii_dynamodb import AsyncDynamoDbStorage, AsyncTorii, DynamoDbConfig, NewUser

PREFIX = "hand"


async def seed():
    async with AsyncDynamoDbStorage.open(DynamoDbConfig(endpoint_url=ENDPOINT, table_prefix=PREFIX)) as storage:
        user = await storage.create_user(NewUser(email="ada@example.com", name="Ada Lovelace"))
        return f"Cookie: session={(await AsyncTorii(storage).create_session(user)).token}"


@asynccontextmanager
async def lifespan(app):
    config = AioConfig(max_pool_connections=64)
    async with (
        get_session().create_client(
            "dynamodb", region_name=REGION, endpoint_url=ENDPOINT, config=config
        ) as app.state.client,
        announcing(seed)(app),
    ):
        yield


app = FastAPI(lifespan=lifespan)


async def current_user(request: Request) -> dict:
    token = request.cookies.get("session", "")
    user_id = token.removeprefix("torii_s1_").partition(".")[0]
    users, sessions = f"{PREFIX}_users", f"{PREFIX}_sessions"
    answer = await request.app.state.client.batch_get_item(
        RequestItems={
            sessions: {"Keys": [{"id": {"S": hashlib.sha256(token.encode()).hexdigest()}}], "ConsistentRead": True},
            users: {"Keys": [{"id": {"S": user_id}}], "ConsistentRead": True},
        }
    )
    found = answer["Responses"]
    if not found.get(users) or not found.get(sessions):
        raise HTTPException(401)
    session, user = found[sessions][0], found[users][0]
    if int(session["expires_at"]["N"]) <= time.time() or session["user_id"] != user["id"]:
        raise HTTPException(401)
    if session["epoch"] != user["session_epoch"]:
        raise HTTPException(401)
    return user


@app.get("/me")
async def me(user: dict = Depends(current_user)) -> dict[str, str]:
    return {"id": user["id"]["S"]}
