"""Modelled tasks: they take their time and no memory, on slow nodes longer, and go wrong like others."""

from __future__ import annotations

from types import ModuleType

import pytest

from localray import sim
from localray.faults import Fault, Phase, Rule
from localray.sim.schedule import PLAIN


def run(program: object, **options: object) -> sim.Report:
    report = sim.run(program, seed=3, **options)  # type: ignore[arg-type]
    if report.error is not None:
        raise report.error
    return report


def test_modelled_tasks_take_their_time_and_go_with_others() -> None:
    def program(ray: ModuleType) -> None:
        import time

        @ray.remote
        def size(value: object) -> int:
            return len(value)  # type: ignore[arg-type]

        small, large = sim.task(duration=2.0), sim.task(duration=1.0, output_size=10**8)
        started_s = time.monotonic()
        ray.get([small.remote() for _ in range(4)])
        assert 4.0 <= time.monotonic() - started_s < 4.5
        made = [large.remote(ray.put(1)) for _ in range(5)]
        assert ray.get([size.remote(each) for each in made]) == [10**8] * 5
        assert len(ray.get(made[0])) == 10**8
        assert len(ray.get(large.remote(*made))) == 10**8

    report = run(program, num_cpus=2, object_store_memory=350_000_000)
    assert 6 < report.virtual_time_s < 20


def test_durations_are_each_tasks_own_whatever_happens_else() -> None:
    def program(ray: ModuleType) -> None:
        work = sim.task(duration=lambda dice: dice.uniform(1, 2), num_cpus=1)
        ray.get([work.remote() for _ in range(20)])

    one, other = (run(program, nodes="20cpu", schedule=schedule).virtual_time_s for schedule in (None, PLAIN))
    assert one == pytest.approx(other, rel=0.05)
    assert run(program, nodes="20cpu+speed=0.5").virtual_time_s == pytest.approx(2 * one, rel=0.05)


@pytest.mark.parametrize("phase", list(Phase))
def test_a_worker_dies_with_a_modelled_task(phase: Phase) -> None:
    def program(ray: ModuleType) -> None:
        work = sim.task(duration=1.0, output_size=200_000, max_retries=-1)
        assert [len(value) for value in ray.get([work.remote() for _ in range(6)])] == [200_000] * 6

    report = run(program, faults=Rule(Fault.KILL_WORKER, phase=phase, nth=2, by_s=2.0))
    assert sum(report.fault_counts.values()) == 1


def test_a_modelled_task_is_cancelled() -> None:
    def program(ray: ModuleType) -> None:
        import time

        reference = sim.task(duration=5.0).remote()
        time.sleep(1)
        ray.cancel(reference)
        with pytest.raises(ray.exceptions.TaskCancelledError):
            ray.get(reference)

    run(program)


def test_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="negative"):
        sim.task(duration=-1)
