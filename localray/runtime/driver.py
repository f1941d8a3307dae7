"""A driver's end of its stream to a head: it registers, and has a client from then on. The same for a session that the
driver has started for itself and for one that it joins.

What only this end needs is imported inside of functions, while a head that has just been started comes up. Must not
live here: starting heads (`localray.runtime.launch`), finding sessions.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from localray.exceptions import RaySystemError
from localray.host import entrypoint
from localray.runtime.interrupts import guard

if TYPE_CHECKING:
    from localray.client.client import Client
    from localray.protocol import KernelMessage, Registered


class Driver:
    """This process as a driver of a session.

    Args:
        stream: to the head, which may still be starting; taken over.
        namespace: of the driver's actors; empty for a new one.
        notify: shows a text to the user.
        lost: what whoever needs the head is told once it is gone although this driver has not left.

    Raises:
        RaySystemError: the head ended.
    """

    _numbers_used = 0
    """By the sessions of this process that have ended."""

    def __init__(self, stream: socket.socket, namespace: str, notify: Callable[[str], None], lost: str) -> None:
        self.client: Client
        self._lost_text = lost
        try:
            registered = _register(stream, namespace)
        except BaseException:
            with guard:
                stream.close()
            raise
        with guard:
            self._connect(stream, registered, notify)

    def _connect(self, stream: socket.socket, registered: Registered, notify: Callable[[str], None]) -> None:
        from localray.client.client import Client
        from localray.runtime.channel import SocketChannel
        from localray.shm.arenas import Arenas

        self._channel = SocketChannel(stream, None, on_lost=self._lost)
        self._arenas = Arenas()
        self.client = Client(
            self._channel,
            self._arenas,
            registered.client,
            registered.job,
            registered.node_id,
            registered.namespace,
            notify,
        )
        self.client.number_from(Driver._numbers_used)
        self._channel.start(self.client)

    def leave(self) -> None:
        """Tell the head that this driver leaves; from now on nobody waits here any more.

        Raises:
            RaySystemError: the head is gone already.
        """
        from localray.protocol import ShutDown

        try:
            self._channel.send(ShutDown())
            self._channel.flush()
        finally:
            self._channel.begin_closing()

    def _lost(self) -> NoReturn:
        raise RaySystemError(self._lost_text)

    def close(self) -> None:
        """Let go of everything."""
        Driver._numbers_used = self.client.numbers_used()
        self.client.close()
        self._arenas.close()


def import_drivers_end() -> None:
    """What a driver needs once it is registered: for whoever has something to wait for meanwhile."""
    import localray.client.client
    import localray.client.serialization
    import localray.runtime.channel
    import localray.runtime.frames  # noqa: F401


def _register(stream: socket.socket, namespace: str) -> Registered:
    """Say hello and wait for the head to come up."""
    from localray.protocol import RegisterDriver, Registered
    from localray.runtime.frames import FrameReader, frame

    hello = RegisterDriver(
        os.getpid(), namespace or _new_namespace(), tuple(import_path()), current_directory(), entrypoint()
    )
    reader = FrameReader()
    try:
        stream.sendall(frame([hello]))
    except OSError as error:
        raise RaySystemError(f"The head process ended while it was starting: {error}.") from error
    messages: list[KernelMessage] = []
    while not messages:
        try:
            received = reader.receive(stream)
        except ConnectionResetError:
            received = None
        if received is None:
            raise RaySystemError("The head process ended while it was starting; its error is printed above.")
        messages += received  # type: ignore[arg-type]
    answer = messages[0]
    if not isinstance(answer, Registered):
        raise RaySystemError(f"The head process answered with {type(answer).__name__}.")
    return answer


def _new_namespace() -> str:
    """One that nobody else has, as in Ray: nobody else's names are visible by accident."""
    import uuid

    return str(uuid.uuid4())


def import_path() -> list[str]:
    """The driver's import path for its workers, with '' (the current directory) written out."""
    return [path if path else current_directory() for path in sys.path]


def current_directory() -> str:
    """The current directory; empty when it has been removed."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return ""
