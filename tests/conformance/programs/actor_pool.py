"""U1: `ray.util.ActorPool`."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ..helpers import make_gate, make_recorder, make_waiter, module_of, wait_until
from ..registry import program


def _pool(ray: ModuleType, count: int) -> Any:
    @ray.remote(num_cpus=0)
    class Worker:
        def double(self, value: int) -> int:
            return 2 * value

        def fail(self, value: int) -> int:
            raise ValueError(value)

        def wait_for(self, gate: Any, value: int) -> int:
            import time

            while not ray.get(gate.is_open.remote()):
                time.sleep(0.01)
            return value

        def two(self, value: int) -> tuple[int, int]:
            return value, -value

    return ray.util.ActorPool([Worker.remote() for _ in range(count)])


def _double(actor: Any, value: int) -> Any:
    return actor.double.remote(value)


def _raises(kind: type[BaseException], function: Any, *args: Any, **kwargs: Any) -> str:
    try:
        function(*args, **kwargs)
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__}")


@program()
def pool_map_gives_results_in_order(ray: ModuleType) -> None:
    """U1, surface 6: `map` is ordered, `map_unordered` gives each once, more values than actors."""
    pool = _pool(ray, 2)
    assert list(pool.map(_double, range(7))) == [0, 2, 4, 6, 8, 10, 12]
    assert sorted(pool.map_unordered(_double, range(7))) == [0, 2, 4, 6, 8, 10, 12]
    assert list(pool.map(_double, [])) == []
    assert not pool.has_next() and pool.has_free()


@program()
def pool_submit_queues_without_a_free_actor(ray: ModuleType) -> None:
    """U1, surface 6: `submit` queues when no actor is free; `get_next` gives the order of submission."""
    pool = _pool(ray, 1)
    assert pool.has_free() and not pool.has_next()
    for value in (1, 2, 3):
        pool.submit(_double, value)
    assert not pool.has_free() and pool.has_next() and pool.pop_idle() is None
    assert [pool.get_next() for _ in range(3)] == [2, 4, 6]
    assert pool.has_free() and not pool.has_next()
    assert _raises(StopIteration, pool.get_next) == "No more results to get"
    assert _raises(StopIteration, pool.get_next_unordered) == "No more results to get"


@program()
def pool_unordered_gives_what_is_ready(ray: ModuleType) -> None:
    """U1, surface 6: `get_next_unordered` does not wait for what is slow."""
    pool, gate = _pool(ray, 2), make_gate(ray)
    pool.submit(lambda actor, value: actor.wait_for.remote(gate, value), 1)
    pool.submit(_double, 2)
    assert pool.get_next_unordered() == 4
    ray.get(gate.open.remote())
    assert pool.get_next_unordered() == 1
    assert not pool.has_next()


@program()
def pool_timeouts(ray: ModuleType) -> None:
    """U1, surface 6: `get_next(timeout)` raises `TimeoutError` and leaves the result; ignored, it is dropped and the actor used again."""
    pool, gate = _pool(ray, 1), make_gate(ray)
    pool.submit(lambda actor, value: actor.wait_for.remote(gate, value), 1)
    assert _raises(TimeoutError, pool.get_next, timeout=0.01) == "Timed out waiting for result"
    assert _raises(TimeoutError, pool.get_next_unordered, timeout=0.01) == "Timed out waiting for result"
    assert pool.has_next()
    text = _raises(TimeoutError, pool.get_next, timeout=0, ignore_if_timedout=True)
    assert text.startswith("Timed out waiting for result. The task ObjectRef("), text
    assert not pool.has_next() and pool.has_free()
    ray.get(gate.open.remote())
    assert list(pool.map(_double, [5])) == [10]


@program()
def pool_mixed_order_is_refused(ray: ModuleType) -> None:
    """U1, surface 6: after `get_next_unordered` has taken the last submitted, `get_next` is a ValueError."""
    pool, gate = _pool(ray, 2), make_gate(ray)
    pool.submit(lambda actor, value: actor.wait_for.remote(gate, value), 1)
    pool.submit(_double, 2)
    assert pool.get_next_unordered() == 4
    assert "not allowed to call get_next() after" in _raises(ValueError, pool.get_next)
    ray.get(gate.open.remote())
    assert pool.get_next_unordered() == 1


@program()
def pool_errors_give_the_actor_back(ray: ModuleType) -> None:
    """U1, AC24, surface 6: a method's error is raised by `get_next`, and its actor serves on."""
    pool = _pool(ray, 1)
    pool.submit(lambda actor, value: actor.fail.remote(value), 1)
    pool.submit(_double, 2)
    _raises(ValueError, pool.get_next)
    assert pool.get_next() == 4


