"""Futures and callbacks of objects: what happens when a value comes that no thread waits for.

Must not live here: waiting (`localray.client.gets`), event loops (`localray.client.asyncio_actor`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from localray.client.channel import Channel
from localray.client.references import ReferenceTable
from localray.object_ref import ObjectRef
from localray.protocol import GetObjects

if TYPE_CHECKING:
    from concurrent.futures import Future


class Completions:
    """The callbacks of one client's objects.

    Args:
        channel: to the kernel.
        references: which objects are known here.
        value_of: the value of an object that is there; raises its error.
        number: counts up the client's requests.
    """

    def __init__(
        self,
        channel: Channel,
        references: ReferenceTable,
        value_of: Callable[[ObjectRef[Any]], object],
        number: Callable[[], int],
    ) -> None:
        self._channel = channel
        self._references = references
        self._value_of = value_of
        self._number = number
        self.lends = False
        """Whether a task that runs here waits while callbacks are outstanding, so that its CPU may be lent out."""

    def future(self, object_id: bytes) -> Future[object]:
        """A future of an object's value or error. It keeps the object alive until it is done."""
        # Imported here: most processes never need a future, and it costs a worker's start 10 ms.
        from concurrent.futures import Future

        future: Future[object] = Future()
        future.set_running_or_notify_cancel()
        keep = self._references.adopt(object_id)

        def complete(reference: ObjectRef[Any]) -> None:
            try:
                result = self._value_of(reference)
            except BaseException as error:  # noqa: BLE001 - whatever the task raised belongs to who waits for the future
                future.set_exception(error)
            else:
                future.set_result(result)

        self.call_back([keep], complete)
        return future

    def on_completed(self, object_id: bytes, callback: Callable[[object], None]) -> None:
        """Call back with an object's value, or the error instance, once known."""

        def done(future: Future[object]) -> None:
            error = future.exception()
            try:
                callback(error if error is not None else future.result())
            except Exception:  # noqa: BLE001 - the user's code may raise anything, and nobody waits for it
                import logging
                import traceback

                # As text: a traceback would keep the callback alive for as long as somebody keeps the log.
                logging.getLogger(__name__).error("A callback of an object has failed:\n%s", traceback.format_exc())

        self.future(object_id).add_done_callback(done)

    def call_back(self, references: Sequence[ObjectRef[Any]], callback: Callable[[ObjectRef[Any]], None]) -> None:
        """Call back with each of these as its value or error is known; all are asked for with one message.

        The callback comes on the thread that reads the session's messages, or at once on the calling one: it must not
        wait for anything.
        """
        ready: list[ObjectRef[Any]] = []
        to_ask: list[bytes] = []
        with self._references.lock:
            for reference in references:
                entry = self._references.entries[reference.binary()]
                if entry.value is not None:
                    ready.append(reference)
                    continue
                if entry.callbacks is None:
                    entry.callbacks = []
                entry.callbacks.append(partial(callback, reference))
                if not entry.asked:
                    entry.asked = True
                    to_ask.append(reference.binary())
            self._channel.keep_reading(len(references) - len(ready))
            if to_ask:
                request = self._number()
                self._channel.queue(GetObjects(request, tuple(to_ask), len(to_ask), self.lends))
        for reference in ready:
            callback(reference)
        if len(ready) < len(references):
            # Somebody waits, although no thread does: what was called must leave now.
            self._channel.flush()

    def fail_all(self) -> None:
        """The channel has ended: futures still outstanding get the error that a `get` would raise now."""
        with self._references.lock:
            entries = [entry for entry in self._references.entries.values() if entry.callbacks is not None]
            callbacks = [callback for entry in entries for callback in entry.callbacks or ()]
            for entry in entries:
                entry.callbacks = None
        self._channel.keep_reading(-len(callbacks))
        for callback in callbacks:
            callback()
