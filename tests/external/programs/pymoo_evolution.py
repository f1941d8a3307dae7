"""needs: pymoo

pymoo evaluates individuals as tasks; the evolution is the same as in one process.
"""

import ray
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.problem import ElementwiseProblem
from pymoo.optimize import minimize
from pymoo.parallelization.ray import RayParallelization


class Sphere(ElementwiseProblem):
    def __init__(self, **options: object) -> None:
        super().__init__(n_var=3, n_obj=1, xl=-5, xu=5, **options)

    def _evaluate(self, x, out, *args, **kwargs) -> None:
        out["F"] = (x**2).sum()


ray.init(num_cpus=2)
problems = [Sphere(elementwise_runner=RayParallelization({"num_cpus": 0.5})), Sphere()]
found = [minimize(problem, GA(pop_size=20), ("n_gen", 10), seed=1).F[0] for problem in problems]
assert found[0] == found[1] and found[0] < 1, found
print("all right")
