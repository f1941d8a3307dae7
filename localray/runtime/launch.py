"""Starting a head: for a session that ends with the driver that starts it, or for a standing one, which may outlive
whoever started it; and cleaning up whatever happens to any of the processes.

What exists outside processes is a nameless shared-memory file for each node, which goes with the last process that has
it open, spilled files, log files, and the directory by which others find the session. The head makes all of it and ends
itself when its driver or keeper does; here we only see to the other direction. The head's interpreter is started as
soon as its options are known. Must not live here: the public API (`localray.session`).
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from localray.exceptions import RaySystemError
from localray.host import keeps_session_directories, session_directory
from localray.runtime.breakpoints import TERMINAL, terminal_of_this_process
from localray.runtime.driver import Driver, current_directory, import_drivers_end, import_path
from localray.runtime.interrupts import guard
from localray.runtime.options import HeadAnswer, HeadOptions, receive, send
from localray.runtime.session_claim import numbers_of_drivers
from localray.runtime.session_home import SessionHome, remove_home, sweep_homes, users_directory
from localray.sched import survival
from localray.sched.memory import settings_from
from localray.shm.session_directories import remove, sweep
from localray.shm.settings import StoreSettings

if TYPE_CHECKING:
    from localray.client.client import Client
    from localray.faults import Rule
    from localray.runtime.havoc import ProcessHavoc

STOP_TIMEOUT_S = 5.0
_PRELOADED = ("numpy",)
_LOST = (
    "The head process of this session died unexpectedly; all of its tasks, actors and objects are lost. "
    "Call ray.shutdown() and ray.init() to start a new session."
)


class ClaimedState(NamedTuple):
    """A state directory and its lock, locked (`localray.shm.kept_files.claim`)."""

    directory: str
    lock: int


class NodeOptions(NamedTuple):
    """What the head's node has; resources in 1/10000 units. The session's log files go below
    ``directory``, and stay there; empty for where temporary files are. ``state`` is where a standing session keeps
    its detached actors; ``variables`` are set in the head's environment."""

    resources: dict[str, int]
    labels: dict[str, str]
    store_capacity_bytes: int
    node_id: bytes
    seed: int
    store: StoreSettings
    name: str = ""
    environment: Mapping[str, str] = {}
    directory: str = ""
    state: ClaimedState | None = None
    variables: Mapping[str, str] = {}


class HeadProcess:
    """A head that this process has started.

    Args:
        options: of the first node.
        numbers: for the session's address; the first that is free is taken.
        of_driver: others may join, but need not be able to.
        log: what the head and its workers print goes to a file of the session, not to this process's own streams.
        keeps: the session ends with this process.

    Attributes:
        stream: our end of the stream to it.
        directory: where the session's log files are.
        home: by which others find the session, once `await_home` has returned; None if nobody can.
    """

    def __init__(
        self, options: NodeOptions, numbers: range, *, keeps: bool, of_driver: bool = False, log: bool = False
    ) -> None:
        # Checked here, where the user sees it; used by the head, whose environment is this one.
        environment = {**os.environ, **options.variables}
        settings_from(environment)
        survival.settings_from(environment)
        self._directories = [Path(directory) for directory in options.store.directories]
        self.directory = session_directory(options.node_id, options.directory)
        self._keeps_directory = bool(options.directory) or keeps_session_directories()
        self.home: SessionHome | None = None
        for root in dict.fromkeys(directory.parent for directory in (*self._directories, self.directory)):
            sweep(root)
        described = _describe(options, numbers, keeps=keeps, of_driver=of_driver, log=log)
        # A driver without standard streams has workers that print into the void; asked before we open anything
        # ourselves.
        streams = [None if _is_open(number) else subprocess.DEVNULL for number in (1, 2)]
        ours, theirs = (
            socket.socket(fileno=_clear_of_standard_streams(end.detach()))
            for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        )
        self.stream = ours
        try:
            with theirs:
                lock = None if options.state is None else options.state.lock
                self._process = _spawn(theirs, lock, options.variables, streams)
            # One that has ended before it heard this is told of where its answer is awaited.
            with suppress(ConnectionError):
                send(ours, described)
        except BaseException:
            ours.close()
            raise

    def await_home(self) -> str:
        """Wait until the head has made the directory by which others find the session; the reason if it could not.

        Raises:
            ConnectionError: there are sessions of all these numbers.
            RaySystemError: the head ended.
        """
        try:
            answer = cast("HeadAnswer | None", receive(self.stream))
        except ConnectionResetError:
            answer = None
        if answer is None:
            raise RaySystemError("The head process ended while it was starting; its error is printed above.")
        if answer["taken"]:
            raise ConnectionError(answer["problem"])
        if not answer["problem"]:
            self.home = SessionHome(Path(answer["home"]), answer["number"])
        return answer["problem"]

    @property
    def process_id(self) -> int:
        """Of the head."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def wait(self, timeout_s: float) -> None:
        """Wait until it has ended; one that does not is killed."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once; its fork server ends the rest."""
        self._process.kill()
        self._process.wait()

    def give_up(self) -> None:
        """End one whose start has failed or is not wanted any more; there may be no fork server yet to clean up."""
        self.kill()
        self.stream.close()
        self.remove_directories()
        # It may have made the directory for those who join, and had no time to tell. One that cannot be looked at has
        # nothing of it.
        with suppress(RaySystemError):
            sweep_homes(users_directory())

    def disown(self) -> None:
        """It goes on without this process."""
        self.stream.close()
        # Whoever is its parent now reaps it; a warning that nobody has waited for it would be of no use.
        self._process.returncode = 0

    def remove_directories(self) -> None:
        """The head has removed them, unless it was killed."""
        for directory in self._directories:
            remove(directory)
        if self._process.returncode and not self._keeps_directory:
            # Its fork server does the same now, and may not be done yet.
            remove(self.directory)
        if self.home is not None:
            remove_home(self.home.path)


