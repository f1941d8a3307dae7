"""Ids: fixed-size byte strings shaped like Ray's, made from counters instead of hashes.

What lives here: the id classes a program sees (`ActorID`, `JobID`, `TaskID`, ...), and plain functions that build and
take apart the same ids as raw `bytes` for the hot path. What must not: any table of live ids, any counter (whoever
makes ids owns the counter and passes it in), and `ObjectRef`, which also owns a reference and lives in `object_ref`.

Layout, all integers little-endian; a job is 4 bytes and always comes last, so `id[-4:]` of a job, actor or placement
group is its job:

    job id              4   job number
    actor id           16   client number (4)  counter (4)  zeros (4)  job (4)
    nil actor id       16   0xff * 12  job (4)                           the "actor" of a plain task
    task id            24   client number (4)  counter (4)  actor id (16)
    creation task id   24   0xff * 8  actor id (16)
    driver task id     24   0xff * 20  job (4)
    object id          28   task id (24)  index (4); the first return has index 1
    placement group    18   client number (4)  counter (4)  zeros (6)  job (4)
    anything else      28   opaque

Because a client number is given to one process of a session only and its counter never repeats, ids are unique without
randomness, and the same program under the same seed gets the same ids. Client number 0xffffffff is reserved: it would
read as nil.
"""

from __future__ import annotations

import struct
from typing import ClassVar, TypeVar

JOB_ID_SIZE_BYTES = 4
ACTOR_ID_SIZE_BYTES = 16
PLACEMENT_GROUP_ID_SIZE_BYTES = 18
TASK_ID_SIZE_BYTES = 24
OBJECT_ID_SIZE_BYTES = 28
UNIQUE_ID_SIZE_BYTES = 28

FIRST_RETURN_INDEX = 1
MAX_JOB_NUMBER = 2**32 - 1

_NIL_ACTOR_PREFIX = b"\xff" * 12
CREATION_TASK_PREFIX = b"\xff" * 8
_pack_one = struct.Struct("<I").pack
_pack_two = struct.Struct("<II").pack
_unpack_one = struct.Struct("<I").unpack
_unpack_two = struct.Struct("<II").unpack


# --- raw bytes: the hot path -----------------------------------------------------------------------------------------


def job_id_bytes(job_number: int) -> bytes:
    """The 4 bytes of a job id.

    >>> job_id_bytes(1)
    b'\\x01\\x00\\x00\\x00'
    """
    return _pack_one(job_number)


def nil_actor_id(job_number: int) -> bytes:
    """The 16 bytes that stand where an actor id would in the id of a task that belongs to no actor.

    >>> nil_actor_id(1).hex()
    'ffffffffffffffffffffffff01000000'
    """
    return _NIL_ACTOR_PREFIX + _pack_one(job_number)


def actor_id_bytes(client_number: int, counter: int, job_number: int) -> bytes:
    """The 16 bytes of an actor id.

    Args:
        client_number: the number of the client that creates the actor, below 0xffffffff.
        counter: how many actors that client made before; below 2**32.
        job_number: the job the actor belongs to.

    Raises:
        struct.error: a number is negative or does not fit in four bytes.

    >>> actor_id_bytes(2, 3, 1).hex()
    '02000000030000000000000001000000'
    """
    return _pack_two(client_number, counter) + b"\0\0\0\0" + _pack_one(job_number)


def placement_group_id_bytes(client_number: int, counter: int, job_number: int) -> bytes:
    """The 18 bytes of a placement group id; arguments as for `actor_id_bytes`.

    >>> placement_group_id_bytes(2, 3, 1).hex()
    '020000000300000000000000000001000000'
    """
    return _pack_two(client_number, counter) + b"\0\0\0\0\0\0" + _pack_one(job_number)


def client_number_of(task_id: bytes) -> int:
    """The number of the client that submitted a task.

    >>> client_number_of(task_id_bytes(2, 5, nil_actor_id(1)))
    2
    """
    (number,) = _unpack_one(task_id[:4])
    return int(number)


