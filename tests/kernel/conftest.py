"""pytest's side of the kernel's tests.

`pytest tests/kernel --rewrite` writes what the kernel answers now into the golden traces; `--programs 1000` plays so
many random programs instead of a few.
"""

from __future__ import annotations

import pytest

USUAL_PROGRAMS = 40


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="rewrite the expected answers of the golden traces")
    parser.addoption("--programs", type=int, help="how many long random programs to play")


@pytest.fixture(scope="session")
def rewrite(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--rewrite", default=False))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("--programs", default=None) or USUAL_PROGRAMS))
