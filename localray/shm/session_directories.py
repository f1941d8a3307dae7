"""A session's directories, for spilled objects and for what drivers bring along: made when first needed, removed with
the session, and found and removed later when all of its processes were killed at once.

Beside each directory lies a lock file that the head of the session, or the driver, holds locked; the system lets go of
the lock when the process dies, however it does. A directory whose lock can be had is nobody's any more. Must not live
here: what is in them (`localray.shm.spill_files`, `localray.runtime_env.packages`).
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

PREFIX = "localray_spilled_objects_"
PACKAGES_PREFIX = "localray_packages_"
"""Of directories of what drivers have brought along for their workers."""
SESSION_PREFIX = "localray_session_"
"""Of directories with log files."""
_LOCK = ".lock"


class SessionDirectory:
    """One directory of one session.

    Args:
        path: of it; its parent is made if need be.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._lock: int | None = None

    def make(self) -> None:
        """See that it is there and locked.

        Raises:
            OSError: it cannot be made.
        """
        if self._lock is not None:
            # Somebody may have cleaned up.
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while self._lock is None:
            # A sweeper may have found the new file before it was locked: then it is another file by now.
            lock = lock_of(self.path)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if is_at(descriptor, lock):
                self._lock = descriptor
            else:
                os.close(descriptor)
        # Not one that is there already: nobody else may have made it for us.
        self.path.mkdir(mode=0o700)

    def remove(self) -> None:
        """It and all that is in it go."""
        remove(self.path)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def lock_of(path: Path) -> Path:
    """The lock file of a session's directory."""
    return path.with_name(path.name + _LOCK)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one of this path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def remove(path: Path) -> None:
    """Remove a session's directory, whoever made it, and its lock file. What cannot be removed stays: it may be
    somebody else's."""
    try:
        empty(path)
        path.rmdir()
    except FileNotFoundError:
        _unlink_lock(path)
    except OSError:
        return  # Somebody else's, or no directory at all: whatever lies there stays.
    else:
        _unlink_lock(path)


def empty(path: Path) -> None:
    """Remove all that is in a directory.

    Raises:
        OSError: it is no directory, or something in it cannot be removed.
    """
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            # Not needed by most sessions.
            import shutil

            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)


def _unlink_lock(path: Path) -> None:
    lock_of(path).unlink(missing_ok=True)


def sweep(root: Path, prefixes: tuple[str, ...] = (PREFIX, PACKAGES_PREFIX, SESSION_PREFIX)) -> None:
    """Remove what sessions left here whose processes were all killed at once."""
    try:
        names = [entry.name for entry in root.iterdir()]
    except OSError:
        return  # There is nothing there, or it is not for us.
    for name in names:
        if not (name.startswith(prefixes) and name.endswith(_LOCK)):
            continue
        lock = root / name
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue  # Removed meanwhile, or another user's.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_at(descriptor, lock):
                remove(lock.with_name(lock.name.removesuffix(_LOCK)))
        except BlockingIOError:
            continue  # Its session lives.
        finally:
            os.close(descriptor)
