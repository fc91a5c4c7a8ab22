"""Random and mutated input, a short run of `make fuzz`; and forged tokens cost no request."""

from __future__ import annotations

import random

from tests.fuzz.fuzz import LATER, Source, fuzz

from torii_dynamodb._async.client import AsyncClient
from torii_dynamodb._async.storage.handle import AsyncDynamoDbHandle
from torii_dynamodb._messages import Request, Response
from torii_dynamodb._rules.secrets import parse_one_time_token, parse_session_token
from torii_dynamodb.config import Credentials, DynamoDbConfig
from torii_dynamodb.testing.clock import FakeClock

HASH = "$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA"


def test_no_input_raises_what_it_should_not() -> None:
    """20,000 cases over all parsers give a value, None or the typed error; the seed differs per run and is printed."""
    seed = random.randrange(2**32)
    tally = fuzz(20_000, seed)
    assert not tally.findings, tally.findings[:10]
    assert min(tally.cases.values()) > 400


class Nobody:
    """A transport that must not be used."""

    def __init__(self) -> None:
        self.requests = 0

    async def __call__(self, request: Request, timeout: float, fresh: bool = False) -> Response:
        self.requests += 1
        raise AssertionError("a forged token caused a request")

    async def aclose(self) -> None:
        """Nothing to close."""


async def test_forged_tokens_cost_no_request() -> None:
    """3,000 mutated and random tokens are refused everywhere without a single request."""
    config = DynamoDbConfig(
        region="eu-central-1",
        credentials=Credentials(access_key_id="A", secret_access_key="S"),
        create_tables=False,
        clock=FakeClock(),
    )
    nobody = Nobody()
    storage = AsyncDynamoDbHandle(AsyncClient(config, transport=nobody), config)
    source = Source(random.randrange(2**32))
    forged = 0
    while forged < 3000:
        token = source.text()
        if parse_session_token(token) is not None or parse_one_time_token(token) is not None:
            continue  # unchanged, or another issued token
        forged += 1
        assert await storage.get_signed_in(token) is None
        assert await storage.refresh_session(token, expires_at=LATER) is None
        await storage.delete_session(token)
        assert await storage.verify_token(token, purpose="magic_link") is None
        assert await storage.check_token(token, purpose="magic_link") is None
        assert await storage.complete_password_reset(token, HASH) is None
    assert nobody.requests == 0
    await storage.close()
