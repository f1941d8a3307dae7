"""Ids: the layout of the raw bytes, and classes that behave as Ray's do."""

from __future__ import annotations

import copy
import pickle
import struct
import subprocess
import sys

import pytest

from localray import ids
from localray.ids import (
    ActorClassID,
    ActorID,
    BaseID,
    ClusterID,
    FunctionID,
    JobID,
    NodeID,
    PlacementGroupID,
    TaskID,
    UniqueID,
    WorkerID,
)

SIZES_BYTES: dict[type[BaseID], int] = {
    ActorID: 16,
    ActorClassID: 28,
    NodeID: 28,
    JobID: 4,
    WorkerID: 28,
    TaskID: 24,
    FunctionID: 28,
    UniqueID: 28,
    PlacementGroupID: 18,
    ClusterID: 28,
}
ALL = pytest.mark.parametrize("cls", list(SIZES_BYTES), ids=lambda cls: cls.__name__)


def test_task_id_is_client_counter_actor() -> None:
    actor = ids.actor_id_bytes(7, 9, 1)
    assert actor == b"\x07\0\0\0\x09\0\0\0\0\0\0\0\x01\0\0\0"
    task = ids.task_id_bytes(2, 0x01020304, actor)
    assert task == b"\x02\0\0\0\x04\x03\x02\x01" + actor
    assert ids.task_actor_id(task) == actor
    assert ids.task_client_and_counter(task) == (2, 0x01020304)
    assert ids.job_number_of(task) == 1


def test_object_id_is_task_and_index_from_one() -> None:
    task = ids.task_id_bytes(2, 3, ids.nil_actor_id(1))
    first = ids.object_id_bytes(task, ids.FIRST_RETURN_INDEX)
    assert first == task + b"\x01\0\0\0"
    assert len(first) == ids.OBJECT_ID_SIZE_BYTES
    assert ids.object_task_id(first) == task
    assert ids.object_index(ids.object_id_bytes(task, 70000)) == 70000


def test_nil_actor_keeps_its_job() -> None:
    nil = ids.nil_actor_id(5)
    assert nil == b"\xff" * 12 + b"\x05\0\0\0"
    assert ids.is_nil_actor_id(nil)
    assert not ids.is_nil_actor_id(ids.actor_id_bytes(0, 0, 5))
    assert not ActorID(nil).is_nil()


@pytest.mark.parametrize("number", [-1, 2**32])
def test_a_number_of_more_than_four_bytes_is_refused(number: int) -> None:
    with pytest.raises(struct.error):
        ids.task_id_bytes(1, number, ids.nil_actor_id(1))
    with pytest.raises(struct.error):
        ids.object_id_bytes(b"\0" * 24, number)


def test_different_counters_give_different_ids() -> None:
    made = {ids.task_id_bytes(client, counter, ids.nil_actor_id(1)) for client in range(20) for counter in range(50)}
    assert len(made) == 1000


@ALL
def test_size_and_nil(cls: type[BaseID]) -> None:
    size_bytes = SIZES_BYTES[cls]
    nil = cls.nil()
    assert cls.size() == size_bytes
    assert nil.binary() == b"\xff" * size_bytes == bytes(nil)
    assert nil.is_nil()
    assert not cls(b"\0" * size_bytes).is_nil()
    assert repr(nil) == str(nil) == f"{cls.__name__}({'ff' * size_bytes})"
    assert nil.hex() == "ff" * size_bytes


@ALL
def test_equal_by_class_and_bytes(cls: type[BaseID]) -> None:
    one, same = cls(b"\x01" * cls.size()), cls(b"\x01" * cls.size())
    assert one == same
    assert hash(one) == hash(same)
    assert one != cls.nil()
    assert one != one.binary()
    assert {one: 1}[same] == 1
    others = [other for other in SIZES_BYTES if other.size() == cls.size() and other is not cls]
    assert all(other(one.binary()) != one for other in others)
    with pytest.raises(TypeError):
        _ = one < same  # type: ignore[operator]


@ALL
def test_round_trips(cls: type[BaseID]) -> None:
    made = cls.from_random()
    assert cls.from_hex(made.hex()) == made
    assert cls.from_hex(made.hex().encode()) == made
    assert cls.from_binary(made.binary()) == made
    assert pickle.loads(pickle.dumps(made)) == made
    assert copy.deepcopy(made) == made
    assert cls.from_random() != made or cls.size() == 4


