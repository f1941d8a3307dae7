"""What a system costs while nobody uses it: memory, processes and processor time of its whole process tree.

It is looked at after a few tasks, so that a system that starts its workers late is not measured without them, and once
its memory has settled. No other system is alive meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from .lines import LineReader
from .processes import Launcher, MarkedProcess, cpu_seconds, memory_bytes
from .programs import MARKS_LINE, READY_LINE, program_text
from .systems import SystemName

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
SETTLED_WITHIN = 0.01
SAMPLE_EVERY_S = 1.0
MAXIMUM_SAMPLES = 15
CPU_WINDOW_S = 3.0


@dataclass(frozen=True, slots=True)
class IdleCost:
    """What all processes of a resting system use together.

    Attributes:
        pss_bytes: proportional set size: private memory, and shared memory counted once.
        cpu_fraction: processor time per time passed; 1.0 is one core.
    """

    pss_bytes: int
    processes: int
    cpu_fraction: float


def measure_idle(launcher: Launcher, python: str, name: SystemName, processors: int) -> IdleCost:
    """Start a system, let it run a few tasks, and look at it when it has come to rest.

    Raises:
        ChildFailedError: it did not start or did not stop.
    """
    child = launcher.start(python, ["-c", program_text(name, processors, rests=True)])
    try:
        reader = LineReader(child)
        reader.read_until(READY_LINE, START_TIMEOUT_S)
        pss_bytes = settle(lambda: memory_bytes(child.tree()), lambda: time.sleep(SAMPLE_EVERY_S))
        cost = IdleCost(pss_bytes, len(child.tree()), _idle_cpu_fraction(child))
        reader.write(b"\n")
        reader.read_until(MARKS_LINE, STOP_TIMEOUT_S)
    finally:
        child.destroy()
    return cost


def settle(sample: Callable[[], int], pause: Callable[[], None]) -> int:
    """Sample until two samples in a row agree within 1 %, or patience ends, and return the last."""
    value = sample()
    for _ in range(MAXIMUM_SAMPLES):
        pause()
        before, value = value, sample()
        if abs(value - before) <= SETTLED_WITHIN * before:
            break
    return value


def _idle_cpu_fraction(child: MarkedProcess) -> float:
    processes = child.tree()
    used_s, begun_s = cpu_seconds(processes), time.monotonic()
    time.sleep(CPU_WINDOW_S)
    return (cpu_seconds(processes) - used_s) / (time.monotonic() - begun_s)
