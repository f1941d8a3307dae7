"""Many objects at once: references by the ten thousand in one value, a hundred thousand small objects."""

from __future__ import annotations

from types import ModuleType

from ..registry import NOT_SIMULATED, program


@program(tags=("slow",), engines=NOT_SIMULATED, reason="a matter of size alone, and slow there")
def ten_thousand_references_in_one_object(ray: ModuleType) -> None:
    """V8, R: they are put, read by a task through their container, and returned by one that made them."""
    references = [ray.put(number) for number in range(10_000)]
    container = ray.put({"all": references})

    @ray.remote
    def add_up(boxes):
        return sum(ray.get(ray.get(boxes[0])["all"]))

    @ray.remote
    def make(count):
        return [ray.put(number) for number in range(count)]

    del references
    assert ray.get(add_up.remote([container])) == 49_995_000
    again = ray.get(container)["all"]
    assert len(set(again)) == 10_000
    assert ray.get(again[9_999]) == 9_999
    assert sum(ray.get(ray.get(make.remote(10_000)))) == 49_995_000


@program(tags=("slow",), engines=NOT_SIMULATED, reason="a matter of size alone, and slow there")
def a_hundred_thousand_small_objects(ray: ModuleType) -> None:
    """S: they are put, waited for, read, and dropped again."""
    references = [ray.put(number) for number in range(100_000)]
    ready, rest = ray.wait(references, num_returns=len(references), timeout=60)
    assert (len(ready), rest) == (100_000, [])
    assert sum(ray.get(references)) == 4_999_950_000
    del references, ready
    assert ray.get(ray.put("still")) == "still"
