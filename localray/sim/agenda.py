"""What runs next: carriers whose wait is over and jobs to start come first; when there are none, the next event
happens.

Must not live here: threads (`localray.sim.carriers`), what events do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from localray.sim.carrier import Blocked, Carrier, Job
from localray.sim.clock import NANOSECONDS, VirtualClock
from localray.sim.errors import CarrierStopped, DeadlockError, SimulationLimitError
from localray.sim.events import EventQueue
from localray.sim.schedule import Draw

_EMPTY_TICKS_TOLERATED = 20
"""The kernel looks, ever less often, after what may be held up: when it has found nothing so often, it never will."""


class Agenda:
    """What may run, what is going to happen, and when it is over.

    Args:
        clock: moved from here, and by those who sleep while nothing happens.
        events: what is going to happen.
        draw: decides which of several runs next.
        driver: the carrier that learns of failures.
        carriers: gives all carriers, for telling who waits.
    """

    def __init__(
        self,
        clock: VirtualClock,
        events: EventQueue,
        draw: Draw,
        driver: Carrier,
        carriers: Callable[[], Iterable[Carrier]],
    ) -> None:
        self.clock = clock
        self.events = events
        self.failure: BaseException | None = None
        self.limit_ns: int | None = None
        self.tick_at_ns: Callable[[], int | None] = _never
        self.tick: Callable[[], bool] = _nothing
        self.driver_interrupted = False
        self._draw = draw
        self._driver = driver
        self._carriers = carriers
        self._runnable: list[Blocked | Job] = []
        self._empty_ticks = 0

    def add(self, runnable: Blocked | Job) -> None:
        """This may run, as soon as its turn comes."""
        self._runnable.append(runnable)

    def quiet_until(self, at_ns: int) -> bool:
        """Whether nothing at all happens up to that time."""
        if self._runnable or self.failure is not None or self.driver_interrupted:
            return False
        due = (self.events.next_at_ns(), self.tick_at_ns(), self.limit_ns)
        return all(moment is None or moment > at_ns for moment in due)

    def next(self, current: Carrier) -> Blocked | Job:
        """What runs next; lets events happen, on the thread of the current carrier, until there is something.

        Raises:
            BaseException: the current carrier is to end or was interrupted; a failure of the simulation is the driver's
                to learn.
        """
        while True:
            if self._runnable or self.driver_interrupted:
                chosen = self._choose()
                if chosen is not None:
                    return chosen
            try:
                self._advance()
            except CarrierStopped:
                raise  # Out of a callback of the user's, which had blocked on this stack.
            except Exception as error:  # noqa: BLE001 - the driver must learn of whatever broke the simulation
                self.fail(error)
            except BaseException as error:
                if current is self._driver:
                    raise  # An interrupt: it breaks nothing.
                self.fail(error)

    def _choose(self) -> Blocked | Job | None:
        blocked = self._driver.blocked
        if self.driver_interrupted and blocked is not None:
            self.driver_interrupted = False
            blocked.chosen = True
            return blocked
        runnable = self._runnable
        while runnable:
            chosen = runnable.pop(int(self._draw() * len(runnable)) if len(runnable) > 1 else 0)
            if isinstance(chosen, Job):
                if chosen.owner.alive:
                    return chosen
            else:
                chosen.chosen = True
                # One whose carrier has meanwhile blocked again, inside a callback, goes on when that is over.
                if chosen.carrier.blocked is chosen:
                    return chosen
        return None

    def _advance(self) -> None:
        """Let events happen until something may run."""
        runnable, events, clock = self._runnable, self.events, self.clock
        while not runnable and not self.driver_interrupted:
            at_ns = events.next_at_ns()
            tick_ns = self.tick_at_ns()
            if tick_ns is not None and (at_ns is None or tick_ns < at_ns):
                self._tick(max(clock.now_ns, tick_ns), is_all=at_ns is None)
            elif at_ns is None:
                raise self._deadlock()
            else:
                self._empty_ticks = 0
                if self.limit_ns is not None and at_ns > self.limit_ns:
                    raise self._out_of_time()
                clock.now_ns = at_ns
                events.pop()()

    def _tick(self, at_ns: int, *, is_all: bool) -> None:
        """The kernel looks after what it wanted to look after then; whether that is all that will ever happen is for
        telling that nothing will."""
        if self.limit_ns is not None and at_ns > self.limit_ns:
            raise self._out_of_time()
        self.clock.now_ns = at_ns
        acted = self.tick()
        self._empty_ticks = self._empty_ticks + 1 if is_all and not acted else 0
        if self._empty_ticks > _EMPTY_TICKS_TOLERATED:
            raise self._deadlock()

    def _out_of_time(self) -> SimulationLimitError:
        limit_s = 0 if self.limit_ns is None else self.limit_ns / NANOSECONDS
        waiting = "\n".join(self.waiting())
        return SimulationLimitError(
            f"The simulation was allowed {limit_s:g} s of virtual time, and is not done:\n{waiting}"
        )

    def fail(self, error: BaseException) -> None:
        """The simulation itself is broken, or deadlocked: the driver gets to know, nothing else happens."""
        if self.failure is None:
            self.failure = error
        self.clear()
        if self._driver.blocked is not None:
            self._runnable.append(self._driver.blocked)

    def clear(self) -> None:
        """Nothing is going to happen any more."""
        self._runnable.clear()
        self.events.clear()
        self.tick_at_ns = _never
        self.tick = _nothing

    def waiting(self) -> list[str]:
        """Who waits for what, a line each."""
        lines = []
        for carrier in self._carriers():
            if carrier.blocked is not None and not carrier.stopped:
                what = carrier.blocked.what()
                if what:
                    lines.append(f"  {carrier.name} {what}")
        return lines

    def _deadlock(self) -> DeadlockError:
        return DeadlockError(
            f"Deadlock at {self.clock.now_s:.6f} s of virtual time: nothing can happen any more, "
            "and somebody still waits:\n" + "\n".join(self.waiting())
        )


def _never() -> int | None:
    return None


def _nothing() -> bool:
    return False
