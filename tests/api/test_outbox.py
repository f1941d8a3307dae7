"""An object nobody was told of may be unsaid; one that anything behind it may speak of may not."""

from __future__ import annotations

import random

import numpy
import pytest
from crash.drivers import wait_until

from localray.client.outbox import may_be_kept_back, take_back
from localray.protocol import (
    AbandonBuffer,
    AddReferences,
    DropReferences,
    GetObjects,
    Message,
    PutObject,
    RecordSite,
    SubmitTask,
    UnpinObjects,
)


def put(name: bytes, contained: tuple[bytes, ...] = ()) -> PutObject:
    return PutObject(name, 0, b"value", -1, 5, contained)


MINE = put(b"mine")
SAME = put(b"mine")


@pytest.mark.parametrize(
    "behind",
    [
        [],
        [put(b"other")],
        [DropReferences((b"x",)), UnpinObjects((b"y",)), AbandonBuffer(0, 64)],
        [put(b"other"), DropReferences((b"other",)), put(b"third")],
    ],
)
def test_what_nothing_speaks_of_is_taken_back(behind: list[Message]) -> None:
    before: list[Message] = [GetObjects(1, (b"older",), 1, False)]
    outbox = [*before, MINE, *behind]
    assert take_back(outbox, MINE)
    assert outbox == [*before, *behind]


@pytest.mark.parametrize(
    "behind",
    [
        SubmitTask(b"task", 1, b"", (b"mine",), ()),
        SubmitTask(b"task", 1, b"", (), (b"mine",)),
        put(b"holder", (b"mine",)),
        AddReferences((b"mine",)),
        GetObjects(1, (b"mine",), 1, False),
        RecordSite(b"mine", "here"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_what_may_be_spoken_of_stays(behind: Message) -> None:
    outbox = [MINE, put(b"other"), behind]
    assert not take_back(outbox, MINE)
    assert len(outbox) == 3


def test_what_has_left_stays_told() -> None:
    """Told apart by identity: an equal message is another."""
    outbox: list[Message] = [SAME]
    assert not take_back(outbox, MINE)
    assert outbox == [SAME]


def test_only_objects_are_kept_back() -> None:
    assert may_be_kept_back([put(b"a"), put(b"b", (b"a",))])
    assert not may_be_kept_back([])
    assert not may_be_kept_back([put(b"a"), DropReferences((b"c",))])


def test_objects_that_come_and_go_in_any_order_keep_their_values(nothing_left: None) -> None:
    """Put, contained in another, passed to a task, read, dropped: whatever was taken back, what lives is right, and in the end
    nothing is in the store."""
    import localray as ray

    ray.init(num_cpus=2)

    @ray.remote
    def total(array: numpy.ndarray[tuple[int], numpy.dtype[numpy.uint8]]) -> int:
        return int(array.sum(dtype=numpy.uint64))

    def made(number: int) -> numpy.ndarray[tuple[int], numpy.dtype[numpy.uint8]]:
        return numpy.full(size_of(number), number % 251, numpy.uint8)

    def size_of(number: int) -> int:
        return 150_000 + 1_000 * (number % 40)

    dice = random.Random(7)
    held: dict[int, object] = {}
    holders: dict[int, object] = {}
    sums: dict[int, object] = {}
    for number in range(600):
        held[number] = ray.put(made(number))
        chosen = dice.choice(list(held))
        deed = dice.randrange(6)
        if deed == 0:
            holders[chosen] = ray.put([held[chosen]])
        elif deed == 1:
            sums[chosen] = total.remote(held[chosen])
        elif deed == 2:
            assert (ray.get(held[chosen]) == made(chosen)).all()
        if deed >= 2 or len(held) > 20:
            del held[dice.choice(list(held))]
    for number, holder in holders.items():
        assert (ray.get(ray.get(holder)[0]) == made(number)).all()
    for number, answer in sums.items():
        assert ray.get(answer, timeout=60) == size_of(number) * (number % 251)
    for number, reference in held.items():
        assert (ray.get(reference) == made(number)).all()
    del reference, holder, answer
    held.clear()
    holders.clear()
    sums.clear()
    in_all = ray.cluster_resources()["object_store_memory"]
    wait_until(lambda: ray.available_resources()["object_store_memory"] == in_all, "nothing is in the store")
