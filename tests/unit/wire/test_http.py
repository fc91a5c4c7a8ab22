"""The parser of HTTP responses."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torii_dynamodb._messages import Request, Response
from torii_dynamodb._wire.errors import BadResponse
from torii_dynamodb._wire.http import MAX_HEAD, ResponseParser

WITH_LENGTH = b"HTTP/1.1 200 OK\r\nX-Amzn-RequestId: ID1\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;note=x\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: yes\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + WITH_LENGTH
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Return the data, cut in some places."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


@pytest.mark.parametrize("data", [WITH_LENGTH, CHUNKED, INTERIM, EMPTY], ids=["length", "chunks", "interim", "empty"])
@given(cuts=st.lists(st.integers(0, 400), max_size=12))
def test_pieces_do_not_matter(data: bytes, cuts: list[int]) -> None:
    """However the network cuts a response, the result is the same, complete at the last byte, and twice in a row."""
    parser = ResponseParser()
    for _ in range(2):
        *early, last = pieces(data, cuts)
        assert [parser.feed(piece) for piece in early] == [None] * len(early)
        response = parser.feed(last)
        assert response is not None
        assert (response.status, response.body) == ((204, b"") if data is EMPTY else (200, b"hello"))
        assert parser.keep_alive
        assert not parser.started


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=5))
def test_garbage_is_refused_by_name(data: bytes, cuts: list[int]) -> None:
    """Whatever arrives, the parser returns a response, waits for more, or raises BadResponse."""
    parser = ResponseParser()
    for piece in pieces(b"HTTP/1.1 200 OK\r\n" * (len(data) % 2) + data, cuts):
        try:
            if parser.feed(piece) is not None:
                return
        except BadResponse:
            return


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabcd",
        b"HTTP/1.1 200 OK\r\n" + b"x" * MAX_HEAD,
    ],
)
def test_what_is_no_fair_answer_is_refused(data: bytes) -> None:
    """Other protocols, impossible lengths and encodings, and oversized heads and bodies are refused."""
    with pytest.raises(BadResponse):
        ResponseParser().feed(data)


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: Close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n", True),
    ],
)
def test_the_connection_is_kept_where_the_answer_allows(head: bytes, keeps: bool) -> None:
    """A connection is kept as RFC 9112, section 9.3, says."""
    parser = ResponseParser()
    assert parser.feed(head + b"content-length: 0\r\n\r\n") is not None
    assert parser.keep_alive is keeps


def test_more_than_was_asked_for_ends_the_connection() -> None:
    """Bytes after a response belong to no request: the response counts, and the connection is not reused."""
    parser = ResponseParser()
    response = parser.feed(WITH_LENGTH + b"HTTP/1.1 200 OK\r\n")
    assert response is not None
    assert response.body == b"hello"
    assert not parser.keep_alive


def test_an_answer_without_length_ends_with_its_connection() -> None:
    """Without length and chunks, the end of the connection ends the body; with a length, an early end is an error."""
    parser = ResponseParser()
    assert parser.feed(b"HTTP/1.1 200 OK\r\n\r\nhel") is None
    assert parser.feed(b"lo") is None
    response = parser.end()
    assert response is not None
    assert response.body == b"hello"
    assert not parser.keep_alive
    torn = ResponseParser()
    assert torn.feed(WITH_LENGTH[:-1]) is None
    assert torn.end() is None


def test_headers_are_found_in_any_case() -> None:
    """Names match in any case, values are unchanged, missing headers are None, and parts of others never match."""
    response = Response(200, b"HTTP/1.1 200 OK\r\nX-Note: x-amz-crc32: 1\r\nX-AMZ-CRC32:  Abc \r\nDate: now", b"")
    assert response.header(b"x-amz-crc32") == b"Abc"
    assert response.header(b"date") == b"now"
    assert response.header(b"amz-crc32") is None
    assert Response.of(200, [("X-Amzn-RequestId", "ID1")], b"").header(b"x-amzn-requestid") == b"ID1"


def test_a_request_can_be_read_by_other_transports() -> None:
    """A request has its path, and its headers by name."""
    request = Request(b"POST /db HTTP/1.1\r\nhost: h\r\nx-amz-target: T\r\n\r\n", b"{}")
    assert request.target == "/db"
    assert request.headers == {"host": "h", "x-amz-target": "T"}
