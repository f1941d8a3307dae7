"""`ray.util`: helpers on top of the public API."""

from __future__ import annotations

from localray.util.named_actors import list_named_actors
from localray.util.placement_group import (
    get_current_placement_group,
    get_placement_group,
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from localray.util.serialization import deregister_serializer, inspect_serializability, register_serializer

__all__ = [
    "deregister_serializer",
    "get_current_placement_group",
    "get_placement_group",
    "inspect_serializability",
    "list_named_actors",
    "placement_group",
    "placement_group_table",
    "register_serializer",
    "remove_placement_group",
]
