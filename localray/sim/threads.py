"""Threads and locks of the program in virtual time: replacements for what `threading` and `queue` offer.

A thread that the program starts becomes a carrier; a lock or condition that a carrier waits for lets the world go on.
Everything built of these (events, semaphores, queues, futures, thread pools) follows. Must not live here: the table of
all replacements (`localray.sim.patches`)."""

from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures.thread import ThreadPoolExecutor
from typing import Final, TypeAlias, cast

from localray.sim.carrier import Blocked, Carrier
from localray.sim.carriers import Carriers
from localray.sim.clock import to_ns

_Function: TypeAlias = "Callable[..., object]"

real: dict[str, _Function] = {}
"""The real functions, by name; filled when the first simulation starts."""

_current: Carriers | None = None
_threads: dict[threading.Thread, tuple[Carrier, list[Blocked]]] = {}


class Process(ABC):
    """A virtual process that its own code can end."""

    @abstractmethod
    def crash(self, cause: str) -> None:
        """End it at once; on one of its own carriers this does not return."""


def enter(carriers: Carriers) -> None:
    """From now on waiting is virtual for the threads of this simulation."""
    global _current
    _current = carriers


def leave() -> None:
    """Waiting is real again."""
    global _current
    _current = None
    _threads.clear()


def simulated() -> Carriers | None:
    """The simulation that the calling thread runs user code of."""
    carriers = _current
    if carriers is None or carriers.bypass or not carriers.in_user_code or carriers.mine() is None:
        return None
    return carriers


class VirtualLock:
    """A lock whose waiters let the world go on. After the simulation it is a plain lock."""

    def __init__(self) -> None:
        self._lock = cast("threading.Lock", real["threading.Lock"]())
        self._waiters: deque[Blocked] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As `threading.Lock.acquire`."""
        if self._lock.acquire(blocking=False):
            return True
        carriers = _current
        if not blocking or carriers is None or carriers.bypass or carriers.mine() is None:
            # Also inside `Thread.start`, where two real threads shake hands by locks that user code has made.
            return self._lock.acquire(blocking, timeout)
        deadline_ns = None if timeout < 0 else carriers.clock.now_ns + to_ns(timeout)
        while not self._lock.acquire(blocking=False):
            left_ns = None if deadline_ns is None else deadline_ns - carriers.clock.now_ns
            if left_ns is not None and left_ns <= 0:
                return False
            carriers.block(lambda: "waits for a lock", left_ns, self._waiters.append)
        return True

    def release(self) -> None:
        """As `threading.Lock.release`."""
        self._lock.release()
        carriers = _current
        while self._waiters and carriers is not None:
            waiter = self._waiters.popleft()
            if not waiter.chosen and not waiter.ready:
                carriers.wake(waiter)
                return

    def locked(self) -> bool:
        """As `threading.Lock.locked`."""
        return self._lock.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def __reduce__(self) -> str:
        raise TypeError("cannot pickle '_thread.lock' object")

    def _at_fork_reinit(self) -> None:
        self._lock = cast("threading.Lock", real["threading.Lock"]())
        self._waiters.clear()


class VirtualRLock:
    """A re-entrant lock, likewise."""

    def __init__(self) -> None:
        self._block = VirtualLock()
        self._holder: int | None = None
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As `threading.RLock.acquire`."""
        me = threading.get_ident()
        if self._holder == me:
            self._count += 1
            return True
        taken = self._block.acquire(blocking, timeout)
        if taken:
            self._holder = me
            self._count = 1
        return taken

    def release(self) -> None:
        """As `threading.RLock.release`."""
        if self._holder != threading.get_ident():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._holder = None
            self._block.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def __reduce__(self) -> str:
        raise TypeError("cannot pickle '_thread.RLock' object")

    def _release_save(self) -> tuple[int, int | None]:
        """For `threading.Condition`: let go of all levels."""
        state = (self._count, self._holder)
        self._count, self._holder = 0, None
        self._block.release()
        return state

    def _acquire_restore(self, state: tuple[int, int | None]) -> None:
        self._block.acquire()
        self._count, self._holder = state

    def _is_owned(self) -> bool:
        return self._holder == threading.get_ident()

    def _recursion_count(self) -> int:
        return self._count if self._is_owned() else 0

    def _at_fork_reinit(self) -> None:
        self._block._at_fork_reinit()
        self._holder, self._count = None, 0


def _lock() -> object:
    return real["threading.Lock"]() if simulated() is None else VirtualLock()


