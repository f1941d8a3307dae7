"""Where sessions that others join can be found: a directory for each, below one of this user's.

A directory holds the socket that the head listens on, the key that whoever connects must know, and facts for those who
look. Nobody else may enter it. Beside it lies a lock file that the head holds locked: a directory whose lock can be had
belongs to a session that is dead, and is removed by whoever comes across it. A session's address has the form of Ray's,
``127.0.0.1:6379``; its number is the directory's, and no port of the network. Must not live here: starting a session,
talking to one.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import stat
import time
from pathlib import Path
from typing import NamedTuple

from localray.exceptions import RaySystemError
from localray.host import temporary_directory
from localray.shm.session_directories import lock_of, remove, sweep

HOST = "127.0.0.1"
_OF_THIS_MACHINE = (HOST, "localhost", "0.0.0.0", "::1", socket.gethostname())
FIRST_NUMBER = 6379
"""Ray's port for the head."""
_LAST_NUMBER = 65535
_PREFIX = "session_"
_LONGEST_SOCKET_PATH = 100
"""The system takes 108 bytes, some systems 104."""


class Facts(NamedTuple):
    """What a session tells of itself to those who look into its directory."""

    address: str
    head_process: int
    started_at_s: float


class SessionHome(NamedTuple):
    """The directory of one session."""

    path: Path
    number: int

    @property
    def address(self) -> str:
        """What `ray.init(address=...)` takes."""
        return f"{HOST}:{self.number}"

    @property
    def socket_path(self) -> str:
        """Of the socket that the head listens on."""
        return str(self.path / "socket")

    @property
    def log_path(self) -> Path:
        """What the head and its workers print when nobody's standard streams are theirs."""
        return self.path / "head.log"

    def key(self) -> bytes:
        """What whoever connects must know.

        Raises:
            OSError: the session is gone.
        """
        return (self.path / "key").read_bytes()

    def facts(self) -> Facts | None:
        """What the session tells of itself; None when it is gone, or only about to start."""
        try:
            return Facts(*json.loads((self.path / "facts").read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def tell(self, head_process: int) -> None:
        """Write the facts: from now on the session is found by those who look for any."""
        facts = Facts(self.address, head_process, time.time())
        draft = self.path / "facts.new"
        draft.write_text(json.dumps(facts))
        draft.rename(self.path / "facts")

    def is_alive(self) -> bool:
        """Whether its head lives, or is about to."""
        try:
            descriptor = os.open(lock_of(self.path), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False


class ClaimedHome(NamedTuple):
    """A new directory and what its head is to be given: the socket, listening, and the lock, locked."""

    home: SessionHome
    door: socket.socket
    lock: int


def users_directory() -> Path:
    """The directory below which all of this user's sessions are; it need not exist.

    Raises:
        RaySystemError: it exists, and is not this user's alone.
    """
    root = temporary_directory() / f"localray-{os.getuid()}"
    if len(str(root / f"{_PREFIX}{_LAST_NUMBER}" / "socket")) > _LONGEST_SOCKET_PATH:
        root = Path(os.sep, "tmp", root.name)
    try:
        found = root.lstat()
    except FileNotFoundError:
        return root
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise RaySystemError(
            f"{root} is not a directory that only you can enter, so no session may be kept there. Remove it, or set "
            "TMPDIR to a directory of your own."
        )
    return root


def claim(number: int | None) -> ClaimedHome:
    """A directory for a new session.

    Args:
        number: of the address; None for the first that is free.

    Raises:
        ConnectionError: there is a session of this number.
        RaySystemError: the user's directory cannot be used.
    """
    while True:
        try:
            users_directory().mkdir(mode=0o700, exist_ok=True)
            # Looked at once more: somebody else may have been faster.
            return _claim(users_directory(), number)
        except FileNotFoundError:
            # The last session that was there has just taken the user's directory along.
            continue


def _claim(root: Path, number: int | None) -> ClaimedHome:
    candidates = range(FIRST_NUMBER, _LAST_NUMBER + 1) if number is None else (number,)
    for candidate in candidates:
        home = SessionHome(root / f"{_PREFIX}{candidate}", candidate)
        lock = _take_lock(home)
        if lock is not None:
            try:
                return ClaimedHome(home, _furnish(home), lock)
            except BaseException:
                os.close(lock)
                raise
    raise ConnectionError(f"There is a session at {HOST}:{number or FIRST_NUMBER} already.")


def _take_lock(home: SessionHome) -> int | None:
    """The lock of a directory that nobody has, whose last owner's remains are removed; None when somebody has it."""
    path = lock_of(home.path)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it last may have removed the file before we locked it: then another one is the lock.
        if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
            for entry in home.path.iterdir() if home.path.is_dir() else ():
                entry.unlink()
            return descriptor
    except BlockingIOError:
        os.close(descriptor)
        return None
    os.close(descriptor)
    return None


def _furnish(home: SessionHome) -> socket.socket:
    """Make the directory, its key and its socket; returns the socket."""
    home.path.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(home.path / "key", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(32))
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.bind(home.socket_path)
    door.listen(128)
    return door


def living() -> list[SessionHome]:
    """This user's running sessions that can be joined, the youngest first."""
    root = users_directory()
    sweep(root, (_PREFIX,))
    found: list[tuple[float, SessionHome]] = []
    for entry in root.iterdir() if root.is_dir() else ():
        number = entry.name.removeprefix(_PREFIX)
        if entry.name.startswith(_PREFIX) and number.isdigit():
            home = SessionHome(entry, int(number))
            facts = home.facts()
            if facts is not None and home.is_alive():
                found.append((facts.started_at_s, home))
    return [home for _, home in sorted(found, reverse=True)]


def is_of_this_machine(address: str) -> bool:
    """Whether an address names a session of this machine, or would if there were one."""
    host, separator, _ = address.rpartition(":")
    return not separator or host in _OF_THIS_MACHINE


def find(address: str) -> SessionHome:
    """The session that an address names; "auto" is the youngest.

    Raises:
        ConnectionError: there is none.
        ValueError: this is no address.
    """
    if address == "auto":
        homes = living()
        if not homes:
            raise ConnectionError(
                "There is no running session to join. Start one with `localray start --head`, or name one by its "
                "address or by the environment variable RAY_ADDRESS."
            )
        return homes[0]
    _, separator, number = address.rpartition(":")
    if not separator or not number.isdigit():
        raise ValueError(f"Malformed address {address!r}. Expected '<host>:<port>', for example '{HOST}:6379'.")
    home = SessionHome(users_directory() / f"{_PREFIX}{int(number)}", int(number))
    if not is_of_this_machine(address) or home.facts() is None or not home.is_alive():
        raise ConnectionError(f"There is no session at {address}. Sessions are on this machine, and of this user.")
    return home


def remove_home(path: Path) -> None:
    """A session is over: its directory goes, and the user's with the last."""
    remove(path)
    try:
        path.parent.rmdir()
    except OSError:
        return  # There are others, or somebody else has removed it.
