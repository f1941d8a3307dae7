"""A client's table of references: how many reference objects live in this process for each id, and what is known of the
object.

The kernel counts clients, not Python objects: it hears of the first reference here and of the last one's death.
Reference objects die anywhere, in the garbage collector too, so their death is only noted (`released`, a deque) and
concluded under the lock at the next send. An entry also caches the object's value as it travels: small values are
fetched once, whatever the number of `get`s. Must not live here: messages' meaning, deserialization.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from localray.client import creation_sites
from localray.client.channel import Channel, Waiter
from localray.exceptions import OufOfBandObjectRefSerializationException
from localray.ids import CREATION_TASK_PREFIX
from localray.object_ref import ObjectRef
from localray.protocol import (
    INLINE,
    AddReferences,
    DropReferences,
    DropStream,
    PutObject,
    RecordSite,
    UnpinObjects,
    Value,
)

if TYPE_CHECKING:
    from concurrent.futures import Future


VIEWS_KEPT = 32
"""Getting one of these again takes a tenth of the time; the kernel asks for them back when room is short."""


OUT_OF_BAND_VARIABLE = "RAY_allow_out_of_band_object_ref_serialization"


def forbids_out_of_band(environment: Mapping[str, str]) -> bool:
    """Whether the user has forbidden that references leave by ways other than arguments and values."""
    return environment.get(OUT_OF_BAND_VARIABLE, "1").lower() in ("0", "false")


class Entry:
    """What this process knows of one object that it refers to."""

    __slots__ = ("asked", "callbacks", "count", "is_present", "put", "value", "view", "waiters")

    def __init__(self, count: int) -> None:
        self.count = count
        self.value: Value | None = None
        self.view: memoryview | None = None
        self.put: PutObject | None = None
        self.asked = False
        # It has a value, on another node, which nobody here has asked for.
        self.is_present = False
        self.waiters: list[Waiter] | None = None
        self.callbacks: list[Callable[[], None]] | None = None


class ValueSource(Protocol):
    """How references' own methods reach values: the client."""

    def future(self, object_id: bytes) -> Future[object]: ...
    def on_completed(self, object_id: bytes, callback: Callable[[object], None]) -> None: ...


