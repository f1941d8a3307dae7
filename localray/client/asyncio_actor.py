"""Actors whose calls interleave on one event loop: coroutines start as they arrive, up to ``max_concurrency``; the rest
waits here, in order.

A module of its own because importing asyncio costs a worker's start 20 ms, which only such actors need.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import deque
from typing import TYPE_CHECKING

from localray.client.context import TaskContext, current_task
from localray.protocol import RunTask, TaskKind

if TYPE_CHECKING:
    from localray.client.executor import Executor


class AsyncioActor:
    """Runs an actor's constructor and calls on one event loop; coroutines interleave where they await."""

    def __init__(self, executor: Executor, creation: RunTask, max_concurrency: int) -> None:
        self._executor = executor
        self._limit = max_concurrency
        self._waiting: deque[RunTask] = deque([creation])
        self._running = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._flushing = False
        self._tasks: dict[bytes, asyncio.Task[None]] = {}

    def run(self) -> None:
        """Run the loop on the calling thread until the process ends."""
        channel = self._executor.client.channel
        loop = self._loop = channel.new_event_loop()
        self._thread = threading.get_ident()
        asyncio.set_event_loop(loop)
        queue = self._executor.queue
        self._executor.accept = self.accept
        self._executor.interrupt = self._cancel
        while queue:
            self._waiting.append(queue.popleft())
        loop.call_soon(self._start_waiting)
        loop.run_forever()

    def accept(self, message: RunTask) -> None:
        """Take a call in, from whichever thread reads the channel."""
        self._waiting.append(message)
        if threading.get_ident() == self._thread:
            self._start_waiting()
        elif self._loop is not None:
            self._loop.call_soon_threadsafe(self._start_waiting)

    def _start_waiting(self) -> None:
        loop = self._loop
        while loop is not None and self._waiting and self._running < self._limit:
            self._running += 1
            message = self._waiting.popleft()
            self._tasks[message.task_id] = loop.create_task(self._run(message))

    async def _run(self, message: RunTask) -> None:
        executor = self._executor
        if executor.leaving.reason:
            return  # It fails with the actor.
        template = executor.template(message)
        started_s = executor.begin(message)
        current_task.set(TaskContext(message, template, executor))
        try:
            if template.kind == TaskKind.ACTOR_CREATION:
                executor.construct(message, template)
                result: object = None
            else:
                function, args, kwargs = executor.prepare_call(message, template)
                if message.task_id in executor.cancelled:
                    raise asyncio.CancelledError
                result = function(*args, **kwargs)
                if inspect.isawaitable(result):
                    result = await result
        except BaseException as error:  # noqa: BLE001 - whatever the user's code raised is the call's outcome
            executor.conclude_error(message, template, error, started_s)
        else:
            executor.answer(message, template, result, started_s)
        finally:
            self._running -= 1
            self._tasks.pop(message.task_id, None)
            self._start_waiting()
            self._flush_soon()

    def _flush_soon(self) -> None:
        """Send all answers of one turn of the loop together."""
        if not self._flushing and self._loop is not None:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self._executor.client.channel.flush()

    def _cancel(self, task_id: bytes) -> None:
        task = self._tasks.get(task_id)
        if task is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(task.cancel)
