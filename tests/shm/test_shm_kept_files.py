"""Files of a state directory: whole or not there, whatever is done to them and whenever their writer is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localray.shm import kept_files
from localray.shm.kept_layout import DamagedFileError, assemble, take_apart

OLD, NEW = (b"old", (b"1",)), (b"new", (b"22", b"", b"333"))


@given(st.binary(max_size=50), st.lists(st.binary(max_size=50), max_size=4))
def test_what_is_assembled_can_be_taken_apart(header: bytes, values: list[bytes]) -> None:
    assert take_apart(b"".join(assemble(header, values))) == (header, tuple(values))


def test_every_cut_and_every_changed_byte_is_seen() -> None:
    whole = b"".join(assemble(*NEW))
    for length in range(len(whole)):
        with pytest.raises(DamagedFileError):
            take_apart(whole[:length])
        with pytest.raises(DamagedFileError):
            take_apart(whole[:length] + bytes([whole[length] ^ 1]) + whole[length + 1 :])


def test_a_file_of_another_version_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localray.shm.kept_layout.WRITER", "localray 99, Python 4.0")
    foreign = b"".join(assemble(*NEW))
    monkeypatch.undo()
    with pytest.raises(DamagedFileError, match=r"was written by localray 99, Python 4\.0, and this is localray"):
        take_apart(foreign)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[str]:
    path = str(tmp_path / "state")
    lock = kept_files.claim(path)
    yield path
    os.close(lock)


def test_a_file_can_be_read_by_its_user_only(directory: str) -> None:
    kept_files.write(directory, "file", *NEW)
    assert Path(directory).stat().st_mode & 0o777 == 0o700
    assert Path(directory, "file").stat().st_mode & 0o777 == 0o600
    assert kept_files.read(directory, "file") == NEW
    Path(directory, "file").chmod(0o640)
    with pytest.raises(DamagedFileError, match="only you"):
        kept_files.read(directory, "file")
    Path(directory, "link").symlink_to(Path(directory, "file"))
    with pytest.raises(DamagedFileError, match="cannot be read"):
        kept_files.read(directory, "link")


def test_a_directory_belongs_to_one_session(directory: str) -> None:
    with pytest.raises(ValueError, match="in use by a running session"):
        kept_files.claim(directory)


def test_a_directory_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(ValueError, match="only you can enter"):
        kept_files.claim(str(tmp_path))


def test_what_cannot_be_written_leaves_what_was_there(directory: str) -> None:
    kept_files.write(directory, "file", *OLD)

    def values() -> Iterator[bytes]:
        yield b"half"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        kept_files.write(directory, "file", b"new", values())
    assert kept_files.names(directory) == ["file"]
    assert kept_files.read(directory, "file") == OLD


WRITER = """
import os, signal, sys
from pathlib import Path
from localray.shm import kept_files
directory, last = sys.argv[1], int(sys.argv[2])
done = 0
def counted(function):
    def call(*arguments, **options):
        global done
        if done == last:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1
        return function(*arguments, **options)
    return call
for name in ("open", "write", "fsync", "close"):
    setattr(os, name, counted(getattr(os, name)))
Path.rename = counted(Path.rename)
kept_files.write(directory, "file", b"new", [b"22", b"", b"333"])
print("whole")
"""


def test_killed_at_each_step_of_writing(directory: str) -> None:
    """The writer is killed before its first, second, ... call of the system: there is the old file or the new."""
    found = []
    for last in range(1000):
        kept_files.write(directory, "file", *OLD)
        done = subprocess.run(
            [sys.executable, "-c", WRITER, directory, str(last)], capture_output=True, text=True, check=False
        )
        assert kept_files.names(directory) == ["file"], "what was half written is removed"
        found.append(kept_files.read(directory, "file"))
        if done.returncode == 0:
            assert done.stdout == "whole\n"
            break
        assert done.returncode == -signal.SIGKILL
    assert set(found) == {OLD, NEW}
    assert found == sorted(found, key=[OLD, NEW].index), "once the new one is there, it stays"
    assert len(found) > 10