def task_id_bytes(client_number: int, counter: int, actor_id: bytes) -> bytes:
    """The 24 bytes of a task id.

    Args:
        client_number: the number of the client that submits the task, below 0xffffffff.
        counter: how many tasks that client submitted before; below 2**32.
        actor_id: the actor whose method this is, or `nil_actor_id(job)` for a plain task. Its length is not checked.

    Raises:
        struct.error: a number is negative or does not fit in four bytes.

    >>> task_id_bytes(2, 5, nil_actor_id(1)).hex()
    '0200000005000000ffffffffffffffffffffffff01000000'
    """
    return _pack_two(client_number, counter) + actor_id


def is_of_actor(object_id: bytes) -> bool:
    """Whether an object is what a call of an actor returns, or a task's id is of such a call.

    >>> is_of_actor(task_id_bytes(2, 5, nil_actor_id(1)))
    False
    """
    return object_id[8 : 8 + len(_NIL_ACTOR_PREFIX)] != _NIL_ACTOR_PREFIX


def actor_creation_task_id_bytes(actor_id: bytes) -> bytes:
    """The 24 bytes of the id of the one task that creates an actor.

    >>> actor_creation_task_id_bytes(actor_id_bytes(2, 3, 1)).hex()
    'ffffffffffffffff02000000030000000000000001000000'
    """
    return CREATION_TASK_PREFIX + actor_id


def driver_task_id_bytes(job_number: int) -> bytes:
    """The 24 bytes of the id of the task a driver is said to run.

    >>> driver_task_id_bytes(1).hex()
    'ffffffffffffffffffffffffffffffffffffffff01000000'
    """
    return CREATION_TASK_PREFIX + _NIL_ACTOR_PREFIX + _pack_one(job_number)


def object_id_bytes(task_id: bytes, index: int) -> bytes:
    """The 28 bytes of the id of an object a task makes.

    Args:
        task_id: the 24 bytes of the task's id.
        index: 1 for the first return, counted up; what the task `put`s comes after its returns.

    Raises:
        struct.error: `index` is negative or does not fit in four bytes.

    >>> object_id_bytes(task_id_bytes(2, 5, nil_actor_id(1)), 1).hex()
    '0200000005000000ffffffffffffffffffffffff0100000001000000'
    """
    return task_id + _pack_one(index)


def object_task_id(object_id: bytes) -> bytes:
    """The 24 bytes of the id of the task that makes an object."""
    return object_id[:TASK_ID_SIZE_BYTES]


def object_index(object_id: bytes) -> int:
    """The index of an object among those its task makes; the inverse of `object_id_bytes`."""
    index: int = _unpack_one(object_id[TASK_ID_SIZE_BYTES:])[0]
    return index


def task_actor_id(task_id: bytes) -> bytes:
    """The 16 bytes of the actor id inside a task id; nil but for the job when the task is a plain one."""
    return task_id[8:]


def task_client_and_counter(task_id: bytes) -> tuple[int, int]:
    """The client number and counter a task id was made from."""
    client_number, counter = _unpack_two(task_id[:8])
    return client_number, counter


def is_nil_actor_id(actor_id: bytes) -> bool:
    """Whether these 16 bytes stand for "no actor", whatever their job."""
    return actor_id[:12] == _NIL_ACTOR_PREFIX


def job_number_of(id_bytes: bytes) -> int:
    """The job number at the end of a job, actor, task or placement group id."""
    job_number: int = _unpack_one(id_bytes[-JOB_ID_SIZE_BYTES:])[0]
    return job_number


def stable_hash(id_bytes: bytes) -> int:
    """A hash of an id that is the same in every process.

    `hash(bytes)` differs between processes, and with it the order of a set of ids or refs: a program that loops over
    such a set would not repeat itself under a seed.
    """
    return hash(int.from_bytes(id_bytes, "little"))


# --- classes: what a program sees ------------------------------------------------------------------------------------

