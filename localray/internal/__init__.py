"""`ray.internal`: where old programs look for `free`."""

from __future__ import annotations

from localray._private.internal_api import free

__all__ = ["free"]
