"""`ray.dag.class_node`, where Ray has these names; they live in `localray.dag.nodes`."""

from __future__ import annotations

from localray.absent.catalogue import missing_in
from localray.dag.nodes import ClassMethodNode, ClassNode

__getattr__ = missing_in(__name__)

__all__ = ["ClassMethodNode", "ClassNode"]
