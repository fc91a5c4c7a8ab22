"""Mailers that need no server: files, the console, memory."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Protocol, TextIO

from torii_dynamodb._async.primitives import run_in_thread
from torii_dynamodb._files import make_private_folder
from torii_dynamodb.clock import Clock, system_clock
from torii_dynamodb.mail.messages import MailMessage, to_mime

__all__ = ["AsyncConsoleMailer", "AsyncFileMailer", "AsyncMailer", "AsyncMemoryMailer"]


class AsyncMailer(Protocol):
    """Sends mails."""

    async def send(self, message: MailMessage) -> None:
        """Send the mail. It may raise any exception on failure: it is logged, and the caller continues."""
        ...


class AsyncMemoryMailer:
    """Keeps mails in a list, for tests.

    Attributes:
        messages: The mails sent, oldest first.
    """

    def __init__(self) -> None:
        self.messages: list[MailMessage] = []

    async def send(self, message: MailMessage) -> None:
        """Append it to ``messages``."""
        self.messages.append(message)


class AsyncConsoleMailer:
    """Writes mails to the console, including their links: for development only.

    Args:
        stream: The stream; ``None`` for standard error.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    async def send(self, message: MailMessage) -> None:
        """Write it."""
        stream = sys.stderr if self._stream is None else self._stream
        rule = "-" * 72
        stream.write(f"{rule}\nTo: {message.to}\nSubject: {message.subject}\n\n{message.text}{rule}\n")
        stream.flush()


class AsyncFileMailer:
    """Writes each mail to a file ``<time>-<template>-<random>.eml`` that only its owner can read: for development.

    Args:
        folder: The folder; created if missing.
        clock: The clock.
    """

    def __init__(self, folder: Path | str, *, clock: Clock = system_clock) -> None:
        self._folder = Path(folder)
        self._clock = clock

    async def send(self, message: MailMessage) -> None:
        """Write it. Raises ``OSError`` if that fails."""
        await run_in_thread(self._write, message)

    def _write(self, message: MailMessage) -> None:
        now = self._clock()
        make_private_folder(self._folder)
        handle, _ = tempfile.mkstemp(
            prefix=f"{now.strftime('%Y%m%dT%H%M%S%f')}-{message.template}-", suffix=".eml", dir=self._folder
        )
        with os.fdopen(handle, "wb") as file:
            file.write(to_mime(message, now).as_bytes())
