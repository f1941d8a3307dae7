"""Modelled work: tasks that have no body, only a duration and the size of what they return. They run without a thread,
and their values take no memory, so that clusters of a thousand nodes can be simulated.

Must not live here: running them (`localray.sim.worker`), their places in the store (`localray.sim.store`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from random import Random
from typing import Any, TypeAlias

from localray.client.serialization import serialize
from localray.sim.clock import to_ns
from localray.sim.links import Timing

Duration: TypeAlias = "float | Callable[[Random], float]"


@dataclass(frozen=True, slots=True)
class Hollow:
    """A value of so many bytes of which nothing but the size is there."""

    size_bytes: int

    def __len__(self) -> int:
        return self.size_bytes

    def __reduce__(self) -> tuple[type[Hollow], tuple[int]]:
        # Faster than what a dataclass with slots does by itself.
        return Hollow, (self.size_bytes,)


@cache
def hollow_bytes(size_bytes: int) -> bytes:
    """What is read in the place of a hollow value."""
    return serialize(Hollow(size_bytes)).to_bytes()


@dataclass(frozen=True, slots=True)
class Modelled:
    """What a modelled task does: take time, and return something of a size.

    ``duration`` is in seconds, or gives them for dice that are each task's own."""

    duration: Duration
    output_bytes: int

    def duration_ns(self, timing: Timing, task_id: bytes) -> int:
        """How long one task takes on an ordinary node."""
        duration = self.duration
        return to_ns(duration if isinstance(duration, (int, float)) else duration(timing.dice_of(task_id)))

    def run(self) -> Hollow:
        """The same for whoever calls it as a function: where there is no simulation, real time passes."""
        time.sleep(self.duration if isinstance(self.duration, (int, float)) else self.duration(Random()))
        return Hollow(self.output_bytes)


def model_of(function: object) -> Modelled | None:
    """The model of a task's function; None of one with a body."""
    model = getattr(function, "model", None)
    return model if isinstance(model, Modelled) else None


def task(duration: Duration = 0.0, *, memory: int = 0, output_size: int = 0, **options: Any) -> Any:
    """A remote function without a body.

    Args:
        duration: seconds that it takes on a node of speed 1; or a function that draws them from a `random.Random`,
            which each task has its own of, by the seed.
        memory: bytes that it asks for.
        output_size: bytes of what it returns, a `Hollow` of which nothing is really there.
        options: of `ray.remote`.

    Returns:
        A remote function that takes any arguments.

    Example:
        >>> from localray import sim
        >>> load = sim.task(duration=lambda random: random.expovariate(10), output_size=10**8, num_cpus=2)
    """
    if output_size < 0 or (isinstance(duration, (int, float)) and duration < 0):
        raise ValueError("duration and output_size cannot be negative.")
    if memory:
        options["memory"] = memory
    model = Modelled(duration, output_size)

    def modelled(*arguments: object) -> Hollow:
        return model.run()

    modelled.model = model  # type: ignore[attr-defined]
    remote = import_module("localray").remote
    return remote(**options)(modelled) if options else remote(modelled)
