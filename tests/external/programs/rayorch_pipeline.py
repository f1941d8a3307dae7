"""needs: rayorch

A dataflow over pools of actors, batches of it in flight at the same time.
"""

import rayorch


class AddOne:
    def run(self, values):
        return [value + 1 for value in values]


class Twice(rayorch.Pipeline):
    def __init__(self):
        self.first = rayorch.RayModule(AddOne).ray_options(replicas=2, batch_size=8)
        self.second = rayorch.RayModule(AddOne).ray_options(replicas=2, batch_size=8)

    def forward(self, values):
        return self.second(self.first(values))


result = Twice().run([1, 2, 3], input_batch_size=2, max_active_input_batches=2)
assert list(result.outputs) == [3, 4, 5], result
with rayorch.Executor(Twice()) as executor:
    assert list(executor.run(list(range(50))).outputs) == list(range(2, 52))
    assert list(executor.run([7]).outputs) == [9]
print("all right")
