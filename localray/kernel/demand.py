"""What waits for room, and which nodes are idle: what an autoscaler's policy is told, and whether it could help at all.

A view: nothing here changes a table. Must not live here: when it is looked at, and what follows (`scaling`).
"""

from __future__ import annotations

from localray.kernel import bundles
from localray.kernel.records import GroupRecord, NodeRecord, SchedulingClass
from localray.kernel.tables import Tables
from localray.protocol import StrategyKind
from localray.sched.autoscaling import ScaledNode, Situation, Wanted, WantedBundles
from localray.sched.placement import conditions_of


def situation_of(tables: Tables) -> Situation:
    """What there is and what waits, as the policy is told."""
    requested = tables.requested
    selectors = requested.selectors or ((),) * len(requested.bundles)
    return Situation(
        tables.now_s,
        [ScaledNode(node, node.node_type, idle_since_s(node)) for node in tables.nodes.values() if stays(node)],
        tables.launching,
        [
            Wanted(group.to_place, group.queued, tuple(conditions_of(group.rule)))
            for group in tables.classes.values()
            if group.queued and another_node_helps(group)
        ],
        [wanted_by(group) for group in tables.pending_groups],
        [Wanted(bundle, 1, (selector,)) for bundle, selector in zip(requested.bundles, selectors, strict=True)],
    )


def stays(node: NodeRecord) -> bool:
    """Whether a node is there and will be: another is launched in the stead of one that is about to go."""
    return node.alive and not node.draining


def idle_since_s(node: NodeRecord) -> float | None:
    """Since when nothing of a node is used: no task, no actor, no bundle, no value in its store."""
    is_busy = (
        node.available != node.total
        or node.store_used_bytes > 0
        or any(worker.assigned or worker.actor for worker in node.workers.values())
    )
    return None if is_busy else node.used_at_s


def another_node_helps(group: SchedulingClass) -> bool:
    """Whether what is queued could go to a node that is not there yet: not into a placement group, nor to a certain
    node and no other."""
    bound = group.rule.kind == StrategyKind.NODE_AFFINITY and not (group.rule.is_soft or group.rule.spills)
    return group.placement_group is None and not bound


def wanted_by(group: GroupRecord) -> WantedBundles:
    """The bundles of a placement group that have no node."""
    homeless = bundles.without_node(group)
    return WantedBundles(
        group.strategy,
        tuple(group.bundles[index].demand for index in homeless),
        tuple(bundles.selectors_of(group, homeless)),
        frozenset(bundle.node.number for bundle in group.bundles if bundle.node is not None),
    )


def could_take(tables: Tables, group: SchedulingClass) -> bool:
    """Whether a node that may be launched could take what no node there is can."""
    scaling = tables.scaling
    return (
        scaling is not None
        and another_node_helps(group)
        and scaling.could_take(group.to_place, conditions_of(group.rule))
    )


def could_place(tables: Tables, group: GroupRecord) -> bool:
    """Whether a placement group would fit if as many nodes were there as may be launched."""
    return tables.scaling is not None and tables.scaling.could_place(wanted_by(group), tables.nodes.values())
