"""Asking for results ahead: who gets results one by one, in the order in which the tasks were submitted, will ask for
the next ones soon.

Each `get` of a result that is not here costs a round trip to the kernel. So with the question for one go the ids of a
few that come after it, the more of them the more were ready the last time: those of them that are small, and there, are
sent along. (Ray's results go to their owner unasked.) Must not live here: what is sent (`localray.kernel.deliveries`).
"""

from __future__ import annotations

from collections.abc import Mapping

from localray.client.references import Entry

FIRST_AHEAD = 2
MOST_AHEAD = 64


class AskAhead:
    """What one client is likely to ask for next.

    Args:
        entries: what it knows of objects, by id.
    """

    __slots__ = ("_entries", "_last", "_reach", "_rest", "follows", "overtaken")

    def __init__(self, entries: Mapping[bytes, Entry]) -> None:
        self._entries = entries
        # The last that was asked for: its task's number, and what is around that in its id; and the number up to which
        # others were asked for with it.
        self._last = self._reach = 0
        self._rest = b""
        self.follows = self.overtaken = False
        """Whether the last one asked for followed that before; and whether one that comes after it is here already."""

    def after(self, object_id: bytes) -> tuple[bytes, ...]:
        """The object is asked for now: which others to ask for with it, none unless it follows what was asked for
        before. All are returns, at the same place, of tasks with the next numbers: plain ones, or calls of the same
        actor."""
        number = int.from_bytes(object_id[4:8], "little")
        client, rest = object_id[:4], object_id[8:]
        came = number - self._last - 1
        follows = rest == self._rest and 0 <= came <= self._reach - self._last
        self._last = self._reach = number
        self._rest = rest
        self.follows, self.overtaken = follows, False
        if not follows:
            return ()
        self._reach += min(MOST_AHEAD, FIRST_AHEAD + 2 * came)
        entries = self._entries
        ahead = []
        for following in range(number + 1, self._reach + 1):
            following_id = client + following.to_bytes(4, "little") + rest
            entry = entries.get(following_id)
            if entry is None:
                continue
            if entry.value is None:
                ahead.append(following_id)
            else:
                self.overtaken = True
        return tuple(ahead)
