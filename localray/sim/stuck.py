"""A task that does not yield: told of while it runs, and stopped when the program is interrupted.

A simulation runs one thing at a time, so a task that computes without end stops the world, and virtual time with it.
Only real time shows that. The driver's thread has nothing to do meanwhile, so it is the one that looks. Must not live
here: the passing of the baton (`localray.sim.carriers`).
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

from localray.sim.errors import CarrierStopped, NotSimulatedError, SimulationLimitError
from localray.sim.places import place
from localray.sim.quiet import users_errors

if TYPE_CHECKING:
    from localray.sim.carrier import Carrier
    from localray.sim.carriers import Carriers

TOLD_AFTER_S = 10.0
"""Real seconds without yielding after which the user is told; and again whenever it has been twice as long."""
RAISED_AFTER_S = 40.0
"""When it is told of after so many, a strict simulation raises."""
_GRACE_S = 0.3
"""How long an interrupted simulation may take to come to a point where it can be left."""
_STEP_S = 0.1
_MOST_STOPS = 50


class Stuck:
    """Looks after the carrier that has the baton.

    Args:
        carriers: of the simulation.
    """

    def __init__(self, carriers: Carriers) -> None:
        self.strict = False
        self.tell: Callable[[str], None] = _tell
        self._carriers = carriers

    def sleep(self) -> None:
        """On the driver's thread: until the baton comes back."""
        carriers, looks, told_s = self._carriers, 0, TOLD_AFTER_S
        each_s = TOLD_AFTER_S / 5
        seen: object = None
        while not carriers.driver.gate.acquire(timeout=each_s):
            progress = (carriers.turns, carriers.clock.now_ns, carriers.current)
            if progress != seen or not carriers.in_user_code:
                seen, looks, told_s = progress, 0, TOLD_AFTER_S
                continue
            looks += 1
            elapsed_s = looks * each_s
            if elapsed_s >= told_s:
                told_s *= 2
                text = _text(carriers.current, elapsed_s)
                self.tell(f"{text}. Until it does nothing else runs, and no virtual time passes.")
                if self.strict and elapsed_s >= RAISED_AFTER_S:
                    # No sooner than it is told of the next time: this one must not hit the handling of the last.
                    _raise_in(carriers.current, _late(f"{text}."))

    def interrupted(self, error: BaseException) -> None:
        """The driver's thread was interrupted while another has the baton, which must come back: who runs is stopped.

        A loop in Python ends by an exception. What does not end so is in C: a second Ctrl-C, or SIGTERM alone, then
        ends the process, as there is nothing left that could be put in order.
        """
        carriers, gate = self._carriers, self._carriers.driver.gate
        carriers.agenda.driver_interrupted = True
        try:
            if gate.acquire(timeout=_GRACE_S):
                return
            text = _text(carriers.current)
            if not self._stop():
                if not isinstance(error, KeyboardInterrupt):
                    _end_process(error)
                self.tell(f"{text}, and cannot be stopped there; Ctrl-C again ends the process.")
                gate.acquire()
        except BaseException as another:  # noqa: BLE001 - whoever interrupts twice wants no more than an end
            _end_process(another)
        # With a task that was broken off anywhere, nothing can go on.
        carriers.agenda.fail(SimulationLimitError(f"The simulation was interrupted: {text}."))
        if isinstance(error, KeyboardInterrupt) and not error.args:
            error.args = (text,)

    def _stop(self) -> bool:
        """Interrupt whoever runs until the baton comes back; returns whether it did."""
        carriers = self._carriers
        for _ in range(_MOST_STOPS):
            carrier = carriers.current
            if carriers.in_user_code:
                carrier.stopped = True
                _raise_in(carrier, CarrierStopped)
            if carriers.driver.gate.acquire(timeout=_STEP_S):
                return True
        return False


def _end_process(error: BaseException) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(130 if isinstance(error, KeyboardInterrupt) else 143)


def _raise_in(carrier: Carrier, error: type[BaseException]) -> None:
    """Have an exception raised on a carrier's thread, between two steps of Python."""
    thread = carrier.thread
    if thread is not None and thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(error))


def _late(text: str) -> type[NotSimulatedError]:
    """An exception for a thread is given as a class: one for this text, which is pickled as what it stands for."""

    class Late(NotSimulatedError):
        def __init__(self) -> None:
            super().__init__(text)

        def __reduce__(self) -> tuple[object, ...]:
            return NotSimulatedError, (text,)

    Late.__name__ = Late.__qualname__ = NotSimulatedError.__name__
    Late.__module__ = NotSimulatedError.__module__
    return Late


def _text(carrier: Carrier, elapsed_s: float | None = None) -> str:
    spent = "does not yield" if elapsed_s is None else f"has used {elapsed_s:.3g} s of real time without yielding"
    return f"{_doing(carrier)} {spent}: it is at {place(_frame_of(carrier))}"


def _doing(carrier: Carrier) -> str:
    """What runs on a carrier, in words."""
    if carrier.client is None or carrier.name.startswith("thread"):
        return carrier.name
    context = carrier.client.serial_task
    return f"worker {carrier.client.number}" if context is None else f"task {context.name}"


def _frame_of(carrier: Carrier) -> FrameType | None:
    thread = carrier.thread
    return None if thread is None or thread.ident is None else sys._current_frames().get(thread.ident)


def _tell(text: str) -> None:
    print(f"localray: {text}", file=users_errors(), flush=True)
