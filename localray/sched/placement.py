"""Placement policies: which node gets a demand. Pure functions of rankings of a read-only view of the nodes.

The policies are Ray's: the hybrid default (pack until half full, then the least used; the preferred node before its
equals), SPREAD (turns), node affinity, node labels; `label_selector` and its fallbacks narrow each of them. Must not
live here: queues, leases, or anything that changes a node.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from localray.protocol import DEFAULT_STRATEGY, Conditions, LabelOperator, Resources, StrategyKind
from localray.sched.bundle_names import plain_name
from localray.sched.labels import NODE_ID_LABEL, in_words, meets
from localray.sched.resources import CPU, fits, missing
from localray.sched.rooms import NodeIndex, Rank, Room
from localray.sched.views import Dice, NodeView

TOP_SHARE = 0.2
TOP_LIMIT = 16
"""Among the best nodes, one fifth of all but at most so many, the dice decide. Ray has no limit: there many deciders
with stale views would all choose the same node; here one decides, and sees what it did."""


class Rule(NamedTuple):
    """How a task wants to be placed: `localray.protocol.Strategy` with names to its fields."""

    kind: int
    node_id: bytes
    is_soft: bool
    spills: bool
    fails: bool
    hard: Conditions
    should: Conditions
    alternatives: tuple[Conditions, ...]


DEFAULT_RULE = Rule(*DEFAULT_STRATEGY)


class Choice(NamedTuple):
    """The number of the chosen node; None to wait, and with ``never`` to give up, for the reason that it is."""

    node: int | None
    never: str = ""


WAIT = Choice(None)


class Question(NamedTuple):
    """What a policy of the user's own is asked: which of the nodes gets this demand now. It answers with a node's
    number, or None to wait. ``local`` is the submitter's node, ``bytes_at`` how much of the large arguments is on each
    node that has any, and ``preferred`` the node with most of these, else the local one."""

    demand: Resources
    rule: Rule
    preferred: int | None
    nodes: Sequence[NodeView]
    dice: Dice
    local: int
    bytes_at: Mapping[int, int]


Policy: TypeAlias = Callable[[Question], "int | None"]


def conditions_of(rule: Rule) -> list[Conditions]:
    """The conditions that a rule puts on nodes, the best first."""
    alternatives = rule.alternatives or ((),)
    wishes = (rule.should, ()) if rule.should else ((),)
    return [(*alternative, *rule.hard, *wish) for alternative in alternatives for wish in wishes]


def rooms_for(demand: Resources, rule: Rule) -> tuple[Room, ...]:
    """The rankings that decisions on this demand need; the first that is not empty is chosen from."""
    by_number = rule.kind == StrategyKind.SPREAD
    return tuple(Room(demand, conditions, by_number=by_number) for conditions in conditions_of(rule))


def choose(
    index: NodeIndex,
    rooms: Sequence[Room],
    demand: Resources,
    rule: Rule,
    preferred: int | None,
    turn: int,
    dice: Dice,
    *,
    has_data: bool = False,
) -> Choice:
    """Choose a node.

    Args:
        index: the nodes.
        rooms: of this demand and rule, see `rooms_for`.
        demand: what must be available.
        rule: the policy and its conditions.
        preferred: the node that holds most of the arguments, else that of the submitter.
        turn: whose turn it is among nodes that take turns: the number after the last one chosen.
        dice: for ties.
        has_data: the preferred node has the arguments: where nothing else is asked for, a task stays with them as long
            as it has room, however busy it is.
    """
    if rule.kind == StrategyKind.NODE_AFFINITY:
        choice = affine(index, demand, rule)
        if choice is not None:
            return choice
    for room in rooms:
        room.catch_up(index)
        if room.ranked:
            if rule.kind == StrategyKind.SPREAD:
                return Choice(next_in_turn(room.ranked, turn))
            if rule.kind == StrategyKind.NODE_LABELS:
                return Choice(room.ranked[dice.randrange(len(room.ranked))][2])
            rank = None if preferred is None else room.rank_of(preferred)
            if has_data and rank is not None and rule == DEFAULT_RULE:
                return Choice(rank[2])
            return Choice(hybrid(room.ranked, rank, len(index.nodes), dice))
    return Choice(None, GONE) if names_absent_nodes(index.nodes.values(), demand, rule) else WAIT


def hybrid(ranked: Sequence[Rank], preferred: Rank | None, node_count: int, dice: Dice) -> int:
    """The preferred node if it has room and none is better, else one of the best."""
    best = ranked[0]
    if preferred is not None and preferred[:2] <= best[:2]:
        return preferred[2]
    top = min(max(1, int(node_count * TOP_SHARE)), TOP_LIMIT)
    if top > 1:
        candidates = [rank for rank in ranked[:top] if rank[0] == best[0]]
        return candidates[dice.randrange(len(candidates))][2]
    return best[2]


def next_in_turn(ranked: Sequence[Rank], turn: int) -> int:
    """The first with room from ``turn`` on, and round."""
    position = bisect_left(ranked, (False, 0.0, turn))
    return ranked[position if position < len(ranked) else 0][2]


def affine(index: NodeIndex, demand: Resources, rule: Rule) -> Choice | None:
    """What an affinity decides; None when it leaves the choice to the default."""
    target = index.by_id.get(rule.node_id)
    allowed = conditions_of(rule)
    if target is not None and target.alive and not target.draining and is_feasible_on(target, demand, allowed):
        if Room(demand, ()).has_room(target):
            return Choice(target.number)
        if rule.spills:
            return None
        return Choice(None, GONE) if rule.fails else WAIT
    return None if rule.is_soft else Choice(None, GONE)


GONE = (
    "The node specified via NodeAffinitySchedulingStrategy doesn't exist any more or is infeasible, and soft=False was "
    "specified."
)
"""Ray's words, also for a node that has no room now where that is to be a failure, and for label selectors."""


