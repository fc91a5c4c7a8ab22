# Generated from src/torii_dynamodb/_async/credentials.py by tools/unasync.py. Do not edit.

"""The signer: Region, endpoint and credentials, found once, and refreshed in the background before they expire."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from torii_dynamodb._aws import Place, credentials_source, is_quick, resolve
from torii_dynamodb._messages import Endpoint
from torii_dynamodb._rules.on_lambda import on_lambda
from torii_dynamodb._sync.primitives import Background, Lock, run_in_thread
from torii_dynamodb._wire.apis import DYNAMODB, Api
from torii_dynamodb._wire.signing import Signer
from torii_dynamodb.config import Credentials, CredentialsSource, DynamoDbConfig
from torii_dynamodb.errors import ConfigurationError, ToriiError, Unavailable

__all__ = ["Signing"]

_log = logging.getLogger("torii_dynamodb")

NEVER = datetime.max.replace(tzinfo=UTC)

# botocore starts to refresh 15 minutes ahead, and insists from 10 minutes on. Our windows are shorter, so that a
# session that was passed in has already refreshed when it is asked.
_REFRESH_AHEAD = timedelta(minutes=9)
_INSIST_AHEAD = timedelta(minutes=1)
_TRY_AGAIN = timedelta(seconds=30)


class Signing:
    """Holds the signer for the current credentials.

    Attributes:
        signer: The current signer; ``None`` until :meth:`open`.
        refresh_at: From this time on, call :meth:`due` for the signer instead.
        region: The Region; empty until :meth:`open`.
        endpoint: The endpoint; ``None`` until :meth:`open`.
        ca_bundle: A file of certificates to trust instead of the system's.
    """

    def __init__(self, config: DynamoDbConfig, background: Background, api: Api = DYNAMODB) -> None:
        self.signer: Signer | None = None
        self.refresh_at = NEVER
        self.region = ""
        self.endpoint: Endpoint | None = None
        self.ca_bundle: str | None = None
        self._config = config
        self._background = background
        self._api = api
        self._source: CredentialsSource | None = None
        self._place: Place | None = None
        self._lock = Lock()
        self._insist_at = NEVER
        self._refreshing = False

    def open(self) -> Signer:
        """Find Region, endpoint and credentials.

        Raises:
            ConfigurationError: If one of them is not found.
        """
        with self._lock:
            if self.signer is not None:
                return self.signer
            source = credentials_source(self._config)
            if is_quick(source) and (self._config.region or self._config.endpoint_url):
                self._place = resolve(self._config, api=self._api)
            else:
                self._place = run_in_thread(resolve, self._config, api=self._api)
            self._source = source
            return self._load()

    def due(self, now: datetime) -> Signer:
        """Return the signer once :attr:`refresh_at` has passed: the current one, unless it is about to expire."""
        signer = self.signer
        if signer is None:
            return self.open()
        if now < self._insist_at:
            if not self._refreshing:
                self._refreshing = True
                self.refresh_at = self._insist_at
                if on_lambda():  # which would freeze it in the background
                    self._refresh_ahead()
                    return self.signer or signer
                self._background.spawn(self._refresh_ahead, "refreshing the AWS credentials")
            return signer
        with self._lock:
            if self.signer is not signer and self.signer is not None:
                return self.signer
            return self._load()

    def replace(self, refused: Signer) -> Signer | None:
        """Fetch new credentials after AWS refused those of a signer; ``None`` if there are no others."""
        with self._lock:
            if self.signer is not refused and self.signer is not None:
                return self.signer
            known = refused.credentials
            signer = self._load()
            return signer if signer.credentials != known else None

    def _refresh_ahead(self) -> None:
        try:
            with self._lock:
                self._load()
        except ToriiError as error:
            self.refresh_at = min(self._config.clock() + _TRY_AGAIN, self._insist_at)
            _log.warning("the AWS credentials could not be refreshed ahead of their expiry: %s", error)
        finally:
            self._refreshing = False

    def _load(self) -> Signer:
        source = self._source
        place = self._place
        assert source is not None
        assert place is not None
        try:
            if is_quick(source):
                credentials, expires = source.load()
            else:
                credentials, expires = run_in_thread(source.load)
        except ToriiError:
            raise
        except Exception as error:
            # Metadata services and token endpoints fail like any other; their messages may contain secrets.
            raise Unavailable(
                f"the AWS credentials could not be fetched ({type(error).__name__})", attempts=0
            ) from error
        if self.endpoint is None:
            self.endpoint = _endpoint(place.url(credentials), self._api.path)
            self.region = place.region
            self.ca_bundle = place.ca_bundle
        self._set_times(expires)
        self.signer = self._signer_of(credentials, self.endpoint)
        return self.signer

    def _signer_of(self, credentials: Credentials, endpoint: Endpoint) -> Signer:
        if self.signer is not None and self.signer.credentials == credentials:
            return self.signer
        return Signer(credentials, region=self.region, endpoint=endpoint, api=self._api)

    def _set_times(self, expires: datetime | None) -> None:
        if expires is None:
            self.refresh_at = self._insist_at = NEVER
            return
        now = self._config.clock()
        left = max(expires - now, timedelta(0))
        self._insist_at = expires - min(_INSIST_AHEAD, left / 10)
        self.refresh_at = expires - min(_REFRESH_AHEAD, left / 2)


def _endpoint(url: str, path: str) -> Endpoint:
    try:
        return Endpoint(url.rstrip("/") + path if path else url)
    except ValueError as error:
        raise ConfigurationError(f"the endpoint {url!r} cannot be used: {error}") from error
