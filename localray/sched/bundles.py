"""Where the bundles of a placement group go: PACK, SPREAD, STRICT_PACK, STRICT_SPREAD. Pure functions of a view.

Each either finds a node for every bundle, or none at all: what a plan takes of a node is counted only within the plan.
As in Ray, scarce things are placed first (GPUs, then custom resources, then memory, then CPUs; the larger before the
smaller), and of the nodes with room the one that keeps the largest share of what is asked for. Ties go to the node that
joined first. Where that leaves a bundle without a place, other choices are tried, so that a small group does not wait
for ever beside room for it (Ray's does). Must not live here: reserving (the kernel), which group comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from localray.protocol import Conditions, PlacementStrategy, Resources
from localray.sched.labels import meets
from localray.sched.resources import CPU, GPU, MEMORY, fits, give_back, take
from localray.sched.views import NodeView

_COMMON = frozenset((CPU, GPU, MEMORY))
_SEARCHED_UP_TO_BUNDLES = 16
_MOST_TRIES = 500
"""A search places single bundles so many times before it gives up; that is less than a millisecond."""


class _Draft:
    """A node and what would be left of it."""

    __slots__ = ("left", "view")

    def __init__(self, view: NodeView) -> None:
        self.view = view
        self.left = dict(view.available)


def place_bundles(
    strategy: PlacementStrategy,
    bundles: Sequence[Resources],
    nodes: Iterable[NodeView],
    *,
    selectors: Sequence[Conditions] = (),
    occupied: Container[int] = (),
    wanted: int | None = None,
) -> list[int] | None:
    """Choose a node for each bundle.

    Args:
        strategy: how the bundles are to lie to each other.
        bundles: what each needs, at least one.
        nodes: dead ones are passed over.
        selectors: conditions on the labels of each bundle's node; none by default.
        occupied: numbers of nodes that have other bundles of the same group, when it is placed again in part:
            STRICT_SPREAD keeps off them.
        wanted: the node that STRICT_PACK tries first.

    Returns:
        Numbers of nodes in the order of the bundles; None when there is no room for all of them now.

    Example:
        >>> place_bundles(PlacementStrategy.PACK, [(("CPU", 10_000),)], [])
    """
    drafts = [_Draft(node) for node in nodes if node.alive and not node.draining]
    return _plan(strategy, bundles, drafts, selectors, occupied, wanted)


def could_place_bundles(
    strategy: PlacementStrategy,
    bundles: Sequence[Resources],
    nodes: Iterable[NodeView],
    *,
    selectors: Sequence[Conditions] = (),
) -> bool:
    """Whether the bundles would fit if nothing else ran anywhere: else the group is infeasible."""
    drafts = [_Draft(node) for node in nodes if node.alive]
    for draft in drafts:
        draft.left = dict(draft.view.total)
    return _plan(strategy, bundles, drafts, selectors, (), None) is not None


def _plan(
    strategy: PlacementStrategy,
    bundles: Sequence[Resources],
    drafts: list[_Draft],
    selectors: Sequence[Conditions],
    occupied: Container[int],
    wanted: int | None,
) -> list[int] | None:
    conditions = [*selectors, *[()] * (len(bundles) - len(selectors))]
    if strategy is PlacementStrategy.STRICT_PACK:
        return _strict_pack(bundles, drafts, conditions, wanted)
    urgency = _urgency(bundles)
    order = sorted(range(len(bundles)), key=lambda index: urgency(bundles[index]))
    if strategy is PlacementStrategy.STRICT_SPREAD:
        drafts = [draft for draft in drafts if draft.view.number not in occupied]
    chosen: dict[int, int] = {}
    if strategy is PlacementStrategy.PACK:
        _pack(order, bundles, drafts, conditions, chosen)
    else:
        _spread(order, bundles, drafts, conditions, chosen, may_share=strategy is PlacementStrategy.SPREAD)
    if len(chosen) < len(bundles):
        if len(bundles) > _SEARCHED_UP_TO_BUNDLES:
            return None
        by_number = {draft.view.number: draft for draft in drafts}
        for index, number in chosen.items():
            give_back(by_number[number].left, bundles[index])
        chosen = _Search(strategy, bundles, drafts, conditions).place(order)
    return [chosen[index] for index in range(len(bundles))] if chosen else None


class _Search:
    """Other choices than the best one at a time, depth first: what the strategy prefers is tried first."""

    def __init__(
        self,
        strategy: PlacementStrategy,
        bundles: Sequence[Resources],
        drafts: list[_Draft],
        conditions: Sequence[Conditions],
    ) -> None:
        self._strategy = strategy
        self._bundles = bundles
        self._drafts = drafts
        self._conditions = conditions
        self._chosen: dict[int, int] = {}
        self._tries = _MOST_TRIES

    def place(self, order: Sequence[int]) -> dict[int, int]:
        """Which bundle goes to which node; nothing where not all of them have a place."""
        if all(self._candidates(index) for index in order):
            self._place_from(order, 0)
        return self._chosen

    def _place_from(self, order: Sequence[int], position: int) -> bool:
        if position == len(order):
            return True
        index = order[position]
        for draft in self._candidates(index):
            if self._tries == 0:
                return False
            self._tries -= 1
            take(draft.left, self._bundles[index])
            self._chosen[index] = draft.view.number
            if self._place_from(order, position + 1):
                return True
            del self._chosen[index]
            give_back(draft.left, self._bundles[index])
        return False

    def _candidates(self, index: int) -> list[_Draft]:
        demand, conditions = self._bundles[index], self._conditions[index]
        used = set(self._chosen.values())
        roomy = [
            draft
            for draft in self._drafts
            if fits(draft.left, demand)
            and meets(draft.view.labels, conditions)
            and not (self._strategy is PlacementStrategy.STRICT_SPREAD and draft.view.number in used)
        ]
        together = self._strategy is PlacementStrategy.PACK
        return sorted(
            roomy,
            key=lambda draft: ((draft.view.number in used) is not together, -_share_left(draft.left, demand)),
        )


def _pack(
    order: list[int],
    bundles: Sequence[Resources],
    drafts: list[_Draft],
    conditions: Sequence[Conditions],
    chosen: dict[int, int],
) -> None:
    """The best node for the first bundle takes as many others as it can; then the next node."""
    candidates = list(drafts)
    while order:
        first = order[0]
        best = _best(candidates, bundles[first], conditions[first])
        if best is None:
            return
        for index in order:
            if fits(best.left, bundles[index]) and meets(best.view.labels, conditions[index]):
                take(best.left, bundles[index])
                chosen[index] = best.view.number
        order = [index for index in order if index not in chosen]
        candidates.remove(best)


def _spread(
    order: list[int],
    bundles: Sequence[Resources],
    drafts: list[_Draft],
    conditions: Sequence[Conditions],
    chosen: dict[int, int],
    *,
    may_share: bool,
) -> None:
    """Each bundle on a node of its own, as long as there is one; then, if they may, on those that have one already."""
    fresh, used = list(drafts), []
    for index in order:
        best = _best(fresh, bundles[index], conditions[index])
        if best is not None:
            fresh.remove(best)
            used.append(best)
        elif may_share:
            best = _best(used, bundles[index], conditions[index])
        if best is None:
            return
        take(best.left, bundles[index])
        chosen[index] = best.view.number


def _strict_pack(
    bundles: Sequence[Resources], drafts: list[_Draft], conditions: Sequence[Conditions], wanted: int | None
) -> list[int] | None:
    """All on one node."""
    together: dict[str, int] = {}
    for bundle in bundles:
        for name, units in bundle:
            together[name] = together.get(name, 0) + units
    demand = tuple(sorted(together.items()))
    everything = tuple(condition for each in conditions for condition in each)
    best = _best([draft for draft in drafts if draft.view.number == wanted], demand, everything)
    best = best or _best(drafts, demand, everything)
    return None if best is None else [best.view.number] * len(bundles)


def _best(drafts: Iterable[_Draft], demand: Resources, conditions: Conditions) -> _Draft | None:
    roomy = [draft for draft in drafts if fits(draft.left, demand) and meets(draft.view.labels, conditions)]
    # `max` keeps the first of equals.
    return max(roomy, key=lambda draft: _share_left(draft.left, demand), default=None)


def _share_left(left: Mapping[str, int], demand: Resources) -> float:
    """Which share of what is free would stay free, summed over what is asked for."""
    return sum((left[name] - units) / left[name] for name, units in demand if left.get(name, 0) > 0)


def _urgency(bundles: Sequence[Resources]) -> Callable[[Resources], tuple[int, ...]]:
    """The key by which bundles are sorted; amounts are negative, so that the larger comes first."""
    custom = sorted({name for bundle in bundles for name, _ in bundle if name not in _COMMON})
    names = (GPU, *custom, MEMORY, CPU)

    def key(bundle: Resources) -> tuple[int, ...]:
        amounts = dict(bundle)
        return tuple(-amounts.get(name, 0) for name in names)

    return key