def _describe(options: NodeOptions, numbers: range, *, keeps: bool, of_driver: bool, log: bool) -> HeadOptions:
    cpus = options.resources.get("CPU", 0) // 10_000
    return {
        "driver_process": os.getpid(),
        "resources": options.resources,
        "labels": options.labels,
        "store_capacity_bytes": options.store_capacity_bytes,
        "prestart": max(1, min(cpus, os.cpu_count() or 1)),
        "preload": [module for module in _PRELOADED if module in sys.modules],
        "seed": options.seed,
        "node_id": options.node_id.hex(),
        "node_name": options.name,
        "directory": options.directory,
        "node_environment": dict(options.environment),
        "import_path": import_path(),
        "store": options.store._asdict(),
        "numbers": (numbers.start, numbers.stop),
        "of_driver": of_driver,
        "log": log,
        "state_directory": "" if options.state is None else options.state.directory,
        "state_lock": None if options.state is None else options.state.lock,
        "keeps": keeps,
    }


def _spawn(
    stream: socket.socket, state_lock: int | None, variables: Mapping[str, str], streams: list[int | None]
) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).resolve().parent.parent.parent)
    # The package's folder first: a driver may have found it by a path that a fresh interpreter does not have.
    # Nothing that is imported is garbage: the head and its fork server collect once they are up.
    code = f"import gc, sys; gc.disable(); sys.path.insert(0, {root!r}); from localray.runtime import boot; boot.main()"
    # Where the directory is gone, CPython 3.13.0 fails when it looks there for what may shadow a module of its own.
    safely = ["-P"] if sys.version_info >= (3, 11) and not current_directory() else []
    return subprocess.Popen(
        [sys.executable, *safely, "-c", code, str(stream.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=streams[0],
        stderr=streams[1],
        pass_fds=(stream.fileno(),) if state_lock is None else (stream.fileno(), state_lock),
        env={**os.environ, **variables, TERMINAL: terminal_of_this_process()},
        # Its own session: Ctrl-C in the terminal is for the driver alone.
        start_new_session=True,
    )


class ProcessSession:
    """A running session of real processes that this driver has started and keeps.

    Args:
        options: of the node.
        namespace: of the driver's actors; empty for a new one.
        notify: shows a text to the user.
    """

    def __init__(self, options: NodeOptions, namespace: str, notify: Callable[[str], None]) -> None:
        self._process_id = os.getpid()
        self._havoc: ProcessHavoc | None = None
        self._notify = notify
        # Whatever stops the start, Ctrl-C included: what is to be undone then is on this stack.
        started = ExitStack()
        guard.install()
        started.callback(guard.uninstall)
        try:
            with guard:
                self._head = HeadProcess(options, numbers_of_drivers(), keeps=True, of_driver=True)
                started.callback(self._head.give_up)
            # The head takes longer to come up than these imports.
            import_drivers_end()
            problem = self._head.await_home()
            if problem:
                notify(f"No other program can join this session: {problem}")
            self._driver = Driver(self._head.stream, namespace, notify, _LOST)
            self.client.directory = self._head.directory
            if self._head.home is not None:
                self.client.address = self._head.home.address
        except BaseException:
            with guard:
                started.close()
            raise

    @property
    def client(self) -> Client:
        """The driver's client."""
        return self._driver.client

    @property
    def head_process_id(self) -> int:
        """Of the head."""
        return self._head.process_id

    def hurt(self, rules: Sequence[Rule], seed: int) -> None:
        """Let its workers die by rules of faults, until it ends."""
        from localray.runtime.havoc import ProcessHavoc

        self._havoc = ProcessHavoc(self.client, rules, seed)
        self._havoc.begin()

    def shutdown(self) -> None:
        """End the session: every process is gone when this returns."""
        if os.getpid() != self._process_id:
            # A forked child of the driver: the session is its parent's.
            return
        if self._havoc is not None:
            self._havoc.end()
            self._notify(f"{len(self._havoc.happened)} workers were killed by rules of faults.")
        with guard:
            try:
                self._driver.leave()
            except RaySystemError:
                # It is dead already; what is left is to reap it.
                self._head.is_alive()
            self._head.wait(STOP_TIMEOUT_S)
            self._driver.close()
            self._head.remove_directories()
            guard.uninstall()


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
