"""`ray.get_runtime_context()`: what a program may know about where it runs. Reads the client and the running task;
changes nothing."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from localray.actor import handle_of_running
from localray.client.context import TaskContext, current_task
from localray.client.current import connected_client, current_client, require_client, starts_by_itself
from localray.client.devices import called
from localray.ids import ActorID, JobID, NodeID, PlacementGroupID, TaskID, WorkerID
from localray.options import from_units
from localray.protocol import Query
from localray.sched.bundle_names import plain
from localray.worker import Worker, global_worker, worker_id_bytes

if TYPE_CHECKING:
    from localray.runtime_env import RuntimeEnv


_IN_A_WORKER = "This method is only available when the process is a worker. Current mode: 0"
_ACCELERATORS = ("TPU", "neuron_cores", "HPU", "NPU", "RBLN", "FURIOSA", "MBLT", "TTNPU", "GPU")
"""The kinds that Ray knows of."""


class RuntimeContext:
    """Facts about the calling task, actor or driver."""

    @property
    def worker(self) -> Worker:
        """The process, as programs know it that look behind the public API."""
        return global_worker

    @property
    def _context(self) -> TaskContext | None:
        context = current_task.get()
        if context is None:
            # A thread that a task or a call has started works for that, as in Ray.
            client = current_client()
            context = None if client is None else client.serial_task
        return context

    def get_job_id(self) -> str:
        """The job, in hexadecimal digits."""
        return JobID.from_int(require_client().job).hex()

    def get_node_id(self) -> str:
        """The node, in hexadecimal digits."""
        return require_client().node_id.hex()

    def get_worker_id(self) -> str:
        """The process, in hexadecimal digits."""
        return WorkerID(worker_id_bytes(require_client().number)).hex()

    def get_task_id(self) -> str | None:
        """The running task, in hexadecimal digits; None, with a line in the log, on a driver."""
        if self._context is None:
            # In the log, as in Ray: where warnings are errors this is none.
            import logging

            logging.getLogger("ray.runtime_context").warning(_IN_A_WORKER)
            return None
        return self._context.task_id.hex()

    def get_task_name(self) -> str | None:
        """The running task's name; None on a driver."""
        return None if self._context is None else self._context.name

    def get_task_function_name(self) -> str | None:
        """The running function's or method's name, with its module's; None on a driver."""
        return None if self._context is None else self._context.function_name

    def get_actor_id(self) -> str | None:
        """The actor, in hexadecimal digits; None outside of actors."""
        return self._context.actor_id.hex() if self._context is not None and self._context.actor_id else None

    def get_actor_name(self) -> str | None:
        """The actor's name, empty if it has none; None outside of actors."""
        if self._context is None or not self._context.actor_id:
            return None
        return self._context.actor_name

    def get_assigned_resources(self) -> dict[str, float]:
        """What the task or actor holds.

        Raises:
            AssertionError: called on a driver.
        """
        assert self._context is not None, _IN_A_WORKER
        resources = self._context.resources
        return {name: from_units(units) for name, units in (plain(resources) if self._context.group else resources)}

    def get_accelerator_ids(self) -> dict[str, list[str]]:
        """The accelerators of the task or actor, by kind; only GPUs are told apart here."""
        devices = [] if self._context is None else [str(called(device)) for device in self._context.devices]
        return {kind: devices if kind == "GPU" else [] for kind in _ACCELERATORS}

    def get_resource_ids(self) -> dict[str, list[str]]:
        """As `get_accelerator_ids`, which is the newer name."""
        _advise("get_accelerator_ids")
        return self.get_accelerator_ids()

    def get_placement_group_id(self) -> str | None:
        """The placement group, in hexadecimal digits; None outside of one."""
        return self._context.group.hex() if self._context is not None and self._context.group else None

    @property
    def current_placement_group_id(self) -> PlacementGroupID:
        """The placement group; nil outside of one. Use `get_placement_group_id`."""
        _advise("get_placement_group_id")
        group = b"" if self._context is None else self._context.group
        return PlacementGroupID(group) if group else PlacementGroupID.nil()

    @property
    def should_capture_child_tasks_in_placement_group(self) -> bool:
        """Whether child tasks go into the same placement group."""
        return self._context is not None and self._context.captures

    def get_runtime_env_string(self) -> str:
        """The runtime environment as JSON."""
        return require_client().runtime_envs.own.fields

    @property
    def runtime_env(self) -> RuntimeEnv:
        """The runtime environment, with what is inherited."""
        from localray.runtime_env import RuntimeEnv

        return RuntimeEnv.deserialize(self.get_runtime_env_string())

    def get_session_name(self) -> str:
        """The session's name."""
        return require_client().directory.name

    def is_canceled(self) -> bool:
        """Whether the running task was cancelled: for tasks that cannot be interrupted to find out.

        Raises:
            RuntimeError: called on a driver, or in an asyncio actor, whose methods get `asyncio.CancelledError`.
        """
        context = self._context
        if context is None:
            raise RuntimeError("This method is only available in a task or an actor's method.")
        if context.is_asyncio:
            raise RuntimeError(
                "This method is not supported in an async actor: its methods get asyncio.CancelledError."
            )
        return context.task_id in require_client().cancelled_tasks

    def get_temp_dir(self) -> str:
        """Where sessions have their directories: this one is below it."""
        return str(require_client().directory.parent)

    def get_node_labels(self) -> dict[str, str]:
        """The node's labels."""
        answer = require_client().ask(Query.NODES)
        rows = answer if isinstance(answer, tuple) else ()
        return next((dict(labels) for node_id, _, _, labels, *_ in rows if node_id == require_client().node_id), {})

    @property
    def namespace(self) -> str:
        """Where names of actors live."""
        return require_client().namespace

    @property
    def was_current_actor_reconstructed(self) -> bool:
        """Whether the actor has been restarted.

        Raises:
            AssertionError: called on a driver.
            RuntimeError: called in a task.
        """
        assert self._context is not None, _IN_A_WORKER
        if not self._context.actor_id:
            raise RuntimeError("This method is only available in an actor.")
        return self._context.restarts > 0

    @property
    def current_actor(self) -> object:
        """A handle of the actor that is running; it does not keep the actor alive.

        Raises:
            RuntimeError: called outside of an actor.
        """
        if self._context is None or not self._context.actor_id:
            raise RuntimeError("This method is only available in an actor.")
        return handle_of_running(self._context)

    @property
    def gcs_address(self) -> str:
        """The session's address."""
        return require_client().address

    @property
    def job_id(self) -> JobID:
        """The job. Use `get_job_id`."""
        _advise("get_job_id")
        return JobID.from_int(require_client().job)

    @property
    def node_id(self) -> NodeID:
        """The node. Use `get_node_id`."""
        _advise("get_node_id")
        return NodeID(require_client().node_id)

    @property
    def task_id(self) -> TaskID:
        """The running task. Use `get_task_id`.

        Raises:
            AssertionError: called on a driver.
        """
        _advise("get_task_id")
        assert self._context is not None, _IN_A_WORKER
        return TaskID(self._context.task_id)

    @property
    def actor_id(self) -> ActorID | None:
        """The actor; None in a task. Use `get_actor_id`.

        Raises:
            AssertionError: called on a driver.
        """
        _advise("get_actor_id")
        assert self._context is not None, _IN_A_WORKER
        return ActorID(self._context.actor_id) if self._context.actor_id else None

    def get(self) -> dict[str, object]:
        """All of it as a dictionary. Use the methods for each."""
        _advise("get_..._id")
        client = require_client()
        facts: dict[str, object] = {
            "job_id": JobID.from_int(client.job),
            "node_id": NodeID(client.node_id),
            "namespace": self.namespace,
        }
        if self._context is not None:
            facts["task_id"] = TaskID(self._context.task_id)
            if self._context.actor_id:
                facts["actor_id"] = ActorID(self._context.actor_id)
        return facts


def _advise(method: str) -> None:
    """Properties that are ids are the older way, by which programs still go."""
    warnings.warn(f"This API is deprecated. Use {method}() instead.", DeprecationWarning, stacklevel=3)


def get_runtime_context() -> RuntimeContext:
    """What may be known about where the caller runs; starts a session where there is none, unless the variable
    ``RAY_ENABLE_AUTO_CONNECT`` is 0."""
    if starts_by_itself():
        connected_client()
    return RuntimeContext()


if not TYPE_CHECKING:
    # What Ray has beside: private there, and no matter for type checkers.
    from localray.absent.catalogue import missing_in

    __getattr__ = missing_in(__name__)
