"""Reading without copying: values with buffers are views on the store, read-only, shared, and good for as long as they
live; and what happens to the kinds of values that have no such buffers."""

from __future__ import annotations

import array
import collections
import dataclasses
import enum
import gc
import pickle
from types import ModuleType

import numpy as np
import pytest

from ..helpers import SMALLEST_STORE_BYTES, wait_until_freed
from ..registry import program

MB = 2**20


@program()
def every_way_of_writing_to_a_view_is_refused(ray: ModuleType) -> None:
    """V4: ValueError with numpy's words, for small and large arrays; the stored value stays."""
    for length in (10, 500_000):
        ref = ray.put(np.arange(length))
        view = ray.get(ref)
        with pytest.raises(ValueError, match=r"^assignment destination is read-only$"):
            view[0] = 1
        with pytest.raises(ValueError, match=r"^assignment destination is read-only$"):
            view[2:5] = 0
        with pytest.raises(ValueError, match=r"^output array is read-only$"):
            view += 1
        with pytest.raises(ValueError, match=r"read-only"):
            view.sort()
        with pytest.raises(ValueError, match=r"cannot set WRITEABLE flag to True"):
            view.flags.writeable = True
        with pytest.raises(ValueError, match=r"read-only"):
            np.copyto(view, 0)
        with pytest.raises(TypeError, match=r"read-only"):
            memoryview(view)[0] = 1
        np.testing.assert_array_equal(ray.get(ref), np.arange(length))


@program()
def slices_and_reshapes_of_a_view_are_read_only(ray: ModuleType) -> None:
    """V4: what is made of a view without copying is a view too."""
    view = ray.get(ray.put(np.arange(400_000)))
    derived = [
        view[::2],
        view.reshape(400, 1000),
        view.reshape(400, 1000).T,
        view.view(np.uint8),
        np.asarray(view),
        view[:0],
    ]
    assert [each.flags.writeable for each in derived] == [False] * len(derived)
    assert view.copy().flags.writeable
    assert (view + 1).flags.writeable
    assert np.array(view).flags.writeable


@program()
def two_reads_share_memory(ray: ModuleType) -> None:
    """V5: a large array read twice in one process is one piece of memory, alone and inside a list of refs."""
    ref = ray.put(np.arange(1_000_000))
    first, second = ray.get(ref), ray.get(ref)
    third, fourth = ray.get([ref, ref])
    assert np.shares_memory(first, second)
    assert np.shares_memory(first, third)
    assert np.shares_memory(third, fourth)

    @ray.remote
    def look(array, box):
        return bool(np.shares_memory(array, ray.get(box[0])))

    assert ray.get(look.remote(ref, [ref])) is True


@program()
def one_array_under_two_names_is_stored_once(ray: ModuleType) -> None:
    """V8: identity inside a value; two views of one base become two arrays."""
    base = np.arange(500_000)
    left, right, part = ray.get(ray.put((base, base, base[:250_000])))
    assert left is right
    assert not np.shares_memory(left, part)
    np.testing.assert_array_equal(left[:250_000], part)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def a_view_stays_right_while_the_store_is_used_hard(ray: ModuleType) -> None:
    """V6: views whose refs are gone, while several times the store's size is written, read and freed."""
    views = [ray.get(ray.put(np.full(4 * MB, number, dtype=np.uint8))) for number in range(4)]
    tails = [ray.get(ray.put(np.full(4 * MB, 100 + number, dtype=np.uint8)))[-10:] for number in range(2)]
    gc.collect()

    @ray.remote
    def fill(number):
        return np.full(8 * MB, 200 + number % 50, dtype=np.uint8)

    for number in range(20):
        made = fill.remote(number)
        put = ray.put(np.full(8 * MB, 150, dtype=np.uint8))
        assert int(ray.get(made)[number]) == 200 + number % 50
        assert int(ray.get(put)[-1]) == 150
        del made, put
    assert [(int(view.min()), int(view.max())) for view in views] == [(number, number) for number in range(4)]
    assert [(int(tail.min()), int(tail.max())) for tail in tails] == [(100, 100), (101, 101)]
    del views, tails
    gc.collect()
    wait_until_freed(ray)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def an_actor_keeps_views_of_what_is_gone(ray: ModuleType) -> None:
    """V6: arguments kept in an actor's state as slices; their refs, their writers and their callers are gone."""

    @ray.remote(num_cpus=0)
    class Keeper:
        def __init__(self):
            self.views = []

        def keep(self, array):
            self.views.append(array[::1024])

        def totals(self):
            return [(int(view.min()), int(view.max()), len(view)) for view in self.views]

        def forget(self):
            self.views.clear()

    @ray.remote(max_calls=1)
    def hand_over(keeper, number):
        ray.get(keeper.keep.remote(np.full(4 * MB, number, dtype=np.uint8)))

    keeper = Keeper.remote()
    ray.get([hand_over.remote(keeper, number) for number in range(5)])
    for number in range(10):
        assert ray.get(ray.put(np.full(16 * MB, number, dtype=np.uint8)))[-1] == number
    assert sorted(ray.get(keeper.totals.remote())) == [(number, number, 4096) for number in range(5)]
    ray.get(keeper.forget.remote())
    wait_until_freed(ray)


