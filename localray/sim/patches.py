"""What is virtual during a simulation, as data, and its putting in place and taking back.

Every replacement is a function of this module or `localray.sim.threads` that asks whether the calling thread belongs to
a simulation; for any other thread, and after the simulation, it is the real one. So code that got hold of one during a
session keeps working. Must not live here: the replacements for threads and locks (`localray.sim.threads`)."""

from __future__ import annotations

import asyncio.events  # noqa: F401 - looked up by name, like all modules of the table
import os
import random
import sys
import time
from collections.abc import Callable
from random import Random
from types import ModuleType
from typing import Final, TypeAlias, cast

from localray.sim import threads
from localray.sim.carrier import Blocked
from localray.sim.carriers import Carriers
from localray.sim.classes import TABLES, TableOfProcess
from localray.sim.clock import EPOCH_NS, MONOTONIC_START_NS, NANOSECONDS, to_ns
from localray.sim.fences import GUARDS, Fences
from localray.sim.network import Network
from localray.sim.places import is_users

_Function: TypeAlias = "Callable[..., object]"

NOT_VIRTUAL: Final[tuple[tuple[str, str], ...]] = (
    ("random.SystemRandom inside C extensions", "reads the system's entropy by itself"),
    ("os.getpid, os.environ, os.getcwd, module globals", "tasks share one process and see each other's changes"),
    ("threads that ran before the session", "no part of the simulation; they may not wait for its objects"),
    ("locks that were made before the session", "block the whole simulation if held while their holder waits"),
    ("files, and their times by os.stat", "are real: all nodes share them, and none takes them along when it dies"),
    ("order of sets of strings", "depends on PYTHONHASHSEED; sort before iterating where order matters"),
    ("id() and hash() of objects", "depend on addresses"),
)
"""What a simulated program can still tell from a real run, or can't do; with why or what to do instead."""

_carriers: Carriers | None = None
_user_random: Random | None = None
_import_random: Random | None = None
_IMPORTER: Final = "<frozen importlib._bootstrap>"
"""The file of Python's own import of modules, as frames have it."""
_real: dict[str, _Function] = {}


# ---------------------------------------------------------------- time


def _sleep(seconds: float, /) -> None:
    carriers = _carriers
    carrier = None if carriers is None else carriers.mine()
    if carriers is None or carrier is None:
        _real["time.sleep"](seconds)
        return
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    network = getattr(carrier.owner, "network", None)
    if network is None:
        carriers.sleep(to_ns(seconds))
    else:
        _sleep_on_node(carriers, network, to_ns(seconds))


def _sleep_on_node(carriers: Carriers, network: Network, work_ns: int) -> None:
    """A program that sleeps stands for one that works: on a node that is slow, or becomes so, it takes longer."""
    waits: list[Blocked] = []
    work = network.begin(work_ns, lambda: carriers.wake(waits[-1]))
    try:
        carriers.sleep(work.done_after_ns(), register=waits.append)
        while (duration_ns := work.done_after_ns()) > 0:
            carriers.sleep(duration_ns, register=waits.append)
    finally:
        network.end(work)


def _clock(name: str, start_ns: int, *, integer: bool) -> _Function:
    """A replacement for one of `time`'s clocks."""
    whole = f"time.{name}"

    def read() -> object:
        carriers = _carriers
        carrier = None if carriers is None else carriers.mine()
        if carriers is None or carrier is None:
            return _real[whole]()
        now_ns = start_ns + carriers.read_clock(carrier)
        return now_ns if integer else now_ns / NANOSECONDS

    return read


def _calendar(name: str) -> _Function:
    """A replacement for one of `time`'s functions that takes a moment, and without one means now."""
    whole = f"time.{name}"

    def convert(*arguments: object) -> object:
        if (not arguments or arguments[0] is None) and _carriers is not None and _carriers.mine() is not None:
            return _real[whole](time.time())
        return _real[whole](*arguments)

    return convert


