"""What the kernel delivers of objects: their values, or where those are; and asking again where one was not there.

Called on whichever thread reads the channel. Must not live here: waiting for objects (`localray.client.gets`),
callbacks (`localray.client.completions`).
"""

from __future__ import annotations

from collections.abc import Callable

from localray.client.channel import Channel, Store
from localray.client.references import ReferenceTable
from localray.client.values import checksum_of
from localray.protocol import INLINE, ON_DISK, DiskPlace, GetObjects, ObjectDamaged, ObjectReady, Status, Value
from localray.shm.spill_layout import DamagedEntryError


class Deliveries:
    """The objects that one client is told of.

    Args:
        channel: to the kernel.
        store: where large objects are.
        references: which objects are known here.
        number: counts up the client's requests.
        stalls: whether a wait here stalls a task.
    """

    def __init__(
        self, channel: Channel, store: Store, references: ReferenceTable, number: Callable[[], int], *, stalls: bool
    ) -> None:
        self._channel = channel
        self._store = store
        self._references = references
        self._number = number
        self._stalls = stalls

    def view(self, object_id: bytes, value: Value) -> memoryview | None:
        """A view of a delivered place, or None where that does not hold the object: then the kernel is told, and may
        know of another. In the arena the delivery's pin goes when the view, and what was made from it, does; on disk
        nothing is pinned, because what is mapped stays."""
        _, payload, location, size_bytes = value
        references = self._references
        try:
            if location == ON_DISK:
                path, offset, checksum = DiskPlace.decode(payload)
                view = self._store.readable_on_disk(path, offset, object_id, size_bytes)
            else:
                checksum = payload
                view = self._store.readable(location, size_bytes, lambda: references.unpin(object_id))
            if checksum and checksum_of(view) != checksum:
                raise DamagedEntryError("its bytes are not those that were written")
        except DamagedEntryError as error:
            self._channel.queue(ObjectDamaged(object_id, location, payload, str(error)))
            self._channel.soon()
            return None
        return view

    def ready(self, message: ObjectReady) -> None:
        """An object that was asked for: keep it in its entry, count the waiters down, run the callbacks."""
        object_id, status, payload, location, size_bytes = message
        value = (status, payload, location, size_bytes)
        view = None
        if location != INLINE:
            view = self.view(object_id, value)
            if view is None:
                self.ask_again(object_id)
                return
        with self._references.lock:
            entry = self._references.entries.get(object_id)
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
            for callback in callbacks:
                callback()
            self._channel.keep_reading(-len(callbacks))

    def present(self, object_id: bytes) -> None:
        """An object has a value, on another node: enough for whoever does not fetch it. Who does asks for it now, if
        the kernel does not know: a driver asks once, and may have done so without fetching."""
        with self._references.lock:
            entry = self._references.entries.get(object_id)
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
            self.ask_again(object_id)

    def absent(self, object_id: bytes) -> None:
        """What an object was is lost: whoever waits from now on asks the kernel again."""
        with self._references.lock:
            entry = self._references.entries.get(object_id)
            if entry is not None and entry.is_present:
                entry.is_present = False

    def ask_kernel(self, object_id: bytes) -> None:
        """An object will not come by the lane that it was expected on: whoever waits for it waits for the kernel."""
        self.ask_again(object_id)
        self._channel.flush()

    def ask_again(self, object_id: bytes) -> None:
        """An object was not where it was said to be: whoever waits for it here waits on, for what the kernel says
        next."""
        number = self._number()
        with self._references.lock:
            entry = self._references.entries.get(object_id)
            if entry is None:
                return
            for waiter in entry.waiters or ():
                waiter.asked_again = (*waiter.asked_again, number)
            blocks = self._stalls and bool(entry.waiters)
        self._channel.queue(GetObjects(number, (object_id,), 1, blocks))
        self._channel.soon()
