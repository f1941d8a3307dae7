"""`BatchQueue` of `ray._private.test_utils`: a queue from which several items are taken at once."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from localray.actor import ActorHandle
from localray.api import get, remote
from localray.util.queue import Empty, Queue, _QueueActor


class BatchQueue(Queue):
    """A `ray.util.queue.Queue` with `get_batch`.

    Args:
        maxsize: how many items it holds; 0 for any number.
        actor_options: of the actor that keeps the items, as for ``.options()``.
    """

    def __init__(self, maxsize: int = 0, actor_options: dict[str, Any] | None = None) -> None:
        self.maxsize = maxsize
        self.actor = cast("ActorHandle[Any]", remote(_BatchQueueActor).options(**(actor_options or {})).remote(maxsize))

    def get_batch(
        self, batch_size: int | None = None, total_timeout: float | None = None, first_timeout: float | None = None
    ) -> list[Any]:
        """Take items, in their order.

        Args:
            batch_size: so many at most; by default all that come in time.
            total_timeout: seconds to wait for all of them. None waits for ever for ``batch_size`` items, and without
                one not at all after the first.
            first_timeout: seconds to wait for the first; None waits for ever.

        Raises:
            Empty: the first did not come in time.
        """
        return list(get(self.actor.get_batch.remote(batch_size, total_timeout, first_timeout)))


class _BatchQueueActor(_QueueActor):
    async def get_batch(
        self, batch_size: int | None = None, total_timeout: float | None = None, first_timeout: float | None = None
    ) -> list[Any]:
        started_s = time.monotonic()
        try:
            batch = [await asyncio.wait_for(self.queue.get(), first_timeout)]
        except asyncio.TimeoutError:
            raise Empty from None
        if batch_size is None and total_timeout is None:
            total_timeout = 0
        while batch_size is None or len(batch) < batch_size:
            left_s = None if total_timeout is None else max(0.0, total_timeout - (time.monotonic() - started_s))
            try:
                batch.append(await asyncio.wait_for(self.queue.get(), left_s))
            except asyncio.TimeoutError:
                break
        return batch
