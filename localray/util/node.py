"""`ray.util.get_node_ip_address` and `get_node_instance_id`: names of the machine."""

from __future__ import annotations

import os


def get_node_ip_address(address: str | None = None) -> str:
    """The node's address: always the machine's own.

    Args:
        address: accepted; of whom the address is to be seen.
    """
    return "127.0.0.1"


def get_node_instance_id() -> str:
    """The name that the cloud gave the machine, from ``RAY_CLOUD_INSTANCE_ID``; empty without."""
    return os.environ.get("RAY_CLOUD_INSTANCE_ID", "")
