"""torii-dynamodb: a route with `Depends(auth.current_user)`."""

import os

from common import ENDPOINT, announcing
from fastapi import Depends, FastAPI

from torii_dynamodb import AsyncTorii, DynamoDbConfig, NewUser, User
from torii_dynamodb.fastapi import WebConfig, dynamodb, router

torii = AsyncTorii(dynamodb(DynamoDbConfig(endpoint_url=ENDPOINT, table_prefix="route")), secret="s" * 32)
auth = router(torii, config=WebConfig(registration="direct"))


async def seed():
    user = await torii.storage.create_user(NewUser(email=f"{os.getpid()}@example.com", name="Ada Lovelace"))
    return f"Cookie: {auth.web.session_cookie}={(await torii.create_session(user)).token}"


app = FastAPI(lifespan=announcing(seed))
app.include_router(auth)


@app.get("/me")
async def me(user: User = Depends(auth.current_user)) -> dict[str, str]:
    return {"id": user.id}
