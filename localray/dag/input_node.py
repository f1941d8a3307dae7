"""`ray.dag.input_node`, where Ray has these names; they live in `localray.dag.nodes`."""

from __future__ import annotations

from localray.dag.nodes import DAGInputData, InputAttributeNode, InputNode

__all__ = ["DAGInputData", "InputAttributeNode", "InputNode"]
