"""Same seed, same run: in one process, in a fresh one, under another hash seed; other seeds, other interleavings."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import importlib
import os
import random
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import ModuleType

import pytest

import localray
from localray import sim

SEEDS = range(12)


def mixed_program(ray: ModuleType) -> None:
    """Tasks, nested gets, all three kinds of actors, puts large and small, sleeps, timeouts, randomness, sets."""

    @ray.remote
    def leaf(number: int) -> int:
        time.sleep(random.random())
        return number

    @ray.remote
    def parent(count: int) -> int:
        return sum(ray.get([leaf.remote(number) for number in range(count)]))

    @ray.remote
    class Serial:
        def __init__(self) -> None:
            self.seen: set[str] = set()

        def add(self, text: str) -> int:
            self.seen.add(text)
            return len(self.seen)

        def all(self) -> set[str]:
            return self.seen

    @ray.remote(max_concurrency=3)
    class Threaded:
        def nap(self, number: int) -> int:
            time.sleep(0.01 * number)
            return ray.get(leaf.remote(number))

    @ray.remote
    class Asynchronous:
        async def nap(self, number: int) -> int:
            await asyncio.sleep(0.01 * number)
            return await leaf.remote(number)

    serial, threaded, asynchronous = Serial.remote(), Threaded.remote(), Asynchronous.remote()
    sums = [parent.remote(count) for count in range(4)]
    counted = [serial.add.remote(uuid.uuid4().hex) for _ in range(5)]
    naps = [handle.nap.remote(number) for handle in (threaded, asynchronous) for number in range(4)]
    ready, rest = ray.wait(naps, num_returns=3, timeout=0.5)
    assert len(ready) + len(rest) == 8
    assert ray.get(sums) == [0, 0, 1, 3]
    assert ray.get(counted) == [1, 2, 3, 4, 5]
    assert ray.get(naps) == [0, 1, 2, 3] * 2
    assert len(ray.get(serial.all.remote())) == 5
    assert len(ray.get(ray.put(bytes(200_000)))) == 200_000


def order_program(ray: ModuleType) -> None:
    """Says in which order equal tasks reached an actor."""

    @ray.remote(num_cpus=0)
    class Recorder:
        def __init__(self) -> None:
            self.kept: list[int] = []

        def add(self, item: int) -> None:
            self.kept.append(item)

        def items(self) -> list[int]:
            return self.kept

    @ray.remote
    def tell(recorder: object, item: int) -> None:
        ray.get(recorder.add.remote(item))  # type: ignore[attr-defined]

    recorder = Recorder.remote()
    ray.get([tell.remote(recorder, item) for item in range(6)])
    raise ReportedOrder(ray.get(recorder.items.remote()))


class ReportedOrder(Exception):
    """Carries what a program found out."""


def test_the_same_seed_gives_the_same_run_in_one_process() -> None:
    reports = [sim.run(mixed_program, seed=7, keep_trace=True) for _ in range(3)]
    for report in reports:
        assert report.error is None
        assert report.trace == reports[0].trace
        assert report == reports[0]
    assert reports[0].steps > 100


def test_a_thread_pool_ends_in_the_order_in_which_it_began() -> None:
    def program(ray: ModuleType) -> None:
        @ray.remote
        def parent() -> list[int]:
            with concurrent.futures.ThreadPoolExecutor(3) as pool:
                return list(pool.map(lambda number: ray.get(ray.put(number)), range(6)))

        assert ray.get(parent.remote()) == list(range(6))

    for seed in range(8):
        reports = [sim.run(program, seed=seed) for _ in range(2)]
        assert reports[0].error is None
        assert reports[0].digest == reports[1].digest


def test_other_sessions_before_do_not_matter() -> None:
    alone = sim.run(mixed_program, seed=3)
    for seed in (1, 2):
        sim.run(order_program, seed=seed)
    random.random()
    gc.collect()
    assert sim.run(mixed_program, seed=3) == alone


def references_program(ray: ModuleType) -> None:
    """A value with a set of references in it, and what is drawn from the system's entropy."""
    references = {ray.put(number) for number in range(6)}
    assert sorted(ray.get(list(ray.get(ray.put(references))))) == list(range(6))
    for number in os.urandom(4):
        ray.put(number)


