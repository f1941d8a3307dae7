"""One run of a generator in a worker: what it yields is sent as it comes, and where the consumer falls behind it waits.

Must not live here: who takes what (`localray.kernel.streams`), calling user code (`executor`, `asyncio_actor`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from localray.client.channel import Waiter
from localray.client.client import Client
from localray.client.generators import DynamicObjectRefGenerator
from localray.client.layout import Serialized
from localray.client.outcomes import raise_explained
from localray.client.serialization import serialize
from localray.object_ref import ObjectRef, UnknownOwner
from localray.protocol import (
    AwaitTaken,
    DefineTemplate,
    ItemsTaken,
    ObjectYielded,
    Outcome,
    ReturnMode,
    RunTask,
)

if TYPE_CHECKING:
    import asyncio

GATHER_S = 0.0005
"""Items that come this quickly after each other travel together."""
_UNLIMITED = -1
_ALL = sys.maxsize


class GeneratorRuns:
    """The generators that run in this worker, by task. An actor may have a limit for all of its streams together."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.limit = _UNLIMITED
        self._runs: dict[bytes, GeneratorRun] = {}

    def begin(self, message: RunTask, template: DefineTemplate) -> GeneratorRun:
        """A call has turned out to be a generator's."""
        run = self._runs[message.task_id] = GeneratorRun(self, message.task_id, template)
        return run

    def end(self, task_id: bytes) -> GeneratorRun | None:
        """The call is over; returns its run, if it was a generator's."""
        return self._runs.pop(task_id, None)

    def items_taken(self, message: ItemsTaken) -> None:
        """The consumer of a stream has come so far. Of a run that is over nobody wants to know."""
        run = self._runs.get(message.task_id)
        if run is not None:
            run.taken = _ALL if message.taken < 0 else message.taken
            for each in list(self._runs.values()):
                each.wake()

    def look_again(self, task_id: bytes) -> None:
        """A generator that waits for its consumer has something else to see: that it was cancelled."""
        run = self._runs.get(task_id)
        if run is not None:
            run.wake()

    def ahead(self) -> list[GeneratorRun]:
        """The runs of which there are items that nobody has taken."""
        return [run for run in list(self._runs.values()) if run.count > run.taken]

    @property
    def is_full(self) -> bool:
        """Whether they have together as many items that nobody has taken as they may."""
        return self.limit > 0 and sum(run.count - run.taken for run in self.ahead()) >= self.limit


