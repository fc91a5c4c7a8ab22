"""The same on Starlette."""

from bare import seed
from common import NOBODY, announcing
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def me(_: Request) -> JSONResponse:
    return JSONResponse({"id": NOBODY})


app = Starlette(routes=[Route("/me", me)], lifespan=announcing(seed))
