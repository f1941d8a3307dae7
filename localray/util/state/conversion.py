"""From the kernel's rows to Ray's columns: a dictionary for each row, with Ray's names and units.

Must not live here: asking the kernel, filters (`api`).
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterable
from typing import Any

from localray.client.values import error_of
from localray.ids import JobID, TaskID, WorkerID, driver_task_id_bytes
from localray.job_details import DriverInfo, JobStatus, JobType
from localray.listings import ActorRow, GroupRow, JobRow, NodeRow, RuntimeEnvRow, TaskRow, WorkerRow, phases
from localray.node_description import NODE_ADDRESS
from localray.options import from_units
from localray.protocol import INLINE, HeldObject, Resources, Status, TaskKind
from localray.sched.bundle_names import plain

_TASK_TYPES = {
    TaskKind.TASK: "NORMAL_TASK",
    TaskKind.ACTOR_CREATION: "ACTOR_CREATION_TASK",
    TaskKind.ACTOR_CALL: "ACTOR_TASK",
}
_ERROR_TYPES = {
    Status.TASK_ERROR: "TASK_EXECUTION_EXCEPTION",
    Status.ARGUMENT_FAILED: "TASK_EXECUTION_EXCEPTION",
    Status.WORKER_CRASHED: "WORKER_DIED",
    Status.ACTOR_DIED: "ACTOR_DIED",
    Status.ACTOR_CREATION_FAILED: "ACTOR_CREATION_FAILED",
    Status.ACTOR_ARGUMENT_FAILED: "ACTOR_CREATION_FAILED",
    Status.CANCELLED: "TASK_CANCELLED",
    Status.INTERRUPTED: "TASK_CANCELLED",
    Status.FREED: "OBJECT_FREED",
    Status.LOST: "OBJECT_LOST",
    Status.UNSCHEDULABLE: "TASK_UNSCHEDULABLE_ERROR",
    Status.ACTOR_UNAVAILABLE: "ACTOR_UNAVAILABLE",
    Status.OUT_OF_MEMORY: "OUT_OF_MEMORY",
    Status.OUT_OF_DISK: "OUT_OF_DISK_ERROR",
    Status.ACTOR_UNSCHEDULABLE: "ACTOR_UNSCHEDULABLE_ERROR",
    Status.GROUP_REMOVED: "TASK_PLACEMENT_GROUP_REMOVED",
    Status.NODE_DIED: "NODE_DIED",
    Status.RUNTIME_ENV_FAILED: "RUNTIME_ENV_SETUP_FAILED",
    Status.OWNER_DIED: "OWNER_DIED",
    Status.UNRECONSTRUCTABLE: "OBJECT_UNRECONSTRUCTABLE",
}
_ERROR_TYPES_BY_KIND = {
    (TaskKind.ACTOR_CALL, Status.ACTOR_CREATION_FAILED): "ACTOR_DIED",
    (TaskKind.ACTOR_CALL, Status.ACTOR_ARGUMENT_FAILED): "ACTOR_DIED",
    (TaskKind.ACTOR_CREATION, Status.ACTOR_DIED): "WORKER_DIED",
}
"""Where Ray has another word for constructors, or for calls, than for the rest."""


_READ_AS: dict[int, int] = {
    Status.TASK_ERROR: Status.TASK_ERROR.value,
    Status.ACTOR_CREATION_FAILED: Status.TASK_ERROR.value,
    Status.ARGUMENT_FAILED: Status.ARGUMENT_FAILED.value,
    Status.ACTOR_ARGUMENT_FAILED: Status.ARGUMENT_FAILED.value,
}
"""Of outcomes whose payload is no text, what it is read as."""


NIL_TASK_ID = TaskID.nil().binary()
_TRUSTED_S = 1.0
"""The machine's time may be set while a session runs, or stand still with the session's; then times are told anew."""


class Clock:
    """Times of the session's clock as milliseconds since 1970.

    Args:
        now_s: what the session's clock showed a moment ago.
        earlier: one of the same session, that is followed as long as it is right to a second: how long an answer takes
            is another each time, and a thing's times are not.
    """

    def __init__(self, now_s: float, earlier: Clock | None = None) -> None:
        self._offset_s = time.time() - now_s
        if earlier is not None and abs(self._offset_s - earlier._offset_s) < _TRUSTED_S:
            self._offset_s = earlier._offset_s

    def exact_ms(self, at_s: float) -> float:
        """The time as milliseconds with a fraction."""
        return (at_s + self._offset_s) * 1000

    def ms(self, at_s: float, never: int | None = None) -> int | None:
        """The time as milliseconds; ``never`` for one that has not come."""
        return int((at_s + self._offset_s) * 1000) if at_s >= 0 else never


Rows = Iterable[Any]
Columns = dict[str, Any]


def _hex(identity: bytes) -> str | None:
    return identity.hex() if identity else None


def _worker_id(client: int) -> str | None:
    return WorkerID(client.to_bytes(4, "little") + b"\0" * 24).hex() if client else None


def _job_id(number: int) -> str:
    return JobID.from_int(number).hex()


def _amounts(resources: Resources, group: bytes = b"") -> dict[str, float]:
    return {name: from_units(units) for name, units in (plain(resources) if group else resources)}


def error_text(status: int, payload: bytes) -> str:
    """What an outcome says that is an error."""
    read_as = _READ_AS.get(status)
    if read_as is not None:
        if not payload:
            return "User exception, too long to be kept."
        try:
            return f"User exception:\n{error_of(b'', (read_as, payload, INLINE, len(payload)))}"
        except Exception as error:  # noqa: BLE001 - the user's exception class is not to be had here
            return f"User exception that cannot be read here: {error}"
    return payload.decode(errors="replace")


def _error_type(kind: TaskKind, status: Status) -> str | None:
    return _ERROR_TYPES_BY_KIND.get((kind, status)) or _ERROR_TYPES.get(status)


def task(row: TaskRow, clock: Clock, detail: bool) -> Columns:
    """A task's columns."""
    has_failed = row.status > Status.VALUE
    columns: Columns = {
        "task_id": row.task_id.hex(),
        "attempt_number": row.attempt,
        "name": row.name,
        "state": row.state,
        "job_id": _job_id(row.job),
        "actor_id": _hex(row.actor_id),
        "type": _TASK_TYPES[TaskKind(row.kind)],
        "func_or_class_name": row.function,
        "parent_task_id": (row.parent_id or driver_task_id_bytes(row.job)).hex(),
        "node_id": _hex(row.node_id),
        "worker_id": _worker_id(row.worker),
        "worker_pid": row.process_id or None,
        "error_type": _error_type(TaskKind(row.kind), Status(row.status)) if has_failed else None,
        "language": "PYTHON",
        "placement_group_id": _hex(row.group),
        "is_debugger_paused": None,
    }
    if detail:
        columns |= {
            "required_resources": _amounts(row.resources, row.group),
            "runtime_env_info": _runtime_env_info(row.runtime_env),
            "events": _events(row, clock),
            "profiling_data": _profiling_data(row, clock),
            "creation_time_ms": clock.ms(row.created_at_s),
            "start_time_ms": clock.ms(row.started_at_s),
            "end_time_ms": clock.ms(row.ended_at_s),
            "error_message": error_text(row.status, row.error) if has_failed else None,
            "call_site": _call_site(row.site),
            "label_selector": {},
            "fallback_strategy": {"options": []},
        }
    return columns


