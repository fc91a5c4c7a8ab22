"""TLS for both pools: the system's certificates or your own bundle; the host name is always checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torii_dynamodb.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl

__all__ = ["tls_context"]


def tls_context(ca_bundle: str | None = None) -> ssl.SSLContext:
    """Return a context for connections to AWS.

    Args:
        ca_bundle: A file of certificates (PEM) that are trusted instead of the system's.

    Raises:
        ConfigurationError: The file cannot be used.
    """
    import ssl  # imported here: endpoints without TLS (tests, emulators) should not pay for it

    try:
        context = ssl.create_default_context(cafile=ca_bundle)
    except OSError as error:  # ssl.SSLError is one
        if ca_bundle is None:
            raise
        raise ConfigurationError(
            f"the CA bundle {ca_bundle!r} cannot be used ({error.strerror or type(error).__name__}): give a file of "
            "certificates in PEM form (AWS_CA_BUNDLE, ca_bundle in the AWS profile, or REQUESTS_CA_BUNDLE)"
        ) from error
    context.set_alpn_protocols(["http/1.1"])
    return context
