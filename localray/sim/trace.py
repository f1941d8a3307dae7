"""The trace: every event that reaches the kernel and every effect it answers with, when and about what; and its running
digest.

Two runs with equal digests made the same decisions at the same moments. Payload bytes are left out: what user code
pickles may differ from run to run (sets under another hash seed, addresses in texts) without anything having been
decided differently. Must not live here: what is done with messages."""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, TypeAlias

from localray.kernel import Event
from localray.kernel.effects import (
    CoolArena,
    CreateSpillFile,
    DeleteSpillFile,
    DeviceLost,
    DriverConnected,
    DriverDisconnected,
    DriverLags,
    DropArena,
    Effect,
    FileKept,
    FillBuffer,
    ForgetFiles,
    KeepFile,
    KillWorker,
    LaunchFailed,
    LaunchNode,
    LookAtWorkers,
    MeasureMemory,
    MemoryUsed,
    NodeAdded,
    NodeDied,
    NodeDraining,
    ObjectsSpilled,
    OpenLane,
    ReleaseBuffer,
    Send,
    ShareArena,
    SpillFileCreated,
    SpillObjects,
    StartWorker,
    Stop,
    Tick,
    WorkerDied,
    WorkerPrinted,
    WorkersStopped,
    WorkerStarted,
)
from localray.protocol import (
    AbandonBuffer,
    ActorExiting,
    ActorNamed,
    AddNode,
    AddReferences,
    AnswerByLane,
    Ask,
    AwaitTaken,
    CallByLane,
    CancelRunning,
    CancelTask,
    CheckpointFailed,
    CollectEverywhere,
    CollectGarbage,
    ConfigureJob,
    CreateActor,
    CreateGroup,
    DefineFunction,
    DefineRuntimeEnv,
    DefineTemplate,
    DrainNode,
    DropReferences,
    DropStream,
    DropViews,
    EndSession,
    Exit,
    FindActor,
    FindGroup,
    ForgetArena,
    FreeObjects,
    GetObjects,
    ItemsTaken,
    KeyValue,
    KillActor,
    LaneClosed,
    LaneOpened,
    LeaseBuffer,
    MapArena,
    Notice,
    ObjectAbsent,
    ObjectDamaged,
    ObjectPresent,
    ObjectReady,
    ObjectYielded,
    PutObject,
    RecallTasks,
    RecordSite,
    RegisterDriver,
    Registered,
    RemoveGroup,
    RemoveNode,
    Reply,
    RequestResources,
    ReserveBuffer,
    RestoreActor,
    RunTask,
    RuntimeEnvFailed,
    SaveCheckpoint,
    SetUpJob,
    ShutDown,
    SubmitCall,
    SubmitTask,
    TakeItems,
    TaskDone,
    TasksReturned,
    UnhandledError,
    UnpinObjects,
    WatchGroup,
    WithdrawGet,
    WorkerOutput,
    WorkerReady,
)
from localray.sim.plain_values import arguments_in_words

Traced: TypeAlias = "Event | Effect"
Facts: TypeAlias = "Callable[[tuple[object, ...]], object]"
Entry: TypeAlias = "tuple[int, str, int, Any]"
"""One line of a trace: the time in nanoseconds, the kind of message, its sender or, from -1 downwards, its receiver,
and its `FACTS`."""


def _all(message: tuple[object, ...]) -> object:
    return tuple(message)


def _nothing(message: tuple[object, ...]) -> object:
    return None


def _task_done(message: tuple[object, ...]) -> object:
    task_id, outcomes, duration_s, retryable, _ = message
    # An inline value's size may depend on what its pickle looks like; its place is -1.
    places = tuple([(outcome[0], outcome[2], outcome[4]) for outcome in outcomes])  # type: ignore[attr-defined]
    return task_id, places, duration_s, retryable


def _keep_file(message: tuple[object, ...]) -> object:
    name, _, values = message
    return name, tuple(value[:2] for value in values)  # type: ignore[attr-defined]


def _object_yielded(message: tuple[object, ...]) -> object:
    task_id, position, outcome = message
    return task_id, position, outcome[0], outcome[2], outcome[4]  # type: ignore[index]


def _answer_by_lane(message: tuple[object, ...]) -> object:
    task_id, _, actor_id, outcome, duration_s, is_new = message
    return task_id, actor_id, outcome[0], duration_s, is_new  # type: ignore[index]


