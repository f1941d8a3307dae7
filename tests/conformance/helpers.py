"""What programs share: waiting for a condition, and gates and counters held by actors.

What must not live here: functions that tasks call. Workers import neither this module nor the programs; the classes
below are local to functions, so that they travel by value.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

DEADLINE_S = 30.0
SMALLEST_STORE_BYTES = 75 * 2**20
"""The least that `object_store_memory` may be."""
FREED_BYTES = 2**20
"""Less than this in the store means that no large object of a program is there any more."""


def module_of(ray: ModuleType, name: str) -> Any:
    """A module below `ray`: ``util.queue`` for ``ray.util.queue``."""
    return importlib.import_module(f"{ray.__name__}.{name}")


def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Polls `condition` until it holds; raises AssertionError naming `what` after `deadline_s` seconds."""
    give_up_at = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > give_up_at:
            raise AssertionError(f"still not true after {deadline_s} s: {what}")
        time.sleep(0.01)


def stored_bytes(ray: ModuleType) -> float:
    """What the living objects take of the store's memory, by the public API. Real Ray tells it up to a second late."""
    name = "object_store_memory"
    total = ray.cluster_resources()
    assert name in total, f"cluster_resources() says nothing of {name}"
    return float(total[name] - ray.available_resources().get(name, 0.0))


def wait_until_freed(ray: ModuleType, deadline_s: float = DEADLINE_S) -> None:
    """Waits until the store holds no large object."""
    wait_until(lambda: stored_bytes(ray) < FREED_BYTES, "the store is empty", deadline_s)


def make_gate(ray: ModuleType, **options: object) -> Any:
    """Returns the handle of an actor that takes no CPU: `is_open()`, `open()`. Pass it to a task from `make_waiter`."""

    @ray.remote(num_cpus=0, **options)
    class Gate:
        def __init__(self) -> None:
            self.opened = False

        def is_open(self) -> bool:
            return self.opened

        def open(self) -> None:
            self.opened = True

    gate = Gate.remote()
    ray.get(gate.is_open.remote())
    return gate


def make_waiter(ray: ModuleType, **options: object) -> Any:
    """Returns a remote function `wait_for(gate, value)` that returns `value` once the gate is open.

    It holds its resources all along except while it asks the gate, as any task blocked in `get` does.
    """

    def wait_for(gate: Any, value: object = None) -> object:
        while not ray.get(gate.is_open.remote()):
            time.sleep(0.01)
        return value

    return ray.remote(**options)(wait_for) if options else ray.remote(wait_for)


def make_recorder(ray: ModuleType) -> Any:
    """Returns the handle of an actor that takes no CPU and keeps what it is told: `add(item)`, `items()`, `count()`."""

    @ray.remote(num_cpus=0)
    class Recorder:
        def __init__(self) -> None:
            self.kept: list[object] = []

        def add(self, item: object) -> int:
            self.kept.append(item)
            return len(self.kept)

        def items(self) -> list[object]:
            return list(self.kept)

        def count(self) -> int:
            return len(self.kept)

    recorder = Recorder.remote()
    ray.get(recorder.count.remote())
    return recorder


def make_hoarder(ray: ModuleType) -> Any:
    """Makes an actor that never collects garbage by itself and holds some: `has_collected()` tells whether it has been
    made to; `hoard(size_bytes)` puts an array that only a cycle of references keeps; `collect_again()` ends that."""

    @ray.remote(num_cpus=0)
    class Hoarder:
        def __init__(self) -> None:
            import gc
            import weakref

            class Cycle:
                pass

            gc.disable()
            cycle = Cycle()
            cycle.itself = cycle
            self.seen = weakref.ref(cycle)

        def hoard(self, size_bytes: int) -> None:
            import numpy

            cycle: list[object] = [ray.put(numpy.zeros(size_bytes, numpy.uint8))]
            cycle.append(cycle)

        def has_collected(self) -> bool:
            return self.seen() is None

        def collect_again(self) -> None:
            import gc

            gc.enable()

    return Hoarder.remote()
