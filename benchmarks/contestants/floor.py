"""The floor: only the request of a session check, by a bare HTTP client, unsigned, the response not interpreted.

``aiohttp``: one POST by aiohttp. ``httptools``: one POST by asyncio and httptools, over its own connections.
"""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import urlsplit

import orjson
from common import digest, names
from worker import Contestant, main

HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "DynamoDB_20120810.BatchGetItem",
    "X-Amz-Date": "20260101T000000Z",
    "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=0",
}


class Floor(Contestant):
    flows = ("check",)

    async def open(self, endpoint, prefix):
        self.endpoint = endpoint
        self.t = names(prefix)
        await self.connect()

    def body(self, token):
        user_id = token[len("torii_s1_") :].partition(".")[0]
        return orjson.dumps(
            {
                "RequestItems": {
                    self.t["sessions"]: {"Keys": [{"id": {"S": digest(token)}}], "ConsistentRead": True},
                    self.t["users"]: {"Keys": [{"id": {"S": user_id}}], "ConsistentRead": True},
                }
            }
        )


class Aiohttp(Floor):
    async def connect(self):
        import aiohttp

        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64))
        self.url = self.endpoint + "/"

    async def close(self):
        await self.session.close()

    async def check(self, token):
        async with self.session.post(self.url, data=self.body(token), headers=HEADERS) as response:
            found = orjson.loads(await response.read())["Responses"]
            assert len(found) == 2
            return found


class Connection(asyncio.Protocol):
    def __init__(self):
        import httptools

        self.parser_of = httptools.HttpResponseParser

    def connection_made(self, transport):
        self.transport = transport

    def ask(self, raw):
        self.parser = self.parser_of(self)
        self.parts = []
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(raw)
        return self.answer

    def data_received(self, data):
        self.parser.feed_data(data)

    def on_body(self, body):
        self.parts.append(body)

    def on_message_complete(self):
        self.answer.set_result(b"".join(self.parts))


class Httptools(Floor):
    async def connect(self):
        self.idle = []
        self.made = []
        parts = urlsplit(self.endpoint)
        self.where = parts.hostname, parts.port
        head = {"Host": parts.netloc, **HEADERS}
        self.head = ("POST / HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in head.items())).encode()

    async def close(self):
        for connection in self.made:
            connection.transport.close()

    async def check(self, token):
        if self.idle:
            connection = self.idle.pop()
        else:
            _, connection = await asyncio.get_running_loop().create_connection(Connection, *self.where)
            self.made.append(connection)
        body = self.body(token)
        answer = await connection.ask(b"%bContent-Length: %d\r\n\r\n%b" % (self.head, len(body), body))
        self.idle.append(connection)
        found = orjson.loads(answer)["Responses"]
        assert len(found) == 2
        return found


if __name__ == "__main__":
    main({"aiohttp": Aiohttp, "httptools": Httptools}[sys.argv[1]]())
