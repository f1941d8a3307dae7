"""The fork server: a small warm process that forks workers on demand (a few milliseconds each) and reports their
deaths.

It is forked from the head before that has any connection, imports once what every worker needs, and stays
single-threaded, as forking demands. It is also the workers' parent and
so their last guard: when the head's end of the control socket closes, it kills them all and goes. Commands and reports
are fixed-size records.
Must not live here: when to fork or kill (the kernel).
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import TypeAlias

RECORD = struct.Struct("<IIi")
MOST_KILLABLE = "1000"
"""The highest adjustment of a process's score that Linux knows."""


class Command(IntEnum):
    """What the head asks; FORK carries four descriptors: the worker's stream, its nudge, and where it prints."""

    FORK = 1
    KILL = 2


class Report(IntEnum):
    """What the fork server tells: BORN with the process id, EXITED with the wait status."""

    BORN = 3
    EXITED = 4


RunWorker: TypeAlias = "Callable[[int, socket.socket, int, tuple[int, int]], None]"


class ForkServer:
    """The fork server's loop.

    Args:
        control: stream to the head.
        run_worker: becomes the worker in the child, given its number, stream, nudge and pipes to print to; must not
            return.
    """

    def __init__(self, control: socket.socket, run_worker: RunWorker) -> None:
        self._control = control
        self._run_worker = run_worker
        self._children: dict[int, int] = {}
        self._processes: dict[int, int] = {}
        self._head_is_gone = False

    def serve(self) -> None:
        """Serve until the head is gone, then kill what is left and return."""
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        os.set_blocking(wake_read, False)
        signal.signal(signal.SIGCHLD, lambda number, stack: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(wake_read, select.POLLIN)
        self._own_descriptors = (wake_read, wake_write)
        while not self._head_is_gone:
            ready = dict(poll.poll())
            if wake_read in ready:
                os.read(wake_read, 4096)
            self._reap()
            if self._control.fileno() in ready and not self._command():
                break
        self._kill_all()

    def _command(self) -> bool:
        """Take one command; False when the head is gone."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, RECORD.size, 4)
        except OSError:
            return False
        if len(data) < RECORD.size:
            return False
        command, number, _ = RECORD.unpack(data)
        if command == Command.FORK:
            self._fork(number, *descriptors)
        elif number in self._children:
            kill_group(self._children[number])
        return True

    def _fork(self, number: int, stream: int, nudge: int, *output: int) -> None:
        process = os.fork()
        if process == 0:
            self._become_worker(number, stream, nudge, (output[0], output[1]))
        # Here and in the child, whoever comes first: neither may go on before the group exists.
        os.setpgid(process, process)
        for descriptor in (stream, nudge, *output):
            os.close(descriptor)
        self._children[number] = process
        self._processes[process] = number
        self._report(Report.BORN, number, process)

    def _become_worker(self, number: int, stream: int, nudge: int, output: tuple[int, int]) -> None:
        """In the child: shed what is the fork server's, then work."""
        status = 1
        try:
            # A group of its own: what the user's code starts in this worker goes when the worker does.
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in self._own_descriptors:
                os.close(descriptor)
            self._control.close()
            offer_to_the_system()
            gc.enable()
            self._run_worker(number, socket.socket(fileno=stream), nudge, output)
        except BaseException:  # noqa: BLE001 - the child of a fork must never run on into its parent's code
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

    def _reap(self) -> None:
        """Report every child that has ended."""
        while self._processes:
            # Looked at before it is reaped: until then its number, and so its group's, cannot be anybody else's.
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            kill_group(ended.si_pid)
            process, status = os.waitpid(ended.si_pid, 0)
            number = self._processes.pop(process, None)
            if number is not None:
                del self._children[number]
                self._report(Report.EXITED, number, status)

    def _report(self, report: Report, number: int, value: int) -> None:
        try:
            self._control.sendall(RECORD.pack(report, number, value))
        except OSError:
            # Seen here first when a worker dies of the head's end: whoever called `serve` has to clean up all the same.
            self._head_is_gone = True

    def _kill_all(self) -> None:
        for process in self._processes:
            kill_group(process)
        while self._processes:
            process, _ = os.waitpid(-1, 0)
            self._processes.pop(process, None)
        kill_strays()


def offer_to_the_system() -> None:
    """Let the system kill this worker before the driver and the head when the machine is out of memory, as in Ray."""
    # Without /proc, or where a container forbids it, the system chooses by itself.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(MOST_KILLABLE)


def kill_group(leader: int) -> None:
    """Kill a worker, alive or not yet reaped, and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def kill_strays() -> None:
    """Kill what is left of this session besides the caller and the head: processes that workers started in groups of
    their own.

    A process that made a session of its own (a daemon) has asked to stay, and does.
    """
    session = os.getsid(0)
    processes = Path("/proc")
    for entry in processes.iterdir() if processes.is_dir() else ():
        if entry.name.isdigit() and int(entry.name) not in (session, os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getsid(int(entry.name)) == session:
                    os.kill(int(entry.name), signal.SIGKILL)


def describe_exit(status: int) -> str:
    """A wait status in words: ``killed by signal 9 (SIGKILL)``, ``exit code 1``."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "unknown"
        return f"its process was killed by signal {-code} ({name})"
    return f"its process ended with exit code {code}"
