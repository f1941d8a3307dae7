"""What a carrier is: a thread, what it runs, and what it waits for. Data only.

Must not live here: who runs when (`localray.sim.agenda`), the passing of the baton (`localray.sim.carriers`).
"""

from __future__ import annotations

import threading
from _thread import allocate_lock
from collections.abc import Callable
from typing import Protocol

from localray.client.client import Client
from localray.client.current import set_thread_client
from localray.sim.events import Action


class Owner(Protocol):
    """The virtual process that a job belongs to: the driver or a worker."""

    @property
    def alive(self) -> bool: ...

    @property
    def client(self) -> Client: ...


class Blocked:
    """One wait of one carrier. ``what`` tells in words what it is for; an idle one (an event loop with nothing to do)
    tells nothing."""

    __slots__ = ("carrier", "chosen", "error", "ready", "what")

    def __init__(self, carrier: Carrier, what: Callable[[], str]) -> None:
        self.carrier = carrier
        self.what = what
        self.ready = False
        self.chosen = False
        self.error: BaseException | None = None


class Job:
    """A function to run on some carrier for an owner."""

    __slots__ = ("function", "owner")

    def __init__(self, function: Action, owner: Owner) -> None:
        self.function = function
        self.owner = owner


class Carrier:
    """One thread. The driver's is the program's own; a program's `threading.Thread` brings its own too; the others
    belong to the pool."""

    __slots__ = (
        "abandoned",
        "blocked",
        "client",
        "gate",
        "job",
        "name",
        "owner",
        "reads",
        "stopped",
        "stops",
        "submissions",
        "thread",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        # Not `threading.Lock`, in whose place user code gets a virtual one.
        self.gate = allocate_lock()
        self.gate.acquire()
        self.thread: threading.Thread | None = None
        self.job: Job | None = None
        self.owner: Owner | None = None
        self.client: Client | None = None
        self.blocked: Blocked | None = None
        self.stopped = False
        self.abandoned = False
        self.stops = 0
        self.reads = 0
        self.submissions = 0

    def serve(self, owner: Owner | None) -> None:
        """From now on this thread runs for that owner."""
        self.owner = owner
        self.client = None if owner is None else owner.client
        self.stopped = False
        self.stops = 0
        set_thread_client(self.client)
