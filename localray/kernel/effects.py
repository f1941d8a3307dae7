"""What the kernel asks of the world, and what the world tells it besides the clients' messages.

Effects are returned by `Kernel.step` in the order in which they must be carried out. Contract of a driver:

* `Send` to one client are delivered in order and never lost while that client lives; a client that is gone is silently
skipped.
* Every other effect is answered by an event, however long it takes: `StartWorker` by `WorkerStarted` (or the worker's
  own `WorkerReady`) or `WorkerDied`, `KillWorker` by `WorkerDied`, `LaunchNode` by `NodeAdded` or `LaunchFailed`,
  `SpillObjects` by `ObjectsSpilled`, `CreateSpillFile` by `SpillFileCreated`, `KeepFile` by `FileKept`;
  `ReleaseBuffer`, `ShareArena`, `OpenLane`, `DropArena`, `CoolArena`, `DeleteSpillFile`, `ForgetFiles` and `FillBuffer`
  by nothing. `ShareArena` and `OpenLane` are ordered with the sends to their clients.
* What concerns one spill file is done in order. A range may be released, and even be written again, while it is being
  spilled: what is then in the file is never read.
* A worker may be sent to from the moment `StartWorker` was emitted: what is sent before its process lives is kept for
it.
* All that a worker sent before it died is stepped before its `WorkerDied`.

Annotations are evaluated here, for the reason that `localray.protocol` has.
"""

from typing import NamedTuple, TypeAlias

from localray.protocol import KernelMessage, Resources
from localray.shm.settings import StoreSettings

# ---------------------------------------------------------------- effects


class Send(NamedTuple):
    """Deliver a message to a client."""

    client: int
    message: KernelMessage


class StartWorker(NamedTuple):
    """Start a worker process on a node; it will be the client of this number."""

    worker: int
    node: int


class KillWorker(NamedTuple):
    """End a worker's process at once."""

    worker: int


class LaunchNode(NamedTuple):
    """Get one more node of this type; answered by `NodeAdded` with the type, or by `LaunchFailed`, whenever that is."""

    node_type: str


class ReleaseBuffer(NamedTuple):
    """The bytes at this location are no one's any more."""

    node: int
    location: int
    size_bytes: int


class ShareArena(NamedTuple):
    """Give a client access to a node's arena, before what is sent to it next: `MapArena` with the arena's descriptor.
    The arena is made when it is first shared."""

    client: int
    node: int
    capacity_bytes: int


class OpenLane(NamedTuple):
    """Connect a client with an actor's worker: `LaneOpened` to both, in order with what each is sent. What one end
    sends arrives at the other in order, and the end of the one is noticed by the other."""

    lane: int
    client: int
    worker: int
    actor_id: bytes


class DropArena(NamedTuple):
    """Nothing is in a dead node's arena any more: its memory goes when the last process lets go of it."""

    node: int


class LookAtWorkers(NamedTuple):
    """Say which of these workers' processes are stopped; not answered where that cannot be seen."""

    node: int
    workers: tuple[int, ...]


class MeasureMemory(NamedTuple):
    """Say how much memory a node has in use, how much each of these workers, and who the so many largest users are."""

    node: int
    workers: tuple[int, ...]
    top_count: int


class CoolArena(NamedTuple):
    """Nothing is in this range of a node's arena, and it has been idle: its memory is to go back to the system."""

    node: int
    offset: int
    size_bytes: int


class SpillObjects(NamedTuple):
    """Copy objects from a node's arena into one new file: ``(object id, location, size in bytes, offset in the file)``
    for each; see `localray.shm.spill_layout`. On failure nothing of the file may stay."""

    node: int
    batch: int
    path: str
    length: int
    entries: tuple[tuple[bytes, int, int, int], ...]


class CreateSpillFile(NamedTuple):
    """Make a file of this length, its blocks allocated, for a client to write one object into."""

    node: int
    file: int
    path: str
    length: int


class DeleteSpillFile(NamedTuple):
    """Nobody will open this file any more; who has mapped it may look on."""

    node: int
    path: str


class KeepFile(NamedTuple):
    """Write a file of the state directory, whole or not at all, after those that were asked for before: this header,
    then values, for each the object's id and its location, size in bytes and payload as in `localray.protocol.Value`.
    """

    name: str
    header: bytes
    values: tuple[tuple[bytes, int, int, bytes], ...]


class ForgetFiles(NamedTuple):
    """These files of the state directory are of no use any more, after what was asked for before."""

    names: tuple[str, ...]


