"""needs: dask pandas

dask's arrays, frames, bags and delayed functions, computed by tasks, are what dask computes alone.
"""

import os

import dask
import dask.array
import dask.bag
import dask.dataframe
import numpy as np
import pandas as pd
import ray
from ray.util.dask import RayDaskCallback, disable_dask_on_ray, enable_dask_on_ray, ray_dask_get, ray_dask_get_sync

ray.init(num_cpus=2)
array = dask.array.from_array(np.random.default_rng(0).random((200, 200)), chunks=(50, 50))
expression = (array @ array.T).sum(axis=0)[:5]
plain = pd.DataFrame({"key": np.arange(1000) % 5, "value": np.arange(1000)})
frame = dask.dataframe.from_pandas(plain, npartitions=4)
bag = dask.bag.from_sequence(range(100), npartitions=4)


@dask.delayed
def where(value: int) -> tuple[int, int]:
    return value, os.getpid()


@dask.delayed
def fail() -> None:
    raise KeyError("as ever")


alone = expression.compute(scheduler="synchronous")
with enable_dask_on_ray():
    assert np.allclose(expression.compute(), alone)
    assert frame.groupby("key").value.sum().compute().to_dict() == plain.groupby("key").value.sum().to_dict()
    shuffled = frame.set_index("value").compute()
    assert shuffled.index.to_list() == list(range(1000))
    assert bag.map(lambda value: value * 2).filter(lambda value: value % 3 == 0).sum().compute() == 3366
    one, two = dask.compute(where(1), where(2))
    assert (one[0], two[0]) == (1, 2) and os.getpid() not in (one[1], two[1])
    try:
        fail().compute()
    except KeyError as error:
        assert "as ever" in str(error)
    else:
        raise AssertionError("no error")
assert dask.compute(where(1))[0][1] == os.getpid()
assert where(3).compute(scheduler=ray_dask_get)[0] == 3
assert where(3).compute(scheduler=ray_dask_get_sync) == (3, os.getpid())
submitted: list[object] = []
with RayDaskCallback(ray_postsubmit=lambda task, key, deps, ref: submitted.append(key)):
    assert where(4).compute(scheduler=ray_dask_get)[0] == 4
assert len(submitted) == 1, submitted
enable_dask_on_ray()
persisted = array.persist()
assert np.allclose(persisted.sum().compute(), array.sum().compute(scheduler="synchronous"))
disable_dask_on_ray()
print("all right")
