"""joblib's batches of calls as tasks of the session. Imported only where joblib is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from joblib._parallel_backends import AutoBatchingMixin, ParallelBackendBase

from localray.api import cluster_resources
from localray.client.current import connected_client
from localray.executor import Executor


class RayBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
    """What joblib calls to run batches.

    Args:
        nesting_level, inner_max_num_threads: joblib's.
        ray_remote_args: options of the tasks, as for `ray.remote`.
        backend_options: joblib's, for backends of its own.
    """

    supports_retrieve_callback = True

    def __init__(
        self,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        ray_remote_args: dict[str, Any] | None = None,
        **backend_options: Any,
    ) -> None:
        super().__init__(
            nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads, **backend_options
        )
        self.ray_remote_args = ray_remote_args
        self._executor: Executor | None = None

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """How many batches run at a time: of the session's CPUs all with -1, all but one with -2, and so on.

        Raises:
            ValueError: it is 0.
        """
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        if n_jobs > 0:
            return n_jobs
        connected_client()
        return max(1, int(cluster_resources()["CPU"]) + 1 + n_jobs)

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        prefer: str | None = None,
        require: str | None = None,
        ray_remote_args: dict[str, Any] | None = None,
        **backend_options: Any,
    ) -> int:
        """A call of `Parallel` begins; returns how many batches run at a time."""
        self.parallel = parallel
        count = self.effective_n_jobs(n_jobs)
        self._executor = Executor(count, **(ray_remote_args or self.ray_remote_args or {}))
        return count

    def submit(self, func: Callable[[], Any], callback: Callable[[Future[Any]], object] | None = None) -> Future[Any]:
        """Run a batch, and call back when it has ended."""
        if self._executor is None:
            raise RuntimeError("joblib has submitted work before it configured the backend")
        future = self._executor.submit(func)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    apply_async = submit
    """The older name."""

    def retrieve_result_callback(self, out: Future[Any]) -> Any:
        """The results of a batch that has ended; raises what one of its calls raised."""
        return out.result()

    def terminate(self) -> None:
        """The call of `Parallel` is over."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """A call has failed: what has not begun does not begin."""
        self.terminate()
        if ensure_ready:
            self.configure(n_jobs=self.parallel.n_jobs, parallel=self.parallel)
