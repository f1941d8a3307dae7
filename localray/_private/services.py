"""`ray._private.services`: the machine's names, where old programs look for them."""

from __future__ import annotations

from localray.absent.catalogue import missing_in
from localray.util.node import get_node_instance_id, get_node_ip_address
from localray.worker import global_worker


def remaining_processes_alive() -> bool:
    """Whether the session lives: its head ends all the others.

    Raises:
        Exception: there is no session.
    """
    node = global_worker.node
    if node is None:
        raise Exception("There is no session here whose processes could be looked at.")
    return node.remaining_processes_alive()


__getattr__ = missing_in(__name__)

__all__ = ["get_node_instance_id", "get_node_ip_address", "remaining_processes_alive"]
