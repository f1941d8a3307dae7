"""Where queued tasks go: a task of each class in turn, a node by the policy of its strategy, a worker there.

Must not live here: policies (`localray.sched.placement`), which task of a class comes next (`queues`), sending more to
a worker that has its lease already (`scheduling`).
"""

from __future__ import annotations

from collections.abc import Iterator

from localray.kernel import (
    checkpoints,
    demand,
    devices,
    frozen,
    nodes,
    patience,
    queues,
    reservations,
    scheduling,
    starvation,
    workers,
)
from localray.kernel.records import GroupState, NodeRecord, SchedulingClass, TaskRecord, WorkerState
from localray.kernel.tables import Tables
from localray.kernel.transitions import move
from localray.protocol import Notice, Status, StrategyKind, text_payload
from localray.sched import placement
from localray.sched.placement import DEFAULT_RULE, Choice, Question
from localray.sched.resources import fits, missing

NO_DEVICES: tuple[list[int], tuple[int, ...]] = ([], ())
OTHERS_LOOKED_AT = 16
"""When the chosen node is not to be given a task yet (`patience`, `reservations`), so many others are tried."""


def dispatch(tables: Tables) -> None:
    """Place what can be placed, a task of each class in turn; then ask the starved, in turn, about what was freed."""
    hungry, freed = tables.hungry, tables.freed
    while hungry or freed:
        if hungry:
            group = next(iter(hungry))
            del hungry[group]
            serve(tables, group)
            continue
        number = next(iter(freed))
        taker = queues.wanting(tables, tables.nodes[number])
        # Whoever wanted it and could not be placed all the same (no whole device, or no worker) is asked last, once.
        if taker is None or not serve(tables, taker):
            del freed[number]
            for other in _wanting_besides(tables, tables.nodes[number], taker):
                serve(tables, other)


def _wanting_besides(
    tables: Tables, node: NodeRecord, refused: SchedulingClass | None
) -> list[SchedulingClass]:
    if refused is None:
        return []
    return [group for group in tables.starved if group is not refused and fits(node.available, group.to_place)]


def serve(tables: Tables, group: SchedulingClass) -> bool:
    """A class has its turn: one of its tasks is placed, or it goes on the list of those that wait."""
    tables.starved.pop(group, None)
    tables.patient.pop(group, None)
    task = queues.next_task(tables, group)
    if task is None:
        return True
    if place(tables, group, task) or place_deeper(tables, group, task):
        if group.queued:
            tables.hungry[group] = None
        return True
    if is_feasible(tables, group):
        queues.starve(tables, group)
        reservations.refused(tables, group)
        starvation.watch(tables)
    else:
        tables.infeasible[group] = None
        warn_of_infeasible(tables, group, task)
    return False


def place_deeper(tables: Tables, group: SchedulingClass, task: TaskRecord) -> bool:
    """A task of another depth had its turn, and is held back although there is room: the deepest is not kept waiting by
    that."""
    if group not in tables.patient or task.depth == max(group.queues):
        return False
    deepest = queues.deepest_task(tables, group)
    return deepest is not None and place(tables, group, deepest)


def place(tables: Tables, group: SchedulingClass, task: TaskRecord) -> bool:
    """Take a task out of its queue, to a worker or because no node may ever take it; False when there is no room."""
    choice = choose(tables, group, task)
    if choice.never:
        text = f"{choice.never} name={task.template.name}"
        queues.give_up(tables, group, task, Status.UNSCHEDULABLE, text_payload(text))
        return True
    if choice.node is None:
        return False
    if place_on(tables, tables.nodes[choice.node], group, task):
        if group.rule.kind == StrategyKind.SPREAD:
            tables.turn = choice.node + 1
        return True
    return any(place_on(tables, tables.nodes[number], group, task) for number in others(tables, group, choice.node))


def choose(tables: Tables, group: SchedulingClass, task: TaskRecord) -> Choice:
    """Ask the policy."""
    if tables.policy is not None:
        return _ask_the_user(tables, group, task)
    if len(tables.nodes) == 1 and group.rule is DEFAULT_RULE:
        # Most sessions have one node: no ranking is needed.
        (node,) = tables.nodes.values()
        has_room = node.alive and not node.draining and fits(node.available, group.to_place)
        return Choice(node.number) if has_room else placement.WAIT
    with_data = _with_data(tables, task)
    return placement.choose(
        tables.index,
        group.rooms,
        group.to_place,
        group.rule,
        _home(tables, task) if with_data is None else with_data,
        tables.turn,
        tables.random,
        has_data=with_data is not None and not group.is_actor,
    )


