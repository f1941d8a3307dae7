"""`ray._private.state`: nodes, actors, workers and jobs of the session, and what each node has, as old programs ask.

Must not live here: anything but asking.
"""

from __future__ import annotations

from typing import Any, cast

from localray._common.constants import HEAD_NODE_RESOURCE_NAME, NODE_ID_PREFIX
from localray.absent.catalogue import missing_in
from localray.api import available_resources, cluster_resources, nodes
from localray.exceptions import RaySystemError
from localray.ids import PlacementGroupID
from localray.job_submission import JobStatus
from localray.listings import ActorRow
from localray.node_description import NODE_ADDRESS, store_name
from localray.options import from_units
from localray.protocol import Query
from localray.session import require_session
from localray.util.placement_group import placement_group_table
from localray.util.state import list_jobs, list_workers
from localray.util.state.api import session_clock
from localray.util.state.common import RAY_MAX_LIMIT_FROM_API_SERVER
from localray.util.state.conversion import Clock
from localray.util.state.conversion import actor as actor_columns


class GlobalState:
    """`ray._private.state.state`: tables of the session, as old programs ask for them."""

    def placement_group_table(self, placement_group_id: PlacementGroupID | None = None) -> dict[str, Any]:
        """As `ray.util.placement_group_table`, of all groups or of the one with this id."""
        table = placement_group_table()
        return table if placement_group_id is None else table[placement_group_id.hex()]  # type: ignore[return-value]

    def node_table(self) -> list[dict[str, Any]]:
        """As `ray.nodes`."""
        return nodes()

    def cluster_resources(self) -> dict[str, float]:
        """As `ray.cluster_resources`."""
        return cluster_resources()

    def available_resources(self) -> dict[str, float]:
        """As `ray.available_resources`."""
        return available_resources()

    def available_resources_per_node(self) -> dict[str, dict[str, float]]:
        """As the function."""
        return available_resources_per_node()

    _available_resources_per_node = available_resources_per_node

    def actor_table(self, actor_id: str | None = None) -> dict[str, Any]:
        """As `actors`."""
        return actors(actor_id)

    def job_table(self) -> list[dict[str, Any]]:
        """As `jobs`."""
        return jobs()


state = GlobalState()


def actors(actor_id: str | None = None) -> dict[str, Any]:
    """Facts about the actor with this hexadecimal id, none if there is no such; without an id all actors' by their
    ids."""
    client = require_session("asking for actors")
    now_s, _, rows = cast("tuple[float, int, tuple[Any, ...]]", client.ask(Query.LIST_ACTORS))
    clock = session_clock(client, now_s)
    found = {row.actor_id.hex(): _actor(row, clock) for row in (ActorRow(*each) for each in rows)}
    return found if actor_id is None else found.get(actor_id, {})


def workers() -> dict[str, Any]:
    """Where each living worker is, by its hexadecimal id."""
    require_session("asking for workers")
    alive = list_workers(
        filters=[("is_alive", "=", True), ("worker_type", "=", "WORKER")], limit=RAY_MAX_LIMIT_FROM_API_SERVER
    )
    return {
        each.worker_id: {"node_ip_address": NODE_ADDRESS, "plasma_store_socket": store_name(each.node_id)}
        for each in alive
    }


def jobs() -> list[dict[str, Any]]:
    """Facts about the jobs of drivers."""
    found = (each for each in list_jobs(detail=True, limit=RAY_MAX_LIMIT_FROM_API_SERVER) if each.job_id is not None)
    return [
        {
            "JobID": each.job_id,
            "DriverIPAddress": NODE_ADDRESS,
            "DriverPid": int(each.driver_info.pid) if each.driver_info is not None else 0,
            "StartTime": each.start_time,
            "EndTime": each.end_time,
            "IsDead": each.status != JobStatus.RUNNING,
            "Entrypoint": each.entrypoint,
        }
        for each in found
    ]


def node_ids() -> list[str]:
    """Of each node that lives its own resource, ``node:`` and the address: on one machine all have the same."""
    living = cast("list[dict[str, dict[str, float]]]", [node for node in nodes() if node["Alive"]])
    names = [name for node in living for name in node["Resources"]]
    return sorted(name for name in names if name.startswith(NODE_ID_PREFIX) and name != HEAD_NODE_RESOURCE_NAME)


def current_node_id() -> str:
    """The own resource of the node that this process is on."""
    return f"{NODE_ID_PREFIX}{NODE_ADDRESS}"


def _actor(row: ActorRow, clock: Clock) -> dict[str, Any]:
    """In place of ports, which no process has here, stand the numbers by which the head knows them."""
    columns = actor_columns(row, clock, detail=True)
    return {
        "ActorID": columns["actor_id"],
        "ActorClassName": columns["class_name"],
        "IsDetached": columns["is_detached"],
        "Name": columns["name"],
        "JobID": columns["job_id"],
        "Address": {"IPAddress": NODE_ADDRESS, "Port": row.worker, "NodeID": columns["node_id"] or ""},
        "OwnerAddress": {"IPAddress": NODE_ADDRESS, "Port": row.owner},
        "State": columns["state"],
        "NumRestarts": columns["num_restarts"],
        "StartTime": clock.ms(row.began_at_s, never=0),
        "EndTime": clock.ms(row.ended_at_s, never=0),
        "DeathCause": columns["death_cause"],
        "Pid": columns["pid"],
    }


def total_resources_per_node() -> dict[str, dict[str, float]]:
    """What each living node has, by its hexadecimal id."""
    return {node_id: {name: each[0] for name, each in rows.items()} for node_id, rows in _rows().items()}


def available_resources_per_node() -> dict[str, dict[str, float]]:
    """What is free on each living node, by its hexadecimal id."""
    return {node_id: {name: each[1] for name, each in rows.items()} for node_id, rows in _rows().items()}


def transfers_per_node() -> dict[str, tuple[int, int]]:
    """How many objects each living node has read from the stores of others, and of how many bytes; each object counts
    once. Not in Ray."""
    return {node_id.hex(): (count, size_bytes) for node_id, _, count, size_bytes in _ask()}


def _rows() -> dict[str, dict[str, tuple[float, float]]]:
    return {
        node_id.hex(): {name: (from_units(total), from_units(free)) for name, total, free in rows}
        for node_id, rows, _, _ in _ask()
    }


def _ask() -> list[tuple[bytes, tuple[tuple[str, int, int], ...], int, int]]:
    answer = require_session("asking for resources").ask(Query.PER_NODE)
    if not isinstance(answer, tuple):
        raise RaySystemError("the head described its nodes wrongly")
    return [each for each in answer if isinstance(each, tuple)]


__getattr__ = missing_in(__name__)
