"""Workers die by rules of faults, or are stopped: programs whose tasks may be retried do not notice."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import ModuleType

import pytest

from localray import chaos
from localray.exceptions import WorkerCrashedError

DEADLINE_S = 60


@pytest.mark.parametrize("seed", range(3))
def test_a_tree_of_tasks_survives_the_deaths_of_its_workers(ray: ModuleType, seed: int) -> None:
    @ray.remote(max_retries=-1)
    def total(low: int, high: int) -> int:
        if high - low < 8:
            time.sleep(0.01)
            return sum(range(low, high))
        middle = (low + high) // 2
        return sum(ray.get([total.remote(low, middle), total.remote(middle, high)]))

    with chaos.unleash("kill_worker:probability=0.3,times=20,by_s=0.01", seed=seed) as havoc:
        assert ray.get(total.remote(0, 200), timeout=DEADLINE_S) == sum(range(200))
    assert havoc.happened


def test_large_results_survive_too(ray: ModuleType) -> None:
    @ray.remote(max_retries=-1)
    def double(value: bytes) -> bytes:
        time.sleep(0.01)
        return value[: len(value) // 2] * 2

    with chaos.unleash("kill_worker:probability=0.5,times=10,by_s=0.01") as havoc:
        refs = [ray.put(bytes([number]) * 200_000) for number in range(10)]
        for _ in range(3):
            refs = [double.remote(ref) for ref in refs]
        for number, ref in enumerate(refs):
            assert ray.get(ref, timeout=DEADLINE_S) == bytes([number]) * 200_000
    assert havoc.happened


@pytest.mark.parametrize("seed", range(2))
def test_results_survive_the_deaths_of_nodes(seed: int) -> None:
    """What a dead node's store had is made again, with what that takes, while others die."""
    import localray as ray
    from localray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    ray.init(address=cluster.address)
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)

        @ray.remote(max_retries=-1)
        def grow(value: bytes) -> bytes:
            time.sleep(0.02)
            return value + value[:1]

        faults = "crash_node:probability=0.03,times=4,returns_s=0.2;kill_worker:probability=0.1,times=5,by_s=0.02"
        with chaos.unleash(faults, seed=seed, cluster=cluster, new_node={"num_cpus": 1}) as havoc:
            refs = [ray.put(bytes([number]) * 200_000) for number in range(10)]
            for _ in range(4):
                refs = [grow.remote(ref) for ref in refs]
            for number, ref in enumerate(refs):
                assert ray.get(ref, timeout=DEADLINE_S) == bytes([number]) * 200_004
        assert any("node" in each.text for each in havoc.happened)
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_rules_that_real_processes_cannot_follow_are_refused(ray: ModuleType) -> None:
    for faults in ("delay_messages", "kill_worker:phase=after", "crash_node:probability=0.1"):
        with pytest.raises(ValueError, match=faults.partition(":")[0]), chaos.unleash(faults):
            pass


def test_a_stopped_worker_is_found_and_its_task_runs_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import localray as ray

    monkeypatch.setenv("LOCALRAY_FROZEN_WORKER_TIMEOUT_S", "0.5")
    with ray.init(num_cpus=2):

        @ray.remote
        def freezes_once(marker: str) -> str:
            if not Path(marker).exists():
                Path(marker).touch()
                os.kill(os.getpid(), signal.SIGSTOP)
            return "awake"

        @ray.remote(max_retries=0)
        def freezes() -> None:
            os.kill(os.getpid(), signal.SIGSTOP)

        assert ray.get(freezes_once.remote(str(tmp_path / "marker")), timeout=DEADLINE_S) == "awake"
        with pytest.raises(WorkerCrashedError, match="SIGSTOP"):
            ray.get(freezes.remote(), timeout=DEADLINE_S)
