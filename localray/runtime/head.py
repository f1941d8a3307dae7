"""The head process: one selector loop around the kernel. It reads messages, steps the kernel for each, and carries the
effects out.

It takes all that is readable, steps the kernel for every message, and flushes each connection once: under load, batches
grow by themselves. The head is its own process, so that a busy driver never stalls the cluster, and whichever of the
two dies, the other cleans up. Must not live here: decisions.
"""

from __future__ import annotations

import errno
import mmap
import os
import select
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from localray.kernel import ENVIRONMENT, Event, Kernel
from localray.kernel.effects import (
    CoolArena,
    CreateSpillFile,
    DeleteSpillFile,
    DriverConnected,
    DriverDisconnected,
    DriverLags,
    DropArena,
    Effect,
    FillBuffer,
    ForgetFiles,
    KeepFile,
    KillWorker,
    LookAtWorkers,
    MeasureMemory,
    OpenLane,
    ReleaseBuffer,
    Send,
    ShareArena,
    SpillObjects,
    StartWorker,
    Stop,
    Tick,
    WorkerDied,
)
from localray.kernel.output import MOST_UNSENT_BYTES
from localray.runtime.arenas import HeadArenas
from localray.runtime.connection import Connection
from localray.runtime.forkserver import RECORD, Command, Report, describe_exit, kill_group, kill_strays
from localray.runtime.frames import BrokenFrame
from localray.runtime.host_memory import HostMemory
from localray.runtime.lanes import connect
from localray.runtime.spilling import Spiller
from localray.runtime.spin import Spinner, look_again
from localray.runtime.worker_output import WorkerOutputs
from localray.runtime.worker_progress import read_progress

if TYPE_CHECKING:
    from localray.runtime.door import Door
    from localray.runtime.keeping import Keeper


