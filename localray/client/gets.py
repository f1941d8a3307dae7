"""Getting what references stand for: waiting for objects, and reading them.

Thread-safe: several threads may wait at once, and whoever waits reads the channel. Must not live here: what arrives
meanwhile (`localray.client.deliveries`), the channel's own waiting, why something is late (`localray.client.lateness`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from localray.client import lateness
from localray.client.ahead import AskAhead
from localray.client.channel import Channel, Waiter
from localray.client.context import current_task
from localray.client.deliveries import Deliveries
from localray.client.habits import Habits
from localray.client.lanes import Lanes
from localray.client.references import Entry, ReferenceTable
from localray.client.values import error_of, load
from localray.exceptions import GetTimeoutError, RaySystemError
from localray.object_ref import ObjectRef, UnknownOwner
from localray.protocol import INLINE, FreeObjects, GetObjects, Query, Status, Value, WithdrawGet


class Asker(Protocol):
    """Asks the kernel about the whole cluster; see `localray.client.client.Client.ask`."""

    def __call__(self, query: Query, argument: str = "", timeout_s: float | None = None) -> object: ...


class Gets:
    """How one client gets objects.

    Args:
        channel: to the kernel.
        references: which objects are known here.
        deliveries: where what arrives goes.
        lanes: by which a call may go that is waited for.
        ask: asks the kernel.
        number: counts up the client's requests.
        habits: is told what the program waits for, if somebody wants to know.
        notify: shows a text to the user.
        stalls: whether a wait here stalls a task.
    """

    def __init__(
        self,
        channel: Channel,
        references: ReferenceTable,
        deliveries: Deliveries,
        lanes: Lanes,
        ask: Asker,
        number: Callable[[], int],
        habits: Habits | None,
        notify: Callable[[str], None],
        *,
        stalls: bool,
    ) -> None:
        self._channel = channel
        self._references = references
        self._deliveries = deliveries
        self._lanes = lanes
        self._habits = habits
        self._ask = ask
        self._number = number
        self._notify = notify
        self._stalls = stalls
        self._ahead = AskAhead(references.entries)
        self._blocked_a_loop = False

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
        entry = self._references.entries.get(object_id)
        if entry is None:
            return self.get((reference,), timeout_s)[0]
        if entry.value is None:
            self._await_one(reference, entry, timeout_s)
        return self._load(reference, entry)

    def value_of(self, reference: ObjectRef[object]) -> object:
        """The value of an object that is there. Raises as `get` does."""
        return self.get((reference,), 0)[0]

    def _await_one(self, reference: ObjectRef[object], entry: Entry, timeout_s: float | None) -> None:
        """Wait for one object, made by a call that may go by a lane now."""
        object_id = reference.binary()
        if self._habits is not None:
            self._habits.waits_for(object_id)
        waiter = Waiter(fail_fast=True)
        with self._references.lock:
            asks = entry.value is None and (self._stalls or not entry.asked)
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
        ahead = self._ahead.after(object_id) if asked and not self._stalls else ()
        sent = self._channel.sent
        try:
            self._wait_for((reference,), waiter, asked, 1, timeout_s, ahead=ahead, gathers=by_lane)
        finally:
            if by_lane and entry.value is None:
                self._lanes.left(object_id)
        if self._habits is not None:
            self._habits.waited(object_id, self._ahead)
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
            why = partial(self._ask, Query.WHY_PENDING, incomplete[0].hex(), lateness.ASKED_FOR_S)
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
                self._references.viewed(references[position].binary())
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
        table = self._references.entries
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
            keep = [self._references.adopt(reference.binary()) for reference in references]
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
        with self._references.lock:
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
                    if self._stalls or not entry.asked:
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
            number = self._number()
            # One that never blocks stalls nothing: its CPU is not to be lent out.
            blocks = lends and self._stalls and timeout_s != 0
            self._channel.queue(GetObjects(number, asked, needed, blocks, waiter.fetches, ahead))
        try:
            if timeout_s == 0:
                # Never to block is not to be told nothing: what is ready now arrives ahead of this answer.
                self._ask(Query.NOTHING)
            self._channel.wait(waiter, timeout_s, gathers=gathers)
        finally:
            if (asked or waiter.asked_again) and waiter.missing > 0:
                # Queued, not sent: nothing may be raised here in place of what ended the wait.
                for each in (number, *waiter.asked_again):
                    self._channel.queue(WithdrawGet(each))
                self._channel.soon()
            # A `wait` that has enough may still hang on the entries of the others.
            if waiter.missing > 0 or not waiter.fail_fast:
                self._unlink(waiter, references)

    def _unlink(self, waiter: Waiter, references: Sequence[ObjectRef[object]]) -> None:
        """A waiter that stopped early must not pile up on the entries it waited for."""
        with self._references.lock:
            for reference in references:
                entry = self._references.entries.get(reference.binary())
                if entry is not None and entry.waiters is not None and waiter in entry.waiters:
                    entry.waiters.remove(waiter)

    def about_to_block(self, call: str, instead: str) -> None:
        """A worker's thread is about to wait: one that runs an event loop is told once what to do instead."""
        context = current_task.get()
        if context is not None and context.is_asyncio and not self._blocked_a_loop:
            self._blocked_a_loop = True
            if os.environ.get("RAY_WARN_BLOCKING_GET_INSIDE_ASYNC", "1").lower() in ("0", "false"):
                return
            advice = f"Using blocking {call} inside an async actor: it blocks the event loop. Use {instead}."
            self._notify(advice)

    def _load(self, reference: ObjectRef[object], entry: Entry) -> object:
        """The value of an object that is known to be ready."""
        object_id = reference.binary()
        value, view = entry.value, entry.view
        while value is not None and value[0] == Status.VALUE and value[2] != INLINE and view is None:
            # The view was let go of since: ask for another.
            waiter = Waiter()
            with self._references.lock:
                entry.waiters = [*(entry.waiters or ()), waiter]
            self._wait_for((reference,), waiter, (object_id,), 1, None)
            value, view = entry.value, entry.view
        if value is None:
            raise RaySystemError(f"object {object_id.hex()} has no value although it was waited for")
        if value[0] != Status.VALUE:
            raise error_of(object_id, value)
        if view is None:
            return load(value[1], object_id)
        self._references.viewed(object_id)
        return load(view, object_id)

    def argument(self, object_id: bytes, value: Value) -> Callable[[], object]:
        """What gives the value of an argument that came with a task; its place in the store is looked at right away.

        Raises:
            RayError: it is lost, and could not be made again.
        """
        if value[2] == INLINE:
            return partial(load, value[1], object_id)
        view = self._deliveries.view(object_id, value)
        if view is not None:
            return partial(load, view, object_id)
        # As if the task had been sent without it: it waits for the object, and its CPU is lent out meanwhile.
        found = self.get_one(self._references.adopt(object_id), None)
        return lambda: found

    def free(self, references: Sequence[ObjectRef[object]]) -> None:
        """Drop the values of objects, whoever refers to them."""
        object_ids = tuple(reference.binary() for reference in references)
        with self._references.lock:
            for object_id in object_ids:
                entry = self._references.entries.get(object_id)
                if entry is not None and entry.value is not None:
                    # What this process knows of it is to be asked for anew.
                    entry.value, entry.view, entry.asked = None, None, False
                    entry.is_present = False
        self._channel.send(FreeObjects(object_ids))
        self._channel.flush()



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
