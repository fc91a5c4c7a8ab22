"""FastAPI Users on SQLAlchemy, with SQLite in a file."""

import tempfile

from fastapi import Depends
from fastapi_users_db_sqlalchemy import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users_db_sqlalchemy.access_token import SQLAlchemyAccessTokenDatabase, SQLAlchemyBaseAccessTokenTableUUID
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from users import application

FOLDER = tempfile.TemporaryDirectory()
ENGINE = create_async_engine(f"sqlite+aiosqlite:///{FOLDER.name}/users.db")
SESSIONS = async_sessionmaker(ENGINE, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    pass


class AccessToken(SQLAlchemyBaseAccessTokenTableUUID, Base):
    pass


async def session():
    async with SESSIONS() as one:
        yield one


async def users(one=Depends(session)):
    yield SQLAlchemyUserDatabase(one, User)


async def tokens(one=Depends(session)):
    yield SQLAlchemyAccessTokenDatabase(one, AccessToken)


async def prepare():
    async with ENGINE.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with SESSIONS() as one:
        user = await SQLAlchemyUserDatabase(one, User).create({"email": "ada@example.com", "hashed_password": "none"})
        token = await SQLAlchemyAccessTokenDatabase(one, AccessToken).create({"token": "a" * 43, "user_id": user.id})
        return token.token


app = application(users, tokens, prepare)
