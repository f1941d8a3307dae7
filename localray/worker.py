"""`ray._private.worker.global_worker`, as far as programs look at it: facts about the calling process, asked anew each
time. Private in Ray, and widely used all the same.

Must not live here: facts of the public API (`localray.runtime_context`), anything that acts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, cast

from localray.client.context import current_task
from localray.client.current import current_client, require_client
from localray.exceptions import RaySystemError
from localray.gcs_client import GcsClient
from localray.ids import CREATION_TASK_PREFIX, ActorID, JobID, NodeID, TaskID, WorkerID, driver_task_id_bytes
from localray.listings import TaskRow
from localray.node_description import NODE_ADDRESS, store_name, unique_node_name
from localray.node_processes import HeadProcess, ProcessInfo
from localray.object_ref import ObjectRef
from localray.protocol import Query
from localray.runtime.session_home import find

SCRIPT_MODE = 0
WORKER_MODE = 1
SPILL_WORKER_MODE = 2
RESTORE_WORKER_MODE = 3


def worker_id_bytes(number: int) -> bytes:
    """The id of the process with this client number."""
    return number.to_bytes(4, "little") + b"\0" * 24


class CoreWorker:
    """Ids of what is running, as objects; what is known of references."""

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

    def get_task_depth(self) -> int:
        """How deep the running task is nested: 0 on a driver, 1 in what it has submitted."""
        context = current_task.get()
        return 0 if context is None else cast(int, _ask(Query.TASK_DEPTH, context.task_id.hex()))

    def object_exists(self, object_ref: ObjectRef[object], memory_store_only: bool = False) -> bool:
        """Whether an object has a value, or an error, that has not been freed.

        Args:
            object_ref: of the object.
            memory_store_only: accepted; there is one place to look.
        """
        rows = cast("tuple[tuple[bytes, object, int, int], ...]", _ask(Query.LOCATIONS, object_ref.hex()))
        return any(size_bytes >= 0 for _, _, size_bytes, _ in rows)

    def get_memory_store_size(self) -> int:
        """How many objects this process has the values of, in its own memory; actors' handles do not count."""
        return require_client().references.values_held()

    def get_pending_children_task_ids(self, parent_task_id: TaskID) -> list[TaskID]:
        """The tasks and calls submitted by a task that are not over."""
        parent_id = parent_task_id.binary()
        if parent_id == driver_task_id_bytes(require_client().job):
            parent_id = b""
        _, _, rows = cast("tuple[float, int, tuple[Any, ...]]", _ask(Query.LIST_TASKS))
        tasks = [TaskRow(*row) for row in rows]
        return [TaskID(task.task_id) for task in tasks if task.parent_id == parent_id and task.status < 0]

    def get_all_reference_counts(self) -> dict[bytes, dict[str, int]]:
        """For each object that this process refers to, by the digits of its id: how many reference objects there are
        (``local``), and how many of the tasks that it submitted need the object (``submitted``). Actors' handles do not
        count."""
        references = require_client().references
        local = references.counts()
        needed = dict(cast("tuple[tuple[bytes, int], ...]", _ask(Query.NEEDED_OBJECTS)))
        return {
            object_id.hex().encode(): {"local": local.get(object_id, 0), "submitted": needed.get(object_id, 0)}
            for object_id in {**local, **needed}
            if not object_id.startswith(CREATION_TASK_PREFIX)
        }


def _ask(query: Query, argument: str = "") -> object:
    return require_client().ask(query, argument)


@dataclass(frozen=True, slots=True)
class Node:
    """Where the process runs."""

    node_id: str
    gcs_address: str
    session_dir: str
    node_ip_address: str = NODE_ADDRESS

    def get_session_dir_path(self) -> str:
        """Where the session's files are."""
        return self.session_dir

    def get_logs_dir_path(self) -> str:
        """Where log files are, once there are any."""
        return os.path.join(self.session_dir, "logs")  # noqa: PTH118 - text, as in Ray

    @property
    def all_processes(self) -> dict[str, list[ProcessInfo]]:
        """By Ray's names for them: the head is both manager and control service; nothing else is a process of its
        own."""
        try:
            facts = find(self.gcs_address).facts()
        except (ConnectionError, ValueError):
            facts = None
        head = [] if facts is None else [ProcessInfo(HeadProcess(facts.head_process))]
        return {"gcs_server": head, "raylet": head, "log_monitor": [], "monitor": []}

    def kill_raylet(self, check_alive: bool = True) -> None:
        """The head dies, and the session with it."""
        for each in self.all_processes["raylet"]:
            each.process.kill()
            each.process.wait()

    kill_gcs_server = kill_raylet

    def kill_log_monitor(self, check_alive: bool = True) -> None:
        """Nothing happens: the head reads what workers print itself."""

    def kill_monitor(self, check_alive: bool = True) -> None:
        """Nothing happens: no process looks after the others."""

    def remaining_processes_alive(self) -> bool:
        """Whether the session lives: its head ends all the others."""
        try:
            _ask(Query.NOTHING)
        except (RaySystemError, ConnectionError):
            return False
        return True

    @property
    def address(self) -> str:
        """The session's."""
        return self.gcs_address

    @property
    def head(self) -> bool:
        """Whether it is the session's first node."""
        return GcsClient().cluster_id.hex() == self.node_id

    def is_head(self) -> bool:
        """As `head`."""
        return self.head

    @property
    def unique_id(self) -> str:
        """What tells the nodes of a machine apart; a node of a `Cluster` has the same."""
        return unique_node_name(self.node_id)

    @property
    def plasma_store_socket_name(self) -> str:
        """What its object store is called; the same as in `ray.nodes()`."""
        return store_name(self.node_id)

    @property
    def raylet_socket_name(self) -> str:
        """What its manager is called."""
        return f"raylet-{self.node_id}"

    @property
    def address_info(self) -> dict[str, object]:
        """Facts about it, as far as programs look at them."""
        return {
            "node_id": self.node_id,
            "node_ip_address": self.node_ip_address,
            "object_store_address": store_name(self.node_id),
            "webui_url": "",
            "session_dir": self.session_dir,
            "gcs_address": self.gcs_address,
            "address": self.gcs_address,
        }


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
        return (
            None
            if client is None
            else Node(client.node_id.hex(), client.address, str(client.directory))
        )

    @property
    def gcs_client(self) -> GcsClient:
        """The session's tables.

        Raises:
            RpcError: there is no session.
        """
        return GcsClient()

    @property
    def node_ip_address(self) -> str:
        """The machine's own address."""
        return NODE_ADDRESS

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
    def task_depth(self) -> int:
        """How deep the running task is nested, 0 on a driver."""
        return CoreWorker().get_task_depth()

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
