"""What a user is told: of a `get` without a value why it is late and what was meant, in tracebacks with one line of ours;
of words that are misspelt; of functions that are large where they are used."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator

import numpy as np
import pytest

import localray as ray
from localray import sim
from localray.client import lateness
from localray.exceptions import GetTimeoutError
from localray.placement_groups import PlacementGroup, PlacementGroupSchedulingStrategy
from localray.util import placement_group


@ray.remote
def fail() -> None:
    raise ValueError("no")


@ray.remote(num_cpus=64)
def large() -> None: ...


@pytest.fixture(autouse=True)
def cluster() -> Iterator[None]:
    """One for all of a test: nothing here depends on an engine."""
    with sim.Cluster("1x2cpu", seed=1):
        yield


def why_late(refs: object, timeout_s: float) -> str:
    with pytest.raises(GetTimeoutError) as caught:
        ray.get(refs, timeout=timeout_s)  # type: ignore[call-overload]
    return str(caught.value)


def test_whoever_waits_for_long_is_told_why() -> None:
    looked_in = why_late(large.remote(), 0.1)
    assert "needs" not in looked_in and "a later get may succeed" in looked_in
    waited = why_late(large.remote(), 5.0)
    assert "the object is not ready after 5 s" in waited and "needs 64 CPU" in waited
    of_several = why_late([ray.put(1), large.remote()], 5.0)
    assert "1 of 2 object(s) not ready" in of_several and "needs 64 CPU" in of_several


def test_a_traceback_has_one_line_of_ours() -> None:
    for refs in (fail.remote(), [fail.remote()]):
        with pytest.raises(ValueError) as caught:
            ray.get(refs)  # type: ignore[call-overload]
        names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert names == ["test_a_traceback_has_one_line_of_ours", "get"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="errors take no notes")
@pytest.mark.parametrize(
    ("wrong", "advice"),
    [(fail, "forgotten"), (fail.options(num_cpus=1), "forgotten"), ([fail], "forgotten"), ((1,), "ray.get(list(refs))")],
)
def test_what_is_no_reference_is_told_what_was_meant(wrong: object, advice: str) -> None:
    """In a note: the text is Ray's, word for word."""
    with pytest.raises((ValueError, TypeError)) as caught:
        ray.get(wrong)  # type: ignore[call-overload]
    assert advice in "".join(caught.value.__notes__) and advice not in str(caught.value)


def test_what_is_misspelt_is_asked_about() -> None:
    with pytest.raises(ValueError, match=r"Did you mean 'num_cpus'\?"):
        fail.options(num_cpu=1)
    with pytest.raises(RuntimeError, match=r"Did you mean 'num_cpus'\?"):
        ray.init(num_cpu=1, ignore_reinit_error=False)


def test_a_warning_points_at_the_users_line() -> None:
    large = np.zeros(15 << 20, np.uint8)

    @ray.remote
    def captures() -> int:
        return large.nbytes

    with pytest.warns(UserWarning, match="very large") as told:
        ray.get(captures.remote())
    assert told[0].filename == __file__


def test_whoever_gets_no_reason_in_time_gets_the_time_out_alone() -> None:
    """As from a head that is stopped: it is asked for half a second."""
    assert "\n" not in lateness.explain(lambda: None, 1, 1, 5.0)
    assert lateness.explain(lambda: "f runs.", 1, 1, 5.0).endswith("\nf runs.")


def test_a_placement_group_says_which_it_is() -> None:
    group = placement_group([{"CPU": 1}, {"CPU": 0.5}])
    assert repr(group) == f"PlacementGroup({group.id.hex()}, [{{'CPU': 1.0}}, {{'CPU': 0.5}}])"
    assert repr(PlacementGroup(group.id)) == f"PlacementGroup({group.id.hex()})"
    assert repr(PlacementGroup.empty()) == "PlacementGroup.empty()"
    assert repr(PlacementGroupSchedulingStrategy(group)).startswith(f"PlacementGroupSchedulingStrategy({group!r}, ")


def test_a_bundle_that_is_not_there_is_told_with_those_that_are() -> None:
    group = placement_group([{"CPU": 1}])
    outside = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=1)
    with pytest.raises(ValueError, match="indexes: 0-1, the last one excluded; -1 is any"):
        large.options(num_cpus=1, scheduling_strategy=outside).remote()
    with pytest.raises(ValueError, match="placement_group_bundle_index=1 says which bundle of a group"), pytest.deprecated_call():
        large.options(placement_group_bundle_index=1).remote()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"num_cpus": 1e15}, "1e+15 of CPU is more than can be asked for"),
        ({"resources": {"disk": 2e15}}, "2e+15 of disk is more than can be asked for"),
        ({"num_cpus": 10**400}, "An integer of hundreds of digits of CPU is more than"),
    ],
)
def test_more_than_there_can_be_of_anything(options: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError) as caught:
        large.options(**options).remote()  # type: ignore[call-overload]
    assert str(caught.value).startswith(told) and "at most 9.22e+14" in str(caught.value)
