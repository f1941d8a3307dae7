"""`ray.dag.output_node`, where Ray has these names; they live in `localray.dag.nodes`."""

from __future__ import annotations

from localray.dag.nodes import MultiOutputNode

__all__ = ["MultiOutputNode"]
