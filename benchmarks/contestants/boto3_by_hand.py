"""boto3's low-level client, used by hand."""

from __future__ import annotations

import time

import boto3
from botocore.config import Config
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


class Boto3(Contestant):
    asynchronous = False
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

    def open(self, endpoint, prefix):
        config = Config(max_pool_connections=64, retries={"mode": "standard", "total_max_attempts": 4})
        self.client = boto3.client("dynamodb", region_name=REGION, endpoint_url=endpoint, config=config)
        self.t = names(prefix)

    def close(self):
        self.client.close()

    def session_rows(self, user, count):
        return session_rows(self.t["sessions"], user["id"], count)

    def get(self, table, key):
        return self.client.get_item(TableName=self.t[table], Key={"id": {"S": key}}, ConsistentRead=True).get("Item")

    def register(self, email):
        user = user_plain(new_user_id(), email)
        free = "attribute_not_exists(id)"
        self.client.transact_write_items(
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

    def user_by_email(self, email):
        identity = self.get("identities", f"email#{email}")
        if identity is None:
            return None
        item = self.get("users", identity["user_id"]["S"])
        return item and user_of(item)

    def user_by_email_eventual(self, email):
        found = self.client.query(
            TableName=self.t["users"],
            IndexName="email-index",
            KeyConditionExpression="email = :email",
            ExpressionAttributeValues={":email": {"S": email}},
        )["Items"]
        return user_of(found[0]) if found else None

    def sign_in(self, email):
        identity = self.get("identities", f"email#{email}")
        assert verify(identity["password_hash"]["S"], PASSWORD)
        item = self.get("users", identity["user_id"]["S"])
        assert item["password_version"] == identity["password_version"]
        token = new_token()
        session = to_dynamodb(session_plain(item["id"]["S"], token))
        self.client.put_item(TableName=self.t["sessions"], Item=session)
        return user_of(item), token

    def sign_in_lockout(self, email):
        now = int(time.time())
        self.client.update_item(TableName=self.t["login_attempts"], **attempt_update(email, now))
        found = self.sign_in(email)
        key = {"subject": {"S": login_subject(email)}, "attempt": {"S": "#register"}}
        self.client.delete_item(TableName=self.t["login_attempts"], Key=key)
        return found

    def check(self, token):
        item = self.get("sessions", digest(token.partition(".")[2]))
        if item is None:
            return None
        session = session_of(item)
        if session.expires_at <= time.time():
            return None
        user = self.get("users", session.user_id)
        return user and (session, user_of(user))

    def check_batch(self, token):
        user_id, _, secret = token.partition(".")
        users, sessions = self.t["users"], self.t["sessions"]
        found = self.client.batch_get_item(
            RequestItems={
                sessions: {"Keys": [{"id": {"S": digest(secret)}}], "ConsistentRead": True},
                users: {"Keys": [{"id": {"S": user_id}}], "ConsistentRead": True},
            }
        )["Responses"]
        if not found.get(sessions) or not found.get(users):
            return None
        session, user = session_of(found[sessions][0]), user_of(found[users][0])
        if session.expires_at <= time.time() or session.user_id != user.id:
            return None
        return session, user

    def sign_out(self, token):
        self.client.delete_item(TableName=self.t["sessions"], Key={"id": {"S": digest(token.partition(".")[2])}})

    def sign_out_everywhere(self, user):
        self.delete_sessions(user["id"])

    def delete_sessions(self, user_id):
        table = self.t["sessions"]
        query = {
            "TableName": table,
            "IndexName": "user-sessions-index",
            "KeyConditionExpression": "user_id = :user",
            "ExpressionAttributeValues": {":user": {"S": user_id}},
        }
        while True:
            page = self.client.query(**query)
            keys = [{"DeleteRequest": {"Key": {"id": item["id"]}}} for item in page["Items"]]
            for start in range(0, len(keys), 25):
                left = {table: keys[start : start + 25]}
                while left:
                    left = self.client.batch_write_item(RequestItems=left)["UnprocessedItems"]
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def link_oauth(self, user, subject):
        account = oauth_plain(user["id"], subject)
        self.client.transact_write_items(
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

    def delete_user(self, user):
        item = self.get("users", user["id"])
        if item is None:
            return
        self.client.transact_write_items(
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
        self.delete_sessions(user["id"])


if __name__ == "__main__":
    main(Boto3())
