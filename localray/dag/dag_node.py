"""`ray.dag.dag_node`, where Ray has these names; they live in `localray.dag.nodes`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localray.dag.nodes import DAGNode

if not TYPE_CHECKING:
    # What Ray has beside: private there, and no matter for type checkers.
    from localray.absent.catalogue import missing_in

    __getattr__ = missing_in(__name__)

__all__ = ["DAGNode"]
