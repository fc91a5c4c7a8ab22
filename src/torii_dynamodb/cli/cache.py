"""``torii-dynamodb cache``: empties the cache of session checks."""

from __future__ import annotations

from torii_dynamodb.admin.caching import clear_cache
from torii_dynamodb.cli.support import (
    Connection,
    Json,
    WrongOption,
    connected,
    emit,
    new_group,
    say,
    with_cache,
    with_tenant,
)

__all__ = ["app"]

app = new_group("Empty the cache of session checks.")


@app.command("clear")
@connected
@with_tenant
@with_cache
def clear(connection: Connection, as_json: Json = False) -> None:
    """Remove everything of these tables, or of one tenant, from the cache, so that checks read DynamoDB.

    Use it after something has changed users or sessions without the cache, such as the AWS console. It makes no request
    to DynamoDB, and leaves other tables' entries and other applications' keys alone.
    """
    config = connection.config()
    with connection.cache() as cache:
        if cache is None:
            raise WrongOption("give --cache-url, or set TORII_CACHE_URL")
        clear_cache(cache, config, connection.tenant)
    if as_json:
        emit({"cleared": True, "tenant": connection.tenant})
    else:
        whose = "" if connection.tenant is None else f" of the tenant {connection.tenant}"
        say(f"The cache contains nothing{whose} any more.")