def _runtime_env_info(fields: str) -> Columns:
    """A runtime environment as it is told of with a task."""
    if not fields:
        return {"serialized_runtime_env": "{}"}
    config = {"setup_timeout_seconds": 600, "eager_install": True, "log_files": []}
    given = json.loads(fields).get("config") or {}
    return {"serialized_runtime_env": fields, "runtime_env_config": {**config, **given}}


def driver_task(row: JobRow, clock: Clock) -> Columns:
    """A driver as the task that it is said to run, by its job: those who list tasks may ask for these too."""
    task_row = TaskRow(
        driver_task_id_bytes(row.number),
        0,
        "",
        "",
        "RUNNING" if row.is_running else "FINISHED",
        row.number,
        b"",
        TaskKind.TASK.value,
        NIL_TASK_ID,
        b"",
        0,
        0,
        -1,
        b"",
        (),
        b"",
        -1.0,
        -1.0,
        row.started_at_s,
        row.ended_at_s,
    )
    return task(task_row, clock, detail=True) | {"type": "DRIVER_TASK"}


def _events(row: TaskRow, clock: Clock) -> list[Columns]:
    times = [
        ("PENDING_ARGS_AVAIL", row.created_at_s),
        ("SUBMITTED_TO_WORKER", row.sent_at_s),
        ("RUNNING", row.started_at_s),
        (row.state, row.ended_at_s),
    ]
    return [{"state": state, "created_ms": float(clock.ms(at_s) or 0)} for state, at_s in times if at_s >= 0]


