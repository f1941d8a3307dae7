"""`ray.dag.compiled_dag_node`, where Ray has these names; they live in `localray.dag.compiled`."""

from __future__ import annotations

from localray.absent.catalogue import missing_in
from localray.dag.compiled import CompiledDAG

__getattr__ = missing_in(__name__)

__all__ = ["CompiledDAG"]
