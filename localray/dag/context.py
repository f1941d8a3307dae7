"""`ray.dag.context`, where Ray has these names; they live in `localray.dag.dag_context`."""

from __future__ import annotations

from localray.absent.catalogue import missing_in
from localray.dag.dag_context import DAGContext

__getattr__ = missing_in(__name__)

__all__ = ["DAGContext"]