def names_absent_nodes(nodes: Iterable[NodeView], demand: Resources, rule: Rule) -> bool:
    """Whether a label selector asks for nodes by their ids, and of those that it and its fallbacks allow none is there
    that will stay and could ever take the demand."""
    wanted = rule.alternatives[0] if rule.alternatives else ()
    if not any(key == NODE_ID_LABEL and operator == LabelOperator.IN for key, operator, _ in wanted):
        return False
    allowed = conditions_of(rule)
    return not any(node.alive and not node.draining and is_feasible_on(node, demand, allowed) for node in nodes)


def is_feasible_on(node: NodeView, demand: Resources, allowed: Iterable[Conditions]) -> bool:
    """Whether an empty node could take the demand, under any of these conditions."""
    return fits(node.total, demand) and any(meets(node.labels, conditions) for conditions in allowed)


def is_feasible(nodes: Iterable[NodeView], demand: Resources, rule: Rule = DEFAULT_RULE) -> bool:
    """Whether any living node could ever meet the demand."""
    allowed = conditions_of(rule)
    return any(node.alive and is_feasible_on(node, demand, allowed) for node in nodes)


def choose_node(
    nodes: Iterable[NodeView],
    demand: Resources,
    dice: Dice,
    *,
    rule: Rule = DEFAULT_RULE,
    preferred: int | None = None,
    turn: int = 0,
) -> Choice:
    """`choose` for whoever has no rankings at hand: they are made for this one decision."""
    return choose(NodeIndex(nodes), rooms_for(demand, rule), demand, rule, preferred, turn, dice)


def lacks(node: NodeView, demand: Resources, rule: Rule) -> str:
    """What keeps a demand from a node now, in words; empty when nothing does."""
    if not node.alive:
        return "is dead"
    if node.draining:
        return "gets nothing new, because it will be gone soon"
    if rule.kind == StrategyKind.NODE_AFFINITY and node.node_id != rule.node_id and not rule.spills:
        return "is not the node asked for"
    allowed = conditions_of(rule)
    if not any(meets(node.labels, conditions) for conditions in allowed):
        return "does not meet " + " or ".join(in_words(conditions) for conditions in allowed)
    if not fits(node.total, demand):
        return missing(node.total, demand)
    if not fits(node.available, demand):
        return missing(node.available, demand) + " free"
    return "" if Room(demand, ()).has_room(node) else "has no whole device free"


def lendable(resources: Resources) -> Resources:
    """The part of a task's resources that goes back to the node while it waits in `get`: its CPUs; devices stay."""
    return tuple(pair for pair in resources if plain_name(pair[0]) == CPU)
