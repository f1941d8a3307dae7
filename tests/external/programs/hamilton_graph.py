"""needs: hamilton pandas

Apache Hamilton's graph adapter for Ray: each node of a dataflow is a task.
"""

import sys
from pathlib import Path

import pandas as pd
import ray
from hamilton import base, driver
from hamilton.plugins import h_ray

Path("flow.py").write_text("""
import pandas as pd
def spend(raw: pd.Series) -> pd.Series:
    return raw * 2
def mean_spend(spend: pd.Series) -> float:
    return spend.mean()
def centred(spend: pd.Series, mean_spend: float) -> pd.Series:
    return spend - mean_spend
""")
sys.path.insert(0, "")
import flow  # noqa: E402

ray.init(num_cpus=2)
adapter = h_ray.RayGraphAdapter(result_builder=base.DictResult())
built = driver.Driver({"raw": pd.Series([1, 2, 3])}, flow, adapter=adapter)
result = built.execute(["centred", "mean_spend"])
assert result["mean_spend"] == 4.0, result
assert result["centred"].to_list() == [-2.0, 0.0, 2.0], result
print("all right")
