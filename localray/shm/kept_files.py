"""The files of a state directory on a real disk: written whole or not at all, read when a session starts, locked while
it runs.

A file is written beside its place, brought to the disk, and then renamed: at every moment there is the old one or the
new one under its name, and never a part. Only the user may enter the directory and read the files. Must not live here:
the layout (`localray.shm.kept_layout`), which files there are and when one goes (the kernel).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from localray.shm.kept_layout import DamagedFileError, assemble, take_apart

_DRAFT = ".draft"
_LOCK = "lock"
_CHUNK_BYTES = 8 << 20


def claim(directory: str) -> int:
    """See that a state directory is there, is this user's alone, and belongs to no other running session.

    Returns:
        The descriptor of its lock: whoever holds it open has the directory.

    Raises:
        ValueError: it cannot be used; the text says why and what to do.
        OSError: it cannot be made.
    """
    path = Path(directory)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ValueError(
            f"{directory} is not a directory that only you can enter, so nothing is kept there. Choose another, or "
            f"make it yours: chmod 700 {directory}"
        )
    descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ValueError(f"{directory} is in use by a running session. Stop that one, or choose another.") from None
    return descriptor


def write(directory: str, name: str, header: bytes, values: Iterable[bytes | memoryview]) -> None:
    """Write a file; when this returns it will be there after a crash of the machine, too.

    Raises:
        OSError: it could not be written; what had the name before is still there.
    """
    path, draft = Path(directory, name), Path(directory, name + _DRAFT)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            for piece in assemble(header, values):
                _write_all(descriptor, memoryview(piece).cast("B"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        draft.rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    _bring_to_disk(directory)


def _write_all(descriptor: int, content: memoryview) -> None:
    while content:
        content = content[os.write(descriptor, content[:_CHUNK_BYTES]) :]


def _bring_to_disk(directory: str) -> None:
    """The names in a directory are brought to the disk, as far as the system does that."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def delete(directory: str, name: str) -> None:
    """A file goes.

    Raises:
        OSError: it cannot be removed.
    """
    Path(directory, name).unlink(missing_ok=True)


def names(directory: str) -> list[str]:
    """Of the files that are there; what was only half written when its writer died is removed."""
    found = []
    for path in sorted(Path(directory).iterdir()):
        if path.name.endswith(_DRAFT):
            path.unlink(missing_ok=True)
        elif path.name != _LOCK:
            found.append(path.name)
    return found


def read(directory: str, name: str) -> tuple[bytes, tuple[bytes, ...]]:
    """The header and the values of a file.

    Raises:
        DamagedFileError: it is damaged, cannot be read, or is not this user's alone.
    """
    try:
        descriptor = os.open(Path(directory, name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
                raise DamagedFileError("is not a file that only you can read")
            content = file.read()
    except OSError as error:
        raise DamagedFileError(f"cannot be read: {error.strerror}") from error
    return take_apart(content)
