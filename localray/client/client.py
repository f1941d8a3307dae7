"""One process's side of a session, the same for drivers and workers, over sockets or in a simulation: its parts, what
it submits and asks, and which part takes what arrives.

Thread-safe: any thread may call anything. Whichever thread waits reads the channel (see
`localray.client.channel.Channel.wait`) and so runs `handle` for whatever arrives.
Must not live here: storing and getting objects (`localray.client.puts`, `localray.client.gets`), executing tasks
(`localray.client.executor`), sockets and clocks (the channel), decorators and handles (what users hold).
"""

from __future__ import annotations

import gc
import itertools
import os
from collections.abc import Callable
from typing import Protocol

from localray import ids
from localray.client import habits
from localray.client.arguments import Arguments
from localray.client.channel import Channel, Store, Waiter
from localray.client.completions import Completions
from localray.client.context import TaskContext, running_task_id
from localray.client.deliveries import Deliveries
from localray.client.failures import report_unhandled, with_error
from localray.client.gets import Gets
from localray.client.habits import Habits
from localray.client.lanes import Lanes
from localray.client.puts import Puts
from localray.client.references import ReferenceTable
from localray.client.room import Reservations
from localray.client.runtime_envs import RuntimeEnvs
from localray.exceptions import RaySystemError
from localray.host import session_directory
from localray.object_ref import ObjectRef
from localray.protocol import (
    Ask,
    ClientMessage,
    CollectGarbage,
    DefineFunction,
    DefineTemplate,
    DropViews,
    ForgetArena,
    KernelMessage,
    LaneAnswer,
    LaneClosed,
    LaneDiverted,
    LaneMessage,
    LaneOpened,
    LaneReady,
    MapArena,
    Notice,
    ObjectAbsent,
    ObjectPresent,
    ObjectReady,
    Query,
    Reply,
    SubmitCall,
    SubmitTask,
    UnhandledError,
    WorkerOutput,
)

PRIVATE_ADDRESS = "127.0.0.1:0"
"""What a session that nobody can join says of its address."""
_FIRST_RETURN = (1).to_bytes(4, "little")
_PUT_INDEX = (0x40000000).to_bytes(4, "little")


class MessageHandler(Protocol):
    """Takes the messages that only a worker gets."""

    def __call__(self, message: KernelMessage | LaneMessage) -> None: ...


