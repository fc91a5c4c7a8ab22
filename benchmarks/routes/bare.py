"""A route that asks nobody."""

from common import NOBODY, announcing, signed_in
from fastapi import FastAPI


async def seed():
    return signed_in()


app = FastAPI(lifespan=announcing(seed))


@app.get("/me")
async def me() -> dict[str, str]:
    return {"id": NOBODY}
