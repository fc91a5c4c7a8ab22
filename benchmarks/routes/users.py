"""FastAPI Users with its database strategy, as its documentation shows it; the adapter is passed in."""

import uuid

from common import announcing
from fastapi import Depends, FastAPI
from fastapi_users.authentication import AuthenticationBackend, CookieTransport
from fastapi_users.authentication.strategy.db import DatabaseStrategy

from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin


def application(user_database, token_database, prepare):
    """Return the application.

    Args:
        user_database: The dependency for the users.
        token_database: The dependency for the access tokens.
        prepare: Creates tables, a user and an access token, and returns the token.
    """

    class UserManager(UUIDIDMixin, BaseUserManager):
        """Users."""

    async def manager(database=Depends(user_database)):
        yield UserManager(database)

    def strategy(database=Depends(token_database)):
        return DatabaseStrategy(database, lifetime_seconds=86_400)

    backend = AuthenticationBackend(
        name="cookie", transport=CookieTransport(cookie_name="session"), get_strategy=strategy
    )
    current_user = FastAPIUsers[object, uuid.UUID](manager, [backend]).current_user(active=True)

    async def seed():
        return f"Cookie: session={await prepare()}"

    app = FastAPI(lifespan=announcing(seed))

    @app.get("/me")
    async def me(user=Depends(current_user)) -> dict[str, str]:
        return {"id": str(user.id)}

    return app