# ---------------------------------------------------------------- randomness, processes


def _urandom(size: int, /) -> bytes:
    stream = _stream()
    return cast(bytes, _real["os.urandom"](size)) if stream is None else stream.randbytes(size)


def _seed(self: Random, a: object = None, version: int = 2) -> None:
    stream = _stream() if a is None else None
    _real["random.Random.seed"](self, a if stream is None else stream.getrandbits(256), version)


def _stream() -> Random | None:
    """Where the calling thread's randomness comes from; None for the system's.

    A module is imported once in a process, by whichever session is the first: what it draws meanwhile must not be
    missing in the next.
    """
    if _carriers is None or _carriers.mine() is None:
        return None
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTER:
            return _import_random
        frame = frame.f_back  # type: ignore[assignment]
    return _user_random


def _exit(status: int, /) -> None:
    worker = _running_worker()
    if worker is None:
        _real["os._exit"](status)
    else:
        worker.crash(f"exit code {status}")


def _kill(process_id: int, signal: int, /) -> None:
    worker = _running_worker()
    if worker is None or process_id != os.getpid() or signal == 0:
        _real["os.kill"](process_id, signal)
    else:
        worker.crash(f"killed by signal {int(signal)}")


def _running_worker() -> threads.Process | None:
    """The virtual worker whose code runs on this thread."""
    carrier = None if _carriers is None else _carriers.mine()
    owner = None if carrier is None else carrier.owner
    return owner if isinstance(owner, threads.Process) else None


def _new_event_loop() -> object:
    if _carriers is None or _carriers.mine() is None:
        return _real["asyncio.events.new_event_loop"]()
    from localray.sim.loops import VirtualEventLoop

    return VirtualEventLoop(_carriers, "runs an event loop that waits")


# ---------------------------------------------------------------- the table

VIRTUAL: Final[tuple[tuple[str, _Function], ...]] = (
    ("time.sleep", _sleep),
    ("time.time", _clock("time", EPOCH_NS, integer=False)),
    ("time.time_ns", _clock("time_ns", EPOCH_NS, integer=True)),
    ("time.monotonic", _clock("monotonic", MONOTONIC_START_NS, integer=False)),
    ("time.monotonic_ns", _clock("monotonic_ns", MONOTONIC_START_NS, integer=True)),
    ("time.perf_counter", _clock("perf_counter", MONOTONIC_START_NS, integer=False)),
    ("time.perf_counter_ns", _clock("perf_counter_ns", MONOTONIC_START_NS, integer=True)),
    ("time.process_time", _clock("process_time", 0, integer=False)),
    ("time.process_time_ns", _clock("process_time_ns", 0, integer=True)),
    ("time.thread_time", _clock("thread_time", 0, integer=False)),
    ("time.thread_time_ns", _clock("thread_time_ns", 0, integer=True)),
    ("time.localtime", _calendar("localtime")),
    ("time.gmtime", _calendar("gmtime")),
    ("time.ctime", _calendar("ctime")),
    ("os.urandom", _urandom),
    ("os._exit", _exit),
    ("os.kill", _kill),
    ("random.Random.seed", _seed),
    ("asyncio.events.new_event_loop", _new_event_loop),
    *threads.VIRTUAL,
)
"""What is replaced, by its name. `random`'s own functions, and numpy's, are seeded; `uuid.uuid4` and `secrets` use
`os.urandom`."""

_ALIASES: Final[tuple[tuple[str, str], ...]] = (
    ("threading._time", "time.monotonic"),
    ("queue.time", "time.monotonic"),
    ("random._urandom", "os.urandom"),
    ("asyncio.new_event_loop", "asyncio.events.new_event_loop"),
)
"""Other names under which standard modules hold what is replaced."""


def _name(function: _Function, whole: str) -> None:
    """A replacement that is pickled must come out as what it stands for, by name."""
    module, _, name = whole.rpartition(".")
    function.__module__, function.__qualname__, function.__name__ = module, name, name