@ALL
def test_wrong_bytes(cls: type[BaseID]) -> None:
    with pytest.raises(ValueError, match=f"ID string needs to have length {cls.size()}, got 1"):
        cls(b"x")
    for wrong in (3, "a", None):
        with pytest.raises(TypeError, match=r"Unsupported type: .*, expected bytes"):
            cls(wrong)  # type: ignore[arg-type]
    for wrong_hex in ("zz", "ab"):
        with pytest.raises(ValueError, match=f"{cls.__name__}.from_hex needs"):
            cls.from_hex(wrong_hex)


def test_ids_are_immutable_and_base_is_abstract() -> None:
    with pytest.raises(AttributeError):
        JobID.from_int(1).note = 1  # type: ignore[attr-defined]
    with pytest.raises(NotImplementedError):
        BaseID(b"")


def test_job_id_is_its_number() -> None:
    assert JobID.from_int(1).binary() == b"\x01\0\0\0"
    assert JobID.from_int(2**31).int() == 2**31
    assert JobID.nil().int() == 2**32 - 1
    assert not JobID.from_int(0).is_nil()
    with pytest.raises(OverflowError):
        JobID.from_int(-1)
    with pytest.raises(AssertionError, match=r"Maximum JobID integer is 2\*\*32 - 1"):
        JobID.from_int(2**32)


def test_task_ids_carry_actor_and_job() -> None:
    job = JobID.from_int(1)
    driver = TaskID.for_driver_task(job)
    assert driver.hex() == "ff" * 20 + "01000000"
    assert driver.actor_id().hex() == "ff" * 12 + "01000000"
    actor = ActorID.of(job, driver, 3)
    assert actor.job_id == job
    assert actor == ActorID.of(job, driver, 3) != ActorID.of(job, driver, 4)
    assert TaskID.for_actor_creation_task(actor).hex() == "ff" * 8 + actor.hex()
    method = TaskID.for_actor_task(job, driver, 1, actor)
    assert (method.actor_id(), method.job_id()) == (actor, job)
    normal = TaskID.for_normal_task(job, driver, 1)
    assert ids.is_nil_actor_id(normal.actor_id().binary())
    assert normal.binary()[:8] == method.binary()[:8]
    assert TaskID.for_fake_task(job).job_id() == job
    assert PlacementGroupID.of(job).binary().endswith(job.binary())


def test_hash_is_the_same_in_every_process() -> None:
    program = "from localray.ids import NodeID; print(hash(NodeID(b'0123456789012345678901234567')))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert seen == {f"{hash(NodeID(b'0123456789012345678901234567'))}\n"}


@pytest.mark.ray
def test_as_in_ray() -> None:
    ray = pytest.importorskip("ray")
    for cls, size_bytes in SIZES_BYTES.items():
        theirs = getattr(ray, cls.__name__)
        raw = bytes(range(size_bytes))
        assert theirs.size() == size_bytes
        assert repr(theirs(raw)) == repr(cls(raw))
        assert repr(theirs.nil()) == repr(cls.nil())
        if cls is not UniqueID:
            assert theirs.from_hex(raw.hex()).binary() == cls.from_hex(raw.hex()).binary()
        for wrong in (b"x", 3, None):
            with pytest.raises((TypeError, ValueError)) as ours:
                cls(wrong)  # type: ignore[arg-type]
            with pytest.raises((TypeError, ValueError)) as expected:
                theirs(wrong)
            assert (ours.type, str(ours.value)) == (expected.type, str(expected.value))
    job = ray.JobID.from_int(1)
    driver = ray.TaskID.for_driver_task(job)
    assert driver.binary() == ids.driver_task_id_bytes(1)
    actor = ray.ActorID(ids.actor_id_bytes(2, 3, 1))
    assert actor.job_id == job
    assert ray.TaskID.for_actor_creation_task(actor).binary() == ids.actor_creation_task_id_bytes(actor.binary())
    task = ray.TaskID(ids.task_id_bytes(2, 5, actor.binary()))
    assert (task.actor_id(), task.job_id()) == (actor, job)
    ref = ray.ObjectRef(ids.object_id_bytes(task.binary(), 1))
    assert (ref.task_id(), ref.job_id()) == (task, job)
