"""A driver program starts its session: the head process, the arena, the connection; and cleans up whatever happens to
any of them.

What exists outside processes is one nameless shared-memory file, which goes with the last process that has it open. The
head ends itself when the driver does; here we only see to the other direction. The head's interpreter is started as
soon as its options are known; what only the driver's own end needs is imported meanwhile, inside of functions. Must not
live here: the public API (`localray.session`).
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from localray.exceptions import RaySystemError
from localray.runtime.interrupts import guard
from localray.sched.memory import settings_from
from localray.shm.arenas import Arenas
from localray.shm.session_directories import remove, sweep
from localray.shm.settings import StoreSettings

if TYPE_CHECKING:
    from localray.client.client import Client
    from localray.protocol import KernelMessage, Registered

STOP_TIMEOUT_S = 5.0
_PRELOADED = ("numpy",)


class NodeOptions(NamedTuple):
    """What the head's node has; resources in 1/10000 units."""

    resources: dict[str, int]
    labels: dict[str, str]
    store_capacity_bytes: int
    node_id: bytes
    seed: int
    store: StoreSettings


class ProcessSession:
    """A running session of real processes, seen from its driver.

    Args:
        options: of the node.
        namespace: of the driver's actors; empty for a new one.
        notify: shows a text to the user.
    """

    def __init__(self, options: NodeOptions, namespace: str, notify: object) -> None:
        # Checked here, where the user sees it; used by the head, whose environment is this one.
        settings_from(os.environ)
        self._process_id = os.getpid()
        self._directories = [Path(directory) for directory in options.store.directories]
        for directory in self._directories:
            sweep(directory.parent)
        self._head: subprocess.Popen[bytes] | None = None
        # Whatever stops the start, Ctrl-C included: what was opened until then is on this stack.
        self._opened = ExitStack()
        guard.install()
        try:
            with guard:
                stream = self._start_head(options)
            registered = self._register(stream, namespace)
            with guard:
                self._connect(stream, registered, notify)
        except BaseException:
            self._give_up()
            raise

    def _start_head(self, options: NodeOptions) -> socket.socket:
        """Start the head; returns our end of the stream to it."""
        # A driver without standard streams has workers that print into the void; asked before we open anything
        # ourselves.
        self._output_streams = [None if _is_open(number) else subprocess.DEVNULL for number in (1, 2)]
        self._arenas = Arenas()
        ours, theirs = (
            socket.socket(fileno=_clear_of_standard_streams(end.detach()))
            for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        )
        self._opened.callback(ours.close)
        with theirs:
            self._head = self._spawn(options, theirs)
        return ours

    def _connect(self, stream: socket.socket, registered: Registered, notify: object) -> None:
        from localray.client.client import Client
        from localray.runtime.channel import SocketChannel

        self._channel = SocketChannel(stream, None, on_lost=self._lost)
        self._opened.callback(self._channel.close)
        self.client: Client = Client(
            self._channel,
            self._arenas,
            registered.client,
            registered.job,
            registered.node_id,
            registered.namespace,
            notify,  # type: ignore[arg-type]
        )
        self._opened.callback(self.client.close)
        self._channel.start(self.client)

    def _give_up(self) -> None:
        """The session did not start: nothing of it stays."""
        with guard:
            if self._head is not None:
                self._head.kill()
                self._head.wait()
            self._opened.close()
            guard.uninstall()

    @property
    def head_process_id(self) -> int:
        """Of the head."""
        if self._head is None:
            raise RaySystemError("the session has not been started")
        return self._head.pid

    def _spawn(self, options: NodeOptions, stream: socket.socket) -> subprocess.Popen[bytes]:
        cpus = options.resources.get("CPU", 0) // 10_000
        described = {
            "driver_descriptor": stream.fileno(),
            "driver_process": self._process_id,
            "resources": options.resources,
            "labels": options.labels,
            "store_capacity_bytes": options.store_capacity_bytes,
            "prestart": max(1, min(cpus, os.cpu_count() or 1)),
            "preload": [module for module in _PRELOADED if module in sys.modules],
            "seed": options.seed,
            "node_id": options.node_id.hex(),
            "import_path": _import_path(),
            "store": options.store._asdict(),
        }
        root = str(Path(__file__).resolve().parent.parent.parent)
        # The package's folder first: a driver may have found it by a path that a fresh interpreter does not have.
        code = f"import sys; sys.path.insert(0, {root!r}); import localray.runtime.boot as boot; boot.main()"
        return subprocess.Popen(
            [sys.executable, "-c", code, json.dumps(described)],
            stdin=subprocess.DEVNULL,
            stdout=self._output_streams[0],
            stderr=self._output_streams[1],
            pass_fds=(stream.fileno(),),
            # Its own session: Ctrl-C in the terminal is for the driver alone.
            start_new_session=True,
        )

    def _register(self, stream: socket.socket, namespace: str) -> Registered:
        """Say hello and wait for the head to come up."""
        from localray.protocol import RegisterDriver, Registered
        from localray.runtime.frames import FrameReader, frame

        hello = RegisterDriver(
            self._process_id, namespace or _new_namespace(), tuple(_import_path()), _current_directory()
        )
        reader = FrameReader()
        try:
            stream.sendall(frame([hello]))
        except OSError as error:
            raise RaySystemError(f"The head process ended while it was starting: {error}.") from error
        # All of the driver's end is needed next; the head takes longer to come up than these imports.
        import localray.client.client
        import localray.client.serialization
        import localray.runtime.channel  # noqa: F401

        messages: list[KernelMessage] = []
        while not messages:
            received = reader.receive(stream)
            if received is None:
                raise RaySystemError("The head process ended while it was starting; its error is printed above.")
            messages += received  # type: ignore[arg-type]
        answer = messages[0]
        if not isinstance(answer, Registered):
            raise RaySystemError(f"The head process answered with {type(answer).__name__}.")
        return answer

    def _lost(self) -> NoReturn:
        """The head is gone although nobody ended the session."""
        raise RaySystemError(
            "The head process of this session died unexpectedly; all of its tasks, actors and objects are lost. "
            "Call ray.shutdown() and ray.init() to start a new session."
        )

    def shutdown(self) -> None:
        """End the session: every process is gone when this returns."""
        if os.getpid() != self._process_id:
            # A forked child of the driver: the session is its parent's.
            return
        with guard:
            if self._head is not None:
                self._end_head(self._head)
            self._opened.close()
            self._arenas.close()
            for directory in self._directories:
                # The head has removed them, unless it was killed.
                remove(directory)
            guard.uninstall()

    def _end_head(self, head: subprocess.Popen[bytes]) -> None:
        """Ask the head to end, and wait until it has."""
        from localray.protocol import ShutDown

        try:
            self._channel.send(ShutDown())
            self._channel.flush()
        except RaySystemError:
            # It is dead already; what is left is to reap it.
            head.poll()
        self._channel.begin_closing()
        try:
            head.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            head.kill()
            head.wait()


def _new_namespace() -> str:
    """One that nobody else has, as in Ray: nobody else's names are visible by accident."""
    import uuid

    return str(uuid.uuid4())


def _import_path() -> list[str]:
    """The driver's import path for its workers, with '' (the current directory) written out."""
    return [path if path else _current_directory() for path in sys.path]


def _current_directory() -> str:
    """The current directory; empty when it has been removed."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return ""


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _clear_of_standard_streams(descriptor: int) -> int:
    """The same file under a number above 2: where a standard stream is closed, a new file gets its number, and what
    anybody prints."""
    if descriptor > 2:
        return descriptor
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(descriptor)
    return moved
