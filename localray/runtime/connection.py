"""The head's end of one client's stream: what is to be sent, and what the stream has not taken yet.

Must not live here: the loop that says when (`localray.runtime.head`).
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field

from localray.protocol import CancelRunning, CollectGarbage, DropViews, Exit, Message, RecallTasks
from localray.runtime.frames import DESCRIPTORS_TOGETHER, FrameReader, frame

_URGENT = frozenset((RecallTasks, CancelRunning, CollectGarbage, DropViews, Exit))
"""What a worker that is busy in user code is nudged for."""


@dataclass(slots=True, eq=False)
class Connection:
    """The head's end of one client's stream. ``nudge`` is the write end of a worker's nudge pipe, -1 for a driver;
    ``watch`` is a descriptor of a driver's process, -1 for none; ``descriptors`` go beside the next bytes that the
    stream takes, and those of them that are ``given_away`` are then closed here; a driver that ``lags`` has far more
    unsent than it takes."""

    number: int
    stream: socket.socket
    nudge: int
    reader: FrameReader = field(default_factory=FrameReader)
    outbox: list[Message] = field(default_factory=list)
    unsent: bytearray = field(default_factory=bytearray)
    descriptors: list[int] = field(default_factory=list)
    given_away: set[int] = field(default_factory=set)
    watch: int = -1
    closed: bool = False
    lags: bool = False

    def flush(self) -> bool:
        """Send what there is, as far as the stream takes it; returns whether something became stuck or came free."""
        was_stuck = bool(self.unsent)
        if self.outbox:
            urgent = self.nudge >= 0 and not _URGENT.isdisjoint(map(type, self.outbox))
            data = frame(self.outbox)
            self.outbox.clear()
            self._send(data)
            if urgent:
                self._nudge()
        elif was_stuck:
            self._send(b"")
        return bool(self.unsent) != was_stuck

    def _send(self, data: bytes) -> None:
        """Send these bytes behind what is unsent; what the stream does not take now stays unsent."""
        unsent = self.unsent
        try:
            if unsent:
                unsent += data
                del unsent[: self._transmit(unsent)]
            else:
                sent = self._transmit(data)
                if sent < len(data):
                    unsent += memoryview(data)[sent:]
        except BlockingIOError:
            # Full: the rest goes when the selector says that there is room.
            if not unsent:
                unsent += data
        except OSError:
            # The process is gone; its death is reported by the fork server or the end of its stream.
            unsent.clear()

    def _transmit(self, data: bytes | bytearray) -> int:
        """Send what the stream takes of these bytes, and descriptors beside them; returns how many bytes it took."""
        descriptors = self.descriptors
        if not descriptors or not data:
            return self.stream.send(data)
        together = descriptors[:DESCRIPTORS_TOGETHER]
        # If there are more, they go with the next bytes, and before the messages that are about them.
        sent = socket.send_fds(self.stream, [data[:1] if len(descriptors) > len(together) else data], together)
        del descriptors[: len(together)]
        self._close(together)
        return sent

    def _close(self, descriptors: list[int]) -> None:
        for descriptor in descriptors:
            if descriptor in self.given_away:
                self.given_away.remove(descriptor)
                os.close(descriptor)

    def drop_descriptors(self) -> None:
        """Nobody will be sent what was to go beside the next bytes."""
        self._close(self.descriptors)
        self.descriptors.clear()

    def _nudge(self) -> None:
        try:
            os.write(self.nudge, b"n")
        except (BlockingIOError, BrokenPipeError):
            return  # It is nudged already, or dead, of which the fork server will tell.
