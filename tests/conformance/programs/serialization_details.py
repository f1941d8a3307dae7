"""What survives a trip through the object store, in detail: what stays alive, where arrays lie, what resolves itself on arrival."""

from __future__ import annotations

import gc
import importlib
import io
import string
import weakref
from types import ModuleType

import numpy as np
import pytest
from numpy import log

from ..helpers import module_of
from ..registry import NOT_SIMULATED, program


@program()
def what_was_serialized_is_not_kept(ray: ModuleType) -> None:
    """V19: neither put nor a call nor a definition keeps what it was given: it ends with the user's own names for it, without a
    collection."""

    class Item:
        pass

    @ray.remote
    def take(item):
        return None

    def define():
        item = Item()

        @ray.remote
        def use():
            return item is not None

        return use, weakref.ref(item)

    @ray.remote(num_cpus=0)
    class Keeper:
        def __init__(self, item):
            self.item = item

        def take(self, item):
            return None

    was_on = gc.isenabled()
    gc.disable()
    try:
        items = [Item() for _ in range(4)]
        seen = [weakref.ref(item) for item in items]
        ref = ray.put(items[0])
        ray.get(take.remote(items[1]))
        keeper = Keeper.remote(items[2])
        ray.get(keeper.take.remote(items[3]))
        del items
        assert [item() for item in seen] == [None] * 4
        use, captured = define()
        assert ray.get(use.remote()) and captured() is not None
        cloudpickle = importlib.import_module(f"{ray.__name__}.cloudpickle")
        item = Item()
        dumped, alone = cloudpickle.dumps(item), weakref.ref(item)
        del item
        assert alone() is None and type(cloudpickle.loads(dumped)).__name__ == "Item"
        assert ref is not None
    finally:
        if was_on:
            gc.enable()


@program()
def arrays_lie_where_processors_like_it(ray: ModuleType) -> None:
    """V4: large arrays begin at multiples of 64 bytes, small ones at multiples of 8, alone and in lists."""
    for count in (60_000, 100_000, 1_000_003):
        array = ray.get(ray.put(np.arange(count, dtype=np.float64)))
        assert array.ctypes.data % 64 == 0 and array[-1] == count - 1
    lists = (
        [np.arange(count, dtype=np.float64) for count in range(100)],
        [np.ones(count * (1,)) for count in range(20)],
        [np.ones((5,) * count)[(slice(1, 3),) * count] for count in range(1, 7)],
    )
    for arrays in lists:
        for array, back in zip(arrays, ray.get(ray.put(arrays)), strict=True):
            assert back.ctypes.data % 8 == 0 and np.array_equal(array, back)


@program()
def classes_of_one_name_are_told_apart(ray: ModuleType) -> None:
    """V9: three classes called the same, made in one task: as returns of their own and in one tuple; instances of each stay of
    theirs."""

    def make():
        class Same:
            def first(self):
                return 1

        one = Same()

        class Same:
            def second(self):
                return 2

        two = Same()

        class Same:
            def third(self):
                return 3

        return one, two, Same()

    together, apart = ray.remote(make), ray.remote(num_returns=3)(make)
    found = ray.get([together.remote() for _ in range(3)])
    found += [tuple(ray.get(apart.remote())) for _ in range(3)]
    for one, two, three in found:
        assert (one.first(), two.second(), three.third()) == (1, 2, 3)
        names = [{name for name in ("first", "second", "third") if hasattr(each, name)} for each in (one, two, three)]
        assert names == [{"first"}, {"second"}, {"third"}]


@program()
def a_value_may_be_got_while_another_is_read(ray: ModuleType) -> None:
    """V2, V11: a `__reduce__` that asks for a reference with ray.get when it is read, ten of them one in the other, in the driver
    and as a task's argument."""

    class Resolving:
        def __init__(self, ref):
            self.ref = ref

        def __reduce__(self):
            return ray.get, (self.ref,)

    ref = ray.put(42)
    for _ in range(10):
        ref = ray.put(Resolving(ref))
    assert ray.get(ref) == 42

    @ray.remote
    def read(value, boxed):
        return value, boxed

    assert ray.get(read.remote(ref, [Resolving(ref)])) == (42, [42])


@program()
def small_things_keep_their_types(ray: ModuleType) -> None:
    """V: what programs pass every day, bare, in a list, a tuple and a dictionary, as an argument and stored."""
    things = [
        0,
        0.9,
        1 << 62,
        1 << 999,
        b"",
        "",
        string.printable,
        "\u262f",
        "\xff\xfe\x9c\x001\x000\x00",
        None,
        True,
        [],
        (),
        {},
        set(),
        type,
        int,
        NotImplemented,
        Ellipsis,
        range(3),
        slice(1, 2),
        complex(1, 2),
        np.int8(3),
        np.uint64(5),
        np.float32(1.5),
        np.bool_(True),
        np.datetime64("2020-01-01"),
        np.dtype("i4"),
    ]

    @ray.remote
    def back(value):
        return value

    for wrapped in (things, [[each] for each in things], [(each,) for each in things], [{(): each} for each in things]):
        refs = [back.remote(each) for each in wrapped]
        for each, passed, stored in zip(wrapped, ray.get(refs), ray.get([ray.put(each) for each in wrapped]), strict=True):
            assert passed == each == stored
            assert type(passed) is type(each) is type(stored)
    text = io.StringIO("one\ntwo\n")
    assert text.readline() == "one\n"
    assert ray.get(ray.put(text)).readline() == "two\n"

    @ray.remote
    def logarithm(value):
        return float(log(value))

    assert ray.get(logarithm.remote(1.0)) == 0.0


@program(starts_session=False, engines=NOT_SIMULATED, reason="calls ray.init itself and so chooses no engine")
def a_serializer_may_be_registered_before_init(ray: ModuleType) -> None:
    """V11, surface 6: and is used in the session that comes; deregistering what is not registered does nothing."""
    import threading

    class Locked:
        def __init__(self, value):
            self.value = value
            self.lock = threading.Lock()

    util = module_of(ray, "util")
    util.register_serializer(Locked, serializer=lambda locked: locked.value, deserializer=Locked)
    try:
        ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)

        @ray.remote
        def double(locked):
            return locked.value * 2

        assert ray.get(ray.put(Locked(1))).value == 1
        assert ray.get(double.remote(Locked(2))) == 4
    finally:
        util.deregister_serializer(Locked)
    util.deregister_serializer(Locked)
    with pytest.raises(TypeError):
        ray.put(Locked(1))
