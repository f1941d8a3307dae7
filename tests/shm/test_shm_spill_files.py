"""Spill files on a real disk: what is written is read, what is damaged is told of, nothing half written stays; and the
directories they are in, which live as long as their session."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from localray.shm.session_directories import PREFIX, SessionDirectory, sweep
from localray.shm.spill_files import NotWantedError, create_file, map_entry, write_entry, write_file
from localray.shm.spill_layout import HEADER_BYTES, DamagedEntryError, lay_out

NAMES = [bytes([number]) * 28 for number in range(1, 4)]
SIZES = (5, 100_000, 0)


def spill(path: Path) -> tuple[bytes, tuple[int, ...]]:
    """A file with three objects, and what the arena held."""
    arena = np.random.default_rng(1).bytes(200_000)
    offsets, length = lay_out(SIZES)
    places = (64, 4096, 150_016)
    entries = list(zip(NAMES, places, SIZES, offsets, strict=True))
    write_file(str(path), length, entries, memoryview(arena), lambda: True)
    assert path.stat().st_size == length
    return arena, offsets


def test_what_is_spilled_is_read_and_stays_when_the_file_goes(tmp_path: Path) -> None:
    path = tmp_path / "1"
    arena, offsets = spill(path)
    views = [map_entry(str(path), *each) for each in zip(offsets, NAMES, SIZES, strict=True)]
    path.unlink()
    assert [bytes(view) for view in views] == [arena[64:69], arena[4096:104_096], b""]
    assert all(view.readonly for view in views)
    # Others in a file that this process has mapped can still be read.
    assert bytes(map_entry(str(path), offsets[0], NAMES[0], SIZES[0])) == arena[64:69]
    del views
    with pytest.raises(DamagedEntryError, match="is missing"):
        map_entry(str(path), offsets[0], NAMES[0], SIZES[0])


def test_arrays_are_aligned_and_a_mapping_costs_one_descriptor_for_a_file(tmp_path: Path) -> None:
    _, offsets = spill(tmp_path / "1")
    before = len(list(Path("/proc/self/fd").iterdir()))
    arrays = [np.frombuffer(map_entry(str(tmp_path / "1"), offsets[1], NAMES[1], SIZES[1])) for _ in range(20)]
    assert all(array.ctypes.data % 64 == 0 for array in arrays)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


def cut_off(path: Path) -> None:
    os.truncate(path, 50_000)


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"x" * 8)


def replace_by_another(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096 + 8)
        file.write(b"y" * 28)


def forbid(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut_off, "is cut off"),
        (overwrite, "header is damaged"),
        (replace_by_another, "of object 7979"),
        (Path.unlink, "is missing"),
        (forbid, "cannot be read"),
    ],
)
@pytest.mark.parametrize("mapped_before", [False, True])
def test_damage_is_told_of(tmp_path: Path, damage: Callable[[Path], None], words: str, mapped_before: bool) -> None:
    path = tmp_path / "1"
    _, offsets = spill(path)
    keep = map_entry(str(path), offsets[0], NAMES[0], SIZES[0]) if mapped_before else None
    damage(path)
    if mapped_before and damage is Path.unlink:
        assert len(map_entry(str(path), offsets[1], NAMES[1], SIZES[1])) == SIZES[1]
        return
    with pytest.raises(DamagedEntryError, match=words) as caught:
        map_entry(str(path), offsets[1], NAMES[1], SIZES[1])
    assert str(path) in str(caught.value)
    del keep


def test_a_file_for_one_object_is_written_in_place(tmp_path: Path) -> None:
    path = str(tmp_path / "1")
    os.close(create_file(path, HEADER_BYTES + 10))
    target = write_entry(path, 10)
    target[:] = b"0123456789"
    assert bytes(map_entry(path, 0, NAMES[0], 10)) == b"0123456789"
    with pytest.raises(FileExistsError):
        create_file(path, 100)


def test_what_cannot_be_written_leaves_no_file(tmp_path: Path) -> None:
    program = f"""
import resource, sys
from localray.shm.spill_files import create_file, write_file
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    create_file({str(tmp_path / "1")!r}, 20_000)
except OSError as error:
    print(error.strerror)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "File too large\n"
    with pytest.raises(NotWantedError):
        write_file(str(tmp_path / "2"), 20_000, [(NAMES[0], 0, 10_000, 0)], memoryview(bytes(10_000)), lambda: False)
    with pytest.raises(FileNotFoundError):
        write_file(str(tmp_path / "no" / "3"), 100, [], memoryview(b""), lambda: True)
    assert not list(tmp_path.iterdir())


def test_a_directory_is_private_and_goes_with_its_session(tmp_path: Path) -> None:
    directory = SessionDirectory(str(tmp_path / "spilled" / f"{PREFIX}1"))
    directory.make()
    directory.make()
    assert directory.path.stat().st_mode & 0o777 == 0o700
    (directory.path / "1").write_bytes(b"x")
    sweep(directory.path.parent)
    assert (directory.path / "1").exists(), "a living session was swept"
    directory.remove()
    assert not list(directory.path.parent.iterdir())
    directory.remove()


def test_what_a_killed_session_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    program = f"""
import os
from localray.shm.session_directories import PREFIX, SessionDirectory
directory = SessionDirectory(os.path.join({str(tmp_path)!r}, PREFIX + "dead"))
directory.make()
(directory.path / "1").write_bytes(b"x")
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    (tmp_path / f"{PREFIX}not_ours").mkdir()
    (tmp_path / "file.lock").write_text("")
    assert (tmp_path / f"{PREFIX}dead" / "1").exists()
    sweep(tmp_path)
    sweep(tmp_path / "there_is_no_such_directory")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.lock", f"{PREFIX}not_ours"]
