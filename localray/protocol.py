"""The messages between clients and the kernel: the whole wire protocol, as data.

A message on the wire *is* a kernel event or a kernel effect; there is no translation layer. Each message is a
``NamedTuple`` of plain values (ints, floats, bytes, strings, tuples, ``None``), so that a frame is a ``marshal``-ed
list of plain tuples ``(code, *fields)``. Marshal rather than pickle for two reasons: it is several times cheaper (0.15
µs to encode and 0.25 µs to decode a task, against 1.4 µs and 0.4 µs for a pickled ``NamedTuple``, CPython 3.11), and it
cannot run code: the head never unpickles anything, user payloads are opaque bytes to it.

Must not live here: any decision, any IO. Ids are raw bytes (see `localray.ids` for their layout); client, node, job and
template numbers are small ints that the kernel or a client counts up.

Annotations are evaluated here, and not kept as text: of a text, `NamedTuple` compiles each field anew, and that was
half of what importing this module costs every process that starts (19 ms against 9.5 ms).
"""

import marshal
from enum import IntEnum
from functools import partial
from typing import Final, NamedTuple, TypeAlias, cast

# Version 2 writes no back-references: looking for shared objects costs more than it saves on messages of this size.
_MARSHAL_VERSION: Final = 2


class Status(IntEnum):
    """How an object ended: what its payload means to whoever reads it.

    ``VALUE`` is a serialized value; ``TASK_ERROR`` and ``ACTOR_CREATION_FAILED`` are serialized ``RayTaskError``
    instances; the others carry a UTF-8 text for the user, because the kernel that writes them does not pickle. That of
    ``UNRECONSTRUCTABLE`` begins with a line that names the `UnreconstructableReason`; that of ``ARGUMENT_FAILED`` is a
    `FailedArgument`, as is that of an actor whose constructor needed it.
    """

    VALUE = 0
    TASK_ERROR = 1
    WORKER_CRASHED = 2
    ACTOR_DIED = 3
    ACTOR_CREATION_FAILED = 4
    CANCELLED = 5
    FREED = 6
    LOST = 7
    STORE_FULL = 8
    UNSCHEDULABLE = 9
    ACTOR_UNAVAILABLE = 10
    OUT_OF_MEMORY = 11
    OUT_OF_DISK = 12
    ACTOR_UNSCHEDULABLE = 13
    GROUP_REMOVED = 14
    NODE_DIED = 15
    RUNTIME_ENV_FAILED = 16
    UNRECONSTRUCTABLE = 17
    OWNER_DIED = 18
    END_OF_STREAM = 19
    ARGUMENT_FAILED = 20
    INTERRUPTED = 21
    ACTOR_ARGUMENT_FAILED = 22


class FailedArgument(NamedTuple):
    """Why a task was never run: an object among its arguments is an error. That may be another of these; ``depth``
    counts them."""

    task_name: str
    object_id: bytes
    status: int
    payload: bytes
    depth: int = 1

    def pack(self) -> bytes:
        """As the payload of an object."""
        return marshal.dumps(tuple(self), _MARSHAL_VERSION)

    @classmethod
    def unpack(cls, payload: bytes) -> "FailedArgument":
        """What `pack` made."""
        return cls(*marshal.loads(payload))

    @staticmethod
    def root(status: int, payload: bytes) -> tuple[Status, bytes]:
        """The error at the beginning of a chain of tasks that were never run: the given one, if it is none of these."""
        while status == Status.ARGUMENT_FAILED:
            _, _, status, payload, _ = FailedArgument.unpack(payload)
        return Status(status), payload

    def text(self) -> str:
        """What became of the argument."""
        if self.status in (Status.ACTOR_CREATION_FAILED, Status.ACTOR_ARGUMENT_FAILED):
            return "the actor that was to make it could not be constructed"
        return self.payload.decode(errors="replace")


class TaskKind(IntEnum):
    """What a template makes a worker do."""

    TASK = 0
    ACTOR_CREATION = 1
    ACTOR_CALL = 2


class ReturnMode(IntEnum):
    """What a call returns: so many objects, a stream of those that it yields, or one that holds references to them."""

    FIXED = 0
    STREAM = 1
    DYNAMIC = 2


ENDED_IN_ORDER: Final = "received SIGTERM"
"""The cause of the death of a node that was not killed; Ray's words."""
PREEMPTED_WORDS: Final = "the actor's node was preempted"
"""In the text of an actor's death."""


