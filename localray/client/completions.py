"""Futures and callbacks of objects: what happens when a value comes that no thread waits for.

Must not live here: waiting (`localray.client.client`), event loops (`localray.client.asyncio_actor`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from localray.object_ref import ObjectRef
from localray.protocol import GetObjects

if TYPE_CHECKING:
    from concurrent.futures import Future

    from localray.client.client import Client


class Completions:
    """The callbacks of one client's objects."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def future(self, object_id: bytes) -> Future[object]:
        """A future of an object's value or error. It keeps the object alive until it is done."""
        # Imported here: most processes never need a future, and it costs a worker's start 10 ms.
        from concurrent.futures import Future

        future: Future[object] = Future()
        future.set_running_or_notify_cancel()
        keep = self._client.references.adopt(object_id)

        def complete() -> None:
            try:
                result = self._client.get([keep], 0)[0]
            except BaseException as error:  # noqa: BLE001 - whatever the task raised belongs to who waits for the future
                future.set_exception(error)
            else:
                future.set_result(result)

        self._call_when_ready(keep, complete)
        return future

    def on_completed(self, object_id: bytes, callback: Callable[[object], None]) -> None:
        """Call back with an object's value, or the error instance, once known."""

        def done(future: Future[object]) -> None:
            error = future.exception()
            callback(error if error is not None else future.result())

        self.future(object_id).add_done_callback(done)

    def _call_when_ready(self, reference: ObjectRef[object], callback: Callable[[], None]) -> None:
        object_id = reference.binary()
        with self._client.references.lock:
            entry = self._client.references.entries[object_id]
            if entry.value is None:
                if entry.callbacks is None:
                    entry.callbacks = []
                entry.callbacks.append(callback)
                asked: bool | None = entry.asked
                entry.asked = True
                self._client.channel.keep_reading(1)
                if not asked:
                    self._client.channel.queue(GetObjects(self._client.new_request_number(), (object_id,), 1, False))
            else:
                asked = None
        if asked is None:
            callback()
        else:
            # Somebody waits, although no thread does: what was called must leave now.
            self._client.channel.flush()

    def run(self, callbacks: Sequence[Callable[[], None]]) -> None:
        """Call back those of one object, which has just come."""
        for callback in callbacks:
            callback()
        self._client.channel.keep_reading(-len(callbacks))

    def fail_all(self) -> None:
        """The channel has ended: futures still outstanding get the error that a `get` would raise now."""
        with self._client.references.lock:
            entries = [entry for entry in self._client.references.entries.values() if entry.callbacks is not None]
            callbacks = [callback for entry in entries for callback in entry.callbacks or ()]
            for entry in entries:
                entry.callbacks = None
        self._client.channel.keep_reading(-len(callbacks))
        for callback in callbacks:
            callback()