_Id = TypeVar("_Id", bound="BaseID")


class BaseID:
    """An immutable id; equal to another when both the class and the bytes are the same.

    Args:
        id: the raw bytes, exactly `size()` of them.

    Raises:
        TypeError: `id` is not `bytes`.
        ValueError: `id` has the wrong length.
        NotImplementedError: `BaseID` itself was called.

    >>> ActorID.nil()
    ActorID(ffffffffffffffffffffffffffffffff)
    """

    __slots__ = ("_binary",)
    _size_bytes: ClassVar[int] = 0
    _binary: bytes

    def __init__(self, id: bytes) -> None:
        if not self._size_bytes:
            raise NotImplementedError("BaseID has no size; use one of its subclasses, such as ActorID or NodeID.")
        if not isinstance(id, bytes):
            raise TypeError(f"Unsupported type: {type(id)}, expected bytes")
        if len(id) != self._size_bytes:
            raise ValueError(f"ID string needs to have length {self._size_bytes}, got {len(id)}")
        self._binary = id

    @classmethod
    def from_binary(cls: type[_Id], id_bytes: bytes) -> _Id:
        """The id with these bytes; raises as the constructor does."""
        return cls(id_bytes)

    @classmethod
    def from_hex(cls: type[_Id], hex_id: str | bytes) -> _Id:
        """The id written as hexadecimal digits.

        Raises:
            ValueError: not hexadecimal, or not `2 * size()` digits.

        >>> JobID.from_hex("01000000")
        JobID(01000000)
        """
        digits = hex_id.decode("ascii", "replace") if isinstance(hex_id, bytes) else hex_id
        try:
            binary = bytes.fromhex(digits)
        except ValueError as error:
            raise ValueError(f"{cls.__name__}.from_hex needs hexadecimal digits, got {digits!r}.") from error
        if len(digits) != 2 * cls._size_bytes:
            wanted = 2 * cls._size_bytes
            raise ValueError(f"{cls.__name__}.from_hex needs {wanted} digits, got {len(digits)}: {digits!r}.")
        return cls(binary)

    @classmethod
    def from_random(cls: type[_Id]) -> _Id:
        """An id of random bytes. localray makes its own ids from counters; this is for programs that ask."""
        import os

        return cls(os.urandom(cls._size_bytes))

    @classmethod
    def nil(cls: type[_Id]) -> _Id:
        """The id that stands for "none": every byte 0xff."""
        return cls(b"\xff" * cls._size_bytes)

    @classmethod
    def size(cls) -> int:
        """The length of an id of this class, in bytes."""
        return cls._size_bytes

    def binary(self) -> bytes:
        """The raw bytes."""
        return self._binary

    def hex(self) -> str:
        """The bytes as lower-case hexadecimal digits."""
        return self._binary.hex()

    def is_nil(self) -> bool:
        """Whether every byte is 0xff."""
        return self._binary == b"\xff" * self._size_bytes

    def __bytes__(self) -> bytes:
        return self._binary

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._binary == other._binary

    def __hash__(self) -> int:
        return stable_hash(self._binary)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._binary.hex()})"

    def __reduce__(self: _Id) -> tuple[type[_Id], tuple[bytes]]:
        return type(self), (self._binary,)


class UniqueID(BaseID):
    """An opaque id of 28 bytes."""

    __slots__ = ()
    _size_bytes = UNIQUE_ID_SIZE_BYTES


class NodeID(UniqueID):
    """The id of a node."""

    __slots__ = ()


class WorkerID(UniqueID):
    """The id of a worker or driver process."""

    __slots__ = ()


class FunctionID(UniqueID):
    """The id of a remote function's definition."""

    __slots__ = ()


class ActorClassID(UniqueID):
    """The id of an actor class's definition."""

    __slots__ = ()


class ClusterID(UniqueID):
    """The id of a session."""

    __slots__ = ()


