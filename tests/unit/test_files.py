"""Files with hashes, addresses or links are private to their owner from the moment they are created."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from torii_dynamodb._files import make_private_folder, open_private, tighten, write_private

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX'")


def mode(path: Path) -> int:
    """Return a file's permissions."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o177], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Set the umask of the process for a test."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_folders_are_made_private_whatever_the_umask(umask: int, tmp_path: Path) -> None:
    """Every created folder is 0700, including parents; existing folders keep their mode."""
    there = tmp_path / "there"
    there.mkdir()
    there.chmod(0o755)
    make_private_folder(there / "a" / "b")
    make_private_folder(there / "a" / "b")
    assert [mode(one) for one in (there, there / "a", there / "a" / "b")] == [0o755, 0o700, 0o700]


def test_a_file_in_a_folders_place_is_named(tmp_path: Path) -> None:
    """If a file is in the way, the error names it."""
    (tmp_path / "file").write_text("x", encoding="ascii")
    with pytest.raises(NotADirectoryError, match="file"):
        make_private_folder(tmp_path / "file")


def test_a_file_is_opened_private_whatever_the_umask(umask: int, tmp_path: Path) -> None:
    """A new file is 0600; an existing file that others could read becomes 0600 and keeps its content."""
    old = tmp_path / "old"
    old.write_text("kept", encoding="ascii")
    old.chmod(0o644)
    for path in (tmp_path / "new", old):
        os.close(open_private(path, os.O_RDWR))
        assert mode(path) == 0o600
    assert old.read_text(encoding="ascii") == "kept"


def test_what_is_no_file_keeps_its_mode() -> None:
    """A device can be written to and is left as it is."""
    before = mode(Path(os.devnull))
    os.close(open_private(Path(os.devnull), os.O_RDWR))
    write_private(Path(os.devnull), b"x")
    assert mode(Path(os.devnull)) == before


def test_a_written_file_is_private_and_whole(umask: int, tmp_path: Path) -> None:
    """The content goes into a new file: a process that has the old one open does not see it."""
    path = tmp_path / "report.json"
    path.write_bytes(b"old")
    path.chmod(0o644)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    with path.open("rb") as spy:
        write_private(link, b"new")
        assert spy.read() == b"old"
    assert (path.read_bytes(), mode(path), link.is_symlink()) == (b"new", 0o600, True)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link.json", "report.json"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk only the new content is lost, and no partial file remains."""
    path = tmp_path / "report.json"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_private(path, b"new")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("report.json", b"old")]


def test_tightening_takes_away_from_others_alone(tmp_path: Path) -> None:
    """A file that others could read becomes private; stricter or missing files are left alone."""
    loose, strict = tmp_path / "loose", tmp_path / "strict"
    for path, given in ((loose, 0o644), (strict, 0o400)):
        path.write_text("x", encoding="ascii")
        path.chmod(given)
    for path in (loose, strict, tmp_path / "missing"):
        tighten(path)
    assert (mode(loose), mode(strict)) == (0o600, 0o400)
