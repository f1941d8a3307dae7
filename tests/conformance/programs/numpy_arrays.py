"""numpy arrays: every layout and type arrives equal, read-only, and outlives its ref."""

from __future__ import annotations

import gc
from types import ModuleType

import numpy as np
import pytest

from ..registry import program


@program()
def arrays_of_all_types_survive(ray: ModuleType) -> None:
    """V4: values, dtype and shape of ordinary, complex, boolean, text and time types."""
    arrays = [np.arange(12).reshape(3, 4).astype(code) for code in "?bBhHiIlLqQefdFD"]
    arrays += [
        np.array(["a", "bcd", "ü"]),
        np.array([b"a", b"bc"]),
        np.array(["2020-01-01", "NaT"], dtype="datetime64[s]"),
        np.array([1, 2], dtype="timedelta64[ms]"),
        np.arange(5, dtype=">i4"),
    ]
    for array, back in zip(arrays, ray.get([ray.put(array) for array in arrays]), strict=True):
        assert back.dtype == array.dtype
        assert back.shape == array.shape
        np.testing.assert_array_equal(back, array)


@program()
def odd_shapes_survive(ray: ModuleType) -> None:
    """V4: zero-length, zero-dimensional, many-dimensional, and numpy scalars."""
    shapes = [(0,), (3, 0), (0, 5, 2), (), (1,), (2, 1, 3, 1, 2)]
    arrays = [np.full(shape, 7.5) for shape in shapes]
    for array, back in zip(arrays, ray.get([ray.put(array) for array in arrays]), strict=True):
        assert isinstance(back, np.ndarray)
        assert (back.shape, back.dtype) == (array.shape, array.dtype)
        np.testing.assert_array_equal(back, array)
    scalar = ray.get(ray.put(np.float32(1.5)))
    assert type(scalar) is np.float32
    assert scalar == 1.5


@program()
def memory_layouts_survive(ray: ModuleType) -> None:
    """V4: Fortran order, strides, negative strides, transposes and broadcasts keep their values."""
    base = np.arange(200 * 300, dtype=np.int32).reshape(200, 300)
    fortran = np.asfortranarray(base)
    arrays = [fortran, base[::2, ::3], base[::-1], base.T, base[5:6], np.broadcast_to(base[0], (50, 300)), base[:, 7]]
    for array, back in zip(arrays, ray.get([ray.put(array) for array in arrays]), strict=True):
        assert back.shape == array.shape
        np.testing.assert_array_equal(back, array)
    assert ray.get(ray.put(fortran)).flags.f_contiguous


@program()
def structured_arrays_survive(ray: ModuleType) -> None:
    """V4: named fields and record arrays, small and above the inline limit."""
    kind = np.dtype([("id", "i8"), ("weight", "f4"), ("name", "U8"), ("point", "f8", (2,))])
    for length in (3, 20_000):
        array = np.zeros(length, dtype=kind)
        array["id"] = np.arange(length)
        array["name"] = "n"
        back = ray.get(ray.put(array))
        assert back.dtype == kind
        np.testing.assert_array_equal(back, array)
    assert ray.get(ray.put(np.rec.array([(1, 2.0)], names="a,b"))).a[0] == 1


@program()
def object_arrays_survive(ray: ModuleType) -> None:
    """V8: arrays of Python objects keep them, with the aliasing inside."""
    shared = [1]
    array = np.empty(4, dtype=object)
    array[:] = [shared, shared, {"k": None}, "text"]
    back = ray.get(ray.put(array))
    assert back.dtype == object
    assert list(back) == [[1], [1], {"k": None}, "text"]
    assert back[0] is back[1]


@program()
def big_arrays_survive(ray: ModuleType) -> None:
    """V4, V7: 1, 8 and 20 MB as put, argument and return."""

    @ray.remote
    def flip(array):
        return array[::-1]

    for megabytes in (1, 8, 20):
        array = np.arange(megabytes * 125_000, dtype=np.float64)
        np.testing.assert_array_equal(ray.get(ray.put(array)), array)
        np.testing.assert_array_equal(ray.get(flip.remote(array)), array[::-1])


@program()
def arrays_from_get_are_read_only(ray: ModuleType) -> None:
    """V4: small and big; writing is a ValueError, a copy can be written, the stored value is unharmed."""
    for length in (10, 1_000_000):
        ref = ray.put(np.arange(length))
        array = ray.get(ref)
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 99
        writable = array.copy()
        writable[0] = 99
        assert ray.get(ref)[0] == 0


