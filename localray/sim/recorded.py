"""What a real run recorded (`ray.timeline()`), as something that can be run again elsewhere: tasks, who submitted them,
when, after what, and what they took.

A recorded task says what its arguments were made by, and when it was submitted; it does not say what its submitter
waited for. That is guessed: whoever submits something after others of its tasks have ended, and not at once after it
had submitted the one before, has waited for these. So what a submitter does is a list of steps: wait for some, work on
for a while, submit one. Must not live here: running it (`localray.sim.planning`).
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from localray.listings import PHASES

AT_ONCE_S = 0.001
"""Who submits again within so short a time has waited for nothing."""
_MICROSECONDS = 1_000_000
_OVER = ("FINISHED", "FAILED")


class UnreadableTimelineError(ValueError):
    """A file is not what `ray.timeline()` of localray writes."""


@dataclass(frozen=True, slots=True)
class RecordedTask:
    """One task, constructor or call, as its last attempt ran; times in seconds of the recorded session."""

    task_id: str
    name: str
    kind: str
    actor_id: str
    parent_id: str
    submitted_s: float
    started_s: float
    ended_s: float
    resources: Mapping[str, float]
    output_bytes: int
    depends_on: tuple[str, ...]

    @property
    def duration_s(self) -> float:
        """How long it ran, waiting for what it had submitted included."""
        return self.ended_s - self.started_s


class Step(NamedTuple):
    """What a submitter does next: wait for these, work for so long, and submit this one; None at its end."""

    wait_for: tuple[str, ...]
    work_s: float
    submit: RecordedTask | None


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded run: all tasks, and what the driver and each task that submits others did."""

    tasks: Mapping[str, RecordedTask]
    driver: tuple[Step, ...]
    steps: Mapping[str, tuple[Step, ...]]

    @property
    def took_s(self) -> float:
        """From the first submission to the last end."""
        begin_s = min(task.submitted_s for task in self.tasks.values())
        return max(task.ended_s for task in self.tasks.values()) - begin_s


def load_timeline(path: Path) -> Recording:
    """Read the file that `ray.timeline(filename)` or `localray timeline` has written.

    Raises:
        UnreadableTimelineError: it is no such file, has no tasks, or was written by something else.
    """
    try:
        events = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UnreadableTimelineError(f"{path} cannot be read: {error}.") from error
    return recording_of(events)


def recording_of(events: Iterable[Mapping[str, Any]]) -> Recording:
    """What the events of `ray.timeline()` say.

    Raises:
        UnreadableTimelineError: see `load_timeline`.
    """
    tasks: dict[str, RecordedTask] = {}
    try:
        for event in events:
            if event["ph"] == "X" and event.get("cat") not in PHASES:
                task = _task(event)
                # Of several attempts the last is what counts.
                tasks.pop(task.task_id, None)
                tasks[task.task_id] = task
    except (KeyError, TypeError) as error:
        raise UnreadableTimelineError(
            f"This is not a timeline of localray, or of an older version: {error} is missing or wrong."
        ) from error
    if not tasks:
        raise UnreadableTimelineError("There are no tasks in this timeline.")
    children: dict[str, list[RecordedTask]] = {}
    for task in tasks.values():
        children.setdefault(task.parent_id if task.parent_id in tasks else "", []).append(task)
    roots = children.pop("", [])
    begin_s = min(task.submitted_s for task in roots) if roots else 0.0
    end_s = max((task.ended_s for task in roots), default=0.0)
    steps = {name: steps_of(tasks[name].started_s, tasks[name].ended_s, mine) for name, mine in children.items()}
    ends_s = sorted(task.ended_s for task in tasks.values())
    return Recording(tasks, steps_of(begin_s, end_s, roots, ends_s), steps)


