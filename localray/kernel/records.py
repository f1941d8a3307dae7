"""What the kernel remembers: one slotted record for each thing in the cluster.

Records are passive. Who may change a state, and to what, is in `localray.kernel.transitions`; the code that does is in
the module named after the thing. Must not live here: behaviour, or anything a record could not tell a stranger.

Order matters everywhere in the kernel: what is iterated to decide something is a list, a deque or a dict in insertion
order, never a set.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from localray.exceptions import UnreconstructableReason
from localray.kernel.actor_records import ActorRecord as ActorRecord
from localray.kernel.actor_records import CheckpointRecord as CheckpointRecord
from localray.kernel.actor_records import KeptRecord as KeptRecord
from localray.kernel.actor_records import KeptWrite as KeptWrite
from localray.kernel.states import ActorState as ActorState
from localray.kernel.states import GroupState as GroupState
from localray.kernel.states import ObjectState as ObjectState
from localray.kernel.states import State as State
from localray.kernel.states import TaskState as TaskState
from localray.kernel.states import WorkerState as WorkerState
from localray.kernel.store_records import SpillBatch, SpillFile, StoreRecord
from localray.protocol import INLINE, CallMode, Conditions, DrainNode, PlacementStrategy, Resources, Status, TaskKind
from localray.sched.memory import OutOfMemory
from localray.sched.placement import DEFAULT_RULE, Rule
from localray.sched.rooms import Room

NEVER_S = -1.0
"""The time of what has not happened: clocks begin at 0."""


class ClientKind(Enum):
    """Who is at the other end of a channel."""

    DRIVER = "driver"
    WORKER = "worker"


@dataclass(slots=True, eq=False)
class ObjectRecord:
    """One object: its value or error once known, and everything that keeps it alive.

    ``references`` counts the clients that hold it, the tasks that need it and the objects that contain it. ``pins``
    counts deliveries of its place in the store that the receiver has not yet let go of; while there are any, its bytes
    may not be reused. ``file`` and ``offset`` say where its copy on disk is; ``batch`` is that in which it is being
    spilled; ``copied_to`` are the nodes, other than its own, that have read it; ``lingering`` are places and sizes of
    bytes that are its no longer and are still looked at; ``heard`` says whether its error ever reached anybody.
    ``maker`` is the finished task that could make it again, and ``unmakeable`` says why none could;
    ``lineage_references`` counts the kept tasks that would need it to run again.
    """

    object_id: bytes
    state: ObjectState = ObjectState.PENDING
    references: int = 0
    status: int = Status.VALUE.value
    payload: bytes = b""
    location: int = INLINE
    size_bytes: int = 0
    contained: tuple[bytes, ...] = ()
    pins: int = 0
    file: SpillFile | None = None
    offset: int = 0
    batch: SpillBatch | None = None
    lingering: tuple[tuple[int, int], ...] = ()
    copied_to: tuple[int, ...] = ()
    heard: bool = False
    maker: TaskRecord | None = None
    unmakeable: UnreconstructableReason = UnreconstructableReason.OBJECT_UNRECONSTRUCTABLE_PUT
    lineage_references: int = 0
    waiting_tasks: list[TaskRecord] | None = None
    watchers: dict[int, list[WaitRecord]] | None = None
    actor: ActorRecord | None = None


@dataclass(slots=True, eq=False)
class WaitRecord:
    """One `GetObjects` of one client, which ``watched`` objects remember; ``missing`` counts down to zero, at which a
    worker it stalls takes its resources back. Where it does not ``fetch``, values stay where they are."""

    client: int
    request: int
    object_ids: tuple[bytes, ...]
    missing: int
    fetches: bool = True
    watched: int = 0
    stalled_worker: WorkerRecord | None = None


@dataclass(slots=True, eq=False)
class Template:
    """What many tasks share, as their submitter defined it; see `localray.protocol.DefineTemplate`. ``label`` says in
    the log what was submitted; like a worker's it is made once, because the log is written for every task."""

    number: int
    kind: TaskKind
    function_id: bytes
    name: str
    method: str
    num_returns: int
    to_place: Resources
    to_hold: Resources
    max_retries: int
    retry_exceptions: bytes
    call_mode: CallMode
    max_concurrency: int
    max_calls: int
    job: int
    label: str
    rule: Rule = DEFAULT_RULE
    group: bytes = b""
    bundle: int = -1
    runtime_env: bytes = b""
    is_stream: bool = False
    is_listed: bool | None = True
    scheduling_class: SchedulingClass | None = None


