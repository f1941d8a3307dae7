"""What one scheduling decision costs, as the queue gets longer and the cluster larger.

The kernel alone is driven, without processes: a task is submitted and one ends, so that each pair of steps is one
decision, with the queue and the cluster full all the time. Figures are ratios of medians from the same run:

    python benchmarks/scheduling_cost.py
"""

from __future__ import annotations

import statistics
import time
from collections import deque
from random import Random

from localray import ids
from localray.kernel import Kernel
from localray.kernel.effects import DriverConnected, Effect, NodeAdded, Send
from localray.protocol import (
    DEFAULT_STRATEGY,
    CallMode,
    DefineFunction,
    DefineTemplate,
    DropReferences,
    RegisterDriver,
    RunTask,
    Strategy,
    StrategyKind,
    SubmitTask,
    TaskDone,
    TaskKind,
)

CPU_UNITS = 10_000
ROUNDS = 30
DECISIONS = 100
OUTCOME = ((0, b"", -1, 0, ()),)
SPREAD: Strategy = (StrategyKind.SPREAD.value, *DEFAULT_STRATEGY[1:])


class Load:
    """A kernel with so many nodes, all busy, and so many tasks queued beyond."""

    def __init__(
        self, nodes: int, cpus: int, queued: int, strategy: Strategy = DEFAULT_STRATEGY, classes: int = 1
    ) -> None:
        self.kernel = Kernel(Random(1))
        self.running: deque[tuple[int, bytes]] = deque()
        self.counter = 0
        self.classes = classes
        for number in range(nodes):
            total = (("CPU", cpus * CPU_UNITS), ("custom", 10**9))
            self.step(NodeAdded(b"%028d" % number, total, (), 1 << 20, 0))
        self.driver = self.kernel.new_client_number()
        self.step(DriverConnected(self.driver))
        self.step(RegisterDriver(1, "", (), "/"), self.driver)
        self.step(DefineFunction(b"f", "f", b"", ()), self.driver)
        for template in range(classes):
            demand: tuple[tuple[str, int], ...] = (("CPU", CPU_UNITS),)
            demand += (("custom", template),) if template else ()
            self.step(
                DefineTemplate(
                    template, TaskKind.TASK.value, b"f", "f", "", 1, demand, demand, 0, b"", CallMode.SERIAL.value, 1,
                    0, strategy=strategy,
                ),
                self.driver,
            )  # fmt: skip
        for _ in range(nodes * cpus + queued):
            self.submit()

    def step(self, event: object, sender: int = 0) -> None:
        for effect in self.kernel.step(0.0, event, sender):  # type: ignore[arg-type]
            self.take_in(effect)

    def take_in(self, effect: Effect) -> None:
        if type(effect) is Send and type(effect.message) is RunTask:
            self.running.append((effect.client, effect.message.task_id))

    def submit(self) -> None:
        self.counter += 1
        task_id = ids.task_id_bytes(self.driver, self.counter, ids.nil_actor_id(1))
        self.step(SubmitTask(task_id, self.counter % self.classes, b"", (), ()), self.driver)

    def decide(self) -> None:
        """One task ends, and another takes its place; one more is queued."""
        worker, task_id = self.running.popleft()
        self.step(TaskDone(task_id, OUTCOME, 1.0, False), worker)
        self.step(DropReferences((ids.object_id_bytes(task_id, 1),)), self.driver)
        self.submit()
        # Asked after every step by whoever drives a kernel.
        _ = self.kernel.deadline_s

    def seconds_for_one(self) -> float:
        """Of many decisions in a row, what one took."""
        begin_s = time.perf_counter()
        for _ in range(DECISIONS):
            self.decide()
        return (time.perf_counter() - begin_s) / DECISIONS


def compare(name: str, small: Load, large: Load, limit: float) -> None:
    """Time two loads in turns, so that whatever else the machine does hits both."""
    pairs = [(small.seconds_for_one(), large.seconds_for_one()) for _ in range(ROUNDS)]
    one_s, other_s = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(large_s / small_s for small_s, large_s in pairs)
    print(f"{name:<44} {one_s * 1e6:7.1f} µs {other_s * 1e6:7.1f} µs   ratio {ratio:5.2f}   wanted <= {limit}")


def main() -> None:
    print(f"{'one decision':<44} {'small':>10} {'large':>10}")
    compare("queued tasks: 1,000 and 1,000,000", Load(10, 4, 1_000), Load(10, 4, 1_000_000), 1.5)
    compare("nodes: 10 and 1,000", Load(10, 4, 1_000), Load(1_000, 4, 1_000), 3.0)
    compare("nodes, SPREAD: 10 and 1,000", Load(10, 4, 1_000, SPREAD), Load(1_000, 4, 1_000, SPREAD), 3.0)
    compare("classes: 10 and 200", Load(10, 4, 2_000, classes=10), Load(10, 4, 2_000, classes=200), 3.0)


if __name__ == "__main__":
    main()
