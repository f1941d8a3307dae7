"""Values to bytes and back: every numpy layout, buffers in place, and the cheap path for plain values against
cloudpickle."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable

import cloudpickle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localray.client.layout import lay_out
from localray.client.serialization import deregister_custom, deserialize, register_custom, serialize

ALIGNMENT_BYTES = 64


def laid_out(value: object) -> memoryview:
    """The value's bytes in memory that is aligned as the store's is."""
    serialized = serialize(value)
    room = np.zeros(serialized.size_bytes + ALIGNMENT_BYTES, dtype=np.uint8)
    start = -room.ctypes.data % ALIGNMENT_BYTES
    view = memoryview(room)[start : start + serialized.size_bytes]
    serialized.write_into(view)
    assert bytes(view) == serialized.to_bytes()
    return view


ARRAYS: dict[str, Callable[[], np.ndarray]] = {
    **{
        f"dtype {kind}": lambda kind=kind: np.arange(24).astype(kind)
        for kind in ("?", "i1", "<i8", ">i4", "u2", "f4", "c16")
    },
    "datetime": lambda: np.array(["2020-01-01", "NaT"], dtype="M8[s]"),
    "fixed text": lambda: np.array(["a", "long text"]),
    "fixed bytes": lambda: np.array([b"a", b"bytes"]),
    "structured": lambda: np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
    "empty": lambda: np.empty(0),
    "empty with a shape": lambda: np.empty((3, 0, 2), dtype="i4"),
    "no dimension": lambda: np.array(7.5),
    "Fortran order": lambda: np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "every other": lambda: np.arange(20)[::2],
    "backwards": lambda: np.arange(20)[::-1],
    "transposed slice": lambda: np.arange(60).reshape(3, 4, 5)[:, 1:3, ::2].T,
    "broadcast": lambda: np.broadcast_to(np.arange(3), (4, 3)),
    "large": lambda: np.arange(1_000_000, dtype="f8").reshape(1000, 1000),
}


@pytest.mark.parametrize("make", ARRAYS.values(), ids=ARRAYS.keys())
def test_arrays_come_back_equal(make: Callable[[], np.ndarray]) -> None:
    array = make()
    back = deserialize(laid_out(array))
    assert isinstance(back, np.ndarray)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        assert back.flags.f_contiguous


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_contiguous_array_is_used_in_place_aligned_and_read_only(order: str) -> None:
    array = np.arange(1000.0).reshape(10, 100).copy(order=order)  # type: ignore[call-overload]
    memory = laid_out([b"odd", array])
    back = deserialize(memory)[1]  # type: ignore[index]
    assert np.shares_memory(back, np.frombuffer(memory, dtype=np.uint8))
    assert back.ctypes.data % ALIGNMENT_BYTES == 0
    with pytest.raises(ValueError, match="read-only"):
        back[0] = 1


def test_objects_in_arrays_travel_in_the_pickle() -> None:
    array = np.array([1, "two", None], dtype=object)
    back = deserialize(laid_out(array))
    assert back.tolist() == [1, "two", None]  # type: ignore[attr-defined]


def test_one_array_twice_is_one_array_again() -> None:
    array = np.arange(1000)
    serialized = serialize([array, array])
    assert [len(piece) for piece in serialized.pieces].count(array.nbytes) == 1
    first, second = deserialize(serialized.to_bytes())  # type: ignore[misc]
    assert first is second


def test_nested_and_many_buffers() -> None:
    value = {
        "a": [np.full(n, n, dtype="i8") for n in range(40)],
        "b": (np.ones(3), {"c": np.zeros((2, 2))}),
        "d": "text",
    }
    back = deserialize(laid_out(value))
    np.testing.assert_equal(back, value)


def test_buffers_of_other_kinds() -> None:
    value = [pickle.PickleBuffer(b"abc" * 1000), bytearray(b"xyz" * 1000)]
    first, second = deserialize(laid_out(value))  # type: ignore[misc]
    assert bytes(first) == b"abc" * 1000
    assert bytes(second) == b"xyz" * 1000


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(plain)
def test_plain_values_come_back_as_cloudpickle_would_bring_them(value: object) -> None:
    data = serialize(value).to_bytes()
    back = deserialize(data)
    assert back == pickle.loads(cloudpickle.dumps(value, protocol=5))
    assert repr(back) == repr(value)


class Sub(int):
    """Not a plain value, though it equals one."""


@pytest.mark.parametrize(
    "value",
    [
        Sub(3),
        [Sub(3)],
        {"a": (Sub(1), 2)},
        {Sub(1): 2},
        [[[[[Sub(5)]]]]],
        list(range(100)) + [Sub(1)],
        {1, 2},
        lambda: 3,
        Sub,
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_not_plain_keeps_its_type(value: object) -> None:
    back = deserialize(serialize(value).to_bytes())
    if callable(value) and not isinstance(value, type):
        assert back() == value()  # type: ignore[operator]
    else:
        assert back == value
        assert innermost(back) is innermost(value)


def innermost(value: object) -> type:
    """The type at the end of the first path into a value."""
    while isinstance(value, (list, tuple)) and value:
        value = value[-1]
    return type(value)


def test_a_self_containing_list() -> None:
    value: list[object] = [1]
    value.append(value)
    back = deserialize(serialize(value).to_bytes())
    assert back[1] is back  # type: ignore[index]


def test_functions_of_main_travel_by_value() -> None:
    program = (
        "import pathlib, sys; from localray.client.serialization import serialize\n"
        "def local(x): return x + offset\n"
        "offset = 40\n"
        "sys.stdout.buffer.write(serialize(local).to_bytes())"
    )
    data = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout
    assert deserialize(data)(2) == 42  # type: ignore[operator]


def test_a_custom_serializer_is_used_until_it_is_taken_away() -> None:
    register_custom(Sub, lambda value: int(value) + 10, lambda state: Sub(state))  # type: ignore[call-overload]
    try:
        data = serialize([Sub(1), "a"]).to_bytes()
        assert deserialize(serialize([1, "a"]).to_bytes()) == [1, "a"]
    finally:
        deregister_custom(Sub)
    assert deserialize(data) == [11, "a"]
    assert deserialize(serialize([Sub(1)]).to_bytes()) == [1]


def test_the_first_byte_tells_the_two_layouts_apart() -> None:
    assert serialize([1]).to_bytes()[0] == 0x80
    assert serialize(np.arange(3)).to_bytes()[0] == 1


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=8), st.binary(max_size=50))
def test_the_layout_places_every_buffer_aligned_and_whole(contents: list[bytes], filler: bytes) -> None:
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps((filler, [pickle.PickleBuffer(c) for c in contents]), 5, buffer_callback=buffers.append)
    serialized = lay_out((pickled,), [buffer.raw() for buffer in buffers], ())
    data = serialized.to_bytes()
    assert len(data) == serialized.size_bytes
    back_filler, back = deserialize(data)  # type: ignore[misc]
    assert back_filler == filler
    assert [bytes(each) for each in back] == contents


@pytest.mark.parametrize("wrap", [lambda each: each, lambda each: [each, {"a": (1, each)}], lambda each: {each}])
def test_long_bytes_are_not_copied_before_they_are_stored(wrap: Callable[[bytes], object]) -> None:
    long = bytes(range(256)) * 1000
    serialized = serialize(wrap(long))
    assert [piece for piece in serialized.pieces if piece is long] == [long]
    assert serialized.size_bytes == len(serialized.to_bytes())
    stored = bytearray(serialized.size_bytes)
    serialized.write_into(memoryview(stored))
    assert deserialize(bytes(stored)) == wrap(long)


def test_long_bytes_beside_buffers() -> None:
    long, array = b"x" * 100_000, np.arange(1000)
    value = deserialize(serialize([long, array, long[1:]]).to_bytes())
    assert isinstance(value, list)
    assert value[0] == long
    assert value[2] == long[1:]
    assert np.array_equal(value[1], array)
