"""From a graph to what a compiled graph does at each execution: which calls in which order, with what input, and what
comes out. Refuses what Ray refuses to compile. Must not live here: executing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from localray.dag.nodes import (
    ClassMethodNode,
    DAGNode,
    FunctionNode,
    InputAttributeNode,
    InputNode,
    MultiOutputNode,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One call: its node, the method with its options, and the nodes of its several returns, if it has several."""

    node: ClassMethodNode
    method: Any
    parts: tuple[ClassMethodNode, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with an input: ``attributes`` are the parts of it that calls use; ``positional`` and ``names`` say how
    many arguments there are to be, and which by name."""

    input: InputNode
    attributes: tuple[InputAttributeNode, ...]
    positional: int
    names: tuple[str, ...]
    steps: tuple[Step, ...]
    outputs: tuple[DAGNode, ...]
    returns_list: bool


def make_plan(output: DAGNode) -> Plan:
    """Plan the graph that ends in a node.

    Raises:
        ValueError: no input, several ends, a call that nothing leads to or that leads nowhere, a class that is no
            actor yet, nodes inside containers or keywords.
        NotImplementedError: a task is among the nodes.
    """
    nodes = _connected(output)
    inputs = [node for node in nodes if isinstance(node, InputNode)]
    if not inputs:
        first = next(node for node in nodes if not node._upstream_nodes)
        raise ValueError(
            f"No InputNode found in the DAG: when traversing upwards, no upstream node was found for {first}. "
            "Compiled graphs need exactly one."
        )
    if len(inputs) > 1:
        raise AssertionError("More than one InputNode found")
    for node in nodes:
        _check(node)
    positional, names = _inputs(nodes, inputs[0], output)
    _check_leaves(nodes, output)
    calls = sorted(
        (node for node in nodes if isinstance(node, ClassMethodNode) and node.is_class_method_call),
        key=lambda node: node._get_bind_index() or 0,
    )
    for call in calls:
        if not any(isinstance(argument, DAGNode) for argument in call.get_args()):
            raise ValueError(
                "Compiled DAGs require each task to take a ray.dag.InputNode or at least one other DAGNode as an "
                f"input. Invalid task node:\n{call}\nPlease bind the task to proper DAG nodes."
            )
    is_list = isinstance(output, MultiOutputNode)
    return Plan(
        inputs[0],
        tuple(node for node in nodes if isinstance(node, InputAttributeNode)),
        positional,
        names,
        # A call is bound after its arguments are: the order of binding is one in which they can run.
        tuple(Step(call, _method(call), _parts(nodes, call)) for call in calls),
        tuple(output.get_args()) if is_list else (output,),
        is_list,
    )


def _connected(output: DAGNode) -> list[DAGNode]:
    nodes: list[DAGNode] = []
    output.traverse_and_apply(nodes.append)
    compiled = [node for node in nodes if node.is_cgraph_output_node]
    if len(compiled) > 1:
        raise ValueError(
            "The DAG was compiled more than once. The following two nodes call `experimental_compile`: "
            f"(1) {compiled[0]}, (2) {compiled[1]}"
        )
    return nodes


def _check(node: DAGNode) -> None:
    nested = node._first_nested_nodes()
    if nested is not None:
        argument, count = nested
        raise ValueError(
            f"Found {count} DAGNodes from the arg {argument} in {node}. Please ensure that the argument is a single "
            "DAGNode and that a DAGNode is not allowed to be placed inside any type of container."
        )
    if any(isinstance(value, DAGNode) for value in node.get_kwargs().values()):
        raise ValueError("Compiled DAG currently does not support binding to other DAG nodes as kwargs")
    if isinstance(node, FunctionNode):
        raise NotImplementedError("Compiled DAGs currently only support actor method nodes")
    if isinstance(node, ClassMethodNode):
        if node.is_class_method_call and node._get_actor_handle() is None:
            raise ValueError(
                "Compiled DAGs can only bind methods to an actor that is already created with Actor.remote()"
            )
    elif not isinstance(node, (InputNode, InputAttributeNode, MultiOutputNode)):
        raise ValueError(f"Found unsupported node of type {type(node)}")


def _check_leaves(nodes: list[DAGNode], output: DAGNode) -> None:
    """A call whose result nobody takes would lose its error."""
    leaves = [
        node.get_method_name()
        for node in nodes
        if isinstance(node, ClassMethodNode) and node is not output and not node._downstream_nodes
    ]
    if leaves:
        raise ValueError(
            "Compiled DAG doesn't support leaf nodes, i.e., nodes that don't have downstream nodes and are not output "
            f"nodes. There are {len(leaves)} leaf nodes in the DAG. Please add the outputs of {leaves} to the the "
            "MultiOutputNode."
        )


def _inputs(nodes: list[DAGNode], whole: InputNode, output: DAGNode) -> tuple[int, tuple[str, ...]]:
    """How many positional arguments an execution takes, and which by name."""
    used = {node: None for node in output.in_order() if isinstance(node, InputAttributeNode)}
    unused = [node.key for node in nodes if isinstance(node, InputAttributeNode) and node not in used]
    if unused:
        raise ValueError(
            "Compiled Graph expects input to be accessed using all of attributes "
            f"{', '.join(str(key) for key in whole.input_attribute_nodes)}, but "
            f"{', '.join(map(str, unused))} {'is' if len(unused) == 1 else 'are'} unused. Ensure all input attributes "
            "are used and contribute to the computation of the Compiled Graph output."
        )
    is_direct = any(whole in node.get_args() for node in nodes)
    if is_direct and used:
        raise ValueError(
            "All tasks must either use InputNode() directly, or they must index to specific args or kwargs."
        )
    if is_direct:
        return 1, ()
    positions = [node.key for node in used if isinstance(node.key, int)]
    return max(positions, default=-1) + 1, tuple(node.key for node in used if isinstance(node.key, str))


def _method(call: ClassMethodNode) -> Any:
    method = getattr(call._get_actor_handle(), call.get_method_name())
    options = call.get_options()
    return method.options(**options) if options else method


def _parts(nodes: list[DAGNode], call: ClassMethodNode) -> tuple[ClassMethodNode, ...]:
    return tuple(node for node in nodes if isinstance(node, ClassMethodNode) and node.class_method_call is call)
