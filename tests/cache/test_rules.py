"""The rules of the cache: scripts that do what they decide, which writes concern it, and its options."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from tests.cache.memory import MemoryCache
from tests.valkey_server import ValkeyServer

from torii_dynamodb._core.cache import CacheKeys, Lease, concern_of, writes_of
from torii_dynamodb._core.layout import locator
from torii_dynamodb._rules.circuit import CircuitBreaker
from torii_dynamodb.cache import AsyncValkeyCache, ValkeyCache
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import CacheUnavailable, ConfigurationError

SECRET = "a secret of the tests, which is long enough"


@pytest.fixture
def cache(valkey: ValkeyServer) -> Iterator[ValkeyCache]:
    """A cache on a running server."""
    with closing(ValkeyCache(valkey.url, secret=SECRET, timeout=5, connect_timeout=5)) as cache:
        yield cache


@pytest.mark.parametrize("seed", range(5))
def test_the_scripts_do_what_the_rules_decide(cache: ValkeyCache, table_prefix: str, seed: int) -> None:
    """Valkey's scripts and the rules in Python lead to the same state, whatever is done in which order."""
    chance = random.Random(seed)
    model = MemoryCache()
    keys = [f"{table_prefix}:{{user}}:{index}" for index in range(3)]
    leases: list[tuple[Lease, Lease]] = []
    for step in range(60):
        some = chance.sample(keys, chance.randint(1, 3))
        match chance.choice(["lease", "lease", "fill", "fill", "forget", "forget undecided"]):
            case "lease":
                mine, theirs = model.lease(some), cache.lease(some)
                assert mine.keys == theirs.keys
                leases.append((mine, theirs))
            case "fill" if leases:
                mine, theirs = chance.choice(leases)
                values = {key: b"%d" % step for key in mine.keys if chance.random() < 0.7}
                model.fill(mine, values)
                cache.fill(theirs, values)
            case "forget":
                model.forget(some)
                cache.forget(some)
            case "forget undecided" if step % 20 == 0:
                model.forget(some, undecided=True)
                cache.forget(some, undecided=True)
            case _:
                pass
        assert model.get(keys) == cache.get(keys)


def test_everything_in_the_cache_ends(cache: ValkeyCache, valkey: ValkeyServer, table_prefix: str) -> None:
    """A lease lives for seconds, an entry for ``max_age`` at most, and a barrier for longer than both."""
    key = f"{table_prefix}:{{user}}:1"
    with valkey.client() as client:
        lease = cache.lease([key])
        assert 0 < client.pttl(key) <= 5000
        cache.fill(lease, {key: b"value"})
        assert 0 < client.pttl(key) <= 60_000
        cache.forget([key], undecided=True)
        assert client.pttl(key) > 65_000


def update(expression: str) -> dict[str, Any]:
    """Return the parameters of an update of a user."""
    return {
        "TableName": ":users",
        "Key": {"id": {"S": "ada"}},
        "UpdateExpression": expression,
        "ExpressionAttributeNames": {f"#{name}": name for name in ("name", "version", "locked_at", "later")},
    }


@pytest.mark.parametrize(
    ("expression", "ends"),
    [
        ("SET #name = :name, #version = #version + :one", False),
        ("SET #name = :name REMOVE #locked_at", True),
        ("SET #later = :value", True),
    ],
)
def test_what_is_not_known_to_be_harmless_ends_sessions(expression: str, ends: bool) -> None:
    """Only updates of attributes that are known to be harmless do without the cache if it is away."""
    config = DynamoDbConfig(region="eu-central-1")
    writes = writes_of("UpdateItem", update(expression))
    concern = concern_of(writes, locator(config, None), CacheKeys(config))
    assert concern is not None
    assert concern.ends is ends


def test_hosts_with_the_same_tables_share_keys_and_others_do_not() -> None:
    """Keys depend on the tables and the tenant, and on nothing that hosts may configure differently."""
    here = CacheKeys(DynamoDbConfig(region="eu-central-1"))
    assert here.user(None, "ada") == CacheKeys(DynamoDbConfig()).user(None, "ada")
    others = [
        CacheKeys(DynamoDbConfig(table_prefix="other")).user(None, "ada"),
        CacheKeys(DynamoDbConfig(layout="single")).user(None, "ada"),
        here.user("acme", "ada"),
        here.user("other", "ada"),
        here.session(None, "ada", "1"),
    ]
    assert len({here.user(None, "ada"), *others}) == 6


def test_a_breaker_opens_at_once_and_tries_again() -> None:
    """After a failure one attempt at a time is allowed, less and less often, until one succeeds."""
    breaker = CircuitBreaker()
    assert breaker.allows(0)
    breaker.failed(0)
    breaker.failed(0.01)
    assert not breaker.allows(0.2)
    now, allowed = 0.2, 0
    while now < 60:
        now += 0.1
        if breaker.allows(now):
            allowed += 1
            breaker.failed(now)
    assert 10 < allowed < 20
    breaker.succeeded()
    assert breaker.allows(now)


WRONG: dict[str, dict[str, Any]] = {
    "url": {"url": "http://localhost"},
    "url without host": {"url": "valkey://"},
    "url with a wrong port": {"url": "valkey://user:hidden@host:port"},
    "url of another type": {"url": 6379},
    "secret": {"secret": "short"},
    "max_age": {"max_age": timedelta(0)},
    "max_age of another type": {"max_age": 60},
    "timeout": {"timeout": 0},
    "connect_timeout": {"connect_timeout": "1"},
    "max_connections": {"max_connections": 0},
    "cluster": {"cluster": 1},
    "sentinels": {"sentinels": "valkey://one"},
}


@pytest.mark.parametrize("options", WRONG.values(), ids=WRONG)
def test_wrong_options_are_named(options: dict[str, Any]) -> None:
    """A wrong option is refused by name, without the password of the URL."""
    with pytest.raises(ConfigurationError, match=next(iter(options))) as told:
        ValkeyCache(**{"url": "valkey://localhost", "secret": SECRET} | options)
    assert "hidden" not in str(told.value)


@pytest.mark.parametrize("kind", [ValkeyCache, AsyncValkeyCache])
def test_no_password_is_shown(kind: Any) -> None:
    """Neither repr nor an error has the URL's password or the secret."""
    cache = kind("valkeys://user:hidden@cache.example.com:6380/1", secret=SECRET)
    assert repr(cache) == f"{kind.__name__}('cache.example.com:6380')"


def test_a_wrong_password_is_reported_without_it(valkey: ValkeyServer) -> None:
    """A cache that refuses the password counts as away."""
    url = valkey.url.replace("127.0.0.1", "user:hidden@127.0.0.1")
    with closing(ValkeyCache(url, secret=SECRET)) as cache, pytest.raises(CacheUnavailable) as told:
        cache.get(["key"])
    assert "hidden" not in str(told.value)
