"""`ray.dag.class_node`, where Ray has these names; they live in `localray.dag.nodes`."""

from __future__ import annotations

from localray.dag.nodes import ClassMethodNode, ClassNode

__all__ = ["ClassMethodNode", "ClassNode"]
