"""Storing values: packed into a message when small, else written into room that the store has given.

Must not live here: taking values apart (`localray.client.serialization`), where room comes from
(`localray.client.room`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial

from localray.client.channel import Channel, Store
from localray.client.habits import SMALL_PUTS, Habits
from localray.client.large_arguments import RepeatedArguments
from localray.client.layout import Serialized
from localray.client.references import Entry, ReferenceTable
from localray.client.room import Reservations
from localray.client.serialization import serialize
from localray.client.values import checksum_of, checksums_wanted
from localray.object_ref import ObjectRef
from localray.protocol import INLINE, INLINE_LIMIT_BYTES, ON_DISK, DiskPlace, Outcome, PutObject, Status

_VALUE = Status.VALUE.value
_put_object: Callable[[tuple[object, ...]], PutObject] = partial(tuple.__new__, PutObject)
"""Of its fields, at half the cost of the class's own constructor."""


def inline_limit_bytes(environment: Mapping[str, str]) -> int:
    """Up to which size values travel in messages: as Ray's variable says, but for what is too large for a message."""
    text = environment.get("RAY_max_direct_call_object_size", "")
    return min(int(text), INLINE_LIMIT_BYTES) if text.isdigit() else INLINE_LIMIT_BYTES


class Puts:
    """How one client stores values.

    Args:
        channel: to the kernel.
        store: where large objects are.
        references: which objects are known here.
        reservations: ask for room in the store.
        new_object_id: gives ids to objects that no task makes.
        habits: is told of puts that a program could do without, if somebody wants to know.
        notify: shows a text to the user.
    """

    def __init__(
        self,
        channel: Channel,
        store: Store,
        references: ReferenceTable,
        reservations: Reservations,
        new_object_id: Callable[[], bytes],
        habits: Habits | None,
        notify: Callable[[str], None],
    ) -> None:
        self._channel = channel
        self._store = store
        self._references = references
        self._reservations = reservations
        self._new_object_id = new_object_id
        self._habits = habits
        self._notify = notify
        self._inline_limit_bytes = inline_limit_bytes(os.environ)
        self._checksums = checksums_wanted()
        self._repeated = RepeatedArguments()
        self._small_puts = 0

    def put(self, value: object) -> ObjectRef[object]:
        """Store a value; see `ray.put`."""
        return self.put_serialized(serialize(value))

    def put_serialized(self, serialized: Serialized) -> ObjectRef[object]:
        """Store a value that is serialized already."""
        return self.put_outcome(self.pack(serialized))

    def put_outcome(self, outcome: Outcome) -> ObjectRef[object]:
        """Store a packed value, or an error."""
        object_id = self._new_object_id()
        entry = Entry(1)
        if outcome[2] == INLINE:
            entry.value = outcome[:4]
            self._small_puts += 1
            if not self._small_puts % SMALL_PUTS and self._habits is not None:
                self._habits.puts_small()
        message = entry.put = _put_object((object_id, *outcome))
        reference = self._references.declare(object_id, entry)
        self._channel.send(message)
        return reference

    def put_argument(self, name: str, serialized: Serialized) -> ObjectRef[object]:
        """Store the large arguments of a call of this name; the user is told when they are the same again and again."""
        advice = self._repeated.note(name, serialized) if self._habits is not None else None
        if advice is not None:
            self._notify(advice)
        return self.put_serialized(serialized)

    def pack(self, serialized: Serialized) -> Outcome:
        """Put a value into the form in which it travels: inline when small, else written to the store.

        Raises:
            ObjectStoreFullError, OutOfDiskError: there is no room, and none can be made.
        """
        size_bytes = serialized.size_bytes
        if size_bytes <= self._inline_limit_bytes:
            return (_VALUE, serialized.to_bytes(), INLINE, size_bytes, serialized.contained)
        # What has died here makes room: it is told before more is asked for.
        self._references.conclude()
        location, payload = self._reservations.reserve(size_bytes)
        try:
            if location == ON_DISK:
                target = self._store.writable_on_disk(DiskPlace.decode(payload).path, size_bytes)
            else:
                target = self._store.writable(location, size_bytes)
            serialized.write_into(target)
            if self._checksums:
                payload = _with_checksum(location, payload, checksum_of(target))
        except BaseException:
            self._reservations.abandon(location, size_bytes, payload)
            raise
        return (_VALUE, payload, location, size_bytes, serialized.contained)


def _with_checksum(location: int, payload: bytes, checksum: bytes) -> bytes:
    """What the object's payload is: where it is on disk if it is, and the checksum of its bytes."""
    if location == ON_DISK:
        return DiskPlace.decode(payload)._replace(checksum=checksum).encode()
    return checksum
