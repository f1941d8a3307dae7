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
STEPS = st.lists(st.tuples(st.integers(0, 13), st.integers(0, 200)), max_size=60)


class Walk:
    """A cluster, and what may be done to it."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.tables = self.cluster.kernel.tables
        self.made: list[str] = []
        self.held: list[str] = []
        self.asked: set[str] = set()
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
        elif move == 11 and self.held:
            self.get(self.held[number % len(self.held)])
        elif move == 12 and self.held and self.held[number % len(self.held)] not in self.asked:
            self.cluster.execute(f"d drop {self.held.pop(number % len(self.held))}")
        elif move == 13 and self.held:
            self.damage(self.held[number % len(self.held)])

    def submit(self, number: int) -> None:
        name = f"t{len(self.made)}"
        needs = f" deps={self.held[number % len(self.held)]}" if self.held and number % 3 == 0 else ""
        if self.held and number % 5 == 0:
            needs += f" borrows={self.held[number % 7 % len(self.held)]}"
        place, demand = PLACES[number % len(PLACES)], DEMANDS[number % len(DEMANDS)]
        self.cluster.execute(f"d submit {name}{place}{demand}{needs} retries={number % 2 * 3}")
        self.made.append(name)
        self.held.append(name)

    def get(self, name: str) -> None:
        """The driver reads, and lets go of what has come."""
        self.asked.add(name)
        self.cluster.execute(f"d get {name}")
        self.unpin()

    def unpin(self) -> None:
        pins = self.tables.clients[self.cluster.names.clients["d"]].pins
        for object_id in list(pins):
            self.cluster.execute(f"d unpin {self.cluster.names.of(object_id)}")

    def damage(self, name: str) -> None:
        """A place turns out not to hold what it should."""
        (object_id,) = self.cluster.names.object_ids([name])
        if self.tables.objects[object_id].location >= 0:
            self.cluster.execute(f"d damaged {name} = altered")

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
        for object_id in list(self.tables.clients[worker.number].pins):
            self.cluster.execute(f"{name} unpin {self.cluster.names.of(object_id)}")
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
        self.unpin()
        for name in self.held:
            self.cluster.execute(f"d drop {name}")
        assert not self.tables.objects and not self.tables.lineage and not self.tables.lineage_bytes
        assert all(node.store_used_bytes == 0 for node in self.tables.nodes.values())
        self.cluster.execute("d leaves")


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_nodes_come_and_die_and_everything_ends(steps: list[tuple[int, int]]) -> None:
    walk = Walk()
    for move, number in steps:
        walk.step(move, number)
    walk.end()
