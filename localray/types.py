"""`ray.types`: the reference for annotations; it is the very class."""

from __future__ import annotations

from localray.object_ref import ObjectRef

__all__ = ["ObjectRef"]