class GeneratorRun:
    """One run. ``count`` is how many objects it has yielded, ``taken`` how many of them are known to be taken."""

    __slots__ = (
        "_flushed_at_s",
        "_references",
        "_runs",
        "_task_id",
        "_template",
        "_wakers",
        "count",
        "taken",
    )

    def __init__(self, runs: GeneratorRuns, task_id: bytes, template: DefineTemplate) -> None:
        self._runs = runs
        self._task_id = task_id
        self._template = template
        self._references: list[ObjectRef[object]] = []
        self._wakers: list[Callable[[], None]] = []
        self._flushed_at_s = 0.0
        self.count = 0
        self.taken = 0

    # ---------------------------------------------------------------- yielding

    def emit(self, item: object) -> None:
        """Send what the generator has yielded.

        Raises:
            ValueError: a call that yields several objects at once has yielded another number of them.
            Exception: it cannot be serialized.
        """
        mode = self._template.return_mode
        if mode == ReturnMode.DYNAMIC:
            self._references.append(self._runs.client.puts.put_serialized(self._serialized(item)))
            return
        if mode == ReturnMode.STREAM and self._template.objects_per_yield != 1:
            for each in self._apart(item):
                self._send(each)
        elif mode == ReturnMode.STREAM or self.count < self._template.num_returns:
            self._send(item)
        channel = self._runs.client.channel
        now_s = channel.now_s()
        if now_s - self._flushed_at_s > GATHER_S:
            # Who yields seldom is heard at once, who yields quickly with what comes next.
            self._flushed_at_s = now_s
            channel.flush()

    def _send(self, item: object) -> None:
        client = self._runs.client
        client.channel.send(ObjectYielded(self._task_id, self.count, client.puts.pack(self._serialized(item))))
        self.count += 1

    def _serialized(self, item: object) -> Serialized:
        try:
            return serialize(item)
        except UnknownOwner:
            raise
        except Exception as error:  # noqa: BLE001 - a __reduce__ of the user's may raise anything; it is raised again
            raise_explained(f"what {self._template.name} yielded", item, error)

    def _apart(self, item: object) -> Sequence[object]:
        wanted = self._template.objects_per_yield
        if not isinstance(item, (list, tuple)):
            raise ValueError(
                f"Streaming generator tasks with _num_objects_per_yield={wanted} must yield a tuple or list of length "
                f"{wanted}."
            )
        if len(item) != wanted:
            raise ValueError(
                f"Streaming generator task yielded {len(item)} objects, but _num_objects_per_yield={wanted}."
            )
        return item

    def tell_of_more(self) -> None:
        """A fixed number of returns is there, and the generator yields more: nobody will get it."""
        template = self._template
        print(
            f"{template.name} yields more objects than the num_returns={template.num_returns} it was called with; "
            "the rest is ignored.",
            file=sys.stderr,
        )

    @property
    def is_complete(self) -> bool:
        """Whether all of a fixed number of returns are there: what else it would yield nobody gets."""
        template = self._template
        return template.return_mode == ReturnMode.FIXED and 0 < template.num_returns <= self.count

    # ---------------------------------------------------------------- waiting for the consumer

    @property
    def is_full(self) -> bool:
        """Whether the consumer has to take something before the generator goes on."""
        if self._template.return_mode != ReturnMode.STREAM:
            return False
        limit = self._template.backpressure
        return (limit > 0 and self.count - self.taken >= limit) or self._runs.is_full

    def wait(self) -> None:
        """Block until something was taken; it may not have been enough."""
        waiter = Waiter()
        self._wakers.append(waiter.fire)
        try:
            self._ask()
            self._runs.client.channel.wait(waiter, None)
        finally:
            self._wakers.remove(waiter.fire)

    async def wait_on_loop(self) -> None:
        """As `wait`, for a generator that runs on an event loop."""
        import asyncio

        loop = asyncio.get_running_loop()
        taken: asyncio.Future[None] = loop.create_future()

        def done() -> None:
            if not taken.done():
                taken.set_result(None)

        def wake() -> None:
            loop.call_soon_threadsafe(done)

        self._wakers.append(wake)
        try:
            self._ask()
            self._runs.client.channel.flush()
            await taken
        finally:
            self._wakers.remove(wake)

    def _ask(self) -> None:
        """Ask to be told when enough was taken: of this stream, or for a limit of all of them something of any."""
        limit = self._template.backpressure
        if limit > 0 and self.count - self.taken >= limit:
            wanted = {self._task_id: self.count - limit + 1}
        else:
            wanted = {run._task_id: run.taken + 1 for run in self._runs.ahead()}
        for task_id, taken in wanted.items():
            self._runs.client.channel.queue(AwaitTaken(task_id, taken))

    def wake(self) -> None:
        """Something was taken."""
        for waker in list(self._wakers):
            waker()

    # ---------------------------------------------------------------- the end

    def conclude(self) -> tuple[Outcome, ...]:
        """The generator has returned: the outcomes of those returns that it has not yielded.

        Raises:
            ValueError: it has yielded fewer than its fixed number of returns.
        """
        template = self._template
        pack = self._runs.client.puts.pack
        if template.return_mode == ReturnMode.STREAM:
            return (pack(serialize(None)),)
        if template.return_mode == ReturnMode.DYNAMIC:
            return (pack(serialize(DynamicObjectRefGenerator(self._references))),)
        if self.count < template.num_returns:
            raise ValueError(f"Task returned {self.count} objects, but num_returns={template.num_returns}.")
        return ()

    def failed(self, outcome: Outcome, *, from_outside: bool) -> tuple[Outcome, ...]:
        """The generator has raised, or was ended ``from_outside``: the outcomes of what it has not yielded."""
        client = self._runs.client
        mode = self._template.return_mode
        if mode == ReturnMode.FIXED:
            return (outcome,) * (self._template.num_returns - self.count)
        if from_outside:
            return (outcome,)
        if mode == ReturnMode.STREAM:
            return (client.puts.pack(serialize(None)), outcome)
        self._references.append(client.puts.put_outcome(outcome))
        return self.conclude()
