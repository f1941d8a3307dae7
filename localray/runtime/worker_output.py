"""The head's end of what workers print: pipes are read, lines written to a log file for each worker and stream, and
told to the kernel, which knows who wants to see them.

Must not live here: who that is (`localray.kernel.output`), the marks' meaning for a reader
(`localray.client.worker_output`).
"""

from __future__ import annotations

import mmap
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from localray.ids import WorkerID
from localray.kernel.effects import WorkerPrinted
from localray.runtime.output import ACTOR_MARK, JOB_MARK, LINES_MARK, TASK_LINES, TASK_MARK
from localray.runtime.worker_progress import read_printed

READ_BYTES = 1 << 16
BETWEEN_STATES_S = 2.0
"""A line that is written over again and again, as tqdm's bars are, is shown so often; its last state always is."""
_MARKS = tuple(mark.encode() for mark in (JOB_MARK, ACTOR_MARK, TASK_MARK))
_LINES_MARK = LINES_MARK.encode()


@dataclass(slots=True, eq=False)
class Stream:
    """One pipe: ``rest`` is a line that is not complete yet, ``state`` what stood there before it was written over,
    ``name`` that of the task or actor that printed last; ``log`` is the log file's descriptor, once there is one."""

    worker: int
    is_error: bool
    descriptor: int
    name: str = ""
    job: str = "00000000"
    rest: bytearray = field(default_factory=bytearray)
    state: bytes = b""
    state_told_s: float = float("-inf")
    log: int = -1
    log_name: str = ""
    logged_bytes: int = 0