@dataclass(slots=True, eq=False)
class TaskRecord:
    """One task, constructor or call, from its submission until its outcome is known. ``depth`` is 0 for what a driver
    submits; ``pinned`` are those of its arguments whose places in the store were pinned when it was sent;
    ``parent_id`` is the task that submitted it, which may have ended since, and empty for a driver's; ``root`` is the
    detached actor from which it hangs, as its constructor or below it, if one. ``makes`` counts the objects of which it
    is the maker, for whose sake it is kept when it has finished (`lineage`); ``duration_s`` and ``around_s`` are of
    its last attempt, as in `TaskDone`; ``yielded`` counts those of a fixed number of returns that this attempt has
    delivered ahead of its end. Of a stream, ``items`` counts what any attempt has yielded, ``position`` this one.
    """

    task_id: bytes
    template: Template
    payload: bytes
    dependencies: tuple[bytes, ...]
    borrowed: tuple[bytes, ...]
    submitter: int
    parent_id: bytes
    depth: int
    retries_left: int
    root: bytes = b""
    state: TaskState = TaskState.WAITING
    missing: int = 0
    attempt: int = 0
    pinned: tuple[bytes, ...] = ()
    worker: WorkerRecord | None = None
    actor: ActorRecord | None = None
    cancelled: bool = False
    memory_kills: int = 0
    makes: int = 0
    created_at_s: float = NEVER_S
    sent_at_s: float = NEVER_S
    duration_s: float = 0.0
    around_s: tuple[float, ...] = ()
    yielded: int = 0
    items: int = 0
    position: int = 0

    @property
    def is_replayed(self) -> bool:
        """Whether it has been answered, and only runs again to bring its actor back to its state."""
        checkpoints = None if self.actor is None else self.actor.checkpoints
        return checkpoints is not None and self.task_id in checkpoints.replaying

    @property
    def may_share_a_worker(self) -> bool:
        """Whether this task may wait in a worker's own line behind others.

        If that worker dies, all that it had started is lost, although some of it may have finished: such a task must be
        allowed to run again. What already failed once runs alone, so that one bad task cannot use up the retries of its
        neighbours.
        """
        return self.retries_left != 0 and self.attempt == 0 and self.template.max_calls == 0


@dataclass(slots=True, eq=False)
class WorkerRecord:
    """One worker process and what it holds.

    ``assigned`` is in the order sent: the worker runs its tasks in that order, so the first is the one running.
    ``units`` are the indices of whole or shared devices (GPUs) that come with the resources, and ``devices`` is what
    they were taken from: its node's or a bundle's; ``placement_group`` is the one whose resources it has. ``stalled``
    counts its blocking requests that are not yet satisfied; while it is positive (since ``stalled_at_s``) the resources
    in ``lent`` are back with the node.
    """

    number: int
    node: NodeRecord
    label: str
    state: WorkerState = WorkerState.STARTING
    job: int = 0
    runtime_env: bytes = b""
    sees_devices: bool = False
    leased_to: SchedulingClass | None = None
    resources: Resources = ()
    units: tuple[int, ...] = ()
    devices: list[int] | None = None
    placement_group: GroupRecord | None = None
    assigned: dict[bytes, TaskRecord] = field(default_factory=dict)
    actor: ActorRecord | None = None
    stalled: int = 0
    stalled_at_s: float = 0.0
    lent: Resources = ()
    recalled: bool = False
    stopping: bool = False
    killed: bool = False
    kill_reason: str = ""
    stopped_at_s: float | None = None
    ended_count: int = 0
    calls: dict[bytes, int] = field(default_factory=dict)
    leased_at_s: float = 0.0
    progress_at_s: float = 0.0
    idle_since_s: float = 0.0
    known: set[bytes | int] = field(default_factory=set)
    out_of_memory: OutOfMemory | None = None
    last_errors: tuple[str, ...] = ()
    process_id: int = 0
    launched_at_s: float = NEVER_S
    started_at_s: float = NEVER_S
    ended_at_s: float = NEVER_S
    exit_reason: str = ""
    left: bool = False
    leave_reason: str = ""
    left_by: tuple[bytes, ...] = ()


@dataclass(slots=True, eq=False)
class NodeRecord:
    """One node: what it has, what is free, its idle workers (last used first) and how many are starting; how many
    objects it has read from other nodes' stores, each counted once, and of how many bytes. ``environment`` is what its
    workers' environment variables are set to. An autoscaler's has its ``node_type``; one that is ``draining`` will be
    gone soon, by ``leave`` if a client said so; ``used_at_s`` is when something of it was last taken or given back.
    Whoever changes what is available says so (`localray.kernel.nodes`)."""

    number: int
    node_id: bytes
    total: dict[str, int]
    available: dict[str, int]
    labels: dict[str, str]
    gpu_free: list[int]
    store: StoreRecord
    name: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    alive: bool = True
    draining: bool = False
    leave: DrainNode | None = None
    death_cause: str = ""
    death_reason: int = 0
    lost_devices: set[int] = field(default_factory=set)
    node_type: str = ""
    used_at_s: float = NEVER_S
    joined_at_s: float = NEVER_S
    died_at_s: float = NEVER_S
    idle: list[WorkerRecord] = field(default_factory=list)
    workers: dict[int, WorkerRecord] = field(default_factory=dict)
    starting: int = 0
    transfers: int = 0
    transferred_bytes: int = 0

    @property
    def store_capacity_bytes(self) -> int:
        """The size of its arena."""
        return self.store.allocator.capacity_bytes

    @property
    def store_used_bytes(self) -> int:
        """What of its arena objects take; not what clients hold to write into."""
        return self.store.allocator.used_bytes - self.store.held_bytes


