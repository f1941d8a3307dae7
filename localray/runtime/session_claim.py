"""A head makes the directory by which others find its session: a number that is free, its lock, its key and its socket.

The head does, and not the driver that starts it, because a head that loses its driver still cleans up, whenever that
happens: whoever makes something must live to remove it. Must not live here: what the directory is to those who look for
sessions (`session_home`).
"""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path
from typing import NamedTuple

from localray.runtime.session_home import END_OF_NUMBERS, HOST, PREFIX, SessionHome, sweep_homes, users_directory
from localray.shm.session_directories import empty, is_at, lock_of

FIRST_NUMBER = 6379
"""Ray's port for the head."""
FIRST_NUMBER_OF_DRIVERS = 20_000
"""Of the sessions that drivers start for themselves."""
_NUMBERS_DRAWN = 40_000
_KEY_BYTES = 32


class ClaimedHome(NamedTuple):
    """A new directory, its socket, listening, and its lock, locked."""

    home: SessionHome
    door: socket.socket
    lock: int

    def close(self) -> None:
        """In a process that has them only because it was forked."""
        self.door.close()
        os.close(self.lock)


def numbers_of_standing_sessions(wanted: int | None) -> range:
    """The numbers that a standing session may get: the one that is wanted, if one is."""
    return range(FIRST_NUMBER, END_OF_NUMBERS) if wanted is None else range(wanted, wanted + 1)


def numbers_of_drivers() -> range:
    """The numbers that a driver's own session may get, others each time."""
    drawn = int.from_bytes(os.urandom(2), "little") % _NUMBERS_DRAWN
    return range(FIRST_NUMBER_OF_DRIVERS + drawn, END_OF_NUMBERS)


def claim(numbers: range) -> ClaimedHome:
    """A directory for a new session; what dead ones have left is removed on the way.

    Args:
        numbers: for its address; the first that is free is taken.

    Raises:
        ConnectionError: there are sessions of all these numbers.
        RaySystemError: the user's directory cannot be used.
        OSError: nothing can be made there.
    """
    sweep_homes(users_directory())
    while True:
        try:
            users_directory().mkdir(mode=0o700, exist_ok=True)
            # Looked at once more: somebody else may have been faster.
            return _claim(users_directory(), numbers)
        except FileNotFoundError:
            # The last session that was there has just taken the user's directory along.
            continue


def _claim(root: Path, numbers: range) -> ClaimedHome:
    for candidate in numbers:
        home = SessionHome(root / f"{PREFIX}{candidate}", candidate)
        lock = _take_lock(home)
        if lock is not None:
            try:
                return ClaimedHome(home, _furnish(home), lock)
            except BaseException:
                os.close(lock)
                raise
    raise ConnectionError(f"There is a session at {HOST}:{numbers.start} already.")


def _take_lock(home: SessionHome) -> int | None:
    """The lock of a directory that nobody has, whose last owner's remains are removed; None when somebody has it."""
    path = lock_of(home.path)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        # Whoever had it last, or swept here, may have removed the file before we locked it: then another is the lock.
        if is_at(descriptor, path):
            if home.path.is_dir():
                empty(home.path)
            return descriptor
        os.close(descriptor)


def _furnish(home: SessionHome) -> socket.socket:
    """Make the directory, its key and its socket; returns the socket."""
    home.path.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(home.path / "key", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.urandom(_KEY_BYTES))
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.bind(home.socket_path)
    door.listen(128)
    return door
