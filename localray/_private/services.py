"""`ray._private.services`: the machine's names, where old programs look for them."""

from __future__ import annotations

from localray.absent.catalogue import missing_in
from localray.util.node import get_node_instance_id, get_node_ip_address

__getattr__ = missing_in(__name__)

__all__ = ["get_node_instance_id", "get_node_ip_address"]
