"""The head's hand on the nodes' shared memory: it makes the first node's arena when it starts, so that a session that
cannot have one does not start, and each other when somebody first needs it; and it hands their descriptors out.

Must not live here: who gets access and when an arena goes (the kernel).
"""

from __future__ import annotations

import os

from localray.kernel.effects import CoolArena, DropArena, FillBuffer, ShareArena
from localray.protocol import OFFSET_MASK, MapArena
from localray.runtime.connection import Connection
from localray.shm.arena import Arena, create_file

FIRST_NODE = 0
"""The number that the kernel gives to the node that a session begins with."""


class HeadArenas:
    """All nodes' arenas, as the head has them."""

    def __init__(self) -> None:
        self._arenas: dict[int, tuple[int, Arena]] = {}

    def make(self, node: int, capacity_bytes: int) -> None:
        """Make a node's arena, if that has not been done; no memory is taken until it is written to.

        Raises:
            OSError: the system or a limit of this process does not allow so much.
        """
        if node not in self._arenas:
            descriptor = create_file(capacity_bytes)
            self._arenas[node] = (descriptor, Arena(descriptor, capacity_bytes))

    def share(self, effect: ShareArena, connection: Connection) -> None:
        """Send a client the descriptor, behind what it has been sent before."""
        self.make(effect.node, effect.capacity_bytes)
        connection.outbox.append(MapArena(effect.node, effect.capacity_bytes))
        connection.descriptors.append(self._arenas[effect.node][0])

    def memory(self, node: int) -> memoryview:
        """All of an arena that somebody has written to."""
        arena = self._arenas[node][1]
        return arena.writable(0, arena.capacity_bytes)

    def fill(self, effect: FillBuffer) -> None:
        """Write into the first node's arena, which is there from the beginning."""
        _, arena = self._arenas[effect.node]
        arena.writable(effect.location & OFFSET_MASK, len(effect.content))[:] = effect.content

    def cool(self, effect: CoolArena) -> None:
        """Give a range's memory back to the system."""
        if effect.node in self._arenas:
            self._arenas[effect.node][1].cool(effect.offset, effect.size_bytes)

    def drop(self, effect: DropArena) -> None:
        """Let go of a dead node's arena."""
        descriptor, _ = self._arenas.pop(effect.node, (-1, None))
        if descriptor >= 0:
            os.close(descriptor)