def _profiling_data(row: TaskRow, clock: Clock) -> Columns:
    """The parts of a task that is over, and the whole of it; empty before, as where it never ran."""
    parts = phases(row)
    if not parts or not row.worker:
        return {}
    whole = (f"task::{row.function}", row.started_at_s, row.ended_at_s)
    return {
        "component_type": "worker",
        "component_id": _worker_id(row.worker),
        "node_ip_address": NODE_ADDRESS,
        "events": [
            {
                "start_time": clock.exact_ms(begin_s),
                "end_time": clock.exact_ms(end_s),
                "extra_data": {"name": row.name, "task_id": row.task_id.hex()} if name == whole[0] else {},
                "event_name": name,
            }
            for name, begin_s, end_s in [*parts, whole]
        ],
    }


def _call_site(site: str) -> str | None:
    """The lines that led to a submission as a traceback has them, the innermost last; None where nothing was recorded.

    >>> _call_site("(task call) a.py:f:7 | b.py:<module>:9").splitlines()
    ['  File "b.py", line 9, in <module>', '  File "a.py", line 7, in f']
    """
    if not site:
        return None
    frames = [frame.rsplit(":", 2) for frame in site.partition(") ")[2].split(" | ") if frame.count(":") >= 2]
    return "".join(f'  File "{file}", line {line}, in {name}\n' for file, name, line in reversed(frames))


def actor(row: ActorRow, clock: Clock, detail: bool) -> Columns:
    """An actor's columns."""
    columns: Columns = {
        "actor_id": row.actor_id.hex(),
        "class_name": row.class_name,
        "state": row.state,
        "job_id": _job_id(row.job),
        "name": row.name,
        "node_id": _hex(row.node_id),
        "pid": row.process_id,
        "ray_namespace": row.namespace,
        "placement_group_id": _hex(row.group),
        "repr_name": row.repr_name,
    }
    if detail:
        columns |= {
            "serialized_runtime_env": row.runtime_env or "{}",
            "required_resources": _amounts(row.resources, row.group),
            "death_cause": _death_cause(row) if row.state == "DEAD" else None,
            "is_detached": bool(row.is_detached),
            "num_restarts": row.restarts,
            "num_restarts_due_to_lineage_reconstruction": 0,
            "num_restarts_due_to_node_preemption": 0,
            "call_site": _call_site(row.site),
            "label_selector": {},
        }
    return columns


def _death_cause(row: ActorRow) -> Columns:
    text = error_text(row.status, row.death)
    if row.status in (Status.ACTOR_CREATION_FAILED, Status.ACTOR_ARGUMENT_FAILED):
        # What became of an argument is no exception yet: that is made by whoever reads it.
        exception = row.death if row.status == Status.ACTOR_CREATION_FAILED else b""
        return {
            "creation_task_failure_context": {
                "language": "PYTHON",
                "formatted_exception_string": text,
                "serialized_exception": base64.b64encode(exception).decode(),
            }
        }
    return {
        "actor_died_error_context": {
            "actor_id": row.actor_id.hex(),
            "class_name": row.class_name,
            "error_message": text,
            "name": row.name,
            "never_started": not row.process_id,
            "node_ip_address": NODE_ADDRESS,
            "owner_id": _worker_id(row.owner),
            "owner_ip_address": NODE_ADDRESS,
            "pid": row.process_id,
            "ray_namespace": row.namespace,
        }
    }


