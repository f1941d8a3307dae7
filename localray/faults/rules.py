"""What a rule of faults says, and which rules make sense.

Channels here are ordered streams, between real processes and in the simulation: a message may be late, and those of
different channels may overtake each other; one that is lost or comes twice cannot be, for a stream that breaks is the
death of who held its other end. So there are rules for late messages, partitions and deaths, and none for the loss,
repetition or reordering of single messages.

Must not live here: texts (`localray.faults.text`), carrying rules out.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, fields

from localray.faults.meanings import EVENTS, MEANT_BY, MEANT_BY_ALL


class Fault(enum.Enum):
    """What goes wrong.

    Those of tasks have a chance each time a task reaches their phase; `DELAY_MESSAGES` for each message; `FAIL_LAUNCH`
    for each node that an autoscaler launches; all others for each thing that the kernel is told.
    """

    KILL_WORKER = "kill_worker"
    DELAY_MESSAGES = "delay_messages"
    CRASH_NODE = "crash_node"
    ZOMBIE_NODE = "zombie_node"
    SLOW_NODE = "slow_node"
    PARTITION = "partition"
    FILL_STORE = "fill_store"
    LOSE_OBJECT = "lose_object"
    SLOW_DISK = "slow_disk"
    FILL_DISK = "fill_disk"
    CORRUPT_DISK = "corrupt_disk"
    OUT_OF_MEMORY = "out_of_memory"
    PREEMPT_NODE = "preempt_node"
    LOSE_GPU = "lose_gpu"
    HEAD_AWAY = "head_away"
    FAIL_LAUNCH = "fail_launch"


class Phase(enum.Enum):
    """When in the life of a task its worker is killed.

    BEFORE: it has the task, which has not begun. DURING: the task has begun and not answered. AFTER: the task has done
    all it does, and the answer is not sent. REPLIED: the answer is sent.
    """

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"
    REPLIED = "replied"


OF_LINKS = frozenset((Fault.DELAY_MESSAGES, Fault.SLOW_NODE, Fault.PARTITION))
"""These need links that may be slow, and links are made with the nodes they lead to."""

NOT_ON_THE_DRIVERS_NODE = frozenset((Fault.CRASH_NODE, Fault.ZOMBIE_NODE, Fault.PREEMPT_NODE))
"""The driver is on the first node, and would be gone with it."""


_SAY_WHEN = frozenset(
    ("at_s", "on", "point", "nth", "among", "probability", "phase", "task", "after_s", "until_s", "times")
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that goes wrong, when, and how often.

    *Trigger*: ``at_s`` is a moment; without one, every chance counts: each one that the guards let through, or with
    ``on`` only those when the kernel gets a message or event of that name, or with ``point`` those when the program
    comes by `localray.sim.point` of that name. Of these the ``nth`` (from 1) is taken, or with ``nth=0`` each one with
    the given ``probability``.

    *Guards*: ``task`` is the name of a function, class, method or ``Class.method``; ``node`` the number of a node;
    ``only_retriable`` spares what would not be tried again; nothing happens before ``after_s`` and after ``until_s``;
    ``times`` is how often the rule does its work at most, 0 for any number.

    *Extent*: ``lasts_s`` for what passes (all but deaths and losses), and how long before its end a node that is
    preempted is told of; ``by_s`` for late messages, or for how long after
    its beginning at most a task's worker is killed; ``factor`` for what is slowed; ``share`` of a store that somebody
    else takes, or of what is on a disk that is damaged; ``returns_s`` after which a node that crashed comes back, -1
    for never.

    Raises:
        ValueError: a value makes no sense.

    Example:
        >>> str(Rule(Fault.KILL_WORKER, nth=3, task="load"))
        'kill_worker:nth=3,task=load'
    """

    fault: Fault
    at_s: float = -1.0
    on: str = ""
    point: str = ""
    nth: int = 0
    among: int = 0
    probability: float = 1.0
    phase: Phase = Phase.DURING
    task: str = ""
    node: int = -1
    only_retriable: bool = False
    after_s: float = 0.0
    until_s: float = math.inf
    times: int = 1
    lasts_s: float = 1.0
    by_s: float = 0.01
    factor: float = 10.0
    share: float = 0.9
    returns_s: float = -1.0

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability must be between 0 and 1, got {self.probability}.")
        if self.nth < 0 or self.times < 0 or self.among < 0:
            raise ValueError("nth, among and times count: they cannot be negative.")
        if self.among and (self.nth or self.at_s >= 0 or self.probability < 1):
            raise ValueError("A rule says once when: nth, among, at_s, or a probability.")
        if (self.at_s >= 0) + bool(self.on) + bool(self.point) > 1:
            raise ValueError("A rule has one trigger: at_s, on, or point.")
        if self.at_s >= 0 and self.fault in (Fault.KILL_WORKER, Fault.DELAY_MESSAGES) and self.nth:
            raise ValueError(f"{self.fault.value} at a moment hits whatever is there: nth means nothing.")
        if self.node == 0 and self.fault in NOT_ON_THE_DRIVERS_NODE:
            raise ValueError("Node 0 is the driver's own: without it there is no session.")
        if self.on and self.on not in EVENTS:
            raise ValueError(f"There is no event {self.on!r}; there are {', '.join(sorted(EVENTS))}.")
        self._check_fields()
        if self.lasts_s < 0 or self.by_s < 0 or self.factor < 1 or not 0 <= self.share <= 1:
            raise ValueError("lasts_s and by_s are at least 0, factor at least 1, share between 0 and 1.")

    def _check_fields(self) -> None:
        known = MEANT_BY[self.fault.value]
        for each in fields(self):
            if each.name in known or each.name == "fault" or getattr(self, each.name) == each.default:
                continue
            if each.name not in MEANT_BY_ALL:
                raise ValueError(
                    f"{each.name} means nothing for {self.fault.value}: there are, for what and how much, "
                    f"{', '.join(sorted(known)) or 'no fields'}, and for when {', '.join(sorted(MEANT_BY_ALL))}."
                )

    @property
    def has_no_moment(self) -> bool:
        """Whether nothing says when: then its fault comes with the very first chance, before anything has been done.

        Example:
            >>> Rule(Fault.CRASH_NODE, returns_s=1.0).has_no_moment, Rule(Fault.CRASH_NODE, at_s=1.0).has_no_moment
            (True, False)
        """
        return all(getattr(self, each.name) == each.default for each in fields(self) if each.name in _SAY_WHEN)

    def means(self, name: str) -> bool:
        """Whether the guard ``task`` lets a task of this name through: a function's, or ``Class.method``.

        Example:
            >>> [Rule(Fault.KILL_WORKER, task=task).means("Ledger.append") for task in ("append", "Ledger", "Led")]
            [True, True, False]
        """
        return not self.task or f".{self.task}." in f".{name}."

    def __str__(self) -> str:
        set_fields = [
            f"{each.name}={_text(getattr(self, each.name))}"
            for each in fields(self)
            if each.name != "fault" and getattr(self, each.name) != each.default
        ]
        return self.fault.value + (":" + ",".join(set_fields) if set_fields else "")


def _text(value: object) -> str:
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
