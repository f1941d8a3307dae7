"""Starting a head: for a session that ends with the driver that starts it, or for a standing one, which may outlive
whoever started it; and cleaning up whatever happens to any of the processes.

What exists outside processes is a nameless shared-memory file for each node, which goes with the last process that has
it open, spilled files, log files, and the directory by which others find the session. The head ends itself when its
driver or keeper does; here we only see to the other direction. The head's interpreter is started as soon as its options
are known. Must not live here: the public API (`localray.session`).
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from localray.exceptions import RaySystemError
from localray.host import session_directory
from localray.runtime.breakpoints import TERMINAL, terminal_of_this_process
from localray.runtime.driver import Driver, current_directory, import_path
from localray.runtime.interrupts import guard
from localray.runtime.session_home import ClaimedHome, SessionHome, claim, numbers_of_drivers, remove_home, sweep_homes
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
        claimed: where others find the session; None if nobody can join it.
        output: a file for what the head and its workers print; None for this process's own streams.
        keeps: the session ends with this process.

    Attributes:
        stream: our end of the stream to it.
        directory: where the session's log files are.
    """

    def __init__(
        self, options: NodeOptions, claimed: ClaimedHome | None, output: int | None = None, *, keeps: bool
    ) -> None:
        # Checked here, where the user sees it; used by the head, whose environment is this one.
        environment = {**os.environ, **options.variables}
        settings_from(environment)
        survival.settings_from(environment)
        # A driver without standard streams has workers that print into the void; asked before we open anything
        # ourselves.
        streams = [output if output is not None else None if _is_open(n) else subprocess.DEVNULL for n in (1, 2)]
        self._directories = [Path(directory) for directory in options.store.directories]
        self.directory = session_directory(options.node_id, options.directory)
        for root in dict.fromkeys(directory.parent for directory in (*self._directories, self.directory)):
            sweep(root)
        if claimed is not None:
            sweep_homes(claimed.home.path.parent)
        ours, theirs = (
            socket.socket(fileno=_clear_of_standard_streams(end.detach()))
            for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        )
        self.stream = ours
        try:
            with theirs:
                self._process = _spawn(options, theirs, claimed, streams, keeps=keeps)
        except BaseException:
            ours.close()
            raise

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

    def disown(self) -> None:
        """It goes on without this process."""
        self.stream.close()
        # Whoever is its parent now reaps it; a warning that nobody has waited for it would be of no use.
        self._process.returncode = 0

    def remove_directories(self) -> None:
        """The head has removed them, unless it was killed."""
        for directory in self._directories:
            remove(directory)


def _spawn(
    options: NodeOptions,
    stream: socket.socket,
    claimed: ClaimedHome | None,
    streams: list[int | None],
    *,
    keeps: bool,
) -> subprocess.Popen[bytes]:
    cpus = options.resources.get("CPU", 0) // 10_000
    of_home = () if claimed is None else (claimed.door.fileno(), claimed.lock)
    if options.state is not None:
        of_home = (*of_home, options.state.lock)
    described = {
        "driver_descriptor": stream.fileno(),
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
        "home": "" if claimed is None else str(claimed.home.path),
        "address": "" if claimed is None else claimed.home.address,
        "state_directory": "" if options.state is None else options.state.directory,
        "home_descriptors": of_home,
        "keeps": keeps,
    }
    root = str(Path(__file__).resolve().parent.parent.parent)
    # The package's folder first: a driver may have found it by a path that a fresh interpreter does not have.
    # Nothing that is imported is garbage: the head and its fork server collect once they are up.
    code = f"import gc, sys; gc.disable(); sys.path.insert(0, {root!r}); from localray.runtime import boot; boot.main()"
    # Where the directory is gone, CPython 3.13.0 fails when it looks there for what may shadow a module of its own.
    safely = ["-P"] if sys.version_info >= (3, 11) and not current_directory() else []
    return subprocess.Popen(
        [sys.executable, *safely, "-c", code, json.dumps(described)],
        stdin=subprocess.DEVNULL,
        stdout=streams[0],
        stderr=streams[1],
        pass_fds=(stream.fileno(), *of_home),
        env={**os.environ, **options.variables, TERMINAL: terminal_of_this_process()},
        # Its own session: Ctrl-C in the terminal is for the driver alone.
        start_new_session=True,
    )


class ProcessSession:
    """A running session of real processes that this driver has started and keeps.

    Args:
        options: of the node.
        namespace: of the driver's actors; empty for a new one.
        notify: shows a text to the user.

    Attributes:
        home: by which others find it; None where the user has no directory for that.
    """

    def __init__(self, options: NodeOptions, namespace: str, notify: Callable[[str], None]) -> None:
        self.home: SessionHome | None = None
        self._process_id = os.getpid()
        self._havoc: ProcessHavoc | None = None
        self._notify = notify
        # Whatever stops the start, Ctrl-C included: what is to be undone then is on this stack.
        started = ExitStack()
        guard.install()
        started.callback(guard.uninstall)
        try:
            with guard, ExitStack() as claimed:
                home = self._claim(claimed)
                started.callback(self._remove_home)
                self._head = HeadProcess(options, home, keeps=True)
                started.callback(self._head.kill)
            self._driver = Driver(self._head.stream, namespace, notify, _LOST)
            self._open()
        except BaseException:
            with guard:
                started.close()
            raise

    def _claim(self, claimed: ExitStack) -> ClaimedHome | None:
        """Where others are to find the session. It is needed by nobody yet: a machine where that cannot be has sessions
        all the same."""
        try:
            home = claimed.enter_context(claim(numbers_of_drivers()))
        except (RaySystemError, OSError) as error:
            self._notify(f"No other program can join this session: {error}")
            return None
        self.home = home.home
        return home

    def _open(self) -> None:
        """The head is up: the session is found from now on."""
        self.client.directory = self._head.directory
        if self.home is not None:
            self.client.address = self.home.address
            self.home.tell(
                self._head.process_id, self._head.directory, keeper_process=self._process_id, of_driver=True
            )

    def _remove_home(self) -> None:
        """The head has removed it, unless it was killed."""
        if self.home is not None:
            remove_home(self.home.path)

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
            self._remove_home()
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