_REPLACED: Final = (*VIRTUAL, *GUARDS)

for _whole, _function in VIRTUAL:
    if _whole.count(".") == 1 and not isinstance(_function, type):
        _name(_function, _whole)


def _holder(whole: str) -> tuple[object, str]:
    """The module or class that a dotted name is in, and the last part of the name."""
    path, _, name = whole.rpartition(".")
    if path in sys.modules:
        return sys.modules[path], name
    module, _, kind = path.rpartition(".")
    return getattr(sys.modules[module], kind), name


class Patches:
    """What one simulation has replaced.

    Args:
        carriers: of the simulation.
        user_random: the stream that the program's own randomness comes from.
        fences: what else the program reaches for.
    """

    def __init__(self, carriers: Carriers, user_random: Random, fences: Fences) -> None:
        self._carriers = carriers
        self._fences = fences
        self._user_random = user_random
        self._saved: list[tuple[object, str, object]] = []
        self._random_state = random.getstate()
        self._numpy_state: object = None

    def install(self) -> None:
        """Replace everything in `VIRTUAL`."""
        global _carriers, _user_random, _import_random
        by_name = dict(VIRTUAL)
        replaced: dict[int, _Function] = {}
        for whole, function in _REPLACED:
            holder, name = _holder(whole)
            real = getattr(holder, name)
            _real[whole] = real
            threads.real[whole] = real
            replaced[id(real)] = function
        _carriers, _user_random = self._carriers, self._user_random
        _import_random = Random(f"imports {self._user_random.getstate()[1][:4]}")
        threads.enter(self._carriers)
        for whole, function in _REPLACED:
            self._replace(*_holder(whole), function)
        for alias, whole in _ALIASES:
            holder, name = _holder(alias)
            if hasattr(holder, name):
                self._replace(holder, name, by_name[whole])
        self._replace_in_user_modules(replaced)
        for whole, new in TABLES:
            holder, name = _holder(whole)
            self._replace(holder, name, TableOfProcess(self._carriers, getattr(holder, name), new))
        random.seed(self._user_random.getrandbits(128))
        # Imported whether the program uses it or not: what it draws must not depend on what was imported before it.
        from numpy import random as numpy_random

        self._numpy_state = numpy_random.get_state()
        numpy_random.seed(self._user_random.getrandbits(32))
        self._carriers.spins = self._fences.tell_of_spin
        self._fences.enter()

    def _replace(self, holder: object, name: str, replacement: object) -> None:
        self._saved.append((holder, name, getattr(holder, name)))
        setattr(holder, name, replacement)

    def _replace_in_user_modules(self, replaced: dict[int, _Function]) -> None:
        """``from time import sleep`` in the program's own modules holds the real one: replace it there too."""
        for module in _user_modules():
            for name, value in list(vars(module).items()):
                function = replaced.get(id(value))
                if function is not None:
                    self._replace(module, name, function)

    def remove(self) -> None:
        """Put everything back."""
        global _carriers, _user_random, _import_random
        self._fences.leave()
        for holder, name, real in reversed(self._saved):
            setattr(holder, name, real)
        self._saved.clear()
        threads.leave()
        _carriers = _user_random = _import_random = None
        random.setstate(self._random_state)
        sys.modules["numpy.random"].set_state(self._numpy_state)


_users_modules: dict[str, bool] = {}
"""By name, because a thousand modules are asked about for each seed."""


def _user_modules() -> list[ModuleType]:
    """The modules that are the program's own: neither the standard library's, nor installed, nor ours."""
    found = []
    for name, module in list(sys.modules.items()):
        known = _users_modules.get(name)
        if known is None:
            path = getattr(module, "__file__", None)
            known = _users_modules[name] = name == "__main__" or (path is not None and is_users(path))
        if known and isinstance(module, ModuleType):
            found.append(module)
    return found
