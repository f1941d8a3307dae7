"""A few of the runs that `fault_runs` makes by the thousand."""

from __future__ import annotations

import pytest

from tests.sim.fault_runs import PROGRAMS, run

SEEDS = 4


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_keep_their_promises_while_anything_dies(name: str) -> None:
    deaths = 0
    for seed in range(SEEDS):
        report = run(name, seed)
        if report.error is not None:
            raise report.error
        deaths += len(report.happened)
    assert deaths
