"""References to objects, as users hold them: `ObjectRef`, and the base class of all that pickles as a reference.

A reference counts while it lives: it is made by a client's reference table and tells that table when it dies. Must not
live here: the table (`localray.client.references`), whose the calling thread is (`localray.client.current`), fetching
values (`localray.client.gets`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from localray.ids import stable_hash

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

    from localray.ids import JobID, TaskID

T_co = TypeVar("T_co", covariant=True)
_NIL = b"\xff" * 28


class UnknownOwner(ValueError):
    """A reference that an earlier session has left is used in another, which knows no such object.

    Args:
        references: those.
        what: how they are called.
    """

    def __init__(self, *references: ObjectRef[object], what: str = "a Ray object") -> None:
        super().__init__(
            f"An application is trying to access {what} whose owner is unknown "
            f"({', '.join(each.hex() for each in references)}). Please make sure that all Ray objects you are trying "
            "to access are part of the current Ray session: these are of one that has ended."
        )


class ReferenceHolder(Protocol):
    """What a reference needs of the table that made it; that of a session that has ended is closed."""

    closed: bool

    def adopt(self, object_id: bytes) -> ObjectRef[object]:
        """A reference that arrived inside a value."""

    def retain(self, object_id: bytes) -> None:
        """Count one more reference object."""

    def drop(self, object_id: bytes) -> None:
        """One reference object died. Called by the garbage collector: must not lock or block."""

    def pickled_out_of_band(self, object_id: bytes) -> None:
        """The reference left by a way that nobody counts; the object stays for as long as this process."""

    def keep_for_ever(self, object_id: bytes) -> None:
        """The same, where it is always allowed."""

    def future(self, object_id: bytes) -> Future[object]:
        """A future of the object's value."""

    def on_completed(self, object_id: bytes, callback: Callable[[object], None]) -> None:
        """Call back with the value or the error, once known."""


class Reference:
    """Anything that stands for an object or actor of the session: pickled by us, it keeps alive what it stands for."""

    __slots__ = ()

    @abstractmethod
    def reduce_into(self, contained: list[bytes]) -> tuple[Callable[..., object], tuple[object, ...]]:
        """How to pickle this: a function and its arguments; appends the ids of the objects it refers to."""


