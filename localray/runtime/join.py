"""A process comes into a standing session: the socket, the handshake, and what it is then: a driver, or somebody who
only asks and orders.

Must not live here: finding a session (`session_home`), starting one (`standing`).
"""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from localray.exceptions import RaySystemError
from localray.protocol import Ask, ClientMessage, Query, Reply, ReplyValue
from localray.runtime import handshake
from localray.runtime.driver import Driver
from localray.runtime.frames import BrokenFrame, FrameReader, frame
from localray.runtime.interrupts import guard
from localray.runtime.session_facts import OURS, our_dialect, why_not_understood

if TYPE_CHECKING:
    from localray.client.client import Client
    from localray.runtime.session_home import SessionHome

HANDSHAKE_TIMEOUT_S = 10.0
_KNOCK_AGAIN_S = 0.005
_LOST = (
    "The session at {address}, which this program had joined, has ended: the program that had started it has left or "
    "was killed, or somebody has stopped it. All of its tasks, actors and objects are lost. Call ray.shutdown() and "
    "ray.init() to start or join another."
)


def connect(home: SessionHome) -> socket.socket:
    """A stream to the head of a session, which knows that we know its key, and we that it does.

    Raises:
        ConnectionError: it is gone, or somebody else is there in its place.
        RuntimeError: it is of another version.
    """
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        stream.settimeout(HANDSHAKE_TIMEOUT_S)
        key = home.key()
        _knock(stream, home.socket_path)
        greeting = _receive(stream, handshake.GREETING_BYTES)
        answered = handshake.answer(greeting, key, partial(_mismatch, home))
        stream.sendall(answered)
        proof = _receive(stream, handshake.PROOF_BYTES)
        if not handshake.is_confirmed(greeting, answered, proof, key):
            raise ConnectionError(f"What answers at {home.address} does not know the session's key.")
        stream.settimeout(None)
    except BaseException as error:
        stream.close()
        if isinstance(error, OSError) and not isinstance(error, ConnectionError):
            raise ConnectionError(f"The session at {home.address} cannot be joined: {error}.") from error
        raise
    return stream


def _mismatch(home: SessionHome) -> str:
    facts = home.facts()
    why = why_not_understood(facts, our_dialect()) if facts is not None else ""
    return (
        f"Version mismatch: the session at {home.address} is {why or f'of other sources of {OURS}'}. Use the Python "
        "and the localray that it was started with."
    )


def _knock(stream: socket.socket, path: str) -> None:
    """Connect. While many do at once the system says "again", with a timeout set."""
    give_up_at_s = time.monotonic() + HANDSHAKE_TIMEOUT_S
    while True:
        try:
            stream.connect(path)
        except BlockingIOError:
            if time.monotonic() > give_up_at_s:
                raise
            time.sleep(_KNOCK_AGAIN_S)
        else:
            return


def _receive(stream: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            raise ConnectionError("The session turned this process away, or has just ended.")
        data += more
    return data


class Control:
    """A connection by which a process asks a session and orders what is to be done, without being a driver: no job, no
    objects. For tools, and for whoever keeps a session. Thread-safe.

    Args:
        stream: to the head; taken over.
        address: of the session.
    """

    def __init__(self, stream: socket.socket, address: str) -> None:
        self.address = address
        self._stream = stream
        self._reader = FrameReader()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)

    def tell(self, message: ClientMessage) -> None:
        """Send something that is not answered.

        Raises:
            ConnectionError: the session is gone.
        """
        with self._lock:
            self._send(message)

    def request(self, make: Callable[[int], ClientMessage]) -> ReplyValue:
        """Send a numbered request and wait for its reply.

        Args:
            make: builds the message from its number.

        Raises:
            ConnectionError: the session is gone.
        """
        with self._lock:
            number = next(self._numbers)
            self._send(make(number))
            while True:
                # What else comes are notices for drivers.
                for message in self._receive():
                    if isinstance(message, Reply) and message.request == number:
                        return message.value

    def ask(self, query: Query, argument: str = "") -> ReplyValue:
        """Ask a question about the whole session. Raises ConnectionError when it is gone."""
        return self.request(lambda number: Ask(number, query.value, argument))

    def _send(self, message: ClientMessage) -> None:
        try:
            self._stream.sendall(frame([message]))
        except OSError as error:
            raise self._gone() from error

    def _receive(self) -> list[object]:
        try:
            messages = self._reader.receive(self._stream)
        except (OSError, BrokenFrame) as error:
            raise self._gone() from error
        if messages is None:
            raise self._gone()
        return list(messages)

    def _gone(self) -> ConnectionError:
        return ConnectionError(f"The session at {self.address} has ended.")

    def wait_until_gone(self, timeout_s: float) -> bool:
        """Wait until the head has closed the stream; whether it has in time."""
        self._stream.settimeout(timeout_s)
        try:
            while self._stream.recv(4096):
                continue
        except TimeoutError:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        """Leave."""
        self._stream.close()
        self._reader.close()

    def __enter__(self) -> Control:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class JoinedSession:
    """A session that this process has joined as a driver.

    Args:
        home: of the session.
        namespace: of the driver's actors; empty for a new one.
        notify: shows a text to the user.

    Raises:
        ConnectionError: it is gone.
        RuntimeError: it is of another version.
    """

    def __init__(self, home: SessionHome, namespace: str, notify: Callable[[str], None]) -> None:
        self.home = home
        self._process_id = os.getpid()
        guard.install()
        try:
            stream = connect(home)
            self._driver = Driver(stream, namespace, notify, _LOST.format(address=home.address))
            self._driver.client.address = home.address
            facts = home.facts()
            if facts is not None:
                self._driver.client.directory = Path(facts.directory)
        except BaseException:
            guard.uninstall()
            raise

    @property
    def client(self) -> Client:
        """The driver's client."""
        return self._driver.client

    def shutdown(self) -> None:
        """Leave the session, which goes on."""
        if os.getpid() != self._process_id:
            # A forked child of the driver: the connection is its parent's.
            return
        with guard:
            try:
                self._driver.leave()
            except RaySystemError:
                # The session has ended before.
                self._driver.close()
            else:
                self._driver.close()
            guard.uninstall()
