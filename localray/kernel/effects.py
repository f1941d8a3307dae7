"""What the kernel asks of the world, and what the world tells it besides the clients' messages.

Effects are returned by `Kernel.step` in the order in which they must be carried out. Contract of a driver:

* `Send` to one client are delivered in order and never lost while that client lives; a client that is gone is silently
skipped.
* Every other effect is answered by an event, however long it takes: `StartWorker` by `WorkerStarted` (or the worker's
own
  `WorkerReady`) or `WorkerDied`,
`KillWorker` by
  `WorkerDied`, `AllocateBuffer` by `BufferAllocated`. A driver that cannot measure leaves `MeasureMemory` unanswered.
* A worker may be sent to from the moment `StartWorker` was emitted: what is sent before its process lives is kept for
it.
* All that a worker sent before it died is stepped before its `WorkerDied`.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from localray.protocol import KernelMessage, Resources

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


class AllocateBuffer(NamedTuple):
    """Find room for so many bytes in a node's store for a client's request."""

    client: int
    request: int
    node: int
    size_bytes: int


class ReleaseBuffer(NamedTuple):
    """The bytes at this location are no one's any more."""

    node: int
    location: int
    size_bytes: int


class MeasureMemory(NamedTuple):
    """Say how much memory a node has in use, how much each of these workers, and who the so many largest users are."""

    node: int
    workers: tuple[int, ...]
    top_count: int


class Stop(NamedTuple):
    """The session is over: end every process and give everything back."""

    reason: str


Effect: TypeAlias = Send | StartWorker | KillWorker | AllocateBuffer | ReleaseBuffer | MeasureMemory | Stop

# ---------------------------------------------------------------- events from the driver of the kernel


class NodeAdded(NamedTuple):
    """A node joined."""

    node_id: bytes
    total: Resources
    labels: tuple[tuple[str, str], ...]
    store_capacity_bytes: int
    prestart: int


class DriverConnected(NamedTuple):
    """Somebody opened a driver's channel; it gets this client number (see `Kernel.new_client_number`)."""

    client: int


class DriverDisconnected(NamedTuple):
    """A driver's channel closed or its process died."""

    client: int


class WorkerStarted(NamedTuple):
    """A worker's process is up and reads its channel."""

    worker: int


class WorkerDied(NamedTuple):
    """A worker's process is gone. ``started`` is how many tasks it had begun in its life: it counts them where its
    death can't lose the count."""

    worker: int
    cause: str
    started: int


class BufferAllocated(NamedTuple):
    """The answer to `AllocateBuffer`; ``location`` is -1 when there is no room."""

    client: int
    request: int
    node: int
    location: int
    size_bytes: int


class MemoryUsed(NamedTuple):
    """The answer to `MeasureMemory`: pairs of a worker and its bytes, triples of a process, its bytes and its command;
    or at any time, from a driver that knows by itself."""

    node: int
    used_bytes: int
    total_bytes: int
    workers: tuple[tuple[int, int], ...]
    top_users: tuple[tuple[int, int, str], ...]


class Tick(NamedTuple):
    """The time that the kernel asked for (`Kernel.deadline_s`) has come, or any other moment: never harmful."""


EnvironmentEvent: TypeAlias = (
    NodeAdded | DriverConnected | DriverDisconnected | WorkerStarted | WorkerDied | BufferAllocated | MemoryUsed | Tick
)
