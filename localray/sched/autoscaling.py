"""Which nodes an autoscaler launches and which it lets go: a pure function of what waits and of what there is.

As in Ray: nodes are of types, each with a least and a greatest number; what waits is packed, in thought, onto what is
free and what is being launched, and for the rest nodes are launched; what was requested
(`ray.autoscaler.sdk.request_resources`) must fit onto the nodes were they empty, and keeps the nodes that it needs; a
node that has been idle for long goes. Must not live here: when to ask, and what follows (`localray.kernel.scaling`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from localray.protocol import Conditions, PlacementStrategy, Resources
from localray.sched.bundles import place_bundles
from localray.sched.labels import meets
from localray.sched.resources import GPU, MEMORY, RESOURCE_UNIT, amount, fits, take, take_devices
from localray.sched.views import NodeView

ANYWHERE: tuple[Conditions, ...] = ((),)


@dataclass(frozen=True, slots=True)
class NodeType:
    """Nodes that can be launched: what each has, and how many there are at least and at most."""

    name: str
    total: Resources
    labels: tuple[tuple[str, str], ...] = ()
    min_nodes: int = 0
    max_nodes: int = 1


@dataclass(frozen=True, slots=True)
class Scaling:
    """The settings of an autoscaler: its types, the one that is preferred among equals first; how long a node must have
    been idle; and how long it waits after it has looked before it looks again."""

    types: tuple[NodeType, ...]
    idle_timeout_s: float = 300.0
    interval_s: float = 5.0

    def could_take(self, demand: Resources, allowed: Sequence[Conditions] = ANYWHERE) -> bool:
        """Whether a node of some type could take a demand."""
        return any(kind.max_nodes and _suits(kind, demand, allowed) for kind in self.types)

    def could_place(self, wanted: WantedBundles, nodes: Iterable[NodeView]) -> bool:
        """Whether all bundles would fit onto these nodes and as many others as may be launched, were all of them empty.
        """
        drafts = [_of_node(node, "", empty=True) for node in nodes if node.alive]
        for kind in self.types:
            for _ in range(min(kind.max_nodes, len(wanted.bundles))):
                drafts.append(_fresh(kind, -1 - len(drafts)))
        return _places(wanted, drafts) is not None


class Wanted(NamedTuple):
    """So many that ask for the same: on a node that meets any of the ``allowed`` conditions."""

    demand: Resources
    number: int = 1
    allowed: tuple[Conditions, ...] = ANYWHERE


class WantedBundles(NamedTuple):
    """The bundles of a placement group that have no node; ``occupied`` are nodes that have others of it."""

    strategy: PlacementStrategy
    bundles: tuple[Resources, ...]
    selectors: tuple[Conditions, ...] = ()
    occupied: frozenset[int] = frozenset()


class ScaledNode(NamedTuple):
    """A living node: of which type, empty for one that is not the autoscaler's; since when it has been idle, None for
    not."""

    view: NodeView
    node_type: str
    idle_since_s: float | None


class Situation(NamedTuple):
    """What an autoscaler looks at. ``launching`` says how many of each type are on their way."""

    now_s: float
    nodes: Sequence[ScaledNode]
    launching: Mapping[str, int]
    waiting: Sequence[Wanted] = ()
    groups: Sequence[WantedBundles] = ()
    requested: Sequence[Wanted] = ()


class Decision(NamedTuple):
    """How many nodes of which type to launch, and the numbers of the nodes that go."""

    launch: tuple[tuple[str, int], ...] = ()
    remove: tuple[int, ...] = ()


def decide(scaling: Scaling, situation: Situation) -> Decision:
    """What to launch and what to let go now.

    Example:
        >>> kind = NodeType("small", (("CPU", 20_000),), max_nodes=3)
        >>> decide(Scaling((kind,)), Situation(0.0, (), {}, [Wanted((("CPU", 10_000),), number=3)])).launch
        (('small', 2),)
    """
    plan = _Plan(scaling, situation)
    for kind in scaling.types:
        while plan.count[kind.name] < kind.min_nodes:
            plan.launch(kind)
    for wanted in situation.requested:
        plan.hold(wanted)
    for group in situation.groups:
        plan.meet_group(group)
    for wanted in situation.waiting:
        plan.meet(wanted)
    return Decision(tuple((name, number) for name, number in plan.launched.items() if number), plan.gone())


def next_idle_s(scaling: Scaling, situation: Situation) -> float | None:
    """When the first of the nodes that are idle now will have been so for long enough; None for never."""
    moments = [
        node.idle_since_s + scaling.idle_timeout_s
        for node in situation.nodes
        if node.node_type and node.idle_since_s is not None
    ]
    return min((moment for moment in moments if moment > situation.now_s), default=None)


@dataclass(slots=True)
class _Draft:
    """A node there is or will be, and what is left of it in thought; it looks like a node to `place_bundles`. ``held``
    is what requests have taken of all that it has."""

    number: int
    node_type: str
    total: Mapping[str, int]
    available: dict[str, int]
    labels: Mapping[str, str]
    gpu_free: list[int]
    held: dict[str, int]
    is_needed: bool = False
    alive: bool = True
    draining: bool = False
    node_id: bytes = field(default=b"", repr=False)

    def take(self, demand: Resources) -> bool:
        """Take one more of a demand, if there is room."""
        if not fits(self.available, demand) or take_devices(self.gpu_free, amount(demand, GPU)) is None:
            return False
        take(self.available, demand)
        self.is_needed = True
        return True

    def take_many(self, demand: Resources, count: int) -> int:
        """Take up to so many; returns how many."""
        units = [(name, each) for name, each in demand if each > 0]
        if amount(demand, GPU):
            taken = 0
            while taken < count and self.take(demand):
                taken += 1
            return taken
        room = min((self.available.get(name, 0) // each for name, each in units), default=count)
        taken = max(0, min(count, room))
        for name, each in units:
            self.available[name] = self.available.get(name, 0) - taken * each
        self.is_needed |= taken > 0
        return taken


def _of_node(view: NodeView, node_type: str, *, empty: bool = False) -> _Draft:
    free = [RESOURCE_UNIT] * len(view.gpu_free) if empty else list(view.gpu_free)
    available = dict(view.total if empty else view.available)
    return _Draft(view.number, node_type, view.total, available, view.labels, free, dict(view.total))


def _fresh(kind: NodeType, number: int) -> _Draft:
    total = dict(kind.total)
    devices = [RESOURCE_UNIT] * (total.get(GPU, 0) // RESOURCE_UNIT)
    return _Draft(number, kind.name, total, dict(total), dict(kind.labels), devices, dict(total))


class _Plan:
    """What there would be. Numbers of nodes that are not there yet are negative."""

    def __init__(self, scaling: Scaling, situation: Situation) -> None:
        self._scaling = scaling
        self._situation = situation
        self.count = {kind.name: situation.launching.get(kind.name, 0) for kind in scaling.types}
        self.launched = {kind.name: 0 for kind in scaling.types}
        # Those that stay whatever happens come first, and then the oldest: so what is needed is always on the same.
        nodes = sorted(situation.nodes, key=lambda node: (node.node_type != "", node.view.number))
        self._drafts = [_of_node(node.view, node.node_type) for node in nodes]
        for node in nodes:
            if node.node_type in self.count:
                self.count[node.node_type] += 1
        self._lowest = 0
        for kind in scaling.types:
            for _ in range(situation.launching.get(kind.name, 0)):
                self._add(kind)

    def _add(self, kind: NodeType) -> _Draft:
        self._lowest -= 1
        draft = _fresh(kind, self._lowest)
        self._drafts.append(draft)
        return draft

    def launch(self, kind: NodeType) -> _Draft:
        """One more node of a type."""
        self.count[kind.name] += 1
        self.launched[kind.name] += 1
        return self._add(kind)

    def hold(self, wanted: Wanted) -> None:
        """What is requested keeps the nodes that it would fit onto, were they empty; where it does not, others come."""
        for _ in range(wanted.number):
            room = next((draft for draft in self._drafts if self._could_hold(draft, wanted)), None)
            if room is None:
                kind = self._best(wanted)
                if kind is None:
                    return
                room = self.launch(kind)
            take(room.held, wanted.demand)
            room.is_needed = True

    @staticmethod
    def _could_hold(draft: _Draft, wanted: Wanted) -> bool:
        return fits(draft.held, wanted.demand) and _allows(draft.labels, wanted.allowed)

    def meet(self, wanted: Wanted) -> None:
        """Pack what waits onto what is free; launch nodes for the rest, as long as more of them may be."""
        left = wanted.number
        for draft in self._drafts:
            if left and _allows(draft.labels, wanted.allowed):
                left -= draft.take_many(wanted.demand, left)
        while left > 0:
            kind = self._best(wanted._replace(number=left))
            if kind is None:
                return
            left -= self.launch(kind).take_many(wanted.demand, left)

    def meet_group(self, wanted: WantedBundles) -> None:
        """Launch what all bundles of a group need besides what is free; nothing if not all of them would fit then."""
        before = self._drafts, dict(self.count), dict(self.launched), self._lowest
        self._drafts = list(self._drafts)
        alone = _alone(wanted)
        spare = list(alone)
        while (numbers := _places(wanted, self._drafts)) is None:
            # Where each would find room, and still not all of them do: a node more for each in turn.
            lacking = self._first_without_room(wanted, alone) or (spare.pop(0) if spare else None)
            kind = None if lacking is None else self._best(lacking)
            if kind is None:
                self._drafts, self.count, self.launched, self._lowest = before
                return
            self.launch(kind)
        by_number = {draft.number: draft for draft in self._drafts}
        for number, bundle in zip(numbers, wanted.bundles, strict=True):
            by_number[number].take(bundle)
            by_number[number].is_needed = True

    def _first_without_room(self, wanted: WantedBundles, alone: Sequence[Wanted]) -> Wanted | None:
        """Packed one after the other, which bundle finds no room first."""
        apart = wanted.strategy is PlacementStrategy.STRICT_SPREAD
        open_to = [draft for draft in self._drafts if not apart or draft.number not in wanted.occupied]
        left = {draft.number: dict(draft.available) for draft in open_to}
        for each in alone:
            allowed = (draft.number for draft in open_to if _allows(draft.labels, each.allowed))
            room = next((number for number in allowed if number in left and fits(left[number], each.demand)), None)
            if room is None:
                return each
            take(left[room], each.demand)
            if apart:
                del left[room]
        return None

    def _best(self, wanted: Wanted) -> NodeType | None:
        """The type of which one more is launched: one without devices for whom asks for none, of these that which
        would be used most, of equals the first."""
        open_types = [kind for kind in self._scaling.types if self.count[kind.name] < kind.max_nodes]
        suitable = [kind for kind in open_types if _suits(kind, wanted.demand, wanted.allowed)]
        wants_devices = amount(wanted.demand, GPU) > 0
        return max(
            suitable,
            key=lambda kind: (wants_devices or not amount(kind.total, GPU), _use(kind, wanted)),
            default=None,
        )

    def gone(self) -> tuple[int, ...]:
        """Which nodes go: those that have been idle for long and that nothing needs, the longest first, down to the
        least number of their type."""
        needed = {draft.number for draft in self._drafts if draft.is_needed}
        least = {kind.name: kind.min_nodes for kind in self._scaling.types}
        idle = [
            (node.idle_since_s, node.view.number, node.node_type)
            for node in self._situation.nodes
            if node.node_type in least
            and node.idle_since_s is not None
            and node.idle_since_s + self._scaling.idle_timeout_s <= self._situation.now_s
            and node.view.number not in needed
        ]
        going = []
        for _, number, name in sorted(idle):
            if self.count[name] > least[name]:
                self.count[name] -= 1
                going.append(number)
        return tuple(going)


def _alone(wanted: WantedBundles) -> list[Wanted]:
    """Each bundle as a demand of its own, the largest first; all of them as one where they are to be together."""
    pairs = list(zip(wanted.bundles, [*wanted.selectors, *[()] * len(wanted.bundles)], strict=False))
    if wanted.strategy is PlacementStrategy.STRICT_PACK:
        together: dict[str, int] = {}
        for bundle, _ in pairs:
            for name, units in bundle:
                together[name] = together.get(name, 0) + units
        conditions = tuple(condition for _, each in pairs for condition in each)
        return [Wanted(tuple(sorted(together.items())), 1, (conditions,))]
    pairs.sort(key=lambda pair: sum(units for name, units in pair[0] if name != MEMORY), reverse=True)
    return [Wanted(bundle, 1, (selector,)) for bundle, selector in pairs]


def _suits(kind: NodeType, demand: Resources, allowed: Sequence[Conditions]) -> bool:
    return fits(dict(kind.total), demand) and _allows(dict(kind.labels), allowed)


def _allows(labels: Mapping[str, str], allowed: Sequence[Conditions]) -> bool:
    return any(meets(labels, conditions) for conditions in allowed)


def _use(kind: NodeType, wanted: Wanted) -> float:
    """Which share of a new node, without its memory, would be used by as many as fit."""
    draft = _fresh(kind, -1)
    draft.take_many(wanted.demand, wanted.number)
    shares = [1 - draft.available[name] / units for name, units in kind.total if name != MEMORY and units]
    return sum(shares) / len(shares) if shares else 0.0


def _places(wanted: WantedBundles, drafts: Sequence[_Draft]) -> list[int] | None:
    return place_bundles(
        wanted.strategy, wanted.bundles, drafts, selectors=wanted.selectors, occupied=wanted.occupied
    )