def _run_task(message: tuple[object, ...]) -> object:
    task_id, template, _, values, dependencies, actor_id, _, attempt, units = message
    return task_id, template, tuple([(value[0], value[2]) for value in values]), dependencies, actor_id, attempt, units  # type: ignore[attr-defined]


FACTS: Final[dict[type, Facts]] = {
    # From clients.
    RegisterDriver: _nothing,
    ConfigureJob: _nothing,
    DefineFunction: itemgetter(0, 1, 3),
    DefineTemplate: _all,
    # A hook's id, but not where packages are.
    DefineRuntimeEnv: itemgetter(0, 1),
    RuntimeEnvFailed: _nothing,
    SubmitTask: itemgetter(0, 1, 3, 4),
    CreateActor: itemgetter(0, 1, 3, 4, 5, 6, 8, 9, 10, 11, 13),
    SubmitCall: itemgetter(0, 1, 3, 4, 5),
    CallByLane: _all,
    AnswerByLane: _answer_by_lane,
    PutObject: itemgetter(0, 1, 3, 5),
    ReserveBuffer: itemgetter(0),
    LeaseBuffer: itemgetter(0),
    AbandonBuffer: itemgetter(0),
    ObjectDamaged: itemgetter(0),
    GetObjects: _all,
    WithdrawGet: _all,
    AddReferences: _all,
    DropReferences: _all,
    UnpinObjects: _all,
    FreeObjects: _all,
    RecordSite: itemgetter(0),
    ObjectYielded: _object_yielded,
    AwaitTaken: _all,
    TakeItems: _all,
    DropStream: _all,
    TaskDone: _task_done,
    TasksReturned: _all,
    ActorExiting: itemgetter(0),
    ActorNamed: itemgetter(0),
    SaveCheckpoint: itemgetter(0, 1, 2, 4, 6),
    CheckpointFailed: _nothing,
    KillActor: _all,
    CancelTask: _all,
    FindActor: _all,
    CreateGroup: _all,
    RemoveGroup: _all,
    RequestResources: _all,
    WatchGroup: itemgetter(0, 1),
    FindGroup: _all,
    Ask: _all,
    DrainNode: _all,
    KeyValue: _all,
    CollectEverywhere: _nothing,
    CollectGarbage: _nothing,
    ShutDown: _nothing,
    EndSession: _nothing,
    AddNode: _all,
    RemoveNode: _all,
    WorkerReady: _nothing,
    # To clients.
    Registered: itemgetter(0, 1, 2),
    SetUpJob: itemgetter(0),
    RunTask: _run_task,
    RestoreActor: itemgetter(0, 1, 3),
    RecallTasks: _all,
    CancelRunning: _all,
    ItemsTaken: _all,
    ObjectReady: itemgetter(0, 1, 3),
    ObjectPresent: _all,
    ObjectAbsent: _all,
    Reply: itemgetter(0),
    Notice: _nothing,
    WorkerOutput: itemgetter(1, 2, 3),
    DropViews: _nothing,
    MapArena: _all,
    UnhandledError: _nothing,
    ForgetArena: _all,
    LaneOpened: _all,
    LaneClosed: _all,
    Exit: _all,
    # Of the environment.
    NodeAdded: itemgetter(0, 1, 2, 3, 4),
    LaunchFailed: _all,
    NodeDied: _all,
    NodeDraining: _all,
    DeviceLost: _all,
    DriverConnected: _all,
    DriverDisconnected: _all,
    DriverLags: _all,
    WorkerStarted: _all,
    WorkerDied: _all,
    MemoryUsed: itemgetter(0, 1, 2, 3),
    WorkersStopped: _all,
    ObjectsSpilled: itemgetter(0, 1, 2),
    FileKept: _all,
    SpillFileCreated: _all,
    WorkerPrinted: _all,
    Tick: _nothing,
    StartWorker: _all,
    KillWorker: _all,
    LaunchNode: _all,
    ReleaseBuffer: itemgetter(0, 1),
    MeasureMemory: _all,
    LookAtWorkers: _all,
    CoolArena: _all,
    ShareArena: _all,
    OpenLane: _all,
    DropArena: _all,
    SpillObjects: _all,
    CreateSpillFile: _all,
    DeleteSpillFile: _all,
    KeepFile: _keep_file,
    ForgetFiles: _all,
    FillBuffer: itemgetter(0, 1),
    Stop: _nothing,
}
"""What of each kind of message belongs to the trace: ids, numbers and places, never what the user's values look
like."""