class Query(IntEnum):
    """Questions a client may ask about the whole cluster."""

    CLUSTER_RESOURCES = 0
    AVAILABLE_RESOURCES = 1
    NODES = 2
    NAMED_ACTORS = 3
    STORY = 4
    TABLE_SIZES = 5
    PENDING_CALLS = 6
    OBJECTS = 7
    STORE = 8
    GROUPS = 9
    WHY_PENDING = 10
    PER_NODE = 11
    DEMANDS = 12
    LIST_TASKS = 13
    LIST_ACTORS = 14
    LIST_WORKERS = 15
    LIST_NODES = 16
    LIST_JOBS = 17
    LIST_GROUPS = 18
    BUSY_WORKERS = 19
    NOTHING = 20
    LOCATIONS = 21
    NEEDED_OBJECTS = 22
    TASK_DEPTH = 23
    LIST_RUNTIME_ENVS = 24
    FUNCTIONS = 25


class KeyValueAction(IntEnum):
    """What is done with the session's table of keys and values."""

    GET = 0
    PUT = 1
    DELETE = 2
    LIST = 3


class ReferenceKind(IntEnum):
    """Why a client keeps an object, by the names that Ray prints."""

    LOCAL_REFERENCE = 0
    PINNED_IN_MEMORY = 1
    USED_BY_PENDING_TASK = 2
    CAPTURED_IN_OBJECT = 3
    ACTOR_HANDLE = 4


class PlacementStrategy(IntEnum):
    """Where the bundles of a placement group go in relation to each other."""

    PACK = 0
    SPREAD = 1
    STRICT_PACK = 2
    STRICT_SPREAD = 3


class CallMode(IntEnum):
    """How an actor runs its calls: one after the other, on threads, or interleaved on one event loop."""

    SERIAL = 0
    THREADED = 1
    ASYNCIO = 2


Resources: TypeAlias = "tuple[tuple[str, int], ...]"
"""Sorted pairs of a resource's name and an amount in 1/10000 units."""


class LabelOperator(IntEnum):
    """What a condition asks of a node's label."""

    IN = 0
    NOT_IN = 1
    EXISTS = 2
    ABSENT = 3


Conditions: TypeAlias = "tuple[tuple[str, int, tuple[str, ...]], ...]"
"""Conditions on labels, all of which are to hold: a key, a `LabelOperator`, and values."""


class StrategyKind(IntEnum):
    """Which policy chooses the node."""

    DEFAULT = 0
    SPREAD = 1
    NODE_AFFINITY = 2
    NODE_LABELS = 3


Strategy: TypeAlias = "tuple[int, bytes, bool, bool, bool, Conditions, Conditions, tuple[Conditions, ...]]"
"""How a task wants to be placed: a `StrategyKind`; of an affinity the node's id, whether it is soft, whether it goes
elsewhere and whether it fails while that node has no room; of labels what must hold and what should; and at last the
alternatives of `label_selector` and `fallback_strategy`, the first that has room being taken (empty for anywhere)."""

DEFAULT_STRATEGY: Final[Strategy] = (0, b"", False, False, False, (), (), ())


Value: TypeAlias = "tuple[int, bytes, int, int]"
"""A finished object as it travels: ``(status, payload, location, size_bytes)``.

``location`` is -1 for an inline object, whose bytes are the payload, and -2 for one on disk, whose payload is an
encoded `DiskPlace`. Else it is a place in a node's arena, and the payload is empty, or a checksum of the bytes there.
Plain tuples, because they are nested in messages and marshal takes no subclasses.
"""

Outcome: TypeAlias = "tuple[int, bytes, int, int, tuple[bytes, ...]]"
"""One return value of a task: as `Value`, and then the ids of the objects that its serialized form refers to."""


def text_payload(text: str) -> bytes:
    """A text for the user as an object's payload; names may hold what UTF-8 cannot."""
    return text.encode(errors="backslashreplace")


INLINE: Final = -1
"""The location of an object whose bytes travel in its payload."""

ON_DISK: Final = -2
"""The location of an object whose bytes are in a file; its payload says where."""

INLINE_LIMIT_BYTES: Final = 100 * 1024
"""Values up to this size travel inside messages; larger ones go to the store (Ray's limit)."""


