"""Reading a new password: asked twice on the terminal, or from standard input, never from an argument."""

from __future__ import annotations

import sys

import typer

from torii_dynamodb.cli.support import WrongOption

__all__ = ["read_password"]

_MOST_BYTES = 65_536


def read_password(*, from_stdin: bool) -> str:
    """Read a new password. Spaces count; the line break at the end does not.

    Args:
        from_stdin: Whether to read standard input to its end, as ``docker login --password-stdin`` does; otherwise it
            is asked for twice on the terminal, without being shown.

    Raises:
        WrongOption: There is no terminal; or the input is empty, has more than one line or is not UTF-8.
    """
    if not from_stdin:
        if not sys.stdin.isatty():
            raise WrongOption("there is no terminal to ask for the password on: give --password-stdin and pipe it in")
        return str(typer.prompt("New password", hide_input=True, confirmation_prompt="The same again", err=True))
    data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise WrongOption(f"--password-stdin: the input is longer than {_MOST_BYTES:,} bytes")
    try:
        password = data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise WrongOption("--password-stdin: the input is not UTF-8") from None
    if not password:
        raise WrongOption("--password-stdin: the input is empty")
    if "\n" in password or "\r" in password:
        raise WrongOption("--password-stdin: the input has more than one line; give only the password")
    return password
