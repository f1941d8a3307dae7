"""A worker's side of a client: takes `RunTask` messages, runs the functions and methods they name, answers with
`TaskDone`.

The same code executes in a worker process and on a simulation's carrier threads. Calls of a serial actor and plain
tasks run one after the other on the thread that calls `run_next`; threaded and asyncio actors run theirs through
`localray.client.threaded_actor` and `localray.client.asyncio_actor`. Must not live here: reading the channel,
processes, retry decisions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from types import GeneratorType
from typing import TYPE_CHECKING

from localray.client.arguments import unpack_arguments
from localray.client.checkpoints import Checkpoints, checkpoints_of
from localray.client.client import Client
from localray.client.context import Actor, TaskContext, current_task, repr_name_of
from localray.client.failures import NeverBegan, is_cancellation, tell_of_construction, wants_retry, why_not_set_up
from localray.client.functions import Functions, method_of
from localray.client.lane_calls import LaneCalls
from localray.client.leaving import EXITED, Leaving
from localray.client.outcomes import cancelled, failed, not_a_generator, pack_returns
from localray.client.phases import Phases
from localray.client.recalls import give_back
from localray.client.threaded_actor import ThreadedActor
from localray.client.yielding import GeneratorRun, GeneratorRuns
from localray.exceptions import RaySystemError
from localray.protocol import (
    ActorNamed,
    CallMode,
    CancelRunning,
    DefineFunction,
    DefineRuntimeEnv,
    DefineTemplate,
    Exit,
    ItemsTaken,
    KernelMessage,
    LaneCall,
    LaneMessage,
    Outcome,
    RecallTasks,
    RestoreActor,
    ReturnMode,
    RunTask,
    RuntimeEnvFailed,
    SetUpJob,
    TaskDone,
    TaskKind,
)

if TYPE_CHECKING:
    from localray.client.asyncio_actor import AsyncioActor

_END = object()
"""What `next` gives when a generator has returned."""


class WorkerExit(BaseException):
    """Raised where the worker's process, or its carrier, is to end after what it has answered."""


