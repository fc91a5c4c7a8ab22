"""The frame of every Python contestant: carries out the coordinator's commands, one JSON line in, one out.

Runs in the contestant's own virtual environment, so it needs only the standard library.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import os
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from lanes import run_async, run_threads

SEEDED = 256
"""How many users exist for look-ups, with one session each. A multiple of every concurrency, so that no two lanes
sign in the same user at the same moment."""


def fresh_email():
    return f"bench-{uuid.uuid4().hex}@example.com"


def resident_bytes():
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Loader:
    """Writes the initial rows, without any contestant's client."""

    def __init__(self, endpoint):
        parts = urlsplit(endpoint)
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port)

    def put(self, rows):
        """Write ``(table, item)`` pairs."""
        rows = list(rows)
        for start in range(0, len(rows), 25):
            tables = {}
            for table, item in rows[start : start + 25]:
                tables.setdefault(table, []).append({"PutRequest": {"Item": item}})
            left = self._call("BatchWriteItem", {"RequestItems": tables}).get("UnprocessedItems")
            if left:
                raise RuntimeError("the engine left rows unprocessed")

    def _call(self, operation, payload):
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "X-Amz-Date": "20260101T000000Z",
            "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, "
            "SignedHeaders=host;x-amz-date, Signature=0",
        }
        self._connection.request("POST", "/", json.dumps(payload), headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{operation}: {answer.status} {body[:300]!r}")
        return json.loads(body)


class Contestant:
    """What a contestant provides. ``asynchronous`` says whether its methods are coroutine functions.

    Methods that it leaves out are flows that it does not have. ``user`` is whatever ``register`` returned.
    """

    asynchronous = True
    flows = ()

    def session_rows(self, user, count):
        """Return ``(tokens, [(table, item), ...])``: sessions of a user, created without the client."""
        raise NotImplementedError


class Worker:
    def __init__(self, contestant):
        self.it = contestant
        self.loop = asyncio.new_event_loop() if contestant.asynchronous else None
        self.users = []  # (user, email)
        self.tokens = []

    def do(self, order):
        return getattr(self, order.pop("do"))(**order)

    def open(self, endpoint, prefix):
        self.loader = Loader(endpoint)
        self.wait(self.it.open(endpoint, prefix))
        return {"flows": list(self.it.flows)}

    def seed(self, sessions=1, users=SEEDED):
        """Create the users for look-ups, with that many sessions each."""
        self.users = self.new_users(users)
        self.tokens = [token for user, _ in self.users for token in self.new_sessions(user, sessions)]
        return {"tokens": self.tokens}

    def adopt(self, tokens):
        """Use another contestant's sessions."""
        self.tokens = tokens
        return {}

    def run(self, flow, concurrency, operations):
        """Run a flow that many times, and return what it took."""
        call, arguments = self.prepare(flow, operations)
        return self.go(call, arguments, concurrency)

    def prepare(self, flow, operations):
        """Return the function to call, and the arguments of each call."""
        it, users, tokens = self.it, self.users, self.tokens
        numbers = range(operations)
        if flow == "register":
            return it.register, [fresh_email() for _ in numbers]
        if flow in ("sign_in", "sign_in_lockout", "user_by_email", "user_by_email_eventual"):
            return getattr(it, flow), [users[index % len(users)][1] for index in numbers]
        if flow in ("check", "check_batch"):
            return getattr(it, flow), [tokens[index % len(tokens)] for index in numbers]
        if flow == "sign_out":
            made = []
            for index in range(min(operations, len(users))):
                made += self.new_sessions(users[index][0], -(-operations // len(users)))
            return it.sign_out, made[:operations]
        if flow in ("sign_out_everywhere_10", "sign_out_everywhere_returns"):
            fresh = [user for user, _ in self.new_users(operations)]
            for user in fresh:
                self.new_sessions(user, 10)
            call = getattr(it, flow, None) or it.sign_out_everywhere
            return call, fresh
        if flow == "link_oauth":
            fresh = [user for user, _ in self.new_users(operations)]
            return (lambda given: it.link_oauth(*given)), [(user, uuid.uuid4().hex) for user in fresh]
        if flow == "delete_user":
            fresh = [user for user, _ in self.new_users(operations)]
            for user in fresh:
                self.new_sessions(user, 1)
            return it.delete_user, fresh
        raise ValueError(flow)

    def new_users(self, count):
        emails = [fresh_email() for _ in range(count)]
        if self.loop is None:
            with ThreadPoolExecutor(8) as pool:
                return list(zip(pool.map(self.it.register, emails), emails, strict=True))

        async def make(part):
            return [(await self.it.register(email), email) for email in part]

        async def make_all():
            return await asyncio.gather(*(make(emails[start::8]) for start in range(8)))

        return [pair for part in self.loop.run_until_complete(make_all()) for pair in part]

    def new_sessions(self, user, count):
        tokens, rows = self.it.session_rows(user, count)
        self.loader.put(rows)
        return tokens

    def go(self, call, arguments, concurrency):
        if self.loop is None:
            return run_threads(call, arguments, concurrency)
        return self.loop.run_until_complete(run_async(call, arguments, concurrency))

    def memory(self, waiters):
        """Measure how much larger the process is while that many checks wait at the same moment."""
        tokens = self.tokens
        self.run("check", 64, 640)
        gc.collect()
        gc.disable()
        before = resident_bytes()
        highest = before
        left = waiters

        async def one(token):
            nonlocal left
            found = await self.it.check(token)
            left -= 1
            return found is not None

        async def watch():
            nonlocal highest
            while left:
                highest = max(highest, resident_bytes())
                await asyncio.sleep(0.002)

        async def everyone():
            tasks = [asyncio.ensure_future(one(tokens[index % len(tokens)])) for index in range(waiters)]
            watcher = asyncio.ensure_future(watch())
            answers = await asyncio.gather(*tasks)
            await watcher
            return answers

        answers = self.loop.run_until_complete(everyone())
        gc.enable()
        if not all(answers):
            raise RuntimeError("a check failed")
        return {"bytes": highest - before}

    def resident(self):
        """Return the process's resident size."""
        gc.collect()
        return {"bytes": resident_bytes()}

    def profile(self, flow, concurrency, operations, path):
        """Run a flow under cProfile, and write the figures to a file."""
        import cProfile

        call, arguments = self.prepare(flow, operations)
        profiler = cProfile.Profile()
        profiler.enable()
        self.go(call, arguments, concurrency)
        profiler.disable()
        profiler.dump_stats(path)
        return {}

    def close(self):
        self.wait(self.it.close())
        return {}

    def wait(self, maybe):
        return self.loop.run_until_complete(maybe) if self.loop is not None else maybe


def main(contestant):
    worker = Worker(contestant)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # so that a library's output does not mix with the responses
    for line in sys.stdin:
        order = json.loads(line)
        last = order["do"] == "close"
        try:
            answer = {"ok": worker.do(order)}
        except Exception as error:  # noqa: BLE001 - told to the coordinator
            import traceback

            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(answer) + "\n")
        out.flush()
        if last:
            break
