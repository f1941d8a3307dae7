"""Where the bundles of a placement group go: a first, plain version of each strategy, which takes the first node that
has room. Must not live here: reserving anything."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Protocol

from localray.protocol import Conditions, PlacementStrategy, Resources
from localray.sched.group_labels import meets
from localray.sched.resources import fits, take


class BundleNode(Protocol):
    """What is asked of a node."""

    @property
    def number(self) -> int: ...
    @property
    def alive(self) -> bool: ...
    @property
    def total(self) -> Mapping[str, int]: ...
    @property
    def available(self) -> Mapping[str, int]: ...
    @property
    def labels(self) -> Mapping[str, str]: ...


def place_bundles(
    strategy: PlacementStrategy,
    bundles: Sequence[Resources],
    nodes: Iterable[BundleNode],
    *,
    selectors: Sequence[Conditions] = (),
    occupied: Container[int] = (),
    wanted: int | None = None,
) -> list[int] | None:
    """Choose a node for each bundle.

    Args:
        strategy: how the bundles are to lie to each other.
        bundles: what each needs.
        nodes: dead ones are passed over.
        selectors: conditions on the labels of each bundle's node; none by default.
        occupied: numbers of nodes that have other bundles of the same group: STRICT_SPREAD keeps off them.
        wanted: the node that STRICT_PACK tries first.

    Returns:
        Numbers of nodes in the order of the bundles; None when there is no room for all of them now.
    """
    left = {node.number: dict(node.available) for node in nodes if node.alive}
    labels = {node.number: node.labels for node in nodes}
    return _place(strategy, bundles, left, labels, selectors, occupied, wanted)


def could_place_bundles(
    strategy: PlacementStrategy,
    bundles: Sequence[Resources],
    nodes: Iterable[BundleNode],
    *,
    selectors: Sequence[Conditions] = (),
) -> bool:
    """Whether the bundles would fit if nothing else ran anywhere: else the group is infeasible."""
    left = {node.number: dict(node.total) for node in nodes if node.alive}
    labels = {node.number: node.labels for node in nodes}
    return _place(strategy, bundles, left, labels, selectors, (), None) is not None


def _place(
    strategy: PlacementStrategy,
    bundles: Sequence[Resources],
    left: dict[int, dict[str, int]],
    labels: Mapping[int, Mapping[str, str]],
    selectors: Sequence[Conditions],
    occupied: Container[int],
    wanted: int | None,
) -> list[int] | None:
    if strategy is PlacementStrategy.STRICT_PACK:
        for number in sorted(left, key=lambda each: each != wanted):
            alone = {number: dict(left[number])}
            if _place(PlacementStrategy.PACK, bundles, alone, labels, selectors, (), None) is not None:
                return [number] * len(bundles)
        return None
    used: list[int] = []
    chosen: list[int] = []
    for index, demand in enumerate(bundles):
        fresh = [number for number in left if number not in used]
        order = [*used, *fresh] if strategy is PlacementStrategy.PACK else [*fresh, *used]
        if strategy is PlacementStrategy.STRICT_SPREAD:
            order = [number for number in fresh if number not in occupied]
        conditions = selectors[index] if selectors else ()
        roomy = [each for each in order if fits(left[each], demand) and meets(labels[each], conditions)]
        if not roomy:
            return None
        take(left[roomy[0]], demand)
        chosen.append(roomy[0])
        if roomy[0] not in used:
            used.append(roomy[0])
    return chosen
