"""Answers: HTTP/1.1 as far as DynamoDB speaks it, and the document in it. Pure.

It takes what RFC 9112 allows a server to send to a client that does not pipeline: a length, chunks, or a body that
ends with the connection. The parser is our own: httptools would save 2 µs of each answer and add 2 to 4 ms to each
start, as much as 1,000 answers or more save (docs/decisions.md).
"""

from __future__ import annotations

from typing import Any, cast
from zlib import crc32

from torii_dynamodb._messages import Response
from torii_dynamodb._wire.errors import BadResponse, Failure
from torii_dynamodb._wire.failures import failure_of_response, torn_answer
from torii_dynamodb._wire.json import DecodeError, loads

__all__ = ["ResponseParser", "read_answer"]

# A head of DynamoDB's is under 1 KB; its largest answer 16 MB of items, which JSON and base64 can more than double.
MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024


class ResponseParser:
    """Parses the answers of one connection, one after the other.

    Attributes:
        started: Whether a byte of the present answer has come.
        keep_alive: Whether the connection may be used again after the answer that was returned last.
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
        """Take bytes as they come; return the answer once it is complete.

        Raises:
            BadResponse: If this is no HTTP answer, or one over the limits.
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
                    raise BadResponse("the head of the answer is over 64 KB")
                self._buffer = data
                return None
            if self._read_head(data[:end]):
                break
            data = data[end + 4 :]  # an interim answer (1xx): the real one follows
        body = data[end + 4 :]
        self._buffer = b""
        if len(body) == self._remaining:  # the common case: all of it in one piece
            return self._finish(body)
        return self._feed_body(body)

    def end(self) -> Response | None:
        """The other side closed the connection; return the answer if that is how it ends, ``None`` if it is torn."""
        if self._response is not None and self._remaining < 0 and not self._chunked:
            self.keep_alive = False
            return self._finish(b"".join(self._parts))
        return None

    def _read_head(self, head: bytes) -> bool:
        status = head[9:12]
        if head[:7] != b"HTTP/1." or head[8:9] != b" " or not status.isdigit() or len(status) != 3:
            raise BadResponse("the answer is not HTTP/1.1")
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
                raise BadResponse("the answer's transfer encoding is not known")
            self._chunked = True
        elif code in (204, 304):
            self._remaining = 0
        elif length is not None:
            if not length.isdigit() or len(length) > 12:
                raise BadResponse("the answer's length is not a number")
            self._remaining = int(length)
            if self._remaining > MAX_BODY:
                raise BadResponse("the answer is over 64 MB")
        return True

    def _feed_body(self, data: bytes) -> Response | None:
        if self._chunked:
            return self._feed_chunks(data)
        self._size += len(data)
        self._parts.append(data)
        if self._remaining < 0:
            if self._size > MAX_BODY:
                raise BadResponse("the answer is over 64 MB")
            return None
        if self._size < self._remaining:
            return None
        body = b"".join(self._parts)
        if self._size > self._remaining:
            self.keep_alive = False  # more than was asked for: whatever follows is not ours to read
            body = body[: self._remaining]
        return self._finish(body)

    def _feed_chunks(self, data: bytes) -> Response | None:
        # Chunks come only from proxies: DynamoDB sends a length. So this is plain rather than fast.
        buffer = self._buffer + data
        position = 0
        while True:
            end = buffer.find(b"\r\n", position)
            if end < 0:
                if len(buffer) - position > 1024:
                    raise BadResponse("a chunk of the answer has no size")
                break
            text = buffer[position:end].split(b";", 1)[0].strip()
            try:
                size = int(text, 16) if len(text) <= 8 and not text.startswith((b"+", b"-")) else -1
            except ValueError:
                size = -1
            if size < 0 or self._size + size > MAX_BODY:
                raise BadResponse("a chunk of the answer has no fair size")
            if size == 0:
                if buffer[end + 2 : end + 4] == b"\r\n":
                    finish = end + 4
                else:  # trailers
                    last = buffer.find(b"\r\n\r\n", end)
                    if last < 0:
                        if len(buffer) - end > MAX_HEAD:
                            raise BadResponse("the answer's trailers are over 64 KB")
                        break
                    finish = last + 4
                if len(buffer) > finish:
                    self.keep_alive = False
                return self._finish(b"".join(self._parts))
            if len(buffer) < end + 2 + size + 2:
                break
            if buffer[end + 2 + size : end + 4 + size] != b"\r\n":
                raise BadResponse("a chunk of the answer does not end where it says")
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
    """The answer's document if it is one of success, else what went wrong."""
    body = response.body
    checksum = response.header(b"x-amz-crc32")
    if checksum is not None and checksum != b"%d" % crc32(body):
        return torn_answer(response, "the answer's checksum (x-amz-crc32) is wrong")
    if response.status != 200:
        return failure_of_response(response)
    try:
        answer = loads(body)
    except DecodeError:
        return torn_answer(response, "the answer is no JSON")
    if type(answer) is not dict:
        return torn_answer(response, "the answer is no JSON object")
    return cast("dict[str, Any]", answer)
