"""A client asks for room for a large object, and gets back what it will not use.

Room may be long in coming, and whoever waits for it may be interrupted; what is then granted all the same is given back
at once, so that no interrupt loses memory. Must not live here: what is written into it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

from localray.client.channel import Channel, Store, Waiter
from localray.client.values import error_of
from localray.protocol import INLINE, ON_DISK, AbandonBuffer, DiskPlace, ReserveBuffer, text_payload


class Room(NamedTuple):
    """A place to write an object into: a location in the arena, or `ON_DISK` and the encoded `DiskPlace` of a file of
    its own."""

    location: int
    payload: bytes

    def open(self, store: Store, size_bytes: int) -> memoryview:
        """The memory."""
        if self.location == ON_DISK:
            return store.writable_on_disk(DiskPlace.decode(self.payload).path, size_bytes)
        return store.writable(self.location, size_bytes)

    def payload_with(self, checksum: bytes) -> bytes:
        """What the object's payload is: where it is on disk if it is, and the checksum of its bytes."""
        if self.location == ON_DISK:
            return DiskPlace.decode(self.payload)._replace(checksum=checksum).encode()
        return checksum


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
        self._unwanted: set[int] = set()

    def reserve(self, size_bytes: int) -> Room:
        """Wait for room.

        Raises:
            ObjectStoreFullError, OutOfDiskError: there is none, and none can be made.
        """
        number = self._number()
        waiter = self._waiting[number] = Waiter()
        try:
            self._channel.send(ReserveBuffer(number, size_bytes))
            self._channel.wait(waiter, None)
        except BaseException:
            self._unwanted.add(number)
            if waiter.ready:
                self._give_back(number, waiter.reply)
            raise
        return _room(waiter.reply)

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
        try:
            self._unwanted.remove(number)
        except KeyError:
            return
        if not isinstance(value, tuple):
            self.abandon(_room(value))

    def abandon(self, room: Room) -> None:
        """Give back what will not become an object."""
        self._channel.queue(AbandonBuffer(room.location, room.payload))
        self._channel.soon()


def _room(reply: object) -> Room:
    if isinstance(reply, int):
        return Room(reply, b"")
    if isinstance(reply, bytes):
        return Room(ON_DISK, reply)
    status, text = cast("tuple[int, str]", reply)
    raise error_of(b"", (status, text_payload(text), INLINE, 0))
