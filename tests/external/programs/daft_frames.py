"""needs: daft

daft's distributed runner: plans go as tasks to an actor on each node, and give what its runner in one process gives.
"""

import daft
import ray
from daft import col

ray.init(num_cpus=2)
daft.set_runner_ray()
numbers = range(1000)
frame = daft.from_pydict({"number": list(numbers), "group": [number % 7 for number in numbers]})
totals = frame.where(col("number") > 10).groupby("group").agg(col("number").sum().alias("total")).sort("group")
expected = [sum(number for number in numbers if number > 10 and number % 7 == group) for group in range(7)]
assert totals.to_pydict() == {"group": list(range(7)), "total": expected}
print("all right")
