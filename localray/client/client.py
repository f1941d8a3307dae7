"""One process's side of a session: submit, put, get, wait; the same for drivers and workers, over sockets or in a
simulation.

Thread-safe: any thread may call anything. Whichever thread waits reads the channel (see
`localray.client.channel.Channel.wait`) and so runs `handle` for whatever arrives.
Must not live here: executing tasks (`localray.client.executor`), sockets and clocks (the channel), decorators and
handles (what users hold).
"""

from __future__ import annotations

import gc
import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from localray import ids
from localray.client import habits, lateness
from localray.client.ahead import AskAhead
from localray.client.arguments import Arguments
from localray.client.channel import Channel, Store, Waiter
from localray.client.completions import Completions
from localray.client.context import TaskContext, current_task, running_task_id
from localray.client.failures import report_unhandled, with_error
from localray.client.habits import Habits
from localray.client.lanes import Lanes
from localray.client.large_arguments import RepeatedArguments
from localray.client.layout import Serialized
from localray.client.references import Entry, ReferenceTable
from localray.client.room import Reservations
from localray.client.runtime_envs import RuntimeEnvs
from localray.client.serialization import serialize
from localray.client.values import checksum_of, checksums_wanted, error_of, load
from localray.exceptions import GetTimeoutError, RaySystemError
from localray.host import session_directory
from localray.object_ref import ObjectRef, UnknownOwner
from localray.protocol import (
    INLINE,
    ON_DISK,
    Ask,
    ClientMessage,
    CollectGarbage,
    DefineFunction,
    DefineTemplate,
    DiskPlace,
    DropViews,
    ForgetArena,
    FreeObjects,
    GetObjects,
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
    ObjectDamaged,
    ObjectPresent,
    ObjectReady,
    Outcome,
    PutObject,
    Query,
    Reply,
    Status,
    SubmitCall,
    SubmitTask,
    UnhandledError,
    Value,
    WithdrawGet,
    WorkerOutput,
)
from localray.shm.spill_layout import DamagedEntryError

INLINE_LIMIT_BYTES = 100 * 1024
"""Values up to this size travel inside messages; larger ones go to the store (Ray's limit)."""

PRIVATE_ADDRESS = "127.0.0.1:0"
"""What a session that nobody can join says of its address."""
_FIRST_RETURN = (1).to_bytes(4, "little")
_PUT_INDEX = (0x40000000).to_bytes(4, "little")
_VALUE = Status.VALUE.value