def _ask_the_user(tables: Tables, group: SchedulingClass, task: TaskRecord) -> Choice:
    """A policy of the user's own decides, and is told when its answer cannot be."""
    living = [node for node in tables.nodes.values() if node.alive and not node.draining]
    local = nodes.home(tables, tables.clients.get(task.submitter)).number
    preferred, at = preferred_node(tables, task), nodes.bytes_at(tables, task.dependencies)
    question = Question(group.to_place, group.rule, preferred, living, tables.random, local, at)
    number = tables.policy(question) if tables.policy is not None else None
    if number is None:
        return placement.WAIT
    node = tables.nodes.get(number)
    if node is None or not node.alive or not fits(node.available, group.to_place):
        raise ValueError(f"The policy chose node {number} for {dict(group.to_place)}, which has no room for it.")
    return Choice(number)


def preferred_node(tables: Tables, task: TaskRecord) -> int:
    """The node that holds most bytes of a task's large arguments, else its submitter's."""
    number = _with_data(tables, task)
    return _home(tables, task) if number is None else number


def _with_data(tables: Tables, task: TaskRecord) -> int | None:
    several = task.dependencies and len(tables.nodes) > 1
    return nodes.most_bytes_at(tables, task.dependencies) if several else None


def _home(tables: Tables, task: TaskRecord) -> int:
    return nodes.home(tables, tables.clients.get(task.submitter)).number


def others(tables: Tables, group: SchedulingClass, chosen: int) -> Iterator[int]:
    """Nodes that have room besides the chosen one, where the choice was free."""
    if tables.policy is None and group.rule.kind != StrategyKind.NODE_AFFINITY and len(tables.nodes) > 1:
        for room in group.rooms:
            for _, _, number in room.ranked[:OTHERS_LOOKED_AT]:
                if number != chosen:
                    yield number


def place_on(tables: Tables, node: NodeRecord, group: SchedulingClass, task: TaskRecord) -> bool:
    """Lease a worker of a node for a task and send the task to it; False when a device or a worker lacks."""
    if reservations.keeps_out(tables, node, group) or patience.holds_back(tables, node, group, task):
        return False
    found = devices.obtain(node, group) if group.gpu_units else NO_DEVICES
    if found is None:
        return False
    worker = workers.obtain(tables, node, group)
    if worker is None:
        devices.put_back(group, *found)
        return False
    nodes.take_from(tables, node, group.to_hold)
    worker.resources = group.to_hold
    worker.devices, worker.units = found
    if group.placement_group is not None:
        worker.placement_group = group.placement_group
        group.placement_group.workers[worker.number] = worker
    worker.leased_at_s = tables.now_s
    frozen.watch(tables)
    if tables.measure_at_s is None and tables.memory.refresh_s:
        tables.measure_at_s = tables.now_s + tables.memory.refresh_s
    queues.take_next(group, task)
    reservations.placed(tables, group)
    if group.is_actor:
        workers.become_actor(tables, worker, task)
        checkpoints.send_state(tables, worker)
    else:
        worker.leased_to = group
        group.leased[worker.number] = worker
        move(tables.log, worker.number, worker, WorkerState.LEASED, "leased")
    scheduling.send_task(tables, worker, task)
    return True


def is_feasible(tables: Tables, group: SchedulingClass) -> bool:
    """Whether some node could take the class's demand if nothing else ran; looked up once while no node comes or
    goes."""
    membership = tables.index.membership
    if group.feasible_at != membership:
        if not placement.is_feasible(tables.nodes.values(), group.to_place, group.rule):
            return False
        group.feasible_at = membership
    return True


def warn_of_infeasible(tables: Tables, group: SchedulingClass, task: TaskRecord) -> None:
    """Tell the driver once that no node can ever meet the demand of this task and those like it: Ray lets such tasks
    wait, and so do we, but not in silence."""
    placement_group = group.placement_group
    if placement_group is not None and placement_group.state is not GroupState.CREATED:
        return
    job = tables.jobs.get(group.job)
    if group.warned or job is None or demand.could_take(tables, group):
        return
    group.warned = True
    living = [node for node in tables.nodes.values() if node.alive]
    reasons = [missing(node.total, group.to_place) or placement.lacks(node, (), group.rule) for node in living]
    lacks = " | ".join(dict.fromkeys(reasons)) or "there is no node"
    what = f"Actor {task.template.name.removesuffix('.__init__')}" if group.is_actor else f"Task {task.template.name}"
    text = f"{what} cannot be placed on any node and waits for one: {lacks}. Ask for less, or give a node more."
    tables.send(job.driver, Notice(text))
