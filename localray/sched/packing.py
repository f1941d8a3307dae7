"""Where the bundles of a placement group go: a first, plain version of each strategy.

A policy takes the bundles' demands and the nodes, and gives for each bundle the position of its node in that list, or
None when they cannot all be placed now. Must not live here: reserving anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from localray.protocol import PlacementStrategy, Resources
from localray.sched.placement import NodeView
from localray.sched.resources import fits, take

Policy = Callable[[Sequence[Resources], Sequence[NodeView]], "list[int] | None"]


def pack(bundles: Sequence[Resources], nodes: Sequence[NodeView]) -> list[int] | None:
    """On as few nodes as it takes: each bundle on the first that has room."""
    return _place(bundles, nodes, lambda used: [*used, *(each for each in range(len(nodes)) if each not in used)])


def spread(bundles: Sequence[Resources], nodes: Sequence[NodeView]) -> list[int] | None:
    """On different nodes as far as there are any."""
    return _place(bundles, nodes, lambda used: [*(each for each in range(len(nodes)) if each not in used), *used])


def strict_pack(bundles: Sequence[Resources], nodes: Sequence[NodeView]) -> list[int] | None:
    """All on one node."""
    for position, node in enumerate(nodes):
        if _place(bundles, [node], lambda _: [0]) is not None:
            return [position] * len(bundles)
    return None


def strict_spread(bundles: Sequence[Resources], nodes: Sequence[NodeView]) -> list[int] | None:
    """Each on a node of its own."""
    return _place(bundles, nodes, lambda used: [each for each in range(len(nodes)) if each not in used])


def _place(
    bundles: Sequence[Resources], nodes: Sequence[NodeView], order: Callable[[list[int]], list[int]]
) -> list[int] | None:
    left = [dict(node.available) for node in nodes]
    used: list[int] = []
    chosen: list[int] = []
    for demand in bundles:
        position = next((each for each in order(used) if nodes[each].alive and fits(left[each], demand)), None)
        if position is None:
            return None
        take(left[position], demand)
        chosen.append(position)
        if position not in used:
            used.append(position)
    return chosen


POLICIES: Mapping[PlacementStrategy, Policy] = {
    PlacementStrategy.PACK: pack,
    PlacementStrategy.SPREAD: spread,
    PlacementStrategy.STRICT_PACK: strict_pack,
    PlacementStrategy.STRICT_SPREAD: strict_spread,
}