class Head:
    """The loop.

    Args:
        kernel: which decides.
        control: stream to the fork server.
        arenas: the nodes' shared memory.
        spiller: writes to disk.
        keeper: writes to the state directory; None where there is none.
        progress: the page where workers count the tasks they start.
        logs: the directory of log files, made when it is first needed.
    """

    def __init__(
        self,
        kernel: Kernel,
        control: socket.socket,
        arenas: HeadArenas,
        spiller: Spiller,
        keeper: Keeper | None,
        progress: mmap.mmap,
        logs: Callable[[], Path],
    ) -> None:
        self._kernel = kernel
        self._control = control
        self._arenas = arenas
        self._disks: dict[int, Spiller | Keeper] = {spiller.fileno(): spiller}
        self._progress = progress
        self._connections: dict[int, Connection] = {}
        self._by_descriptor: dict[int, Connection] = {}
        self._dirty: dict[Connection, None] = {}
        self._epoll = select.epoll()
        self._reports = bytearray()
        self._stopping = False
        self._listener: tuple[socket.socket, bytes] | None = None
        self._door: Door | None = None
        self._watched: dict[int, Connection] = {}
        self._just_closed: set[int] = set()
        self._processes: dict[int, int] = {}
        self._broken_streams: dict[int, str] = {}
        self._memory = HostMemory()
        self._outputs = WorkerOutputs(
            self._epoll, progress, logs, self.step, lambda number: self._processes.get(number, 0)
        )
        control.setblocking(False)
        self._epoll.register(control, select.EPOLLIN)
        if keeper is not None:
            self._disks[keeper.fileno()] = keeper
        for disk in self._disks:
            self._epoll.register(disk, select.EPOLLIN)
        self._carry_out: dict[type[Effect], Callable[[Effect], None]] = {
            StartWorker: self._start_worker,  # type: ignore[dict-item]
            KillWorker: lambda effect: self._command(Command.KILL, effect.worker, ()),  # type: ignore[union-attr]
            ReleaseBuffer: lambda _: None,  # The next writer writes over it.
            MeasureMemory: self._measure_memory,  # type: ignore[dict-item]
            LookAtWorkers: self._look_at_workers,  # type: ignore[dict-item]
            ShareArena: self._share_arena,  # type: ignore[dict-item]
            OpenLane: self._open_lane,  # type: ignore[dict-item]
            DropArena: arenas.drop,  # type: ignore[dict-item]
            CoolArena: arenas.cool,  # type: ignore[dict-item]
            SpillObjects: spiller.begin,  # type: ignore[dict-item]
            CreateSpillFile: spiller.begin,  # type: ignore[dict-item]
            DeleteSpillFile: spiller.begin,  # type: ignore[dict-item]
            FillBuffer: arenas.fill,  # type: ignore[dict-item]
            Stop: self._stop,  # type: ignore[dict-item]
        }
        if keeper is not None:
            self._carry_out[KeepFile] = keeper.keep  # type: ignore[assignment]
            self._carry_out[ForgetFiles] = keeper.forget  # type: ignore[assignment]

    def listen(self, listener: socket.socket, key: bytes) -> None:
        """From now on others may join the session.

        Args:
            listener: where they come; taken over.
            key: what they must know.
        """
        self._listener = listener, key
        self._epoll.register(listener, select.EPOLLIN)

    def add_driver(self, stream: socket.socket, process: int, *, keeps: bool = False) -> None:
        """Serve a driver over this stream, with which the session ends if it ``keeps`` it. Its death is also seen
        through its process, because children it forked may hold the stream open."""
        number = self._kernel.new_client_number()
        connection = self._connect(number, stream, -1)
        self.step(DriverConnected(number, keeps))
        if process and hasattr(os, "pidfd_open"):
            try:
                descriptor = os.pidfd_open(process)
            except OSError as error:
                if error.errno != errno.ESRCH:
                    raise
                self._disconnect(connection)
                self.step(DriverDisconnected(number))
                return
            connection.watch = descriptor
            self._watched[descriptor] = connection
            self._epoll.register(descriptor, select.EPOLLIN)

    def _connect(self, number: int, stream: socket.socket, nudge: int) -> Connection:
        stream.setblocking(False)
        connection = Connection(number, stream, nudge)
        self._connections[number] = connection
        self._by_descriptor[stream.fileno()] = connection
        self._epoll.register(stream, select.EPOLLIN)
        return connection

    # ---------------------------------------------------------------- loop

    def run(self) -> None:
        """Serve until the kernel says stop."""
        poll = self._epoll.poll
        look = partial(poll, 0)
        spinner = Spinner()
        kernel = self._kernel
        while not self._stopping:
            ready: list[tuple[int, int]] = []
            if spinner.worth_it():
                ready = look_again(look)
                spinner.came(bool(ready))
            deadline_s = kernel.deadline_s
            if not ready:
                ready = poll(-1.0 if deadline_s is None else max(0.0, deadline_s - time.monotonic()))
            for descriptor, events in ready:
                if descriptor in self._just_closed:  # Its number may be that of another by now.
                    continue
                connection = self._by_descriptor.get(descriptor)
                if connection is None:
                    self._other_readable(descriptor)
                    continue
                if events & select.EPOLLOUT:
                    self._flush(connection)
                if events & ~select.EPOLLOUT:
                    self._read(connection)
            self._just_closed.clear()
            if deadline_s is not None and time.monotonic() >= deadline_s:
                self.step(Tick())
            while self._dirty:
                dirty = self._dirty
                self._dirty = {}
                for connection in dirty:
                    self._flush(connection)

    def step(self, event: Event, sender: int = ENVIRONMENT) -> None:
        """Step the kernel and carry out what it says."""
        connections = self._connections
        dirty = self._dirty
        for effect in self._kernel.step(time.monotonic(), event, sender):
            if type(effect) is Send:
                connection = connections.get(effect.client)
                if connection is not None:
                    connection.outbox.append(effect.message)
                    dirty[connection] = None
            else:
                self._carry_out[type(effect)](effect)

    def _other_readable(self, descriptor: int) -> None:
        if self._outputs.reads(descriptor):
            self._outputs.read(descriptor)
        elif descriptor == self._control.fileno():
            self._read_reports()
        elif descriptor in self._disks:
            for answer in self._disks[descriptor].answers():
                self.step(answer)
        elif self._listener is not None and descriptor == self._listener[0].fileno():
            self._greet(*self._listener)
        elif self._door is not None and descriptor in self._door:
            self._hear_visitor(self._door, descriptor)
        elif descriptor in self._watched:
            connection = self._watched[descriptor]
            self._drain(connection)
            self._disconnect(connection)
            self.step(DriverDisconnected(connection.number))

    def _greet(self, listener: socket.socket, key: bytes) -> None:
        if self._door is None:
            # Most sessions are joined by nobody: what it takes is not imported for them.
            from localray.runtime.door import Door

            self._door = Door(listener, key)
        for visitor in self._door.greet():
            self._epoll.register(visitor, select.EPOLLIN)

    def _hear_visitor(self, door: Door, descriptor: int) -> None:
        admitted = door.hear(descriptor)
        if admitted is not None:
            self._epoll.unregister(descriptor)
            self.add_driver(admitted.stream, admitted.process)

    # ---------------------------------------------------------------- streams

    def _read(self, connection: Connection) -> bool:
        """Read once; False when nothing more will come."""
        try:
            messages = connection.reader.receive(connection.stream)
        except BlockingIOError:
            return False
        except OSError:
            messages = None
        except BrokenFrame as error:
            self._broken_streams[connection.number] = (
                f"something else than messages was written to its stream ({error})"
            )
            messages = None
        number = connection.number
        if messages is None:
            self._disconnect(connection)
            if connection.nudge < 0:
                self.step(DriverDisconnected(number))
            elif number in self._processes:
                # A worker without its stream can't be talked to, whatever it still does.
                self._command(Command.KILL, number, ())
            return False
        if connection.nudge >= 0:
            self._outputs.catch_up(number)
        for message in messages:
            self.step(message, number)  # type: ignore[arg-type]
        return True

    def _drain(self, connection: Connection) -> None:
        """Read all that a dead process has left in its stream."""
        while not connection.closed and self._read(connection):
            pass

    def _flush(self, connection: Connection) -> None:
        """Send what the connection has to send, as far as it takes it."""
        if connection.closed:
            return
        if connection.flush():
            events = select.EPOLLIN | select.EPOLLOUT if connection.unsent else select.EPOLLIN
            self._epoll.modify(connection.stream, events)
        lags = len(connection.unsent) > MOST_UNSENT_BYTES
        if lags != connection.lags and connection.nudge < 0:
            connection.lags = lags
            self.step(DriverLags(connection.number, lags))

    def _disconnect(self, connection: Connection) -> None:
        if connection.closed:
            return
        connection.closed = True
        self._epoll.unregister(connection.stream)
        self._just_closed.update((connection.stream.fileno(), connection.watch))
        del self._by_descriptor[connection.stream.fileno()]
        connection.stream.close()
        connection.drop_descriptors()
        if connection.nudge >= 0:
            os.close(connection.nudge)
            return
        # Of a driver nothing more will be heard; a worker's death is still to be told.
        del self._connections[connection.number]
        if connection.watch >= 0:
            self._epoll.unregister(connection.watch)
            del self._watched[connection.watch]
            os.close(connection.watch)

    # ---------------------------------------------------------------- fork server

    def _read_reports(self) -> None:
        try:
            data = self._control.recv(4096)
        except OSError:
            data = b""
        if not data:
            self._fork_server_died()
            return
        self._reports += data
        whole = len(self._reports) // RECORD.size * RECORD.size
        for report, number, value in RECORD.iter_unpack(bytes(self._reports[:whole])):
            if report == Report.BORN:
                self._processes[number] = value
            else:
                del self._processes[number]
                self._worker_exited(number, value)
        del self._reports[:whole]

    def _fork_server_died(self) -> None:
        """Without it no worker can be watched or replaced; ending the session is the only honest answer."""
        if not self._stopping:
            print("localray: the fork server died; the session ends", file=sys.stderr)
        self._stopping = True
        for process in self._processes.values():
            kill_group(process)
        kill_strays()

    def _worker_exited(self, number: int, status: int) -> None:
        connection = self._connections.pop(number, None)
        if connection is not None:
            self._drain(connection)
            self._disconnect(connection)
        self._outputs.finish(number)
        cause = self._broken_streams.pop(number, None) or describe_exit(status)
        self.step(WorkerDied(number, cause, read_progress(number, self._progress)))

    # ---------------------------------------------------------------- effects

    def _start_worker(self, effect: StartWorker) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        nudge_read, nudge_write = os.pipe()
        os.set_blocking(nudge_write, False)
        self._connect(effect.worker, ours, nudge_write)
        output = self._outputs.open(effect.worker)
        self._command(Command.FORK, effect.worker, (theirs.fileno(), nudge_read, *output))
        theirs.close()
        for descriptor in (nudge_read, *output):
            os.close(descriptor)

    def _command(self, command: Command, number: int, descriptors: tuple[int, ...]) -> None:
        """Tell the fork server something; it takes commands at once, so this may block."""
        try:
            self._control.setblocking(True)
            socket.send_fds(self._control, [RECORD.pack(command, number, 0)], descriptors)
            self._control.setblocking(False)
        except OSError:
            self._fork_server_died()

    def _share_arena(self, effect: ShareArena) -> None:
        connection = self._connections.get(effect.client)
        if connection is not None:
            self._arenas.share(effect, connection)
            self._dirty[connection] = None

    def _open_lane(self, effect: OpenLane) -> None:
        ends = (self._connections.get(effect.client), self._connections.get(effect.worker))
        self._dirty.update(dict.fromkeys(connect(effect.lane, effect.actor_id, ends)))

    def _measure_memory(self, effect: MeasureMemory) -> None:
        used = self._memory.measure(effect, self._processes)
        if used is not None:
            self.step(used)

    def _look_at_workers(self, effect: LookAtWorkers) -> None:
        self.step(self._memory.look_at(effect, self._processes))

    def _stop(self, effect: Stop) -> None:
        self._stopping = True
