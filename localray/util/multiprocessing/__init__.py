"""`ray.util.multiprocessing`: the standard library's `Pool` over actors."""

from __future__ import annotations

from multiprocessing import JoinableQueue, TimeoutError

from localray.util.multiprocessing.pool import Pool

__all__ = ["JoinableQueue", "Pool", "TimeoutError"]
