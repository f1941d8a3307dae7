"""`ray.experimental`: what Ray keeps apart because it may change. Here: only the names."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from localray.experimental.locations import get_local_object_locations, get_object_locations

__all__ = ["get_local_object_locations", "get_object_locations"]


def __getattr__(name: str) -> ModuleType:
    if name in ("internal_kv", "tqdm_ray"):
        return import_module(f"localray.experimental.{name}")
    raise AttributeError(f"module 'localray.experimental' has no attribute {name!r}")
