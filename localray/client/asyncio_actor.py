"""Actors whose calls interleave on an event loop: coroutines start as they arrive, up to the limit of their concurrency
group; the rest waits here, in order. Each group has a loop of its own on a thread of its own, as in Ray, so that what
blocks one does not block another; the actor's constructor and calls without a group have the main thread's.

A module of its own because importing asyncio costs a worker's start 20 ms, which only such actors need.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from localray.client.checkpoints import LOOK_AGAIN_S
from localray.client.context import TaskContext, current_task
from localray.client.failures import NeverBegan
from localray.client.outcomes import not_a_generator, pack_returns
from localray.object_ref import ObjectRef
from localray.protocol import DefineTemplate, Outcome, ReturnMode, RunTask, TaskKind

if TYPE_CHECKING:
    from localray.client.executor import Executor

_END = object()


class AsyncioActor:
    """An actor's event loops: the main one, and one for each concurrency group."""

    def __init__(self, executor: Executor, creation: RunTask, template: DefineTemplate) -> None:
        self._executor = executor
        self._main = GroupLoop(executor, template.max_concurrency)
        self._loops = {name: GroupLoop(executor, limit) for name, limit in template.concurrency_groups}
        self._creation = creation

    def run(self) -> None:
        """Run the default loop on the calling thread until the process ends."""
        executor = self._executor
        queue = executor.queue
        executor.accept = self.accept
        executor.interrupt = self._cancel
        self._main.accept(self._creation)
        while queue:
            self.accept(queue.popleft())
        for name, loop in self._loops.items():
            # Before there is anything to do: each of them reads the channel, should the others be blocked.
            executor.client.channel.spawn(loop.run, f"localray-loop-{name}")
        self._main.run()

    def accept(self, message: RunTask) -> None:
        """Take a call in, from whichever thread reads the channel."""
        # A call for a group that is not there ends on the default loop, with an error that says so.
        self._loops.get(self._executor.template(message).concurrency_group, self._main).accept(message)

    def _cancel(self, task_id: bytes) -> None:
        for loop in (self._main, *self._loops.values()):
            loop.cancel(task_id)


class GroupLoop:
    """Runs the calls of one concurrency group on one event loop; coroutines interleave where they await."""

    def __init__(self, executor: Executor, limit: int) -> None:
        self._executor = executor
        self._limit = limit
        self._waiting: deque[RunTask] = deque()
        self._running = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._flushing = False
        self._tasks: dict[bytes, asyncio.Task[None]] = {}

    def run(self) -> None:
        """Run the loop on the calling thread until the process ends."""
        loop = self._executor.client.channel.new_event_loop()
        self._thread = threading.get_ident()
        asyncio.set_event_loop(loop)
        self._loop = loop
        # What came before this one was there waits already.
        loop.call_soon(self._start_waiting)
        loop.run_forever()

    def accept(self, message: RunTask) -> None:
        """Take a call in, from whichever thread reads the channel."""
        self._waiting.append(message)
        if threading.get_ident() == self._thread:
            self._start_waiting()
        elif self._loop is not None:
            self._loop.call_soon_threadsafe(self._start_waiting)

    def cancel(self, task_id: bytes) -> None:
        """Cancel a call, if it runs here."""
        task = self._tasks.get(task_id)
        if task is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(task.cancel)

    def _start_waiting(self) -> None:
        loop = self._loop
        while loop is not None and self._waiting and self._running < self._limit:
            self._running += 1
            message = self._waiting.popleft()
            self._tasks[message.task_id] = loop.create_task(self._run(message))

    async def _run(self, message: RunTask) -> None:
        executor = self._executor
        while executor.checkpointer is not None and executor.checkpointer.hold_s() > 0:
            await asyncio.sleep(LOOK_AGAIN_S)
        if executor.leaving.reason:
            return  # It fails with the actor.
        template = executor.template(message)
        started_s = executor.begin(message)
        current_task.set(TaskContext(message, template, executor))
        try:
            outcomes = await self._call(message, template)
        except BaseException as error:
            if self._loop is None or self._loop.is_closed():
                # A GeneratorExit: suspended for ever, in a simulated worker that was killed, and collected now.
                raise
            # Whatever else the user's code raised is the call's outcome.
            executor.conclude_error(message, template, error, started_s)
        else:
            if message.task_id in executor.cancelled and not template.return_mode:
                # What it returns after its cancellation is for nobody, as in Ray.
                executor.conclude_error(message, template, asyncio.CancelledError(), started_s)
            else:
                executor.answer(message, outcomes, started_s)
        finally:
            if self._loop is not None and not self._loop.is_closed():
                self._running -= 1
                self._tasks.pop(message.task_id, None)
                self._start_waiting()
                self._flush_soon()

    async def _call(self, message: RunTask, template: DefineTemplate) -> tuple[Outcome, ...]:
        """Run the constructor, or a call; returns the outcomes of what it has not yielded."""
        executor = self._executor
        if template.kind == TaskKind.ACTOR_CREATION:
            executor.construct(message, template)
            return pack_returns(executor.client, template, None)
        function, args, kwargs = executor.prepare_call(message, template)
        if message.task_id in executor.cancelled:
            raise NeverBegan
        result = function(*args, **kwargs)
        if inspect.isawaitable(result) and not isinstance(result, ObjectRef):
            # A reference that a plain method returns is its value.
            result = await result
        if inspect.isasyncgen(result) and template.return_mode == ReturnMode.FIXED:
            raise TypeError("'async_generator' object is not iterable: call it with num_returns=\"streaming\".")
        if template.return_mode or inspect.isgenerator(result):
            return await self._run_generator(message, template, result)
        return pack_returns(executor.client, template, result)

    async def _run_generator(
        self, message: RunTask, template: DefineTemplate, generator: object
    ) -> tuple[Outcome, ...]:
        """Run a generator to its end, letting others in after each item."""
        executor = self._executor
        if inspect.isgenerator(generator):
            items = _interleaving(generator)
        elif inspect.isasyncgen(generator) and template.return_mode == ReturnMode.STREAM:
            items = generator
        else:
            raise not_a_generator(template)
        run = executor.generators.begin(message, template)
        async for item in items:
            if run.is_complete:
                run.tell_of_more()
                break
            run.emit(item)
            while run.is_full:
                await run.wait_on_loop()
        outcomes = run.conclude()
        executor.generators.end(message.task_id)
        return outcomes

    def _flush_soon(self) -> None:
        """Send all answers of one turn of the loop together."""
        if not self._flushing and self._loop is not None:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self._executor.client.channel.flush()


async def _interleaving(generator: Iterator[object]) -> AsyncIterator[object]:
    """A plain generator on the loop: after each item the others have a turn, and a cancellation is heard."""
    for item in generator:
        yield item
        await asyncio.sleep(0)
