"""The mails sent to a mail server in this process. The handler is asynchronous in both twins: aiosmtpd calls it."""

from __future__ import annotations

from typing import Any


class Inbox:
    """A handler for aiosmtpd that keeps the envelopes."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.envelopes.append(envelope)
        return "250 OK"