class JobID(BaseID):
    """The id of a job: one driver's connection to a session."""

    __slots__ = ()
    _size_bytes = JOB_ID_SIZE_BYTES

    @classmethod
    def from_int(cls, value: int) -> JobID:
        """The id of a job number.

        Raises:
            AssertionError: `value` is above 2**32 - 1.
            OverflowError: `value` is negative.

        >>> JobID.from_int(1).hex()
        '01000000'
        """
        if value > MAX_JOB_NUMBER:
            raise AssertionError("Maximum JobID integer is 2**32 - 1.")
        return cls(int(value).to_bytes(JOB_ID_SIZE_BYTES, "little"))

    def int(self) -> int:
        """The job number."""
        return job_number_of(self._binary)


class ActorID(BaseID):
    """The id of an actor; its last four bytes are its job."""

    __slots__ = ()
    _size_bytes = ACTOR_ID_SIZE_BYTES

    @classmethod
    def of(cls, job_id: JobID, parent_task_id: TaskID, parent_task_counter: int) -> ActorID:
        """The id of the actor a task created as its `parent_task_counter`-th; the same every time."""
        return cls(_digest(parent_task_id.binary(), parent_task_counter, 12) + job_id.binary())

    @property
    def job_id(self) -> JobID:
        """The job the actor belongs to."""
        return JobID(self._binary[-JOB_ID_SIZE_BYTES:])


class TaskID(BaseID):
    """The id of a task; its last sixteen bytes are its actor's id, nil but for the job in a plain task."""

    __slots__ = ()
    _size_bytes = TASK_ID_SIZE_BYTES

    def actor_id(self) -> ActorID:
        """The actor the task belongs to."""
        return ActorID(task_actor_id(self._binary))

    def job_id(self) -> JobID:
        """The job the task belongs to."""
        return JobID(self._binary[-JOB_ID_SIZE_BYTES:])

    @classmethod
    def for_driver_task(cls, job_id: JobID) -> TaskID:
        """The id of the task a job's driver is said to run."""
        return cls(driver_task_id_bytes(job_id.int()))

    @classmethod
    def for_fake_task(cls, job_id: JobID) -> TaskID:
        """A random id of that job, which no real task has."""
        return cls(TaskID.from_random().binary()[:-JOB_ID_SIZE_BYTES] + job_id.binary())

    @classmethod
    def for_actor_creation_task(cls, actor_id: ActorID) -> TaskID:
        """The id of the task that creates an actor."""
        return cls(actor_creation_task_id_bytes(actor_id.binary()))

    @classmethod
    def for_actor_task(
        cls, job_id: JobID, parent_task_id: TaskID, parent_task_counter: int, actor_id: ActorID
    ) -> TaskID:
        """The id of the actor task that a task submitted as its `parent_task_counter`-th."""
        return cls(_digest(parent_task_id.binary(), parent_task_counter, 8) + actor_id.binary())

    @classmethod
    def for_normal_task(cls, job_id: JobID, parent_task_id: TaskID, parent_task_counter: int) -> TaskID:
        """The id of the plain task that a task submitted as its `parent_task_counter`-th."""
        return cls(_digest(parent_task_id.binary(), parent_task_counter, 8) + nil_actor_id(job_id.int()))


class PlacementGroupID(BaseID):
    """The id of a placement group; its last four bytes are its job."""

    __slots__ = ()
    _size_bytes = PLACEMENT_GROUP_ID_SIZE_BYTES

    @classmethod
    def of(cls, job_id: JobID) -> PlacementGroupID:
        """A random id of that job."""
        return cls(PlacementGroupID.from_random().binary()[:-JOB_ID_SIZE_BYTES] + job_id.binary())


def _digest(parent: bytes, counter: int, size_bytes: int) -> bytes:
    """A child's bytes from its parent's id and counter: a parent alone does not fit beside the counter."""
    import hashlib

    return hashlib.blake2b(parent + counter.to_bytes(8, "little"), digest_size=size_bytes).digest()