class Executor:
    """Runs what the kernel sends.

    Args:
        client: the worker's client; its worker messages come here.
        set_up_job: called once with the job's import paths and directory before its first task.
        set_up_runtime_env: called after that, on the thread that runs tasks, with what the worker is set up with, and
            the user's hook; raises `RuntimeEnvSetupError`.
        on_start: called before each task starts: counts it where the process's death can't lose the count, and sets its
            environment.
        exit_process: ends the worker in an orderly way; takes the reason and the exit status.
    """

    def __init__(
        self,
        client: Client,
        set_up_job: Callable[[SetUpJob], None],
        set_up_runtime_env: Callable[[DefineRuntimeEnv, Callable[[], object] | None], None],
        on_start: Callable[[RunTask, DefineTemplate], None],
        exit_process: Callable[[str, int], None],
    ) -> None:
        self.client = client
        self.queue: deque[RunTask] = deque()
        self.actor: Actor | None = None
        self.running: bytes | None = None
        self.cancelled = client.cancelled_tasks
        self.interrupt: Callable[[bytes], None] | None = None
        self.accept: Callable[[RunTask], None] = self.queue.append
        self.asyncio_actor: AsyncioActor | None = None
        self.interruptible = False
        self.leaving = Leaving(self, exit_process)
        self.generators = GeneratorRuns(client)
        self._lane_calls = LaneCalls(client)
        self.checkpointer: Checkpoints | None = None
        self._restored: RestoreActor | None = None
        self._set_up_job = set_up_job
        self._set_up_runtime_env = set_up_runtime_env
        self._runtime_env: DefineRuntimeEnv | None = None
        self._on_start = on_start
        self._functions = Functions()
        self._phases = Phases(client.channel.now_s)
        self._templates: dict[int, DefineTemplate] = {}
        self._groups: frozenset[str] = frozenset()
        client.on_worker_message = self.handle

    # ---------------------------------------------------------------- messages

    def handle(self, message: KernelMessage | LaneMessage) -> None:
        """Take in one of the messages that only workers get."""
        if isinstance(message, RunTask):
            self.accept(message)
        elif isinstance(message, LaneCall):
            self.accept(self._lane_calls.take(message, self.actor))
        elif isinstance(message, DefineFunction):
            self._functions.define(message)
        elif isinstance(message, DefineTemplate):
            self._templates[message.template] = message
        elif isinstance(message, DefineRuntimeEnv):
            self.client.runtime_envs.own = self._runtime_env = message
        elif isinstance(message, RecallTasks):
            self.client.channel.send(give_back(self.queue, message.task_ids))
            self.client.channel.flush()
        elif isinstance(message, CancelRunning):
            self._cancel(message)
        elif isinstance(message, ItemsTaken):
            self.generators.items_taken(message)
        elif isinstance(message, RestoreActor):
            self._restored = message
        elif isinstance(message, SetUpJob):
            self.client.set_job(message.job)
            self.client.namespace, self.client.node_id = message.namespace, message.node_id
            self.client.detaches_actors = message.detaches_actors
            self._set_up_job(message)
        elif isinstance(message, Exit):
            self.leaving.retire(message.reason)
        else:
            raise RaySystemError(f"a worker cannot take {type(message).__name__}")

    def _cancel(self, message: CancelRunning) -> None:
        self.cancelled.add(message.task_id)
        self.generators.look_again(message.task_id)
        if self.interrupt is not None:
            self.interrupt(message.task_id)

    # ---------------------------------------------------------------- execution

    def run_next(self) -> None:
        """Run the task at the head of the queue, if it is still there, and answer."""
        try:
            message = self.queue.popleft()
        except IndexError:
            return
        self.run(message)

    def run(self, message: RunTask) -> None:
        """Run one task on the calling thread and send its answer."""
        if self.leaving.reason:
            return  # It fails with the actor.
        template = self._templates[message.template]
        if self._runtime_env is not None and not self._is_set_up(self._runtime_env):
            return
        if template.kind == TaskKind.ACTOR_CREATION and template.call_mode == CallMode.ASYNCIO:
            # Its constructor already runs on the loop, as in Ray: it may create tasks there.
            from localray.client.asyncio_actor import AsyncioActor

            self.client.runs_several = True
            self.asyncio_actor = AsyncioActor(self, message, template)
            return
        started_s = self.begin(message)
        context = TaskContext(message, template, self)
        token = current_task.set(context)
        if not self.client.runs_several:
            self.client.serial_task = context
        try:
            result = self._invoke(message, template)
            if type(result) is GeneratorType or template.return_mode:
                outcomes = self._run_generator(message, template, result)
            else:
                self._phases.have_returned()
                outcomes = pack_returns(self.client, template, result)
        except WorkerExit:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever the user's code raised is the task's outcome
            self.conclude_error(message, template, error, started_s)
        else:
            self.answer(message, outcomes, started_s)
        finally:
            current_task.reset(token)
            self.running = self.client.serial_task = None

    def _is_set_up(self, runtime_env: DefineRuntimeEnv) -> bool:
        """Set the worker up before its first task; where that fails it has run nothing, says why, and ends."""
        self._runtime_env = None
        try:
            hook = self._functions.load(runtime_env.hook) if runtime_env.hook else None
            self._set_up_runtime_env(runtime_env, hook)
        except Exception as error:  # noqa: BLE001 - a disk may be full, a folder forbidden: the next worker would fail alike
            self.client.channel.send(RuntimeEnvFailed(why_not_set_up(error)))
            self.client.channel.flush()
            self.leaving.exit("its runtime environment cannot be set up")
            return False
        return True

    def template(self, message: RunTask) -> DefineTemplate:
        """What the message's template says."""
        return self._templates[message.template]

    def begin(self, message: RunTask) -> float:
        """A task starts now; returns the time."""
        if self.checkpointer is not None:
            self.checkpointer.enter(message.task_id)
        self._on_start(message, self._templates[message.template])
        self.running = message.task_id
        self._lane_calls.begins(message)
        if self.leaving.running is not None:
            self.leaving.running.add(message.task_id)
        return self._phases.begin()

    def exit_actor(self, task_id: bytes) -> None:
        """The actor here is to end with the call that asks for it."""
        self.leaving.ask(task_id, EXITED)

    @property
    def is_asyncio(self) -> bool:
        """Whether the actor that lives here interleaves its calls on an event loop."""
        return self.asyncio_actor is not None

    def _invoke(self, message: RunTask, template: DefineTemplate) -> object:
        kind = template.kind
        if kind == TaskKind.ACTOR_CALL:
            function, args, kwargs = self.prepare_call(message, template)
        elif kind == TaskKind.TASK:
            # The arguments first: whatever goes wrong from here on, their places in the store are let go of with them.
            args, kwargs = self.arguments(message)
            function = self.function(template)
        else:
            self.construct(message, template)
            return None
        return self._in_user_code(message, function, *args, **kwargs)

    def _in_user_code(
        self, message: RunTask, function: Callable[..., object], /, *args: object, **kwargs: object
    ) -> object:
        """Call what may be cancelled. A task is interrupted; an actor's method sees it, and returns for nobody."""
        self.interruptible = self.actor is None
        try:
            if message.task_id in self.cancelled:  # An interrupt would have hit our own code.
                raise NeverBegan
            result = function(*args, **kwargs)
        finally:
            self.interruptible = False
        if self.actor is not None and message.task_id in self.cancelled:
            raise KeyboardInterrupt
        return result

    def function(self, template: DefineTemplate) -> Callable[..., object]:
        """The function or class of a template, unpickled at its first use."""
        return self._functions.load(template.function_id)

    def arguments(self, message: RunTask) -> tuple[list[object], dict[str, object]]:
        """The arguments of a task, its dependencies filled in."""
        values: Sequence[object] = ()
        try:
            if message.dependencies:
                # All views before the first value is made of one: if that fails, the others' places are let go of too.
                pairs = zip(message.dependencies, message.values, strict=True)
                values = [value_of() for value_of in [self.client.gets.argument(*pair) for pair in pairs]]
            unpacked = unpack_arguments(message.payload, values)
        except RaySystemError as error:
            error._of_arguments = True
            raise
        self._phases.have_read()
        return unpacked

    def construct(self, message: RunTask, template: DefineTemplate) -> None:
        """Become the actor that the message creates."""
        args, kwargs = self.arguments(message)
        target = self.function(template)
        mode = CallMode(template.call_mode)
        self.actor = Actor(
            message.actor_id,
            None,
            target,  # type: ignore[arg-type]
            template.name.removesuffix(".__init__"),
            template.to_hold,
            template.group,
            template.captures,
            message.attempt,
            message.actor_name,
            message.units,
        )
        self.actor.instance = instance = target(*args, **kwargs)
        if own_name := repr_name_of(instance):
            self.actor.label = own_name
            self.client.channel.send(ActorNamed(message.actor_id, own_name))
        self.generators.limit = template.backpressure
        self._groups = frozenset(name for name, _ in template.concurrency_groups)
        self.checkpointer = checkpoints_of(self.client, template, instance, self._restored)
        if mode is not CallMode.SERIAL:
            self.leaving.running = set()
        if mode is CallMode.THREADED:
            self.client.runs_several = True
            self.accept = ThreadedActor(self, template).accept

    def prepare_call(
        self, message: RunTask, template: DefineTemplate
    ) -> tuple[Callable[..., object], list[object], dict[str, object]]:
        """The bound method of a call and its arguments."""
        if self.actor is None:
            raise RaySystemError("a call arrived at a worker that is no actor")
        if template.concurrency_group and template.concurrency_group not in self._groups:
            name = self.actor.actor_class.__name__
            raise ValueError(f"The actor '{name}' has no concurrency group '{template.concurrency_group}'.")
        args, kwargs = self.arguments(message)
        instance = self.actor.instance
        if template.method == "__ray_call__":
            function = args.pop(0)
            return function, [instance, *args], kwargs  # type: ignore[return-value]
        if template.method == "__ray_ready__":
            return _true, [], {}
        if template.method == "__ray_terminate__":
            self.leaving.ask(message.task_id, EXITED)
            raise SystemExit
        return method_of(instance, template.method), args, kwargs

    # ---------------------------------------------------------------- answers

    def _run_generator(self, message: RunTask, template: DefineTemplate, generator: object) -> tuple[Outcome, ...]:
        """Run a generator to its end on the calling thread; returns the outcomes of what it has not yielded."""
        if type(generator) is not GeneratorType:
            raise not_a_generator(template)
        run = self.generators.begin(message, template)
        call = self._in_user_code
        while (item := call(message, next, generator, _END)) is not _END:
            run.emit(item)
            while run.is_full:
                call(message, run.wait)
            if run.is_complete and call(message, next, generator, _END) is not _END:
                run.tell_of_more()
                break
        outcomes = run.conclude()
        self.generators.end(message.task_id)
        return outcomes

    def conclude_error(
        self, message: RunTask, template: DefineTemplate, error: BaseException, started_s: float
    ) -> None:
        """Send an exception as the outcome of every return, or end where that is what it means."""
        if isinstance(error, SystemExit):
            self.leaving.system_exit(message.task_id, template, error)
            return
        if self.leaving.reason and self.leaving.is_over(message.task_id, template):
            return
        is_cancelled = is_cancellation(error, of_coroutine=self.is_asyncio) or message.task_id in self.cancelled
        if is_cancelled:
            self.cancelled.discard(message.task_id)
            outcome = cancelled(template, error)
        else:
            outcome = failed(error, template, self.actor)
            if template.kind == TaskKind.ACTOR_CREATION:
                tell_of_construction(outcome[1])
        retryable = isinstance(error, Exception) and wants_retry(template.retry_exceptions, error)
        run = self.generators.end(message.task_id)
        if run is None and template.return_mode == ReturnMode.STREAM:
            # It has failed before it could yield anything.
            run = GeneratorRun(self.generators, message.task_id, template)
        all_returns = (outcome,) * template.num_returns
        outcomes = all_returns if run is None else run.failed(outcome, from_outside=is_cancelled)
        self.answer(message, outcomes, started_s, retryable=retryable)

    def answer(
        self, message: RunTask, outcomes: tuple[Outcome, ...], started_s: float, *, retryable: bool = False
    ) -> None:
        """Send what a task ended with: an outcome for each return that it has not yielded."""
        if self.leaving.reason and self.leaving.is_over(message.task_id, self._templates[message.template]):
            return
        channel = self.client.channel
        ended_s = channel.now_s()
        duration_s = ended_s - started_s
        if self._lane_calls.answer(message.task_id, outcomes, duration_s):
            return
        around_s = () if self.client.runs_several else self._phases.around(ended_s)
        done = TaskDone(message.task_id, outcomes, duration_s, retryable, around_s)
        if self.queue or self.asyncio_actor is not None:
            channel.send(done)
        else:
            # The worker waits for its next task right away, and waiting flushes.
            channel.queue(done)
        if self.checkpointer is not None:
            self.checkpointer.leave(message.task_id)
        if self.leaving.running is not None:
            self.leaving.answered(message.task_id)


def _true() -> bool:
    return True