def _rlock() -> object:
    return real["threading.RLock"]() if simulated() is None else VirtualRLock()


class _Notified:
    """Stands where `threading.Condition.notify` expects the lock that a waiter sleeps on."""

    __slots__ = ("_carriers", "_released", "blocked")

    def __init__(self, carriers: Carriers) -> None:
        self._carriers = carriers
        self._released = False
        self.blocked: Blocked | None = None

    def release(self) -> None:
        """Wake who sleeps."""
        self._released = True
        if self.blocked is not None:
            self._carriers.wake(self.blocked)


def _condition_wait(self: threading.Condition, timeout: float | None = None) -> bool:
    carriers = simulated()
    if carriers is None:
        return cast(bool, real["threading.Condition.wait"](self, timeout))
    # What `notify` uses; there are no public names for these.
    condition = cast("_ConditionParts", self)
    if not condition._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    notified = _Notified(carriers)
    condition._waiters.append(notified)
    state = condition._release_save()
    woken = False

    def register(blocked: Blocked) -> None:
        notified.blocked = blocked

    try:
        woken = carriers.block(
            lambda: "waits for a condition", None if timeout is None else to_ns(max(0.0, timeout)), register
        )
        return woken
    finally:
        condition._acquire_restore(state)
        if not woken and notified in condition._waiters:
            condition._waiters.remove(notified)


class _ConditionParts:
    """What the standard library's conditions are made of, for the type checker."""

    _waiters: deque[object]

    def _is_owned(self) -> bool: ...  # type: ignore[empty-body]
    def _release_save(self) -> object: ...
    def _acquire_restore(self, state: object) -> None: ...


def _thread_start(self: threading.Thread) -> None:
    carriers = simulated()
    owner = None if carriers is None else carriers.current.owner
    if carriers is None or owner is None:
        real["threading.Thread.start"](self)
        return
    carrier = carriers.adopt(f"thread {self.name!r}", owner)
    carrier.thread = self
    waiting: list[Blocked] = []
    _threads[self] = (carrier, waiting)
    run = self.run

    def run_as_carrier() -> None:
        def body() -> None:
            try:
                run()
            finally:
                _threads.pop(self, None)
                for blocked in waiting:
                    carriers.wake(blocked)

        carriers.run_adopted(carrier, body)

    self.run = run_as_carrier  # type: ignore[method-assign]
    carriers.bypass = True
    try:
        real["threading.Thread.start"](self)
    finally:
        carriers.bypass = False
    carriers.start_adopted(carrier)


def _thread_join(self: threading.Thread, timeout: float | None = None) -> None:
    carriers = simulated()
    if carriers is None:
        real["threading.Thread.join"](self, timeout)
        return
    known = _threads.get(self)
    if known is not None:
        carriers.block(
            lambda: f"joins thread {self.name!r}",
            None if timeout is None else to_ns(max(0.0, timeout)),
            known[1].append,
        )
        if self in _threads:
            return
    # It has run; what is left of it ends in real time, at once.
    carriers.bypass = True
    try:
        real["threading.Thread.join"](self, timeout)
    finally:
        carriers.bypass = False


class _InOrder(list[object]):
    """Where a pool keeps its threads, for a set: it joins them one after the other, and sets are ordered by address."""

    __slots__ = ()

    def add(self, thread: object) -> None:
        """As `set.add`; a pool adds each thread once."""
        self.append(thread)


def _pool_init(self: ThreadPoolExecutor, *args: object, **kwargs: object) -> None:
    real["concurrent.futures.thread.ThreadPoolExecutor.__init__"](self, *args, **kwargs)
    if simulated() is not None:
        self._threads = _InOrder()  # type: ignore[assignment]


def _simple_queue() -> object:
    return real["queue.SimpleQueue"]() if simulated() is None else _PythonQueue()


_PythonQueue: Callable[[], object] = queue._PySimpleQueue  # type: ignore[attr-defined]

VIRTUAL: Final[tuple[tuple[str, _Function], ...]] = (
    ("threading.Lock", _lock),
    ("threading.RLock", _rlock),
    ("threading.Condition.wait", _condition_wait),
    ("threading.Thread.start", _thread_start),
    ("threading.Thread.join", _thread_join),
    ("queue.SimpleQueue", _simple_queue),
    ("concurrent.futures.thread.ThreadPoolExecutor.__init__", _pool_init),
)
"""What is replaced, by its name."""
