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
        "_slow_since_ns",
        "_slow_until_ns",
        "bytes_per_s",
        "factor",
        "held_until_ns",
        "speed",
    )

    def __init__(self, node: SimulatedNode, clock: VirtualClock, late_ns: Callable[[], int] | None) -> None:
        self.bytes_per_s = node.bandwidth_bytes_per_s
        self.speed = node.speed
        self.factor = 1.0
        self._slow_since_ns = self._slow_until_ns = self._lost_ns = 0
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
        self.factor = factor
        self._slow_until_ns = self._clock.now_ns + lasts_ns

    def recover(self, *, at_once: bool = False) -> None:
        """The node is as fast as ever, unless another slowness has begun that lasts longer."""
        if at_once or self._clock.now_ns >= self._slow_until_ns:
            self._settle()
            self.factor = 1.0

    def _settle(self) -> None:
        self._lost_ns = self.lost_ns()
        self._slow_since_ns = self._clock.now_ns

    def lost_ns(self) -> int:
        """How much of the time so far the node has lost by being slow. What works from one moment to another got the
        time between them, less what was lost between them."""
        return self._lost_ns + int((self._clock.now_ns - self._slow_since_ns) * (1 - 1 / self.factor))

    def done_after_ns(self, work_ns: int) -> int:
        """How long work takes from now on, if the node recovers when it should and is not slowed again."""
        slow_ns = max(0, self._slow_until_ns - self._clock.now_ns) if self.factor != 1.0 else 0
        if work_ns * self.factor <= slow_ns:
            return int(work_ns * self.factor)
        return slow_ns + work_ns - int(slow_ns / self.factor)

    def work_ns(self, duration_ns: int) -> int:
        """How long work takes here that takes so long on an ordinary node."""
        return int(duration_ns * self.factor / self.speed)


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
