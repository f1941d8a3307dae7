"""What programs say must hold: `always`, `eventually`, what is left behind, and histories of actors."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

import localray
from localray import sim
from localray.sim.history import Call


class Register:
    """What an actor that keeps a number should be like."""

    def __init__(self) -> None:
        self.value = 0

    def read(self) -> int:
        return self.value

    def write(self, value: int) -> None:
        self.value = value

    def add(self, value: int) -> int:
        self.value += value
        return self.value


def test_always_ends_the_run_when_it_does_not_hold() -> None:
    def program(ray: ModuleType) -> None:
        seen = sim.Shared(running=0)

        @ray.remote(num_cpus=0.5)
        def task() -> None:
            import time

            seen.running += 1
            time.sleep(1)
            seen.running -= 1

        sim.always(lambda: seen.running <= 2, "at most two at a time")
        ray.get([task.remote() for _ in range(4)])

    error = sim.run(program, seed=1, num_cpus=2).error
    assert isinstance(error, sim.CheckFailedError)
    assert "at most two at a time did not hold at" in str(error)
    assert sim.run(program, seed=1, num_cpus=1).error is None


@pytest.mark.parametrize("within_s", [5, None])
def test_eventually(within_s: float | None) -> None:
    def program(ray: ModuleType) -> None:
        import time

        started_s = time.monotonic()
        for soon in (2, 50):
            sim.eventually(lambda soon=soon: ray.is_initialized() and time.monotonic() > started_s + soon, f"{soon} s", within_s=within_s)
        for _ in range(10):
            time.sleep(1)
            ray.get(ray.put(1))

    error = sim.run(program, seed=1).error
    assert isinstance(error, sim.CheckFailedError)
    assert str(error).startswith("50 s has not come true")


def test_what_is_left_behind_and_alike_is_one_line() -> None:
    kept = []

    def program(ray: ModuleType) -> None:
        class Account:
            def keep(self, refs: object) -> None:
                self.refs = refs

        def long() -> None:
            import time

            time.sleep(1000)

        kept.extend(ray.remote(Account).options(num_cpus=0).remote() for _ in range(7))
        ray.get(kept[0].keep.remote([ray.put(number) for number in range(5)]))
        for _ in range(10):
            ray.remote(long).remote()

    lines = str(sim.run(program, seed=1, check_left_behind=True).error).splitlines()[1:]
    driver = next(line for line in lines if "actor" in line).partition("held by ")[2].removesuffix(" (7 of them)")
    name = "test_what_is_left_behind_and_alike_is_one_line.<locals>.program.<locals>"
    assert driver.startswith("driver ")
    assert [line.strip().replace(f"{name}.", "") for line in lines[:-1]] == [
        "task long runs (2 of them)",
        "task long waits for a worker (8 of them)",
        f"actor Account is alive, held by {driver} (7 of them)",
    ]
    assert re.search(r"object [0-9a-f]+ of \d bytes, held by actor Account \(worker \d\) \(5 of them\)$", lines[-1])


def test_what_a_program_leaves_behind() -> None:
    kept = []

    def program(ray: ModuleType) -> None:
        kept.append(ray.put(bytes(300_000)))

    error = sim.run(program, seed=1, check_left_behind=True).error
    assert isinstance(error, sim.LeftBehindError)
    assert re.search(r"object [0-9a-f]+ of 300\d{3} bytes, held by driver \d+$", str(error))
    assert sim.run(lambda ray: ray.get(ray.put(1)), seed=1, check_left_behind=True).error is None


def test_a_history_of_an_actor_is_linearizable_under_faults() -> None:
    def program(ray: ModuleType) -> None:
        actor = ray.remote(Register).options(max_concurrency=3).remote()
        history = sim.History(Register)

        @ray.remote
        def client(number: int) -> None:
            for step in range(3):
                history.call(actor, "write", 10 * number + step)
                history.call(actor, "read")

        ray.get([client.remote(number) for number in range(3)])
        assert len(history.calls) == 18
        history.check()

    for seed in range(5):
        report = sim.run(program, seed=seed, num_cpus=4, faults="delay_messages:probability=0.2,times=0")
        assert report.error is None, report.error


def test_a_lost_update_is_found() -> None:
    """An actor whose calls interleave between reading and writing."""

    def program(ray: ModuleType) -> None:
        import time

        class Careless(Register):
            def add(self, value: int) -> int:
                before = self.value
                time.sleep(0.001)
                self.value = before + value
                return self.value

        actor = ray.remote(Careless).options(max_concurrency=2).remote()
        history = sim.History(Register)
        client = ray.remote(lambda: history.call(actor, "add", 1))
        ray.get([client.remote() for _ in range(4)])
        history.check()

    errors = [sim.run(program, seed=seed, num_cpus=4).error for seed in range(5)]
    assert any(isinstance(error, sim.CheckFailedError) and "not linearizable" in str(error) for error in errors)


def test_calls_of_which_nobody_knows_whether_they_were_done() -> None:
    history = sim.History(Register)
    history.calls = [Call("write", (1,), 1), Call("read", (), 2, 3, 1, is_known=True)]
    history.check()
    history.calls = [Call("write", (1,), 1), Call("read", (), 2, 3, 0, is_known=True), Call("read", (), 4, 5, 1, is_known=True)]
    history.check()
    history.calls = [Call("write", (1,), 1), Call("read", (), 2, 3, 1, is_known=True), Call("read", (), 4, 5, 0, is_known=True)]
    with pytest.raises(sim.CheckFailedError, match="read\\(\\) -> 0"):
        history.check()


def test_a_cluster_in_hand() -> None:
    with sim.Cluster(["2x2cpu", {"num_cpus": 1, "labels": {"zone": "b"}}], seed=7, check_left_behind=True) as cluster:
        assert len(localray.nodes()) == 3
        joined = cluster.add_node(sim.SimulatedNode(num_cpus=3))
        assert localray.cluster_resources()["CPU"] == 8
        cluster.remove_node(joined)
        assert localray.cluster_resources()["CPU"] == 5
        digest = cluster.digest
    assert not localray.is_initialized()
    with sim.Cluster(["2x2cpu", {"num_cpus": 1, "labels": {"zone": "b"}}], seed=7) as cluster:
        assert len(localray.nodes()) == 3
        joined = cluster.add_node(sim.SimulatedNode(num_cpus=3))
        assert localray.cluster_resources()["CPU"] == 8
        cluster.remove_node(joined)
        assert localray.cluster_resources()["CPU"] == 5
        assert cluster.digest == digest
    with pytest.raises(ZeroDivisionError), sim.Cluster():
        _ = 1 / 0
    assert not localray.is_initialized()
