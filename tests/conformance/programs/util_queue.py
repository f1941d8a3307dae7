"""U2: `ray.util.queue.Queue`."""

from __future__ import annotations

import asyncio
import queue
from types import ModuleType
from typing import Any

from ..helpers import module_of, wait_until
from ..registry import program


def _raises(kind: type[BaseException], function: Any, *args: Any, **kwargs: Any) -> BaseException:
    try:
        function(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


@program()
def queue_is_first_in_first_out(ray: ModuleType) -> None:
    """U2, surface 6: items come out in the order in which they went in; sizes tell."""
    q = module_of(ray, "util.queue").Queue()
    assert q.empty() and not q.full() and len(q) == q.size() == q.qsize() == 0
    for item in ("a", [1], None):
        q.put(item)
    assert len(q) == 3 and not q.empty() and not q.full()
    assert [q.get(), q.get(), q.get()] == ["a", [1], None]


@program()
def queue_full_and_empty(ray: ModuleType) -> None:
    """U2, surface 6: `Full` and `Empty` without waiting and in time; both are also the standard library's."""
    module = module_of(ray, "util.queue")
    q = module.Queue(maxsize=1)
    q.put(1)
    assert q.full()
    for full in (
        _raises(module.Full, q.put_nowait, 2),
        _raises(module.Full, q.put, 2, block=False),
        _raises(module.Full, q.put, 2, timeout=0.01),
    ):
        assert isinstance(full, queue.Full)
    assert q.get_nowait() == 1
    for empty in (
        _raises(module.Empty, q.get_nowait),
        _raises(module.Empty, q.get, block=False),
        _raises(module.Empty, q.get, timeout=0.01),
    ):
        assert isinstance(empty, queue.Empty)
    assert str(_raises(ValueError, q.put, 1, timeout=-1)) == "'timeout' must be a non-negative number"
    assert str(_raises(ValueError, q.get, timeout=-1)) == "'timeout' must be a non-negative number"


@program()
def queue_batches_are_all_or_nothing(ray: ModuleType) -> None:
    """U2, surface 6: a batch that does not fit puts nothing in, one that is not there takes nothing out."""
    module = module_of(ray, "util.queue")
    q = module.Queue(maxsize=3)
    q.put_nowait_batch([1, 2])
    assert "Cannot add 2 items to queue of size 2 and maxsize 3." in str(_raises(module.Full, q.put_nowait_batch, [3, 4]))
    assert q.size() == 2
    assert "Cannot get 3 items from queue of size 2." in str(_raises(module.Empty, q.get_nowait_batch, 3))
    assert q.get_nowait_batch(2) == [1, 2] and q.get_nowait_batch(0) == []
    assert str(_raises(TypeError, q.put_nowait_batch, 1)) == "Argument 'items' must be an Iterable"
    assert str(_raises(TypeError, q.get_nowait_batch, "1")) == "Argument 'num_items' must be an int"
    assert str(_raises(ValueError, q.get_nowait_batch, -1)) == "'num_items' must be nonnegative"


@program()
def queue_between_tasks(ray: ModuleType) -> None:
    """U2, surface 6: the queue may be passed on; a task that waits at an empty queue gets what another puts in."""
    q = module_of(ray, "util.queue").Queue()

    @ray.remote(num_cpus=0.5)
    def consume(q: Any, count: int) -> list[int]:
        return [q.get() for _ in range(count)]

    @ray.remote(num_cpus=0.5)
    def produce(q: Any, items: list[int]) -> None:
        for item in items:
            q.put(item)

    consumed = consume.remote(q, 10)
    ray.get(produce.remote(q, list(range(10))))
    assert ray.get(consumed) == list(range(10))


@program()
def queue_room_wakes_who_waits_for_it(ray: ModuleType) -> None:
    """U2, surface 6: `put` into a full queue waits until there is room."""
    q = module_of(ray, "util.queue").Queue(maxsize=1)
    q.put(1)

    @ray.remote
    def put(q: Any, item: int) -> str:
        q.put(item)
        return "put"

    ref = put.remote(q, 2)
    assert ray.wait([ref], timeout=0.05) == ([], [ref])
    assert q.get() == 1
    assert ray.get(ref) == "put" and q.get() == 2


@program()
def queue_from_coroutines(ray: ModuleType) -> None:
    """U2, surface 6: `put_async` and `get_async`, with the same errors."""
    module = module_of(ray, "util.queue")
    q = module.Queue(maxsize=1)

    async def use() -> None:
        taking = asyncio.ensure_future(q.get_async())
        await q.put_async(1)
        assert await taking == 1
        await q.put_async(2, block=False)
        for arguments in ({"block": False}, {"timeout": 0.01}):
            try:
                await q.put_async(3, **arguments)
            except module.Full:
                continue
            raise AssertionError("not full")
        assert await q.get_async(block=False) == 2
        for arguments in ({"block": False}, {"timeout": 0.01}):
            try:
                await q.get_async(**arguments)
            except module.Empty:
                continue
            raise AssertionError("not empty")

    asyncio.run(use())


@program()
def queue_shuts_down(ray: ModuleType) -> None:
    """U2, surface 6: `shutdown` ends the actor, and may be called twice; `actor_options` are the actor's."""
    q = module_of(ray, "util.queue").Queue(actor_options={"num_cpus": 1, "name": "the queue"})
    assert q.empty()
    actor = q.actor
    assert ray.get_actor("the queue") == actor
    wait_until(lambda: ray.available_resources().get("CPU") == 1.0, "the actor holds a CPU")
    q.shutdown()
    assert q.actor is None
    q.shutdown()
    _raises(ray.exceptions.RayActorError, ray.get, actor.empty.remote())
    other = module_of(ray, "util.queue").Queue()
    actor = other.actor
    other.shutdown(force=True)
    _raises(ray.exceptions.RayActorError, ray.get, actor.empty.remote())


@program()
def queue_of_many_producers_and_consumers(ray: ModuleType) -> None:
    """U2, surface 6: each item goes to one consumer, in the order of its producer; consumers may come first; who waits at a queue
    that is ended gets an error."""
    q = module_of(ray, "util.queue").Queue(maxsize=3)

    @ray.remote(num_cpus=0)
    def produce(q: Any, name: str, count: int) -> None:
        for number in range(count):
            q.put((name, number))

    @ray.remote(num_cpus=0)
    def consume(q: Any, count: int) -> list[tuple[str, int]]:
        return [q.get() for _ in range(count)]

    consumers = [consume.remote(q, 10) for _ in range(3)]
    producers = [produce.remote(q, name, 10) for name in "abc"]
    ray.get(producers, timeout=60)
    taken = ray.get(consumers, timeout=60)
    assert sorted(item for items in taken for item in items) == [(name, number) for name in "abc" for number in range(10)]
    for items in taken:
        for name in "abc":
            numbers = [number for each, number in items if each == name]
            assert numbers == sorted(numbers)
    waiting = consume.remote(q, 1)
    assert ray.wait([waiting], timeout=0.05) == ([], [waiting])
    q.shutdown(force=True)
    _raises(ray.exceptions.RayActorError, ray.get, waiting, timeout=60)
