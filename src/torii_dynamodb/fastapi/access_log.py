"""Keeps mailed tokens out of the access log, where uvicorn writes the full URL of every request."""

from __future__ import annotations

import logging
import re

__all__ = ["redact_access_log"]

# Our own tokens, and what a provider sends back to the callback (RFC 6749, 4.1.2).
_TOKEN = re.compile(r"torii_([a-z]1)_[A-Za-z0-9_.%-]+")
_ANSWER = re.compile(r"(?<=[?&])(code|state|user)=[^&\s]*")


class _Redacting(logging.Filter):
    """Redacts tokens in a record's arguments, and drops no record."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_redacted(value) if isinstance(value, str) else value for value in record.args)
        return True


def _redacted(text: str) -> str:
    text = _TOKEN.sub(r"torii_\1_[redacted]", text)
    return _ANSWER.sub(r"\1=[redacted]", text) if "/callback?" in text else text


_filter = _Redacting()


def redact_access_log() -> None:
    """Redact tokens in uvicorn's access log: a mailed link stays valid after a mere visit. Repeated calls do no harm.

    The filter is on the logger, so it applies to all handlers, including those added later.
    """
    logging.getLogger("uvicorn.access").addFilter(_filter)
