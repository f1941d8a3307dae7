"""`ray.util`: helpers on top of the public API."""

from __future__ import annotations

from localray.util.named_actors import list_named_actors
from localray.util.serialization import deregister_serializer, inspect_serializability, register_serializer

__all__ = ["deregister_serializer", "inspect_serializability", "list_named_actors", "register_serializer"]
