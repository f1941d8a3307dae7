"""`ray.dag`: graphs of tasks and calls, bound first and executed as often as one likes.

``f.bind(x)`` makes a node instead of a task; a node may be an argument of another. Here: only the names.
"""

from __future__ import annotations

from localray.dag import constants
from localray.dag.compiled import CompiledDAG
from localray.dag.compiled_refs import CompiledDAGFuture, CompiledDAGRef
from localray.dag.dag_context import DAGContext
from localray.dag.nodes import (
    BIND_INDEX_KEY,
    COLLECTIVE_OPERATION_KEY,
    DAGNODE_TYPE_KEY,
    IS_CLASS_METHOD_OUTPUT_KEY,
    PARENT_CLASS_NODE_KEY,
    PREV_CLASS_METHOD_CALL_KEY,
    ClassMethodNode,
    ClassNode,
    CollectiveOutputNode,
    DAGInputData,
    DAGNode,
    DAGOperationFuture,
    FunctionNode,
    GPUFuture,
    InputAttributeNode,
    InputNode,
    MultiOutputNode,
)
from localray.dag.pictures import plot

__all__ = [
    "BIND_INDEX_KEY",
    "COLLECTIVE_OPERATION_KEY",
    "DAGNODE_TYPE_KEY",
    "IS_CLASS_METHOD_OUTPUT_KEY",
    "PARENT_CLASS_NODE_KEY",
    "PREV_CLASS_METHOD_CALL_KEY",
    "ClassMethodNode",
    "ClassNode",
    "CollectiveOutputNode",
    "CompiledDAG",
    "CompiledDAGFuture",
    "CompiledDAGRef",
    "DAGContext",
    "DAGInputData",
    "DAGNode",
    "DAGOperationFuture",
    "FunctionNode",
    "GPUFuture",
    "InputAttributeNode",
    "InputNode",
    "MultiOutputNode",
    "constants",
    "plot",
]
