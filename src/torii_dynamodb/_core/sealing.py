"""How a PKCE verifier is kept so that the table alone does not tell it.

The key is the OAuth ``state``: it travels through the browser and comes back, and the table holds only its SHA-256. Who
has the row but not the state has nothing to open it with; who has the state can open the one row it belongs to.

The construction, and why it is sound:

* The keystream is ``SHAKE-256(domain, nonce, state)``. SHAKE-256 keyed by a prefix nobody can guess is a pseudo-random
  function (FIPS 202; keyed sponges need no HMAC, because they do not extend in length). XOR with it is a stream cipher.
* A stream cipher fails when one keystream serves two texts. Each sealing draws 16 random bytes, so that even a caller
  who uses one state twice gets two keystreams.
* The tag is ``SHAKE-256(another domain, nonce, state, sealed text)``, cut to 16 bytes: a changed row is noticed, not
  decrypted to something else.
* Every part is preceded by its length, so that no two inputs run together to the same bytes, and the two domains keep
  keystream, tag and the row's key (a plain SHA-256 of the state) apart.

The seal is as strong as the state is hard to guess: its SHA-256 stands in the table, so a guessable state can be
found by trying. States that this library makes have 256 random bits.
"""

from __future__ import annotations

from hashlib import shake_256
from hmac import compare_digest

from torii_dynamodb.clock import RandomBytes

__all__ = ["seal", "unseal"]

_STREAM = b"torii-dynamodb/pkce/1/stream"
_TAG = b"torii-dynamodb/pkce/1/tag"
_NONCE_BYTES = 16
_TAG_BYTES = 16


def seal(text: str, *, state: str, random: RandomBytes) -> bytes:
    """The text, sealed under the state: a nonce, a tag and as many bytes as the text has in UTF-8."""
    nonce = random(_NONCE_BYTES)
    sealed = _xor(text.encode(), nonce, state)
    return nonce + _tag(nonce, state, sealed) + sealed


def unseal(sealed: bytes, *, state: str) -> str:
    """The text again. Raises ``ValueError`` when it was sealed under another state, or changed since."""
    nonce, tag, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:][:_TAG_BYTES], sealed[_NONCE_BYTES + _TAG_BYTES :]
    if len(tag) != _TAG_BYTES or not compare_digest(tag, _tag(nonce, state, rest)):
        raise ValueError("not sealed under this state, or changed since")
    return _xor(rest, nonce, state).decode()


def _tag(nonce: bytes, state: str, sealed: bytes) -> bytes:
    return _shake(_TAG_BYTES, _TAG, nonce, state.encode(), sealed)


def _xor(data: bytes, nonce: bytes, state: str) -> bytes:
    stream = _shake(len(data), _STREAM, nonce, state.encode())
    return bytes(left ^ right for left, right in zip(data, stream, strict=True))


def _shake(length: int, *parts: bytes) -> bytes:
    hashed = shake_256()
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)
    return hashed.digest(length)