@program()
def pool_drops_dead_actors(ray: ModuleType) -> None:
    """U1, surface 6: an actor that has died gets no more work."""
    pool = _pool(ray, 2)
    dead = pool._idle_actors[-1]
    ray.kill(dead)
    pool.submit(_double, 1)
    _raises(ray.exceptions.ActorDiedError, pool.get_next)
    assert len(pool._idle_actors) == 1 and dead not in pool._idle_actors
    assert list(pool.map(_double, [1, 2])) == [2, 4]


@program()
def pool_push_and_pop(ray: ModuleType) -> None:
    """U1, surface 6: `pop_idle` takes an actor out, `push` puts one in and gives it work that waits; one that is there is refused."""
    pool = _pool(ray, 2)
    actor = pool.pop_idle()
    assert actor is not None and len(pool._idle_actors) == 1
    gate = make_gate(ray)
    pool.submit(lambda actor, value: actor.wait_for.remote(gate, value), 0)
    pool.submit(_double, 1)
    busy = next(iter(pool._future_to_actor.values()))[1]
    assert _raises(ValueError, pool.push, busy) == "Actor already belongs to current ActorPool"
    assert len(pool._pending_submits) == 1
    pool.push(actor)
    assert not pool._pending_submits
    assert pool.get_next_unordered() == 2
    ray.get(gate.open.remote())
    assert pool.get_next_unordered() == 0


@program()
def pool_map_drops_what_was_not_taken(ray: ModuleType) -> None:
    """U1, surface 6: results that nobody took are not among those of the next `map`."""
    pool = _pool(ray, 2)
    for value in (100, 200, 300):
        pool.submit(_double, value)
    assert list(pool.map(_double, [1, 2])) == [2, 4]
    pool.submit(_double, 100)
    assert sorted(pool.map_unordered(_double, [1, 2])) == [2, 4]


@program()
def pool_calls_of_several_returns(ray: ModuleType) -> None:
    """U1, surface 6: a function may give a list of references."""
    pool = _pool(ray, 1)
    assert list(pool.map(lambda actor, value: actor.two.options(num_returns=2).remote(value), [1, 2])) == [
        [1, -1],
        [2, -2],
    ]


@program()
def pool_subclasses_use_its_fields(ray: ModuleType) -> None:
    """Surface 14b, surface 6: the underscored fields of `ActorPool` hold what subclasses expect."""
    pool_module = module_of(ray, "util.actor_pool")

    class Counting(pool_module.ActorPool):  # type: ignore[name-defined,misc]
        def in_flight(self) -> int:
            return len(self._future_to_actor) + len(self._pending_submits)

        def order(self) -> list[int]:
            return [index for index, _ in self._future_to_actor.values()]

    waiter, gate = make_waiter(ray), make_gate(ray)
    pool = Counting(_pool(ray, 2)._idle_actors)
    for value in range(3):
        pool.submit(lambda actor, value: waiter.options(num_cpus=0).remote(gate, value), value)
    assert pool.in_flight() == 3 and pool.order() == [0, 1]
    assert pool._next_task_index == 2 and pool._next_return_index == 0
    assert list(pool._index_to_future) == [0, 1]
    ray.get(gate.open.remote())
    assert [pool.get_next() for _ in range(3)] == [0, 1, 2]
    assert pool._next_return_index == 3


@program()
def pool_maps_begin_at_once(ray: ModuleType) -> None:
    """U1, surface 6: `map` and `map_unordered` submit when they are called, before anybody asks for a result; a map that is called
    while earlier work runs has none of its results."""
    recorder = make_recorder(ray)

    @ray.remote(num_cpus=0)
    class Noting:
        def note(self, value: int) -> int:
            ray.get(recorder.add.remote(value))
            return value

    for name in ("map", "map_unordered"):
        pool = module_of(ray, "util").ActorPool([Noting.remote()])
        before = ray.get(recorder.count.remote())
        results = getattr(pool, name)(lambda actor, value: actor.note.remote(value), [7])
        wait_until(lambda before=before: ray.get(recorder.count.remote()) == before + 1, "it has been called")
        assert list(results) == [7]
        pool.submit(lambda actor, value: actor.note.remote(value), 8)
        assert sorted(getattr(pool, name)(lambda actor, value: actor.note.remote(value), [1, 2, 3])) == [1, 2, 3]
