"""Where others come into a standing session: a listening socket, and visitors that have not shown yet that they know
the key.

Must not live here: what is done with those who have (`localray.runtime.head`), the words of the handshake.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from localray.runtime import handshake

MOST_VISITORS = 64
"""Of more that have not shown that they know the key the oldest goes: whoever does is through in a millisecond."""
_CREDENTIALS = struct.Struct("3i")


class Admitted(NamedTuple):
    """Somebody who knows the key; ``process`` is 0 where the system does not tell."""

    stream: socket.socket
    process: int


@dataclass(slots=True, eq=False)
class Visitor:
    """Somebody who has been greeted."""

    stream: socket.socket
    process: int
    greeting: bytes
    answered: bytearray = field(default_factory=bytearray)


class Door:
    """The visitors of one session.

    Args:
        listener: listens; taken over.
        key: of the session.
    """

    def __init__(self, listener: socket.socket, key: bytes) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._key = key
        self._visitors: dict[int, Visitor] = {}

    def fileno(self) -> int:
        """Readable when somebody is there."""
        return self._listener.fileno()

    def __contains__(self, descriptor: int) -> bool:
        return descriptor in self._visitors

    def greet(self) -> list[int]:
        """Greet those who are there; returns their descriptors."""
        came: list[int] = []
        while True:
            try:
                stream, _ = self._listener.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE) and self._visitors:
                    self.turn_away(next(iter(self._visitors)))
                    continue
                # Nobody else is there, or gone again; or nobody can be let in now.
                return [descriptor for descriptor in dict.fromkeys(came) if descriptor in self._visitors]
            process, user = _credentials(stream)
            if user != os.getuid():
                stream.close()
                continue
            if len(self._visitors) >= MOST_VISITORS:
                self.turn_away(next(iter(self._visitors)))
            stream.setblocking(False)
            visitor = Visitor(stream, process, handshake.greet())
            try:
                # A new stream has room for so little.
                stream.send(visitor.greeting)
            except OSError:
                stream.close()  # It has gone while it waited to be let in.
                continue
            self._visitors[stream.fileno()] = visitor
            came.append(stream.fileno())

    def hear(self, descriptor: int) -> Admitted | None:
        """A visitor has said something. Returns it once it has shown that it knows the key; afterwards, and when it is
        turned away, its descriptor is no visitor's any more."""
        visitor = self._visitors[descriptor]
        try:
            # No more than the answer: what comes behind it is not for us.
            data = visitor.stream.recv(handshake.ANSWER_BYTES - len(visitor.answered))
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        visitor.answered += data
        if data and len(visitor.answered) < handshake.ANSWER_BYTES:
            return None
        proof = handshake.confirm(visitor.greeting, bytes(visitor.answered), self._key) if data else None
        if proof is None:
            self.turn_away(descriptor)
            return None
        del self._visitors[descriptor]
        try:
            visitor.stream.send(proof)
        except OSError:
            # Gone meanwhile; whoever takes it over finds out.
            return Admitted(visitor.stream, visitor.process)
        return Admitted(visitor.stream, visitor.process)

    def turn_away(self, descriptor: int) -> None:
        """Somebody does not come in."""
        self._visitors.pop(descriptor).stream.close()


def _credentials(stream: socket.socket) -> tuple[int, int]:
    """The other end's process and user; process 0, and the user that the directory lets in, where nothing is told."""
    if not hasattr(socket, "SO_PEERCRED"):
        return 0, os.getuid()
    process, user, _ = _CREDENTIALS.unpack(stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return process, user
