"""The sockets of a process's lanes: connections past the head, between a driver and the workers of actors it calls.

Must not live here: what goes by a lane (`localray.client.lanes`), who reads when (`localray.runtime.channel`).
"""

from __future__ import annotations

import select
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from localray.protocol import LaneMessage, LaneOpened, Message
from localray.runtime.connection import Connection
from localray.runtime.frames import DONT_WAIT, BrokenFrame, FrameReader, frame

BUFFER_BYTES = 4096
"""What a lane's reader begins with; it grows for a larger answer, and shrinks again."""


class LaneSockets:
    """All lanes of one process.

    Args:
        polls: with these the process waits for what arrives: they watch each lane for as long as it is there.
        lost: called with the number of a lane whose other end is gone.
    """

    def __init__(self, polls: Iterable[select.poll], lost: Callable[[int], None]) -> None:
        self._polls = list(polls)
        self._lost = lost
        self._lanes: dict[int, tuple[socket.socket, FrameReader]] = {}
        self._by_descriptor: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._lanes)

    def open(self, lane: int, descriptor: int) -> bool:
        """Take a connected socket over; returns whether it has come: not where no more files can be open here."""
        if descriptor < 0:
            return False
        self._lanes[lane] = (socket.socket(fileno=descriptor), FrameReader(BUFFER_BYTES))
        self._by_descriptor[descriptor] = lane
        for poll in self._polls:
            poll.register(descriptor, select.POLLIN)
        return True

    def close(self, lane: int) -> None:
        """Let go of a lane, if it is there."""
        found = self._lanes.pop(lane, None)
        if found is not None:
            stream, reader = found
            del self._by_descriptor[stream.fileno()]
            for poll in self._polls:
                poll.unregister(stream)
            stream.close()
            reader.close()

    def close_all(self) -> None:
        """The session is over, or is another process's."""
        for lane in list(self._lanes):
            self.close(lane)

    def watch(self, poll: select.poll) -> None:
        """Have one more poll object watch the lanes, those too that come and go until `unwatch`."""
        self._polls.append(poll)
        for stream, _ in self._lanes.values():
            poll.register(stream, select.POLLIN)

    def unwatch(self, poll: select.poll) -> None:
        """The reverse of `watch`."""
        self._polls.remove(poll)

    def send(self, message: LaneMessage) -> bool:
        """Send a message by its lane; returns whether that is there, and so is its other end."""
        found = self._lanes.get(message.lane)
        if found is None:
            return False
        try:
            found[0].sendall(frame([message]))
        except OSError:
            return False
        return True

    def receive(self, descriptor: int, arrived: deque[Message]) -> bool:
        """Read the lane of a descriptor that has something to read; returns whether there is such a lane."""
        lane = self._by_descriptor.get(descriptor)
        if lane is None:
            return False
        arrived += self.receive_from(lane)
        return True

    def receive_from(self, lane: int) -> list[Message]:
        """What has arrived on one lane, if it is there. Of one whose other end is gone nothing more will come."""
        found = self._lanes.get(lane)
        if found is None:
            return []
        stream, reader = found
        try:
            messages = reader.receive(stream, DONT_WAIT)
        except (BlockingIOError, InterruptedError):
            return []
        except (OSError, BrokenFrame):
            messages = None
        if messages is None:
            self.close(lane)
            self._lost(lane)
            return []
        return messages


def connect(lane: int, actor_id: bytes, ends: Iterable[Connection | None]) -> Iterator[Connection]:
    """The head's part: make a lane, and send each of two clients its end. Yields whom there is something to send to;
    nobody where no more files can be open: calls then go on by way of the kernel."""
    try:
        sockets = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    except OSError:
        return
    for connection, end in zip(ends, sockets, strict=True):
        if connection is None or connection.closed:
            # The other finds out by the end of its stream.
            end.close()
            continue
        descriptor = end.detach()
        connection.descriptors.append(descriptor)
        connection.given_away.add(descriptor)
        connection.outbox.append(LaneOpened(lane, actor_id))
        yield connection
