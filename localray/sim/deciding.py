"""How long the decisions of a scheduler take, in virtual time: the kernel decides in no time, real schedulers are asked
by message and answer one question after the other.

Must not live here: what is decided (`localray.sched.placement`, `localray.sched.reference`).
"""

from __future__ import annotations

from dataclasses import dataclass

from localray.protocol import ClientMessage, CreateActor, SubmitTask
from localray.sim.clock import VirtualClock, to_ns

_DECIDED = (SubmitTask, CreateActor)


@dataclass(frozen=True, slots=True)
class DecisionDelay:
    """What one decision takes. A scheduler for each node decides for what is submitted there; a central one for all,
    and it takes a message to it and back."""

    decision_s: float
    is_central: bool = False
    message_s: float = 0.0


class Deciding:
    """The schedulers of a simulation, as far as they are busy.

    Args:
        delay: what a decision takes.
        clock: of the simulation.
    """

    def __init__(self, delay: DecisionDelay, clock: VirtualClock) -> None:
        self._decision_ns = to_ns(delay.decision_s)
        self._messages_ns = to_ns(2 * delay.message_s) if delay.is_central else 0
        self._is_central = delay.is_central
        self._clock = clock
        self._busy_until_ns: dict[int, int] = {}

    def decided_ns(self, message: ClientMessage, node: int) -> int:
        """When it is decided where something goes that is submitted on that node now; 0 for any other message."""
        if not isinstance(message, _DECIDED):
            return 0
        scheduler = 0 if self._is_central else node
        begins_ns = max(self._clock.now_ns, self._busy_until_ns.get(scheduler, 0))
        self._busy_until_ns[scheduler] = begins_ns + self._decision_ns
        return begins_ns + self._decision_ns + self._messages_ns