@dataclass(slots=True, eq=False)
class ClientRecord:
    """One end of a channel: what it holds, so that its death can let go of exactly that, and the actors it has created
    that die with it. ``arenas`` are the nodes whose stores it has access to; ``home`` is the node that a driver is on;
    ``missed_lines`` were printed while it ``lags``; so many ``lanes`` lead from it."""

    number: int
    kind: ClientKind
    job: int
    held: set[bytes] = field(default_factory=set)
    pins: dict[bytes, int] = field(default_factory=dict)
    waits: dict[int, WaitRecord] = field(default_factory=dict)
    buffers: dict[int, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    arenas: set[int] = field(default_factory=set)
    children: dict[bytes, ActorRecord] = field(default_factory=dict)
    lanes: int = 0
    has_lease: bool = False
    asked_to_drop_views: bool = False
    worker: WorkerRecord | None = None
    home: int = 0
    process_id: int = 0
    lags: bool = False
    missed_lines: int = 0


@dataclass(slots=True, eq=False)
class JobRecord:
    """One driver's program: where its workers find its modules, and the namespace of its names. The driver is 0 when it
    has left, and detached actors live on; ``client`` is the number that it had; one ``was_shut_down`` in order."""

    number: int
    driver: int
    namespace: str
    sys_path: tuple[str, ...]
    working_directory: str
    shows_output: bool = True
    logging: str = ""
    detaches_actors: bool = False
    client: int = 0
    entrypoint: str = ""
    process_id: int = 0
    started_at_s: float = NEVER_S
    ended_at_s: float = NEVER_S
    was_shut_down: bool = False
    runtime_env: bytes = b""


@dataclass(slots=True, eq=False)
class SchedulingClass:
    """Tasks that are the same to the scheduler: one queue for each nesting depth, and the workers leased for them.

    ``mean_duration_s`` is an exponentially weighted mean of what its tasks took; -1 before the first. ``rooms`` rank
    the nodes with room for one of them; ``turn_depth`` is the depth that last had a turn; ``feasible_at`` is the
    membership of the cluster (`NodeIndex.membership`) for which some node is known to be large enough. Since
    ``refused_at_s`` none of its tasks found room; ``kept_for_s`` is how long a node is kept free for them next;
    ``short_tasks`` counts those that ended while the mean was below what makes a task worth its while.
    """

    key: tuple[object, ...]
    job: int
    to_place: Resources
    to_hold: Resources
    is_actor: bool
    rule: Rule
    rooms: tuple[Room, ...]
    gpu_units: int = 0
    placement_group: GroupRecord | None = None
    bundle: int = -1
    runtime_env: bytes = b""
    queues: dict[int, deque[TaskRecord]] = field(default_factory=dict)
    queued: int = 0
    taken: int = 0
    turn_depth: int = 0
    leased: dict[int, WorkerRecord] = field(default_factory=dict)
    mean_duration_s: float = -1.0
    warned: bool = False
    feasible_at: int = -1
    refused_at_s: float = NEVER_S
    kept_for_s: float = 0.0
    short_tasks: int = 0


@dataclass(slots=True, frozen=True)
class Reservation:
    """A node on which nobody but ``group`` is placed for a while (`localray.kernel.reservations`)."""

    group: SchedulingClass
    node: NodeRecord
    until_s: float


@dataclass(slots=True, eq=False)
class BundleRecord:
    """One bundle of a placement group. ``shares`` says of each of its node's devices how much the bundle has, and
    ``gpu_free`` how much of that nobody in the group has; ``node_id`` is where it was last."""

    demand: Resources
    node: NodeRecord | None = None
    node_id: bytes = b""
    shares: list[int] = field(default_factory=list)
    gpu_free: list[int] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class GroupRecord:
    """One placement group. ``workers`` have resources of its bundles; ``watchers`` are the objects that become ready
    with it, and their values; ``keeper`` is the detached actor that created it, and with which it goes, if one did."""

    group_id: bytes
    strategy: PlacementStrategy
    bundles: list[BundleRecord]
    name: str
    namespace: str
    job: int
    detached: bool
    soft_target: bytes
    selectors: tuple[Conditions, ...]
    keeper: bytes
    created_at_s: float
    state: GroupState = GroupState.PENDING
    attempts: int = 0
    placed_after_s: float = 0.0
    feasible: bool = True
    warned: bool = False
    workers: dict[int, WorkerRecord] = field(default_factory=dict)
    classes: list[SchedulingClass] = field(default_factory=list)
    watchers: dict[bytes, bytes] = field(default_factory=dict)
