"""In the process of a checkpointed actor on real Ray: what is sent to its keeper, and when; coming back after a crash.

A call's arguments go to the keeper before it runs, its outcome before it is answered, a checkpoint behind the outcomes
of the calls that are in it: Ray delivers what one process sends to one actor in that order, so the keeper always has
the whole. `checkpoint()` is only called while no call runs. Must not live here: what is kept
(`localray.on_ray.keeper`), the class that Ray sees (`localray.on_ray.kept_class`).
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from localray.on_ray.keeper import KEPT_ANSWERS

VALUE, ERROR, ITEMS = range(3)
"""Kinds of outcomes: what a method has returned, raised, or yielded."""
Outcome = tuple[int, Any]

OVERDUE = 2
"""A checkpoint that should have been taken so many times already is worth holding calls up for."""
HOLD_S = 0.1
HOLD_AGAIN_S = 1.0
LOOK_AGAIN_S = 0.002


class Attempt:
    """One run of a call, and how it has ended."""

    outcome: Outcome = (VALUE, None)


class Saving:
    """The checkpoints of one actor, in its process.

    Args:
        keeper: the handle of its keeper.
        instance: of the user's class, which has just been constructed.
        every_calls: after how many calls a checkpoint is due.
        period_s: after how many seconds, if that is not 0.

    Raises:
        RayError: the keeper is gone; whatever `restore` raises.
    """

    def __init__(self, keeper: Any, instance: Any, every_calls: int, period_s: float) -> None:
        import ray

        context = ray.get_runtime_context()
        self._ray: Any = ray
        self._keeper = keeper
        self._instance = instance
        self._every_calls = every_calls
        self._period_s = period_s
        self._actor = context.get_actor_id()
        self._lock = threading.Lock()
        self._running: set[str] = set()
        self._calls = 0
        self._taken_at_s = time.monotonic()
        self._hold_until_s = self._hold_again_s = 0.0
        self._is_replaying = False
        self._told: set[str] = set()
        # On Ray's workers `localray` is `ray`, and one process has one actor.
        self._ray.checkpoint_now = self.now
        name = context.get_actor_name()
        name = f"{context.namespace}/{name}" if name else ""
        # Not with `get`, about which an asyncio actor is warned.
        kept = keeper.latest.remote(self._actor, name).future().result()
        state, journal, answered = kept or (None, (), ())
        self._journal: Sequence[tuple[str, Any]] = journal
        self._answered: dict[str, bool] = dict.fromkeys(answered, True)
        """Calls whose answers the keeper has, oldest first, and whether they are to be given again if asked for."""
        if state is not None:
            instance.restore(state.future().result()[0])
        self._replayed: Future[None] | None = None
        if not any(is_async(getattr(instance, method)) for method, _ in journal):
            _without_waiting(self._replay())
            self._replayed = Future()
            self._replayed.set_result(None)

    # ---------------------------------------------------------------- running calls

    def run(self, method: str, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        """A call of a serial or threaded actor."""
        call = self._call()
        if self._answered.get(call):
            return self._again(call, self._ray.get(self._ray.get(self._answer(call))[0]))
        while self._hold_s() > 0:
            time.sleep(LOOK_AGAIN_S)
        with self._attempt(call, method, args, kwargs) as attempt:
            attempt.outcome = VALUE, getattr(self._instance, method)(*args, **kwargs)
        self._wait(self._end(call, attempt.outcome))
        return self._result(attempt.outcome)

    def stream(self, method: str, args: Sequence[object], kwargs: Mapping[str, object]) -> Iterator[object]:
        """A call that yields."""
        call = self._call()
        if self._answered.get(call):
            yield from self._again(call, self._ray.get(self._ray.get(self._answer(call))[0]))
            return
        while self._hold_s() > 0:
            time.sleep(LOOK_AGAIN_S)
        items: list[object] = []
        with self._attempt(call, method, args, kwargs) as attempt:
            for item in getattr(self._instance, method)(*args, **kwargs):
                items.append(item)
                yield item
            attempt.outcome = ITEMS, items
        self._wait(self._end(call, attempt.outcome))
        self._result(attempt.outcome)

    async def run_async(self, method: str, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        """A call of an asyncio actor, of a coroutine or a plain method."""
        await self._ready()
        call = self._call()
        if self._answered.get(call):
            return self._again(call, await (await self._answer(call))[0])
        while self._hold_s() > 0:
            await asyncio.sleep(LOOK_AGAIN_S)
        with self._attempt(call, method, args, kwargs) as attempt:
            value = getattr(self._instance, method)(*args, **kwargs)
            attempt.outcome = VALUE, await value if inspect.isawaitable(value) else value
        await self._wait_async(self._end(call, attempt.outcome))
        return self._result(attempt.outcome)

    async def stream_async(
        self, method: str, args: Sequence[object], kwargs: Mapping[str, object]
    ) -> AsyncIterator[object]:
        """A call of an asyncio actor that yields."""
        await self._ready()
        call = self._call()
        if self._answered.get(call):
            for item in self._again(call, await (await self._answer(call))[0]):
                yield item
            return
        while self._hold_s() > 0:
            await asyncio.sleep(LOOK_AGAIN_S)
        items: list[object] = []
        with self._attempt(call, method, args, kwargs) as attempt:
            async for item in _asynchronously(getattr(self._instance, method)(*args, **kwargs)):
                items.append(item)
                yield item
            attempt.outcome = ITEMS, items
        await self._wait_async(self._end(call, attempt.outcome))
        self._result(attempt.outcome)

    def now(self) -> None:
        """`checkpoint_now()`.

        Raises:
            RuntimeError: other calls run beside the one that asks.
            RayActorError: the keeper is gone.
        """
        if self._is_replaying:
            return  # What is replayed has been kept.
        with self._lock:
            if self._running - {self._call()}:
                raise RuntimeError("checkpoint_now() while other calls of the actor run, which may have half done.")
            reference = self._save()
        self._ray.get(reference)

    def leave(self) -> None:
        """The actor ends in order."""
        self._ray.get(self._keeper.forget.remote(self._actor))

    # ---------------------------------------------------------------- around a call

    def _call(self) -> str:
        """Ray's name of the running call, the same each time that it is tried."""
        return str(self._ray.get_runtime_context().get_task_id())

    def _answer(self, call: str) -> Any:
        return self._keeper.answer.remote(self._actor, call)

    def _again(self, call: str, outcome: Outcome) -> Any:
        """Answer a call as it was answered before. If that is an error that is to be retried, it comes back to run."""
        self._answered[call] = outcome[0] != ERROR
        return self._result(outcome)

    def _result(self, outcome: Outcome) -> Any:
        kind, value = outcome
        if kind == ERROR:
            raise value
        return value

    @contextmanager
    def _attempt(
        self, call: str, method: str, args: Sequence[object], kwargs: Mapping[str, object]
    ) -> Iterator[Attempt]:
        """Runs the call inside, and keeps its error; what ends the actor or cancels the call passes through."""
        self._keeper.begin.remote(self._actor, call, method, [args, kwargs])
        with self._lock:
            self._running.add(call)
        attempt = Attempt()
        try:
            yield attempt
        except self._ray.exceptions.AsyncioActorExit:
            self._abandon(call)
            raise
        except Exception as error:  # noqa: BLE001 - the call's outcome, raised again once it is kept
            attempt.outcome = ERROR, error
        except BaseException:
            self._abandon(call)
            raise

    def _abandon(self, call: str) -> None:
        with self._lock:
            self._running.discard(call)

    def _end(self, call: str, outcome: Outcome) -> Any:
        """A call has run: send its outcome, and a checkpoint if one is due and nothing else runs. Returns what is to be
        waited for before it is answered."""
        with self._lock:
            self._running.discard(call)
            self._calls += 1
            self._answered[call] = outcome[0] != ERROR
            if len(self._answered) > KEPT_ANSWERS:
                del self._answered[next(iter(self._answered))]
            try:
                last = self._keeper.end.remote(self._actor, call, outcome)
            except Exception as error:  # noqa: BLE001 - it cannot be pickled, which Ray is about to say, too
                last = self._keeper.end.remote(self._actor, call, (ERROR, TypeError(str(error))))
            if not self._running and self._is_due():
                try:
                    last = self._save()
                except Exception:  # noqa: BLE001 - the call has succeeded; the user is told
                    self._tell("The actor could not be checkpointed, the last one stays:", traceback.format_exc())
            return last

    def _save(self) -> Any:
        """Send a checkpoint; taken or failed, the next is due so many calls from here."""
        self._calls = 0
        self._taken_at_s = time.monotonic()
        return self._keeper.save.remote(self._actor, [self._instance.checkpoint()])

    def _is_due(self, times: int = 1) -> bool:
        if self._period_s:
            return time.monotonic() - self._taken_at_s >= times * self._period_s
        return 0 < times * self._every_calls <= self._calls

    def _hold_s(self) -> float:
        """For how long at most a call should put its start off, so that others can end; rarely, since what runs may
        wait for the very call that is held up."""
        with self._lock:
            if not self._running or not self._is_due(OVERDUE):
                return 0.0
            now_s = time.monotonic()
            if now_s >= self._hold_again_s:
                self._hold_until_s = now_s + HOLD_S
                self._hold_again_s = now_s + HOLD_AGAIN_S
            return max(0.0, self._hold_until_s - now_s)

    def _wait(self, reference: Any) -> None:
        try:
            self._ray.get(reference)
        except self._ray.exceptions.RayActorError as error:
            self._tell("The actor goes on without checkpoints, and will not come back if it crashes:", str(error))

    async def _wait_async(self, reference: Any) -> None:
        try:
            await reference
        except self._ray.exceptions.RayActorError as error:
            self._tell("The actor goes on without checkpoints, and will not come back if it crashes:", str(error))

    def _tell(self, what: str, why: str) -> None:
        """Once of each; Ray shows on the driver what its workers print."""
        if what not in self._told:
            self._told.add(what)
            print(what, why, file=sys.stderr)

    # ---------------------------------------------------------------- coming back

    async def _ready(self) -> None:
        """Calls since the checkpoint have been replayed, by whoever comes first: coroutines need the actor's loop."""
        with self._lock:
            is_first = self._replayed is None
            replayed = self._replayed = self._replayed or Future()
        if is_first:
            try:
                await self._replay()
                replayed.set_result(None)
            except BaseException as error:
                replayed.set_exception(error)
                raise
        if not replayed.done():
            await asyncio.wrap_future(replayed)
        replayed.result()

    async def _replay(self) -> None:
        """Run again what was answered since the checkpoint, one by one; their answers are known, their errors too."""
        self._is_replaying = True
        for method, arguments in self._journal:
            args, kwargs = arguments.future().result()
            try:
                result = getattr(self._instance, method)(*args, **kwargs)
                if inspect.isgenerator(result) or inspect.isasyncgen(result):
                    async for _ in _asynchronously(result):
                        pass
                elif inspect.isawaitable(result):
                    await result
            except Exception:  # noqa: BLE001 - as it was the first time
                continue
            finally:
                self._calls += 1
        self._journal = ()
        self._is_replaying = False


async def _asynchronously(items: Any) -> AsyncIterator[object]:
    """The items of a generator of either kind."""
    if inspect.isasyncgen(items):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


def is_async(function: object) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _without_waiting(coroutine: Any) -> None:
    """Run a coroutine in which nothing waits."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("a method that is no coroutine has waited like one")
