"""Coroutine functions as tasks, where they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

import localray as ray


@pytest.fixture(params=["processes", "sim"])
def session(request: pytest.FixtureRequest) -> Iterator[None]:
    ray.init(num_cpus=1, engine=request.param)
    ray.allow_async_tasks()
    yield
    ray.allow_async_tasks(False)
    ray.shutdown()


def test_they_are_refused_unless_asked_for() -> None:
    async def nothing() -> None: ...

    with pytest.raises(ValueError, match="async def"):
        ray.remote(nothing)


def test_a_task_awaits_its_children_on_one_cpu(session: None) -> None:
    """Its CPU is lent out meanwhile: else the children would never run."""

    @ray.remote
    def square(number: int) -> int:
        return number * number

    @ray.remote
    async def total(count: int) -> int:
        return sum(await asyncio.gather(*(square.remote(number) for number in range(count))))

    assert ray.get(total.remote(4)) == 14
    assert total.__name__ == "total"


def test_an_error_is_the_tasks(session: None) -> None:
    @ray.remote(max_retries=0)
    async def fail() -> None:
        await asyncio.sleep(0)
        raise KeyError("from a coroutine")

    with pytest.raises(KeyError, match="from a coroutine"):
        ray.get(fail.remote())
