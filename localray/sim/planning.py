"""A recorded run on clusters that do not exist: how long it would take, what it would use, what it would cost.

The recorded tasks are run again in a simulation, by the same scheduler: those that submit nothing as modelled tasks,
the others as functions that wait, work and submit as they did. Must not live here: what was recorded, and what is
guessed of it (`localray.sim.recorded`); tables and choices for a person (`localray.cli.plan`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType
from typing import Any, cast

from localray.client.current import current_client
from localray.protocol import Query, StoreTotals
from localray.sim.modelled import task as modelled_task
from localray.sim.nodes import SimulatedNode, parse_nodes
from localray.sim.program import run
from localray.sim.recorded import RecordedTask, Recording, Step

BANDWIDTH_BYTES_PER_S = 1.25e9
"""Of nodes that do not say: 10 Gbit/s."""
LARGEST_REAL_BYTES = 64 * 2**20
"""What a task with a body returns is really there: of larger results so much."""
_HOUR_S = 3600.0
_LOOKS_EVERY_S = 0.01


@dataclass(frozen=True, slots=True)
class DescribedCluster:
    """A cluster somebody might rent: as it was written, its nodes, and what it costs an hour, if that was said."""

    text: str
    nodes: tuple[SimulatedNode, ...]
    price_an_hour: float | None

    @property
    def num_cpus(self) -> float:
        """Of all nodes."""
        return sum(node.num_cpus for node in self.nodes)


def parse_cluster(text: str) -> DescribedCluster:
    """A cluster as text: as for `localray.sim.nodes.parse_nodes`, with ``@`` and the price of a node an hour.

    Raises:
        ValueError: a value makes no sense; the text says which.

    Example:
        >>> parse_cluster("1x8cpu@0.4,20x16cpu@0.80").price_an_hour
        16.4
    """
    nodes: list[SimulatedNode] = []
    total: float | None = 0.0
    for part in text.split(","):
        described, has_price, price = part.partition("@")
        alike = parse_nodes(described)
        nodes += [node if node.bandwidth_bytes_per_s else _connected(node) for node in alike]
        try:
            each = float(price) if has_price else None
        except ValueError:
            raise ValueError(f"{price!r} in {part!r} is not a price of a node an hour: write 20x16cpu@0.80.") from None
        total = None if total is None or each is None else total + len(alike) * each
    return DescribedCluster(text, tuple(nodes), None if total is None else round(total, 6))


def _connected(node: SimulatedNode) -> SimulatedNode:
    return replace(node, bandwidth_bytes_per_s=BANDWIDTH_BYTES_PER_S)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a recorded run would be on a cluster: how long it takes, the share of all CPUs that is used on average, and
    how many bytes are spilled to disk and copied between nodes; or ``impossible``, why it cannot be there."""

    cluster: DescribedCluster
    makespan_s: float = 0.0
    cpu_share: float = 0.0
    spilled_bytes: int = 0
    transferred_bytes: int = 0
    impossible: str = ""

    @property
    def cost(self) -> float | None:
        """What it costs; None where no price was given."""
        price = self.cluster.price_an_hour
        return None if price is None else price * self.makespan_s / _HOUR_S


def plan(recording: Recording, cluster: DescribedCluster, seed: int = 0) -> Plan:
    """Run a recorded run on a cluster.

    Raises:
        BaseException: whatever broke the simulation.
    """
    lacking = lacks(recording, cluster.nodes)
    if lacking:
        return Plan(cluster, impossible=lacking)
    found: list[Plan] = []

    def program(ray: ModuleType) -> None:
        replay = _Submitter(recording.steps, {})
        started_s = time.monotonic()
        replay.play(ray, recording.driver)
        client = current_client()
        if client is None:
            raise RuntimeError("a simulated program has no client")
        # Those that nobody seems to have waited for are part of the run too.
        while dict(cast("tuple[tuple[str, int], ...]", client.ask(Query.TABLE_SIZES)))["tasks"]:
            time.sleep(_LOOKS_EVERY_S)
        makespan_s = time.monotonic() - started_s
        store = StoreTotals(*cast("tuple[Any, ...]", client.ask(Query.STORE)))
        transferred = sum(row[3] for row in cast("tuple[Any, ...]", client.ask(Query.PER_NODE)))
        held_s = cluster.num_cpus * makespan_s
        share = cpu_seconds(recording) / held_s if held_s else 0.0
        found.append(Plan(cluster, makespan_s, share, store.spilled_bytes, transferred))

    report = run(program, seed=seed, nodes=cluster.nodes, check_invariants=False)
    if report.error is not None:
        raise report.error
    return found[0]


def cheapest(plans: Iterable[Plan], deadline_s: float) -> Plan | None:
    """Of those that are done in time the one that costs least; without prices the one with fewest CPUs. None when none
    is in time."""
    in_time = [each for each in plans if not each.impossible and each.makespan_s <= deadline_s]
    priced = [each for each in in_time if each.cost is not None] or in_time
    return min(priced, key=lambda each: (each.cost or 0.0, each.cluster.num_cpus), default=None)