def worker(row: WorkerRow, clock: Clock, detail: bool) -> Columns:
    """A process's columns."""
    return {
        "worker_id": _worker_id(row.client),
        "is_alive": bool(row.is_alive),
        "worker_type": "DRIVER" if row.is_driver else "WORKER",
        "exit_type": row.exit_type or None,
        "node_id": row.node_id.hex(),
        "ip": NODE_ADDRESS,
        "pid": row.process_id,
        "exit_detail": row.exit_reason or None,
        "worker_launch_time_ms": clock.ms(row.launched_at_s, -1),
        "worker_launched_time_ms": clock.ms(row.started_at_s, -1),
        "start_time_ms": clock.ms(row.started_at_s, 0),
        "end_time_ms": clock.ms(row.ended_at_s, 0),
    }


def node(row: NodeRow, clock: Clock, detail: bool) -> Columns:
    """A node's columns."""
    return {
        "node_id": row.node_id.hex(),
        "node_ip": NODE_ADDRESS,
        "is_head_node": row.number == 0,
        "state": "ALIVE" if row.is_alive else "DEAD",
        "state_message": row.death_cause or None,
        "node_name": row.name or NODE_ADDRESS,
        "resources_total": _amounts(row.resources) if row.is_alive else {},
        "labels": dict(row.labels),
        "start_time_ms": clock.ms(row.joined_at_s),
        "end_time_ms": clock.ms(row.died_at_s, 0),
    }


def job(row: JobRow, clock: Clock, detail: bool) -> Columns:
    """A driver's columns."""
    job_id = _job_id(row.number)
    return {
        "type": JobType.DRIVER,
        "job_id": job_id,
        "submission_id": None,
        "driver_info": DriverInfo(job_id, NODE_ADDRESS, str(row.process_id)),
        "status": JobStatus.RUNNING if row.is_running else JobStatus.SUCCEEDED,
        "entrypoint": row.entrypoint,
        "start_time": clock.ms(row.started_at_s),
        "end_time": clock.ms(row.ended_at_s, 0),
        "metadata": {},
        "runtime_env": {},
    }


def placement_group(row: GroupRow, clock: Clock, detail: bool) -> Columns:
    """A placement group's columns."""
    group_id = row.group_id.hex()
    bundles = [
        {
            "bundle_id": {"bundle_index": index, "placement_group_id": group_id},
            "label_selector": {},
            "node_id": node_id.hex(),
            "unit_resources": _amounts(demand),
        }
        for index, (demand, node_id) in enumerate(zip(row.bundles, row.node_ids, strict=True))
    ]
    created_ns = (clock.ms(row.created_at_s) or 0) * 1_000_000
    placed_us = str(int(row.placed_after_s * 1_000_000))
    return {
        "placement_group_id": group_id,
        "name": row.name,
        "creator_job_id": _job_id(row.job),
        "state": row.state,
        "bundles": bundles,
        "is_detached": bool(row.is_detached),
        "stats": {
            "creation_request_received_ns": str(created_ns),
            "end_to_end_creation_latency_us": placed_us,
            "scheduling_latency_us": placed_us,
            "highest_retry_delay_ms": 0.0,
            "scheduling_attempt": row.attempts,
            "scheduling_state": row.last_attempt,
        },
        "topology_strategy": {},
        "topology_assignments": {},
    }


def runtime_env(row: RuntimeEnvRow, clock: Clock, detail: bool) -> Columns:
    """A runtime environment's columns; how long it took to be set up is not measured."""
    return {
        "runtime_env": json.loads(row.fields or "{}"),
        "success": not row.error,
        "creation_time_ms": None,
        "node_id": row.node_id.hex(),
        "ref_cnt": row.users,
        "error": row.error or None,
    }


def held_object(row: HeldObject, clock: Clock, detail: bool) -> Columns:
    """An object's columns, as one process holds it."""
    return {
        "object_id": row.object_id.hex(),
        "object_size": row.size_bytes,
        "task_status": "NIL" if row.status == "-" else row.status,
        "attempt_number": row.attempt,
        "reference_type": row.kind,
        "call_site": row.site or "disabled",
        "type": "DRIVER" if row.is_driver else "WORKER",
        "pid": row.process_id,
        "ip": NODE_ADDRESS,
    }


Converter = Callable[[Any, Clock, bool], Columns]
