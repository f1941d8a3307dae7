"""Ids: their classes, what they are made of, and what refers to what."""

from __future__ import annotations

import pickle
from types import ModuleType

import pytest

from ..registry import program

SIZES = {
    "JobID": 4,
    "ActorID": 16,
    "TaskID": 24,
    "ObjectID": 28,
    "ObjectRef": 28,
    "UniqueID": 28,
    "NodeID": 28,
    "WorkerID": 28,
    "FunctionID": 28,
    "ActorClassID": 28,
    "PlacementGroupID": 18,
    "ClusterID": 28,
}


def classes(ray: ModuleType) -> dict[str, type]:
    """Each class by its name, from where Ray has it."""
    private = __import__(f"{ray.__name__}._raylet", fromlist=["_"])
    return {name: getattr(ray, name, None) or getattr(private, name) for name in SIZES}


@program()
def ids_have_sizes(ray: ModuleType) -> None:
    """Surface 1: size() is that of binary(); hex() has two digits for each byte."""
    for name, kind in classes(ray).items():
        size = SIZES[name]
        assert kind.size() == size, name
        each = kind(b"\x07" * size)
        assert each.binary() == b"\x07" * size
        assert each.hex() == "07" * size
        for wrong in (b"\x07" * (size - 1), b"\x07" * (size + 1), b""):
            with pytest.raises(ValueError):
                kind(wrong)


@program()
def nil_ids_are_nil(ray: ModuleType) -> None:
    """Surface 1: nil() is one thing, is_nil() tells; no other id is nil."""
    for name, kind in classes(ray).items():
        assert kind.nil().is_nil(), name
        assert kind.nil() == kind.nil()
        assert not kind(b"\x07" * SIZES[name]).is_nil()


@program()
def ids_are_equal_by_their_bytes(ray: ModuleType) -> None:
    """Surface 1: equality, hash, the way by hex and by bytes, and pickle; those of another class are others."""
    found = classes(ray)
    for name, kind in found.items():
        size = SIZES[name]
        one, other = kind(b"\x07" * size), kind(b"\x08" * size)
        assert one == kind(b"\x07" * size) and hash(one) == hash(kind(b"\x07" * size))
        assert one != other and len({one, other, kind(b"\x08" * size)}) == 2
        # Real Ray leaves it to subclasses, and these two have none of their own.
        if name not in ("UniqueID", "ObjectID", "ObjectRef"):
            assert kind.from_hex(one.hex()) == one
        assert one != one.binary() and one != one.hex()
        if name not in ("ObjectID", "ObjectRef"):
            assert pickle.loads(pickle.dumps(one)) == one
            assert name in repr(one) and one.hex() in repr(one)
    assert found["NodeID"](b"\x07" * 28) != found["WorkerID"](b"\x07" * 28)


@program()
def random_ids_differ(ray: ModuleType) -> None:
    """Surface 1: from_random()."""
    found = classes(ray)
    for name in ("UniqueID", "NodeID", "WorkerID", "FunctionID", "ActorClassID", "ObjectRef"):
        kind = found[name]
        assert len({kind.from_random() for _ in range(20)}) == 20, name


@program()
def jobs_are_numbered(ray: ModuleType) -> None:
    """Surface 1: JobID.from_int and int()."""
    for number in (1, 255, 70000):
        assert ray.JobID.from_int(number).int() == number
    assert ray.JobID.from_int(1).hex() == "01000000"


@program()
def ids_contain_those_they_hang_from(ray: ModuleType) -> None:
    """Surface 1: a call's id names its actor, an actor's its job, a ref its task and its job."""

    @ray.remote(num_cpus=0)
    class Actor:
        def ids(self):
            context = ray.get_runtime_context()
            return context.get_task_id(), context.get_actor_id(), context.get_job_id()

    @ray.remote
    def own():
        return ray.get_runtime_context().get_task_id()

    actor = Actor.remote()
    ref = actor.ids.remote()
    task, of_actor, job = ray.get(ref)
    assert ref.task_id().hex() == task
    assert ref.task_id().actor_id().hex() == of_actor
    assert ref.task_id().job_id().hex() == ref.job_id().hex() == job
    assert ray.ActorID.from_hex(of_actor).job_id.hex() == job
    assert actor._actor_id.hex() == actor._ray_actor_id.hex() == of_actor
    plain = own.remote()
    assert plain.task_id().hex() == ray.get(plain)
    assert plain.hex().startswith(plain.task_id().hex())
    job_id = ray.JobID.from_hex(job)
    assert ray.ActorID.of(job_id, ray.TaskID.nil(), 1).job_id == job_id
    assert ray.TaskID.for_driver_task(job_id).job_id() == job_id
    assert ray.TaskID.for_fake_task(job_id) != ray.TaskID.for_fake_task(job_id)


@program()
def a_ref_tells_little_else(ray: ModuleType) -> None:
    """Surface 3: owner_address, call_site and tensor_transport can be asked for; a ref can be made of its bytes."""
    ref = ray.put(1)
    assert isinstance(ref.owner_address(), bytes)
    assert isinstance(ref.call_site(), (str, bytes))
    assert ray.ObjectRef.from_binary(ref.binary()) == ref
    assert ray.ObjectRef.nil().is_nil()
    assert ray.ObjectID is ray.ObjectRef
    with pytest.raises(TypeError):
        ref < ref  # noqa: B015 - that it has no order is the point
