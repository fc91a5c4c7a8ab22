"""Files and folders that only their owner can read, whatever the umask: they contain hashes, addresses and links."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

__all__ = ["make_private_folder", "open_private", "tighten", "write_private"]

FOLDER_MODE, FILE_MODE = 0o700, 0o600


def make_private_folder(path: Path) -> None:
    """Create a folder that only its owner can enter, and its missing parents likewise. Existing ones keep their modes.

    Raises:
        OSError: It cannot be created.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        # Path.mkdir(parents=True) applies its mode only to the last one.
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=FOLDER_MODE)
            folder.chmod(FOLDER_MODE)
    if not path.is_dir():
        raise NotADirectoryError(20, "is not a directory", str(path))


def tighten(path: Path) -> None:
    """Make one of our files or folders private, if it exists and the file system supports that."""
    with contextlib.suppress(OSError):
        found = path.stat()
        wanted = FOLDER_MODE if stat.S_ISDIR(found.st_mode) else FILE_MODE
        if stat.S_IMODE(found.st_mode) & 0o077:
            path.chmod(wanted)


def open_private(path: Path, flags: int) -> int:
    """Open a file that only its owner can read. It is created if missing; an existing one is made private first.

    Args:
        path: The file.
        flags: As for ``os.open``; ``O_CREAT`` is added.

    Returns:
        The file descriptor.

    Raises:
        OSError: It cannot be opened, or belongs to somebody else.
    """
    descriptor = os.open(path, flags | os.O_CREAT, FILE_MODE)
    try:
        found = os.fstat(descriptor)
        # A terminal or a pipe (/dev/stdout) is not ours to change.
        if os.name == "posix" and stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) != FILE_MODE:
            os.fchmod(descriptor, FILE_MODE)
    except OSError as error:
        os.close(descriptor)
        raise type(error)(error.errno, f"cannot be made private: {error.strerror}", str(path)) from error
    return descriptor


def write_private(path: Path, content: bytes) -> None:
    """Write a file atomically, readable only by its owner.

    Raises:
        OSError: It cannot be written.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    # Replaces the target of a symbolic link, not the link.
    path = path.resolve()
    # A new file, so that a process with the old one open cannot read the new content.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
