"""AWS Signature Version 4: the head of an HTTP request, signed.

Source: AWS General Reference, "Create a signed AWS API request". What is the same for several requests
is computed once: the key of the day (four HMACs), the constant headers, the text for a whole second.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from hmac import digest as hmac
from urllib.parse import quote

from torii_dynamodb._messages import Endpoint
from torii_dynamodb._wire.apis import DYNAMODB, Api
from torii_dynamodb.config import Credentials

__all__ = ["Signer"]

USER_AGENT = b"torii-dynamodb/0.1"


class _DayKey:
    """An HMAC-SHA256 with the key of a day.

    The two hashes of RFC 2104 are started once and copied for each message. That takes a third of the time of
    ``hmac.digest``, which looks up its algorithm each time.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def sign(self, message: bytes) -> str:
        """Return the signature of a message, in hexadecimal."""
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()


class _Second:
    """The parts that all signatures within one second share."""

    __slots__ = ("authorization", "canonical", "day", "head", "key", "second", "to_sign")

    def __init__(
        self, second: int, day: bytes, canonical: bytes, to_sign: bytes, head: bytes, authorization: bytes, key: _DayKey
    ) -> None:
        self.second = second
        self.day = day
        self.canonical = canonical
        self.to_sign = to_sign
        self.head = head
        self.authorization = authorization
        self.key = key


class Signer:
    """Signs requests to one endpoint of an API with one set of credentials. Threads can share it."""

    __slots__ = (
        "_access",
        "_canonical_end",
        "_canonical_start",
        "_head_end",
        "_head_start",
        "_now",
        "_region",
        "_secret",
        "_service",
        "_signed_headers",
        "credentials",
    )

    def __init__(self, credentials: Credentials, *, region: str, endpoint: Endpoint, api: Api = DYNAMODB) -> None:
        self.credentials = credentials
        host = endpoint.authority.encode("ascii")
        path = endpoint.path.encode("ascii")
        token = credentials.session_token
        self._access = credentials.access_key_id.encode("utf-8")
        self._secret = b"AWS4" + credentials.secret_access_key.encode("utf-8")
        self._region = region.encode("ascii")
        self._service = api.signed_as.encode("ascii")
        self._signed_headers = (
            b"content-type;host;x-amz-date"
            + (b";x-amz-security-token" if token else b"")
            + (b"" if api.target is None else b";x-amz-target")
        )
        canonical_path = quote(endpoint.path, safe="/~-_.").encode("ascii")
        self._canonical_start = (
            b"POST\n" + canonical_path + b"\n\ncontent-type:" + api.content_type + b"\nhost:" + host + b"\nx-amz-date:"
        )
        self._head_start = (
            b"POST " + path + b" HTTP/1.1\r\nhost: " + host + b"\r\nuser-agent: " + USER_AGENT
            + b"\r\naccept-encoding: identity\r\ncontent-type: " + api.content_type + b"\r\nx-amz-date: "
        )  # fmt: skip
        self._canonical_end = b"" if token is None else b"\nx-amz-security-token:" + token.encode("utf-8")
        self._head_end = b"" if token is None else b"\r\nx-amz-security-token: " + token.encode("utf-8")
        if api.target is not None:
            self._canonical_end += b"\nx-amz-target:" + api.target
            self._head_end += b"\r\nx-amz-target: " + api.target
        self._now: _Second | None = None

    def __repr__(self) -> str:
        return f"Signer({self.credentials!r})"

    def head(self, operation: bytes, body: bytes, now: datetime) -> bytes:
        """Return the complete, signed head of a request.

        Args:
            operation: The operation, for example ``b"GetItem"``; empty if the API has no ``X-Amz-Target``.
            body: The body.
            now: The time of signing; AWS refuses requests that are off by more than five minutes.
        """
        second = int(now.timestamp())
        shared = self._now
        if shared is None or shared.second != second:
            shared = self._now = self._start_second(second, now)
        canonical = b"%b%b\n\n%b\n%b" % (
            shared.canonical,
            operation,
            self._signed_headers,
            sha256(body).hexdigest().encode(),
        )
        signature = shared.key.sign(shared.to_sign + sha256(canonical).hexdigest().encode()).encode()
        return b"%b%b%b%b\r\ncontent-length: %d\r\n\r\n" % (
            shared.head,
            operation,
            shared.authorization,
            signature,
            len(body),
        )

    def _start_second(self, second: int, now: datetime) -> _Second:
        stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ").encode("ascii")
        day = stamp[:8]
        previous = self._now
        if previous is not None and previous.day == day:
            key = previous.key
        else:
            secret = self._secret
            for part in (day, self._region, self._service, b"aws4_request"):
                secret = hmac(secret, part, "sha256")
            key = _DayKey(secret)
        scope = day + b"/" + self._region + b"/" + self._service + b"/aws4_request"
        return _Second(
            second,
            day,
            self._canonical_start + stamp + self._canonical_end,
            b"AWS4-HMAC-SHA256\n" + stamp + b"\n" + scope + b"\n",
            self._head_start + stamp + self._head_end,
            b"\r\nauthorization: AWS4-HMAC-SHA256 Credential=" + self._access + b"/" + scope
            + b", SignedHeaders=" + self._signed_headers + b", Signature=",
            key,
        )  # fmt: skip