def inline_limit_bytes(environment: Mapping[str, str]) -> int:
    """Up to which size values travel in messages: as Ray's variable says, but for what is too large for a message."""
    text = environment.get("RAY_max_direct_call_object_size", "")
    return min(int(text), INLINE_LIMIT_BYTES) if text.isdigit() else INLINE_LIMIT_BYTES


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
    ) -> None:
        self.channel = channel
        self.store = store
        self.number = number
        self.node_id = node_id
        self.namespace = namespace
        self.new_request_number = itertools.count(1).__next__
        self.reservations = Reservations(channel, self.new_request_number)
        self.completions = Completions(self)
        self.runtime_envs = RuntimeEnvs()
        self.references = ReferenceTable(channel, self.completions, self.reservations.abandon)
        self.inline_limit_bytes = inline_limit_bytes(os.environ)
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
        self.stalls = False
        """Whether a wait here stalls a task, whose resources the kernel may lend out meanwhile: true in workers."""
        self._blocked_a_loop = False
        self.checksums = checksums_wanted()
        """Whether objects' bytes are written with a checksum, which their readers check: for finding out who damages
        memory."""
        self.address = PRIVATE_ADDRESS
        """Where others can join the session."""
        self.directory = session_directory(node_id)
        """Where the session's log files are."""
        self.notify = notify
        self._repeated = RepeatedArguments()
        self._requests: dict[int, Waiter] = {}
        self._task_numbers = itertools.count(1)
        self._latest_task = self._small_puts = 0
        self._ahead = AskAhead(self.references.entries)
        self._lanes = Lanes(self)
        self.habits: Habits | None = None
        """Notices what the user may want to be told; None if that is not wanted."""
        if habits.wanted(os.environ):
            self.habits = Habits(number, lambda: self._latest_task, running_task_id, self._hint)
        self._template_numbers = itertools.count(1)
        self._function_numbers = itertools.count(1)
        self.set_job(job)

    def set_job(self, job: int) -> None:
        """Work for this job from now on."""
        self.job = job
        self._nil_actor_id = ids.nil_actor_id(job)

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
        self._lanes.defined(template)
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

    def _hint(self, text: str) -> None:
        # Whoever listens to notices by now hears hints too.
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
        if self._lanes.by_actor:
            lane = self._lanes.by_actor.get(actor_id)
            if lane is not None:
                self._lanes.submitted(lane, message)
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
        return ids.task_id_bytes(self.number, next(self._task_numbers), self._nil_actor_id) + _PUT_INDEX

    def _declare_returns(self, task_id: bytes, num_returns: int) -> list[ObjectRef[object]]:
        declare = self.references.declare
        if num_returns == 1:
            return [declare(task_id + _FIRST_RETURN)]
        return [declare(ids.object_id_bytes(task_id, index)) for index in range(1, num_returns + 1)]

    # ---------------------------------------------------------------- objects

    def put(self, value: object) -> ObjectRef[object]:
        """Store a value; see `ray.put`."""
        return self.put_serialized(serialize(value))

    def put_serialized(self, serialized: Serialized) -> ObjectRef[object]:
        """Store a value that is serialized already."""
        return self.put_outcome(self.pack(serialized))

    def put_outcome(self, outcome: Outcome) -> ObjectRef[object]:
        """Store a packed value, or an error."""
        status, payload, location, size_bytes, contained = outcome
        object_id = self.new_object_id()
        reference = self.references.declare(object_id)
        entry = self.references.entries[object_id]
        if location == INLINE:
            entry.value = (status, payload, location, size_bytes)
            self._small_puts += 1
            if not self._small_puts % habits.SMALL_PUTS and self.habits is not None:
                self.habits.puts_small()
        message = PutObject(object_id, status, payload, location, size_bytes, contained)
        entry.put = message
        self.channel.send(message)
        return reference

    def about_to_block(self, call: str, instead: str) -> None:
        """A worker's thread is about to wait: one that runs an event loop is told once what to do instead."""
        context = current_task.get()
        if context is not None and context.is_asyncio and not self._blocked_a_loop:
            self._blocked_a_loop = True
            if os.environ.get("RAY_WARN_BLOCKING_GET_INSIDE_ASYNC", "1").lower() in ("0", "false"):
                return
            self.notify(f"Using blocking {call} inside an async actor: it blocks the event loop. Use {instead}.")

    def put_argument(self, name: str, serialized: Serialized) -> ObjectRef[object]:
        """Store the large arguments of a call of this name; the user is told when they are the same again and again."""
        advice = self._repeated.note(name, serialized) if self.habits is not None else None
        if advice is not None:
            self.notify(advice)
        return self.put_serialized(serialized)

    def pack(self, serialized: Serialized) -> Outcome:
        """Put a value into the form in which it travels: inline when small, else written to the store.

        Raises:
            ObjectStoreFullError, OutOfDiskError: there is no room, and none can be made.
        """
        size_bytes = serialized.size_bytes
        if size_bytes <= self.inline_limit_bytes:
            return (_VALUE, serialized.to_bytes(), INLINE, size_bytes, serialized.contained)
        # What has died here makes room: it is told before more is asked for.
        self.references.conclude()
        room = self.reservations.reserve(size_bytes)
        try:
            target = room.open(self.store, size_bytes)
            serialized.write_into(target)
            payload = room.payload_with(checksum_of(target) if self.checksums else b"")
        except BaseException:
            self.reservations.abandon(room.location, size_bytes, room.payload)
            raise
        return (_VALUE, payload, room.location, size_bytes, serialized.contained)

    def get(self, references: Sequence[ObjectRef[object]], timeout_s: float | None) -> list[object]:
        """The values of objects, in order; see `ray.get`.

        Raises:
            GetTimeoutError: not all were ready in time.
            Exception: the error of the first that failed.
        """
        entries, _keep = self._entries(references, at_least_one=False)
        if any(entry.value is None for entry in entries):
            self._await_entries(references, entries, Waiter(len(references), fail_fast=True), timeout_s)
            self._raise_if_incomplete(references, entries, timeout_s)
        return [self._load(ref, entry) for ref, entry in zip(references, entries, strict=True)]

    def get_one(self, reference: ObjectRef[object], timeout_s: float | None) -> object:
        """As `get` of one reference: the most frequent call, without what only several need. Raises as `get` does."""
        object_id = reference.binary()
        entry = self.references.entries.get(object_id)
        if entry is None:
            return self.get((reference,), timeout_s)[0]
        if entry.value is None:
            self._await_one(reference, entry, timeout_s)
        return self._load(reference, entry)

    def _await_one(self, reference: ObjectRef[object], entry: Entry, timeout_s: float | None) -> None:
        """Wait for one object, made by a call that may go by a lane now."""
        object_id = reference.binary()
        if self.habits is not None:
            self.habits.waits_for(object_id)
        waiter = Waiter(fail_fast=True)
        with self.references.lock:
            asks = entry.value is None and (self.stalls or not entry.asked)
            if entry.value is not None:
                waiter.count_down()
            elif entry.waiters is None:
                entry.waiters = [waiter]
            else:
                entry.waiters.append(waiter)
            has_lanes = bool(self._lanes.by_actor) and timeout_s != 0
            by_lane = asks and has_lanes and self._lanes.try_call(object_id)
            entry.asked = entry.asked or not by_lane
        asked = (object_id,) if asks and not by_lane else ()
        ahead = self._ahead.after(object_id) if asked and not self.stalls else ()
        sent = self.channel.sent
        try:
            self._wait_for((reference,), waiter, asked, 1, timeout_s, ahead=ahead, gathers=by_lane)
        finally:
            if by_lane and entry.value is None:
                self._lanes.left(object_id)
        if self.habits is not None:
            self.habits.waited(object_id, self._ahead)
        if has_lanes and entry.value is not None:
            # The question left after all that had been sent by then.
            self._lanes.answered(object_id, sent + 1 if asked else 0)
        self._raise_if_incomplete((reference,), (entry,), timeout_s)

    def _raise_if_incomplete(
        self, references: Sequence[ObjectRef[object]], entries: Sequence[Entry], timeout_s: float | None
    ) -> None:
        """After a wait that may have ended early: the first known error comes before a timeout."""
        incomplete: list[ObjectRef[object]] = []
        for reference, entry in zip(references, entries, strict=True):
            if entry.value is None:
                incomplete.append(reference)
            elif entry.value[0] != Status.VALUE:
                raise error_of(reference.binary(), entry.value)
        if incomplete:
            why = partial(self.ask, Query.WHY_PENDING, incomplete[0].hex(), lateness.ASKED_FOR_S)
            raise GetTimeoutError(lateness.explain(why, len(incomplete), len(references), timeout_s or 0.0))

    def wait(
        self,
        references: Sequence[ObjectRef[object]],
        num_returns: int,
        timeout_s: float | None,
        *,
        lends: bool = True,
        fetches: bool = True,
    ) -> tuple[list[ObjectRef[object]], list[ObjectRef[object]]]:
        """Split references into ready and not ready; see `ray.wait`. A task ``lends`` its CPU meanwhile, or not; values
        on other nodes stay there unless this wait ``fetches``."""
        entries, _keep = self._entries(references, at_least_one=True)
        ready = _first_ready(entries, num_returns, fetches=fetches)
        if len(ready) < num_returns:
            waiter = Waiter(num_returns, fetches=fetches)
            self._await_entries(references, entries, waiter, timeout_s, lends=lends)
            ready = _first_ready(entries, num_returns, fetches=fetches)
        for position, entry in enumerate(entries):
            if entry.view is not None:
                # It was delivered, and need not be kept: who only waits does not look.
                self.references.viewed(references[position].binary())
        rest: list[ObjectRef[object]] = []
        start = 0
        for position in ready:
            rest += references[start:position]
            start = position + 1
        rest += references[start:]
        return [references[position] for position in ready], rest

    def _entries(
        self, references: Sequence[ObjectRef[object]], *, at_least_one: bool
    ) -> tuple[list[Entry], list[ObjectRef[object]]]:
        """The entries of references, and what keeps them alive meanwhile.

        A reference may be unknown here: made from an id, or left over from an earlier session. It is adopted for as
        long as the caller looks at it; the kernel says if it knows no such object. Of what is left over none may be
        among them, or ``at_least_one`` must be that is not.

        Raises:
            ValueError: one of them is nil, or left over.
        """
        table = self.references.entries
        try:
            return [table[reference.binary()] for reference in references], []
        except KeyError:
            if any(reference.is_nil() for reference in references):
                raise ValueError(
                    "You are trying to access an object whose owner is unknown: ObjectRef.nil() names nothing. "
                    "Use a reference that .remote() or ray.put() returned in this session."
                ) from None
            left_over = [reference for reference in references if reference._is_left_over]
            if left_over and not (at_least_one and len(left_over) < len(references)):
                raise UnknownOwner(*left_over, what="a Ray object" if at_least_one else "Ray objects") from None
            keep = [self.references.adopt(reference.binary()) for reference in references]
            return [table[reference.binary()] for reference in references], keep

    def _await_entries(
        self,
        references: Sequence[ObjectRef[object]],
        entries: Sequence[Entry],
        waiter: Waiter,
        timeout_s: float | None,
        *,
        lends: bool = True,
    ) -> None:
        """Wait until so many of these entries as the waiter is for are ready, an error has come and it fails fast, or
        the time is over."""
        asked: list[bytes] = []
        counted: set[bytes] = set()
        with self.references.lock:
            for reference, entry in zip(references, entries, strict=True):
                object_id = reference.binary()
                if object_id in counted:
                    waiter.missing -= 1
                elif _is_ready(entry, fetches=waiter.fetches):
                    waiter.missing -= 1
                    if waiter.fail_fast and entry.value is not None and entry.value[0] != Status.VALUE:
                        return
                else:
                    counted.add(object_id)
                    if entry.waiters is None:
                        entry.waiters = [waiter]
                    else:
                        entry.waiters.append(waiter)
                    if self.stalls or not entry.asked:
                        asked.append(object_id)
                        # Without fetching it is told of nothing but for this wait, and asked again by the next.
                        entry.asked = waiter.fetches
            if waiter.missing <= 0:
                waiter.ready = True
        # A driver does not ask again for what it has asked for before: the kernel must not wait for that on this
        # request.
        needed = min(len(asked), max(1, waiter.missing))
        self._wait_for(references, waiter, tuple(asked), needed, timeout_s, lends=lends)

    def _wait_for(
        self,
        references: Sequence[ObjectRef[object]],
        waiter: Waiter,
        asked: tuple[bytes, ...],
        needed: int,
        timeout_s: float | None,
        *,
        lends: bool = True,
        ahead: tuple[bytes, ...] = (),
        gathers: bool = False,
    ) -> None:
        """Ask for what has not been asked for, wait, and take back what the wait leaves behind if it ended early."""
        number = 0
        if asked:
            number = self.new_request_number()
            # One that never blocks stalls nothing: its CPU is not to be lent out.
            blocks = lends and self.stalls and timeout_s != 0
            self.channel.queue(GetObjects(number, asked, needed, blocks, waiter.fetches, ahead))
        try:
            if timeout_s == 0:
                # Never to block is not to be told nothing: what is ready now arrives ahead of this answer.
                self.ask(Query.NOTHING)
            self.channel.wait(waiter, timeout_s, gathers=gathers)
        finally:
            if (asked or waiter.asked_again) and waiter.missing > 0:
                # Queued, not sent: nothing may be raised here in place of what ended the wait.
                for each in (number, *waiter.asked_again):
                    self.channel.queue(WithdrawGet(each))
                self.channel.soon()
            # A `wait` that has enough may still hang on the entries of the others.
            if waiter.missing > 0 or not waiter.fail_fast:
                self._unlink(waiter, references)

    def _unlink(self, waiter: Waiter, references: Sequence[ObjectRef[object]]) -> None:
        """A waiter that stopped early must not pile up on the entries it waited for."""
        with self.references.lock:
            for reference in references:
                entry = self.references.entries.get(reference.binary())
                if entry is not None and entry.waiters is not None and waiter in entry.waiters:
                    entry.waiters.remove(waiter)

    def _load(self, reference: ObjectRef[object], entry: Entry) -> object:
        """The value of an object that is known to be ready."""
        object_id = reference.binary()
        value, view = entry.value, entry.view
        while value is not None and value[0] == Status.VALUE and value[2] != INLINE and view is None:
            # The view was let go of since: ask for another.
            waiter = Waiter()
            with self.references.lock:
                entry.waiters = [*(entry.waiters or ()), waiter]
            self._wait_for((reference,), waiter, (object_id,), 1, None)
            value, view = entry.value, entry.view
        if value is None:
            raise RaySystemError(f"object {object_id.hex()} has no value although it was waited for")
        if value[0] != Status.VALUE:
            raise error_of(object_id, value)
        if view is None:
            return load(value[1], object_id)
        self.references.viewed(object_id)
        return load(view, object_id)

    def view(self, object_id: bytes, value: Value) -> memoryview | None:
        """A view of a delivered place, or None where that does not hold the object: then the kernel is told, and may
        know of another. In the arena the delivery's pin goes when the view, and what was made from it, does; on disk
        nothing is pinned, because what is mapped stays."""
        _, payload, location, size_bytes = value
        references = self.references
        try:
            if location == ON_DISK:
                path, offset, checksum = DiskPlace.decode(payload)
                view = self.store.readable_on_disk(path, offset, object_id, size_bytes)
            else:
                checksum = payload
                view = self.store.readable(location, size_bytes, lambda: references.unpin(object_id))
            if checksum and checksum_of(view) != checksum:
                raise DamagedEntryError("its bytes are not those that were written")
        except DamagedEntryError as error:
            self.channel.queue(ObjectDamaged(object_id, location, payload, str(error)))
            self.channel.soon()
            return None
        return view

    def argument(self, object_id: bytes, value: Value) -> Callable[[], object]:
        """What gives the value of an argument that came with a task; its place in the store is looked at right away.

        Raises:
            RayError: it is lost, and could not be made again.
        """
        if value[2] == INLINE:
            return partial(load, value[1], object_id)
        view = self.view(object_id, value)
        if view is not None:
            return partial(load, view, object_id)
        # As if the task had been sent without it: it waits for the object, and its CPU is lent out meanwhile.
        found = self.get_one(self.references.adopt(object_id), None)
        return lambda: found

    def free(self, references: Sequence[ObjectRef[object]]) -> None:
        """Drop the values of objects, whoever refers to them."""
        object_ids = tuple(reference.binary() for reference in references)
        with self.references.lock:
            for object_id in object_ids:
                entry = self.references.entries.get(object_id)
                if entry is not None and entry.value is not None:
                    # What this process knows of it is to be asked for anew.
                    entry.value, entry.view, entry.asked = None, None, False
                    entry.is_present = False
        self.channel.send(FreeObjects(object_ids))
        self.channel.flush()

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
            self._object_ready(message)  # type: ignore[arg-type]
        elif kind is ObjectPresent:
            self._object_present(message.object_id)  # type: ignore[union-attr]
        elif kind is ObjectAbsent:
            self._object_absent(message.object_id)  # type: ignore[union-attr]
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
            self._lanes.take_answer(message)  # type: ignore[arg-type]
        elif kind is LaneDiverted:
            self._lanes.diverted(message)  # type: ignore[arg-type]
        elif kind is LaneOpened:
            self._lane_opened(message)  # type: ignore[arg-type]
        elif kind is LaneReady:
            self._lanes.ready(message.lane)  # type: ignore[union-attr]
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

    def _object_ready(self, message: ObjectReady) -> None:
        """An object that was asked for: keep it in its entry, count the waiters down, run the callbacks."""
        object_id, status, payload, location, size_bytes = message
        value = (status, payload, location, size_bytes)
        view = None
        if location != INLINE:
            view = self.view(object_id, value)
            if view is None:
                self._ask_again(object_id)
                return
        with self.references.lock:
            entry = self.references.entries.get(object_id)
            if entry is None:
                return
            entry.value = value
            if entry.view is None:
                entry.view = view
            waiters, entry.waiters = entry.waiters, None
            callbacks, entry.callbacks = entry.callbacks, None
        if waiters is not None:
            for waiter in waiters:
                if status != Status.VALUE and waiter.fail_fast:
                    waiter.missing -= 1
                    waiter.fire()
                else:
                    waiter.count_down()
        if callbacks is not None:
            self.completions.run(callbacks)

    def _object_present(self, object_id: bytes) -> None:
        """An object has a value, on another node: enough for whoever does not fetch it. Who does asks for it now, if
        the kernel does not know: a driver asks once, and may have done so without fetching."""
        with self.references.lock:
            entry = self.references.entries.get(object_id)
            if entry is None:
                return
            entry.is_present = True
            waiters = [waiter for waiter in entry.waiters or () if not waiter.fetches]
            entry.waiters = [waiter for waiter in entry.waiters or () if waiter.fetches] or None
            fetches = entry.waiters is not None or entry.callbacks is not None
            was_asked, entry.asked = entry.asked, fetches
        for waiter in waiters:
            waiter.count_down()
        if fetches and was_asked:
            self._ask_again(object_id)

    def _object_absent(self, object_id: bytes) -> None:
        """What an object was is lost: whoever waits from now on asks the kernel again."""
        with self.references.lock:
            entry = self.references.entries.get(object_id)
            if entry is not None and entry.is_present:
                entry.is_present = False

    def _lane_opened(self, message: LaneOpened) -> None:
        if not self.channel.open_lane(message.lane, message.descriptor):
            return
        if self.on_worker_message is None:
            self._lanes.opened(message.lane, message.actor_id)
        else:
            self.channel.send_by_lane(LaneReady(message.lane))

    def lane_lost(self, lane: int) -> None:
        """The other end of a lane is gone."""
        self._lanes.lost(lane)

    def ask_kernel(self, object_id: bytes) -> None:
        """An object will not come by the lane that it was expected on: whoever waits for it waits for the kernel."""
        self._ask_again(object_id)
        self.channel.flush()

    def _ask_again(self, object_id: bytes) -> None:
        """An object was not where it was said to be: whoever waits for it here waits on, for what the kernel says
        next."""
        number = self.new_request_number()
        with self.references.lock:
            entry = self.references.entries.get(object_id)
            if entry is None:
                return
            for waiter in entry.waiters or ():
                waiter.asked_again = (*waiter.asked_again, number)
            blocks = self.stalls and bool(entry.waiters)
        self.channel.queue(GetObjects(number, (object_id,), 1, blocks))
        self.channel.soon()

    def before_flush(self, at_least: int = 1) -> None:
        """Called by the channel before it sends: conclude what the garbage collector noted, if that is so much."""
        self.references.conclude(at_least)

    def close(self) -> None:
        """The session is over for this client."""
        self.channel.close()
        self.completions.fail_all()
        self.references.close()


def _first_ready(entries: Sequence[Entry], number: int, *, fetches: bool) -> list[int]:
    """The positions of the first that are ready, so many at most: a program may wait for one of thousands again and
    again."""
    found: list[int] = []
    for position, entry in enumerate(entries):
        if entry.value is not None or (entry.is_present and not fetches):
            found.append(position)
            if len(found) == number:
                break
    return found


def _is_ready(entry: Entry, *, fetches: bool) -> bool:
    """Whether what is known of an object is enough for a wait."""
    return entry.value is not None or (entry.is_present and not fetches)