def _task(event: Mapping[str, Any]) -> RecordedTask:
    more = event["args"]
    started_s = event["ts"] / _MICROSECONDS
    return RecordedTask(
        more["task_id"],
        event["name"],
        more["kind"],
        more["actor_id"],
        more["parent_task_id"],
        round(started_s - more["waited_s"], 6),
        started_s,
        started_s + event["dur"] / _MICROSECONDS,
        more["resources"],
        more["output_bytes"],
        tuple(more["depends_on"]),
    )


def steps_of(
    begin_s: float, end_s: float, children: Iterable[RecordedTask], ends_s: Sequence[float] = ()
) -> tuple[Step, ...]:
    """What somebody did who began and ended at these times and submitted these tasks. ``ends_s`` are moments at which
    others ended that it may have waited for too, in their order: the driver gets references of tasks that it has not
    submitted itself.

    Example:
        >>> def task(name, submitted_s, ended_s):
        ...     return RecordedTask(name, "f", "TASK", "", "", submitted_s, submitted_s, ended_s, {}, 0, ())
        >>> [(step.wait_for, step.work_s) for step in steps_of(0.0, 9.0, [task("a", 1.0, 5.0), task("b", 6.0, 8.0)])]
        [((), 1.0), (('a',), 1.0), (('b',), 1.0)]
    """
    steps: list[Step] = []
    before: list[RecordedTask] = []
    at_s = begin_s
    for task in _in_order(children):
        steps.append(_step(before, at_s, task.submitted_s, task, ends_s))
        before.append(task)
        at_s = max(at_s, task.submitted_s)
    steps.append(_step(before, at_s, end_s, None, ends_s))
    return tuple(steps)


def _in_order(children: Iterable[RecordedTask]) -> list[RecordedTask]:
    """As they were submitted; of those that were at the same moment, what others take goes before them."""
    left = {task.task_id: task for task in sorted(children, key=lambda each: each.submitted_s)}
    ordered: list[RecordedTask] = []
    for task in list(left.values()):
        ahead = [task]
        while ahead:
            lacking = [left[name] for name in ahead[-1].depends_on if name in left and left[name] not in ahead]
            if lacking:
                ahead.append(lacking[0])
            else:
                ready = ahead.pop()
                if left.pop(ready.task_id, None) is not None:
                    ordered.append(ready)
    return ordered


def _step(
    before: Sequence[RecordedTask], from_s: float, until_s: float, submit: RecordedTask | None, ends_s: Sequence[float]
) -> Step:
    ended = [task for task in before if from_s < task.ended_s <= until_s]
    last_s = ends_s[place - 1] if (place := bisect_right(ends_s, until_s)) else from_s
    if submit is not None and until_s - from_s < AT_ONCE_S:
        return Step((), max(0.0, until_s - from_s), submit)
    if not ended:
        return Step((), max(0.0, until_s - max(from_s, last_s)), submit)
    # Who waits for a result has waited for what it was made of.
    taken = {name for task in before for name in task.depends_on}
    wait_for = tuple(task.task_id for task in ended if task.task_id not in taken)
    return Step(wait_for, until_s - max(last_s, *(task.ended_s for task in ended)), submit)


def recorded_durations(path: Path, name: str) -> Callable[[Random], float]:
    """A duration for `localray.sim.task`: drawn from those that a recorded run's tasks of this name took.

    Args:
        path: a file that `ray.timeline(filename)` has written.
        name: of a function, or ``Class.method``.

    Raises:
        UnreadableTimelineError: it is no such file.
        ValueError: no task of this name has ended there; the text says which have.

    Example:
        >>> from localray import sim
        >>> load = sim.task(duration=sim.recorded_durations("timeline.json", "load"))  # doctest: +SKIP
    """
    tasks = load_timeline(Path(path)).tasks.values()
    durations = sorted(task.duration_s for task in tasks if task.name == name)
    if not durations:
        known = ", ".join(sorted({task.name for task in tasks}))
        raise ValueError(f"No task {name!r} was recorded in {path}; there are {known}.")
    return lambda dice: durations[int(dice.random() * len(durations))]
