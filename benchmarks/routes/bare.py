"""A route that asks nobody."""

from common import announcing
from fastapi import FastAPI


async def seed():
    return "Cookie: __Host-torii=torii_s1_usr_00000000000000000000000000000000.none"


app = FastAPI(lifespan=announcing(seed))


@app.get("/me")
async def me() -> dict[str, str]:
    return {"id": "usr_00000000000000000000000000000000"}
