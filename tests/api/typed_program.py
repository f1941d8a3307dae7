"""What a user might write, with the types that a checker must find in it. Read by mypy, never run."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from typing_extensions import assert_type

import localray as ray
from localray import ObjectRef, ObjectRefGenerator
from localray.actor import ActorClass, ActorHandle, ActorMethod


@ray.remote
def square(x: int, *, bias: int = 0) -> int:
    return x * x + bias


@ray.remote(num_cpus=2, max_retries=0)
def join(parts: list[str], separator: str = ", ") -> str:
    return separator.join(parts)


@ray.remote(num_returns=2)
def halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


@ray.remote(num_returns=0)
def shout(text: str) -> None:
    print(text)


@ray.remote
def total(parts: list[ObjectRef[int]]) -> int:
    return sum(ray.get(parts))


@ray.remote
def numbers(count: int) -> Generator[int, None, None]:
    yield from range(count)


async def streams() -> list[int]:
    generator = numbers.remote(3)
    assert_type(generator, ObjectRefGenerator[int])
    assert_type(next(generator), ObjectRef[int])
    ready, _ = ray.wait([generator], timeout=0)
    assert_type(ready, list[ObjectRefGenerator[int]])
    ray.cancel(generator)
    ray.get(generator.completed())
    found = [ray.get(ref) for ref in ray.get(generator)]
    return [*found, *[await ref async for ref in numbers.remote(2)]]


def tasks() -> int:
    ref = square.remote(3)
    assert_type(ref, ObjectRef[int])
    assert_type(ray.get(ref), int)
    assert_type(ray.get([ref, square.remote(ref, bias=ref)]), list[int])
    assert_type(ray.get(join.remote(["a"]), timeout=1), str)
    assert_type(ray.get(join.options(name="j").remote(parts=ray.put(["a"]))), str)
    left, right = halves.remote("text")
    assert_type(left, ObjectRef[Any])
    first, second = square.options(num_returns=2).remote(2)
    shout.remote(right)
    ray.cancel(second, force=True)
    return ray.get(total.remote([first, ref]))


def objects() -> list[str]:
    ref = ray.put({"a": 1.5})
    assert_type(ref, ObjectRef[dict[str, float]])
    assert_type(ray.get(ref), dict[str, float])
    running = [join.remote([str(number)]) for number in range(4)]
    ready, running = ray.wait(running, num_returns=2, timeout=1)
    assert_type(ready, list[ObjectRef[str]])
    assert_type({ref: number for number, ref in enumerate(ready)}, dict[ObjectRef[str], int])
    mixed: list[ObjectRef[object]] = [*ready, ref]
    ray.wait(mixed)
    return ray.get(ready)


class Base:
    def inherited(self) -> bytes:
        return b""


@ray.remote(num_cpus=1, max_concurrency=2)
class Counter(Base):
    def __init__(self, start: int = 0) -> None:
        self.value = start

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    @ray.method(num_returns=2)
    def both(self) -> tuple[int, int]:
        return self.value, self.value

    @ray.method(name="later")
    async def slow(self) -> str:
        await asyncio.sleep(0)
        return "done"

    @staticmethod
    def unit() -> float:
        return 1.0


def actors() -> int:
    counter = Counter.options(name="c", lifetime="detached").remote(start=2)
    assert_type(counter, ActorHandle[Counter])
    assert_type(Counter.remote(), ActorHandle[Counter])
    assert_type(counter.add, ActorMethod[ObjectRef[int]])
    assert_type(counter.add.remote(1), ObjectRef[int])
    assert_type(ray.get([counter.add.remote(square.remote(1)) for _ in range(3)]), list[int])
    assert_type(ray.get(counter.slow.remote()), str)
    assert_type(ray.get(counter.inherited.remote()), bytes)
    assert_type(ray.get(counter.unit.remote()), float)
    first, _ = counter.both.remote()
    one, two, three = counter.both.options(num_returns=3).remote()
    ray.wait([first, one, two, three])
    ray.get(counter.__ray_ready__.remote())
    counter.forget.remote()  # type: ignore[attr-defined]
    ray.kill(counter, no_restart=True)
    return ray.get(counter.add.remote(1))


class Plain:
    def length(self) -> int:
        return 1


RemotePlain = ray.remote(Plain)


def undecorated() -> None:
    assert_type(RemotePlain, ActorClass[Plain])
    handle = RemotePlain.options(num_cpus=1).remote()
    assert_type(ray.get(handle.length.remote()), int)
    found: ActorHandle[Plain] = ray.get_actor("plain")
    assert_type(ray.get(found.length.remote()), int)
    anything = ray.get_actor("unknown", namespace="n")
    count: int = ray.get(anything.count.remote())
    print(count)


async def awaiting() -> str:
    assert_type(await square.remote(2), int)
    return await join.remote(["a"])


def wrong() -> None:
    ray.get(3)  # type: ignore[call-overload]
    ray.get((square.remote(1),))  # type: ignore[call-overload]
    ray.wait(square.remote(1))  # type: ignore[call-overload]
    ray.kill(square.remote(1))  # type: ignore[arg-type]
    square(3)  # type: ignore[operator]
    text: str = ray.get(square.remote(3))  # type: ignore[assignment]
    print(text)