NODE_SHIFT: Final = 48
"""A location is a node's number shifted by so much, and an offset in its arena: so a location says which node's it
is."""

OFFSET_MASK: Final = (1 << NODE_SHIFT) - 1
"""The part of a location that is the offset."""


class DiskPlace(NamedTuple):
    """An entry of a spill file. ``checksum`` is of the object's bytes; empty when none was made."""

    path: str
    offset: int
    checksum: bytes

    def encode(self) -> bytes:
        """As a payload.

        Example:
            >>> DiskPlace.decode(DiskPlace("/spilled/7", 4096, b"").encode())
            DiskPlace(path='/spilled/7', offset=4096, checksum=b'')
        """
        return marshal.dumps((self.path.encode(errors="surrogateescape"), self.offset, self.checksum), _MARSHAL_VERSION)

    @classmethod
    def decode(cls, payload: bytes) -> "DiskPlace":
        """The inverse of `encode`."""
        path, offset, checksum = marshal.loads(payload)
        return cls(path.decode(errors="surrogateescape"), offset, checksum)


# ---------------------------------------------------------------- from a client to the kernel


class RegisterDriver(NamedTuple):
    """A driver program joins: the first message on its channel. Answered by `Registered`."""

    process_id: int
    namespace: str
    sys_path: tuple[str, ...]
    working_directory: str
    entrypoint: str = ""


class ConfigureJob(NamedTuple):
    """How this driver's job is to be: whether the driver is shown what its workers print; how their loggers are
    configured: a `LoggingConfig` as JSON, or empty; whether its actors are detached unless they say."""

    shows_output: bool
    logging: str
    detaches_actors: bool


class DefineFunction(NamedTuple):
    """A function's or class's serialized body, sent once by the client that first uses it, and once to each worker that
    runs it."""

    function_id: bytes
    name: str
    blob: bytes
    contained: tuple[bytes, ...]
    qualname: str = ""


class DefineRuntimeEnv(NamedTuple):
    """What workers are set up with, once for each client that names it, and once to each worker that serves it, before
    its first task. ``key`` is made of the rest; empty for workers as they are.

    ``fields`` are JSON, ``packages`` the directory of what the driver has brought along, and ``hook`` the id of the
    function to call at last, empty where there is none or where the fields name it. One is ``of_job`` that the driver
    itself is in.
    """

    key: bytes
    fields: str
    packages: str
    hook: bytes
    of_job: bool = False


RETRIES_OF_ACTOR: Final = -2
"""``max_retries`` of a call that says nothing of its own: as often as its actor's ``max_task_retries``."""


NOT_CHECKPOINTED: Final = -1
"""``checkpoint_calls`` of an actor that does not checkpoint itself."""


class DefineTemplate(NamedTuple):
    """What many submissions share: the function and its options. Tasks name it by number, so that a submission stays
    small. A constructor's ``max_retries`` are its actor's ``max_restarts``. What runs in a placement ``group`` asks for
    its bundle's resources by their names there; ``bundle`` is -1 for any; ``captures`` puts what it submits into the
    group too. A stream (`ReturnMode`) has one return, which is ready when it ends; no more than ``backpressure`` of its
    items, or of all of an actor's, may be there that nobody has taken, -1 is without limit. ``concurrency_groups`` are
    an actor's, ``concurrency_group`` is where a call belongs. An actor that checkpoints itself does so after so many
    ``checkpoint_calls``, or seconds if the period is not 0, or only when told to if both are. What ``is_listed`` is
    told by the state API; with None a call is if its actor is."""

    template: int
    kind: int
    function_id: bytes
    name: str
    method: str
    num_returns: int
    to_place: Resources
    to_hold: Resources
    max_retries: int
    retry_exceptions: bytes
    call_mode: int
    max_concurrency: int
    max_calls: int
    group: bytes = b""
    bundle: int = -1
    captures: bool = False
    strategy: Strategy = DEFAULT_STRATEGY
    runtime_env: bytes = b""
    return_mode: int = ReturnMode.FIXED.value
    backpressure: int = -1
    objects_per_yield: int = 1
    concurrency_group: str = ""
    concurrency_groups: tuple[tuple[str, int], ...] = ()
    checkpoint_calls: int = NOT_CHECKPOINTED
    checkpoint_period_s: float = 0.0
    is_listed: bool | None = True


