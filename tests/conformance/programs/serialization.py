"""What survives a trip through the object store: identity inside a value, classes, functions, hooks."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import operator
import pathlib
import re
import uuid
from types import ModuleType

import pytest

from ..registry import program


@program()
def shared_parts_stay_shared(ray: ModuleType) -> None:
    """V8: two names for one object inside a value are two names for one object afterwards.

    Not asserted for values of nothing but plain lists and dictionaries: real Ray encodes those without pickle and
    makes two of one.
    """

    class Pair:
        def __init__(self, left, right):
            self.left, self.right = left, right

    part = [1, 2]

    @ray.remote
    def inspect(pair):
        pair.left.append(3)
        return pair.right, pair.left is pair.right

    assert ray.get(inspect.remote(Pair(part, part))) == ([1, 2, 3], True)
    assert ray.get(inspect.remote(Pair(part, [1, 2]))) == ([1, 2], False)
    in_tuple = ray.get(ray.put((part, {"again": part})))
    assert in_tuple[0] is in_tuple[1]["again"]
    shared = Pair(1, 2)
    in_list = ray.get(ray.put([shared, {"again": shared}]))
    assert in_list[0] is in_list[1]["again"]


@program()
def cycles_survive(ray: ModuleType) -> None:
    """V8: lists, dictionaries and objects that contain themselves."""

    class Node:
        def __init__(self):
            self.next = self
            self.children = [self]

    loop: list[object] = [1]
    loop.append(loop)
    table: dict[str, object] = {}
    table["self"] = table
    back_loop, back_table, back_node = ray.get(ray.put((loop, table, Node())))
    assert back_loop[1] is back_loop
    assert back_table["self"] is back_table
    assert back_node.next is back_node
    assert back_node.children[0] is back_node


@program()
def identity_is_not_kept_between_values(ray: ModuleType) -> None:
    """V8: aliasing holds inside one value; two arguments are two values."""

    @ray.remote
    def same(left, right):
        return left is right, left == right

    item = [1]
    assert ray.get(same.remote(item, [item][0]))[1] is True
    assert ray.get(ray.put(item)) is not item


@program()
def local_classes_travel_by_value(ray: ModuleType) -> None:
    """V9: instances, subclasses, class attributes and methods of classes made inside a function."""

    class Base:
        kind = "base"

        def __init__(self, value):
            self.value = value

        def describe(self):
            return f"{self.kind} {self.value}"

    class Derived(Base):
        kind = "derived"

        def describe(self):
            return super().describe() + "!"

    @ray.remote
    def use(thing, make):
        return thing.describe(), make(2).describe(), isinstance(thing, make)

    assert ray.get(use.remote(Derived(1), Derived)) == ("derived 1!", "derived 2!", True)
    assert isinstance(ray.get(ray.put(Derived(3))), Derived)


@program()
def each_process_has_local_classes_of_its_own(ray: ModuleType) -> None:
    """V9: what a worker changes in a class that came by value is changed there alone, and an instance that comes back
    is one of the class that left."""

    class Counted:
        made = 0

        def __init__(self):
            type(self).made += 1

    @ray.remote
    class Maker:
        def count(self):
            Counted()
            return Counted.made

        def make(self):
            return Counted()

    first, second = Maker.remote(), Maker.remote()
    assert [ray.get(maker.count.remote()) for maker in (first, second, first)] == [1, 1, 2]
    assert Counted.made == 0
    assert type(ray.get(second.make.remote())) is Counted


@program()
def a_workers_own_classes_come_back(ray: ModuleType) -> None:
    """V9: a class defined inside a task can be returned, as instance and as class."""

    @ray.remote
    def make():
        class Made:
            def __init__(self, value):
                self.value = value

            def double(self):
                return 2 * self.value

        return Made(4), Made

    instance, made = ray.get(make.remote())
    assert instance.double() == 8
    assert made(5).double() == 10
    assert isinstance(instance, made)


@program()
def slots_and_properties_survive(ray: ModuleType) -> None:
    """V9: classes with __slots__, properties and special methods."""

    class Point:
        __slots__ = ("x", "y")

        def __init__(self, x, y):
            self.x, self.y = x, y

        @property
        def sum(self):
            return self.x + self.y

        def __eq__(self, other):
            return (self.x, self.y) == (other.x, other.y)

        __hash__ = None

    back = ray.get(ray.put(Point(1, 2)))
    assert back == Point(1, 2)
    assert back.sum == 3
    assert not hasattr(back, "__dict__")


@program()
def dataclasses_and_enums_survive(ray: ModuleType) -> None:
    """V9: also frozen ones and local enums; members are found by value."""

    class Colour(enum.Enum):
        RED = 1
        BLUE = "b"

    @dataclasses.dataclass(frozen=True)
    class Item:
        name: str
        colours: tuple[Colour, ...] = ()
        extra: dict = dataclasses.field(default_factory=dict)

    @ray.remote
    def paint(item):
        return dataclasses.replace(item, colours=(*item.colours, Colour.BLUE), extra={"done": True})

    back = ray.get(paint.remote(Item("box", (Colour.RED,))))
    assert (back.name, back.extra) == ("box", {"done": True})
    assert [colour.name for colour in back.colours] == ["RED", "BLUE"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        back.name = "other"


@program()
def named_tuples_survive(ray: ModuleType) -> None:
    """V9: they keep type, names and being tuples."""
    pair_type = collections.namedtuple("pair_type", ["left", "right"])

    @ray.remote
    def swap(pair):
        return pair._replace(left=pair.right, right=pair.left)

    back = ray.get(swap.remote(pair_type(1, [2])))
    assert back == ([2], 1)
    assert (back.left, back.right) == ([2], 1)
    assert type(back).__name__ == "pair_type"


@program()
def reduce_is_honoured(ray: ModuleType) -> None:
    """V11: __reduce__, and __getstate__ with __setstate__."""

    def rebuild(text):
        return Reduced("rebuilt " + text)

    class Reduced:
        def __init__(self, text):
            self.text = text

        def __reduce__(self):
            return rebuild, (self.text,)

    class Stateful:
        def __init__(self):
            self.kept, self.dropped = "kept", lambda: None

        def __getstate__(self):
            return {"kept": self.kept}

        def __setstate__(self, state):
            self.kept = state["kept"] + " through state"

    reduced, stateful = ray.get(ray.put([Reduced("once"), Stateful()]))
    assert reduced.text == "rebuilt once"
    assert stateful.kept == "kept through state"
    assert not hasattr(stateful, "dropped")


@program()
def functions_survive(ray: ModuleType) -> None:
    """V9: lambdas, closures, recursion, defaults, builtins and partials, as values."""
    base = 10

    def countdown(number):
        return [number, *countdown(number - 1)] if number else [0]

    def with_defaults(a, b=2, *, c=3):
        return a + b + c + base

    values = ray.get(
        ray.put([lambda x: x + base, countdown, with_defaults, functools.partial(pow, 2), len, operator.itemgetter(1)])
    )
    assert values[0](1) == 11
    assert values[1](3) == [3, 2, 1, 0]
    assert values[2](1, c=0) == 13
    assert values[3](10) == 1024
    assert values[4]([1, 2]) == 2
    assert values[5]("ab") == "b"


@program()
def library_types_survive(ray: ModuleType) -> None:
    """V: dates, decimals, paths, patterns, uuids, ordered and default dictionaries, deques, counters."""
    values = [
        datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc),
        datetime.timedelta(days=1, microseconds=5),
        decimal.Decimal("1.10"),
        pathlib.PurePosixPath("/a/b"),
        re.compile(r"a+b", re.IGNORECASE),
        uuid.UUID(int=7),
        collections.OrderedDict([("b", 1), ("a", 2)]),
        collections.deque([1, 2, 3], maxlen=3),
        collections.Counter("aab"),
        collections.defaultdict(list, {"k": [1]}),
    ]
    back = ray.get([ray.put(value) for value in values])
    assert back == values
    assert [type(value) for value in back] == [type(value) for value in values]
    assert back[-1]["new"] == []
    assert back[7].maxlen == 3


@program()
def modules_and_types_travel_by_reference(ray: ModuleType) -> None:
    """V12: importable things are the same object on arrival."""
    back = ray.get(ray.put([collections, dict, collections.OrderedDict, os_path_join()]))
    assert back[0] is collections
    assert back[1] is dict
    assert back[2] is collections.OrderedDict
    assert back[3] is os_path_join()


def os_path_join():
    """An importable function of the standard library, looked up late."""
    import os.path

    return os.path.join


@program()
def deeply_nested_values_survive(ray: ModuleType) -> None:
    """V: a hundred levels of lists and dictionaries."""
    value: object = "core"
    for level in range(100):
        value = [value] if level % 2 else {"level": level, "inner": value}
    assert ray.get(ray.put(value)) == value


@program()
def big_plain_values_survive(ray: ModuleType) -> None:
    """V7: many small objects, long strings and bytes well above the inline limit."""
    table = {number: (str(number), number * 0.5) for number in range(20_000)}
    text, blob = "é" * 1_000_000, bytes(1000) * 3000

    @ray.remote
    def echo(*values):
        return values

    assert ray.get(echo.remote(table, text, blob)) == (table, text, blob)
    assert ray.get([ray.put(table), ray.put(text), ray.put(blob)]) == [table, text, blob]


@program()
def values_around_the_inline_limit_survive(ray: ModuleType) -> None:
    """V7: sizes on both sides of 100 KiB, as put, argument and return."""

    @ray.remote
    def echo(blob):
        return blob

    limit = 100 * 1024
    for size in (0, 1, limit - 200, limit - 1, limit, limit + 1, limit + 200, 3 * limit):
        blob = bytes(index % 251 for index in range(min(size, 1000))) + b"\x07" * max(0, size - 1000)
        assert ray.get(ray.put(blob)) == blob
        assert ray.get(echo.remote(blob)) == blob


@program()
def registered_serializers_are_used(ray: ModuleType) -> None:
    """V11: for a class that cannot be pickled, in both directions; deregistering undoes it."""
    import threading

    class Guarded:
        def __init__(self, value):
            self.value = value
            self.lock = threading.Lock()

    ray.util.register_serializer(Guarded, serializer=lambda each: each.value, deserializer=lambda value: Guarded(value))
    try:

        @ray.remote
        def grow(guarded):
            with guarded.lock:
                return guarded.value + 1

        assert ray.get(ray.put(Guarded(1))).value == 1
        assert ray.get(grow.remote(Guarded(5))) == 6
    finally:
        ray.util.deregister_serializer(Guarded)
    with pytest.raises(TypeError, match="lock"):
        ray.put(Guarded(2))
