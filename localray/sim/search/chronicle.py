"""What happened in a run, for people: who ran what where and when, what became of it, and what went wrong.

Made of a kept trace. Must not live here: how it is shown (`story`, `page`, `chrome`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from localray.protocol import Status
from localray.sim.program import Report
from localray.sim.trace import Entry

DRIVER = 0
"""The lane of the driver; those of workers are their numbers."""
GIVEN_BACK = "given back unstarted"
"""How a try ends that stood in a worker's line and was recalled: nothing came of it."""
TASK_ID_BYTES = 24


@dataclass(slots=True)
class Try:
    """One try of a task on a worker: when it was sent there, when the kernel heard of its end, and how it ended."""

    task_id: bytes
    name: str
    worker: int
    attempt: int
    submitter: int
    submitted_ns: int
    sent_ns: int
    ended_ns: int = -1
    how: str = "never ended"
    begins_anew: bool = False
    """An actor is made once more, without what it held."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened in a moment: a fault, a death, a node that came or went."""

    at_ns: int
    kind: str
    text: str
    worker: int = -1


@dataclass(frozen=True, slots=True)
class Wait:
    """A value that somebody waited for, or will for ever."""

    waiter: int
    object_id: bytes
    asked_ns: int
    answered_ns: int = -1


@dataclass(slots=True)
class Chronicle:
    """What happened in a run, in order. ``nodes`` says where each worker was; ``unsent`` are the tasks that were never
    sent to one; ``node_numbers`` are those of the nodes by their ids."""

    report: Report
    tries: list[Try] = field(default_factory=list)
    unsent: list[Try] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    nodes: dict[int, int] = field(default_factory=dict)
    node_numbers: dict[bytes, int] = field(default_factory=dict)

    def reasons(self, task_id: bytes) -> list[str]:
        """What the kernel decided about a task and what it returns, and why, a line each."""
        return [
            f"{now_s:.6f} {state.name.lower()}: {reason}"
            for now_s, identity, state, reason in self.report.transitions
            if isinstance(identity, bytes) and identity[:TASK_ID_BYTES] == task_id
        ]

    @property
    def end_ns(self) -> int:
        """When the last thing happened."""
        return max((entry[0] for entry in self.report.entries), default=0)


def chronicle(report: Report) -> Chronicle:
    """Read a report whose trace was kept."""
    return _Reader(report).read()