class SubmitTask(NamedTuple):
    """Run a template's function. Dependencies are resolved to values before it starts; borrowed ids stay references.

    ``parent_id`` is the task that submits it; empty where the kernel knows: only actors run several at once.
    """

    task_id: bytes
    template: int
    payload: bytes
    dependencies: tuple[bytes, ...]
    borrowed: tuple[bytes, ...]
    parent_id: bytes = b""


class CreateActor(NamedTuple):
    """Create an actor; ``task_id`` is its constructor, whose first return is held by every handle.

    With a ``request`` other than 0 (named actors) answered by `Reply`: None when created, ``(actor_id,
    creation_object_id, description)`` of the one that has the name already when ``get_if_exists``, else a text that
    says why not.
    """

    task_id: bytes
    template: int
    payload: bytes
    dependencies: tuple[bytes, ...]
    borrowed: tuple[bytes, ...]
    actor_id: bytes
    name: str
    namespace: str
    detached: bool
    get_if_exists: bool
    max_pending_calls: int
    max_task_retries: int
    description: bytes
    request: int


class SubmitCall(NamedTuple):
    """Call a method of an actor; calls of one client run in the order submitted. ``parent_id`` as in `SubmitTask`."""

    task_id: bytes
    template: int
    payload: bytes
    dependencies: tuple[bytes, ...]
    borrowed: tuple[bytes, ...]
    actor_id: bytes
    parent_id: bytes = b""


class CallByLane(NamedTuple):
    """This call is with the actor's worker already: its ``caller`` has sent it there itself (`LaneCall`). Both may say
    so: the caller where the answer has not come at once, and the worker before anything else that it says meanwhile.
    """

    task_id: bytes
    template: int
    actor_id: bytes
    caller: int


class AnswerByLane(NamedTuple):
    """A call that went by a lane has been answered there, as its caller says. If it ``is_new``, nobody has told of the
    call."""

    task_id: bytes
    template: int
    actor_id: bytes
    outcome: Outcome
    duration_s: float
    is_new: bool


class PutObject(NamedTuple):
    """A finished object from its creator, who thereby holds one reference to it."""

    object_id: bytes
    status: int
    payload: bytes
    location: int
    size_bytes: int
    contained: tuple[bytes, ...]


class ReserveBuffer(NamedTuple):
    """Ask for room in the node's store. Answered by `Reply`, maybe after a while: a location in its arena; an encoded
    `DiskPlace` in a file of its own, which exists and is large enough; or ``(status, text)``: refused, and why."""

    request: int
    size_bytes: int


class LeaseBuffer(NamedTuple):
    """Ask for a range to cut several objects' buffers from, each of about so many bytes, without a request for each.
    Answered at once by `Reply`: its location and its size, or None where room is too short for that."""

    request: int
    size_bytes: int


class AbandonBuffer(NamedTuple):
    """Give back reserved or leased room that will not become an object; ``payload`` says which when it is on disk."""

    location: int
    size_bytes: int
    payload: bytes = b""


class ObjectDamaged(NamedTuple):
    """What this client was told is the place of an object does not hold it (any more): its file is missing, cut off or
    altered. Meanwhile the object may have another; whoever needs it asks again."""

    object_id: bytes
    location: int
    payload: bytes
    reason: str


class GetObjects(NamedTuple):
    """Tell me of each of these as it is ready. A ``blocking`` request stalls its task until ``needed`` of them are, or
    it is withdrawn. One that does not ``fetch`` is only told that there is a value where that is on another node, and
    of nothing any more once enough of them are ready. Of those ``ahead`` it is told what is there now, if it is small.
    """

    request: int
    object_ids: tuple[bytes, ...]
    needed: int
    blocking: bool
    fetches: bool = True
    ahead: tuple[bytes, ...] = ()


class WithdrawGet(NamedTuple):
    """The request will wait no longer: a timeout, an error that came early, an interrupt."""

    request: int


class AddReferences(NamedTuple):
    """This client went from no reference to one, for each of these."""

    object_ids: tuple[bytes, ...]


class DropReferences(NamedTuple):
    """This client's last reference to each of these is gone."""

    object_ids: tuple[bytes, ...]


class UnpinObjects(NamedTuple):
    """The last view on each of these store objects, as delivered once, is gone; an id may occur several times."""

    object_ids: tuple[bytes, ...]