class ObjectRef(Reference, Generic[T_co]):
    """A reference to an object that exists or will: what ``f.remote()`` and ``ray.put()`` return.

    Refs are equal when they name the same object, can be dictionary keys, can be awaited, and travel inside arguments
    and values.

    Example:
        >>> ref = ray.put(1)                                    # doctest: +SKIP
        >>> ray.get(ref)                                        # doctest: +SKIP
        1
    """

    __slots__ = ("__weakref__", "_holder", "_id")

    def __init__(self, object_id: bytes, holder: ReferenceHolder | None = None) -> None:
        if type(object_id) is not bytes:
            raise TypeError(f"Unsupported type: {type(object_id)}, expected bytes")
        if len(object_id) != 28:
            raise ValueError(f"ID string needs to have length 28, got {len(object_id)}")
        self._id = object_id
        self._holder = _adopted_by_current_client(object_id) if holder is None else holder

    def __del__(self) -> None:
        holder = getattr(self, "_holder", None)
        if holder is not None:
            holder.drop(self._id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectRef) and self._id == other._id

    def __hash__(self) -> int:
        return stable_hash(self._id)

    def __repr__(self) -> str:
        return f"ObjectRef({self._id.hex()})"

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        if self._holder is not None:
            self._holder.pickled_out_of_band(self._id)
        return self.reduce_into([])

    def __copy__(self) -> ObjectRef[T_co]:
        # By `__reduce__` a copy would leave by a way that nobody counts, and hold the object for ever.
        return ObjectRef(self._id)

    def __deepcopy__(self, memo: object) -> ObjectRef[T_co]:
        return ObjectRef(self._id)

    def reduce_into(self, contained: list[bytes]) -> tuple[Callable[..., object], tuple[object, ...]]:
        self._check_session()
        contained.append(self._id)
        return restore_reference, (self._id,)

    def _check_session(self) -> None:
        """See that it does not come from a session that has ended.

        Raises:
            UnknownOwner: it does.
        """
        if self._is_left_over:
            raise UnknownOwner(self)

    @property
    def _is_left_over(self) -> bool:
        """Whether it comes from a session that has ended, and there is another by now. Without one, whatever is asked
        of the old one says that it is over."""
        if self._holder is None or not self._holder.closed:
            return False
        return _holder_here() is not None

    def __await__(self) -> Generator[object, None, T_co]:
        return self.as_future().__await__()

    def binary(self) -> bytes:
        """The id as 28 bytes."""
        return self._id

    def hex(self) -> str:
        """The id as 56 hexadecimal digits."""
        return self._id.hex()

    def is_nil(self) -> bool:
        """Whether this is the id that names nothing."""
        return self._id == _NIL

    @classmethod
    def size(cls) -> int:
        """The length of an id in bytes."""
        return 28

    @classmethod
    def nil(cls) -> ObjectRef[T_co]:
        """The reference that names nothing."""
        return cls(_NIL)

    @classmethod
    def from_binary(cls, id_bytes: bytes) -> ObjectRef[T_co]:
        """A reference from an id's bytes; within a session it counts like any other."""
        return cls(id_bytes)

    @classmethod
    def from_hex(cls, hex_id: str) -> ObjectRef[T_co]:
        """A reference from hexadecimal digits; within a session it counts like any other."""
        return cls(bytes.fromhex(hex_id))

    @classmethod
    def from_random(cls) -> ObjectRef[T_co]:
        """A reference that names nothing that exists."""
        import os

        return cls(os.urandom(28))

    def task_id(self) -> TaskID:
        """The task that makes, or put, this object."""
        from localray.ids import TaskID

        return TaskID(self._id[:24])

    def job_id(self) -> JobID:
        """The job it belongs to."""
        from localray.ids import JobID

        return JobID(self._id[20:24])

    def owner_address(self) -> bytes:
        """Empty: the head owns all objects."""
        return b""

    def call_site(self) -> str:
        """Where it was made; not recorded."""
        return ""

    def tensor_transport(self) -> str:
        """How tensors in it travel: always by the object store."""
        return "object_store"

    def future(self) -> Future[T_co]:
        """A `concurrent.futures.Future` of the value."""
        if self._holder is None:
            raise ValueError(f"{self!r} was made from an id; it belongs to no session and has no value to wait for.")
        return self._holder.future(self._id)  # type: ignore[return-value]

    def as_future(self) -> asyncio.Future[T_co]:
        """An asyncio future of the value, on the running loop."""
        import asyncio

        return asyncio.wrap_future(self.future())

    def _on_completed(self, callback: Callable[[object], None]) -> None:
        if self._holder is not None:
            self._holder.on_completed(self._id, callback)


def _adopted_by_current_client(object_id: bytes) -> ReferenceHolder | None:
    """Count a reference that a program made of an id; none without a session, and none to nothing."""
    if object_id == _NIL:
        return None
    holder = _holder_here()
    if holder is not None:
        holder.retain(object_id)
    return holder


def restore_reference(object_id: bytes) -> ObjectRef[object]:
    """Unpickle a reference: the session here, if there is one, refers to the object from now on."""
    holder = _holder_here()
    return ObjectRef(object_id) if holder is None else holder.adopt(object_id)


def _holder_of_nobody() -> ReferenceHolder | None:
    return None


_holder_here: Callable[[], ReferenceHolder | None] = _holder_of_nobody


def set_holder_finder(find: Callable[[], ReferenceHolder | None]) -> None:
    """Say how the table is found that the calling thread's references belong to: called by `localray.client.current`,
    which stands above."""
    global _holder_here
    _holder_here = find


ObjectID = ObjectRef
