"""`ray._private.state`: resources of each node.

Must not live here: anything but asking.
"""

from __future__ import annotations

from typing import Any

from localray.api import available_resources, cluster_resources, nodes
from localray.exceptions import RaySystemError
from localray.ids import PlacementGroupID
from localray.options import from_units
from localray.protocol import Query
from localray.session import require_session
from localray.util.placement_group import placement_group_table


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


state = GlobalState()


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