class FreeObjects(NamedTuple):
    """Drop the values now, whoever refers to them (``ray.internal.free``)."""

    object_ids: tuple[bytes, ...]


class RecordSite(NamedTuple):
    """Where this client made or received a reference, for whoever asks for a memory summary."""

    object_id: bytes
    site: str


class ObjectYielded(NamedTuple):
    """A running generator has yielded one of its objects: of a stream the item at this position, of a task with a fixed
    number of returns the return at it, counted from 0."""

    task_id: bytes
    position: int
    outcome: Outcome


class AwaitTaken(NamedTuple):
    """A worker's generator goes on when so many items of its stream have been taken. Answered by `ItemsTaken`."""

    task_id: bytes
    taken: int


class TakeItems(NamedTuple):
    """The owner of a stream that is produced with backpressure has taken so many of its items, all in all."""

    task_id: bytes
    taken: int


class DropStream(NamedTuple):
    """The owner of a stream takes no more of it: items from this position on are nobody's."""

    task_id: bytes
    taken: int


class TaskDone(NamedTuple):
    """A worker finished a task: one outcome for each return that it has not yielded before. ``retryable`` marks a user
    error that the task's options want retried. ``around_s`` is how long of its duration it took to read the arguments
    and to store what was returned; empty where that is too little to tell of, or not known."""

    task_id: bytes
    outcomes: tuple[Outcome, ...]
    duration_s: float
    retryable: bool
    around_s: tuple[float, ...] = ()


class WorkerReady(NamedTuple):
    """A worker's process is up and reads its channel: its first message."""

    process_id: int


class RuntimeEnvFailed(NamedTuple):
    """This worker cannot be what its runtime environment asks for. It has run nothing, and ends."""

    reason: str


class TasksReturned(NamedTuple):
    """The answer to `RecallTasks`: these had not started and will not run here."""

    task_ids: tuple[bytes, ...]


class ActorExiting(NamedTuple):
    """The actor on this worker ended itself (``exit_actor``, ``__ray_terminate__``), because these calls asked for it;
    its process goes away after this."""

    actor_id: bytes
    reason: str
    asked_by: tuple[bytes, ...] = ()


class ActorNamed(NamedTuple):
    """The actor on this worker has been made, and its class's own ``__repr__`` says this of it."""

    actor_id: bytes
    name: str


class SaveCheckpoint(NamedTuple):
    """The state of the actor on this worker, as an object, with all calls in it that the worker has answered before.
    With a ``request`` other than 0 answered by `Reply`: None."""

    request: int
    object_id: bytes
    status: int
    payload: bytes
    location: int
    size_bytes: int
    contained: tuple[bytes, ...]


class CheckpointFailed(NamedTuple):
    """The actor on this worker could not checkpoint itself: the last good checkpoint stays in force."""

    reason: str


class KillActor(NamedTuple):
    """End an actor at once: running, queued and later calls fail."""

    actor_id: bytes
    no_restart: bool


class CancelTask(NamedTuple):
    """Cancel the task that makes this object."""

    object_id: bytes
    force: bool
    recursive: bool


class FindActor(NamedTuple):
    """Look a named actor up. Answered by `Reply` with ``(actor_id, creation_object_id, description)`` or None."""

    request: int
    name: str
    namespace: str


class CreateGroup(NamedTuple):
    """Reserve resources for a placement group, all of its bundles or none, as soon as there is room.

    ``selectors`` holds for each bundle what it wants of its node's labels, or is empty. With a ``request`` other than 0
    (named groups) answered by `Reply`: None, or a text that says why not.
    """

    group_id: bytes
    bundles: tuple[Resources, ...]
    strategy: int
    name: str
    namespace: str
    detached: bool
    soft_target: bytes
    selectors: tuple[Conditions, ...]
    request: int


class RemoveGroup(NamedTuple):
    """Give a placement group's resources back, whoever uses them."""

    group_id: bytes


class RequestResources(NamedTuple):
    """The cluster is to have nodes that these bundles would fit onto, were nothing else there, each with conditions on
    its node's labels; what was requested before is not wanted any more."""

    bundles: tuple[Resources, ...]
    selectors: tuple[Conditions, ...]


