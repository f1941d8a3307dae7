"""A virtual worker: a client and an executor, whose tasks run on carriers one after the other. It does what the
executor says and decides nothing.

Between two tasks it holds no thread: the next one starts by an event, on whichever carrier is free. A task that is only
modelled has none at all. Must not live here: applying the kernel's effects (`localray.sim.host`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from localray.client.client import Client
from localray.client.executor import Executor
from localray.protocol import (
    INLINE,
    INLINE_LIMIT_BYTES,
    ON_DISK,
    DefineRuntimeEnv,
    DefineTemplate,
    DiskPlace,
    Outcome,
    RunTask,
    SetUpJob,
    Status,
    TaskDone,
    TaskKind,
    UnpinObjects,
)
from localray.sim.carrier import Carrier
from localray.sim.carriers import Carriers
from localray.sim.channel import VirtualChannel
from localray.sim.clock import NANOSECONDS
from localray.sim.errors import CarrierStopped
from localray.sim.events import Timer
from localray.sim.links import Timing
from localray.sim.modelled import Modelled, hollow_bytes, model_of
from localray.sim.network import Network
from localray.sim.store import VirtualStore
from localray.sim.threads import Process

KILLED = "killed by signal 9 (SIGKILL)"

_VALUE, _CANCELLED = Status.VALUE.value, Status.CANCELLED.value


class Interference(Protocol):
    """Whatever makes workers die at some moment of a task; each answer says whether this one does now."""

    def before(self, worker: VirtualWorker, message: RunTask) -> bool: ...
    def began(self, worker: VirtualWorker, message: RunTask) -> None: ...
    def answering(self, worker: VirtualWorker, task_id: bytes) -> bool: ...
    def answered(self, worker: VirtualWorker, task_id: bytes) -> bool: ...


class VirtualWorker(Process):
    """One worker.

    Args:
        number: its client number.
        node: the number of its node.
        carriers: that its tasks run on.
        timing: of what it does.
        network: of its node, where that is anything special.
        died: called once when it ends, with the cause.
    """

    def __init__(
        self,
        number: int,
        node: int,
        carriers: Carriers,
        timing: Timing,
        network: Network | None,
        died: Callable[[VirtualWorker, str], None],
    ) -> None:
        self.number = number
        self.node = node
        self.network = network
        self.interference: Interference | None = None
        self.alive = True
        self.started = 0
        self._carriers = carriers
        self.timing = timing
        self._died = died
        self._busy = False
        self._runner: Carrier | None = None
        self._models: dict[int, Modelled | None] = {}

    def come_up(
        self,
        channel: VirtualChannel,
        store: VirtualStore,
        node_id: bytes,
        notify: Callable[[str], None],
        ignored: Callable[[str], None],
    ) -> None:
        """Its process is there: it has a client from now on. ``ignored`` tells the user of what a simulation does not
        do."""
        self._ignored = ignored
        self._store = store
        self.channel = channel
        self.client = Client(channel, store, self.number, 0, node_id, "", notify, stalls=True)
        channel.client = self.client
        self._executor = Executor(self.client, _set_up_job, self._set_up_runtime_env, self._count_start, self._exit)
        self._executor.accept = self._accept
        self._executor.interrupt = self._interrupt

    # ---------------------------------------------------------------- tasks

    def _accept(self, message: RunTask) -> None:
        self._executor.queue.append(message)
        self._start_next()

    def _start_next(self) -> None:
        """Let the next task start after a little while, unless one runs."""
        if not self._busy and self.alive and self._executor.queue:
            self._busy = True
            cost_ns = self.timing.task_cost_ns()
            if self.network is not None:
                cost_ns = self.network.work_ns(cost_ns)
            self.channel.task_cost_s = cost_ns / NANOSECONDS
            self._carriers.events.add(self._carriers.clock.now_ns + cost_ns, self._begin)

    def _begin(self) -> None:
        if not self.alive:
            return
        queue = self._executor.queue
        model = self._model_of(queue[0]) if queue else None
        if model is None:
            self._carriers.start(self._turn, self)
        else:
            self._begin_modelled(queue.popleft(), model)

    def _model_of(self, message: RunTask) -> Modelled | None:
        number = message.template
        if number not in self._models:
            template = self._executor.template(message)
            is_task = template.kind == TaskKind.TASK
            self._models[number] = model_of(self._executor.function(template)) if is_task else None
        return self._models[number]

    def _begin_modelled(self, message: RunTask, model: Modelled) -> None:
        """It takes its time, and no carrier."""
        self._count_start(message, self._executor.template(message))
        if not self.alive:
            return
        self._executor.running = message.task_id
        duration_ns = model.duration_ns(self.timing, message.task_id)
        carriers, network = self._carriers, self.network
        if network is None:
            end = partial(self._end_modelled, message, model, duration_ns)
            carriers.events.add(carriers.clock.now_ns + duration_ns, end)
        else:
            self._work(network, int(duration_ns / network.speed), partial(self._end_modelled, message, model))

    def _work(self, network: Network, work_ns: int, end: Callable[[int], None]) -> None:
        """Work on a node that may be slow, or become so; then end, with how long it took."""
        events, clock = self._carriers.events, self._carriers.clock
        began_ns = clock.now_ns
        timer: Timer | None = None

        def wait() -> None:
            nonlocal timer
            if timer is not None:
                timer.cancel()
            timer = events.add_timer(clock.now_ns + work.done_after_ns(), look)

        def look() -> None:
            if self.alive and work.done_after_ns() > 0:
                wait()
            else:
                network.end(work)
                end(clock.now_ns - began_ns)

        work = network.begin(work_ns, sooner=wait)
        wait()

    def _end_modelled(self, message: RunTask, model: Modelled, duration_ns: int) -> None:
        if not self.alive:
            return
        if model.output_bytes > INLINE_LIMIT_BYTES:
            # Waiting for room takes a carrier.
            self._carriers.start(lambda: self._answer_modelled(message, model, duration_ns), self)
        else:
            self._answer_modelled(message, model, duration_ns)

    def _answer_modelled(self, message: RunTask, model: Modelled, duration_ns: int) -> None:
        executor, size_bytes = self._executor, model.output_bytes
        if message.task_id in executor.cancelled:
            executor.cancelled.discard(message.task_id)
            outcome: Outcome = (_CANCELLED, b"The task was cancelled.", INLINE, 0, ())
        elif size_bytes <= INLINE_LIMIT_BYTES:
            outcome = (_VALUE, hollow_bytes(size_bytes), INLINE, size_bytes, ())
        else:
            location, payload = self.client.reservations.reserve(size_bytes)
            if location == ON_DISK:
                self._store.disk.write_hollow(DiskPlace.decode(payload).path, 0, hollow_bytes(size_bytes))
            else:
                self._store.hollow(location, hollow_bytes(size_bytes))
            outcome = (_VALUE, payload, location, size_bytes, ())
        if message.values:
            # Nobody has looked at its arguments.
            pairs = zip(message.dependencies, message.values, strict=True)
            unseen = tuple(object_id for object_id, value in pairs if value[2] >= 0)
            if unseen:
                self.channel.send(UnpinObjects(unseen))
        outcomes = (outcome,) * executor.template(message).num_returns
        self.channel.send(TaskDone(message.task_id, outcomes, duration_ns / NANOSECONDS, False))
        executor.running = None
        self._busy = False
        self._start_next()

    def _turn(self) -> None:
        """On a carrier: run the task at the head of the queue."""
        self._runner = self._carriers.current
        executor = self._executor
        try:
            executor.run_next()
            if executor.asyncio_actor is not None:
                executor.asyncio_actor.run()
        finally:
            self._runner = None
            self._busy = False
        self._start_next()

    def _set_up_runtime_env(self, runtime_env: DefineRuntimeEnv, hook: Callable[[], object] | None) -> None:
        """Nothing of it can be had here: all workers of a simulation are one process."""
        self._ignored(
            "A runtime_env has no effect in a simulation, whose workers are all one process: variables, directories "
            "and hooks are as in the driver."
        )

    def _count_start(self, message: RunTask, template: DefineTemplate) -> None:
        if self.interference is not None and self.interference.before(self, message):
            self.kill()
        self.started += 1
        if self.interference is not None:
            self.interference.began(self, message)

    def interfere(self, interference: Interference) -> None:
        """From now on this may make it die."""
        self.interference = interference
        self.channel.answering = self._answering
        self.channel.answered = self._answered

    def _answering(self, task_id: bytes) -> bool:
        if self.interference is not None and self.interference.answering(self, task_id):
            self.kill()
            return True
        return False

    def _answered(self, task_id: bytes) -> None:
        if self.interference is not None and self.interference.answered(self, task_id):
            self._carriers.events.add(self._carriers.clock.now_ns, lambda: self.end(KILLED))

    def _interrupt(self, task_id: bytes) -> None:
        """Cancel what runs, where it blocks; as SIGINT does it in a process, only in the user's code."""
        executor, runner = self._executor, self._runner
        if runner is not None and runner.blocked is not None and executor.running == task_id and executor.interruptible:
            self._carriers.fail_wait(runner.blocked, KeyboardInterrupt())

    # ---------------------------------------------------------------- endings

    def _exit(self, reason: str, status: int) -> None:
        """End in an orderly way; on one of its own carriers this does not return."""
        self.crash(f"exit code {status}" if status else f"exited: {reason}")

    def kill(self) -> None:
        """Somebody kills its process; on one of its own carriers this does not return."""
        self.crash(KILLED)

    def crash(self, cause: str) -> None:
        """Its process ends at once, by its own code."""
        self.end(cause)
        carrier = self._carriers.mine()
        if carrier is not None and carrier.owner is self and self._carriers.in_user_code:
            raise CarrierStopped(cause)

    def end(self, cause: str) -> None:
        """It is gone: nothing leaves it any more, its carriers unwind."""
        if self.alive:
            died = self._died
            self.close()
            self._carriers.stop(self)
            died(self, cause)

    def close(self) -> None:
        """Let go of everything: it is gone, or the simulation is over."""
        if self.alive:
            self.alive = False
            self.client.close()
            del self._died


def _set_up_job(job: SetUpJob) -> None:
    """Import paths and working directory are the driver's: it is the same process."""
