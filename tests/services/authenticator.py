"""A software authenticator (WebAuthn Level 3, section 6) with P-256, and the browser in front of it."""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

ORIGIN = "https://app.example.com"
RP_ID = "example.com"

_PRESENT, _VERIFIED, _ELIGIBLE, _BACKED_UP, _ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40


def b64(raw: bytes) -> str:
    """Bytes as base64url without padding, as in WebAuthn's JSON."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw(text: str) -> bytes:
    """The bytes of a base64url string without padding."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authenticator:
    """An authenticator with one passkey. Tests change its attributes to act as a faulty or hostile browser.

    Attributes:
        origin: The page's origin, as the browser reports it.
        rp_id: The relying party that the authenticator signs for.
        verified: Whether it claims to have verified the user.
        count: Its signature counter; 0 stays 0, otherwise each use adds one.
        eligible: Whether it claims that the passkey can be backed up.
        backed_up: Whether it claims that the passkey is backed up.
        transports: The transports that the browser reports.
        members: Members that extend or replace those of the answers.
        client_data: Members that extend or replace those of the client data.
    """

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = os.urandom(32)
        self.user_handle: str | None = None
        self.origin = ORIGIN
        self.rp_id = RP_ID
        self.verified = True
        self.count = 0
        self.eligible = True
        self.backed_up = True
        self.transports: list[Any] = ["internal"]
        self.members: dict[str, Any] = {}
        self.client_data: dict[str, Any] = {}

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """``navigator.credentials.create``."""
        self.user_handle = options["user"]["id"]
        numbers = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + cbor2.dumps(cose)
        data = self._data(_ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client_data = self._client_data("webauthn.create", options["challenge"])
        return self._credential(
            {"clientDataJSON": b64(client_data), "attestationObject": b64(attestation), "transports": self.transports}
        )

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        """``navigator.credentials.get``."""
        self.count += 1 if self.count else 0
        data = self._data(0)
        client_data = self._client_data("webauthn.get", options["challenge"])
        signature = self.key.sign(data + sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        return self._credential(
            {
                "clientDataJSON": b64(client_data),
                "authenticatorData": b64(data),
                "signature": b64(signature),
                "userHandle": self.user_handle,
            }
        )

    def _data(self, flags: int) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.verified else 0)
        flags |= (_ELIGIBLE if self.eligible else 0) | (_BACKED_UP if self.backed_up else 0)
        return sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said | self.client_data).encode()

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        identity = b64(self.credential_id)
        return {
            "id": identity,
            "rawId": identity,
            "type": "public-key",
            "response": {name: value for name, value in response.items() if value is not None},
            "clientExtensionResults": {},
            **self.members,
        }