class WatchGroup(NamedTuple):
    """Make an object, held by this client, that becomes this value when the group has its resources, and an error when
    it is removed."""

    object_id: bytes
    group_id: bytes
    payload: bytes


class FindGroup(NamedTuple):
    """Look a named placement group up. Answered by `Reply` with its id or None."""

    request: int
    name: str
    namespace: str


class DrainNode(NamedTuple):
    """A node is to take nothing new and to go when it has nothing left; at ``gone_at_s``, in this many seconds from
    now, it is taken away. One that is not preempted has to be idle. Answered by `Reply`: whether it will, and else why
    not."""

    request: int
    node_id: bytes
    preempts: bool
    message: str
    gone_at_s: float


class KeyValue(NamedTuple):
    """Something is done with the table of keys and values. Answered by `Reply`: a value or None; whether there
    was one; how many were deleted; the keys. ``flag`` is whether to overwrite, or whether the key is a prefix."""

    request: int
    action: int
    namespace: bytes
    key: bytes
    value: bytes
    flag: bool


class Ask(NamedTuple):
    """Ask one of the `Query` questions. Answered by `Reply`."""

    request: int
    query: int
    argument: str


class CollectEverywhere(NamedTuple):
    """All processes of the session are to collect garbage: cycles in them may hold references."""


class ShutDown(NamedTuple):
    """The driver leaves: its job ends, and the session too if it hangs from this driver."""


class EndSession(NamedTuple):
    """The session ends now, whoever works in it."""


class AddNode(NamedTuple):
    """A node joins the session. Answered by `Reply` with its number, or a text that says why not."""

    request: int
    node_id: bytes
    name: str
    total: Resources
    labels: tuple[tuple[str, str], ...]
    store_capacity_bytes: int
    environment: tuple[tuple[str, str], ...]


class RemoveNode(NamedTuple):
    """A node leaves the session: its workers are killed, what only its store has is lost. Answered by `Reply`: None, or
    a text that says why not."""

    request: int
    node_id: bytes
    cause: str


# ---------------------------------------------------------------- from the kernel to a client


class Registered(NamedTuple):
    """Welcome, with the numbers this client's ids are made of."""

    client: int
    job: int
    node_id: bytes
    namespace: str


class SetUpJob(NamedTuple):
    """What a worker needs to know before its first task of a job; ``environment`` is what its node's variables are."""

    job: int
    namespace: str
    sys_path: tuple[str, ...]
    working_directory: str
    node_id: bytes
    environment: tuple[tuple[str, str], ...] = ()
    logging: str = ""
    detaches_actors: bool = False


class RunTask(NamedTuple):
    """Execute this. ``values`` are the dependencies, in the order of the submission."""

    task_id: bytes
    template: int
    payload: bytes
    values: tuple[Value, ...]
    dependencies: tuple[bytes, ...]
    actor_id: bytes
    actor_name: str
    attempt: int
    units: tuple[int, ...]


class RestoreActor(NamedTuple):
    """The state that the actor whose constructor comes next on this channel is to be given after it."""

    object_id: bytes
    status: int
    payload: bytes
    location: int
    size_bytes: int


class RecallTasks(NamedTuple):
    """Give back those of these that have not started. Answered by `TasksReturned`."""

    task_ids: tuple[bytes, ...]


class CancelRunning(NamedTuple):
    """Interrupt this task if it is the one running, drop it if it waits here."""

    task_id: bytes


class ItemsTaken(NamedTuple):
    """Of this stream, whose worker waits for that, so many items have been taken; all that will ever come if -1."""

    task_id: bytes
    taken: int


class ObjectReady(NamedTuple):
    """An object that this client asked for."""

    object_id: bytes
    status: int
    payload: bytes
    location: int
    size_bytes: int


class ObjectPresent(NamedTuple):
    """An object that this client asked for without fetching it has a value, on another node."""

    object_id: bytes


class ObjectAbsent(NamedTuple):
    """The value of an object that this client holds is lost, and is made again: it is not ready until that is told
    anew."""

    object_id: bytes


ReplyValue: TypeAlias = "int | float | str | bytes | tuple[ReplyValue, ...] | None"


class HeldObject(NamedTuple):
    """One object as one client holds it: a row of the answer to `Query.OBJECTS`. A size of -1 is not known yet. It is
    on disk because it was spilled, or because it found no room in the store and so has a file of its own."""

    object_id: bytes
    size_bytes: int
    kind: str
    is_driver: int
    process_id: int
    actor: str
    status: str
    attempt: int
    site: str
    is_spilled: int
    has_own_file: int


