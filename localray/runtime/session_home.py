"""Where sessions can be found by those who join them: a directory for each, below one of this user's.

A directory holds the socket that the head listens on, the key that whoever connects must know, and facts for those who
look. Nobody else may enter it. Beside it lies a lock file that the head holds locked: a directory whose lock can be had
belongs to a session that is dead, and is removed by whoever comes across it. A session's address has the form of Ray's,
``127.0.0.1:6379``; its number is the directory's, and no port of the network. Standing sessions count from Ray's port;
those of a driver's plain `init` have numbers far above, by chance, so that nobody finds a stranger's where a session
was before. Must not live here: making such a directory (`session_claim`), starting a session, talking to one, which one
"auto" means (`session_facts`).
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
import time
from pathlib import Path
from typing import NamedTuple

from localray.exceptions import RaySystemError
from localray.host import line_of_this_process, temporary_directory
from localray.runtime.session_facts import OURS, Facts, by_preference, our_dialect
from localray.shm.session_directories import lock_of, remove, sweep

HOST = "127.0.0.1"
_OF_THIS_MACHINE = (HOST, "localhost", "0.0.0.0", "::1", socket.gethostname())
END_OF_NUMBERS = 65_536
PREFIX = "session_"
_LONGEST_SOCKET_PATH = 100
"""The system takes 108 bytes, some systems 104."""


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

    def tell(self, keeper_process: int, directory: Path, *, of_driver: bool) -> None:
        """This process, the head, writes the facts: from now on the session is found by those who look for any."""
        process = os.getpid()
        whose = (keeper_process, of_driver, str(directory))
        facts = Facts(self.address, process, time.time(), *whose, OURS, our_dialect())
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


def users_directory() -> Path:
    """The directory below which all of this user's sessions are; it need not exist.

    Raises:
        RaySystemError: it exists, and is not this user's alone.
    """
    root = temporary_directory() / f"localray-{os.getuid()}"
    if len(str(root / f"{PREFIX}{END_OF_NUMBERS - 1}" / "socket")) > _LONGEST_SOCKET_PATH:
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


class Living(NamedTuple):
    """A running session."""

    home: SessionHome
    facts: Facts


def living() -> list[Living]:
    """This user's running sessions that can be joined, in no order."""
    root = users_directory()
    sweep_homes(root)
    found: list[Living] = []
    for entry in root.iterdir() if root.is_dir() else ():
        number = entry.name.removeprefix(PREFIX)
        if entry.name.startswith(PREFIX) and number.isdigit():
            home = SessionHome(entry, int(number))
            facts = home.facts()
            if facts is not None and home.is_alive():
                found.append(Living(home, facts))
    return found


def sweep_homes(root: Path) -> None:
    """Remove what is left below a user's directory of sessions whose processes were all killed at once, and itself if
    that was all."""
    sweep(root, (PREFIX,))
    _remove_if_empty(root)


def is_of_this_machine(address: str) -> bool:
    """Whether an address names a session of this machine, or would if there were one."""
    host, separator, _ = address.rpartition(":")
    return not separator or host in _OF_THIS_MACHINE


def find(address: str) -> SessionHome:
    """The session that an address names; which "auto" means says `session_facts.by_preference`.

    Raises:
        ConnectionError: there is none.
        ValueError: this is no address.
    """
    if address == "auto":
        homes = {each.facts: each.home for each in living()}
        if not homes:
            raise ConnectionError(
                "There is no running session to join. Start one with `localray start --head`, or name one by its "
                "address or by the environment variable RAY_ADDRESS."
            )
        return homes[by_preference(homes, line_of_this_process(), our_dialect())[0]]
    _, separator, number = address.rpartition(":")
    if not separator or not number.isdigit():
        raise ValueError(f"Malformed address {address!r}. Expected '<host>:<port>', for example '{HOST}:6379'.")
    home = SessionHome(users_directory() / f"{PREFIX}{int(number)}", int(number))
    if not is_of_this_machine(address) or home.facts() is None or not home.is_alive():
        raise ConnectionError(
            f"There is no session at {address}. Sessions are on this machine, and of this user: "
            "`localray start --head` starts one, `ray start --head` a Ray cluster; without an address, init() starts "
            "its own."
        )
    return home


def is_there(address: str) -> bool:
    """Whether an address names a running session of this user's.

    Raises:
        ValueError: this is no address.
    """
    try:
        find(address)
    except ConnectionError:
        return False
    return True


def remove_home(path: Path) -> None:
    """A session is over: its directory goes, and the user's with the last."""
    remove(path)
    _remove_if_empty(path.parent)


def _remove_if_empty(root: Path) -> None:
    try:
        root.rmdir()
    except OSError:
        return  # There are others, or somebody else has removed it.
