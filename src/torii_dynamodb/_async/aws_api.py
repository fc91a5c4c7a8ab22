"""Calls to AWS APIs other than DynamoDB's, with the same signatures, connections and retries."""

from __future__ import annotations

from datetime import timedelta

from torii_dynamodb._async.credentials import AsyncSigning
from torii_dynamodb._async.primitives import Background, monotonic, sleep
from torii_dynamodb._async.transport import AsyncPool
from torii_dynamodb._aws import proxy_to
from torii_dynamodb._messages import Request, Response
from torii_dynamodb._wire.apis import Api
from torii_dynamodb._wire.errors import Failure, TransportError
from torii_dynamodb._wire.failures import failure_of_response, failure_of_transport
from torii_dynamodb._wire.refusals import certainly_not_done, refusal
from torii_dynamodb._wire.retry import Attempts, RetryPolicy, measured_skew
from torii_dynamodb.clock import Clock, RandomBytes
from torii_dynamodb.config import Credentials, CredentialsSource, DynamoDbConfig

__all__ = ["AsyncAwsApi"]

# As long as the DynamoDB client allows, unless the whole call has less.
_CONNECT_SECONDS = 3.0


class AsyncAwsApi:
    """Calls one API.

    Args:
        api: The API.
        region: The Region; ``None`` for the one in AWS's settings.
        endpoint_url: The endpoint; ``None`` for the one in AWS's settings, or the Region's.
        credentials: As in :class:`~torii_dynamodb.config.DynamoDbConfig`.
        timeout: Seconds for a call with all its retries.
        clock: The clock.
        random: The randomness for pauses.

    Raises:
        ConfigurationError: A setting is invalid.
    """

    def __init__(
        self,
        api: Api,
        *,
        region: str | None,
        endpoint_url: str | None,
        credentials: Credentials | CredentialsSource | object | None,
        timeout: float,
        clock: Clock,
        random: RandomBytes,
    ) -> None:
        # Places, credentials and retries are settings of DynamoDbConfig; the rest of it is not used.
        config = self._config = DynamoDbConfig(
            region=region,
            endpoint_url=endpoint_url,
            credentials=credentials,
            connect_timeout=min(_CONNECT_SECONDS, timeout),
            read_timeout=timeout,
            deadline=timeout,
            clock=clock,
            random=random,
        )
        self._api = api
        self._background = Background()
        self._signing = AsyncSigning(config, self._background, api)
        self.policy = RetryPolicy(config)
        self._pools: dict[str, AsyncPool] = {}
        self._skew = timedelta(0)

    async def call(self, operation: str, body: bytes) -> Response:
        """Send a request and return the response, whose status is 200.

        Raises:
            Unavailable: No success within the attempts and the time. AWS may have acted on the request.
            Throttled: The same, because of a limit.
            AccessDenied: The credentials are wrong or lack a permission.
            ConfigurationError: No Region, no credentials, or something is missing or disabled at AWS.
            RequestRejected: AWS refused the request for another reason.
        """
        started = monotonic()
        signing = self._signing
        attempts = Attempts(self.policy)
        name = b"" if self._api.target is None else operation.encode("ascii")
        while True:
            now = self._config.clock() + self._skew
            signer = signing.signer
            if signer is None or now >= signing.refresh_at:
                signer = await signing.due(now)
            request = Request(signer.head(name, body, now), body)
            failure: Failure
            try:
                response = await self._pool()(request, attempts.timeout, attempts.fresh)
            except TransportError as error:
                failure = failure_of_transport(error)
            else:
                if response.status == 200:
                    self.policy.quota.give(attempts.refund)
                    return response
                failure = failure_of_response(response)
            step = attempts.after(failure, monotonic() - started)
            if self._api.once and not certainly_not_done(failure):
                step = "give up"
            if step == "pause":
                await sleep(attempts.pause)
            elif (
                step == "give up"
                or (step == "correct clock" and not self._correct_clock(failure))
                or (step == "renew credentials" and await signing.replace(signer) is None)
            ):
                raise refusal(self._api, failure, where=self.where, attempts=attempts.failed, why=attempts.why)

    @property
    def where(self) -> str:
        """Return Region and endpoint, for messages."""
        endpoint = self._signing.endpoint
        return f"{endpoint.url} (region {self._signing.region})" if endpoint is not None else "an unknown endpoint"

    async def aclose(self) -> None:
        """Close the connections. Calls made afterwards fail."""
        await self._background.aclose()
        for pool in self._pools.values():
            await pool.aclose()

    def _pool(self) -> AsyncPool:
        endpoint = self._signing.endpoint
        assert endpoint is not None
        pool = self._pools.get("pool")
        if pool is not None:
            return pool
        # Several threads may get here at the same time: one pool wins, the others were never used.
        return self._pools.setdefault(
            "pool",
            AsyncPool(
                endpoint,
                limit=self._config.max_connections,
                connect_timeout=self._config.connect_timeout,
                proxy=proxy_to(endpoint),
                ca_bundle=self._signing.ca_bundle,
                keep=not self._api.once,
            ),
        )

    def _correct_clock(self, failure: Failure) -> bool:
        skew = measured_skew(failure.server_time, self._config.clock(), self._skew)
        if skew is None:
            return False
        self._skew = skew
        return True