class Demand(NamedTuple):
    """Tasks, constructors or bundles that ask for the same and wait for a place: a row of the answer to
    `Query.DEMANDS`. ``what`` is ``task``, ``actor`` or ``placement group``; each of ``bundles`` is for as many of them
    as there are; ``why`` is in words."""

    what: str
    name: str
    waiting: int
    bundles: tuple[Resources, ...]
    why: str


class BusyWorker(NamedTuple):
    """A worker that has something to do: a row of the answer to `Query.BUSY_WORKERS`. ``task_id`` and ``attempt`` are
    those of what runs, ``names`` those of all it has; ``comes_again`` says whether all of that would be tried again."""

    worker: int
    process_id: int
    node: int
    task_id: bytes
    attempt: int
    names: tuple[str, ...]
    comes_again: int


class StoreTotals(NamedTuple):
    """All nodes' stores together: the answer to `Query.STORE`. ``used_bytes`` and ``objects`` are of what is in memory;
    objects that found no room there have files of their own."""

    used_bytes: int
    capacity_bytes: int
    objects: int
    spilled_bytes: int
    spilled_objects: int
    spilling_took_s: float
    own_files_bytes: int
    own_files: int


class Reply(NamedTuple):
    """The answer to one numbered request."""

    request: int
    value: ReplyValue


class WorkerOutput(NamedTuple):
    """Lines that a worker of this driver's job has printed; the name of what printed them may be empty."""

    process_id: int
    name: str
    is_error: bool
    lines: tuple[str, ...]


class UnhandledError(NamedTuple):
    """The error of a task whose result nobody has looked at, and nobody can any more: a pickled `RayTaskError`."""

    payload: bytes


class Notice(NamedTuple):
    """A text for the user of a driver: a warning that somebody should see once. ``error`` is a pickled one that is
    shown with it, if there is one."""

    text: str
    error: bytes = b""


class CollectGarbage(NamedTuple):
    """Collect garbage in this process."""


class DropViews(NamedTuple):
    """The store is short of room: let go of the views that are only kept in case somebody reads again, and of leased
    room that nothing is in."""


class MapArena(NamedTuple):
    """The arena of a node, before the first place in it that this client hears of. The descriptor travels beside the
    bytes; whoever reads the stream writes its number into the message."""

    node: int
    capacity_bytes: int
    descriptor: int = -1


class ForgetArena(NamedTuple):
    """Nothing is in this arena any more, nor will be: its node is dead."""

    node: int


class LaneOpened(NamedTuple):
    """A *lane* leads from a driver straight to the worker of one of the actors it calls, past the kernel: to both. The
    descriptor travels as that of `MapArena` does."""

    lane: int
    actor_id: bytes
    descriptor: int = -1


class LaneClosed(NamedTuple):
    """The actor at the end of this lane is dead."""

    lane: int


class Exit(NamedTuple):
    """This worker's process is to end in an orderly way: flush, run exit handlers, go."""

    reason: str


# ---------------------------------------------------------------- between a driver and an actor's worker, on a lane


class LaneReady(NamedTuple):
    """The worker has its end of this lane, and reads it: calls may go by it."""

    lane: int


class LaneCall(NamedTuple):
    """Run this call of the actor, which takes no references."""

    lane: int
    task_id: bytes
    template: int
    payload: bytes


class LaneAnswer(NamedTuple):
    """The call has ended; the kernel has heard nothing of it from here."""

    lane: int
    task_id: bytes
    outcome: Outcome
    duration_s: float


class LaneDiverted(NamedTuple):
    """The kernel has heard of the call from here, and will be told how it ends: ask there."""

    lane: int
    task_id: bytes


LaneMessage: TypeAlias = LaneReady | LaneCall | LaneAnswer | LaneDiverted

