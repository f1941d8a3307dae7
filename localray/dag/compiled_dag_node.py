"""`ray.dag.compiled_dag_node`, where Ray has these names; they live in `localray.dag.compiled`."""

from __future__ import annotations

from localray.dag.compiled import CompiledDAG

__all__ = ["CompiledDAG"]
