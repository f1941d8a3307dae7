"""Looking again for a short while before sleeping: the answer to a call is often only a few hundred microseconds away.

A process that sleeps has to be woken, and waking an idle CPU costs 50 to 100 µs on a virtual machine: a round trip over
three processes took 120 µs there, and 30 µs when each looked again, giving the CPU away in between (`sched_yield`),
before it slept. It is done only where it has
paid lately: each time that nothing came, the next waits sleep at once, twice as many as the time before.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

from localray.runtime.interrupts import interruptible

Found = TypeVar("Found")

SPIN_S = 0.001
MOST_SKIPPED = 7

_now_s = time.perf_counter
_yield_cpu: Callable[[], object] = getattr(os, "sched_yield", lambda: time.sleep(0))


class Spinner:
    """Decides for one waiting place whether to look again or to sleep."""

    __slots__ = ("_skip", "_skip_next")

    def __init__(self) -> None:
        self._skip = 0
        self._skip_next = 0

    def worth_it(self) -> bool:
        """Whether this wait should begin with looking again."""
        if self._skip:
            self._skip -= 1
            return False
        return True

    def came(self, something: bool) -> None:
        """What came of it."""
        if something:
            self._skip_next = 0
        else:
            self._skip_next = min(MOST_SKIPPED, self._skip_next * 2 + 1)
        self._skip = self._skip_next


@interruptible
def look_again(look: Callable[[], Found]) -> Found:
    """Look until there is something or the time is over. Each look begins with giving the CPU away: whoever is to
    answer may need this very one, and the caller has usually just asked."""
    end_s = _now_s() + SPIN_S
    while True:
        _yield_cpu()
        found = look()
        if found or _now_s() >= end_s:
            return found
