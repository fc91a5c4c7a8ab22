"""TLS as every transport uses it: the system's certificates or ``AWS_CA_BUNDLE``, the host's name always checked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

__all__ = ["tls_context"]


def tls_context() -> ssl.SSLContext:
    """A context for connections to AWS."""
    import ssl  # here: an endpoint without TLS (tests, emulators) should not pay for it

    context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)
    context.set_alpn_protocols(["http/1.1"])
    return context