class ReferenceTable:
    """The references of one client.

    Args:
        channel: to the kernel.
        abandon: gives room in the store back that did not become an object.
    """

    def __init__(self, channel: Channel, abandon: Callable[[int, int, bytes], None]) -> None:
        self.lock = threading.RLock()
        self.entries: dict[bytes, Entry] = {}
        self._channel = channel
        self._abandon = abandon
        self._released: deque[bytes] = deque()
        self._unpinned: deque[bytes] = deque()
        self._dropped_streams: deque[DropStream] = deque()
        self._pinned_for_ever: set[bytes] = set()
        self._forbids_out_of_band = forbids_out_of_band(os.environ)
        self._records_sites = creation_sites.wanted(os.environ)
        self._viewed: deque[bytes] = deque()
        self.closed = False
        self.source: ValueSource
        """Of values; stands above this."""

    def declare(self, object_id: bytes, entry: Entry | None = None) -> ObjectRef[object]:
        """The first reference to an object whose making is being sent to the kernel, which thereby counts this
        client; with what is known of the object, if that is more than nothing."""
        self.entries[object_id] = Entry(1) if entry is None else entry
        if self._records_sites:
            self._channel.queue(RecordSite(object_id, creation_sites.site_of_new(object_id)))
        return ObjectRef(object_id, self)

    def expect(self, object_id: bytes) -> ObjectRef[object]:
        """The first reference to an item of a stream of this client, which holds them all without saying so."""
        with self.lock:
            entry = self.entries.get(object_id)
            if entry is None:
                self.entries[object_id] = Entry(1)
            else:
                entry.count += 1
        return ObjectRef(object_id, self)

    def drop_stream(self, task_id: bytes, taken: int) -> None:
        """A generator died, of whose items so many were taken. Called by the garbage collector like `drop`."""
        if not self.closed:
            self._dropped_streams.append(DropStream(task_id, taken))
            self._channel.soon()

    def adopt(self, object_id: bytes) -> ObjectRef[object]:
        """A reference that arrived inside a value."""
        self.retain(object_id)
        if self._records_sites:
            self._channel.queue(RecordSite(object_id, creation_sites.site_of_received()))
        return ObjectRef(object_id, self)

    def retain(self, object_id: bytes) -> None:
        """Count one more reference, and tell the kernel if it is the first."""
        with self.lock:
            entry = self.entries.get(object_id)
            if entry is None:
                self.entries[object_id] = Entry(1)
                self._channel.send(AddReferences((object_id,)))
            else:
                entry.count += 1

    def drop(self, object_id: bytes) -> None:
        """One reference fewer. Called by the garbage collector: an append, and nothing that locks."""
        if not self.closed:
            self._released.append(object_id)
            self._channel.soon()

    def unpin(self, object_id: bytes) -> None:
        """A delivered place in the store is no longer looked at. Called by the garbage collector like `drop`."""
        if not self.closed:
            self._unpinned.append(object_id)
            self._channel.soon()

    def viewed(self, object_id: bytes) -> None:
        """A view was read from. The last few are kept for who reads the same object again and again; as long as one is
        kept, its bytes are pinned."""
        viewed = self._viewed
        if object_id not in viewed:
            viewed.append(object_id)
            if len(viewed) > VIEWS_KEPT:
                self.drop_views(VIEWS_KEPT)

    def drop_views(self, kept: int) -> None:
        """Let go of all but so many of the last views; what users made of them stays."""
        while len(self._viewed) > kept:
            try:
                object_id = self._viewed.popleft()
            except IndexError:
                return  # Another thread took the last.
            entry = self.entries.get(object_id)
            if entry is not None:
                entry.view = None

    def conclude(self, at_least: int = 1) -> None:
        """Work off what died since the last time, if it is at least so much."""
        if self._dropped_streams:
            self._conclude_streams()
        released, entries = self._released, self.entries
        if len(released) >= at_least:
            dropped: list[bytes] = []
            with self.lock:
                for _ in range(len(released)):
                    object_id = released.popleft()
                    entry = entries.get(object_id)
                    if entry is None:
                        continue
                    entry.count -= 1
                    if entry.count:
                        continue
                    del entries[object_id]
                    put = entry.put
                    if put is None or not self._channel.take_back(put):
                        dropped.append(object_id)
                    elif put.location != INLINE:
                        # Dead before anybody was told of it, it never was: its room is used again at once, while it
                        # is in this CPU's caches.
                        self._abandon(put.location, put.size_bytes, put.payload)
                if dropped:
                    # Inside the lock: an `AddReferences` for the same id by another thread must not overtake it.
                    self._channel.queue(DropReferences(tuple(dropped)))
        if self._unpinned:
            self._conclude_unpinned()

    def _conclude_streams(self) -> None:
        with self.lock:
            for _ in range(len(self._dropped_streams)):
                self._channel.queue(self._dropped_streams.popleft())

    def _conclude_unpinned(self) -> None:
        # Two threads may come here at once: each takes what the other has left.
        with self.lock:
            unpinned = [self._unpinned.popleft() for _ in range(len(self._unpinned))]
        if unpinned:
            self._channel.queue(UnpinObjects(tuple(unpinned)))

    def pickled_out_of_band(self, object_id: bytes) -> None:
        """A reference leaves by a way nobody counts.

        Raises:
            OufOfBandObjectRefSerializationException: the user has forbidden that.
        """
        if self._forbids_out_of_band:
            raise OufOfBandObjectRefSerializationException(
                f"It is not allowed to serialize ObjectRef({object_id.hex()}) other than in arguments and values of "
                f"tasks, because {OUT_OF_BAND_VARIABLE} is 0. Set it to 1 to allow that; the object is then kept for "
                "as long as the process that serialized it."
            )
        self.keep_for_ever(object_id)

    def keep_for_ever(self, object_id: bytes) -> None:
        """A reference left by a way nobody counts: keep the object for as long as this process lives (Ray's rule)."""
        with self.lock:
            if object_id not in self._pinned_for_ever:
                self._pinned_for_ever.add(object_id)
                self.retain(object_id)

    def counts(self) -> dict[bytes, int]:
        """How many references there are in this process to each object."""
        self.conclude()
        with self.lock:
            return {object_id: entry.count for object_id, entry in self.entries.items()}

    def values_held(self) -> int:
        """How many values, small ones or views of large ones, are kept here because somebody refers to them."""
        self.conclude()
        with self.lock:
            return sum(
                entry.value is not None or entry.put is not None
                for object_id, entry in self.entries.items()
                if not object_id.startswith(CREATION_TASK_PREFIX)
            )

    def future(self, object_id: bytes) -> Future[object]:
        """A future of the value."""
        return self.source.future(object_id)

    def on_completed(self, object_id: bytes, callback: Callable[[object], None]) -> None:
        """Call back with the value, or the error, once known."""
        self.source.on_completed(object_id, callback)

    def close(self) -> None:
        """The session is over: deaths need not be told any more, and views that only we still hold are let go of."""
        self.closed = True
        self._viewed.clear()
        with self.lock:
            # What is held for ever would else keep the arena mapped until the garbage collector comes by.
            for entry in self.entries.values():
                entry.view = None
        self.entries.clear()
        self._released.clear()
        self._unpinned.clear()
        self._dropped_streams.clear()
