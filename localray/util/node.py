"""`ray.util.get_node_ip_address` and `get_node_instance_id`: names of the machine."""

from __future__ import annotations

import os
import sys


def get_node_ip_address(address: str | None = None) -> str:
    """The node's address: always the machine's own.

    Args:
        address: accepted; of whom the address is to be seen.
    """
    # Looked up where suites put another node in its place.
    worker = getattr(sys.modules.get("localray._private"), "worker", None)
    node = None if worker is None else worker._global_node
    return "127.0.0.1" if node is None else str(node.node_ip_address)


def get_node_instance_id() -> str:
    """The name that the cloud gave the machine, from ``RAY_CLOUD_INSTANCE_ID``; empty without."""
    return os.environ.get("RAY_CLOUD_INSTANCE_ID", "")
