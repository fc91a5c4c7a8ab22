"""torii-dynamodb: `ToriiMiddleware`, on Starlette."""

from common import announcing
from ours import auth, seed
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from torii_dynamodb.fastapi import ToriiMiddleware


async def me(request: Request) -> JSONResponse:
    return JSONResponse({"id": request.state.user.id})


app = Starlette(routes=[Route("/me", me)], lifespan=announcing(seed))
app.add_middleware(ToriiMiddleware, web=auth.web)
