"""What makes messages from and to a node take longer than usual: its place in the network, slowness, a partition; and
the copying of objects between nodes.

Must not live here: the order of messages (`localray.sim.links`), when anything of this begins or ends
(`localray.sim.havoc`).
"""

from __future__ import annotations

from collections.abc import Callable

from localray.protocol import NODE_SHIFT, KernelMessage, ObjectReady, RunTask
from localray.sim.clock import NANOSECONDS, VirtualClock, to_ns
from localray.sim.nodes import SimulatedNode
from localray.sim.spells import Spells

_ROUNDING_NS = 10
"""Work of which so much is left is done: it was lost where numbers were rounded."""


class Network:
    """How one node is connected.

    Args:
        node: what it is by itself.
        clock: of the simulation.
        late: says how much later than it would a message is to arrive, by some fault.
    """

    __slots__ = (
        "_clock",
        "_late_ns",
        "_latency_ns",
        "_lost_ns",
        "_settled_ns",
        "_spells",
        "_works",
        "bytes_per_s",
        "factor",
        "held_until_ns",
        "speed",
    )

    def __init__(self, node: SimulatedNode, clock: VirtualClock, late_ns: Callable[[], int] | None) -> None:
        self.bytes_per_s = node.bandwidth_bytes_per_s
        self.speed = node.speed
        self.factor = 1.0
        self._spells = Spells()
        self._settled_ns = self._lost_ns = 0
        self._works: dict[Work, None] = {}
        self.held_until_ns = 0
        self._latency_ns = to_ns(node.latency_s)
        self._late_ns = late_ns
        self._clock = clock

    def arrival_ns(self, usual_ns: int) -> int:
        """When a message arrives that is sent now and would usually take so long."""
        takes_ns = usual_ns + self._latency_ns
        if self.factor != 1.0:
            takes_ns = int(takes_ns * self.factor)
        if self._late_ns is not None:
            takes_ns += self._late_ns()
        return max(self._clock.now_ns, self.held_until_ns) + takes_ns

    def slow(self, factor: float, lasts_ns: int) -> None:
        """Everything takes so many times as long, until `recover` is called after that time."""
        self._settle()
        self._spells.begin(factor, self._clock.now_ns + lasts_ns)
        self.factor = self._spells.factor

    def recover(self, *, at_once: bool = False) -> None:
        """What was to slow the node until now is over, or all that slows it, at once: then who works there is told that
        it will be done sooner than it thought."""
        self._settle()
        if at_once:
            self._spells.clear()
        else:
            self._spells.pass_away(self._clock.now_ns)
        self.factor = self._spells.factor
        for work in tuple(self._works) if at_once else ():
            work.sooner()

    def _settle(self) -> None:
        self._lost_ns = self._lost_so_far_ns()
        self._settled_ns = self._clock.now_ns

    def _lost_so_far_ns(self) -> int:
        return self._lost_ns + int((self._clock.now_ns - self._settled_ns) * (1 - 1 / self.factor))

    def gained_ns(self) -> int:
        """The time so far, less what the node has lost of it by being slow."""
        return self._clock.now_ns - self._lost_so_far_ns()

    def begin(self, work_ns: int, sooner: Callable[[], None]) -> Work:
        """Work begins that takes so long on a node that is not slow.

        Args:
            work_ns: how long.
            sooner: called when the node is suddenly as fast as ever: from then on `Work.done_after_ns` says less.
        """
        work = Work(self, work_ns, sooner)
        self._works[work] = None
        return work

    def end(self, work: Work) -> None:
        """The work is done, or nobody does it any more."""
        self._works.pop(work, None)

    def done_after_ns(self, work_ns: int) -> int:
        """How long so much work takes from now on, if the node recovers when it should and is not slowed again."""
        return self._spells.done_after_ns(work_ns, self._clock.now_ns)

    def work_ns(self, duration_ns: int) -> int:
        """How long work takes here that takes so long on an ordinary node."""
        return int(duration_ns * self.factor / self.speed)


class Work:
    """Something that a node has begun to do; see `Network.begin`."""

    __slots__ = ("_done_at_ns", "_network", "sooner")

    def __init__(self, network: Network, work_ns: int, sooner: Callable[[], None]) -> None:
        self._network = network
        self._done_at_ns = network.gained_ns() + work_ns
        self.sooner = sooner

    def done_after_ns(self) -> int:
        """How long it takes from now on, as far as is known: 0 when it is done."""
        left_ns = self._done_at_ns - self._network.gained_ns()
        return self._network.done_after_ns(left_ns) if left_ns > _ROUNDING_NS else 0


class Transfers:
    """Objects on their way between nodes: each is copied once to each node that reads it, over that node's bandwidth,
    one after the other.

    Args:
        clock: of the simulation.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._arrives_ns: dict[tuple[int, int], int] = {}
        self._busy_until_ns: dict[int, int] = {}

    def arrival_ns(self, message: KernelMessage, node: int, network: Network) -> int:
        """When all that the message gives the places of is on the node."""
        if type(message) is RunTask:
            places = [(value[2], value[3]) for value in message.values]
        elif type(message) is ObjectReady:
            places = [(message.location, message.size_bytes)]
        else:
            return 0
        return max((self._copied_ns(location, size, node, network) for location, size in places), default=0)

    def _copied_ns(self, location: int, size_bytes: int, node: int, network: Network) -> int:
        if location < 0 or location >> NODE_SHIFT == node or not network.bytes_per_s:
            return 0
        key = (location, node)
        known = self._arrives_ns.get(key)
        if known is None:
            begins_ns = max(self._clock.now_ns, self._busy_until_ns.get(node, 0))
            takes_ns = int(size_bytes / network.bytes_per_s * NANOSECONDS * network.factor)
            known = self._arrives_ns[key] = self._busy_until_ns[node] = begins_ns + takes_ns
        return known

    def forget(self, location: int) -> None:
        """What was there is gone; another object may be there next."""
        for key in [key for key in self._arrives_ns if key[0] == location]:
            del self._arrives_ns[key]
