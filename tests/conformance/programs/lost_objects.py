"""Objects whose values are lost after they were made: made again by their tasks, or an error that says why not."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ..helpers import wait_until
from ..registry import Engine, program

ON_PROCESSES = (Engine.PROCESSES,)
UNJUDGED = "files are damaged, for whose objects real Ray waits for ever; lost_with_nodes has what it can judge"
MIB = 1 << 20


class Session:
    """A session that spills into a directory of its own, and what its tasks note there."""

    def __init__(self, ray: ModuleType, directory: str) -> None:
        self.ray = ray
        self.spilled = Path(directory) / "spilled"
        self.notes = Path(directory) / "notes"
        self.spilled.mkdir()
        self.notes.mkdir()
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=80 * MIB,
            object_spilling_directory=str(self.spilled),
            _system_config={"min_spilling_size": 1},
        )

    def lose(self) -> None:
        """Fill the store, so that what was in it goes to disk, and delete that."""
        filling = self.ray.put(np.zeros(76 * MIB, dtype=np.uint8))
        wait_until(lambda: bool(self.files()), "something is spilled")
        for path in self.files():
            path.unlink()
        del filling

    def files(self) -> list[Path]:
        """The files of spilled objects."""
        return [path for path in self.spilled.glob("*/*") if path.is_file() and path.suffix != ".lock"]

    def runs(self, name: str) -> int:
        """How often a task has noted this name."""
        path = self.notes / name
        return path.stat().st_size if path.exists() else 0


def make_noting(ray: ModuleType, session: Session, **options: object):
    """A remote function `note(name, value, plus=0)`: notes that it ran, returns a large array."""
    directory = str(session.notes)

    def note(name: str, value: object = None, plus: int = 0) -> np.ndarray:
        with (Path(directory) / name).open("a") as file:
            file.write("x")
        base = 0 if value is None else value[0]
        return np.full(4 * MIB, base + plus, dtype=np.uint8)

    return ray.remote(**options)(note) if options else ray.remote(note)


@program(engines=ON_PROCESSES, reason=UNJUDGED, starts_session=False)
def a_lost_result_is_made_again(ray: ModuleType) -> None:
    """T17: the task runs once more and the value is the same."""
    with tempfile.TemporaryDirectory() as directory:
        session = Session(ray, directory)
        note = make_noting(ray, session)
        ref = note.remote("a", plus=7)
        ray.wait([ref])
        session.lose()
        assert ray.get(ref)[-1] == 7
        assert session.runs("a") == 2
        ray.shutdown()


@program(engines=ON_PROCESSES, reason=UNJUDGED, starts_session=False)
def a_lost_argument_is_made_again_for_its_task(ray: ModuleType) -> None:
    """T17: a task that is given a lost result waits for it."""
    with tempfile.TemporaryDirectory() as directory:
        session = Session(ray, directory)
        note = make_noting(ray, session)
        ref = note.remote("a", plus=7)
        ray.wait([ref])
        session.lose()
        assert ray.get(note.remote("b", ref, 1))[-1] == 8
        assert (session.runs("a"), session.runs("b")) == (2, 1)
        ray.shutdown()


@program(engines=ON_PROCESSES, reason=UNJUDGED, starts_session=False)
def a_chain_is_made_again_though_its_refs_are_gone(ray: ModuleType) -> None:
    """T17: arguments whose refs were dropped are made again first."""
    with tempfile.TemporaryDirectory() as directory:
        session = Session(ray, directory)
        note = make_noting(ray, session)
        first = note.remote("a", plus=1)
        second = note.remote("b", first, 1)
        third = note.remote("c", second, 1)
        ray.wait([third])
        del first, second
        session.lose()
        assert ray.get(third)[-1] == 3
        assert [session.runs(name) for name in "abc"] == [2, 2, 2]
        ray.shutdown()


@program(engines=ON_PROCESSES, reason=UNJUDGED, starts_session=False)
def what_a_task_that_may_not_be_retried_made_is_lost(ray: ModuleType) -> None:
    """T17: max_retries=0: an error that says so, of the object and of what needs it."""
    with tempfile.TemporaryDirectory() as directory:
        session = Session(ray, directory)
        once, note = make_noting(ray, session, max_retries=0), make_noting(ray, session)
        ref = once.remote("a")
        ray.wait([ref])
        session.lose()
        with pytest.raises(ray.exceptions.ObjectReconstructionFailedError, match="max_retries"):
            ray.get(ref)
        with pytest.raises(ray.exceptions.ObjectReconstructionFailedError):
            ray.get(note.remote("b", ref))
        assert (session.runs("a"), session.runs("b")) == (1, 0)
        ray.shutdown()


@program(engines=ON_PROCESSES, reason=UNJUDGED, starts_session=False)
def making_again_uses_up_retries(ray: ModuleType) -> None:
    """T17: max_retries=1 makes a lost object again once, not twice."""
    with tempfile.TemporaryDirectory() as directory:
        session = Session(ray, directory)
        once_more = make_noting(ray, session, max_retries=1)
        ref = once_more.remote("a", plus=5)
        ray.wait([ref])
        session.lose()
        assert ray.get(ref)[0] == 5
        session.lose()
        with pytest.raises(ray.exceptions.ObjectReconstructionFailedError, match="MAX_ATTEMPTS_EXCEEDED"):
            ray.get(ref)
        assert session.runs("a") == 2
        ray.shutdown()


@program(engines=ON_PROCESSES, reason=UNJUDGED, starts_session=False)
def what_was_put_cannot_be_made_again(ray: ModuleType) -> None:
    """T17: there is no task to run."""
    with tempfile.TemporaryDirectory() as directory:
        session = Session(ray, directory)
        ref = ray.put(np.ones(4 * MIB, dtype=np.uint8))
        session.lose()
        with pytest.raises(ray.exceptions.ObjectLostError):
            ray.get(ref)
        ray.shutdown()


@program(engines=ON_PROCESSES, reason=UNJUDGED, starts_session=False)
def a_lost_result_of_several_is_made_again(ray: ModuleType) -> None:
    """T17: a task of several returns runs again for the one that is asked for."""
    with tempfile.TemporaryDirectory() as directory:
        session = Session(ray, directory)
        notes = str(session.notes)

        @ray.remote(num_returns=3)
        def three() -> tuple[object, ...]:
            with (Path(notes) / "a").open("a") as file:
                file.write("x")
            return np.full(4 * MIB, 1, dtype=np.uint8), 2, np.full(4 * MIB, 3, dtype=np.uint8)

        refs = three.remote()
        ray.wait(refs, num_returns=3)
        session.lose()
        assert [int(np.max(value)) for value in ray.get(refs)] == [1, 2, 3]
        assert session.runs("a") == 2
        ray.shutdown()


@program(engines=ON_PROCESSES, reason=UNJUDGED, starts_session=False)
def an_actors_lost_result_is_made_again_if_its_calls_may_be_retried(ray: ModuleType) -> None:
    """T17: only with max_task_retries is the method called again."""
    with tempfile.TemporaryDirectory() as directory:
        session = Session(ray, directory)

        @ray.remote
        class Maker:
            def __init__(self) -> None:
                self.calls = 0

            def make(self) -> np.ndarray:
                self.calls += 1
                return np.full(4 * MIB, self.calls, dtype=np.uint8)

        retried, once = Maker.options(max_restarts=1, max_task_retries=2).remote(), Maker.remote()
        one, other = retried.make.remote(), once.make.remote()
        ray.wait([one, other], num_returns=2)
        session.lose()
        assert ray.get(one)[0] == 2
        with pytest.raises(ray.exceptions.ObjectReconstructionFailedError):
            ray.get(other)
        ray.shutdown()