ClientMessage: TypeAlias = (
    RegisterDriver
    | ConfigureJob
    | DefineFunction
    | DefineTemplate
    | DefineRuntimeEnv
    | SubmitTask
    | CreateActor
    | SubmitCall
    | CallByLane
    | AnswerByLane
    | PutObject
    | ReserveBuffer
    | LeaseBuffer
    | AbandonBuffer
    | ObjectDamaged
    | GetObjects
    | WithdrawGet
    | AddReferences
    | DropReferences
    | UnpinObjects
    | FreeObjects
    | RecordSite
    | ObjectYielded
    | AwaitTaken
    | TakeItems
    | DropStream
    | TaskDone
    | WorkerReady
    | RuntimeEnvFailed
    | TasksReturned
    | ActorExiting
    | ActorNamed
    | SaveCheckpoint
    | CheckpointFailed
    | KillActor
    | CancelTask
    | FindActor
    | CreateGroup
    | RemoveGroup
    | RequestResources
    | WatchGroup
    | FindGroup
    | DrainNode
    | KeyValue
    | Ask
    | CollectEverywhere
    | ShutDown
    | EndSession
    | AddNode
    | RemoveNode
)
KernelMessage: TypeAlias = (
    Registered
    | SetUpJob
    | DefineFunction
    | DefineTemplate
    | DefineRuntimeEnv
    | RunTask
    | RestoreActor
    | RecallTasks
    | CancelRunning
    | ItemsTaken
    | ObjectReady
    | ObjectPresent
    | ObjectAbsent
    | Reply
    | WorkerOutput
    | Notice
    | UnhandledError
    | CollectGarbage
    | DropViews
    | MapArena
    | ForgetArena
    | LaneOpened
    | LaneClosed
    | Exit
)
Message: TypeAlias = ClientMessage | KernelMessage | LaneMessage

MESSAGE_TYPES: Final[tuple[type[Message], ...]] = (
    RegisterDriver,
    ConfigureJob,
    DefineFunction,
    DefineTemplate,
    DefineRuntimeEnv,
    SubmitTask,
    CreateActor,
    SubmitCall,
    CallByLane,
    AnswerByLane,
    PutObject,
    ReserveBuffer,
    LeaseBuffer,
    AbandonBuffer,
    ObjectDamaged,
    GetObjects,
    WithdrawGet,
    AddReferences,
    DropReferences,
    UnpinObjects,
    FreeObjects,
    RecordSite,
    ObjectYielded,
    AwaitTaken,
    TakeItems,
    DropStream,
    TaskDone,
    WorkerReady,
    RuntimeEnvFailed,
    TasksReturned,
    ActorExiting,
    ActorNamed,
    SaveCheckpoint,
    CheckpointFailed,
    KillActor,
    CancelTask,
    FindActor,
    CreateGroup,
    RemoveGroup,
    RequestResources,
    WatchGroup,
    FindGroup,
    DrainNode,
    KeyValue,
    Ask,
    CollectEverywhere,
    ShutDown,
    EndSession,
    AddNode,
    RemoveNode,
    Registered,
    SetUpJob,
    RunTask,
    RestoreActor,
    RecallTasks,
    CancelRunning,
    ItemsTaken,
    ObjectReady,
    ObjectPresent,
    ObjectAbsent,
    Reply,
    WorkerOutput,
    Notice,
    UnhandledError,
    CollectGarbage,
    DropViews,
    MapArena,
    ForgetArena,
    LaneOpened,
    LaneClosed,
    Exit,
    LaneReady,
    LaneCall,
    LaneAnswer,
    LaneDiverted,
)
"""A message's code is its place here; both ends of a channel run the same version, so the order is free to change."""

_CODES: Final[dict[type[Message], int]] = {message_type: code for code, message_type in enumerate(MESSAGE_TYPES)}
# Straight to the tuple's own constructor: `_make` checks a length that cannot be wrong here, and takes twice as long.
_MAKERS: Final = tuple(partial(tuple.__new__, message_type) for message_type in MESSAGE_TYPES)


def encode(messages: list[Message]) -> bytes:
    """Encode messages as the body of one frame.

    Example:
        >>> decode(encode([Notice("hello"), WithdrawGet(3)]))
        [Notice(text='hello', error=b''), WithdrawGet(request=3)]
    """
    codes = _CODES
    return marshal.dumps([(codes[type(message)],) + message for message in messages], _MARSHAL_VERSION)


def decode(body: bytes | bytearray | memoryview) -> list[Message]:
    """Decode the body of one frame; the inverse of `encode`."""
    makers = _MAKERS
    messages = [makers[plain[0]](plain[1:]) for plain in marshal.loads(body)]
    return cast("list[Message]", messages)
