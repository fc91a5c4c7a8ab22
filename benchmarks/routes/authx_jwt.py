"""AuthX: a signed token, which asks no storage, and passes until it expires."""

from authx import AuthX, AuthXConfig
from common import announcing
from fastapi import Depends, FastAPI

auth = AuthX(config=AuthXConfig(JWT_SECRET_KEY="s" * 32, JWT_TOKEN_LOCATION=["cookies"], JWT_COOKIE_CSRF_PROTECT=False))


async def seed():
    return f"Cookie: {auth.config.JWT_ACCESS_COOKIE_NAME}={auth.create_access_token('ada')}"


app = FastAPI(lifespan=announcing(seed))
auth.handle_errors(app)


@app.get("/me")
async def me(token=Depends(auth.access_token_required)) -> dict[str, str]:
    return {"id": token.sub}
