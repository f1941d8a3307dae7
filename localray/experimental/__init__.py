"""`ray.experimental`: what Ray keeps apart because it may change. Here: only the names."""

from __future__ import annotations

from localray.absent.catalogue import missing_in
from localray.experimental.locations import get_local_object_locations, get_object_locations

__all__ = ["get_local_object_locations", "get_object_locations"]

__getattr__ = missing_in(__name__)