@program()
def a_view_can_be_put_and_returned_again(ray: ModuleType) -> None:
    """V6: a new object with bytes of its own."""

    @ray.remote
    def back(array):
        return array

    ref = ray.put(np.arange(300_000))
    again, returned = ray.put(ray.get(ref)), back.remote(ref)
    assert again != ref
    del ref
    gc.collect()
    np.testing.assert_array_equal(ray.get(again), np.arange(300_000))
    np.testing.assert_array_equal(ray.get(returned), np.arange(300_000))
    assert not np.shares_memory(ray.get(again), ray.get(returned))


@program()
def arrays_that_are_no_single_buffer_come_back_writable(ray: ModuleType) -> None:
    """V4: strided arrays, arrays of objects and of dates give numpy no buffer to hand out; each read makes them anew."""
    base = np.arange(400_000).reshape(400, 1000)
    dates = np.array(["2020-02-29"] * 30_000, dtype="datetime64[D]")
    for original in (base[:, ::2], base[::2, ::2], np.array([1, "a", None], dtype=object), dates):
        ref = ray.put(original)
        first = ray.get(ref)
        assert first.flags.writeable
        first[0] = first[1]
        np.testing.assert_array_equal(ray.get(ref), original)


@program()
def layouts_that_are_one_buffer_come_back_as_views(ray: ModuleType) -> None:
    """V4: C and Fortran order, structured, big-endian, bool, 0-d and empty arrays."""
    kind = np.dtype([("id", ">i4"), ("name", "S5"), ("point", "f8", (2, 2))])
    originals = [
        np.asfortranarray(np.arange(200_000).reshape(400, 500)),
        np.zeros(20_000, dtype=kind),
        np.arange(200_000, dtype=">f4"),
        np.ones((3, 50_000), dtype=bool),
        np.array(5.0),
        np.empty((0, 7), dtype=np.int16),
        np.full((100, 1, 1000), 1 + 2j),
    ]
    for original, back in zip(originals, ray.get([ray.put(each) for each in originals]), strict=True):
        assert not back.flags.writeable
        assert (back.dtype, back.shape) == (original.dtype, original.shape)
        assert back.flags.f_contiguous == original.flags.f_contiguous
        np.testing.assert_array_equal(back, original)


@program()
def numpy_scalars_survive(ray: ModuleType) -> None:
    """V4: of every kind, a record included, with their types."""
    record = np.zeros(2, dtype=[("a", "i4"), ("b", "U3")])[1]
    scalars = [
        np.bool_(True), np.int8(-1), np.uint64(2**64 - 1), np.float16(0.5), np.longdouble(1) / 3, np.complex64(1j),
        np.str_("é"), np.datetime64("2020-01-01"), np.timedelta64(3, "h"), np.float64("nan"), record,
    ]  # fmt: skip
    for scalar, back in zip(scalars, ray.get([ray.put(each) for each in scalars]), strict=True):
        assert type(back) is type(scalar)
        assert back == scalar or (scalar != scalar and back != back)


