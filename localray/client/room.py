"""A client asks for room for a large object, and gives back what it will not use.

Room may be long in coming, and whoever waits for it may be interrupted; what is then granted all the same is given back
at once, so that no interrupt loses memory. Objects of up to a few megabytes are cut from a lease, for which nobody need
be asked; what was cut and did not become an object is cut again. Must not live here: what is written into it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias, cast

from localray.client.channel import Channel, Waiter
from localray.client.values import error_of
from localray.protocol import INLINE, ON_DISK, AbandonBuffer, LeaseBuffer, ReserveBuffer, text_payload
from localray.shm.allocator import Allocator

LEASED_UP_TO_BYTES = 8 << 20
"""A larger object takes longer to copy than to ask for."""
UNASKED_AFTER_REFUSAL = 64
"""After a refusal so many objects are not tried to be leased for: room is short, and asking costs a round trip."""


Room: TypeAlias = "tuple[int, bytes]"
"""A place to write an object into: a location in the arena and nothing, or `ON_DISK` and the encoded `DiskPlace` of a
file of its own."""


class Lease:
    """A range of the arena that this client may cut objects from."""

    def __init__(self, location: int, size_bytes: int) -> None:
        self.location = location
        self.end = location + size_bytes
        self._allocator = Allocator(size_bytes)

    def allocate(self, size_bytes: int) -> int | None:
        """A location for an object, or None when the lease has no such gap."""
        offset = self._allocator.allocate(size_bytes)
        return None if offset is None else self.location + offset

    def free(self, location: int, size_bytes: int) -> None:
        """What was cut did not become an object."""
        self._allocator.free(location - self.location, size_bytes)

    def gaps(self) -> list[tuple[int, int]]:
        """What nothing was cut from, as pairs of location and size."""
        return [(self.location + offset, size_bytes) for offset, size_bytes in self._allocator.gaps()]


class Reservations:
    """The requests for room of one client.

    Args:
        channel: to the kernel.
        number: counts up the client's requests.
    """

    def __init__(self, channel: Channel, number: Callable[[], int]) -> None:
        self._channel = channel
        self._number = number
        self._waiting: dict[int, Waiter] = {}
        self._unwanted: dict[int, int] = {}
        self._lease: Lease | None = None
        # The piece that came back last, and its size: the next object is often as large, and its bytes are in caches.
        # Whoever pops it has it, so no lock is needed; it stays ours even if the lease has been given back.
        self._spares: list[tuple[int, int]] = []
        # Re-entrant: what dies in the middle of this may lead back here by the garbage collector.
        self._lock = threading.RLock()
        self._unasked = 0

    def reserve(self, size_bytes: int) -> Room:
        """Wait for room.

        Raises:
            ObjectStoreFullError, OutOfDiskError: there is none, and none can be made.
        """
        while self._spares:
            try:
                location, spare_bytes = self._spares.pop()
            except IndexError:
                break  # Another thread took it.
            if spare_bytes == size_bytes:
                return location, b""
            self._free(location, spare_bytes)
        if size_bytes <= LEASED_UP_TO_BYTES:
            leased = self._from_lease(size_bytes)
            if leased is not None:
                return leased, b""
        return _room(self._ask(lambda number: ReserveBuffer(number, size_bytes), size_bytes))

    def _from_lease(self, size_bytes: int) -> int | None:
        """A piece of the lease, or of another where this one has no room left; None where none is granted."""
        with self._lock:
            location = None if self._lease is None else self._lease.allocate(size_bytes)
            if location is not None:
                return location
            if self._unasked:
                self._unasked -= 1
                return None
        answer = self._ask(lambda number: LeaseBuffer(number, size_bytes), 0)
        if answer is None:
            self._unasked = UNASKED_AFTER_REFUSAL
            return None
        with self._lock:
            self.give_lease_back()
            self._lease = Lease(*cast("tuple[int, int]", answer))
            return self._lease.allocate(size_bytes)

    def give_lease_back(self) -> None:
        """Give back what of the lease nothing is in; what is being written there is still ours."""
        with self._lock:
            self._free_spares()
            lease, self._lease = self._lease, None
        if lease is not None:
            for location, size_bytes in lease.gaps():
                self._channel.queue(AbandonBuffer(location, size_bytes))
            self._channel.soon()

    def _ask(self, make: Callable[[int], ReserveBuffer | LeaseBuffer], size_bytes: int) -> object:
        """Ask and wait for the answer. If the wait is cut short, what is granted then is given back: so many bytes, or
        what the answer says."""
        number = self._number()
        waiter = self._waiting[number] = Waiter()
        try:
            self._channel.send(make(number))
            self._channel.wait(waiter, None)
        except BaseException:
            self._unwanted[number] = size_bytes
            if waiter.ready:
                self._give_back(number, waiter.reply)
            raise
        return waiter.reply

    def answered(self, number: int, value: object) -> bool:
        """Take in a reply, if it is to one of these requests; on whichever thread reads."""
        waiter = self._waiting.pop(number, None)
        if waiter is None:
            return False
        waiter.reply = value
        waiter.fire()
        if self._unwanted:
            self._give_back(number, value)
        return True

    def _give_back(self, number: int, value: object) -> None:
        """Who waited is gone. Two threads may find that out at the same moment; one of them gives it back."""
        size_bytes = self._unwanted.pop(number, None)
        if size_bytes is None:
            return
        if isinstance(value, int):
            self.abandon(value, size_bytes)
        elif isinstance(value, bytes):
            self.abandon(ON_DISK, size_bytes, value)
        elif isinstance(value, tuple) and isinstance(value[1], int):
            self.abandon(*cast("tuple[int, int]", value))

    def abandon(self, location: int, size_bytes: int, payload: bytes = b"") -> None:
        """Give back what will not become an object; to the lease it was cut from, if we still have that."""
        lease = self._lease
        if lease is None or not lease.location <= location < lease.end:
            self._channel.queue(AbandonBuffer(location, size_bytes, payload))
            self._channel.soon()
            return
        if self._spares:
            self._free_spares()
        self._spares.append((location, size_bytes))
        if self._lease is not lease:
            # It was given back by another thread meanwhile, which did not see this piece.
            self._free_spares()

    def _free_spares(self) -> None:
        while self._spares:
            try:
                location, size_bytes = self._spares.pop()
            except IndexError:
                return  # Another thread took it.
            self._free(location, size_bytes)

    def _free(self, location: int, size_bytes: int) -> None:
        """A piece that is nobody's can be cut again, in whole or in part; or goes back, if its lease has."""
        with self._lock:
            lease = self._lease
            if lease is not None and lease.location <= location < lease.end:
                lease.free(location, size_bytes)
                return
        self._channel.queue(AbandonBuffer(location, size_bytes))
        self._channel.soon()


def _room(reply: object) -> Room:
    if isinstance(reply, int):
        return reply, b""
    if isinstance(reply, bytes):
        return ON_DISK, reply
    status, text = cast("tuple[int, str]", reply)
    raise error_of(b"", (status, text_payload(text), INLINE, 0))
