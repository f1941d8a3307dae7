"""The word to users who pass one large value by value again and again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import localray as ray
from localray.client.large_arguments import WARN_ABOVE_BYTES, WARN_AFTER_CALLS, RepeatedArguments, fingerprint_of
from localray.client.serialization import serialize

LARGE = np.ones(WARN_ABOVE_BYTES // 8 // WARN_AFTER_CALLS + 1)


def words_after(calls: int, *values: object) -> list[str]:
    repeated = RepeatedArguments()
    taken = [serialize(value) for value in values]
    said = [repeated.note("f", taken[call % len(taken)]) for call in range(calls)]
    return [text for text in said if text is not None]


def test_the_same_large_value_is_told_of_once() -> None:
    assert words_after(WARN_AFTER_CALLS - 1, LARGE) == []
    (text,) = words_after(5 * WARN_AFTER_CALLS, LARGE)
    assert "passed by value to f 10 times" in text
    assert "ray.put(value)" in text


def test_other_values_and_small_ones_are_not() -> None:
    changed = LARGE.copy()
    changed[-1] = 2
    assert words_after(100, LARGE, changed) == []
    assert words_after(100, LARGE[:1000]) == []


@given(st.binary(max_size=2000), st.integers(0, 10_000), st.integers(1, 255))
def test_the_same_bytes_have_the_same_fingerprint_and_short_ones_differ_in_any_byte(
    content: bytes, place: int, by: int
) -> None:
    assert fingerprint_of(serialize(content)) == fingerprint_of(serialize(bytes(bytearray(content))))
    if content:
        other = bytearray(content)
        other[place % len(other)] = (other[place % len(other)] + by) % 256
        assert fingerprint_of(serialize(content)) != fingerprint_of(serialize(bytes(other)))


def test_a_user_sees_it(capfd: pytest.CaptureFixture[str]) -> None:
    @ray.remote
    def size(array: object) -> int:
        return len(array)  # type: ignore[arg-type]

    with ray.init(num_cpus=1, engine="sim"):
        ray.get([size.remote(LARGE) for _ in range(WARN_AFTER_CALLS + 5)])
    assert capfd.readouterr().err.count("passed by value to size 10 times") == 1
