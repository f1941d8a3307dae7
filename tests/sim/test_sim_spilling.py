"""A store that is too small, in the simulator: the same decisions as on real processes, on a disk with a size and with faults."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from localray import sim
from localray.kernel.spilling import why_too_full
from localray.session import _session
from localray.sim.disk import VirtualDisk
from localray.sim.program import Report

STORE_BYTES = 80 << 20
MIB = 1 << 20


def disk() -> VirtualDisk:
    engine = _session.engine
    assert engine is not None
    return engine.host.store.disk  # type: ignore[attr-defined, no-any-return]


def run(program: Callable[[ModuleType], object], seed: int = 1) -> Report:
    report = sim.run(program, seed=seed, object_store_memory=STORE_BYTES)
    if report.error is not None:
        raise report.error
    return report


def blob(number: int, megabytes: int = 8) -> bytes:
    return bytes([number % 251]) * (megabytes * MIB)


def wait_until(ray: ModuleType, condition: Callable[[], bool]) -> None:
    import time

    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s, "never"
        time.sleep(0.1)


def test_three_times_the_store_is_read_back_and_nothing_is_left() -> None:
    def program(ray: ModuleType) -> None:
        refs = [ray.put(blob(number)) for number in range(30)]
        assert len(disk().paths) > 5
        for number, ref in enumerate(refs):
            assert ray.get(ref) == blob(number)
        del refs, ref
        wait_until(ray, lambda: not disk().paths)
        assert disk().used_bytes == 0

    assert run(program, 1).digest == run(program, 1).digest


def test_an_object_larger_than_the_store() -> None:
    def program(ray: ModuleType) -> None:
        length = ray.remote(lambda value: len(value))
        ref = ray.put(blob(1, 100))
        assert disk().used_bytes > 100 * MIB
        assert ray.get(length.remote(ref)) == 100 * MIB
        assert ray.get(ref)[-1] == 1

    run(program)


def test_a_full_disk_stops_the_writer_and_loses_nothing() -> None:
    def program(ray: ModuleType) -> None:
        disk().capacity_bytes = 60 * MIB
        refs = []
        with pytest.raises(ray.exceptions.OutOfDiskError, match="No space left on device"):
            for number in range(100):
                refs.append(ray.put(blob(number)))
        assert 9 < len(refs) < 20
        for number, ref in enumerate(refs):
            assert ray.get(ref) == blob(number)
        disk().capacity_bytes = None
        refs.append(ray.put(blob(7)))

    report = run(program)
    assert any("cannot be spilled" in notice for notice in report.notices)


@pytest.mark.parametrize(
    ("threshold", "available_bytes", "capacity_bytes", "why"),
    [
        (0.95, 6, 100, ""),
        # As in Ray, what is as full as that is too full.
        (0.75, 25, 100, "the file system is 75.0% full"),
        (0.75, 10, 100, "the file system is 90.0% full"),
        (0.0, 100, 100, "the file system is 0.0% full"),
        (0.95, 0, 0, "the file system is 100.0% full"),
        # Without a limit only the system itself refuses.
        (1.0, 0, 100, ""),
    ],
)
def test_how_full_a_file_system_may_be(threshold: float, available_bytes: int, capacity_bytes: int, why: str) -> None:
    told = why_too_full(threshold, available_bytes, capacity_bytes)
    assert told.startswith(why) and bool(told) == bool(why)
    assert not told or f"local_fs_capacity_threshold={threshold:g}" in told


def test_nothing_is_written_to_a_disk_that_is_fuller_than_it_may_be() -> None:
    import localray

    config = {"local_fs_capacity_threshold": 0.5}
    localray.init(engine="sim", seed=1, object_store_memory=STORE_BYTES, _system_config=config)
    try:
        disk().capacity_bytes = 300 * MIB
        large = [localray.put(blob(number, 100)) for number in range(2)]
        with pytest.raises(localray.exceptions.OutOfDiskError, match=r"66\.7% full.*local_fs_capacity_threshold=0\.5"):
            localray.put(blob(2, 99))
        assert [localray.get(each)[0] for each in large] == [0, 1]
        disk().capacity_bytes = 600 * MIB
        large.append(localray.put(blob(2, 99)))
    finally:
        localray.shutdown()


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_damaged_file_loses_its_objects_and_no_other(fault: str) -> None:
    def program(ray: ModuleType) -> None:
        length = ray.remote(lambda value: len(value))
        refs = [ray.put(blob(number)) for number in range(24)]
        path = disk().paths[0]
        if fault == "missing":
            disk().delete(path)
        else:
            disk().damage(path, 0)
        lost = []
        for number, ref in enumerate(refs):
            try:
                assert ray.get(ref) == blob(number)
            except ray.exceptions.ObjectLostError as error:
                assert path in str(error) and fault in str(error)
                lost.append(ref)
        assert len(lost) == (2 if fault == "missing" else 1)
        with pytest.raises(ray.exceptions.ObjectLostError, match=path):
            ray.get(length.remote(lost[0]))

    run(program)


def test_a_writer_that_is_killed_while_it_waits_leaves_nothing() -> None:
    def program(ray: ModuleType) -> None:
        import numpy as np

        @ray.remote
        class Writer:
            def write(self) -> object:
                return blob(1, 70)

        kept = [ray.get(ray.put(np.zeros(8 * MIB, dtype=np.uint8))) for _ in range(9)]
        writer = Writer.remote()
        ref = writer.write.remote()
        assert not ray.wait([ref], timeout=1)[0]
        ray.kill(writer)
        with pytest.raises(ray.exceptions.RayActorError):
            ray.get(ref)
        del kept
        wait_until(ray, lambda: not disk().paths)

    assert "actor Writer" in "".join(run(program).notices)


def test_each_node_has_a_store_of_its_own() -> None:
    def program(ray: ModuleType) -> None:
        @ray.remote
        def make(number: int) -> list[object]:
            return [ray.put(blob(number)), blob(number, 4)]

        for number, made in enumerate([make.remote(number) for number in range(30)]):
            inner, value = ray.get(made)
            assert value == blob(number, 4)
            assert ray.get(inner) == blob(number)
        engine = _session.engine
        assert engine is not None
        nodes = engine.host.kernel.tables.nodes.values()  # type: ignore[attr-defined]
        assert all(node.store.spilled_bytes for node in nodes)

    report = sim.run(program, seed=1, nodes=3, num_cpus=1, object_store_memory=STORE_BYTES)
    assert report.error is None, report.error
