"""How a worker ends in order: because nobody needs it, or because the code of its actor says so.

An actor that ends itself finishes the calls that run beside the one that asked for it, runs its ``__ray_shutdown__``,
tells the kernel, and goes. Nobody can keep it: what the call that asked then returns or raises is dropped. Must not
live here: ending the process (the driver of the executor), what callers are told (the kernel).
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from localray.client.channel import Waiter
from localray.client.context import current_task
from localray.exceptions import AsyncioActorExit
from localray.protocol import INLINE, ActorExiting, DefineTemplate, Outcome, Status, TaskDone, text_payload

if TYPE_CHECKING:
    from localray.client.executor import Executor

_EXIT_STATUS_BITS = 0xFF
EXITED = (
    "The actor is dead because its worker process has died. Worker exit type: INTENDED_USER_EXIT Worker exit detail: "
    "exit_actor() is called."
)
"""Ray's words, which programs look for."""
TOLD_AFTER_S = 1.0
"""So long the call that asked for the end waits for the actor's death; then it fails before that, as in Ray."""


class Leaving:
    """The end of one worker. ``reason`` is empty until its actor has been asked to end; ``running`` holds the calls of
    a threaded or asyncio actor that have begun and are not answered.

    Args:
        executor: of the worker.
        exit_process: ends the process; takes the reason and the exit status.
    """

    def __init__(self, executor: Executor, exit_process: Callable[[str, int], None]) -> None:
        self.reason = ""
        self.running: set[bytes] | None = None
        self._executor = executor
        self._exit_process = exit_process
        self._asked_by: set[bytes] = set()
        self._is_forced = False
        self._once = threading.Lock()

    def exit(self, reason: str) -> None:
        """End the process now, in an orderly way."""
        self._exit_process(reason, 0)

    # ---------------------------------------------------------------- the kernel says so

    def retire(self, reason: str) -> None:
        """Nobody needs this worker any more. Called by whichever thread reads the channel: the user's hook runs on
        another."""
        if self._hook() is None:
            self.exit(reason)
        else:
            self._executor.client.channel.spawn(lambda: self._run_hook_and_exit(reason), "localray-shutdown")

    def _run_hook_and_exit(self, reason: str) -> None:
        self._run_hook()
        self.exit(reason)

    # ---------------------------------------------------------------- the actor says so

    def ask(self, task_id: bytes, reason: str) -> None:
        """The actor is to end with this call: nothing new starts."""
        self.reason = reason
        if self.running is None or task_id in self.running:
            self._asked_by.add(task_id)
        elif not self.running:
            # A coroutine that its call left behind: no call's end will be the actor's.
            self._executor.client.channel.spawn(self._end, "localray-leaving")

    def drain(self, reason: str) -> None:
        """The process is told to end from outside: what runs is answered first, nothing new starts, and then it is gone
        as by a crash."""
        if self.reason:
            return
        self._is_forced = True
        self.reason = reason
        if not self.running:
            self._end()

    def is_over(self, task_id: bytes, template: DefineTemplate) -> bool:
        """Whether a call that has just ended is one that asked for the end: then it is not answered, and the actor ends
        as soon as no other runs."""
        if task_id not in self._asked_by:
            return False
        self.answered(task_id)
        if self.running:
            self._executor.client.channel.spawn(lambda: self._tell_late(task_id, template), "localray-leaving")
        return True

    def _tell_late(self, task_id: bytes, template: DefineTemplate) -> None:
        """Others run on, perhaps for ever: who asked for the end does not wait for them."""
        channel = self._executor.client.channel
        channel.wait(Waiter(), TOLD_AFTER_S)
        if self._once.locked():
            return  # It ends now, and that is told.
        payload = text_payload(f"The actor is temporarily unavailable: {self.reason} Other calls still run in it.")
        outcome: Outcome = (Status.ACTOR_UNAVAILABLE.value, payload, INLINE, len(payload), ())
        run = self._executor.generators.end(task_id)
        outcomes = (outcome,) * template.num_returns if run is None else run.failed(outcome, from_outside=True)
        channel.send(TaskDone(task_id, outcomes, 0.0, False))
        channel.flush()

    def answered(self, task_id: bytes) -> None:
        """A call is answered, or will never be."""
        if self.running is not None:
            self.running.discard(task_id)
        if self.reason and not self.running:
            self._end()

    def system_exit(self, task_id: bytes, template: DefineTemplate, error: SystemExit) -> None:
        """`sys.exit()` in user code. With status 0 an actor ends in order; anything else ends its process, and a
        task's, as a crash would: it may be tried again."""
        status = _status_of(error)
        if self._executor.actor is None or (status and not self.reason):
            self._executor.client.channel.flush()
            self._exit_process(f"sys.exit({error.code!r})", status)
        elif not self.reason:
            self.ask(task_id, EXITED.replace("exit_actor() is called", "sys.exit() is called, with exit code 0"))
        self.is_over(task_id, template)

    def _end(self) -> None:
        actor = self._executor.actor
        if actor is None or not self._once.acquire(blocking=False):
            return
        channel = self._executor.client.channel
        if self._is_forced:
            channel.flush()
            self._exit_process(self.reason, 1)
        self._run_hook()
        channel.send(ActorExiting(actor.actor_id, self.reason, tuple(self._asked_by)))
        channel.flush()
        self.exit(self.reason)

    # ---------------------------------------------------------------- the user's hook

    def _hook(self) -> Callable[[], object] | None:
        actor = self._executor.actor
        hook = None if actor is None else getattr(actor.instance, "__ray_shutdown__", None)
        return hook if callable(hook) else None

    def _run_hook(self) -> None:
        hook = self._hook()
        if hook is None:
            return
        try:
            hook()
        except Exception:  # noqa: BLE001 - it ends all the same; the user sees why the hook failed
            print("__ray_shutdown__ raised:", file=sys.stderr)
            traceback.print_exc()


def _status_of(error: SystemExit) -> int:
    """What Python would make of it."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & _EXIT_STATUS_BITS
    print(error.code, file=sys.stderr)
    return 1


def exit_actor() -> NoReturn:
    """End the actor that is running, whatever becomes of the exception that leaves this function: this call and those
    queued fail, those that run beside it end first, ``__ray_shutdown__`` and exit handlers run.

    Raises:
        TypeError: called outside of an actor.
    """
    context = current_task.get()
    if context is None or not context.actor_id:
        raise TypeError("exit_actor API is called on a non-actor worker.")
    context.exit_actor()
    if context.is_asyncio:
        raise AsyncioActorExit
    raise SystemExit(0)
