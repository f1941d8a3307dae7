"""What a user is told: of a `get` without a value why it is late and what was meant, in tracebacks with one line of ours;
of words that are misspelt; of functions that are large where they are used."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator

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


def test_a_traceback_shows_no_comment_of_ours() -> None:
    with pytest.raises(ValueError) as caught:
        ray.get(fail.remote())
    assert not [frame.line for frame in traceback.extract_tb(caught.value.__traceback__) if "#" in (frame.line or "")]


@ray.remote
class Account:
    def __init__(self, owner: str, balance: int = 0) -> None: ...

    def deposit(self, amount: int, *, at: float = 0.0) -> None: ...

    def close(self) -> None: ...


WRONG_CALLS: list[tuple[Callable[[], object], str, str]] = [
    (lambda: large.remote(1), "too many positional arguments", "large takes no arguments."),
    (lambda: large.options(num_cpus=1).remote(x=1), "got an unexpected keyword argument 'x'", "large takes no arguments."),
    (lambda: Account.remote(), "missing a required argument: 'owner'", "Account takes (owner, balance=...)."),
    (
        lambda: Account.options(num_cpus=1).remote("ann", 1, 2),
        "too many positional arguments",
        "Account takes (owner, balance=...).",
    ),
    (
        lambda: Account.remote("ann").deposit.remote(),
        "missing a required argument: 'amount'",
        "Account.deposit takes (amount, *, at=...).",
    ),
    (lambda: Account.remote("ann").close.remote(1), "too many positional arguments", "Account.close takes no arguments."),
]


@pytest.mark.parametrize(("call", "text", "told"), WRONG_CALLS)
def test_a_wrong_call_names_what_it_calls_and_shows_one_line_of_ours(
    call: Callable[[], object], text: str, told: str
) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == text
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert [frame.name for frame in frames][-2:] == ["<lambda>", "remote"]
    if sys.version_info >= (3, 11):
        assert caught.value.__notes__ == [told]


def test_frames_of_the_user_below_a_call_stay() -> None:
    def refuses(value: object) -> object:
        raise TypeError("not this one")

    def through(call: Callable[..., object]) -> Callable[..., object]:
        return lambda args, kwargs: call([refuses(each) for each in args], kwargs)

    def plain(x: object) -> None: ...

    plain.__ray_invocation_decorator__ = through  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="not this one") as caught:
        ray.remote(plain).remote(1)
    assert "refuses" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


class Stubborn:
    def __getstate__(self) -> object:
        raise TypeError("I stay where I am")


@ray.remote
def returns_in_parts() -> object:
    return {"fine": 1, "parts": [2, sys._getframe()]}


@ray.remote(num_returns=2)
def returns_two() -> object:
    return 1, sys._getframe()


@ray.remote
def yields() -> Iterator[object]:
    yield sys._getframe()


@ray.remote
def returns_stubborn() -> object:
    return Stubborn()


@pytest.mark.parametrize(
    ("get", "what"),
    [
        (lambda: ray.get(returns_in_parts.remote()), "the return value of returns_in_parts['parts'][1]"),
        (lambda: ray.get(returns_two.remote()), "return value 1 of returns_two"),
        (lambda: ray.get(next(yields.remote())), "what yields yielded"),
    ],
)
def test_a_result_that_cannot_travel_says_which_part_is_at_fault(get: Callable[[], object], what: str) -> None:
    with pytest.raises(TypeError) as caught:
        get()
    text = str(caught.value)
    assert f"The object at fault is {what} = <frame at" in text
    assert "cannot pickle 'frame' object" in text and "Leave it out of what is returned" in text
    assert "  File" not in text
    assert type(caught.value.cause) is TypeError  # type: ignore[attr-defined]


def test_the_users_own_frames_of_a_result_that_cannot_travel_stay() -> None:
    with pytest.raises(TypeError) as caught:
        ray.get(returns_stubborn.remote())
    text = str(caught.value)
    assert "in __getstate__" in text and "The object at fault is the return value of returns_stubborn" in text


@pytest.mark.parametrize("wait", ["ray.get(refs)", "ray.get(refs[0])", "ray.wait(refs)", "list(items.remote(os.getpid()))"])
def test_an_interrupt_ends_with_the_line_that_waits(wait: str) -> None:
    program = f"""
import os, signal, time
import localray as ray
@ray.remote
def parent(pid):
    os.kill(pid, signal.SIGINT)
    time.sleep(100)
@ray.remote
def items(pid):
    os.kill(pid, signal.SIGINT)
    time.sleep(100)
    yield 1
ray.init(num_cpus=1)
refs = [] if {"items" in wait} else [parent.remote(os.getpid()) for _ in range(2)]
{wait}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    lines = [line for line in done.stderr.splitlines() if line.strip(" ^~")]
    frames = [line for line in lines if line.startswith("  File ")]
    assert lines[-1] == "KeyboardInterrupt" and len(frames) == 2, done.stderr


def test_an_attribute_of_an_actor_is_not_readable_from_here() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = Account.remote("ann").balance
    assert "no attribute 'balance'. Its methods are: close, deposit. What an actor keeps" in str(caught.value)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="errors take no notes")
def test_an_actor_has_no_value_of_its_own() -> None:
    for wrong, kind in ((account := Account.remote("ann"), ValueError), ([account], TypeError)):
        with pytest.raises(kind) as caught:
            ray.get(wrong)  # type: ignore[call-overload]
        assert "ray.get(actor.method.remote())" in caught.value.__notes__[0]


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
