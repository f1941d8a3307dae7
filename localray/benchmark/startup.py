"""How long a system takes to start and to stop, seen by someone who runs a script.

One fresh interpreter is one measurement of all five rows. No other system is alive meanwhile.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from .lines import LineReader
from .processes import Launcher
from .programs import MARKS_LINE, program_text
from .systems import SystemName

TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class StartupTimes:
    """Where the time went, in seconds.

    Attributes:
        total_s: from before the interpreter is launched to the first task's result.
        shutdown_s: of the system's own shutdown, not of the interpreter's.
    """

    total_s: float
    import_s: float
    init_s: float
    first_task_s: float
    shutdown_s: float


def measure_startup(launcher: Launcher, python: str, name: SystemName, processors: int) -> StartupTimes:
    """Run a script of a few lines in a fresh interpreter.

    Raises:
        ChildFailedError: the script failed, or was not done in time.
    """
    # The monotonic clock is one for all processes of a Linux machine, so the child's marks can be compared with ours.
    launched_s = time.monotonic()
    child = launcher.start(python, ["-c", program_text(name, processors, rests=False)])
    try:
        marks = LineReader(child).read_until(MARKS_LINE, TIMEOUT_S)
    finally:
        child.destroy()
    return parse_marks(marks, launched_s)


def parse_marks(line: str, launched_s: float) -> StartupTimes:
    """Read the line of marks that the script prints last; `launched_s` is when it was launched, by the same clock."""
    begun_s, imported_s, started_s, answered_s, stopped_s = map(float, line.split()[1:])
    return StartupTimes(
        total_s=answered_s - launched_s,
        import_s=imported_s - begun_s,
        init_s=started_s - imported_s,
        first_task_s=answered_s - started_s,
        shutdown_s=stopped_s - answered_s,
    )
