"""Carriers: threads that run user code one at a time, passing a baton; whoever blocks runs the event loop itself.

The thread that holds the baton runs; all others sleep on a lock of their own. User code that blocks (`block`) lets
events happen on its own stack until something can run: itself, and it just goes on; another blocked carrier, and the
baton goes there; a new job, and the baton goes to a free carrier. A carrier whose job ends goes on with the events, and
so runs the next job without any switch of threads. What runs next of several is drawn from the schedule's stream.

Must not live here: what runs next (`localray.sim.agenda`), what events and jobs do, whose they are (an `Owner` is all
that is known of that), the kernel.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextvars import Context

from localray.client.current import set_thread_client
from localray.sim.agenda import Agenda
from localray.sim.carrier import Blocked, Carrier, Job, Owner
from localray.sim.clock import NANOSECONDS, VirtualClock
from localray.sim.errors import CarrierStopped
from localray.sim.events import Action, EventQueue
from localray.sim.quiet import users_errors
from localray.sim.schedule import Draw
from localray.sim.stuck import Stuck

_STOPS_TOLERATED = 1000
"""User code that catches even `BaseException` in a loop gets so many `CarrierStopped` before its thread is given up."""
_SPIN_FREE_READS = 200
_SPIN_READ_NS = 100_000
_SPIN_TOLD_READS = 1_000
"""A program that reads the clock over and over waits for time to pass: after so many reads in a row each one takes this
long, and after more of them the program is told."""

_SUBMISSIONS_AT_ONCE = 256
_SUBMISSION_NS = 5_000


class Carriers:
    """The baton and the pool of threads.

    Args:
        clock: moved from here, and nowhere else.
        events: what is going to happen.
        draw: decides which of several runs next.
    """

    def __init__(self, clock: VirtualClock, events: EventQueue, draw: Draw) -> None:
        self.clock = clock
        self.events = events
        self.driver = Carrier("driver")
        self.driver.thread = threading.current_thread()
        self.agenda = Agenda(clock, events, draw, self.driver, self._all)
        self.current = self.driver
        self.by_thread: dict[int, Carrier] = {threading.get_ident(): self.driver}
        self.in_user_code = True
        self.bypass = False
        self.closing = False
        self.turns = 0
        """How often user code has begun or gone on."""
        self.stuck = Stuck(self)
        self.spins: Callable[[], None] | None = None
        """Called when user code has done nothing but look at the clock for long."""
        self._idle: list[Carrier] = []
        self._pool: list[Carrier] = []
        self._others: list[Carrier] = []

    def _all(self) -> tuple[Carrier, ...]:
        return (self.driver, *self._pool, *self._others)

    # ---------------------------------------------------------------- for user code

    def mine(self) -> Carrier | None:
        """The calling thread's carrier; None for a thread that is no part of the simulation."""
        return self.by_thread.get(threading.get_ident())

    def block(self, what: Callable[[], str], timeout_ns: int | None, register: Callable[[Blocked], None]) -> bool:
        """Let the world go on until the wait is over; returns whether it was woken, rather than out of time.

        Args:
            what: tells what the wait is for.
            timeout_ns: how long to wait at most, None for ever.
            register: gets the wait, to tell whoever will `wake` it.

        Raises:
            CarrierStopped: this carrier's virtual process is gone.
            DeadlockError: on the driver: nothing will ever happen again.
        """
        carrier = self.current
        self._raise_if_over(carrier)
        blocked = Blocked(carrier, what)
        register(blocked)
        timer = None
        if timeout_ns is not None:
            timer = self.events.add_timer(self.clock.now_ns + timeout_ns, lambda: self._time_out(blocked))
        outer, carrier.blocked = carrier.blocked, blocked
        in_user_code, self.in_user_code = self.in_user_code, False
        carrier.reads = carrier.submissions = 0
        try:
            Context().run(self._run_until, carrier, blocked)
        finally:
            carrier.blocked = outer
            self.turns += 1
            self.in_user_code = in_user_code
            if timer is not None:
                timer.cancel()
            set_thread_client(carrier.client)
        if blocked.error is not None:
            raise blocked.error
        self._raise_if_over(carrier)
        return blocked.ready

    def _raise_if_over(self, carrier: Carrier) -> None:
        if carrier.stopped:
            carrier.stops += 1
            if carrier.stops > _STOPS_TOLERATED:
                self._give_up(carrier)
            raise CarrierStopped(f"{carrier.name}: its virtual process is gone")
        if self.agenda.failure is not None and carrier is self.driver:
            raise self.agenda.failure

    def sleep(self, duration_ns: int, what: str = "", register: Callable[[Blocked], None] | None = None) -> None:
        """Block for that long; or until it is woken by whoever `register` has told of the wait."""
        at_ns = self.clock.now_ns + duration_ns
        if not self.current.stopped and self.agenda.quiet_until(at_ns):
            # Nothing happens meanwhile, so nobody needs to be asked.
            self.clock.now_ns = at_ns
        else:
            self.block(lambda: what or f"sleeps {duration_ns / NANOSECONDS:g} s", duration_ns, register or _ignore)

    def read_clock(self, carrier: Carrier) -> int:
        """What user code gets when it looks at the clock: time passes for those who do nothing but look."""
        carrier.reads += 1
        if carrier.reads > _SPIN_FREE_READS and carrier is self.current and self.in_user_code:
            reads = carrier.reads
            if reads == _SPIN_TOLD_READS and self.spins is not None:
                self.spins()
            self.sleep(_SPIN_READ_NS, "looks at the clock over and over")
            carrier.reads = reads
        return self.clock.now_ns

    def count_submission(self) -> None:
        """User code has submitted something: after many, time passes, for whoever only submits would never let it."""
        carrier = self.current
        carrier.submissions += 1
        if carrier.submissions >= _SUBMISSIONS_AT_ONCE:
            self.sleep(_SUBMISSIONS_AT_ONCE * _SUBMISSION_NS, "submits one thing after the other")
            carrier.submissions = 0

    # ---------------------------------------------------------------- for events

    def wake(self, blocked: Blocked) -> None:
        """The wait is over: its carrier may run."""
        if not blocked.ready and not blocked.chosen:
            blocked.ready = True
            self.agenda.add(blocked)

    def fail_wait(self, blocked: Blocked, error: BaseException) -> None:
        """End a wait with an exception."""
        blocked.error = error
        self.wake(blocked)

    def _time_out(self, blocked: Blocked) -> None:
        # Like `wake`, but `ready` stays False: that is how the one who waits tells the two apart.
        if not blocked.ready and not blocked.chosen:
            self.agenda.add(blocked)

    def start(self, function: Action, owner: Owner) -> None:
        """Run a function on a carrier, as soon as its turn comes."""
        self.agenda.add(Job(function, owner))

    def stop(self, owner: Owner) -> None:
        """The owner is gone: unwind all its carriers that are blocked; one that is running is unwound when it next
        blocks."""
        for carrier in (*self._pool, *self._others):
            if carrier.owner is owner:
                carrier.stopped = True
                if carrier.blocked is not None:
                    self.wake(carrier.blocked)

    # ---------------------------------------------------------------- loop

    def _run_until(self, carrier: Carrier, blocked: Blocked) -> None:
        """Let events happen until this wait is chosen to go on."""
        while not blocked.chosen:
            chosen = self.agenda.next(self.current)
            if isinstance(chosen, Job):
                other = self._free_carrier()
                other.job = chosen
                self._switch(carrier, other)
            elif chosen.carrier is not carrier:
                self._switch(carrier, chosen.carrier)

    def _switch(self, carrier: Carrier, other: Carrier) -> None:
        """Pass the baton and sleep until it comes back."""
        self.current = other
        other.gate.release()
        if carrier is self.driver:
            self._sleep_as_driver()
        else:
            carrier.gate.acquire()
        self.current = carrier
        self.in_user_code = False

    def _sleep_as_driver(self) -> None:
        """The driver's thread is the main one, which signals interrupt: then it must get the baton back before the
        exception goes on."""
        try:
            self.stuck.sleep()
        except BaseException as error:
            if self.current is self.driver:
                # The baton came at the same moment; whether the lock was taken already cannot be known.
                self.driver.gate.acquire(timeout=0.05)
            else:
                self.stuck.interrupted(error)
            self.current = self.driver
            raise

    # ---------------------------------------------------------------- threads

    def _free_carrier(self) -> Carrier:
        if self._idle:
            return self._idle.pop()
        carrier = Carrier(f"carrier-{len(self._pool) + 1}")
        self._pool.append(carrier)
        carrier.thread = threading.Thread(
            target=self._main, args=(carrier,), name=f"localray-{carrier.name}", daemon=True
        )
        self.start_thread(carrier.thread)
        return carrier

    def start_thread(self, thread: threading.Thread) -> None:
        """Start a real thread, with none of the waiting inside `Thread.start` made virtual."""
        self.bypass = True
        try:
            thread.start()
        finally:
            self.bypass = False

    def _main(self, carrier: Carrier) -> None:
        """A pool thread: run jobs; in between, let events happen."""
        carrier.gate.acquire()
        self.by_thread[threading.get_ident()] = carrier
        while not self.closing:
            job, carrier.job = carrier.job, None
            if job is not None:
                self.current = carrier
                self._run_job(carrier, job)
                job = None
                if self.closing:
                    break
            chosen = self.agenda.next(self.current)
            if isinstance(chosen, Job):
                carrier.job = chosen
            else:
                self._idle.append(carrier)
                self._switch(carrier, chosen.carrier)
        del self.by_thread[threading.get_ident()]
        self.driver.gate.release()

    def _run_job(self, carrier: Carrier, job: Job) -> None:
        carrier.serve(job.owner)
        self.turns += 1
        self.in_user_code = True
        try:
            job.function()
        except CarrierStopped:
            # Its virtual process is gone; that is all there was to do.
            carrier.stopped = False
        except BaseException as error:  # noqa: BLE001 - what leaves a job is a bug of ours, and the driver is the one to tell
            self.agenda.fail(error)
        finally:
            self.in_user_code = False
            carrier.serve(None)

    def adopt(self, name: str, owner: Owner) -> Carrier:
        """A carrier for a thread that the program starts itself; `run_adopted` runs on it."""
        carrier = Carrier(name)
        carrier.owner = owner
        carrier.client = owner.client
        self._others.append(carrier)
        return carrier

    def start_adopted(self, carrier: Carrier) -> None:
        """Its thread exists and sleeps at its gate: it may run as soon as its turn comes."""
        carrier.blocked = Blocked(carrier, lambda: "has not begun")
        self.wake(carrier.blocked)

    def run_adopted(self, carrier: Carrier, function: Action) -> None:
        """On the program's own thread: wait for the baton, run, hand the baton on."""
        carrier.gate.acquire()
        self.by_thread[threading.get_ident()] = carrier
        carrier.blocked = None
        self.in_user_code = True
        set_thread_client(carrier.client)
        try:
            if not carrier.stopped:
                function()
        except (CarrierStopped, SystemExit):
            carrier.stopped = False
        except BaseException:  # noqa: BLE001 - shown as `threading` shows it, but while this thread still has the baton
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), carrier.thread)))
        finally:
            self.in_user_code = False
            self._others.remove(carrier)
            set_thread_client(None)
            del self.by_thread[threading.get_ident()]
            self._leave()

    def _leave(self) -> None:
        """Give the baton away for good."""
        if self.closing:
            self.driver.gate.release()
            return
        chosen = self.agenda.next(self.current)
        other = self._free_carrier() if isinstance(chosen, Job) else chosen.carrier
        if isinstance(chosen, Job):
            other.job = chosen
        self.current = other
        other.gate.release()

    def _give_up(self, carrier: Carrier) -> None:
        """A thread that can't be unwound sleeps for ever; it is a daemon and ends with the process."""
        print(
            f"localray: {carrier.name} catches every exception in a loop and could not be stopped; "
            "its thread is abandoned",
            file=users_errors(),
        )
        carrier.abandoned = True
        (self._pool if carrier in self._pool else self._others).remove(carrier)
        del self.by_thread[threading.get_ident()]
        self._leave()
        while True:
            carrier.gate.acquire()

    def close(self) -> None:
        """End every thread; the caller is the driver and holds the baton."""
        self.closing = True
        self.agenda.clear()
        carriers = [*self._others, *self._pool]
        for carrier in carriers:
            carrier.stopped = True
            if carrier.blocked is not None:
                carrier.blocked.chosen = True
            self.current = carrier
            carrier.gate.release()
            self.driver.gate.acquire()
        self.current = self.driver
        self.bypass = True
        for carrier in carriers:
            if carrier.thread is not None and not carrier.abandoned:
                carrier.thread.join()
        self.bypass = False
        set_thread_client(None)


def _ignore(blocked: Blocked) -> None:
    """Nobody wakes a sleeper but its timeout."""
