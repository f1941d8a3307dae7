"""`ray.util.dask`: dask's collections computed by tasks, where dask is installed (2024.11 or later).

Example:
    >>> from ray.util.dask import enable_dask_on_ray        # doctest: +SKIP
    >>> with enable_dask_on_ray():                          # doctest: +SKIP
    ...     frame.groupby("key").sum().compute()
"""

from __future__ import annotations

from localray.util.dask.callbacks import RayDaskCallback, local_ray_callbacks, unpack_ray_callbacks
from localray.util.dask.scheduler import (
    dataframe_optimize,
    disable_dask_on_ray,
    enable_dask_on_ray,
    ray_dask_get,
    ray_dask_get_sync,
    ray_dask_persist,
)

__all__ = [
    "RayDaskCallback",
    "dataframe_optimize",
    "disable_dask_on_ray",
    "enable_dask_on_ray",
    "local_ray_callbacks",
    "ray_dask_get",
    "ray_dask_get_sync",
    "ray_dask_persist",
    "unpack_ray_callbacks",
]
