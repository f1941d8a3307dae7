"""`ray._private.worker.global_worker`, as far as programs look at it: facts about the calling process, asked anew each
time. Private in Ray, and widely used all the same.

Must not live here: facts of the public API (`localray.runtime_context`), anything that acts.
"""

from __future__ import annotations

from dataclasses import dataclass

from localray.client.context import current_task
from localray.client.current import current_client, require_client
from localray.exceptions import RaySystemError
from localray.ids import ActorID, JobID, NodeID, TaskID, WorkerID, driver_task_id_bytes

SCRIPT_MODE = 0
WORKER_MODE = 1
SPILL_WORKER_MODE = 2
RESTORE_WORKER_MODE = 3


def worker_id_bytes(number: int) -> bytes:
    """The id of the process with this client number."""
    return number.to_bytes(4, "little") + b"\0" * 24


class CoreWorker:
    """Ids of what is running, as objects."""

    def get_worker_id(self) -> WorkerID:
        """The process."""
        return WorkerID(worker_id_bytes(require_client().number))

    def get_current_job_id(self) -> JobID:
        """The job."""
        return JobID.from_int(require_client().job)

    def get_current_node_id(self) -> NodeID:
        """The node."""
        return NodeID(require_client().node_id)

    def get_current_task_id(self) -> TaskID:
        """The running task; on a driver the one it stands for."""
        context = current_task.get()
        return TaskID(driver_task_id_bytes(require_client().job) if context is None else context.task_id)

    def get_actor_id(self) -> ActorID:
        """The running actor; nil outside of actors."""
        context = current_task.get()
        return ActorID(context.actor_id) if context is not None and context.actor_id else ActorID.nil()


@dataclass(frozen=True, slots=True)
class Node:
    """Where the process runs."""

    address_info: dict[str, object]
    node_ip_address: str = "127.0.0.1"


class Worker:
    """Facts about the calling process."""

    @property
    def connected(self) -> bool:
        """Whether there is a session."""
        return current_client() is not None

    @property
    def mode(self) -> int | None:
        """SCRIPT_MODE on a driver, WORKER_MODE in tasks and actors, None without a session."""
        client = current_client()
        if client is None:
            return None
        return WORKER_MODE if client.stalls else SCRIPT_MODE

    @property
    def core_worker(self) -> CoreWorker:
        """Ids of what is running.

        Raises:
            AttributeError: there is no session.
        """
        if not self.connected:
            raise AttributeError("'Worker' object has no attribute 'core_worker': there is no session.")
        return CoreWorker()

    @property
    def node(self) -> Node | None:
        """Where the process runs; None without a session."""
        client = current_client()
        return None if client is None else Node({"node_id": client.node_id.hex(), "node_ip_address": "127.0.0.1"})

    @property
    def node_ip_address(self) -> str:
        """The machine's own address."""
        return "127.0.0.1"

    @property
    def namespace(self) -> str:
        """Where names of actors live."""
        return require_client().namespace

    @property
    def worker_id(self) -> bytes:
        """The process's id."""
        return worker_id_bytes(require_client().number)

    @property
    def current_job_id(self) -> JobID:
        """The job; nil without a session."""
        return CoreWorker().get_current_job_id() if self.connected else JobID.nil()

    @property
    def current_node_id(self) -> NodeID:
        """The node."""
        return CoreWorker().get_current_node_id()

    @property
    def current_task_id(self) -> TaskID:
        """The running task."""
        return CoreWorker().get_current_task_id()

    @property
    def actor_id(self) -> ActorID:
        """The running actor; nil outside of actors."""
        return CoreWorker().get_actor_id()

    def check_connected(self) -> None:
        """Raises:
        RaySystemError: there is no session.
        """
        if not self.connected:
            raise RaySystemError("Ray has not been started yet. You can start Ray with 'ray.init()'.")


global_worker = Worker()