_NAMED: Final = {kind: (kind.__name__, facts) for kind, facts in FACTS.items()}

_LINES_AT_ONCE = 512
"""Lines are marshalled and digested together, which costs a fraction; what is together follows from the lines alone."""


class Trace:
    """The trace of one simulation.

    Args:
        keep: keep every line in memory; else only the digest is kept.
        path: of a file to which every line is added, for `read_entries`.
    """

    def __init__(self, *, keep: bool = False, path: str | None = None) -> None:
        self._digest = hashlib.blake2b(digest_size=16)
        self._pending: list[Entry] = []
        self._kept: list[Entry] | None = [] if keep else None
        self._file = None if path is None else Path(path).open("ab")  # noqa: SIM115 - closed by `close`
        self._concluded = 0
        self.steps = 0
        self.arguments: dict[bytes, str] = {}
        """Of submissions, where entries are kept: in words, because payloads are no part of them."""

    @property
    def line_count(self) -> int:
        """How many lines there are: one for each event, and one for each effect."""
        return self._concluded + len(self._pending)

    def event(self, now_ns: int, event: Event, sender: int) -> None:
        """The kernel is about to take an event in."""
        self.steps += 1
        if self._kept is not None and isinstance(event, (SubmitTask, SubmitCall, CreateActor)):
            self.arguments[event.task_id] = arguments_in_words(event.payload)
        name, facts = _NAMED[type(event)]
        pending = self._pending
        if len(pending) >= _LINES_AT_ONCE:
            self._conclude()
        pending.append((now_ns, name, sender, facts(event)))

    def effects(self, now_ns: int, effects: list[Effect]) -> None:
        """The kernel has asked for these."""
        append = self._pending.append
        for effect in effects:
            if type(effect) is Send:
                client, message = effect
                name, facts = _NAMED[type(message)]
                append((now_ns, name, -1 - client, facts(message)))
            else:
                name, facts = _NAMED[type(effect)]
                append((now_ns, name, -1, facts(effect)))

    def _conclude(self) -> None:
        pending = self._pending
        # Version 2 of marshal writes no back-references, which would depend on which objects happen to be shared.
        marshalled = marshal.dumps(pending, 2)
        self._digest.update(marshalled)
        if self._file is not None:
            self._file.write(marshalled)
        if self._kept is not None:
            self._kept += pending
        self._concluded += len(pending)
        pending.clear()

    def close(self) -> None:
        """All has been traced: a file gets the rest."""
        self._conclude()
        if self._file is not None:
            self._file.close()

    @property
    def entries(self) -> list[Entry]:
        """What was kept."""
        return [] if self._kept is None else self._kept + self._pending

    def digest(self) -> str:
        """The digest of all so far, in hexadecimal digits."""
        digest = self._digest.copy()
        digest.update(marshal.dumps(self._pending, 2))
        return digest.hexdigest()

    def lines(self) -> list[str]:
        """What was kept, a line each, e.g. ``0.000120 < 3 TaskDone (...)``: ``<`` is to the kernel, ``>`` from it."""
        return [line(*entry) for entry in self.entries]


def read_entries(path: str) -> Iterator[Entry]:
    """The lines of a trace that was written to a file, in their order."""
    with Path(path).open("rb") as file:
        while file.peek(1):
            yield from marshal.load(file)


def lines_of(now_ns: int, event: Event, sender: int, effects: list[Effect]) -> list[str]:
    """One event and what the kernel answers, a line each."""
    trace = Trace(keep=True)
    trace.event(now_ns, event, sender)
    trace.effects(now_ns, effects)
    return trace.lines()


def line(now_ns: int, kind: str, party: int, facts: object) -> str:
    """One entry as a line."""
    direction, number = ("<", party) if party >= 0 else (">", -1 - party)
    return f"{now_ns / 1e9:.9f} {direction} {number} {kind} {_plain(facts)}"


def _plain(facts: object) -> str:
    """Ids in hexadecimal digits: shorter than as bytes, and what the user sees elsewhere."""
    if isinstance(facts, bytes):
        return facts.hex()
    if isinstance(facts, tuple):
        return "(" + " ".join(_plain(fact) for fact in facts) + ")"
    return repr(facts)
