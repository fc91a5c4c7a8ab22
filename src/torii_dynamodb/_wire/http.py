"""Responses: HTTP/1.1 as far as DynamoDB uses it, and the document in the body. Pure.

The parser accepts what RFC 9112 allows a server to send to a client that does not pipeline: a length, chunks, or a body
that ends with the connection. It is our own: httptools would save 2 µs for each response and cost 2 to 4 ms at each
start, as much as it saves in 1,000 responses or more (docs/decisions.md).
"""

from __future__ import annotations

from typing import Any, cast
from zlib import crc32

from torii_dynamodb._messages import Response
from torii_dynamodb._wire.errors import BadResponse, Failure
from torii_dynamodb._wire.failures import failure_of_response, torn_answer
from torii_dynamodb._wire.json import DecodeError, loads

__all__ = ["ResponseParser", "read_answer"]

# DynamoDB's heads are under 1 KB. Its largest response is 16 MB of items, which JSON and base64 can more than double.
MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024


class ResponseParser:
    """Parses the responses of one connection, one after another.

    Attributes:
        started: Whether the first byte of the current response has arrived.
        keep_alive: Whether the connection can be reused after the last response.
    """

    __slots__ = (
        "_buffer",
        "_chunked",
        "_parts",
        "_remaining",
        "_response",
        "_size",
        "keep_alive",
        "started",
    )

    def __init__(self) -> None:
        self.started = False
        self.keep_alive = True
        self._buffer = b""
        self._response: Response | None = None  # None: the head is not complete yet
        self._parts: list[bytes] = []
        self._size = 0
        self._remaining = -1  # -1: until the connection ends
        self._chunked = False

    def feed(self, data: bytes) -> Response | None:
        """Take bytes as they arrive; return the response once it is complete.

        Raises:
            BadResponse: This is not an HTTP response, or it exceeds the limits.
        """
        self.started = True
        if self._response is not None:
            return self._feed_body(data)
        if self._buffer:
            data = self._buffer + data
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                if len(data) > MAX_HEAD:
                    raise BadResponse("the head of the response is over 64 KB")
                self._buffer = data
                return None
            if self._read_head(data[:end]):
                break
            data = data[end + 4 :]  # an interim response (1xx): the final one follows
        body = data[end + 4 :]
        self._buffer = b""
        if len(body) == self._remaining:  # the common case: all of it in one piece
            return self._finish(body)
        return self._feed_body(body)

    def end(self) -> Response | None:
        """The server closed the connection: return the response if that ends it, ``None`` if it is incomplete."""
        if self._response is not None and self._remaining < 0 and not self._chunked:
            self.keep_alive = False
            return self._finish(b"".join(self._parts))
        return None

    def _read_head(self, head: bytes) -> bool:
        status = head[9:12]
        if head[:7] != b"HTTP/1." or head[8:9] != b" " or not status.isdigit() or len(status) != 3:
            raise BadResponse("the response is not HTTP/1.1")
        code = int(status)
        if code < 200:
            return False
        response = self._response = Response(code, head)
        connection = response.header(b"connection")
        if head[7:8] == b"0":
            self.keep_alive = connection is not None and b"keep-alive" in connection.lower()
        else:
            self.keep_alive = connection is None or b"close" not in connection.lower()
        coding = response.header(b"transfer-encoding")
        length = response.header(b"content-length")
        if coding is not None:
            if coding.lower() != b"chunked":
                raise BadResponse("the transfer encoding of the response is unknown")
            self._chunked = True
        elif code in (204, 304):
            self._remaining = 0
        elif length is not None:
            if not length.isdigit() or len(length) > 12:
                raise BadResponse("the length of the response is not a number")
            self._remaining = int(length)
            if self._remaining > MAX_BODY:
                raise BadResponse("the response is over 64 MB")
        return True

    def _feed_body(self, data: bytes) -> Response | None:
        if self._chunked:
            return self._feed_chunks(data)
        self._size += len(data)
        self._parts.append(data)
        if self._remaining < 0:
            if self._size > MAX_BODY:
                raise BadResponse("the response is over 64 MB")
            return None
        if self._size < self._remaining:
            return None
        body = b"".join(self._parts)
        if self._size > self._remaining:
            self.keep_alive = False  # something follows that belongs to no request of ours
            body = body[: self._remaining]
        return self._finish(body)

    def _feed_chunks(self, data: bytes) -> Response | None:
        # Only proxies send chunks (DynamoDB sends a length), so this is simple rather than fast.
        buffer = self._buffer + data
        position = 0
        while True:
            end = buffer.find(b"\r\n", position)
            if end < 0:
                if len(buffer) - position > 1024:
                    raise BadResponse("a chunk of the response has no size")
                break
            text = buffer[position:end].split(b";", 1)[0].strip()
            try:
                size = int(text, 16) if len(text) <= 8 and not text.startswith((b"+", b"-")) else -1
            except ValueError:
                size = -1
            if size < 0 or self._size + size > MAX_BODY:
                raise BadResponse("a chunk of the response has an invalid size")
            if size == 0:
                if buffer[end + 2 : end + 4] == b"\r\n":
                    finish = end + 4
                else:  # trailers
                    last = buffer.find(b"\r\n\r\n", end)
                    if last < 0:
                        if len(buffer) - end > MAX_HEAD:
                            raise BadResponse("the trailers of the response are over 64 KB")
                        break
                    finish = last + 4
                if len(buffer) > finish:
                    self.keep_alive = False
                return self._finish(b"".join(self._parts))
            if len(buffer) < end + 2 + size + 2:
                break
            if buffer[end + 2 + size : end + 4 + size] != b"\r\n":
                raise BadResponse("a chunk of the response does not end at its size")
            self._parts.append(buffer[end + 2 : end + 2 + size])
            self._size += size
            position = end + 4 + size
        self._buffer = buffer[position:]
        return None

    def _finish(self, body: bytes) -> Response:
        response = self._response
        assert response is not None
        response.body = body
        self.started = False
        self._response = None
        self._buffer = b""
        if self._parts:
            self._parts = []
        self._size = 0
        self._remaining = -1
        self._chunked = False
        return response


def read_answer(response: Response) -> dict[str, Any] | Failure:
    """Return the document of a successful response, or what went wrong."""
    body = response.body
    checksum = response.header(b"x-amz-crc32")
    if checksum is not None and checksum != b"%d" % crc32(body):
        return torn_answer(response, "the checksum of the response (x-amz-crc32) is wrong")
    if response.status != 200:
        return failure_of_response(response)
    try:
        answer = loads(body)
    except DecodeError:
        return torn_answer(response, "the response is not JSON")
    if type(answer) is not dict:
        return torn_answer(response, "the response is not a JSON object")
    return cast("dict[str, Any]", answer)
