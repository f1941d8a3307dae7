"""Bugs planted in the kernel are found; the sound kernel raises no alarm under the same programs and faults."""

from __future__ import annotations

import pytest

from localray.sim.search.case import Settings, Target
from localray.sim.search.seeds import run_here
from tests.sim.planted_bugs import NODES, PLANTS, Plant, planted, seeds_to_find, shrunk

MOST_SEEDS = 2000


@pytest.mark.parametrize("plant", PLANTS, ids=[plant.name for plant in PLANTS])
def test_a_planted_bug_is_found(plant: Plant) -> None:
    assert seeds_to_find(plant, 0, MOST_SEEDS) is not None


def test_the_fault_that_breaks_the_kernel_is_named_and_enough() -> None:
    plant = next(plant for plant in PLANTS if plant.name == "a lost argument is not waited for")
    small = shrunk(plant, MOST_SEEDS, most_runs=60)
    assert small is not None and len(small.firings) == 1
    with planted(plant):
        assert [happened.text for happened in small.run().happened] == ["crash_node, of which the simulation broke"]


@pytest.mark.parametrize(("program", "faults"), dict.fromkeys((plant.program, plant.faults) for plant in PLANTS))
def test_no_false_alarm(program: str, faults: str) -> None:
    settings = Settings(NODES, faults, step_limit=20_000, finish_within_s=600.0)
    target = Target(f"tests.sim.planted_bugs:{program}")
    outcomes = list(run_here(target, settings, range(10)))
    assert [outcome.error for outcome in outcomes if outcome.signature] == []
