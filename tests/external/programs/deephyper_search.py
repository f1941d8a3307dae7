"""needs: deephyper

deephyper's evaluator tries parameters as tasks, two at a time.
"""

from deephyper.evaluator import Evaluator
from deephyper.hpo import CBO, HpProblem


def nearness(job) -> float:
    return -((job.parameters["x"] - 2.0) ** 2)


problem = HpProblem()
problem.add_hyperparameter((-10.0, 10.0), "x")
evaluator = Evaluator.create(nearness, method="ray", method_kwargs={"num_cpus": 2, "num_cpus_per_task": 1})
assert evaluator.num_workers == 2
tried = CBO(problem, random_state=1, log_dir="log", verbose=0).search(evaluator, max_evals=20)
assert len(tried) >= 20
assert all(abs(row.objective + (row["p:x"] - 2.0) ** 2) < 1e-6 for _, row in tried.iterrows())
print("all right")
