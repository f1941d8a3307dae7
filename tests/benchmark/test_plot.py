"""The plots of `benchmarks/`: whatever is drawn is well-formed, lies inside, and its axes have round numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from plot import Chart, Line, short, ticks

sys.path.pop(0)

numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 3))


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8), st.booleans())
def test_a_plot_is_well_formed_and_lies_inside(points: list[tuple[float, float]], is_step: bool) -> None:
    chart = Chart("a < b & c", "x", "y", [Line("one", points), Line("two", points, is_step=is_step)], marks=[(0, "now")])
    root = ElementTree.fromstring(chart.to_svg())
    for circle in root.iter("{http://www.w3.org/2000/svg}circle"):
        assert 0 <= float(circle.get("cx", "-1")) <= 720 and 0 <= float(circle.get("cy", "-1")) <= 420


@given(st.lists(numbers, min_size=1))
def test_ticks_enclose_the_values_and_are_few(values: list[float]) -> None:
    marks = ticks(values, is_log=False)
    assert marks[0] <= min(values) + 1e-6 and marks[-1] >= max(values) - 1e-6 and 2 <= len(marks) <= 8


@pytest.mark.parametrize(
    ("values", "is_log", "expected"),
    [([0, 37], False, ["0", "10", "20", "30", "40"]), ([3, 900], True, ["1", "10", "100", "1k"]), ([5], True, ["1", "10"])],
)
def test_ticks_are_round(values: list[float], is_log: bool, expected: list[str]) -> None:
    assert [short(value) for value in ticks(values, is_log=is_log)] == expected


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="no points"):
        Chart("", "", "", []).to_svg()
    with pytest.raises(ValueError, match="cannot show 0"):
        Chart("", "", "", [Line("one", [(0, 1)])], log_x=True).to_svg()
