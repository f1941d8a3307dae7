"""A process dies in each phase of the life of a task and of an actor, on real processes and in the simulation: what was
promised comes all the same. The table in docs/fault-tolerance.md names these tests.

On processes the death is a SIGKILL. In each test it happens once: a directory that is made says that it has.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import localray as ray
from localray import chaos
from localray.leaks import check_no_leaks, mark_environment, take_snapshot

DEADLINE_S = 60
LARGE = 50_000


class Session(NamedTuple):
    """A session, and the place of the mark that somebody has died in it."""

    engine: str
    mark: str

    @property
    def has_died(self) -> bool:
        return Path(self.mark).is_dir()


@pytest.fixture(params=["processes", "sim"])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    mark_environment()
    gc.collect()
    before = take_snapshot()
    ray.init(num_cpus=2, engine=request.param, **({"seed": 0} if request.param == "sim" else {}))
    yield Session(request.param, str(tmp_path / "died"))
    assert ray.get(ray.remote(lambda: "alive").remote(), timeout=DEADLINE_S) == "alive"
    ray.shutdown()
    check_no_leaks(before)


def die_once(session: Session) -> None:
    """End the process at once, the first time that anybody comes here."""
    try:
        Path(session.mark).mkdir()
    except FileExistsError:
        return
    if session.engine == "sim":
        os._exit(1)
    os.kill(os.getpid(), signal.SIGKILL)


class DeadlyToPickle:
    """Ends the process that pickles it."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def __reduce__(self) -> tuple[Any, ...]:
        die_once(self.session)
        return DeadlyToPickle, (self.session,)


