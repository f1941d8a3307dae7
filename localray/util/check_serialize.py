"""`ray.util.check_serialize`: why something cannot be sent, at the path where Ray has it."""

from __future__ import annotations

from localray.util.serialization import FailureTuple, inspect_serializability

__all__ = ["FailureTuple", "inspect_serializability"]