class Client:
    """The core of a driver or worker process.

    Args:
        channel: the ordered channel to the kernel.
        store: the memory where large objects are.
        number: this client's number; its ids are made of it.
        job: the job it works for.
        node_id: the node it is on.
        namespace: where its actors' names live.
        notify: shows a text to the user.
        stalls: whether a wait here stalls a task, whose resources the kernel may lend out meanwhile: true in workers.
    """

    def __init__(
        self,
        channel: Channel,
        store: Store,
        number: int,
        job: int,
        node_id: bytes,
        namespace: str,
        notify: Callable[[str], None],
        *,
        stalls: bool = False,
    ) -> None:
        self.channel = channel
        self.store = store
        self.number = number
        self.node_id = node_id
        self.namespace = namespace
        self.stalls = stalls
        self.notify = notify
        number_of = self.new_request_number = itertools.count(1).__next__
        self._requests: dict[int, Waiter] = {}
        self._task_numbers = itertools.count(1)
        self._template_numbers = itertools.count(1)
        self._function_numbers = itertools.count(1)
        self._latest_task = 0
        self.habits: Habits | None = None
        """Notices what the user may want to be told; None if that is not wanted."""
        if habits.wanted(os.environ):
            self.habits = Habits(number, lambda: self._latest_task, running_task_id, self._tell)
        self.runtime_envs = RuntimeEnvs()
        self.reservations = Reservations(channel, number_of)
        references = self.references = ReferenceTable(channel, self.reservations.abandon)
        self.puts = Puts(channel, store, references, self.reservations, self.new_object_id, self.habits, self._tell)
        deliveries = self.deliveries = Deliveries(channel, store, references, number_of, stalls=stalls)
        lanes = self.lanes = Lanes(channel, references, deliveries, number)
        self.gets = Gets(
            channel, references, deliveries, lanes, self.ask, number_of, self.habits, self._tell, stalls=stalls
        )
        self.completions = Completions(channel, references, self.gets.value_of, number_of)
        references.source = self.completions
        self.on_worker_message: MessageHandler | None = None
        self.on_output: Callable[[WorkerOutput], None] | None = None
        self.cancelled_tasks: set[bytes] = set()
        self.runs_several = False
        """Whether several calls run here at once: true in threaded and asyncio actors, which say whose child what they
        submit is."""
        self.serial_task: TaskContext | None = None
        """What runs here, where only one thing does: threads that it starts work for it."""
        self.detaches_actors = False
        """Whether actors that say nothing of their lifetime are detached."""
        self.address = PRIVATE_ADDRESS
        """Where others can join the session."""
        self.directory = session_directory(node_id)
        """Where the session's log files are."""
        self.set_job(job)

    def set_job(self, job: int) -> None:
        """Work for this job from now on."""
        self.job = job
        self._nil_actor_id = ids.nil_actor_id(job)
        self._end_of_put = self._nil_actor_id + _PUT_INDEX

    # ---------------------------------------------------------------- definitions

    def define_function(self, name: str, blob: bytes, contained: tuple[bytes, ...], qualname: str = "") -> bytes:
        """Make a serialized function or class known to the session; returns its id."""
        function_id = ids.task_id_bytes(self.number, next(self._function_numbers), self._nil_actor_id)
        self.channel.send(DefineFunction(function_id, name, blob, contained, qualname))
        return function_id

    def new_template_number(self) -> int:
        """A number for a template, unique in the session."""
        return (self.number << 24) + next(self._template_numbers)

    def define_template(self, template: DefineTemplate) -> None:
        """Make a template known to the session."""
        self.lanes.defined(template)
        self.channel.send(template)

    # ---------------------------------------------------------------- submitting

    def submit_task(self, template: int, num_returns: int, arguments: Arguments) -> list[ObjectRef[object]]:
        """Submit a task; returns at once with the references to what it will return."""
        number = self._latest_task = next(self._task_numbers)
        task_id = ids.task_id_bytes(self.number, number, self._nil_actor_id)
        references = self._declare_returns(task_id, num_returns)
        parent_id = running_task_id() if self.runs_several else b""
        self.channel.send(
            SubmitTask(task_id, template, arguments.payload, arguments.dependencies, arguments.borrowed, parent_id)
        )
        return references

    def _tell(self, text: str) -> None:
        # Whoever listens to notices by now hears this too.
        self.notify(text)

    def submit_call(
        self, actor_id: bytes, template: int, num_returns: int, arguments: Arguments
    ) -> list[ObjectRef[object]]:
        """Submit a call of an actor's method."""
        number = self._latest_task = next(self._task_numbers)
        task_id = ids.task_id_bytes(self.number, number, actor_id)
        references = self._declare_returns(task_id, num_returns)
        parent_id = running_task_id() if self.runs_several else b""
        dependencies, borrowed = arguments.dependencies, arguments.borrowed
        message = SubmitCall(task_id, template, arguments.payload, dependencies, borrowed, actor_id, parent_id)
        if self.lanes.by_actor:
            lane = self.lanes.by_actor.get(actor_id)
            if lane is not None:
                self.lanes.submitted(lane, message)
        self.channel.send(message)
        return references

    def new_actor_id(self) -> bytes:
        """An id for an actor that this client is about to create."""
        return ids.actor_id_bytes(self.number, next(self._task_numbers), self.job)

    def new_group_id(self) -> bytes:
        """An id for a placement group that this client is about to create."""
        return ids.placement_group_id_bytes(self.number, next(self._task_numbers), self.job)

    def number_from(self, used: int) -> None:
        """Number tasks, actors and objects from here on: an earlier session of this process has used those below, and
        references that it has left must not name ours."""
        self._task_numbers = itertools.count(used + 1)

    def numbers_used(self) -> int:
        """How many numbers were given away, and this."""
        return next(self._task_numbers)

    def new_object_id(self) -> bytes:
        """An id for an object that no task makes."""
        return ids.task_id_bytes(self.number, next(self._task_numbers), self._end_of_put)

    def _declare_returns(self, task_id: bytes, num_returns: int) -> list[ObjectRef[object]]:
        declare = self.references.declare
        if num_returns == 1:
            return [declare(task_id + _FIRST_RETURN)]
        return [declare(ids.object_id_bytes(task_id, index)) for index in range(1, num_returns + 1)]

    # ---------------------------------------------------------------- requests

    def request(self, make: Callable[[int], ClientMessage], timeout_s: float | None = None) -> object:
        """Send a numbered request and wait for its reply; None if that takes longer than ``timeout_s``.

        Args:
            make: builds the message from its number.
            timeout_s: seconds to wait at most; None waits for ever.
        """
        number = self.new_request_number()
        waiter = Waiter()
        self._requests[number] = waiter
        # What died before the question was asked must not count in the answer.
        self.references.conclude()
        try:
            self.channel.send(make(number))
            self.channel.wait(waiter, timeout_s)
        finally:
            self._requests.pop(number, None)
        return waiter.reply

    def ask(self, query: Query, argument: str = "", timeout_s: float | None = None) -> object:
        """Ask a question about the whole cluster; see `request`."""
        return self.request(lambda number: Ask(number, query.value, argument), timeout_s)

    # ---------------------------------------------------------------- arriving messages

    def handle(self, message: KernelMessage | LaneMessage) -> None:
        """Take in one message from the kernel or a lane, on whichever thread read it."""
        kind = type(message)
        if kind is ObjectReady:
            self.deliveries.ready(message)  # type: ignore[arg-type]
        elif kind is ObjectPresent:
            self.deliveries.present(message.object_id)  # type: ignore[union-attr]
        elif kind is ObjectAbsent:
            self.deliveries.absent(message.object_id)  # type: ignore[union-attr]
        elif kind is Reply:
            waiter = self._requests.get(message.request)  # type: ignore[union-attr]
            if waiter is None:
                self.reservations.answered(message.request, message.value)  # type: ignore[union-attr]
            else:
                waiter.reply = message.value  # type: ignore[union-attr]
                waiter.fire()
        elif kind is CollectGarbage:
            gc.collect()
        elif kind is DropViews:
            self.references.drop_views(0)
            self.reservations.give_lease_back()
        elif kind is MapArena:
            self.store.map_arena(*message)
        elif kind is ForgetArena:
            self.store.forget_arena(message.node)  # type: ignore[union-attr]
        elif kind is Notice:
            self._show(message)  # type: ignore[arg-type]
        elif kind is UnhandledError:
            report_unhandled(message.payload)  # type: ignore[union-attr]
        elif kind is WorkerOutput:
            if self.on_output is not None:
                self.on_output(message)  # type: ignore[arg-type]
        elif kind is LaneAnswer:
            self.lanes.take_answer(message)  # type: ignore[arg-type]
        elif kind is LaneDiverted:
            self.lanes.diverted(message)  # type: ignore[arg-type]
        elif kind is LaneOpened:
            self._lane_opened(message)  # type: ignore[arg-type]
        elif kind is LaneReady:
            self.lanes.ready(message.lane)  # type: ignore[union-attr]
        elif kind is LaneClosed:
            for came in self.channel.close_lane(message.lane):  # type: ignore[union-attr]
                self.handle(came)  # type: ignore[arg-type]
            self.lane_lost(message.lane)  # type: ignore[union-attr]
        elif self.on_worker_message is not None:
            self.on_worker_message(message)
        else:
            raise RaySystemError(f"a driver cannot take {kind.__name__}")

    def _show(self, notice: Notice) -> None:
        self.notify(with_error(notice.text, notice.error) if notice.error else notice.text)

    def _lane_opened(self, message: LaneOpened) -> None:
        if not self.channel.open_lane(message.lane, message.descriptor):
            return
        if self.on_worker_message is None:
            self.lanes.opened(message.lane, message.actor_id)
        else:
            self.channel.send_by_lane(LaneReady(message.lane))

    def lane_lost(self, lane: int) -> None:
        """The other end of a lane is gone."""
        self.lanes.lost(lane)

    def before_flush(self, at_least: int = 1) -> None:
        """Called by the channel before it sends: conclude what the garbage collector noted, if that is so much."""
        self.references.conclude(at_least)

    def close(self) -> None:
        """The session is over for this client."""
        self.channel.close()
        self.completions.fail_all()
        self.references.close()

