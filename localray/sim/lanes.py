"""The lanes of a simulation: two links each, between a virtual driver and an actor's virtual worker.

Must not live here: what goes by a lane (`localray.client.lanes`, `localray.client.lane_calls`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from localray.kernel.effects import OpenLane
from localray.protocol import LaneMessage, LaneOpened
from localray.sim.channel import VirtualChannel
from localray.sim.links import Link


class LinkMaker(Protocol):
    """Makes a link whose messages arrive at ``deliver``, from or to a node."""

    def __call__(self, party: str, node: int, deliver: Callable[[list[LaneMessage]], None], /) -> Link[LaneMessage]: ...


class VirtualLanes:
    """All lanes.

    Args:
        make_link: makes links.
        at: lets something happen at a time, in nanoseconds.
        now_ns: the virtual time.
    """

    def __init__(
        self, make_link: LinkMaker, at: Callable[[int, Callable[[], object]], None], now_ns: Callable[[], int]
    ) -> None:
        self._make_link = make_link
        self._at = at
        self._now_ns = now_ns
        self._of_worker: dict[int, list[tuple[int, VirtualChannel, Link[LaneMessage], Link[LaneMessage]]]] = {}

    def open(self, effect: OpenLane, driver: VirtualChannel, worker: VirtualChannel, node: int) -> LaneOpened:
        """Connect the two; returns what both are to be told."""
        there = self._make_link(f"lane {effect.lane} there", node, worker.deliver)
        back = self._make_link(f"lane {effect.lane} back", node, driver.deliver)
        driver.lanes[effect.lane] = there
        worker.lanes[effect.lane] = back
        self._of_worker.setdefault(effect.worker, []).append((effect.lane, driver, there, back))
        return LaneOpened(effect.lane, effect.actor_id)

    def worker_ended(self, worker: int) -> None:
        """Its ends of its lanes are closed: their other ends notice when what it had sent has arrived."""
        for lane, driver, there, back in self._of_worker.pop(worker, ()):
            there.cut = True
            self._notice(lane, driver, back)

    def _notice(self, lane: int, driver: VirtualChannel, back: Link[LaneMessage]) -> None:
        if back.is_empty:
            self._at(self._now_ns(), lambda: driver.lane_lost(lane))
        else:
            # A partition may hold back what is on its way.
            self._at(back.last_arrival_ns + 1, lambda: self._notice(lane, driver, back))
