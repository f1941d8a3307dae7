"""needs: easy_ray_threads

A function over a list; failures come back as items.
"""

from easy_ray_threads import Processor


def half(value: int) -> int:
    if value % 2:
        raise ValueError(f"{value} is odd")
    return value // 2


result = Processor().process(range(6), half)
assert sorted(each for each in result if isinstance(each, int)) == [0, 1, 2], result
assert {each["error"] for each in result if isinstance(each, dict)} == {"1 is odd", "3 is odd", "5 is odd"}, result
print("all right")
