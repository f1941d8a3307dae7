"""Sessions for tests that run in this process, and the check that each leaves nothing behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import ModuleType

import pytest

import localray
from localray.leaks import check_no_leaks, mark_environment, take_snapshot


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Whatever the test does: afterwards there are no more processes, threads, descriptors or shared memory than before."""
    mark_environment()
    gc.collect()
    before = take_snapshot()
    try:
        yield
    finally:
        localray.shutdown()
    check_no_leaks(before)


@pytest.fixture
def ray(nothing_left: None) -> ModuleType:
    """A session with two CPUs."""
    localray.init(num_cpus=2)
    return localray
