"""Placement groups on several nodes, at random: all or nothing, nothing leaked, and nodes that die.

Every step checks the kernel's invariants, which say that a group that waits holds nothing, and that what is free, held
and reserved adds up to what there is.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from localray.kernel import groups
from localray.kernel.records import GroupState, NodeRecord, WorkerRecord
from localray.protocol import PlacementStrategy

from .cluster import Cluster

BUNDLES = ("cpu:1", "cpu:2", "cpu:0.5,gpu:0.5", "gpu:1", "cpu:1,gpu:1.5")
STEPS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 10_000)), max_size=60)


class Groups:
    """A cluster with groups and tasks in them, played by numbers."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.tables = self.cluster.kernel.tables
        self.living: dict[str, int] = {}
        self.count = 0
        for _ in range(3):
            self.cluster.execute("node cpu=3 gpu=2")
        self.cluster.execute("driver d")

    def name(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def step(self, move: int, number: int) -> None:
        if move == 0:
            self.create(number)
        elif move == 1 and self.living:
            self.remove(list(self.living)[number % len(self.living)])
        elif move in (2, 3) and self.living:
            group = list(self.living)[number % len(self.living)]
            bundle = number % (self.living[group] + 1) - 1
            demand = ("", " cpu=0.5", " cpu=0", " gpu=0.5")[number % 4]
            if number % 3:
                self.cluster.execute(f"d submit {self.name('t')} group={group} bundle={bundle}{demand}")
            else:
                self.cluster.execute(f"d actor {self.name('a')} group={group} bundle={bundle} cpu=1")
        elif move == 4:
            self.cluster.execute(f"d submit {self.name('t')}")
        elif move == 5:
            self.finish(number)
        elif move == 6:
            self.cluster.execute("tick +1s")

    def create(self, number: int) -> None:
        strategy = list(PlacementStrategy)[number % 4].name
        bundles = [BUNDLES[number // 4 // 5**place % 5] for place in range(1 + number % 3)]
        name = self.name("g")
        self.living[name] = len(bundles)
        self.cluster.execute(f"d group {name} {strategy} {' '.join(bundles)}")
        group = self.tables.groups[self.cluster.names.groups[name]]
        homes = [bundle.node for bundle in group.bundles if bundle.node is not None]
        if group.state is GroupState.CREATED and strategy == "STRICT_PACK":
            assert len({home.number for home in homes}) == 1
        if group.state is GroupState.CREATED and strategy == "STRICT_SPREAD":
            assert len({home.number for home in homes}) == len(bundles)

    def remove(self, name: str) -> None:
        del self.living[name]
        self.cluster.execute(f"d remove {name}")
        for worker in [worker for worker in self.tables.workers.values() if worker.killed]:
            self.bury(worker)

    def bury(self, worker: WorkerRecord) -> None:
        begun = worker.ended_count + min(1, len(worker.assigned))
        self.cluster.execute(f"{self.cluster.names.client(worker.number)} dies started={begun}")

    def finish(self, number: int) -> None:
        busy = [worker for worker in self.tables.workers.values() if worker.assigned and not worker.killed]
        if busy:
            worker = busy[number % len(busy)]
            name = self.cluster.names.client(worker.number)
            self.cluster.execute(f"{name} starts")
            self.cluster.execute(f"{name} done {self.cluster.names.of(next(iter(worker.assigned)))}")

    def kill_node(self, node: NodeRecord) -> None:
        self.cluster.execute(f"loses {node.number}")
        for worker in list(node.workers.values()):
            self.bury(worker)

    def end(self) -> None:
        for name in list(self.living):
            self.remove(name)
        for node in self.tables.nodes.values():
            assert not [name for name in node.total if "_group_" in name]
        assert not self.tables.groups and not self.tables.pending_groups
        assert not [group for group in self.tables.classes.values() if group.placement_group is not None]
        while any(worker.assigned for worker in self.tables.workers.values()):
            self.finish(0)
        for node in self.tables.nodes.values():
            assert node.available == node.total
            assert node.gpu_free == [10_000, 10_000]


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_groups_hold_all_or_nothing_and_leak_nothing(steps: list[tuple[int, int]]) -> None:
    world = Groups()
    for move, number in steps:
        world.step(move, number)
    world.end()


@settings(max_examples=50, deadline=None)
@given(STEPS, STEPS, st.integers(0, 2))
def test_bundles_of_a_dead_node_look_for_another_place(
    before: list[tuple[int, int]], after: list[tuple[int, int]], victim: int
) -> None:
    world = Groups()
    for move, number in before:
        world.step(move, number)
    held = {
        group: [bundle.node for bundle in group.bundles]
        for group in world.tables.groups.values()
        if group.state is GroupState.CREATED
    }
    world.kill_node(world.tables.nodes[victim])
    for group, homes in held.items():
        for bundle, home in zip(group.bundles, homes, strict=True):
            assert bundle.node is None or bundle.node.alive
            if home is not None and home.number != victim:
                assert bundle.node is home, "a bundle moved whose node lives"
    for move, number in after:
        world.step(move, number)
    world.end()


def test_many_groups_come_and_go_and_leave_only_the_last_in_the_table() -> None:
    world = Groups()
    for _ in range(groups.REMOVED_KEPT + 10):
        world.create(0)
        world.remove(next(iter(world.living)))
    assert len(world.tables.removed_groups) == groups.REMOVED_KEPT
    world.end()
