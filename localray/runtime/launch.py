"""A driver program starts its session: the head process, the arena, the connection; and cleans up whatever happens to
any of them.

What exists outside processes is one nameless shared-memory file, which goes with the last process that has it open. The
head ends itself when the driver does; here we only see to the other direction. Must not live here: the public API
(`localray.session`).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from localray.client.client import Client
from localray.exceptions import RaySystemError
from localray.protocol import KernelMessage, RegisterDriver, Registered, ShutDown
from localray.runtime.channel import SocketChannel
from localray.runtime.frames import FrameReader, frame
from localray.runtime.interrupts import guard
from localray.shm.arena import Arena, create_file

STOP_TIMEOUT_S = 5.0
_PRELOADED = ("numpy",)


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """What the head's node has; resources in 1/10000 units."""

    resources: dict[str, int]
    labels: dict[str, str]
    store_capacity_bytes: int
    node_id: bytes
    seed: int


class ProcessSession:
    """A running session of real processes, seen from its driver.

    Args:
        options: of the node.
        namespace: of the driver's actors; empty for a new one.
        notify: shows a text to the user.
    """

    def __init__(self, options: NodeOptions, namespace: str, notify: object) -> None:
        self._process_id = os.getpid()
        self._arena_descriptor = create_file(options.store_capacity_bytes)
        self._arena = Arena(self._arena_descriptor, options.store_capacity_bytes)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._head = self._start_head(options, theirs)
        except BaseException:
            ours.close()
            os.close(self._arena_descriptor)
            raise
        finally:
            theirs.close()
        self._channel = SocketChannel(ours, None, on_lost=self._lost)
        registered = self._register(ours, namespace)
        self.client = Client(
            self._channel,
            self._arena,
            registered.client,
            registered.job,
            registered.node_id,
            registered.namespace,
            notify,  # type: ignore[arg-type]
        )
        self._channel.start(self.client)
        guard.install()

    @property
    def head_process_id(self) -> int:
        """Of the head."""
        return self._head.pid

    def _start_head(self, options: NodeOptions, stream: socket.socket) -> subprocess.Popen[bytes]:
        cpus = options.resources.get("CPU", 0) // 10_000
        described = {
            "driver_descriptor": stream.fileno(),
            "driver_process": self._process_id,
            "arena_descriptor": self._arena_descriptor,
            "resources": options.resources,
            "labels": options.labels,
            "store_capacity_bytes": options.store_capacity_bytes,
            "prestart": max(1, min(cpus, os.cpu_count() or 1)),
            "preload": [module for module in _PRELOADED if module in sys.modules],
            "seed": options.seed,
            "node_id": options.node_id.hex(),
            "import_path": _import_path(),
        }
        root = str(Path(__file__).resolve().parent.parent.parent)
        # The package's folder first: a driver may have found it by a path that a fresh interpreter does not have.
        code = f"import sys; sys.path.insert(0, {root!r}); import localray.runtime.boot as boot; boot.main()"
        return subprocess.Popen(
            [sys.executable, "-c", code, json.dumps(described)],
            stdin=subprocess.DEVNULL,
            pass_fds=(stream.fileno(), self._arena_descriptor),
            # Its own session: Ctrl-C in the terminal is for the driver alone.
            start_new_session=True,
        )

    def _register(self, stream: socket.socket, namespace: str) -> Registered:
        """Say hello and wait for the head to come up."""
        hello = RegisterDriver(self._process_id, namespace, tuple(_import_path()), str(Path.cwd()))
        reader = FrameReader()
        try:
            stream.sendall(frame([hello]))
            # Serialization is needed soon; the head takes longer to come up than this import.
            import localray.client.serialization  # noqa: F401

            messages: list[KernelMessage] = []
            while not messages:
                received = reader.receive(stream)
                if received is None:
                    raise RaySystemError(
                        f"The head process ended while it was starting (exit code {self._head.wait()})."
                    )
                messages += received  # type: ignore[arg-type]
        except BaseException:
            self._head.kill()
            self._head.wait()
            stream.close()
            os.close(self._arena_descriptor)
            raise
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
            self._end_head()
            self.client.close()
            self._arena.close()
            os.close(self._arena_descriptor)
            guard.uninstall()

    def _end_head(self) -> None:
        """Ask the head to end, and wait until it has."""
        try:
            self._channel.send(ShutDown())
            self._channel.flush()
        except RaySystemError:
            # It is dead already; what is left is to reap it.
            self._head.poll()
        self._channel.begin_closing()
        try:
            self._head.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._head.kill()
            self._head.wait()


def _import_path() -> list[str]:
    """The driver's import path for its workers, with '' (the current directory) written out."""
    return [path if path else str(Path.cwd()) for path in sys.path]
