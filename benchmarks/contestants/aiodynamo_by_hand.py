"""aiodynamo on aiohttp, used by hand."""

from __future__ import annotations

import asyncio
import time

import aiohttp
from aiodynamo.client import Client
from aiodynamo.credentials import Credentials
from aiodynamo.errors import ItemNotFound
from aiodynamo.expressions import F, HashKey
from aiodynamo.http.aiohttp import AIOHTTP
from aiodynamo.models import BatchGetRequest, BatchWriteRequest
from aiodynamo.operations import Delete, Put, Update
from common import (
    MAX_ATTEMPTS,
    PASSWORD,
    REGION,
    WINDOW,
    Session,
    User,
    digest,
    identity_plain,
    login_subject,
    names,
    new_token,
    new_user_id,
    now_text,
    oauth_plain,
    session_plain,
    session_rows,
    user_plain,
    verify,
)
from worker import Contestant, main
from yarl import URL

FREE = F("id").does_not_exist()


def user_of(item):
    return User(item["id"], item["email"], item.get("name"), item["session_epoch"])


def session_of(item):
    return Session(
        item["id"],
        item["user_id"],
        item["expires_at"],
        item["created_at"],
        item.get("user_agent"),
        item.get("ip_address"),
    )


class Aiodynamo(Contestant):
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
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64))
        self.client = Client(
            AIOHTTP(self.session), Credentials.auto(), REGION, endpoint=URL(endpoint), numeric_type=int
        )
        self.t = names(prefix)

    async def close(self):
        await self.session.close()

    def session_rows(self, user, count):
        return session_rows(self.t["sessions"], user["id"], count)

    async def get(self, table, key):
        try:
            return await self.client.get_item(self.t[table], {"id": key}, consistent_read=True)
        except ItemNotFound:
            return None

    async def register(self, email):
        user = user_plain(new_user_id(), email)
        await self.client.transact_write_items(
            [
                Put(self.t["users"], user, FREE),
                Put(self.t["identities"], identity_plain(user, email), FREE),
            ]
        )
        return user

    async def user_by_email(self, email):
        identity = await self.get("identities", f"email#{email}")
        if identity is None:
            return None
        item = await self.get("users", identity["user_id"])
        return item and user_of(item)

    async def user_by_email_eventual(self, email):
        page = await self.client.query_single_page(self.t["users"], HashKey("email", email), index="email-index")
        return user_of(page.items[0]) if page.items else None

    async def sign_in(self, email):
        identity = await self.get("identities", f"email#{email}")
        assert await asyncio.to_thread(verify, identity["password_hash"], PASSWORD)
        item = await self.get("users", identity["user_id"])
        assert item["password_version"] == identity["password_version"]
        token = new_token()
        await self.client.put_item(self.t["sessions"], session_plain(item["id"], token))
        return user_of(item), token

    async def sign_in_lockout(self, email):
        key = {"subject": login_subject(email), "attempt": "#register"}
        now = int(time.time())
        await self.client.update_item(
            self.t["login_attempts"],
            key,
            F("attempts").add(1) & F("expires_at").set(now + WINDOW),
            condition=F("attempts").does_not_exist() | F("attempts").lt(MAX_ATTEMPTS) | F("expires_at").lt(now),
        )
        found = await self.sign_in(email)
        await self.client.delete_item(self.t["login_attempts"], key)
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
        answer = await self.client.batch_get(
            {
                sessions: BatchGetRequest([{"id": digest(secret)}], consistent_read=True),
                users: BatchGetRequest([{"id": user_id}], consistent_read=True),
            }
        )
        found = answer.items
        if not found.get(sessions) or not found.get(users):
            return None
        session, user = session_of(found[sessions][0]), user_of(found[users][0])
        if session.expires_at <= time.time() or session.user_id != user.id:
            return None
        return session, user

    async def sign_out(self, token):
        await self.client.delete_item(self.t["sessions"], {"id": digest(token.partition(".")[2])})

    async def sign_out_everywhere(self, user):
        await self.delete_sessions(user["id"])

    async def delete_sessions(self, user_id):
        table, start = self.t["sessions"], None
        while True:
            page = await self.client.query_single_page(
                table, HashKey("user_id", user_id), index="user-sessions-index", start_key=start
            )
            keys = [{"id": item["id"]} for item in page.items]
            for first in range(0, len(keys), 25):
                left = keys[first : first + 25]
                while left:
                    result = await self.client.batch_write({table: BatchWriteRequest(keys_to_delete=left)})
                    left = result[table].undeleted_keys if table in result else []
            start = page.last_evaluated_key
            if start is None:
                return

    async def link_oauth(self, user, subject):
        account = oauth_plain(user["id"], subject)
        await self.client.transact_write_items(
            [
                Put(self.t["identities"], account, FREE),
                Update(
                    self.t["users"],
                    {"id": user["id"]},
                    F("identities").add({account["id"]}) & F("version").add(1) & F("updated_at").set(now_text()),
                    F("id").exists(),
                ),
            ]
        )

    async def delete_user(self, user):
        item = await self.get("users", user["id"])
        if item is None:
            return
        await self.client.transact_write_items(
            [
                Delete(self.t["users"], {"id": item["id"]}, F("version").equals(item["version"])),
                *(Delete(self.t["identities"], {"id": name}) for name in item["identities"]),
            ]
        )
        await self.delete_sessions(user["id"])


if __name__ == "__main__":
    main(Aiodynamo())
