"""Mailed tokens in the server's access log: uvicorn writes the whole address of every request."""

from __future__ import annotations

import logging
import re

__all__ = ["redact_access_log"]

# Our own tokens, by their form; and what a provider sends back to the callback (RFC 6749, 4.1.2).
_TOKEN = re.compile(r"torii_([a-z]1)_[A-Za-z0-9_.%-]+")
_ANSWER = re.compile(r"(?<=[?&])(code|state|user)=[^&\s]*")


class _Redacting(logging.Filter):
    """Takes the tokens out of a record's arguments, and lets every record pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_redacted(value) if isinstance(value, str) else value for value in record.args)
        return True


def _redacted(text: str) -> str:
    text = _TOKEN.sub(r"torii_\1_[redacted]", text)
    return _ANSWER.sub(r"\1=[redacted]", text) if "/callback?" in text else text


_filter = _Redacting()


def redact_access_log() -> None:
    """Keep tokens out of uvicorn's access log: a visit to a mailed link does not use it up. Once is enough.

    The filter stands at the logger, so it holds for whatever handlers there are, and for those made later.
    """
    logging.getLogger("uvicorn.access").addFilter(_filter)
