"""Surface 6: `ray.util.collective` on numpy arrays. Real Ray's needs torch or NCCL, which its environment here lacks."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ..helpers import module_of
from ..registry import NOT_JUDGED, program

_REASON = "real Ray's groups need torch or NCCL"


def _members(ray: ModuleType, count: int, join: bool = True) -> list[Any]:
    name = f"{ray.__name__}.util.collective"

    @ray.remote(num_cpus=0)
    class Member:
        def __init__(self, rank: int) -> None:
            import importlib

            self.collective = importlib.import_module(name)
            self.types = importlib.import_module(f"{name}.types")
            if join:
                self.collective.init_collective_group(count, rank, backend="gloo", group_name="default", gloo_timeout=10_000)
            self.rank = rank

        def call(self, operation: str, *args: Any, op: str | None = None, **kwargs: Any) -> Any:
            """Calls an operation; arrays are copied, since arguments can't be written to; returns them."""
            import numpy

            args = tuple(
                [each.copy() for each in value] if isinstance(value, list) else value.copy()
                if isinstance(value, numpy.ndarray) else value
                for value in args
            )
            if op is not None:
                kwargs["op"] = self.types.ReduceOp[op]
            getattr(self.collective, operation)(*args, **kwargs)
            return args[0] if args else None

        def facts(self) -> tuple[bool, int, int]:
            collective = self.collective
            return (
                collective.is_group_initialized("default"),
                collective.get_rank(),
                collective.get_collective_group_size(),
            )

    return [Member.remote(rank) for rank in range(count)]


def _raises(kind: type[BaseException], function: Any, *args: Any, **kwargs: Any) -> str:
    try:
        function(*args, **kwargs)
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__}")


@program(engines=NOT_JUDGED, reason=_REASON)
def collective_reductions(ray: ModuleType) -> None:
    """Collective: allreduce with each operation, reduce to one rank."""
    import numpy

    members = _members(ray, 3)
    arrays = [numpy.arange(4.0) + rank for rank in range(3)]
    for op, expected in (
        (None, sum(arrays)),
        ("PRODUCT", arrays[0] * arrays[1] * arrays[2]),
        ("MIN", arrays[0]),
        ("MAX", arrays[2]),
    ):
        for result in ray.get([each.call.remote("allreduce", a, op=op) for each, a in zip(members, arrays, strict=True)]):
            assert numpy.array_equal(result, expected), (op, result)
    results = ray.get([each.call.remote("reduce", a, dst_rank=1) for each, a in zip(members, arrays, strict=True)])
    for rank, result in enumerate(results):
        assert numpy.array_equal(result, sum(arrays) if rank == 1 else arrays[rank])


@program(engines=NOT_JUDGED, reason=_REASON)
def collective_distributions(ray: ModuleType) -> None:
    """Collective: broadcast, allgather, reducescatter, barrier."""
    import numpy

    members = _members(ray, 2)
    arrays = [numpy.full(3, rank + 1.0) for rank in range(2)]
    for result in ray.get([each.call.remote("broadcast", a, 1) for each, a in zip(members, arrays, strict=True)]):
        assert numpy.array_equal(result, arrays[1])
    empty = [numpy.zeros(3), numpy.zeros(3)]
    for result in ray.get([each.call.remote("allgather", empty, a) for each, a in zip(members, arrays, strict=True)]):
        assert numpy.array_equal(result, arrays)
    results = ray.get([each.call.remote("reducescatter", empty[0], [a, 10 * a]) for each, a in zip(members, arrays, strict=True)])
    assert numpy.array_equal(results[0], numpy.full(3, 3.0)) and numpy.array_equal(results[1], numpy.full(3, 30.0))
    ray.get([each.call.remote("barrier") for each in members])


@program(engines=NOT_JUDGED, reason=_REASON)
def collective_letters(ray: ModuleType) -> None:
    """Collective: send and recv keep their order."""
    import numpy

    first, second = _members(ray, 2)
    for number in range(3):
        ray.get(first.call.remote("send", numpy.full(2, float(number)), 1))
    for number in range(3):
        assert ray.get(second.call.remote("recv", numpy.zeros(2), 0))[0] == number
    waiting = first.call.remote("recv", numpy.zeros(2), 1)
    ray.get(second.call.remote("send", numpy.ones(2), 0))
    assert ray.get(waiting)[0] == 1
    assert "is self" in _raises(RuntimeError, ray.get, first.call.remote("send", numpy.ones(2), 0))


@program(engines=NOT_JUDGED, reason=_REASON)
def collective_groups_declared_by_the_driver(ray: ModuleType) -> None:
    """Collective: `create_collective_group` from outside; ranks are as declared; a group can be ended and made anew."""
    import numpy

    collective = module_of(ray, "util.collective")
    members = _members(ray, 2, join=False)
    assert ray.get(members[0].facts.remote()) == (False, -1, -1)
    for ranks in ([1, 0], [0, 1]):
        collective.create_collective_group(members, 2, ranks, backend="gloo")
        arrays = [numpy.full(2, 1.0), numpy.full(2, 2.0)]
        results = ray.get([each.call.remote("broadcast", a) for each, a in zip(members, arrays, strict=True)])
        assert [result[0] for result in results] == [arrays[ranks.index(0)][0]] * 2
        assert [ray.get(each.facts.remote()) for each in members] == [(True, rank, 2) for rank in ranks]
        _raises(RuntimeError, collective.create_collective_group, members, 2, ranks, backend="gloo")
        ray.get([each.call.remote("destroy_collective_group") for each in members])
    _raises(RuntimeError, collective.create_collective_group, members, 2, [0, 0], backend="gloo")
    _raises(RuntimeError, collective.create_collective_group, members, 2, [0], backend="gloo")


@program(engines=NOT_JUDGED, reason=_REASON)
def collective_mistakes(ray: ModuleType) -> None:
    """Collective: on a driver, without a group, with NCCL, out of step."""
    import numpy

    collective = module_of(ray, "util.collective")
    assert not collective.nccl_available() and collective.is_backend_available("gloo")
    _raises(RuntimeError, collective.init_collective_group, 2, 0, backend="gloo")
    _raises(RuntimeError, collective.allreduce, numpy.zeros(1))
    _raises(ValueError, collective.is_backend_available, "mpi")
    [alone] = _members(ray, 1, join=False)
    assert "not initialized" in _raises(RuntimeError, ray.get, alone.call.remote("barrier"))
    assert "gloo" in _raises(RuntimeError, ray.get, alone.call.remote("init_collective_group", 1, 0))
    one, two = _members(ray, 2)
    calls = [one.call.remote("allreduce", numpy.zeros(1)), two.call.remote("barrier")]
    ready, _ = ray.wait(calls)
    assert "same operations" in _raises(RuntimeError, ray.get, ready[0])
    ray.kill(one)
