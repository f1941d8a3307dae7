"""A task that does not yield: told of, stopped by Ctrl-C and by SIGTERM, an error where the simulation is strict."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import localray as ray
from localray import sim
from localray.sim import stuck
from localray.sim.search.case import Case, Settings, Target

ROOT = Path(__file__).resolve().parents[2]


def spins(ray: ModuleType) -> None:
    @ray.remote
    def spin() -> None:
        while True:
            pass

    ray.get(spin.remote(), timeout=3)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was told of tasks that do not yield."""
    texts: list[str] = []
    monkeypatch.setattr(stuck, "TOLD_AFTER_S", 0.2)
    when_told(monkeypatch, texts, lambda: None)
    return texts


def when_told(monkeypatch: pytest.MonkeyPatch, texts: list[str], act: Callable[[], object]) -> None:
    def tell(text: str) -> None:
        texts.append(text)
        act()

    monkeypatch.setattr(stuck, "_tell", tell)


def test_a_task_that_does_not_yield_is_told_of_while_it_runs(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    heard = sim.Shared(count=0)  # tasks get copies of everything else

    def hear() -> None:
        heard.count += 1

    when_told(monkeypatch, told, hear)

    def program(ray: ModuleType) -> None:
        @ray.remote
        def spin_until_told() -> int:
            while heard.count < 2:
                pass
            return 1

        @ray.remote
        class Sleeper:
            def sleep(self) -> int:
                for _ in range(1000):
                    os.sched_yield()
                return 2

        assert ray.get(spin_until_told.remote()) == 1
        assert ray.get(Sleeper.remote().sleep.remote()) == 2

    assert sim.run(program, seed=1).error is None
    assert len(told) == 2
    assert "spin_until_told has used 0.2 s of real time without yielding: it is at" in told[0]
    assert f"{__file__}:" in told[0]
    assert "has used 0.4 s" in told[1]


def test_ctrl_c_ends_it(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    when_told(monkeypatch, told, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt, match=r"spin does not yield: it is at .*test_sim_stuck"):
        sim.run(spins, seed=1)
    assert not ray.is_initialized()
    assert sim.run(lambda ray: ray.get(ray.put(1)), seed=1).error is None


def test_sigterm_ends_it_and_is_no_failure_of_the_program(
    told: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text("import ray\n@ray.remote\ndef spin():\n    while True: pass\nray.get(spin.remote())\n")
    when_told(monkeypatch, told, lambda: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ending:
            Case(Target(str(script)), Settings(), 1).run()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ending.value.code == signal.SIGTERM
    assert f"task spin has used 0.2 s of real time without yielding: it is at {script}:4" in told[0]


def test_a_strict_simulation_raises(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stuck, "RAISED_AFTER_S", 0.2)
    error = sim.run(spins, seed=1, strict=True).error
    assert isinstance(error, sim.NotSimulatedError)
    assert "spin has used 0.2 s of real time without yielding" in str(error)


IN_C = """
import _thread, os, signal
from localray import sim
from localray.sim import stuck

def program(ray):
    @ray.remote
    def wait():
        lock = _thread.allocate_lock()
        lock.acquire()
        lock.acquire()

    ray.get(wait.remote())

stuck.TOLD_AFTER_S, stuck._MOST_STOPS = 0.2, 2
stuck._tell = lambda text: os.kill(os.getpid(), signal.SIGTERM)
sim.run(program, seed=1)
"""


def test_what_cannot_be_stopped_ends_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_C], env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60, check=False
    )
    assert done.returncode == 143