@program()
def arrays_as_arguments_are_read_only(ray: ModuleType) -> None:
    """V4: by value and by ref, in tasks and actors."""

    @ray.remote
    def write(array):
        try:
            array[0] = 99
        except ValueError as error:
            return str(error)
        return "written"

    @ray.remote
    class Writer:
        def write(self, array):
            copy = array.copy()
            copy[0] = 99
            return bool(array.flags.writeable), int(copy[0])

    for array in (np.zeros(10), np.zeros(1_000_000)):
        answers = ray.get([write.remote(array), write.remote(ray.put(array))])
        assert all("read-only" in answer for answer in answers)
        assert ray.get(Writer.remote().write.remote(array)) == (False, 99)
        assert array[0] == 0


@program()
def an_array_outlives_its_ref(ray: ModuleType) -> None:
    """V6: the bytes stay while a view on them lives, even when the space is wanted by others."""
    ref = ray.put(np.arange(500_000))
    array = ray.get(ref)
    middle = array[1000:1010]
    del ref, array
    gc.collect()
    others = [ray.put(np.full(500_000, number)) for number in range(10)]
    np.testing.assert_array_equal(middle, np.arange(1000, 1010))
    assert [int(ray.get(other)[0]) for other in others] == list(range(10))


@program()
def an_array_outlives_its_ref_in_an_actor(ray: ModuleType) -> None:
    """V6: an actor may keep an array that it got as an argument."""

    @ray.remote
    class Keeper:
        def keep(self, array):
            self.view = array[::1000]

        def total(self):
            return int(self.view.sum())

    keeper = Keeper.remote()
    ref = ray.put(np.ones(1_000_000, dtype=np.int64))
    ray.get(keeper.keep.remote(ref))
    del ref
    for number in range(5):
        ray.put(np.full(1_000_000, number))
    assert ray.get(keeper.total.remote()) == 1000


@program()
def changing_an_array_after_put_changes_nothing(ray: ModuleType) -> None:
    """P3: the stored bytes are a copy, small and big, for put and for arguments."""

    @ray.remote
    def first(array):
        return int(array[0])

    for length in (10, 1_000_000):
        array = np.zeros(length, dtype=np.int64)
        ref, answer = ray.put(array), first.remote(array)
        array[0] = 7
        assert ray.get(ref)[0] == 0
        assert ray.get(answer) == 0


@program()
def arrays_inside_other_values_survive(ray: ModuleType) -> None:
    """V4, V8: in dictionaries, objects and tuples; one array under two names stays one."""

    class Model:
        def __init__(self, weights):
            self.weights = weights

    big = np.arange(300_000)
    back = ray.get(ray.put({"model": Model(big), "same": big, "pair": (np.zeros(3), "text")}))
    np.testing.assert_array_equal(back["model"].weights, big)
    assert back["same"] is back["model"].weights
    assert back["pair"][1] == "text"
    assert not back["same"].flags.writeable


@program()
def many_arrays_in_one_value_survive(ray: ModuleType) -> None:
    """V4: two hundred buffers of different sizes keep their places."""
    arrays = [np.full(size, size, dtype=np.uint16) for size in range(200)]
    for back, array in zip(ray.get(ray.put(arrays)), arrays, strict=True):
        np.testing.assert_array_equal(back, array)


@program()
def array_arithmetic_across_tasks(ray: ModuleType) -> None:
    """V1: a small pipeline: split, work on parts in tasks, join."""

    @ray.remote
    def square(part):
        return part * part

    @ray.remote
    def join(*parts):
        return np.concatenate(parts)

    whole = np.arange(400_000, dtype=np.float64)
    joined = ray.get(join.remote(*[square.remote(part) for part in np.array_split(whole, 4)]))
    np.testing.assert_array_equal(joined, whole * whole)


@program()
def a_ref_can_be_read_by_many_tasks(ray: ModuleType) -> None:
    """V5, G6: one stored array, ten readers, equal answers."""

    @ray.remote
    def total(array, index):
        return float(array.sum()) + index

    ref = ray.put(np.ones(500_000))
    assert ray.get([total.remote(ref, index) for index in range(10)]) == [500_000.0 + index for index in range(10)]


@program()
def other_buffers_survive(ray: ModuleType) -> None:
    """V4: subclasses of ndarray, masked arrays and numpy random generators."""

    class Tagged(np.ndarray):
        pass

    tagged = np.arange(3).view(Tagged)
    masked = np.ma.masked_array([1, 2, 3], mask=[False, True, False])
    generator = np.random.default_rng(7)
    back_tagged, back_masked, back_generator = ray.get(ray.put((tagged, masked, generator)))
    assert type(back_tagged).__name__ == "Tagged"
    np.testing.assert_array_equal(back_tagged, tagged)
    assert back_masked.sum() == 4
    assert back_generator.random() == generator.random()
