"""`ray.util`: helpers on top of the public API.

Functions stand here; modules below are imported when they are first used. Without the future import of annotations,
which would take the name of the module `annotations`.
"""

from typing import TYPE_CHECKING

from localray.absent.catalogue import missing_in
from localray.util.actor_pool import ActorPool
from localray.util.client_connect import connect, disconnect
from localray.util.debug import disable_log_once_globally, enable_periodic_logging, log_once
from localray.util.helpers import as_completed, map_unordered
from localray.util.named_actors import list_named_actors
from localray.util.node import get_node_instance_id, get_node_ip_address
from localray.util.placement_group import (
    get_current_placement_group,
    get_placement_group,
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from localray.util.serialization import deregister_serializer, inspect_serializability, register_serializer

if TYPE_CHECKING:
    from localray.util import accelerators as accelerators
    from localray.util import annotations as annotations
    from localray.util import metrics as metrics
    from localray.util import multiprocessing as multiprocessing
    from localray.util import queue as queue
    from localray.util import scheduling_strategies as scheduling_strategies

_OTHER_NAMES = {"pdb": "rpdb", "ray_debugpy": "debugpy"}
"""Modules that are called otherwise where users take them from."""


_missing = missing_in(__name__)


def __getattr__(name: str) -> object:
    return _missing(_OTHER_NAMES.get(name, name))


__all__ = [
    "ActorPool",
    "accelerators",
    "as_completed",
    "connect",
    "deregister_serializer",
    "disable_log_once_globally",
    "disconnect",
    "enable_periodic_logging",
    "get_current_placement_group",
    "get_node_instance_id",
    "get_node_ip_address",
    "get_placement_group",
    "inspect_serializability",
    "list_named_actors",
    "log_once",
    "map_unordered",
    "placement_group",
    "placement_group_table",
    "register_serializer",
    "remove_placement_group",
]