@pytest.mark.parametrize("program", ["mixed_program", "references_program"])
def test_the_same_seed_gives_the_same_run_in_fresh_processes(program: str) -> None:
    root = str(Path(__file__).resolve().parent.parent.parent)
    code = (
        f"from tests.sim.test_sim_determinism import {program}; from localray import sim; "
        f"report = sim.run({program}, seed=7); assert report.error is None; print(report.digest)"
    )
    # Not compared with a run in here: pytest has rewritten its asserts, which keep references longer.
    digests = set()
    # Neither hashes nor what was imported before may decide.
    for hash_seed, before in (("0", ""), ("1", "import numpy.random; "), ("31337", "import uuid, secrets; ")):
        done = subprocess.run(
            [sys.executable, "-c", before + code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": root},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1


def test_seeds_differ_in_their_runs() -> None:
    reports = [sim.run(mixed_program, seed=seed) for seed in SEEDS]
    assert [report.error for report in reports] == [None] * len(SEEDS)
    assert len({report.digest for report in reports}) == len(SEEDS)


def test_seeds_differ_in_the_order_of_things() -> None:
    orders = set()
    for seed in SEEDS:
        error = sim.run(order_program, seed=seed).error
        assert isinstance(error, ReportedOrder)
        assert sorted(error.args[0]) == list(range(6))
        orders.add(tuple(error.args[0]))
    assert len(orders) >= len(SEEDS) // 2


def test_the_programs_randomness_is_the_seeds_and_is_put_back() -> None:
    drawn: list[tuple[float, bytes, str, float]] = []

    def program(ray: ModuleType) -> None:
        drawn.append((random.random(), os.urandom(8), uuid.uuid4().hex, random.Random().random()))

    random.seed(5)
    expected = random.Random(5).random()
    for seed in (1, 1, 2):
        assert sim.run(program, seed=seed).error is None
    assert drawn[0] == drawn[1]
    assert all(one != two for one, two in zip(drawn[1], drawn[2], strict=True))
    assert random.random() == expected
    assert os.urandom(8) != drawn[0][1]


def test_a_class_is_not_taken_for_another_of_a_session_before_with_the_same_seed() -> None:
    ray = localray

    @ray.remote
    class Account:
        def who(self) -> str:
            return "account"

    @ray.remote
    class Other:
        def who(self) -> str:
            return "account"

    for actor in (Other, Account, Account):
        with sim.Cluster("2cpu", seed=0):
            assert ray.get(actor.remote().who.remote()) == "account"
    with sim.Cluster("2cpu", seed=0):

        @ray.remote
        class Outer:
            def __init__(self) -> None:
                self.inner = Account.remote()

            def who(self) -> str:
                return "outer"

            def who_is_inner(self) -> str:
                return ray.get(self.inner.who.remote())

        assert ray.get(Outer.remote().who_is_inner.remote()) == "account"


def test_what_is_drawn_after_a_class_was_sent_does_not_depend_on_sessions_before() -> None:
    class Value:
        pass

    drawn: list[str] = []

    def program(ray: ModuleType) -> None:
        ray.get(ray.put(Value()))
        drawn.append(uuid.uuid4().hex)

    for _ in range(2):
        assert sim.run(program, seed=0).error is None
    assert drawn[0] == drawn[1]


def test_what_is_drawn_does_not_depend_on_what_was_imported_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "draws_when_imported.py").write_text("import random, uuid\nDICE, TOKEN = random.Random(), uuid.uuid4()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    drawn: list[str] = []

    def program(ray: ModuleType) -> None:
        importlib.import_module("draws_when_imported")
        drawn.append(uuid.uuid4().hex)

    for _ in range(2):
        assert sim.run(program, seed=0).error is None
    del sys.modules["draws_when_imported"]
    assert drawn[0] == drawn[1]