class WorkerOutputs:
    """All workers' pipes.

    Args:
        epoll: of the head's loop; tells when there is something to read.
        progress: the page where workers count what they print.
        logs: the directory of the log files, made when it is first needed.
        tell: takes the events.
        process_of: the process id of a worker.
        now_s: a clock.
    """

    def __init__(
        self,
        epoll: select.epoll,
        progress: mmap.mmap,
        logs: Callable[[], Path],
        tell: Callable[[WorkerPrinted], None],
        process_of: Callable[[int], int],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._epoll = epoll
        self._progress = progress
        self._logs = logs
        self._tell = tell
        self._process_of = process_of
        self._now_s = now_s
        self._streams: dict[int, Stream] = {}
        self._of_worker: dict[int, tuple[Stream, Stream]] = {}
        self._seen: dict[int, int] = {}

    def open(self, worker: int) -> tuple[int, int]:
        """Make the pipes of a new worker; returns the ends that are its standard output and error."""
        ends: list[int] = []
        streams: list[Stream] = []
        for is_error in (False, True):
            reading, writing = os.pipe()
            os.set_blocking(reading, False)
            stream = Stream(worker, is_error, reading)
            self._streams[reading] = stream
            self._epoll.register(reading, select.EPOLLIN)
            streams.append(stream)
            ends.append(writing)
        self._of_worker[worker] = (streams[0], streams[1])
        self._seen[worker] = 0
        return ends[0], ends[1]

    def reads(self, descriptor: int) -> bool:
        """Whether this is one of the pipes."""
        return descriptor in self._streams

    def read(self, descriptor: int) -> bool:
        """Read once; False when there is nothing more now, or ever."""
        stream = self._streams[descriptor]
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return False
        if data:
            self._take_in(stream, data)
        else:
            self._close(stream)
        return len(data) == READ_BYTES

    def catch_up(self, worker: int) -> None:
        """Before a worker's messages are stepped: read what it had printed when it sent them, if anything."""
        count = read_printed(worker, self._progress)
        if count == self._seen.get(worker, count):
            return
        self._seen[worker] = count
        for stream in self._of_worker[worker]:
            self._read_all(stream)

    def finish(self, worker: int) -> None:
        """A worker's process is gone: what it left behind is read, and its pipes are closed."""
        self._seen.pop(worker, None)
        for stream in self._of_worker.pop(worker, ()):
            self._read_all(stream)
            if self._is_open(stream):
                self._close(stream)

    def _read_all(self, stream: Stream) -> None:
        while self._is_open(stream) and self.read(stream.descriptor):
            continue

    def _is_open(self, stream: Stream) -> bool:
        """A pipe that has ended is closed at once, and its descriptor may be another worker's by now."""
        return self._streams.get(stream.descriptor) is stream

    def _close(self, stream: Stream) -> None:
        """Nothing more will come."""
        if stream.rest:
            self._take_in(stream, b"\n")
        self._epoll.unregister(stream.descriptor)
        del self._streams[stream.descriptor]
        os.close(stream.descriptor)
        if stream.log >= 0:
            os.close(stream.log)

    def _take_in(self, stream: Stream, data: bytes) -> None:
        *lines, rest = (bytes(stream.rest) + data).split(b"\n") if stream.rest else data.split(b"\n")
        overwritten, returned, rest = rest.rpartition(b"\r")
        stream.rest[:] = rest
        if not lines and not returned:
            return
        shown: list[str] = []
        kept = bytearray()
        beginnings: list[str] = []
        for line in lines:
            if line.startswith(_LINES_MARK):
                place = stream.logged_bytes + len(kept)
                beginnings.append(f"{place} {line[len(_LINES_MARK) :].decode(errors='replace').replace(':', ' ')}\n")
                continue
            if line.startswith(_MARKS):
                # From here on the lines are nobody's, until it is said whose they are.
                beginnings.append(f"{stream.logged_bytes + len(kept)} -\n")
                if shown:
                    self._tell(WorkerPrinted(stream.worker, stream.is_error, stream.name, tuple(shown)))
                    shown = []
                _read_mark(stream, line.decode(errors="replace"))
            else:
                shown.append((_last_state(line) or stream.state).decode(errors="replace"))
            kept += line + b"\n"
            stream.state = b""
        kept += overwritten + returned
        shown += self._state_to_show(stream, overwritten)
        self._keep(stream, bytes(kept), "".join(beginnings))
        if shown:
            self._tell(WorkerPrinted(stream.worker, stream.is_error, stream.name, tuple(shown)))

    def _state_to_show(self, stream: Stream, overwritten: bytes) -> list[str]:
        """Of a line that goes on being written over: what it came to last, if it was not shown for a while. What is
        overwritten is not held on to: it can be a gigabyte before there is an end of the line."""
        stream.state = _last_state(overwritten) or stream.state
        if not stream.state or self._now_s() - stream.state_told_s < BETWEEN_STATES_S:
            return []
        stream.state_told_s = self._now_s()
        return [stream.state.decode(errors="replace")]

    def _keep(self, stream: Stream, data: bytes, beginnings: str) -> None:
        """Append to the log file. Where there is no room or no right for one, the driver still sees what is printed."""
        try:
            if stream.log < 0:
                worker_id = WorkerID(stream.worker.to_bytes(4, "little") + b"\0" * 24).hex()
                suffix = "err" if stream.is_error else "out"
                stream.log_name = f"worker-{worker_id}-{stream.job}-{self._process_of(stream.worker)}.{suffix}"
                stream.log = _open_to_append(self._logs() / stream.log_name)
            stream.logged_bytes += os.write(stream.log, data)
            if beginnings:
                self._keep_beginnings(stream, beginnings)
        except OSError:
            return

    def _keep_beginnings(self, stream: Stream, beginnings: str) -> None:
        """Append to what tells whose lines they are; opened each time, as descriptors are scarce here."""
        directory = self._logs().parent / TASK_LINES
        directory.mkdir(mode=0o700, exist_ok=True)
        descriptor = _open_to_append(directory / stream.log_name)
        try:
            os.write(descriptor, beginnings.encode())
        finally:
            os.close(descriptor)


def _open_to_append(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _last_state(line: bytes) -> bytes:
    """What a terminal shows in the end of a line in which it is told to go back to the beginning.

    Example:
        >>> _last_state(b"\\r 10%\\r 20%\\r"), _last_state(b"plain")
        (b' 20%', b'plain')
    """
    return next((state for state in reversed(line.split(b"\r")) if state.strip()), b"") if b"\r" in line else line


def _read_mark(stream: Stream, line: str) -> None:
    for mark in (ACTOR_MARK, TASK_MARK):
        if line.startswith(mark):
            stream.name = line.removeprefix(mark)
    if line.startswith(JOB_MARK):
        stream.job = line.removeprefix(JOB_MARK) or stream.job
