"""Pictures of graphs: as lines of text, or by graphviz where it is installed."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from localray.dag.nodes import ClassMethodNode, ClassNode, DAGNode, FunctionNode, InputAttributeNode, InputNode


def _nodes(ends: Sequence[DAGNode]) -> dict[DAGNode, int]:
    """All nodes that lead to these, numbered, each after those it needs."""
    numbers: dict[DAGNode, int] = {}
    for end in ends:
        for node in end.in_order():
            numbers.setdefault(node, len(numbers))
    return numbers


def _label(node: DAGNode) -> str:
    if isinstance(node, FunctionNode):
        return node._body.__name__
    if isinstance(node, ClassNode):
        return node._body.__name__
    if isinstance(node, ClassMethodNode):
        if node.is_class_method_output:
            return f"return {node.output_idx}"
        handle = node._get_actor_handle()
        where = "" if handle is None else f" of {handle!r}"
        return f"{node.get_method_name()}{where}"
    if isinstance(node, InputAttributeNode):
        return f"input[{node.key!r}]"
    return "input" if isinstance(node, InputNode) else "outputs"


def draw(ends: Sequence[DAGNode]) -> str:
    """A line for each node, with the numbers of those whose results it takes.

    Example:
        >>> with InputNode() as given:
        ...     print(draw([given[0]]))
        0: input
        1: input[0] <- 0
        outputs: 1
    """
    numbers = _nodes(ends)
    lines = []
    for node, number in numbers.items():
        needs = ", ".join(str(numbers[child]) for child in node._get_all_child_nodes())
        lines.append(f"{number}: {_label(node)}" + (f" <- {needs}" if needs else ""))
    lines.append(f"outputs: {', '.join(str(numbers[end]) for end in ends)}")
    return "\n".join(lines)


def to_dot(ends: Sequence[DAGNode]) -> str:
    """The graph in graphviz's language."""
    numbers = _nodes(ends)
    lines = ["digraph compiled_graph {"]
    for node, number in numbers.items():
        label = _label(node).replace('"', '\\"')
        lines.append(f'    n{number} [label="{label}" shape=box];')
        lines.extend(f"    n{numbers[child]} -> n{number};" for child in node._get_all_child_nodes())
    return "\n".join([*lines, "}"])


def write_picture(ends: Sequence[DAGNode], filename: str, picture_format: str, *, view: bool) -> str:
    """Have graphviz draw the graph into a file.

    Returns:
        The text in graphviz's language.

    Raises:
        ImportError: the package graphviz is not installed.
    """
    try:
        graphviz = importlib.import_module("graphviz")
    except ImportError:
        raise ImportError(
            "Please install graphviz to visualize the compiled graph. You can install it by running `pip install "
            "graphviz`. Without it, format='ascii' works."
        ) from None
    text = to_dot(ends)
    graphviz.Source(text, format=picture_format).render(filename, view=view, cleanup=True)
    return text


def plot(dag: DAGNode, to_file: str | None = None) -> None:
    """Draw a graph into a file, by default ``dag.png``; the extension chooses the format.

    Raises:
        ImportError: the package graphviz is not installed.
    """
    path = Path(to_file or "dag.png")
    write_picture([dag], str(path.with_suffix("")), path.suffix.removeprefix(".") or "png", view=False)
