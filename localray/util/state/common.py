"""The shapes of the state API, by Ray's names: a dataclass for each kind of thing, whose fields say which of them can
be filtered by and which are details; options; summaries.

Must not live here: asking the session (`api`), making these of the kernel's rows (`conversion`).
"""

# ruff: noqa: RUF009 - `state_column` is `dataclasses.field` with more words

from __future__ import annotations

import datetime
import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from typing import Any

from localray.absent.catalogue import missing_in
from localray.job_details import DriverInfo, JobStatus, JobType

DEFAULT_RPC_TIMEOUT = 30
DEFAULT_LIMIT = 100
DEFAULT_LOG_LIMIT = 1000
RAY_MAX_LIMIT_FROM_API_SERVER = int(os.environ.get("RAY_MAX_LIMIT_FROM_API_SERVER", "10000"))
RAY_MAX_LIMIT_FROM_DATA_SOURCE = 10_000

Filter = tuple[str, str, "str | bool | int | float"]
"""A key, ``=`` or ``!=``, and a value."""


class StateResource(Enum):
    """What can be listed."""

    ACTORS = "actors"
    JOBS = "jobs"
    PLACEMENT_GROUPS = "placement_groups"
    NODES = "nodes"
    WORKERS = "workers"
    TASKS = "tasks"
    OBJECTS = "objects"
    RUNTIME_ENVS = "runtime_envs"
    CLUSTER_EVENTS = "cluster_events"


class SummaryResource(Enum):
    """What can be summarized."""

    ACTORS = "actors"
    TASKS = "tasks"
    OBJECTS = "objects"


