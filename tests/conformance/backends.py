"""Runs one program on one backend: start a session, call the program, stop the session, look for leaks.

What lives here: everything that differs between real Ray, localray's processes and localray's simulator. What must not:
pytest's collection (conftest.py) and expectations (programs/).
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, ModuleType

from localray.leaks import check_no_leaks, mark_environment, take_snapshot

from .clusters import SimulatedCluster, start_cluster
from .registry import Engine, InitOptions, Program

PROGRAM_DEADLINE_S = 120
_SETTLE_DEADLINE_S = 10.0


class ProgramTimedOut(Exception):
    """The program did not end within PROGRAM_DEADLINE_S seconds."""


class BackendMissing(Exception):
    """The backend cannot be used here; the text is the reason for skipping."""


class Backends:
    """Runs programs one after the other and keeps at most one session alive: real Ray's, which is slow to start."""

    def __init__(self) -> None:
        self._ray: ModuleType | None = None
        self._ray_options: InitOptions | None = None
        self._files: tempfile.TemporaryDirectory[str] | None = None

    def run(self, program: Program, engine: Engine) -> None:
        """Runs `program` on `engine`.

        Raises:
            BackendMissing: the package behind the engine is not installed.
            AssertionError: an expectation of the program failed, or it left something behind.
        """
        if engine is Engine.RAY:
            self._run_on_ray(program, _import_or_skip("ray"))
        elif engine is Engine.HANDED_OVER:
            self._run_on_ray(program, _hand_over())
        else:
            self.close()
            _run_on_localray(program, engine)

    def close(self) -> None:
        """Stops the shared real Ray session, if there is one, and forgets where real Ray's files were to be."""
        self._end_session()
        if self._files is not None:
            os.environ.pop("RAY_TMPDIR", None)

    def _end_session(self) -> None:
        if self._ray is not None and self._ray.is_initialized():
            self._ray.shutdown()
        os.environ.pop("RAY_ADDRESS", None)
        self._ray_options = None

    def _run_on_ray(self, program: Program, ray: ModuleType) -> None:
        self._ray = ray
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # So a shell starts what it puts in the background; real Ray's workers inherit it, and cancel nothing.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        # Ray joins a cluster whose files it finds; somebody else's tests may run one on this machine.
        self._files = self._files or tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True)
        os.environ["RAY_TMPDIR"] = self._files.name
        if program.starts_session:
            self._share_session(ray, program.options)
        else:
            self._end_session()
        try:
            with _deadline(PROGRAM_DEADLINE_S):
                _call(program, ray, Engine.RAY)
        except BaseException:
            # A failed program may have left tasks running, which would fail the next one.
            self._end_session()
            raise
        if not program.starts_session or not _settled(ray):
            self._end_session()

    def _share_session(self, ray: ModuleType, options: InitOptions) -> None:
        if self._ray_options != options or not ray.is_initialized():
            self._end_session()
            if options.dashboard:
                _import_or_skip("aiohttp")
            _start_ray(ray, options)
            if options.dashboard:
                # Other sessions may run on this machine: the state API is to ask this one.
                os.environ["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
            self._ray_options = options


def _start_ray(ray: ModuleType, options: InitOptions) -> None:
    """Starts real Ray, twice if need be: on a busy machine it gives itself up after thirty seconds."""
    # Without "local" it joins whatever cluster it finds among this machine's processes.
    keywords = {"address": "local", "include_dashboard": False, "log_to_driver": False, **options.as_keywords()}
    try:
        ray.init(**keywords)
    except Exception as error:
        if "timed out during startup" not in str(error):
            raise
        ray.shutdown()
        ray.init(**keywords)


def _run_on_localray(program: Program, engine: Engine) -> None:
    ray = _import_or_skip("localray")
    mark_environment()
    gc.collect()
    before = take_snapshot()
    with contextlib.ExitStack() as surroundings:
        if not program.starts_session:
            surroundings.enter_context(_sessions_of_its_own())
        _run_program(program, engine, ray)
    check_no_leaks(before)


@contextlib.contextmanager
def _sessions_of_its_own() -> Iterator[None]:
    """The program finds no session that somebody else has started, and nobody finds its; nothing may be left."""
    # Short, because a socket's path must be; `pytest`'s own directories are not.
    directory = Path(tempfile.mkdtemp(prefix="localray-"))
    previous = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(directory)
    try:
        yield
        assert list(directory.iterdir()) == [], "files of a session are left"
    finally:
        if previous is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = previous
        shutil.rmtree(directory)


def _run_program(program: Program, engine: Engine, ray: ModuleType) -> None:
    try:
        if program.starts_session:
            choice: dict[str, object] = {"engine": "sim", "seed": 0} if engine is Engine.SIMULATION else {}
            ray.init(**choice, **program.options.as_keywords())
        with _deadline(PROGRAM_DEADLINE_S):
            _call(program, ray, engine)
    finally:
        ray.shutdown()


def _call(program: Program, ray: ModuleType, engine: Engine) -> None:
    """Runs the program, with its cluster if it asks for one."""
    if not program.nodes:
        program.function(ray)
        return
    start = SimulatedCluster if engine is Engine.SIMULATION else start_cluster
    cluster = start(ray, program.nodes)
    try:
        program.function(ray, cluster)
    finally:
        ray.shutdown()
        cluster.shutdown()


def _hand_over() -> ModuleType:
    """localray, whose programs real Ray has for the rest of this process."""
    _import_or_skip("ray")
    os.environ["LOCALRAY_ENGINE"] = "ray"
    importlib.import_module("localray.real_ray").hand_over()
    return importlib.import_module("localray")


def _import_or_skip(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BackendMissing(f"{name} is not importable here: {error}") from error


def _settled(ray: ModuleType) -> bool:
    """Whether the last program's tasks and actors are gone, so that the next one finds the session idle."""
    gc.collect()
    give_up_at = time.monotonic() + _SETTLE_DEADLINE_S
    while time.monotonic() < give_up_at:
        free, total = ray.available_resources(), ray.cluster_resources()
        if all(free.get(name) == total[name] for name in total if "memory" not in name):
            return True
        time.sleep(0.02)
    return False


@contextlib.contextmanager
def _deadline(seconds: int) -> Iterator[None]:
    def give_up(_signal: int, _frame: FrameType | None) -> None:
        raise ProgramTimedOut(f"the program was still running after {seconds} s")

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
