"""`ray.dag.context`, where Ray has these names; they live in `localray.dag.dag_context`."""

from __future__ import annotations

from localray.dag.dag_context import DAGContext

__all__ = ["DAGContext"]
