"""When the parts of the task that runs began: its arguments are read, the user's code runs, what it returned is stored.

Only where one task runs at a time: of several nothing is noted. Must not live here: what becomes of it
(`localray.chrome_trace`).
"""

from __future__ import annotations

from collections.abc import Callable

WORTH_TELLING_S = 0.0001
"""What reading the arguments and storing the outcome take together is told of when it is longer."""


class Phases:
    """Of one task after the other.

    Args:
        now_s: a clock.

    Example:
        >>> times = iter([1.0, 1.5, 3.0])
        >>> phases = Phases(lambda: next(times))
        >>> phases.begin()
        1.0
        >>> phases.have_read()
        >>> phases.have_returned()
        >>> phases.around(4.0)
        (0.5, 1.0)
    """

    __slots__ = ("_began_s", "_now_s", "_read_s", "_returned_s")

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._began_s = self._read_s = 0.0
        self._returned_s: float | None = None

    def begin(self) -> float:
        """A task begins now; returns the time."""
        self._began_s = self._read_s = now_s = self._now_s()
        self._returned_s = None
        return now_s

    def have_read(self) -> None:
        """Its arguments are there."""
        self._read_s = self._now_s()

    def have_returned(self) -> None:
        """The user's code has returned a value, which is not stored yet."""
        self._returned_s = self._now_s()

    def around(self, ended_s: float) -> tuple[float, ...]:
        """How long it took to read and to store, as `localray.protocol.TaskDone` has it, of a task that ends now."""
        reading_s = self._read_s - self._began_s
        storing_s = 0.0 if self._returned_s is None else ended_s - self._returned_s
        return (reading_s, storing_s) if reading_s + storing_s > WORTH_TELLING_S else ()
