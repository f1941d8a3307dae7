"""What a program says must hold, watched while it runs: `always` after every step of the kernel, `eventually` within a
time; and what it left behind when it was done.

Also what all of a program shares, so that there is something to look at. Must not live here: the kernel's own
invariants (`localray.kernel.invariants`), histories of actors (`localray.sim.history`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from localray.kernel.holders import keepers, size
from localray.kernel.records import ActorState, ObjectState, TaskState
from localray.kernel.tables import Tables
from localray.sim.clock import NANOSECONDS, to_ns
from localray.sim.errors import CheckFailedError
from localray.sim.host import Host

Condition: TypeAlias = "Callable[[], object]"

_shared: WeakValueDictionary[int, Shared] = WeakValueDictionary()


class Shared:
    """Something that is not copied when it is given to a task or an actor of the same simulation, as everything else
    is: for what checks look at.

    Args:
        values: attributes to begin with.

    Example:
        >>> seen = Shared(running=0)
        >>> seen.running += 1
    """

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)
        _shared[id(self)] = self

    def __getattr__(self, name: str) -> Any:
        # Only for type checkers: what there is is found before this is asked.
        raise AttributeError(name)

    def __reduce__(self) -> tuple[object, ...]:
        return _the_same, (id(self),)


def _the_same(identity: int) -> Shared:
    return _shared[identity]


class _Eventually:
    __slots__ = ("condition", "text")

    def __init__(self, condition: Condition, text: str) -> None:
        self.condition = condition
        self.text = text


class Watching:
    """The checks of one simulation.

    Args:
        host: whose steps they follow.
        fail: tells the driver that one of them failed.
    """

    def __init__(self, host: Host, fail: Callable[[BaseException], None]) -> None:
        self._host = host
        self._fail = fail
        self._always: list[tuple[Condition, str]] = []
        self._eventually: list[_Eventually] = []

    def always(self, condition: Condition, text: str) -> None:
        """From now on this must be true after every step."""
        self._always.append((condition, text or _name(condition)))
        self._host.after_step = self._look

    def eventually(self, condition: Condition, within_s: float | None, text: str) -> None:
        """This must have been true at some time until then, or until the program is done."""
        awaited = _Eventually(condition, text or _name(condition))
        self._eventually.append(awaited)
        self._host.after_step = self._look
        if within_s is not None:
            self._host.at(self._host.now_ns + to_ns(within_s), lambda: self._is_late(awaited, within_s))

    def _look(self) -> None:
        for condition, text in self._always:
            if not condition():
                self._always = []
                self._fail(CheckFailedError(f"{text} did not hold at {self._now()}."))
                return
        if self._eventually:
            self._eventually = [awaited for awaited in self._eventually if not awaited.condition()]

    def _is_late(self, awaited: _Eventually, within_s: float) -> None:
        if awaited in self._eventually and not awaited.condition():
            self._fail(CheckFailedError(f"{awaited.text} has not come true within {within_s:g} s, at {self._now()}."))

    def _now(self) -> str:
        return f"{self._host.now_ns / NANOSECONDS:.6f} s of virtual time"

    def finish(self) -> None:
        """The program is done.

        Raises:
            CheckFailedError: something that was to come true has not.
        """
        self._host.after_step = None
        for awaited in self._eventually:
            if not awaited.condition():
                raise CheckFailedError(f"{awaited.text} has not come true until the program was done.")


def _name(condition: Condition) -> str:
    return str(getattr(condition, "__qualname__", condition))


_TASKS = {
    TaskState.WAITING: "waits for its arguments or its next try",
    TaskState.QUEUED: "waits for a worker",
    TaskState.SENT: "runs",
}
_ACTORS = {
    ActorState.PENDING: "waits for its place",
    ActorState.STARTING: "is being made",
    ActorState.ALIVE: "is alive",
    ActorState.RESTARTING: "is being made anew",
}
"""What is there, in words."""


def left_behind(tables: Tables) -> list[str]:
    """What is still there of a program that is done, and who holds it, a line for all that are alike."""
    lines = Counter(
        f"task {task.template.name} {_TASKS.get(task.state, task.state.value)}" for task in tables.tasks.values()
    )
    held = {id(record.actor): keepers(tables, record) for record in tables.objects.values() if record.actor is not None}
    for actor in tables.actors.values():
        if actor.state is not ActorState.DEAD and not actor.detached:
            what = f"{actor.name or actor.creation.template.name.removesuffix('.__init__')} {_ACTORS[actor.state]}"
            lines[f"actor {what}{', ' + held[id(actor)] if id(actor) in held else ''}"] += 1
    objects: dict[str, list[bytes]] = {}
    for object_id, record in tables.objects.items():
        if record.actor is None and record.state is not ObjectState.PENDING:
            objects.setdefault(f"of {size(record.size_bytes)}, {keepers(tables, record)}", []).append(object_id)
    for text, ids in objects.items():
        lines[f"object {ids[0].hex()} {text}"] = len(ids)
    for group_id, group in tables.groups.items():
        lines[f"placement group {group.name or group_id.hex()} was not removed"] += 1
    return [text if count == 1 else f"{text} ({count} of them)" for text, count in lines.items()]
