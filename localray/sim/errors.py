"""What a simulation raises of itself: a deadlock found, a limit reached, something that cannot be simulated; and the
exception that ends a carrier."""

from __future__ import annotations

from localray.client.executor import WorkerExit
from localray.exceptions import RayError


class DeadlockError(RayError):
    """Nothing can happen any more and somebody still waits. The text says who waits for what."""


class SimulationLimitError(RayError):
    """The simulation went on for longer, in virtual time or steps, than it was allowed to."""


class CheckFailedError(RayError):
    """Something that the program said must hold does not: by `always`, `eventually`, or a `History`."""


class LeftBehindError(RayError):
    """The program is done, and left something behind. The text lists it."""


class NotSimulatedError(RayError):
    """The program did something that this simulation can't do under a virtual clock. The text says what and what to do
    instead."""


class CarrierStopped(WorkerExit):
    """Raised where a carrier blocks whose virtual process is gone, to unwind it. A BaseException: no handler of the
    user's should keep it."""