def lacks(recording: Recording, nodes: Sequence[SimulatedNode]) -> str:
    """Which task fits on none of the nodes, in words; empty when each fits somewhere."""
    for task in recording.tasks.values():
        if task.kind != "ACTOR_CALL" and not any(_fits(node, task.resources) for node in nodes):
            wanted = ", ".join(f"{amount:g} {name}" for name, amount in sorted(task.resources.items()))
            return f"no node has {wanted} for {task.name}"
    return ""


def _fits(node: SimulatedNode, resources: Mapping[str, float]) -> bool:
    has = {"CPU": node.num_cpus, "GPU": node.num_gpus, "memory": node.memory, **node.resources}
    return all(has.get(name, 0) >= amount for name, amount in resources.items())


def cpu_seconds(recording: Recording) -> float:
    """How long CPUs were held by what worked: not while it waited for others."""
    total = 0.0
    for task in recording.tasks.values():
        steps = recording.steps.get(task.task_id)
        works_s = task.duration_s if steps is None else sum(step.work_s for step in steps)
        total += works_s * task.resources.get("CPU", 0.0)
    return total


# ---------------------------------------------------------------- running again


class _Submitter:
    """Does what the driver, or one task, did: waits, works, submits.

    Args:
        steps: of all tasks that submit others.
        actors: handles of actors that it was given.
    """

    def __init__(self, steps: Mapping[str, tuple[Step, ...]], actors: Mapping[str, Any]) -> None:
        self._steps = steps
        self._actors = dict(actors)

    def play(self, ray: ModuleType, steps: Sequence[Step]) -> None:
        """Take one step after the other. A result is kept until it is used for the last time."""
        last_use: dict[str, int] = {}
        for number, step in enumerate(steps):
            depends_on = () if step.submit is None else step.submit.depends_on
            last_use.update(dict.fromkeys((*step.wait_for, *depends_on), number))
        made: dict[str, Any] = {}
        for number, step in enumerate(steps):
            waiting = [made[name] for name in step.wait_for if name in made]
            if waiting:
                ray.wait(waiting, num_returns=len(waiting), fetch_local=False)
            if step.work_s > 0:
                time.sleep(step.work_s)
            if step.submit is not None:
                arguments = [made[name] for name in step.submit.depends_on if name in made]
                made[step.submit.task_id] = self._submit(ray, step.submit, arguments)
            del waiting
            for name in [name for name in made if last_use.get(name, number) <= number and name in last_use]:
                del made[name]
        rest = list(made.values())
        if rest:
            ray.wait(rest, num_returns=len(rest), fetch_local=False)

    def _submit(self, ray: ModuleType, task: RecordedTask, arguments: list[Any]) -> Any:
        steps = self._steps.get(task.task_id, ())
        if task.kind == "ACTOR_CREATION":
            handle = ray.remote(_Actor).options(**_options(task.resources)).remote(task.duration_s, *arguments)
            self._actors[task.actor_id] = handle
            return handle.__ray_ready__.remote()
        handle = self._actors.get(task.actor_id) if task.kind == "ACTOR_CALL" else None
        if handle is None and not steps:
            leaf = _leaf(_round(task.duration_s), task.output_bytes, tuple(sorted(task.resources.items())))
            return leaf.remote(*arguments)
        below = {each: self._steps[each] for each in _tree(task.task_id, self._steps)}
        work = (below, steps or (Step((), task.duration_s, None),), task.output_bytes, self._actors)
        if handle is not None:
            return handle.call.remote(work, *arguments)
        return ray.remote(_perform).options(**_options(task.resources)).remote(work, *arguments)


def _tree(task_id: str, steps: Mapping[str, tuple[Step, ...]]) -> Iterable[str]:
    """The tasks below one that submit others, itself included."""
    if task_id in steps:
        yield task_id
        for step in steps[task_id]:
            if step.submit is not None:
                yield from _tree(step.submit.task_id, steps)


def _perform(work: tuple[Any, ...], *arguments: object) -> bytes:
    from importlib import import_module

    below, steps, output_bytes, actors = work
    _Submitter(below, actors).play(import_module("localray"), steps)
    return bytes(min(output_bytes, LARGEST_REAL_BYTES))


class _Actor:
    """An actor whose calls take as long as they did."""

    def __init__(self, took_s: float, *arguments: object) -> None:
        time.sleep(took_s)

    def call(self, work: tuple[Any, ...], *arguments: object) -> bytes:
        return _perform(work)


def _round(duration_s: float) -> float:
    """To three digits: so that tasks that took nearly the same are of one kind."""
    return float(f"{duration_s:.3g}")


@cache
def _leaf(duration_s: float, output_bytes: int, resources: tuple[tuple[str, float], ...]) -> Any:
    return modelled_task(duration_s, output_size=output_bytes, **_options(dict(resources)))


def _options(resources: Mapping[str, float]) -> dict[str, Any]:
    """Recorded resources as options of `ray.remote`."""
    others = {name: amount for name, amount in resources.items() if name not in ("CPU", "GPU", "memory")}
    options: dict[str, Any] = {"num_cpus": resources.get("CPU", 0)}
    if resources.get("GPU"):
        options["num_gpus"] = resources["GPU"]
    if resources.get("memory"):
        options["memory"] = int(resources["memory"])
    if others:
        options["resources"] = others
    return options
