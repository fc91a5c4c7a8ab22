"""Measure the cold start: a new Python imports the handler and checks a session, compared with bare Python.

    python cold_start.py [rounds]

Needs an endpoint that has the tables (``AWS_ENDPOINT_URL_DYNAMODB``, ``AWS_REGION``, credentials, ``TABLE_PREFIX``).
The rounds alternate, so that a busy machine slows down both; the medians and their difference are printed. Lambda
adds the time it takes to start a container, which no program can change.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

CALL = """
import handler
event = {
    "version": "2.0",
    "rawPath": "/hello",
    "headers": {"authorization": "Bearer " + %r},
    "requestContext": {"http": {"method": "GET", "path": "/hello"}},
}
answer = handler.handler(event, None)
assert answer["statusCode"] == 401, answer
heavy = {"boto3", "botocore", "asyncio", "aiohttp", "argon2"} & set(__import__("sys").modules)
assert not heavy, heavy
"""


def run(source: str) -> float:
    """Return the seconds that a new Python takes to run this."""
    started = perf_counter()
    subprocess.run([sys.executable, "-c", source], check=True, cwd=Path(__file__).parent)
    return perf_counter() - started


def token_of_nobody() -> str:
    """Return a token of the right form, so that the check reads the storage."""
    from torii_dynamodb._rules.secrets import make_session_token
    from torii_dynamodb.clock import system_random

    return make_session_token("usr_nobody", system_random)


def main(rounds: int) -> None:
    """Measure and print."""
    call = CALL % token_of_nobody()
    times = [(run("pass"), run(call)) for _ in range(rounds)]
    bare, cold = (median(side) * 1000 for side in zip(*times, strict=True))
    print(f"bare Python {bare:.0f} ms; import and first session check {cold:.0f} ms; ours {cold - bare:.0f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