class DeadlyToUnpickle:
    """Ends the process that unpickles it."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def __reduce__(self) -> tuple[Any, ...]:
        return revive, (self.session,)


def revive(session: Session) -> DeadlyToUnpickle:
    die_once(session)
    return DeadlyToUnpickle(session)


def worker_of(name: str) -> Any:
    """A task that tells which process it runs in."""
    return ray.remote(lambda: (name, os.getpid())).options(max_retries=1)


# ---------------------------------------------------------------- tasks


def test_while_a_task_is_pickled(session: Session) -> None:
    """Its submitter dies, which is a task itself."""

    @ray.remote
    def inner(deadly: DeadlyToPickle) -> str:
        return "inner"

    @ray.remote(max_retries=1)
    def outer() -> str:
        result: str = ray.get(inner.remote(DeadlyToPickle(session)))
        return f"outer of {result}"

    assert ray.get(outer.remote(), timeout=DEADLINE_S) == "outer of inner"
    assert session.has_died


def test_while_a_task_is_sent(session: Session) -> None:
    """Its worker dies before it has looked at it."""
    if session.engine == "sim":
        with chaos.unleash("kill_worker:phase=before,nth=1") as deaths:
            assert ray.get(worker_of("x").remote(), timeout=DEADLINE_S)[0] == "x"
        assert len(deaths.happened) == 1
        return
    _, process = ray.get(worker_of("warm").remote(), timeout=DEADLINE_S)
    os.kill(process, signal.SIGSTOP)
    refs = [worker_of("x").remote() for _ in range(2)]
    # One of the two is sent to the worker that does not move.
    ray.wait(refs, num_returns=2, timeout=0.2)
    os.kill(process, signal.SIGKILL)
    answers = ray.get(refs, timeout=DEADLINE_S)
    assert [name for name, _ in answers] == ["x", "x"]
    assert process not in [each for _, each in answers]


def test_while_a_task_is_started(session: Session) -> None:
    """Its arguments are being unpickled."""

    @ray.remote(max_retries=1)
    def use(deadly: DeadlyToUnpickle) -> str:
        return type(deadly).__name__

    assert ray.get(use.remote(DeadlyToUnpickle(session)), timeout=DEADLINE_S) == "DeadlyToUnpickle"
    assert session.has_died


def test_while_a_task_runs(session: Session) -> None:
    @ray.remote(max_retries=1)
    def run() -> str:
        die_once(session)
        return "run"

    assert ray.get(run.remote(), timeout=DEADLINE_S) == "run"
    assert session.has_died


def test_while_what_a_task_returns_is_stored(session: Session) -> None:
    """The first of two returns has its place in the store, the other is being pickled."""

    @ray.remote(max_retries=1, num_returns=2)
    def make() -> tuple[np.ndarray, DeadlyToPickle]:
        return np.arange(LARGE), DeadlyToPickle(session)

    array, _ = ray.get(list(make.remote()), timeout=DEADLINE_S)
    assert array.sum() == np.arange(LARGE).sum()
    assert session.has_died
    del array, _
    wait_for_an_empty_store()


def test_while_a_task_is_answered(session: Session) -> None:
    """The answer is on its way, or just there: it holds, what is in the store included."""

    @ray.remote(max_retries=1)
    def make() -> tuple[int, np.ndarray]:
        return os.getpid(), np.arange(LARGE)

    if session.engine == "sim":
        with chaos.unleash("kill_worker:phase=replied,nth=1") as deaths:
            assert ray.get(make.remote(), timeout=DEADLINE_S)[1].sum() == np.arange(LARGE).sum()
            assert ray.get(make.remote(), timeout=DEADLINE_S)[1].sum() == np.arange(LARGE).sum()
        assert len(deaths.happened) == 1
        return
    process, array = ray.get(make.remote(), timeout=DEADLINE_S)
    os.kill(process, signal.SIGKILL)
    again = ray.get(make.remote(), timeout=DEADLINE_S)
    assert again[0] != process
    assert array.sum() == again[1].sum() == np.arange(LARGE).sum()


def test_while_what_a_task_needed_is_freed(session: Session) -> None:
    """A reader dies with a view on what nobody refers to any more: its bytes are free then."""

    @ray.remote(num_cpus=0)
    class Reader:
        def read(self, array: np.ndarray) -> int:
            self.view = array
            return int(array.sum())

        def die(self) -> None:
            die_once(session)

    reader = Reader.remote()
    assert ray.get(reader.read.remote(ray.put(np.arange(LARGE))), timeout=DEADLINE_S) == np.arange(LARGE).sum()
    assert not store_is_empty()
    with pytest.raises(ray.exceptions.ActorDiedError):
        ray.get(reader.die.remote(), timeout=DEADLINE_S)
    wait_for_an_empty_store()


def store_is_empty() -> bool:
    name = "object_store_memory"
    gc.collect()
    return bool(ray.available_resources().get(name) == ray.cluster_resources()[name])


def wait_for_an_empty_store() -> None:
    give_up_at_s = time.monotonic() + DEADLINE_S
    while not store_is_empty():
        assert time.monotonic() < give_up_at_s
        time.sleep(0.01)


# ---------------------------------------------------------------- actors


def make_counter(session: Session, dies_in: str) -> Any:
    """A checkpointed counter that dies once, in one of its phases."""

    @ray.remote(num_cpus=0, max_restarts=2, max_task_retries=2)
    class Counter:
        def __init__(self) -> None:
            self.count = 0
            self.enter("constructor")

        def enter(self, phase: str) -> None:
            if phase == dies_in:
                die_once(session)

        def add(self) -> int:
            self.count += 1
            self.enter("call")
            return self.count

        def crash(self) -> None:
            if not Path(session.mark + "2").is_dir():
                die_once(session._replace(mark=session.mark + "2"))

        def checkpoint(self) -> int:
            if self.count == 2:
                self.enter("checkpoint")
            return self.count

        def restore(self, count: int) -> None:
            self.count = count
            self.enter("restore")

    return Counter.remote()


@pytest.mark.parametrize("phase", ["constructor", "call", "checkpoint"])
def test_while_an_actor_is_created_called_checkpointed(session: Session, phase: str) -> None:
    counter = make_counter(session, phase)
    assert [ray.get(counter.add.remote(), timeout=DEADLINE_S) for _ in range(4)] == [1, 2, 3, 4]
    assert session.has_died


def test_while_an_actor_is_restored(session: Session) -> None:
    counter = make_counter(session, "restore")
    assert [ray.get(counter.add.remote(), timeout=DEADLINE_S) for _ in range(3)] == [1, 2, 3]
    ray.get(counter.crash.remote(), timeout=DEADLINE_S)
    assert session.has_died
    assert ray.get(counter.add.remote(), timeout=DEADLINE_S) == 4
