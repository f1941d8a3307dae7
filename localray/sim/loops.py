"""An asyncio event loop in virtual time: it sleeps by letting the world go on, and has no sockets.

Must not live here: which threads get such a loop (`localray.sim.patches`, `localray.sim.channel`).
"""

from __future__ import annotations

import asyncio
from asyncio import base_events
from collections.abc import Callable
from concurrent.futures import Future

from localray.sim.carrier import Blocked
from localray.sim.carriers import Carriers
from localray.sim.clock import MONOTONIC_START_NS, NANOSECONDS, to_ns
from localray.sim.errors import CarrierStopped

_TURN_NS = 2_000
"""What one turn of a loop takes that always has something to do, so that one which only spins lets time pass."""


class VirtualSelector:
    """What `BaseEventLoop` sleeps in: there are no files, only time and being woken."""

    def __init__(self, carriers: Carriers, what: str) -> None:
        self._carriers = carriers
        self._what = what
        self._blocked: Blocked | None = None
        self._woken = False

    def select(self, timeout_s: float | None) -> list[object]:
        """Let the world go on for that long, or until `wake`."""
        carriers = self._carriers
        if self._woken or (timeout_s is not None and timeout_s <= 0):
            self._woken = False
            carriers.sleep(_TURN_NS)
            return []
        carriers.block(lambda: self._what, None if timeout_s is None else to_ns(timeout_s), self._register)
        self._blocked = None
        self._woken = False
        return []

    def _register(self, blocked: Blocked) -> None:
        self._blocked = blocked

    def wake(self) -> None:
        """Something was added to the loop by another thread, or by a message."""
        self._woken = True
        if self._blocked is not None:
            self._carriers.wake(self._blocked)


class VirtualEventLoop(base_events.BaseEventLoop):
    """The loop of a virtual driver or asyncio actor. Reading and writing files and sockets raises
    `NotImplementedError`.

    Args:
        carriers: whose clock it lives by.
        what: what to tell of it in a deadlock's report; empty where it waits by its nature.
    """

    def __init__(self, carriers: Carriers, what: str) -> None:
        super().__init__()
        self._carriers = carriers
        self._selector = VirtualSelector(carriers, what)

    def time(self) -> float:
        """The virtual monotonic clock."""
        return (MONOTONIC_START_NS + self._carriers.clock.now_ns) / NANOSECONDS

    def wake(self) -> None:
        """Look at what there is to do."""
        self._selector.wake()

    def _write_to_self(self) -> None:
        self._selector.wake()

    def _process_events(self, event_list: list[object]) -> None:
        """There are no files."""

    def run_forever(self) -> None:
        """Run until stopped, or until the virtual process is gone: then the tasks left are nobody's loss."""
        try:
            super().run_forever()
        except CarrierStopped:
            for task in asyncio.all_tasks(self):
                task._log_destroy_pending = False  # type: ignore[attr-defined]
            raise

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., object], *args: object
    ) -> asyncio.Future[object]:
        """Run a function on a carrier of its own, whatever the executor."""
        future: Future[object] = Future()
        owner = self._carriers.current.owner

        def run() -> None:
            try:
                result = func(*args)
            except CarrierStopped:
                raise
            except BaseException as error:  # noqa: BLE001 - it belongs to who awaits the future
                future.set_exception(error)
            else:
                future.set_result(result)

        if owner is not None:
            self._carriers.start(run, owner)
        return asyncio.wrap_future(future, loop=self)


__all__ = ["VirtualEventLoop"]
