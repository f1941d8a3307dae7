"""Every conformance program on every chosen backend; see conftest.py for how to choose."""

from __future__ import annotations

import pytest

from .backends import BackendMissing, Backends
from .registry import Engine, Program


def test_program(program: Program, engine: Engine, backends: Backends) -> None:
    try:
        backends.run(program, engine)
    except BackendMissing as missing:
        pytest.skip(str(missing))