class _Reader:
    def __init__(self, report: Report) -> None:
        self._found = Chronicle(report)
        self._names: dict[int, str] = {}
        self._submitted: dict[bytes, tuple[int, int, int]] = {}
        self._node_ids: list[bytes] = []
        self._running: dict[tuple[int, bytes], Try] = {}
        self._asked: dict[tuple[int, bytes], int] = {}
        self._constructors: set[bytes] = set()
        self._restored: set[int] = set()
        self._driver = next((entry[2] for entry in report.entries if entry[1] == "RegisterDriver"), 0)

    def read(self) -> Chronicle:
        """All entries, in order."""
        for entry in self._found.report.entries:
            read = getattr(self, f"_on_{entry[1]}", None)
            if read is not None:
                read(entry)
        for happened in self._found.report.happened:
            self._found.marks.append(Mark(happened.at_ns, "fault", happened.text, _worker_in(happened.text)))
        for attempt in self._found.tries:
            attempt.begins_anew = attempt.begins_anew and attempt.worker not in self._restored
        self._add_unsent()
        self._number_alike()
        for (waiter, object_id), asked_ns in self._asked.items():
            self._found.waits.append(Wait(waiter, object_id, asked_ns))
        # What a fault brings about has the same moment, and comes after it.
        self._found.marks.sort(key=lambda mark: (mark.at_ns, mark.kind != "fault"))
        return self._found

    def _add_unsent(self) -> None:
        sent = {attempt.task_id for attempt in self._found.tries}
        for task_id, (submitter, at_ns, template) in self._submitted.items():
            if task_id not in sent:
                name = self._names.get(template, "?")
                self._found.unsent.append(Try(task_id, name, -1, 0, submitter, at_ns, -1))

    def _number_alike(self) -> None:
        """Tasks of one function are told apart by a number, in the order in which they were submitted: that is the same
        in two runs until one of them makes another."""
        by_name: dict[str, dict[bytes, int]] = {}
        places = {task_id: place for place, task_id in enumerate(self._submitted)}
        known = [*self._found.tries, *self._found.unsent]
        for attempt in sorted(known, key=lambda attempt: places.get(attempt.task_id, len(places))):
            numbers = by_name.setdefault(attempt.name, {})
            numbers.setdefault(attempt.task_id, len(numbers) + 1)
        for attempt in known:
            numbers = by_name[attempt.name]
            if len(numbers) > 1:
                attempt.name = f"{attempt.name} #{numbers[attempt.task_id]}"

    def _lane(self, client: int) -> int:
        return DRIVER if client == self._driver else client

    def _on_DefineTemplate(self, entry: Entry) -> None:
        self._names[entry[3][0]] = entry[3][3]

    def _on_SubmitTask(self, entry: Entry) -> None:
        self._submitted[entry[3][0]] = (self._lane(entry[2]), entry[0], entry[3][1])

    _on_SubmitCall = _on_SubmitTask

    def _on_CreateActor(self, entry: Entry) -> None:
        self._constructors.add(entry[3][0])
        self._on_SubmitTask(entry)

    def _on_RestoreActor(self, entry: Entry) -> None:
        self._restored.add(-1 - entry[2])

    def _on_StartWorker(self, entry: Entry) -> None:
        worker, node = entry[3]
        self._found.nodes[worker] = node

    def _on_RunTask(self, entry: Entry) -> None:
        now_ns, _, receiver, facts = entry
        worker, task_id, name = -1 - receiver, facts[0], self._names.get(facts[1], "?")
        submitter, submitted_ns, _ = self._submitted.get(task_id, (DRIVER, now_ns, 0))
        attempt = Try(task_id, name, worker, facts[5], submitter, submitted_ns, now_ns)
        attempt.begins_anew = attempt.attempt > 0 and task_id in self._constructors
        self._running[worker, task_id] = attempt
        self._found.tries.append(attempt)

    def _on_TaskDone(self, entry: Entry) -> None:
        now_ns, _, worker, facts = entry
        failed = any(status != Status.VALUE.value for status, _, _ in facts[1])
        self._end(worker, facts[0], now_ns, "raised" if failed else "done")

    def _on_TasksReturned(self, entry: Entry) -> None:
        for task_id in entry[3][0]:
            self._end(entry[2], task_id, entry[0], GIVEN_BACK)

    def _on_WorkerDied(self, entry: Entry) -> None:
        now_ns, _, _, (worker, cause, _) = entry
        for number, task_id in list(self._running):
            if number == worker:
                self._end(worker, task_id, now_ns, "lost with its worker")
        if not cause.startswith("exited"):
            self._found.marks.append(Mark(now_ns, "death", f"worker {worker} is gone: {cause}", worker))

    def _end(self, worker: int, task_id: bytes, now_ns: int, how: str) -> None:
        attempt = self._running.pop((worker, task_id), None)
        if attempt is not None:
            attempt.ended_ns, attempt.how = now_ns, how

    def _on_NodeAdded(self, entry: Entry) -> None:
        # They are numbered in the order in which they join.
        self._found.node_numbers[entry[3][0]] = len(self._node_ids)
        self._node_ids.append(entry[3][0])
        if entry[0]:
            number = len(self._node_ids) - 1
            self._found.marks.append(Mark(entry[0], "node", f"node {number} ({first_digits(entry[3][0])}) joins"))

    def _on_NodeDied(self, entry: Entry) -> None:
        number, why = entry[3]
        which = f" ({first_digits(self._node_ids[number])})" if number < len(self._node_ids) else ""
        self._found.marks.append(Mark(entry[0], "node", f"node {number}{which} is gone: {why}"))

    def _on_ShutDown(self, entry: Entry) -> None:
        # A program's next session has other nodes.
        self._node_ids.clear()

    def _on_GetObjects(self, entry: Entry) -> None:
        for object_id in entry[3][1]:
            self._asked[self._lane(entry[2]), object_id] = entry[0]

    def _on_ObjectReady(self, entry: Entry) -> None:
        waiter, object_id = self._lane(-1 - entry[2]), entry[3][0]
        asked_ns = self._asked.pop((waiter, object_id), None)
        if asked_ns is not None:
            self._found.waits.append(Wait(waiter, object_id, asked_ns, entry[0]))


def first_digits(node_id: bytes) -> str:
    """As much of an id as tells it from others; errors call nodes by all of it."""
    return f"{node_id.hex()[:8]}…"


def _worker_in(text: str) -> int:
    words = text.split()
    return int(words[1]) if words[0] == "worker" else -1
