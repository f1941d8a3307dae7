"""Child processes on the measuring side: how they are started, which processes are theirs, what those use.

A system's processes are found in three ways, since daemons leave their parents: descendants of the child, members of
its session, and carriers of a mark in the environment that all of them inherit. Nothing here knows what is measured.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from .messages import ChildFailedError

MARK_VARIABLE = "LOCALRAY_BENCHMARK_MARK"
KILL_TIMEOUT_S = 10.0
KILL_ROUNDS = 5
ERROR_LINES_SHOWN = 15

_PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)

# A cluster that happens to be running is not what is to be measured, and a benchmark reports to nobody.
_NOT_INHERITED = ("RAY_ADDRESS", "PYTHONSTARTUP", MARK_VARIABLE)
_ADDED = {"RAY_USAGE_STATS_ENABLED": "0"}


@dataclass(slots=True)
class MarkedProcess:
    """A child process and the mark by which everything it starts is found.

    Attributes:
        process: the child, with pipes for its standard input and output, leader of a session of its own.
        error_path: the file its standard error goes to.
    """

    process: subprocess.Popen[bytes]
    error_path: Path
    mark: str
    created_s: float = field(default_factory=time.time)

    def tree(self) -> list[psutil.Process]:
        """Return the live processes that belong to the child, itself included."""
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            if _carries(process.pid, self.mark) or _session_of(process.pid) == self.process.pid:
                found[process.pid] = process
        for process in list(found.values()):
            found.update((child.pid, child) for child in _children(process))
        return [found[pid] for pid in sorted(found)]

    def last_errors(self) -> str:
        """Return the end of what the child and its processes wrote to standard error."""
        lines = self.error_path.read_text(errors="replace").splitlines()
        return "\n".join(lines[-ERROR_LINES_SHOWN:])

    def destroy(self) -> int:
        """Kill whatever is left of the child and its processes.

        Returns:
            how many processes had to be killed; 0 after an orderly end.

        Raises:
            ChildFailedError: some of them outlived being killed.
        """
        killed: set[int] = set()
        for _ in range(KILL_ROUNDS):
            # Again, because a process that starts others may have started one between the look and the blow.
            left = [process for process in self.tree() if _is_running(process)]
            if not left:
                break
            for process in left:
                with _gone_is_fine():
                    process.send_signal(signal.SIGKILL)
                    killed.add(process.pid)
            psutil.wait_procs(left, timeout=KILL_TIMEOUT_S)
        else:
            raise ChildFailedError(f"processes that do not end: {[process.pid for process in left]}")
        self.process.wait(KILL_TIMEOUT_S)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        return len(killed)


@dataclass(frozen=True, slots=True)
class Launcher:
    """Starts interpreters that can import this very copy of localray.

    Attributes:
        directory: for standard error and the link through which a foreign interpreter imports localray.
    """

    directory: Path

    def start(self, python: str, arguments: Sequence[str]) -> MarkedProcess:
        """Start a fresh interpreter, in a session of its own."""
        mark = uuid.uuid4().hex
        error_path = self.directory / f"{mark}.stderr"
        with error_path.open("wb") as errors:
            process = subprocess.Popen(
                [python, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=self._environment(python, mark),
                start_new_session=True,
            )
        return MarkedProcess(process, error_path, mark)

    def _environment(self, python: str, mark: str) -> Mapping[str, str]:
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        environment.update(_ADDED)
        environment[MARK_VARIABLE] = mark
        inherited = environment.pop("PYTHONPATH", "") if python == sys.executable else ""
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(self.directory), inherited)))
        return environment


@contextmanager
def launcher() -> Iterator[Launcher]:
    """Make a launcher, and the temporary directory that it needs.

    The directory holds nothing of localray but a link: to put this copy's own directory on the path of another
    interpreter would offer it all the packages installed beside localray, made for the wrong interpreter.
    """
    with tempfile.TemporaryDirectory(prefix="localray-benchmark-") as name:
        directory = Path(name)
        (directory / "localray").symlink_to(Path(__file__).resolve().parents[1])
        yield Launcher(directory)


def memory_bytes(processes: Sequence[psutil.Process]) -> int:
    """Sum the proportional set sizes: shared pages count once, divided among those who share them."""
    return sum(_pss_bytes(process.pid) for process in processes)


def cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    """Sum the processor time that the processes have used so far."""
    total_s = 0.0
    for process in processes:
        with _gone_is_fine():
            times = process.cpu_times()
            total_s += times.user + times.system
    return total_s


def _pss_bytes(pid: int) -> int:
    with _gone_is_fine():
        found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_bytes())
        return int(found[1]) * 1024 if found else 0
    return 0


def _carries(pid: int, mark: str) -> bool:
    with _gone_is_fine(), _strangers_are_fine():
        return f"{MARK_VARIABLE}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    return False


def _session_of(pid: int) -> int:
    with _gone_is_fine():
        return os.getsid(pid)
    return -1


def _children(process: psutil.Process) -> list[psutil.Process]:
    with _gone_is_fine():
        children: list[psutil.Process] = process.children(recursive=True)
        return children
    return []


def _is_running(process: psutil.Process) -> bool:
    with _gone_is_fine():
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    """Leave the block when the process looked at ends meanwhile."""
    try:
        yield
    except (ProcessLookupError, FileNotFoundError, psutil.NoSuchProcess):
        return


@contextmanager
def _strangers_are_fine() -> Iterator[None]:
    """Leave the block when the process looked at is another user's, and so not one of ours."""
    try:
        yield
    except PermissionError:
        return
