"""What clients are like, as far as the kernel can tell: the model side of the random programs.

A client acts on what has reached it, while more is on its way (``inbox``); what it says may be lost with it
(``outbox``). It refers only to what it legitimately came by, so that nothing it holds may ever be lost: that is the
strongest check on the kernel's counting. Must not live here: choosing what to do (`player`).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from localray.protocol import KernelMessage, RunTask

Item = TypeVar("Item")


@dataclass(eq=False)
class Spec:
    """What was submitted under a name: a task, a call or a constructor."""

    name: str
    caller: str
    sequence: int
    deps: tuple[str, ...]
    borrows: tuple[str, ...]
    returns: int
    retries: int
    actor: str = ""
    concurrency: int = 1
    starts: int = 0
    is_checkpointed: bool = False
    stream: bool = False
    yielded: int = 0

    @property
    def objects(self) -> list[str]:
        """The names of what it returns."""
        return [self.name] if self.returns == 1 else [f"{self.name}.{i}" for i in range(1, self.returns + 1)]


@dataclass(eq=False)
class Stream:
    """A generator as its consumer sees it: how many items it has taken and asked for, and which have come."""

    taken: int = 0
    asked: int = 0
    came: set[str] = field(default_factory=set)


@dataclass(eq=False)
class Client:
    """A driver or a worker, alive, with what it believes."""

    name: str
    is_worker: bool
    job: int = 0
    inbox: deque[KernelMessage] = field(default_factory=deque)
    outbox: deque[str] = field(default_factory=deque)
    held: dict[str, None] = field(default_factory=dict)
    pins: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    waits: dict[int, dict[str, None]] = field(default_factory=dict)
    needed: dict[int, int] = field(default_factory=dict)
    reserving: dict[int, int] = field(default_factory=dict)
    buffers: list[tuple[str, int]] = field(default_factory=list)
    streams: dict[str, Stream] = field(default_factory=dict)
    # A worker's own.
    born: bool = False
    has_runtime_env: bool = False
    queue: deque[RunTask] = field(default_factory=deque)
    running: dict[str, int] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    started: int = 0
    actor: str = ""
    concurrency: int = 1
    state: list[str] = field(default_factory=list)
    last_started: dict[str, int] = field(default_factory=dict)
    exiting: bool = False

    def say(self, line: str) -> None:
        """Put a command of this client on its way."""
        self.outbox.append(f"{self.name} {line}")

    def next_request(self) -> int:
        """Number a request."""
        self.requests += 1
        return self.requests

    def adopt(self, names: tuple[str, ...]) -> None:
        """Come to refer to these."""
        for name in names:
            if name not in self.held:
                self.held[name] = None
                self.say(f"add {name}")

    @property
    def is_idle(self) -> bool:
        """Whether it is a worker with nothing to do."""
        busy = self.inbox or self.outbox or self.queue or self.running or self.pins or self.exiting
        return self.is_worker and self.born and not busy

    def free_tasks(self) -> list[str]:
        """Its running tasks that do not."""
        return [task for task, request in self.running.items() if request not in self.waits]

    def awaited(self) -> set[str]:
        """What it waits for and must not let go of meanwhile."""
        return {name for request in self.running.values() for name in self.waits.get(request, ())}


class Choices:
    """Choices read off a tape of bytes, so that a failing run can be cut down by cutting the tape."""

    def __init__(self, tape: bytes) -> None:
        self._tape = tape
        self._position = 0

    @property
    def exhausted(self) -> bool:
        """Whether the tape is at its end; from there on every choice is the first."""
        return self._position >= len(self._tape)

    def pick(self, count: int) -> int:
        """A number below ``count``."""
        if self.exhausted:
            return 0
        self._position += 1
        return self._tape[self._position - 1] % count

    def one_of(self, items: Sequence[Item]) -> Item:
        """One of several."""
        return items[self.pick(len(items))]
