"""`ray.util.queue`: a first-in, first-out queue that any task or actor with the handle can use.

It lives in an asyncio actor, so that many can wait at it.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterable, Sequence, Sized
from typing import Any, cast

from localray.actor import ActorHandle, kill
from localray.api import get, remote, wait


class Empty(queue.Empty):
    """There is nothing in the queue."""


class Full(queue.Full):
    """There is no room in the queue."""


class Queue:
    """A queue between processes; the object itself may be passed to tasks and actors.

    Args:
        maxsize: how many items it holds; 0 for any number.
        actor_options: of the actor that keeps the items, as for ``.options()``.

    Example:
        >>> queue = Queue(maxsize=10)           # doctest: +SKIP
        >>> queue.put(1)                        # doctest: +SKIP
        >>> queue.get()                         # doctest: +SKIP
        1
    """

    def __init__(self, maxsize: int = 0, actor_options: dict[str, Any] | None = None) -> None:
        self.maxsize = maxsize
        self.actor = cast("ActorHandle[Any]", remote(_QueueActor).options(**(actor_options or {})).remote(maxsize))

    def __len__(self) -> int:
        return self.size()

    def size(self) -> int:
        """How many items there are."""
        return int(get(self.actor.qsize.remote()))

    def qsize(self) -> int:
        """As `size`."""
        return self.size()

    def empty(self) -> bool:
        """Whether there is no item."""
        return bool(get(self.actor.empty.remote()))

    def full(self) -> bool:
        """Whether there is no room."""
        return bool(get(self.actor.full.remote()))

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Add an item.

        Args:
            item: what to add.
            block: wait for room.
            timeout: seconds to wait at most; None waits for ever.

        Raises:
            Full: there is no room, or was none in time.
            ValueError: the timeout is negative.
        """
        if block:
            _check_timeout(timeout)
            get(self.actor.put.remote(item, timeout))
            return
        try:
            get(self.actor.put_nowait.remote(item))
        except asyncio.QueueFull:
            raise Full from None

    async def put_async(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """As `put`, for coroutines."""
        if block:
            _check_timeout(timeout)
            await self.actor.put.remote(item, timeout)
            return
        try:
            await self.actor.put_nowait.remote(item)
        except asyncio.QueueFull:
            raise Full from None

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the oldest item.

        Args:
            block: wait for one.
            timeout: seconds to wait at most; None waits for ever.

        Raises:
            Empty: there is none, or came none in time.
            ValueError: the timeout is negative.
        """
        if block:
            _check_timeout(timeout)
            return get(self.actor.get.remote(timeout))
        try:
            return get(self.actor.get_nowait.remote())
        except asyncio.QueueEmpty:
            raise Empty from None

    async def get_async(self, block: bool = True, timeout: float | None = None) -> Any:
        """As `get`, for coroutines."""
        if block:
            _check_timeout(timeout)
            return await self.actor.get.remote(timeout)
        try:
            return await self.actor.get_nowait.remote()
        except asyncio.QueueEmpty:
            raise Empty from None

    def put_nowait(self, item: Any) -> None:
        """Add an item, or raise `Full`."""
        self.put(item, block=False)

    def put_nowait_batch(self, items: Iterable[Any]) -> None:
        """Add all of the items, or none and raise `Full`.

        Raises:
            TypeError: this is no iterable.
        """
        if not isinstance(items, Iterable):
            raise TypeError("Argument 'items' must be an Iterable")
        get(self.actor.put_nowait_batch.remote(items if isinstance(items, Sized) else list(items)))

    def get_nowait(self) -> Any:
        """Take the oldest item, or raise `Empty`."""
        return self.get(block=False)

    def get_nowait_batch(self, num_items: int) -> list[Any]:
        """Take so many items, oldest first, or none and raise `Empty`.

        Raises:
            TypeError, ValueError: this is no number of items.
        """
        if not isinstance(num_items, int):
            raise TypeError("Argument 'num_items' must be an int")
        if num_items < 0:
            raise ValueError("'num_items' must be nonnegative")
        return cast("list[Any]", get(self.actor.get_nowait_batch.remote(num_items)))

    def shutdown(self, force: bool = False, grace_period_s: int = 5) -> None:
        """End the actor behind the queue.

        Args:
            force: at once, instead of after the calls it has already.
            grace_period_s: when it has not ended after so many seconds it is killed.
        """
        actor, self.actor = self.actor, cast("ActorHandle[Any]", None)
        if actor is None:
            return
        if not force:
            ended, _ = wait([actor.__ray_terminate__.remote()], timeout=grace_period_s)
            if ended:
                return
        kill(actor, no_restart=True)


def _check_timeout(timeout_s: float | None) -> None:
    if timeout_s is not None and timeout_s < 0:
        raise ValueError("'timeout' must be a non-negative number")


class _QueueActor:
    """Keeps the items."""

    def __init__(self, maxsize: int) -> None:
        self.maxsize = maxsize
        self.queue: asyncio.Queue[Any] = asyncio.Queue(maxsize)

    def qsize(self) -> int:
        return self.queue.qsize()

    def empty(self) -> bool:
        return self.queue.empty()

    def full(self) -> bool:
        return self.queue.full()

    async def put(self, item: Any, timeout: float | None = None) -> None:
        try:
            await asyncio.wait_for(self.queue.put(item), timeout)
        except asyncio.TimeoutError:
            raise Full from None

    async def get(self, timeout: float | None = None) -> Any:
        try:
            return await asyncio.wait_for(self.queue.get(), timeout)
        except asyncio.TimeoutError:
            raise Empty from None

    def put_nowait(self, item: Any) -> None:
        self.queue.put_nowait(item)

    def put_nowait_batch(self, items: Sequence[Any]) -> None:
        if 0 < self.maxsize < len(items) + self.qsize():
            raise Full(f"Cannot add {len(items)} items to queue of size {self.qsize()} and maxsize {self.maxsize}.")
        for item in items:
            self.queue.put_nowait(item)

    def get_nowait(self) -> Any:
        return self.queue.get_nowait()

    def get_nowait_batch(self, num_items: int) -> list[Any]:
        if num_items > self.qsize():
            raise Empty(f"Cannot get {num_items} items from queue of size {self.qsize()}.")
        return [self.queue.get_nowait() for _ in range(num_items)]
