"""The rows that the kernel lists of what there is and was, and that the state API and the command line show.

Plain values, as on the wire; the shapes are here because both ends need them. A time is in seconds of the session's
clock, negative for not yet; a state is spelt as Ray spells it; an empty id stands for none.
"""

from __future__ import annotations

from typing import NamedTuple

from localray.protocol import Conditions, Resources

PHASES = {
    "task:deserialize_arguments": "rail_load",
    "task:execute": "rail_animation",
    "task:store_outputs": "rail_idle",
}
"""The parts of a task, by Ray's names, and how traces colour them."""


class TaskRow(NamedTuple):
    """One attempt of a task, constructor or call. ``kind`` is a `TaskKind`; ``status`` is that of its first outcome, -1
    while there is none; ``error`` is what the outcome carried, if it was an error and not too long; ``dependencies``
    are the objects that it takes, ``output_bytes`` is the size of what it has returned; ``site`` is where it was
    submitted, if that was recorded; ``runtime_env`` is JSON, empty for none; ``around_s`` as in
    `localray.protocol.TaskDone`."""

    task_id: bytes
    attempt: int
    name: str
    function: str
    state: str
    job: int
    actor_id: bytes
    kind: int
    parent_id: bytes
    node_id: bytes
    worker: int
    process_id: int
    status: int
    error: bytes
    resources: Resources
    group: bytes
    created_at_s: float
    sent_at_s: float
    started_at_s: float
    ended_at_s: float
    dependencies: tuple[bytes, ...] = ()
    output_bytes: int = 0
    site: str = ""
    runtime_env: str = ""
    around_s: tuple[float, ...] = ()


def phases(row: TaskRow) -> list[tuple[str, float, float]]:
    """The parts of a task that is over, with when they began and ended.

    Example:
        >>> row = TaskRow(b"t", 0, "f", "f", "FINISHED", 1, b"", 0, b"", b"n", 3, 77, 0, b"", (), b"", 1.0, 1.5, 1.5, 2)
        >>> phases(row._replace(ended_at_s=2.5, around_s=(0.25, 0.5)))
        [('task:deserialize_arguments', 1.5, 1.75), ('task:execute', 1.75, 2.0), ('task:store_outputs', 2.0, 2.5)]
    """
    if row.started_at_s < 0 or row.ended_at_s < 0:
        return []
    reading, running, storing = PHASES
    reading_s, storing_s = row.around_s or (0.0, 0.0)
    read_at_s, returned_at_s = row.started_at_s + reading_s, row.ended_at_s - storing_s
    found = [(reading, row.started_at_s, read_at_s), (running, read_at_s, max(read_at_s, returned_at_s))]
    return found if row.state == "FAILED" else [*found, (storing, returned_at_s, row.ended_at_s)]


class ActorRow(NamedTuple):
    """One actor. ``status`` and ``death`` say why it is dead, ``site`` where it was created, if that was recorded,
    ``runtime_env`` is JSON, empty for none; ``worker`` is its process's number, and it was first alive and has died at
    these times, negative before."""

    actor_id: bytes
    class_name: str
    state: str
    job: int
    name: str
    namespace: str
    node_id: bytes
    process_id: int
    owner: int
    resources: Resources
    group: bytes
    is_detached: int
    restarts: int
    repr_name: str
    status: int
    death: bytes
    site: str
    runtime_env: str
    worker: int
    began_at_s: float
    ended_at_s: float


class WorkerRow(NamedTuple):
    """One process: a worker or a driver; ``exit_type`` is Ray's word for why it has ended."""

    client: int
    is_driver: int
    is_alive: int
    node_id: bytes
    process_id: int
    exit_reason: str
    exit_type: str
    actor_id: bytes
    launched_at_s: float
    started_at_s: float
    ended_at_s: float


class NodeRow(NamedTuple):
    """One node."""

    node_id: bytes
    number: int
    name: str
    is_alive: int
    death_cause: str
    resources: tuple[tuple[str, int], ...]
    labels: tuple[tuple[str, str], ...]
    joined_at_s: float
    died_at_s: float


class JobRow(NamedTuple):
    """One driver's program."""

    number: int
    driver: int
    process_id: int
    namespace: str
    entrypoint: str
    is_running: int
    started_at_s: float
    ended_at_s: float


class GroupRow(NamedTuple):
    """One placement group; ``node_ids`` are empty for bundles that have no place."""

    group_id: bytes
    name: str
    job: int
    state: str
    strategy: str
    bundles: tuple[Resources, ...]
    node_ids: tuple[bytes, ...]
    selectors: tuple[Conditions, ...]
    is_detached: int
    created_at_s: float
    placed_after_s: float
    attempts: int
    last_attempt: str


class RuntimeEnvRow(NamedTuple):
    """One runtime environment on one node: its ``fields`` are JSON, ``error`` says why it could not be set up, and
    ``users`` counts the workers and drivers that are in it."""

    fields: str
    node_id: bytes
    error: str
    users: int
