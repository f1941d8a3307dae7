"""Random programs on nodes that come and die: the invariants hold after every step, whatever a living node could run
does run, and in the end everything has been given back."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from localray.kernel.records import TaskState, WorkerRecord

from .cluster import Cluster

NODES = ("node cpu=2 gpu=1 store=2000 label:zone=a", "node cpu=1 store=2000 label:zone=b", "node cpu=3 store=2000")
PLACES = ("", " spread", " on=0 soft", " on=1", " on=1 soft spilling", " on=2 failing", " where:zone=a", " soft:zone=b")
DEMANDS = ("", " cpu=0.5", " cpu=2", " gpu=0.5", " cpu=0")
STEPS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 200)), max_size=60)


class Walk:
    """A cluster, and what may be done to it."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.tables = self.cluster.kernel.tables
        self.made: list[str] = []
        for line in NODES:
            self.cluster.execute(line)
        self.cluster.execute("driver d")

    def step(self, move: int, number: int) -> None:
        if move < 5:
            self.submit(number)
        elif move < 9:
            self.finish(number)
        elif move == 9:
            self.lose(number)
        elif move == 10:
            self.cluster.execute(NODES[number % len(NODES)])
        elif self.made:
            self.cluster.execute(f"d get {self.made[number % len(self.made)]}")

    def submit(self, number: int) -> None:
        name = f"t{len(self.made)}"
        needs = f" deps={self.made[number % len(self.made)]}" if self.made and number % 3 == 0 else ""
        place, demand = PLACES[number % len(PLACES)], DEMANDS[number % len(DEMANDS)]
        self.cluster.execute(f"d submit {name}{place}{demand}{needs} retries={number % 2 * 3}")
        self.made.append(name)

    def finish(self, number: int) -> None:
        """A worker answers; every other value is a large one."""
        busy = [worker for worker in self.tables.workers.values() if worker.assigned and not worker.killed]
        if not busy:
            return
        worker = busy[number % len(busy)]
        name = self.cluster.names.client(worker.number)
        self.cluster.execute(f"{name} starts")
        where = ""
        if number % 2:
            self.cluster.execute(f"{name} reserve size=64")
            buffers = self.tables.clients[worker.number].buffers
            where = f" at={next(iter(buffers))} size=64" if buffers else ""
        self.cluster.execute(f"{name} done {self.cluster.names.of(next(iter(worker.assigned)))}{where} took=10us")

    def lose(self, number: int) -> None:
        living = [node.number for node in self.tables.nodes.values() if node.alive and node.number]
        if living:
            node = self.tables.nodes[living[number % len(living)]]
            self.cluster.execute(f"loses {node.number}")
            for worker in list(node.workers.values()):
                self.bury(worker)

    def bury(self, worker: WorkerRecord) -> None:
        begun = worker.ended_count + min(1, len(worker.assigned))
        self.cluster.execute(f"{self.cluster.names.client(worker.number)} dies started={begun}")

    def end(self) -> None:
        for _ in range(1000):
            if not any(worker.assigned for worker in self.tables.workers.values()):
                break
            self.finish(0)
        for line in NODES:
            self.cluster.execute(line)
        for _ in range(1000):
            if not any(worker.assigned for worker in self.tables.workers.values()):
                break
            self.finish(0)
        left = [task for task in self.tables.tasks.values() if task.state is not TaskState.FINISHED]
        assert not left, [self.cluster.kernel.tables.log.story(task.task_id) for task in left]
        for node in self.tables.nodes.values():
            assert node.available == node.total
            assert node.gpu_free == [10_000] * len(node.gpu_free)
        self.cluster.execute("d leaves")


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_nodes_come_and_die_and_everything_ends(steps: list[tuple[int, int]]) -> None:
    walk = Walk()
    for move, number in steps:
        walk.step(move, number)
    walk.end()
