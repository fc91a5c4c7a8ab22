"""Sealing of data that must be read back: AES-256-GCM under the application's ``secret``, or your own service (KMS)."""

from __future__ import annotations

from torii_dynamodb._async.secret_box import AsyncAesGcmBox, AsyncSecretBox
from torii_dynamodb._sync.secret_box import AesGcmBox, SecretBox

__all__ = ["AesGcmBox", "AsyncAesGcmBox", "AsyncSecretBox", "SecretBox"]
