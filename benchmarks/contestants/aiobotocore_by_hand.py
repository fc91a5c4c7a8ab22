"""aiobotocore's client, used by hand."""

from __future__ import annotations

import asyncio
import time

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from common import (
    PASSWORD,
    REGION,
    attempt_update,
    digest,
    identity_plain,
    login_subject,
    names,
    new_token,
    new_user_id,
    now_text,
    oauth_plain,
    session_of,
    session_plain,
    session_rows,
    to_dynamodb,
    user_of,
    user_plain,
    verify,
)
from worker import Contestant, main


class Aiobotocore(Contestant):
    asynchronous = True
    flows = (
        "register",
        "sign_in",
        "sign_in_lockout",
        "user_by_email",
        "user_by_email_eventual",
        "check",
        "check_batch",
        "sign_out",
        "sign_out_everywhere_10",
        "link_oauth",
        "delete_user",
    )

    async def open(self, endpoint, prefix):
        config = AioConfig(max_pool_connections=64, retries={"mode": "standard", "total_max_attempts": 4})
        self.context = get_session().create_client("dynamodb", region_name=REGION, endpoint_url=endpoint, config=config)
        self.client = await self.context.__aenter__()
        self.t = names(prefix)

    async def close(self):
        await self.context.__aexit__(None, None, None)

    def session_rows(self, user, count):
        return session_rows(self.t["sessions"], user["id"], count)

    async def get(self, table, key):
        answer = await self.client.get_item(TableName=self.t[table], Key={"id": {"S": key}}, ConsistentRead=True)
        return answer.get("Item")

    async def register(self, email):
        user = user_plain(new_user_id(), email)
        free = "attribute_not_exists(id)"
        await self.client.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": self.t["users"], "Item": to_dynamodb(user), "ConditionExpression": free}},
                {
                    "Put": {
                        "TableName": self.t["identities"],
                        "Item": to_dynamodb(identity_plain(user, email)),
                        "ConditionExpression": free,
                    }
                },
            ]
        )
        return user

    async def user_by_email(self, email):
        identity = await self.get("identities", f"email#{email}")
        if identity is None:
            return None
        item = await self.get("users", identity["user_id"]["S"])
        return item and user_of(item)

    async def user_by_email_eventual(self, email):
        answer = await self.client.query(
            TableName=self.t["users"],
            IndexName="email-index",
            KeyConditionExpression="email = :email",
            ExpressionAttributeValues={":email": {"S": email}},
        )
        found = answer["Items"]
        return user_of(found[0]) if found else None

    async def sign_in(self, email):
        identity = await self.get("identities", f"email#{email}")
        assert await asyncio.to_thread(verify, identity["password_hash"]["S"], PASSWORD)
        item = await self.get("users", identity["user_id"]["S"])
        assert item["password_version"] == identity["password_version"]
        token = new_token()
        session = to_dynamodb(session_plain(item["id"]["S"], token))
        await self.client.put_item(TableName=self.t["sessions"], Item=session)
        return user_of(item), token

    async def sign_in_lockout(self, email):
        now = int(time.time())
        await self.client.update_item(TableName=self.t["login_attempts"], **attempt_update(email, now))
        found = await self.sign_in(email)
        key = {"subject": {"S": login_subject(email)}, "attempt": {"S": "#register"}}
        await self.client.delete_item(TableName=self.t["login_attempts"], Key=key)
        return found

    async def check(self, token):
        item = await self.get("sessions", digest(token.partition(".")[2]))
        if item is None:
            return None
        session = session_of(item)
        if session.expires_at <= time.time():
            return None
        user = await self.get("users", session.user_id)
        return user and (session, user_of(user))

    async def check_batch(self, token):
        user_id, _, secret = token.partition(".")
        users, sessions = self.t["users"], self.t["sessions"]
        answer = await self.client.batch_get_item(
            RequestItems={
                sessions: {"Keys": [{"id": {"S": digest(secret)}}], "ConsistentRead": True},
                users: {"Keys": [{"id": {"S": user_id}}], "ConsistentRead": True},
            }
        )
        found = answer["Responses"]
        if not found.get(sessions) or not found.get(users):
            return None
        session, user = session_of(found[sessions][0]), user_of(found[users][0])
        if session.expires_at <= time.time() or session.user_id != user.id:
            return None
        return session, user

    async def sign_out(self, token):
        await self.client.delete_item(TableName=self.t["sessions"], Key={"id": {"S": digest(token.partition(".")[2])}})

    async def sign_out_everywhere(self, user):
        await self.delete_sessions(user["id"])

    async def delete_sessions(self, user_id):
        table = self.t["sessions"]
        query = {
            "TableName": table,
            "IndexName": "user-sessions-index",
            "KeyConditionExpression": "user_id = :user",
            "ExpressionAttributeValues": {":user": {"S": user_id}},
        }
        while True:
            page = await self.client.query(**query)
            keys = [{"DeleteRequest": {"Key": {"id": item["id"]}}} for item in page["Items"]]
            for start in range(0, len(keys), 25):
                left = {table: keys[start : start + 25]}
                while left:
                    left = (await self.client.batch_write_item(RequestItems=left))["UnprocessedItems"]
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    async def link_oauth(self, user, subject):
        account = oauth_plain(user["id"], subject)
        await self.client.transact_write_items(
            TransactItems=[
                {
                    "Put": {
                        "TableName": self.t["identities"],
                        "Item": to_dynamodb(account),
                        "ConditionExpression": "attribute_not_exists(id)",
                    }
                },
                {
                    "Update": {
                        "TableName": self.t["users"],
                        "Key": {"id": {"S": user["id"]}},
                        "UpdateExpression": "ADD identities :one, version :step SET updated_at = :now",
                        "ConditionExpression": "attribute_exists(id)",
                        "ExpressionAttributeValues": {
                            ":one": {"SS": [account["id"]]},
                            ":step": {"N": "1"},
                            ":now": {"S": now_text()},
                        },
                    }
                },
            ]
        )

    async def delete_user(self, user):
        item = await self.get("users", user["id"])
        if item is None:
            return
        await self.client.transact_write_items(
            TransactItems=[
                {
                    "Delete": {
                        "TableName": self.t["users"],
                        "Key": {"id": item["id"]},
                        "ConditionExpression": "version = :read",
                        "ExpressionAttributeValues": {":read": item["version"]},
                    }
                },
                *(
                    {"Delete": {"TableName": self.t["identities"], "Key": {"id": {"S": name}}}}
                    for name in item["identities"]["SS"]
                ),
            ]
        )
        await self.delete_sessions(user["id"])


if __name__ == "__main__":
    main(Aiobotocore())