class Humanify:
    """Figures as people read them."""

    @staticmethod
    def timestamp(x: float) -> str:
        """Milliseconds since 1970 as a date and time."""
        return str(datetime.datetime.fromtimestamp(x / 1000))

    @staticmethod
    def memory(x: float) -> str:
        """Bytes in the unit that fits."""
        for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
            if x >= unit:
                return f"{x / unit:.3f} {name}"
        return f"{x:.3f} B"

    @staticmethod
    def duration(x: float) -> str:
        """Milliseconds as hours, minutes and seconds."""
        return str(datetime.timedelta(milliseconds=x))

    @staticmethod
    def events(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Events with readable times."""
        for event in events:
            event["created_ms"] = Humanify.timestamp(event["created_ms"])
        return events

    @staticmethod
    def node_resources(resources: dict[str, Any]) -> dict[str, Any]:
        """Resources with readable memory."""
        return {name: Humanify.memory(amount) if "memory" in name else amount for name, amount in resources.items()}


@dataclass
class ListApiOptions:
    """How to list: so many at most, within so many seconds, with details or without, only what fits all filters."""

    limit: int = DEFAULT_LIMIT
    timeout: int = DEFAULT_RPC_TIMEOUT
    detail: bool = False
    filters: list[Filter] | None = field(default_factory=list)
    exclude_driver: bool = True
    server_timeout_multiplier: float = 0.8

    def __post_init__(self) -> None:
        self.timeout = max(1, int(self.timeout * self.server_timeout_multiplier))
        self.filters = self.filters or []
        for each in self.filters:
            _, predicate, _ = each
            if predicate not in ("=", "!="):
                raise ValueError(f"Unsupported filter predicate {predicate} is given. Available predicates: =, !=.")

    def has_conflicting_filters(self) -> bool:
        """Whether nothing can fit, because one key is to equal two values; the user is told."""
        wanted: dict[str, object] = {}
        for key, predicate, value in self.filters or ():
            if predicate == "=" and wanted.setdefault(key, value) != value:
                warnings.warn(
                    f"There are multiple '=' filters with the same key '{key}' but different values'{wanted[key]}' & "
                    f"'{value}'. Empty result set will be returned",
                    UserWarning,
                    stacklevel=4,
                )
                return True
        return False


@dataclass
class GetApiOptions:
    """How to look one thing up."""

    timeout: int = DEFAULT_RPC_TIMEOUT
    server_timeout_multiplier: float = 0.8


@dataclass
class SummaryApiOptions:
    """How to summarize."""

    timeout: int = DEFAULT_RPC_TIMEOUT
    filters: list[Filter] | None = field(default_factory=list)
    summary_by: str | None = None


def state_column(
    *, filterable: bool, detail: bool = False, format_fn: Callable[[Any], object] | None = None, **kwargs: Any
) -> Any:
    """A field of a state: whether it can be filtered by, is a detail, and how people read it."""
    if detail:
        kwargs.setdefault("default", None)
    return field(metadata={"detail": detail, "filterable": filterable, "format_fn": format_fn}, **kwargs)


class StateSchema:
    """What all states can do: name their columns, be read like a dictionary."""

    @classmethod
    def list_columns(cls, detail: bool = True) -> list[str]:
        """The columns' names; without ``detail`` only those that are always told."""
        return [each.name for each in fields(cls) if detail or not each.metadata["detail"]]  # type: ignore[arg-type]

    @classmethod
    def columns(cls) -> set[str]:
        """All columns' names."""
        return set(cls.list_columns())

    @classmethod
    def filterable_columns(cls) -> set[str]:
        """The names of those that can be filtered by."""
        return {each.name for each in fields(cls) if each.metadata["filterable"]}  # type: ignore[arg-type]

    @classmethod
    def base_columns(cls) -> set[str]:
        """The names of those that are told without details."""
        return set(cls.list_columns(detail=False))

    @classmethod
    def detail_columns(cls) -> set[str]:
        """All columns' names."""
        return set(cls.list_columns(detail=True))

    @classmethod
    def column_types(cls) -> dict[str, str]:
        """The columns' types, as they are written."""
        return {each.name: str(each.type) for each in fields(cls)}  # type: ignore[arg-type]

    @classmethod
    def humanify(cls, state: dict[str, Any]) -> dict[str, Any]:
        """A state as a dictionary that people read."""
        for each in fields(cls):  # type: ignore[arg-type]
            format_fn = each.metadata["format_fn"]
            if format_fn is not None and state.get(each.name) is not None:
                state[each.name] = format_fn(state[each.name])
        return state

    def asdict(self) -> dict[str, Any]:
        """The state as a dictionary."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)

    def __setitem__(self, key: str, value: object) -> None:
        setattr(self, key, value)

    def get(self, key: str, default: object = None) -> Any:
        """A column, or the default if there is none of this name."""
        return getattr(self, key, default)


@dataclass
class ActorState(StateSchema):
    """An actor: DEPENDENCIES_UNREADY while its constructor waits for arguments, PENDING_CREATION, ALIVE, RESTARTING,
    DEAD. ``pid`` is 0 until it has a process."""

    actor_id: str = state_column(filterable=True)
    class_name: str = state_column(filterable=True)
    state: str = state_column(filterable=True)
    job_id: str = state_column(filterable=True)
    name: str | None = state_column(filterable=True)
    node_id: str | None = state_column(filterable=True)
    pid: int | None = state_column(filterable=True)
    ray_namespace: str | None = state_column(filterable=True)
    serialized_runtime_env: str | None = state_column(filterable=False, detail=True)
    required_resources: dict[str, float] | None = state_column(filterable=False, detail=True)
    death_cause: dict[str, Any] | None = state_column(filterable=False, detail=True)
    is_detached: bool | None = state_column(filterable=False, detail=True)
    placement_group_id: str | None = state_column(detail=True, filterable=True)
    repr_name: str | None = state_column(detail=True, filterable=True)
    num_restarts: int = state_column(filterable=False, detail=True)
    num_restarts_due_to_lineage_reconstruction: int = state_column(filterable=False, detail=True)
    num_restarts_due_to_node_preemption: int = state_column(filterable=False, detail=True)
    call_site: str | None = state_column(detail=True, filterable=False)
    label_selector: dict[str, str] | None = state_column(detail=True, filterable=False)
    fallback_strategy: dict[str, Any] | None = state_column(detail=True, filterable=False)


@dataclass
class PlacementGroupState(StateSchema):
    """A placement group: PENDING, CREATED, RESCHEDULING, REMOVED."""

    placement_group_id: str = state_column(filterable=True)
    name: str = state_column(filterable=True)
    creator_job_id: str = state_column(filterable=True)
    state: str = state_column(filterable=True)
    bundles: list[dict[str, Any]] | None = state_column(filterable=False, detail=True)
    is_detached: bool | None = state_column(filterable=True, detail=True)
    stats: dict[str, Any] | None = state_column(filterable=False, detail=True)
    topology_strategy: dict[str, str] | None = state_column(filterable=False, detail=True)
    topology_assignments: dict[str, str] | None = state_column(filterable=False, detail=True)


@dataclass
class NodeState(StateSchema):
    """A node: ALIVE or DEAD."""

    node_id: str = state_column(filterable=True)
    node_ip: str = state_column(filterable=True)
    is_head_node: bool = state_column(filterable=True)
    state: str = state_column(filterable=True)
    state_message: str | None = state_column(filterable=False)
    node_name: str = state_column(filterable=True)
    resources_total: dict[str, float] = state_column(filterable=False, format_fn=Humanify.node_resources)
    labels: dict[str, str] = state_column(filterable=False)
    start_time_ms: int | None = state_column(filterable=False, detail=True, format_fn=Humanify.timestamp)
    end_time_ms: int | None = state_column(filterable=False, detail=True, format_fn=Humanify.timestamp)


@dataclass
class JobState(StateSchema):
    """A driver's program, or an entrypoint that was submitted as a job."""

    type: JobType = state_column(filterable=True)
    job_id: str | None = state_column(filterable=True, default=None)
    submission_id: str | None = state_column(filterable=True, default=None)
    driver_info: DriverInfo | None = state_column(filterable=False, default=None)
    status: JobStatus | None = state_column(filterable=True, default=None)
    entrypoint: str = state_column(filterable=False, default="")
    message: str | None = state_column(filterable=False, default=None)
    error_type: str | None = state_column(filterable=False, default=None)
    start_time: int | None = state_column(filterable=False, detail=True, format_fn=Humanify.timestamp)
    end_time: int | None = state_column(filterable=False, detail=True, format_fn=Humanify.timestamp)
    metadata: dict[str, str] | None = state_column(filterable=False, detail=True)
    runtime_env: dict[str, Any] | None = state_column(filterable=False, detail=True)
    driver_agent_http_address: str | None = state_column(filterable=False, detail=True)
    driver_node_id: str | None = state_column(filterable=False, detail=True)
    driver_exit_code: int | None = state_column(filterable=False, detail=True)


@dataclass
class WorkerState(StateSchema):
    """A process: WORKER or DRIVER. ``exit_type`` says why it has ended: SYSTEM_ERROR, INTENDED_SYSTEM_EXIT, USER_ERROR,
    INTENDED_USER_EXIT, NODE_OUT_OF_MEMORY."""

    worker_id: str = state_column(filterable=True)
    is_alive: bool = state_column(filterable=True)
    worker_type: str = state_column(filterable=True)
    exit_type: str | None = state_column(filterable=True)
    node_id: str = state_column(filterable=True)
    ip: str = state_column(filterable=True)
    pid: int = state_column(filterable=True)
    exit_detail: str | None = state_column(detail=True, filterable=False)
    worker_launch_time_ms: int | None = state_column(filterable=False, detail=True, format_fn=Humanify.timestamp)
    worker_launched_time_ms: int | None = state_column(filterable=False, detail=True, format_fn=Humanify.timestamp)
    start_time_ms: int | None = state_column(filterable=False, detail=True, format_fn=Humanify.timestamp)
    end_time_ms: int | None = state_column(filterable=False, detail=True, format_fn=Humanify.timestamp)
    debugger_port: int | None = state_column(filterable=True, detail=True)
    num_paused_threads: int | None = state_column(filterable=True, detail=True)


@dataclass
class ClusterEventState(StateSchema):
    """Ray's events of a cluster; none here."""

    severity: str = state_column(filterable=True)
    time: str = state_column(filterable=False)
    source_type: str = state_column(filterable=True)
    message: str = state_column(filterable=False)
    event_id: str = state_column(filterable=True)
    custom_fields: dict[str, Any] | None = state_column(filterable=False, detail=True)


@dataclass
class TaskState(StateSchema):
    """One attempt of a task, constructor or call. PENDING_ARGS_AVAIL, PENDING_NODE_ASSIGNMENT, SUBMITTED_TO_WORKER,
    RUNNING, FINISHED, FAILED; times in milliseconds since 1970."""

    task_id: str = state_column(filterable=True)
    attempt_number: int = state_column(filterable=True)
    name: str = state_column(filterable=True)
    state: str = state_column(filterable=True)
    job_id: str = state_column(filterable=True)
    actor_id: str | None = state_column(filterable=True)
    type: str = state_column(filterable=True)
    func_or_class_name: str = state_column(filterable=True)
    parent_task_id: str = state_column(filterable=True)
    node_id: str | None = state_column(filterable=True)
    worker_id: str | None = state_column(filterable=True)
    worker_pid: int | None = state_column(filterable=True)
    error_type: str | None = state_column(filterable=True)
    language: str | None = state_column(detail=True, filterable=True)
    required_resources: dict[str, float] | None = state_column(detail=True, filterable=False)
    runtime_env_info: dict[str, Any] | None = state_column(detail=True, filterable=False)
    placement_group_id: str | None = state_column(detail=True, filterable=True)
    events: list[dict[str, Any]] | None = state_column(detail=True, filterable=False, format_fn=Humanify.events)
    profiling_data: dict[str, Any] | None = state_column(detail=True, filterable=False)
    creation_time_ms: int | None = state_column(detail=True, filterable=False, format_fn=Humanify.timestamp)
    start_time_ms: int | None = state_column(detail=True, filterable=False, format_fn=Humanify.timestamp)
    end_time_ms: int | None = state_column(detail=True, filterable=False, format_fn=Humanify.timestamp)
    task_log_info: dict[str, Any] | None = state_column(detail=True, filterable=False)
    error_message: str | None = state_column(detail=True, filterable=False)
    is_debugger_paused: bool | None = state_column(detail=True, filterable=True)
    call_site: str | None = state_column(detail=True, filterable=False)
    label_selector: dict[str, str] | None = state_column(detail=True, filterable=False)
    fallback_strategy: dict[str, Any] | None = state_column(detail=True, filterable=False)


@dataclass
class ObjectState(StateSchema):
    """One object in the hands of one process; ``object_size`` in bytes, -1 where it is not known."""

    object_id: str = state_column(filterable=True)
    object_size: int = state_column(filterable=True, format_fn=Humanify.memory)
    task_status: str = state_column(filterable=True)
    attempt_number: int = state_column(filterable=True)
    reference_type: str = state_column(filterable=True)
    call_site: str = state_column(filterable=True)
    type: str = state_column(filterable=True)
    pid: int = state_column(filterable=True)
    ip: str = state_column(filterable=True)


@dataclass
class RuntimeEnvState(StateSchema):
    """A runtime environment on a node; ``ref_cnt`` counts the workers and drivers that are in it."""

    runtime_env: dict[str, Any] = state_column(filterable=True)
    success: bool = state_column(filterable=True)
    creation_time_ms: float | None = state_column(filterable=False, format_fn=Humanify.duration)
    node_id: str = state_column(filterable=True)
    ref_cnt: int | None = state_column(detail=True, filterable=False)
    error: str | None = state_column(detail=True, filterable=True)


SCHEMAS: dict[StateResource, type[StateSchema]] = {
    StateResource.ACTORS: ActorState,
    StateResource.JOBS: JobState,
    StateResource.PLACEMENT_GROUPS: PlacementGroupState,
    StateResource.NODES: NodeState,
    StateResource.WORKERS: WorkerState,
    StateResource.TASKS: TaskState,
    StateResource.OBJECTS: ObjectState,
    StateResource.RUNTIME_ENVS: RuntimeEnvState,
    StateResource.CLUSTER_EVENTS: ClusterEventState,
}


def resource_to_schema(resource: StateResource) -> type[StateSchema]:
    """The class of what is listed."""
    return SCHEMAS[resource]


# ---------------------------------------------------------------- summaries


def count(counts: dict[Any, int], key: object) -> None:
    """One more of a kind."""
    counts[key] = counts.get(key, 0) + 1


def summarize_tasks(tasks: Iterable[TaskState]) -> dict[str, Any]:
    """By name: how many there are in which state."""
    summary: dict[str, dict[str, Any]] = {}
    totals: dict[str, int] = {}
    for task in tasks:
        name = task.name or task.func_or_class_name
        row = summary.setdefault(name, {"func_or_class_name": name, "type": task.type, "state_counts": {}})
        count(row["state_counts"], task.state)
        count(totals, task.type)
    return {
        "summary": summary,
        "total_tasks": totals.get("NORMAL_TASK", 0),
        "total_actor_tasks": totals.get("ACTOR_TASK", 0),
        "total_actor_scheduled": totals.get("ACTOR_CREATION_TASK", 0),
        "summary_by": "func_name",
    }


def summarize_actors(actors: Iterable[ActorState]) -> dict[str, Any]:
    """By class: how many there are in which state."""
    summary: dict[str, dict[str, Any]] = {}
    total = 0
    for actor in actors:
        row = summary.setdefault(actor.class_name, {"class_name": actor.class_name, "state_counts": {}})
        count(row["state_counts"], actor.state)
        total += 1
    return {"summary": summary, "total_actors": total, "summary_by": "class"}


def summarize_objects(objects: Iterable[ObjectState]) -> dict[str, Any]:
    """By the place in the program that made them, where that is recorded."""
    summary: dict[str, dict[str, Any]] = {}
    holders: dict[str, tuple[set[int], set[str]]] = {}
    total, total_size_mb = 0, 0.0
    for each in objects:
        row = summary.setdefault(
            each.call_site,
            {
                "total_objects": 0,
                "total_size_mb": 0.0,
                "total_num_workers": 0,
                "total_num_nodes": 0,
                "task_state_counts": {},
                "task_attempt_number_counts": {},
                "ref_type_counts": {},
            },
        )
        size_mb = max(0, each.object_size) / 2**20
        row["total_objects"] += 1
        row["total_size_mb"] += size_mb
        count(row["task_state_counts"], each.task_status)
        count(row["task_attempt_number_counts"], str(each.attempt_number))
        count(row["ref_type_counts"], each.reference_type)
        processes, addresses = holders.setdefault(each.call_site, (set(), set()))
        processes.add(each.pid)
        addresses.add(each.ip)
        row["total_num_workers"], row["total_num_nodes"] = len(processes), len(addresses)
        total += 1
        total_size_mb += size_mb
    return {
        "summary": summary,
        "total_objects": total,
        "total_size_mb": total_size_mb,
        "callsite_enabled": "disabled" not in summary,
        "summary_by": "callsite",
    }


__getattr__ = missing_in(__name__)
