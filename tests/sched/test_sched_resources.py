"""Resource arithmetic and device choice: figures by hand, and properties against brute force."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localray.sched.resources import (
    RESOURCE_UNIT,
    amount,
    fits,
    give_back,
    missing,
    of_kind,
    overdrawn,
    return_devices,
    take,
    take_devices,
)

UNIT = RESOURCE_UNIT
names = st.sampled_from(["CPU", "GPU", "apple", "memory"])
pools = st.dictionaries(names, st.integers(0, 5 * UNIT))
demands = st.dictionaries(names, st.integers(1, 5 * UNIT)).map(lambda pairs: tuple(sorted(pairs.items())))


@given(pools, demands)
def test_what_is_taken_and_given_back_leaves_no_trace(
    pool: dict[str, int], demand: tuple[tuple[str, int], ...]
) -> None:
    available = dict(pool)
    take(available, demand)
    assert all(available[name] == pool.get(name, 0) - units for name, units in demand)
    give_back(available, demand)
    assert {name: units for name, units in available.items() if units} == {n: u for n, u in pool.items() if u}


@given(pools, demands)
def test_a_demand_fits_when_taking_it_overdraws_nothing(
    pool: dict[str, int], demand: tuple[tuple[str, int], ...]
) -> None:
    available = dict(pool)
    take(available, demand)
    assert fits(pool, demand) == (not overdrawn(available, demand))
    assert bool(missing(pool, demand)) == (not fits(pool, demand))


def test_missing_says_what_lacks_and_nothing_else() -> None:
    demand = (("CPU", UNIT), ("GPU", 2 * UNIT), ("apple", UNIT // 2))
    assert missing({"CPU": UNIT, "GPU": UNIT}, demand) == "needs 2 GPU, has 1; needs 0.5 apple, has 0"


def test_parts_of_a_demand() -> None:
    demand = (("CPU", UNIT), ("GPU", 2 * UNIT))
    assert (amount(demand, "GPU"), amount(demand, "apple")) == (2 * UNIT, 0)
    assert of_kind(demand, "CPU") == (("CPU", UNIT),)
    assert of_kind(demand, "apple") == ()


def test_ten_tenths_are_one() -> None:
    available = {"CPU": UNIT}
    for _ in range(10):
        assert fits(available, (("CPU", 1000),))
        take(available, (("CPU", 1000),))
    assert available == {"CPU": 0}


@pytest.mark.parametrize(
    ("free", "units", "chosen", "left"),
    [
        ([UNIT, UNIT], 0, (), [UNIT, UNIT]),
        ([UNIT, UNIT], UNIT, (0,), [0, UNIT]),
        ([UNIT, UNIT], 2 * UNIT, (0, 1), [0, 0]),
        ([5000, UNIT], UNIT, (1,), [5000, 0]),
        ([5000, 5000], UNIT, None, [5000, 5000]),
        ([UNIT, UNIT], 3 * UNIT, None, [UNIT, UNIT]),
        ([UNIT, 5000], 5000, (1,), [UNIT, 0]),
        ([UNIT, 5000], 6000, (0,), [4000, 5000]),
        ([4000, 5000, 6000], 4500, (1,), [4000, 500, 6000]),
        ([4000, 4000], 5000, None, [4000, 4000]),
        ([], UNIT, None, []),
    ],
)
def test_devices(free: list[int], units: int, chosen: tuple[int, ...] | None, left: list[int]) -> None:
    assert take_devices(free, units) == chosen
    assert free == left


device_demands = st.one_of(st.integers(1, UNIT - 1), st.integers(1, 4).map(lambda count: count * UNIT))


@given(st.integers(0, 4), st.lists(st.tuples(device_demands, st.integers(0, 10)), max_size=30))
def test_devices_are_never_shared_beyond_one_and_all_come_back(count: int, steps: list[tuple[int, int]]) -> None:
    free = [UNIT] * count
    held: list[tuple[int, tuple[int, ...]]] = []
    for units, choice in steps:
        if held and choice < 4:
            return_devices(free, *held.pop(choice % len(held)))
            continue
        could = (
            sum(1 for left in free if left == UNIT) >= units // UNIT if units >= UNIT else max(free, default=0) >= units
        )
        devices = take_devices(free, units)
        assert (devices is not None) == could
        if devices is not None:
            assert len(set(devices)) == max(1, units // UNIT)
            held.append((units, devices))
        used = [0] * count
        for taken, indices in held:
            for index in indices:
                used[index] += min(taken, UNIT)
        assert [UNIT - each for each in used] == free
        assert min(free, default=0) >= 0
    for units, devices in held:
        return_devices(free, units, devices)
    assert free == [UNIT] * count
