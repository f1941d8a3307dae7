"""`ray.experimental.compiled_dag_ref`, where Ray has these names; they live in `localray.dag.compiled_refs`."""

from __future__ import annotations

from localray.absent.catalogue import missing_in
from localray.dag.compiled_refs import CompiledDAGFuture, CompiledDAGRef

__getattr__ = missing_in(__name__)

__all__ = ["CompiledDAGFuture", "CompiledDAGRef"]
