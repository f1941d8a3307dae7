"""An inline worker: a client and an executor whose tasks run on the thread that submitted them, or waits for them.

Coroutines of asyncio actors run to their end before the next call begins, threaded actors run one call after the other:
there is one thread. Must not live here: when a task's turn comes (`localray.inline.host`).
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from localray.client.client import Client
from localray.client.current import set_thread_client, thread_client
from localray.client.executor import Executor, WorkerExit
from localray.protocol import CallMode, DefineRuntimeEnv, DefineTemplate, KernelMessage, LaneMessage, RunTask, SetUpJob

if TYPE_CHECKING:
    from localray.inline.host import InlineHost


class InlineExecutor(Executor):
    """An executor without threads and loops of its own: what is asynchronous is run to its end."""

    loop: asyncio.AbstractEventLoop | None = None

    def handle(self, message: KernelMessage | LaneMessage) -> None:
        if isinstance(message, DefineTemplate):
            # One call after the other, whatever the actor's class says.
            message = message._replace(call_mode=CallMode.SERIAL.value)
        super().handle(message)

    def _in_user_code(
        self, message: RunTask, function: Callable[..., object], /, *args: object, **kwargs: object
    ) -> object:
        result = super()._in_user_code(message, function, *args, **kwargs)
        if inspect.iscoroutine(result):
            return self._complete(result)
        return self._items(result) if inspect.isasyncgen(result) else result

    def _items(self, items: AsyncGenerator[Any, Any]) -> Generator[object, None, None]:
        while True:
            try:
                yield self._complete(items.__anext__())
            except StopAsyncIteration:
                return

    def _complete(self, coroutine: Awaitable[object]) -> object:
        """Run a coroutine to its end on the worker's loop; beside a loop that runs here already, on another thread."""
        if self.loop is None:
            self.loop = asyncio.new_event_loop()
        loop = self.loop

        async def run() -> object:
            return await coroutine

        if asyncio._get_running_loop() is None:
            return loop.run_until_complete(run())
        found: list[object] = []
        errors: list[BaseException] = []
        context = copy_context()

        def on_thread() -> None:
            set_thread_client(self.client)
            try:
                found.append(context.run(loop.run_until_complete, run()))
            except BaseException as error:  # noqa: BLE001 - it is raised again on the thread that waits
                errors.append(error)

        thread = threading.Thread(target=on_thread, name="localray-inline-coroutine")
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return found[0]


class InlineWorker:
    """One worker.

    Args:
        host: whose it is.
        number: its client number.
        client: its client.
    """

    def __init__(self, host: InlineHost, number: int, client: Client) -> None:
        self.number = number
        self.client = client
        self.alive = True
        self.busy = False
        self.started = 0
        self._host = host
        self.executor = InlineExecutor(client, _set_up_job, self._set_up_runtime_env, self._count_start, self._exit)

    def has_work(self) -> bool:
        """Whether a task waits here for its turn."""
        return self.alive and not self.busy and bool(self.executor.queue)

    def run_next(self) -> None:
        """Run the next task, on the calling thread."""
        before = thread_client()
        self.busy = True
        set_thread_client(self.client)
        try:
            self.executor.run_next()
            # What became threaded by its constructor stays serial here.
            self.executor.accept = self.executor.queue.append
        except WorkerExit:
            return  # The kernel has heard of it.
        finally:
            set_thread_client(before)
            self.busy = False
            if self.alive:
                self.client.channel.flush()

    def end(self, cause: str) -> None:
        """It is gone."""
        if self.alive:
            self.client.channel.flush()
            self.alive = False
            self._host.worker_ended(self, cause)
            self.close()

    def close(self) -> None:
        """Let go of everything."""
        self.alive = False
        self.client.close()
        if self.executor.loop is not None and not self.executor.loop.is_running():
            self.executor.loop.close()

    def _exit(self, reason: str, status: int) -> None:
        self.end(f"exit code {status}" if status else f"exited: {reason}")
        if self.busy:
            raise WorkerExit

    def _count_start(self, message: RunTask, template: DefineTemplate) -> None:
        self.started += 1

    def _set_up_runtime_env(self, runtime_env: DefineRuntimeEnv, hook: Callable[[], object] | None) -> None:
        """Nothing of it can be had: the worker is the driver's process."""
        self._host.ignored(
            "A runtime_env has no effect with local_mode=True, where everything is one process: variables, directories "
            "and hooks are as in the driver."
        )


def _set_up_job(job: SetUpJob) -> None:
    """Import paths and working directory are the driver's: it is the same process."""
