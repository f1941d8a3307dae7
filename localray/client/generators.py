"""What a generator's submission gives back: the references to what it yields, as they come.

Here is the consuming end of a stream: which item is next, how far ahead to ask, when it is over. What a stream is to
the kernel stands in `localray.kernel.streams`. Must not live here: running generators (`localray.client.yielding`).
"""

# ruff: noqa: B904 - what is raised again without our frames is the same error, with its own cause
from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from localray.exceptions import RayError, RaySystemError
from localray.object_ref import ObjectRef
from localray.protocol import INLINE, GetObjects, Status, TakeItems
from localray.tracebacks import is_of_our_own

if TYPE_CHECKING:
    import asyncio

    from localray.client.client import Client

ASKED_AHEAD = 16
"""So many small items are sent as they come, before anybody asks for them one by one. Large ones are not: what has been
delivered is pinned in the store."""
FIRST_ITEM_INDEX = 2

T_co = TypeVar("T_co", covariant=True)


class ObjectRefGenerator(Generic[T_co]):
    """References to what a remote generator yields, in that order, each as soon as it is there: what a generator's
    ``.remote()`` returns. Iterate over it, in coroutines with ``async for``.

    It stays with the process that submitted the generator, and is not safe to be used by several threads at once.
    Dropping it frees what has not been taken.

    Args:
        client: of the submission.
        generator_ref: the reference to the generator's end.
        tells_taken: whether the producer waits for its consumer.

    Example:
        >>> for ref in numbers.remote(3):       # doctest: +SKIP
        ...     print(ray.get(ref))
    """

    def __init__(self, client: Client, generator_ref: ObjectRef[object], tells_taken: bool) -> None:
        self._generator_ref = generator_ref
        self._client = client
        self._task_id = generator_ref.binary()[:24]
        self._tells_taken = tells_taken
        self._taken = 0
        self._ahead: deque[ObjectRef[Any]] = deque()
        self._reach = 1
        self._error_given = False

    # ---------------------------------------------------------------- iterating

    def __iter__(self) -> ObjectRefGenerator[T_co]:
        return self

    def __next__(self) -> ObjectRef[T_co]:
        item = self._next_item()
        try:
            while not self._has_come(item):
                self._client.gets.wait([item], 1, None, fetches=False)
        except KeyboardInterrupt as interrupt:
            if is_of_our_own(interrupt):
                raise interrupt.with_traceback(None)
            raise
        reference = self._take()
        if reference is None:
            raise StopIteration
        return reference

    def __aiter__(self) -> ObjectRefGenerator[T_co]:
        return self

    async def __anext__(self) -> ObjectRef[T_co]:
        await self._arrival(self._next_item())
        if self._is_at_end():
            await self._arrival(self._generator_ref)
        reference = self._take()
        if reference is None:
            raise StopAsyncIteration
        return reference

    def _arrival(self, reference: ObjectRef[Any]) -> asyncio.Future[None]:
        """A future of the running loop that is done when an object is there, with a value or an error."""
        import asyncio

        loop = asyncio.get_running_loop()
        arrival: asyncio.Future[None] = loop.create_future()

        def done() -> None:
            if not arrival.done():
                arrival.set_result(None)

        def arrived(_: ObjectRef[Any]) -> None:
            # On whichever thread reads; the loop that waited may be gone by now.
            if not loop.is_closed():
                loop.call_soon_threadsafe(done)

        if self._has_come(reference):
            done()
        else:
            self._client.completions.call_back([reference], arrived)
        return arrival

    def _next_sync(self, timeout_s: float | None = None) -> ObjectRef[T_co]:
        """As `next`, waiting so long at most: a reference to nothing when the time is over."""
        waits_s = None if timeout_s is None or timeout_s < 0 else timeout_s
        if self._client.gets.wait([self._next_item()], 1, waits_s, fetches=False)[1]:
            return ObjectRef.nil()
        return next(self)

    async def _next_async(self, timeout_s: float | None = None) -> ObjectRef[T_co]:
        """As `anext`, waiting so long at most: a reference to nothing when the time is over."""
        import asyncio

        waits_s = None if timeout_s is None or timeout_s < 0 else timeout_s
        if not (await asyncio.wait([self._arrival(self._next_item())], timeout=waits_s))[0]:
            return ObjectRef.nil()
        return await anext(self)

    # ---------------------------------------------------------------- looking

    def completed(self) -> ObjectRef[Any]:
        """A reference that is ready when the generator has ended: None, or the error that ended it from outside. What
        the generator itself raises is its last item."""
        return self._generator_ref

    def next_ready(self) -> bool:
        """Whether `next` would give a reference, to a value that is there, without waiting."""
        return not self.is_finished() and self._status() is not None

    def is_finished(self) -> bool:
        """Whether everything has been taken and no more will come."""
        if self._status() != Status.END_OF_STREAM:
            return False
        return self._error_given or not self._ended_by_error()

    def _status(self) -> int | None:
        """How the next item has ended, if it has; asks the kernel if it is not known here."""
        item = self._next_item()
        if not self._client.gets.wait([item], 1, 0, fetches=False)[0]:
            return None
        value = self._client.references.entries[item.binary()].value
        return Status.VALUE if value is None else value[0]

    # ---------------------------------------------------------------- taking

    def _next_item(self) -> ObjectRef[Any]:
        """The reference to the next item, which has been asked for when this returns."""
        if len(self._ahead) * 2 <= self._reach:
            self._ask_ahead()
        return self._ahead[0]

    def _ask_ahead(self) -> None:
        """Ask for the next few items, and for the end, without waiting for any of them."""
        references = self._client.references
        asked = [] if self._taken or self._ahead else [self._generator_ref.binary()]
        while len(self._ahead) < self._reach:
            index = self._taken + len(self._ahead) + FIRST_ITEM_INDEX
            item = references.expect(self._task_id + index.to_bytes(4, "little"))
            self._ahead.append(item)
            asked.append(item.binary())
        for object_id in asked:
            references.entries[object_id].asked = True
        if asked:
            self._client.channel.send(GetObjects(self._client.new_request_number(), tuple(asked), 0, False))

    def _get_next_ref_n(self, count: int) -> list[ObjectRef[Any]]:
        """References to the next items, which are not taken by that; those after the end raise
        `ObjectRefStreamEndOfStreamError`."""
        self._reach = max(self._reach, count)
        if len(self._ahead) < count:
            self._ask_ahead()
        return [self._ahead[index] for index in range(count)]

    def _consume_next_ref_n(self, count: int) -> None:
        """Take so many items.

        Raises:
            ValueError: the last of them is not there yet.
        """
        if not self._client.gets.wait(self._get_next_ref_n(count)[-1:], 1, 0, fetches=False)[0]:
            raise ValueError(f"The stream's item {self._taken + count - 1} is not there yet.")
        for _ in range(count):
            if self._is_at_end():
                # Its place is over, too: whoever asks again gets another reference.
                self._ahead.popleft()
                self._taken += 1
            else:
                self._take()

    def _is_at_end(self) -> bool:
        value = self._client.references.entries[self._ahead[0].binary()].value
        return value is not None and value[0] == Status.END_OF_STREAM

    def _take(self) -> ObjectRef[Any] | None:
        """The next item, which is there; after the last the error that ended the generator, once; then None."""
        item = self._ahead[0]
        value = self._client.references.entries[item.binary()].value
        if not self._has_come(item):
            raise RaySystemError(f"item {self._taken} of the stream is not there although it was waited for")
        if value is not None and value[0] == Status.END_OF_STREAM:
            if self._error_given or not self._ended_by_error():
                return None
            self._error_given = True
            return self._generator_ref
        self._ahead.popleft()
        self._taken += 1
        self._reach = ASKED_AHEAD if value is not None and value[2] == INLINE else 1
        if self._tells_taken:
            self._client.channel.send(TakeItems(self._task_id, self._taken))
        return item

    def _has_come(self, item: ObjectRef[Any]) -> bool:
        """Whether an item is there; where it is on another node it stays until somebody reads it, as in Ray."""
        entry = self._client.references.entries[item.binary()]
        return entry.value is not None or entry.is_present

    def _ended_by_error(self) -> bool:
        try:
            self._client.gets.get([self._generator_ref], None)
        except RayError:
            return True
        return False

    # ---------------------------------------------------------------- what Python's generators can do, and this cannot

    def send(self, value: object) -> NoReturn:
        """Not supported."""
        raise NotImplementedError("`gen.send` is not supported: a remote generator takes nothing back.")

    def throw(self, value: object) -> NoReturn:
        """Not supported; see `ray.cancel`."""
        raise NotImplementedError("`gen.throw` is not supported. Use `ray.cancel(gen)` to stop the generator.")

    def close(self) -> NoReturn:
        """Not supported; see `ray.cancel`."""
        raise NotImplementedError("`gen.close` is not supported. Use `ray.cancel(gen)` to stop the generator.")

    async def asend(self, value: object) -> NoReturn:
        """Not supported."""
        raise NotImplementedError("`gen.asend` is not supported: a remote generator takes nothing back.")

    async def athrow(self, value: object) -> NoReturn:
        """Not supported; see `ray.cancel`."""
        raise NotImplementedError("`gen.athrow` is not supported. Use `ray.cancel(gen)` to stop the generator.")

    async def aclose(self) -> NoReturn:
        """Not supported; see `ray.cancel`."""
        raise NotImplementedError("`gen.aclose` is not supported. Use `ray.cancel(gen)` to stop the generator.")

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "You cannot return or pass a generator to other task: an ObjectRefGenerator stays in the process that "
            "made it. Pass the references that it gives, or make it where it is consumed."
        )

    def __del__(self) -> None:
        client = getattr(self, "_client", None)
        if client is not None:
            client.references.drop_stream(self._task_id, self._taken)


class DynamicObjectRefGenerator(Generic[T_co]):
    """References to what a generator with ``num_returns="dynamic"`` has yielded: the value of the one reference that
    such a call returns. Deprecated, as in Ray; it may be passed on. Iterating uses it up."""

    def __init__(self, refs: Sequence[ObjectRef[T_co]]) -> None:
        self._refs = deque(refs)

    def __iter__(self) -> Iterator[ObjectRef[T_co]]:
        while self._refs:
            yield self._refs.popleft()

    def __len__(self) -> int:
        return len(self._refs)


Waitable = ObjectRef[Any] | ObjectRefGenerator[Any]


def awaited(waitable: Waitable) -> ObjectRef[Any]:
    """What has to be ready for a reference, or a generator's next item, to be."""
    return waitable._next_item() if isinstance(waitable, ObjectRefGenerator) else waitable
