"""Steps the kernel for what clients of this process say, carries its effects out at once, and gives tasks their turn on
the thread that asks.

Must not live here: decisions (`localray.kernel`), running one task (`worker`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from localray.client.client import Client
from localray.inline.channel import InlineChannel
from localray.inline.store import InlineStore
from localray.inline.worker import InlineWorker
from localray.kernel import ENVIRONMENT, Event, Kernel
from localray.kernel.effects import (
    Effect,
    KillWorker,
    ReleaseBuffer,
    Send,
    StartWorker,
    Tick,
    WorkerDied,
    WorkerStarted,
)
from localray.protocol import ClientMessage

_LONGEST_SLEEP_S = 0.05


class InlineHost:
    """The driver of the kernel in local mode. Thread-safe; tasks run without its lock.

    Args:
        kernel: which decides.
        notify: shows a text to the user.
    """

    def __init__(self, kernel: Kernel, notify: Callable[[str], None]) -> None:
        self.kernel = kernel
        self.store = InlineStore()
        self.channels: dict[int, InlineChannel] = {}
        self.workers: dict[int, InlineWorker] = {}
        self._node_id = b""
        self._notify = notify
        self._told: set[str] = set()
        self._lock = threading.RLock()
        self._events: deque[tuple[Event, int]] = deque()
        self._stepping = False

    def begin(self, node_id: bytes) -> None:
        """Workers that start are on this node."""
        self._node_id = node_id

    def take(self, messages: Sequence[ClientMessage], sender: int) -> None:
        """A client says something: step the kernel, unless it is being stepped; then as soon as it has been."""
        with self._lock:
            self._events.extend((message, sender) for message in messages)
            self._step_all()

    def step(self, event: Event) -> None:
        """Something happens in the world."""
        with self._lock:
            self._events.append((event, ENVIRONMENT))
            self._step_all()

    def _step_all(self) -> None:
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._events:
                event, sender = self._events.popleft()
                for effect in self.kernel.step(time.monotonic(), event, sender):
                    self._carry_out(effect)
        finally:
            self._stepping = False

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Send):
            channel = self.channels.get(effect.client)
            if channel is not None and channel.client is not None and not channel.closed:
                channel.client.handle(effect.message)
        elif isinstance(effect, StartWorker):
            self._start_worker(effect.worker)
        elif isinstance(effect, KillWorker):
            worker = self.workers.get(effect.worker)
            if worker is not None:
                worker.end("killed")
        elif isinstance(effect, ReleaseBuffer):
            self.store.release(effect.location)

    def _start_worker(self, number: int) -> None:
        channel = self.channels[number] = InlineChannel(self, number)
        client = Client(channel, self.store, number, 0, self._node_id, "", self._notify, stalls=True)
        channel.client = client
        self.workers[number] = InlineWorker(self, number, client)
        self._events.append((WorkerStarted(number), ENVIRONMENT))

    def worker_ended(self, worker: InlineWorker, cause: str) -> None:
        """A worker is gone."""
        with self._lock:
            self.workers.pop(worker.number, None)
            self.channels.pop(worker.number, None)
            self._events.append((WorkerDied(worker.number, cause, worker.started), ENVIRONMENT))
            self._step_all()

    def run_one(self) -> bool:
        """Give the task whose turn it is to the calling thread; returns whether there was one."""
        with self._lock:
            worker = next((each for each in self.workers.values() if each.has_work()), None)
            if worker is None:
                return False
            worker.busy = True
        worker.run_next()
        return True

    def tick(self, at_most_s: float | None) -> bool:
        """Wait for what the kernel waits for, a while at most; returns whether it waits for any time at all."""
        deadline_s = self.kernel.deadline_s
        if deadline_s is None:
            return False
        wait_s = max(0.0, deadline_s - time.monotonic())
        time.sleep(min(wait_s, _LONGEST_SLEEP_S, _LONGEST_SLEEP_S if at_most_s is None else max(0.0, at_most_s)))
        if deadline_s <= time.monotonic():
            self.step(Tick())
        return True

    def ignored(self, text: str) -> None:
        """Tell the user of something that has no effect here, once."""
        if text not in self._told:
            self._told.add(text)
            self._notify(text)

    def deadlock(self) -> str:
        """What the user reads when nothing can run any more: what waits, and for what."""
        waiting = [
            f"  {task.template.name}: {task.state.value}" for task in list(self.kernel.tables.tasks.values())[:10]
        ]
        return (
            "Nothing can run any more that this waits for: with local_mode=True there is one thread, and a call that "
            "waits for another call of an actor that is busy, or for an event that only another call would set, waits "
            "for ever. What is not over:\n" + "\n".join(waiting)
        )
