"""fastapi-users-db-dynamodb, through the two database objects that FastAPI Users itself calls.

It has an OAuth table only for linking, because that is cheaper. Its sessions are FastAPI Users' access tokens.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import uuid
from datetime import UTC, datetime, timedelta

from common import PASSWORD, PASSWORD_HASH, REGION, verify
from fastapi_users_db_dynamodb import (
    DynamoDBBaseOAuthAccountTableUUID,
    DynamoDBBaseUserTableUUID,
    DynamoDBUserDatabase,
    config,
)
from fastapi_users_db_dynamodb.access_token import DynamoDBAccessTokenDatabase, DynamoDBBaseAccessTokenTableUUID
from worker import Contestant, main


class FastapiUsers(Contestant):
    flows = (
        "register",
        "sign_in",
        "user_by_email_eventual",
        "check",
        "sign_out",
        "sign_out_everywhere_10",
        "link_oauth",
        "delete_user",
    )

    async def open(self, endpoint, prefix):
        config.set("DATABASE_REGION", REGION)
        config.set("DATABASE_USERTABLE_NAME", f"{prefix}_users")
        config.set("DATABASE_OAUTHTABLE_NAME", f"{prefix}_oauth")
        config.set("DATABASE_TOKENTABLE_NAME", f"{prefix}_tokens")
        self.table = f"{prefix}_tokens"

        class User(DynamoDBBaseUserTableUUID):
            class Meta(DynamoDBBaseUserTableUUID.Meta):
                host = endpoint

        class OAuthAccount(DynamoDBBaseOAuthAccountTableUUID):
            class Meta(DynamoDBBaseOAuthAccountTableUUID.Meta):
                host = endpoint

        class AccessToken(DynamoDBBaseAccessTokenTableUUID):
            class Meta(DynamoDBBaseAccessTokenTableUUID.Meta):
                host = endpoint

        self.AccessToken = AccessToken
        self.users = DynamoDBUserDatabase(User)
        self.linking = DynamoDBUserDatabase(User, OAuthAccount)
        self.tokens = DynamoDBAccessTokenDatabase(AccessToken)
        # Its first use creates the tables.
        user = await self.register("first@example.com")
        await self.link_oauth(user, "first")
        await self.tokens.create({"token": "first", "user_id": user.id})

    async def close(self):
        """It has no way to close."""

    def session_rows(self, user, count):
        tokens = [secrets.token_urlsafe() for _ in range(count)]
        made = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+0000")
        return tokens, [
            (self.table, {"token": {"S": token}, "user_id": {"S": str(user.id)}, "created_at": {"S": made}})
            for token in tokens
        ]

    async def register(self, email):
        return await self.users.create({"email": email, "hashed_password": PASSWORD_HASH})

    async def user_by_email_eventual(self, email):
        return await self.users.get_by_email(email)

    async def sign_in(self, email):
        user = await self.users.get_by_email(email)
        assert await asyncio.to_thread(verify, user.hashed_password, PASSWORD)
        token = await self.tokens.create({"token": secrets.token_urlsafe(), "user_id": user.id})
        return user, token.token

    async def check(self, token):
        found = await self.tokens.get_by_token(token, datetime.now(UTC) - timedelta(days=14))
        if found is None:
            return None
        user = await self.users.get(uuid.UUID(str(found.user_id)))
        return user and (found, user)

    async def sign_out(self, token):
        found = await self.tokens.get_by_token(token)
        if found is not None:
            await self.tokens.delete(found)

    async def sign_out_everywhere(self, user):
        # It has no method for this, so use its index and its delete.
        async for found in self.AccessToken.user_id_index.query(user.id):
            await self.tokens.delete(found)

    async def link_oauth(self, user, subject):
        account = {
            "oauth_name": "github",
            "access_token": "none",
            "account_id": subject,
            "account_email": user.email,
        }
        # Its known bug for a new user: an error after the row is written.
        with contextlib.suppress(AttributeError):
            await self.linking.add_oauth_account(user, account)

    async def delete_user(self, user):
        await self.users.delete(user)


if __name__ == "__main__":
    main(FastapiUsers())
