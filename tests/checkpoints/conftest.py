"""Each test runs on processes and in the simulation, and leaves nothing behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import ModuleType

import pytest

import localray
from localray.leaks import check_no_leaks, mark_environment, take_snapshot


@pytest.fixture(params=["processes", "sim"])
def ray(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """A session with two CPUs."""
    mark_environment()
    gc.collect()
    before = take_snapshot()
    engine: dict[str, object] = {"engine": "sim", "seed": 0} if request.param == "sim" else {}
    localray.init(num_cpus=2, **engine)  # type: ignore[arg-type]
    yield localray
    localray.shutdown()
    check_no_leaks(before)