@program()
def bytes_like_values_survive(ray: ModuleType) -> None:
    """V4: bytes and bytearrays come back as themselves, bytearrays and arrays of the standard library writable.

    Inside a tuple: alone or in a list, real Ray makes bytes of a bytearray.
    """
    for length in (0, 10, 1_000_000):
        plain = bytes(range(256)) * (length // 256 + 1)
        back_bytes, back_bytearray = ray.get(ray.put((plain, bytearray(plain))))
        assert type(back_bytes) is bytes
        assert back_bytes == plain
        assert type(back_bytearray) is bytearray
        assert back_bytearray == plain
        back_bytearray[0] = 255
        numbers = array.array("d", [0.5]) * length
        back_numbers = ray.get(ray.put(numbers))
        assert back_numbers == numbers
        back_numbers.append(1.0)


@program()
def memoryviews_come_back_as_bytes(ray: ModuleType) -> None:
    """V4: small and large, alone and inside other values."""
    for data in (b"abc", bytes(range(256)) * 2000):
        alone, inside = ray.get([ray.put(memoryview(data)), ray.put(("inside", memoryview(data)[1:]))])
        assert type(alone) is type(inside[1]) is bytes
        assert (alone, inside[1]) == (data, data[1:])


@program()
def pickle_buffers_come_back_as_read_only_views(ray: ModuleType) -> None:
    """V4: whatever hands out protocol-5 buffers; small and large, and many in one value."""

    class Table:
        """Several columns, as data frames are: each a buffer of its own, and a little state beside them."""

        def __init__(self, name, columns):
            self.name, self.columns = name, columns

        def __reduce_ex__(self, protocol):
            return rebuild, (self.name, {key: pickle.PickleBuffer(value) for key, value in self.columns.items()})

    def rebuild(name, columns):
        return Table(name, {key: memoryview(value) for key, value in columns.items()})

    for length in (3, 300_000):
        columns = {f"column {number}": bytearray([number]) * (length + number) for number in range(5)}
        table = ray.get(ray.put(["before", Table("numbers", columns), "after"]))[1]
        assert table.name == "numbers"
        assert {key: bytes(value) for key, value in table.columns.items()} == columns
        for value in table.columns.values():
            assert value.readonly
            with pytest.raises(TypeError, match="cannot modify read-only memory"):
                value[0] = 1


@program()
def arrays_deep_inside_values_are_views(ray: ModuleType) -> None:
    """V4: in a dataclass in a dictionary in a set of layers, in a named tuple, in a closure."""
    pair_type = collections.namedtuple("pair_type", ["left", "right"])

    @dataclasses.dataclass(frozen=True)
    class Layer:
        name: str
        weights: np.ndarray
        below: Layer | None = None

    weights = np.arange(200_000, dtype=np.float32)
    layer = None
    for number in range(20):
        layer = Layer(f"layer {number}", weights + number, layer)
    value = {"model": pair_type(layer, lambda factor: weights * factor), "closed over": lambda: weights}
    back = ray.get(ray.put(value))
    layer, depth = back["model"].left, 0
    while layer is not None:
        assert not layer.weights.flags.writeable
        np.testing.assert_array_equal(layer.weights, weights + 19 - depth)
        layer, depth = layer.below, depth + 1
    assert depth == 20
    np.testing.assert_array_equal(back["model"].right(2), weights * 2)
    assert not back["closed over"]().flags.writeable


@program()
def large_strings_and_sets_survive(ray: ModuleType) -> None:
    """V7: well above the inline limit, as put, argument and return."""

    @ray.remote
    def echo(value):
        return value

    for value in ("ä€𝄞x" * 1_000_000, set(range(100_000)), frozenset(str(number) for number in range(50_000))):
        assert ray.get(ray.put(value)) == value
        assert ray.get(echo.remote(value)) == value


@program()
def enums_and_flags_survive(ray: ModuleType) -> None:
    """V9: importable ones are the same object on arrival; members of local ones are one object in one value."""
    import http
    import re

    class Colour(enum.IntFlag):
        RED = 1
        BLUE = 2

    back = ray.get(ray.put((http.HTTPStatus.OK, re.RegexFlag.I | re.RegexFlag.M, Colour.RED | Colour.BLUE, Colour)))
    assert back[0] is http.HTTPStatus.OK
    assert back[1] == re.I | re.M
    assert back[2] == 3
    assert [member.name for member in back[3]] == ["RED", "BLUE"]


@program()
def functions_that_call_each_other_survive(ray: ModuleType) -> None:
    """V9: mutual recursion, methods of a local class that refer to the class, a class that refers to itself."""

    def is_even(number):
        return number == 0 or is_odd(number - 1)

    def is_odd(number):
        return number != 0 and is_even(number - 1)

    class Tree:
        def __init__(self, depth):
            self.children = [Tree(depth - 1) for _ in range(2)] if depth else []

        def count(self):
            return 1 + sum(Tree.count(child) for child in self.children)

    @ray.remote
    def use(even, tree, kind):
        return even(10), tree.count(), kind(2).count(), type(tree) is kind

    assert ray.get(use.remote(is_even, Tree(3), Tree)) == (True, 15, 7, True)


@program()
def generators_are_refused_everywhere(ray: ModuleType) -> None:
    """V10: as a stored value, deep inside one, and inside what a task returns: a TypeError that names them."""

    def numbers():
        yield 1

    @ray.remote
    def return_one():
        return {"inside": list(range(2)), "generator": (number for number in range(2))}

    for value in (numbers(), {"a": [numbers()]}, iter(numbers())):
        with pytest.raises(TypeError, match="generator"):
            ray.put(value)
    with pytest.raises(TypeError, match="generator"):
        ray.get(return_one.remote())
    assert ray.get(ray.put(list(numbers()))) == [1]


@program()
def buffers_of_every_size_around_a_page_survive(ray: ModuleType) -> None:
    """V4: lengths around powers of two, many in one value: none runs into its neighbour."""
    sizes = [size + delta for size in (64, 4096, 65536, 102_400) for delta in (-1, 0, 1)]
    arrays = [np.frombuffer(bytes([index + 1]) * size, dtype=np.uint8) for index, size in enumerate(sizes)]
    for back, original in zip(ray.get(ray.put(arrays)), arrays, strict=True):
        np.testing.assert_array_equal(back, original)
    for original in arrays:
        np.testing.assert_array_equal(ray.get(ray.put(original)), original)