class FillBuffer(NamedTuple):
    """Write this into a node's arena, before anything else is done there."""

    node: int
    location: int
    content: bytes


class Stop(NamedTuple):
    """The session is over: end every process and give everything back."""

    reason: str


Effect: TypeAlias = (
    Send
    | StartWorker
    | KillWorker
    | LaunchNode
    | ReleaseBuffer
    | ShareArena
    | OpenLane
    | DropArena
    | CoolArena
    | SpillObjects
    | CreateSpillFile
    | DeleteSpillFile
    | LookAtWorkers
    | MeasureMemory
    | KeepFile
    | ForgetFiles
    | FillBuffer
    | Stop
)

# ---------------------------------------------------------------- events from the driver of the kernel


class NodeAdded(NamedTuple):
    """A node joined."""

    node_id: bytes
    total: Resources
    labels: tuple[tuple[str, str], ...]
    store_capacity_bytes: int
    prestart: int
    store: StoreSettings = StoreSettings()
    name: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    node_type: str = ""


class LaunchFailed(NamedTuple):
    """A node that was to be launched does not come."""

    node_type: str
    cause: str


class NodeDied(NamedTuple):
    """A node is gone, and with it what is in its store. Its workers are killed, and answered for one by one; what they
    still say is not heard. Its arena is still read, by those on other nodes that have read it before."""

    node: int
    cause: str


class NodeDraining(NamedTuple):
    """A node will be gone soon: what runs there may get done, nothing new is to begin there."""

    node: int
    cause: str


class DeviceLost(NamedTuple):
    """A device (a GPU) of a node is gone for good, and with it whoever uses it; one that no bundle has."""

    node: int
    device: int


class DriverConnected(NamedTuple):
    """Somebody opened a driver's channel; it gets this client number (see `Kernel.new_client_number`). If it ``keeps``
    the session, that ends with it. ``node`` is the one it is on."""

    client: int
    keeps: bool = False
    node: int = 0


class DriverDisconnected(NamedTuple):
    """A driver's channel closed or its process died."""

    client: int


class DriverLags(NamedTuple):
    """More than `localray.kernel.output.MOST_UNSENT_BYTES` wait for a driver that does not take them; or no longer."""

    client: int
    lags: bool


class WorkerStarted(NamedTuple):
    """A worker's process is up and reads its channel."""

    worker: int


class WorkerDied(NamedTuple):
    """A worker's process is gone. ``started`` is how many tasks it had begun in its life: it counts them where its
    death can't lose the count."""

    worker: int
    cause: str
    started: int


class ObjectsSpilled(NamedTuple):
    """The answer to `SpillObjects`; ``failure`` says why not, and is empty on success."""

    node: int
    batch: int
    failure: str
    duration_s: float


class SpillFileCreated(NamedTuple):
    """The answer to `CreateSpillFile`; ``failure`` says why not, and is empty on success."""

    node: int
    file: int
    failure: str


class FileKept(NamedTuple):
    """The answer to `KeepFile`: it is on the disk; ``failure`` says why not, and is empty on success."""

    name: str
    failure: str


class WorkersStopped(NamedTuple):
    """The answer to `LookAtWorkers`: whose processes are stopped by a signal, as opposed to a debugger."""

    node: int
    stopped: tuple[int, ...]


class MemoryUsed(NamedTuple):
    """The answer to `MeasureMemory`: pairs of a worker and its bytes, triples of a process, its bytes and its command;
    or at any time, from a driver that knows by itself."""

    node: int
    used_bytes: int
    total_bytes: int
    workers: tuple[tuple[int, int], ...]
    top_users: tuple[tuple[int, int, str], ...]


class WorkerPrinted(NamedTuple):
    """A worker has printed lines on its standard output or error; the task or actor that did is named if known. All
    that a worker printed before it said something is told before that is stepped."""

    worker: int
    is_error: bool
    name: str
    lines: tuple[str, ...]


class Tick(NamedTuple):
    """The time that the kernel asked for (`Kernel.deadline_s`) has come, or any other moment: never harmful."""


EnvironmentEvent: TypeAlias = (
    NodeAdded
    | LaunchFailed
    | NodeDied
    | NodeDraining
    | DeviceLost
    | DriverConnected
    | DriverDisconnected
    | DriverLags
    | WorkerStarted
    | WorkerDied
    | ObjectsSpilled
    | SpillFileCreated
    | FileKept
    | WorkersStopped
    | MemoryUsed
    | WorkerPrinted
    | Tick
)
