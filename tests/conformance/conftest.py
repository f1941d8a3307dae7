"""pytest's side of the conformance suite: the `--backend` option and one test per (program, backend).

    pytest tests/conformance                       # localray: processes and simulator
    pytest tests/conformance --backend ray         # the judge
    pytest tests/conformance --backend engine-ray  # the same through LOCALRAY_ENGINE=ray

Give the path: pytest reads options only from the conftest files of the paths it is called with.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

# Before the programs are imported: their asserts then show values. No assert may stand in a remote function, since the
# rewritten one would drag pytest into the workers.
pytest.register_assert_rewrite(f"{__package__}.programs", f"{__package__}.helpers")

from .backends import Backends  # noqa: E402
from .registry import SLOW, Engine, Program, load_programs  # noqa: E402

_DEFAULT_BACKENDS = (Engine.PROCESSES.value, Engine.SIMULATION.value)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend",
        action="append",
        choices=[engine.value for engine in Engine],
        help="engine to run the conformance programs on; repeatable (default: processes and sim)",
    )
    parser.addoption(
        "--slow",
        action="store_true",
        help="also run the programs that take a minute, or gigabytes; on real Ray they always run",
    )


@pytest.fixture(scope="session")
def backends() -> Iterator[Backends]:
    running = Backends()
    yield running
    running.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "program" not in metafunc.fixturenames:
        return
    chosen = metafunc.config.getoption("--backend", default=None) or _DEFAULT_BACKENDS
    slow = metafunc.config.getoption("--slow", default=False)
    cases = [
        pytest.param(
            program, Engine(backend), id=f"{backend}-{program.topic}-{program.name}", marks=_marks(program, backend, slow)
        )
        for program in sorted(load_programs(), key=_session_order)
        for backend in dict.fromkeys(chosen)
    ]
    metafunc.parametrize(("program", "engine"), cases)


def _session_order(program: Program) -> tuple[bool, str]:
    """Programs with equal init options next to each other, those with a session of their own last; real Ray's session
    then serves many, by both ways to it."""
    return (not program.starts_session, repr(program.options))


def _marks(program: Program, backend: str, slow: bool) -> list[pytest.MarkDecorator]:
    marks = [pytest.mark.ray] if backend in (Engine.RAY.value, Engine.HANDED_OVER.value) else []
    if Engine(backend) not in program.engines:
        marks.append(pytest.mark.skip(reason=f"not for {backend}: {program.reason}"))
    elif SLOW in program.tags and not slow and Engine(backend) is Engine.PROCESSES:
        marks.append(pytest.mark.skip(reason="takes a minute, or gigabytes: pass --slow"))
    return marks
