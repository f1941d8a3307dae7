"""`ray._private.utils`: helpers of Ray's that programs and test suites import from there."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from localray._common.utils import (
    binary_to_hex,
    decode,
    get_or_create_event_loop,
    get_ray_address_file,
    get_system_memory,
    hex_to_binary,
    import_attr,
    load_class,
    reset_ray_address,
    run_background_task,
    try_to_create_directory,
)
from localray._common.utils import get_default_ray_temp_dir as get_ray_temp_dir
from localray.absent.catalogue import missing_in
from localray.client.current import require_client
from localray.host import cpu_quota, default_cpu_count
from localray.ids import JobID, WorkerID
from localray.sched.bundle_names import BUNDLE, plain_name
from localray.version import RAY_VERSION


def get_num_cpus() -> int:
    """How many CPUs a session has by default."""
    return default_cpu_count()


def _get_docker_cpus(
    cpu_quota_file_name: str = "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
    cpu_period_file_name: str = "/sys/fs/cgroup/cpu/cpu.cfs_period_us",
    cpuset_file_name: str = "/sys/fs/cgroup/cpuset/cpuset.cpus",
    cpu_max_file_name: str = "/sys/fs/cgroup/cpu.max",
) -> float | None:
    """How many CPUs' time a container has, by the files of its control group: the smaller of its quota, by either
    version of groups, and of the CPUs that it is bound to; None without a limit."""
    quota = cpu_quota(cpu_max_file_name, cpu_quota_file_name, cpu_period_file_name)
    bound = _bound_cpus(cpuset_file_name)
    return min((each for each in (quota, bound) if each is not None), default=None)


def _bound_cpus(file_name: str) -> float | None:
    """How many CPUs a list such as ``0-3,8`` has."""
    try:
        ranges = [each.partition("-") for each in Path(file_name).read_text().strip().split(",")]
        return float(sum(int(last or first) - int(first) + 1 for first, _, last in ranges))
    except (OSError, ValueError):
        return None  # No such group, or no list in it.


def compute_job_id_from_driver(driver_id: WorkerID) -> JobID:
    """The job of the driver that is this process."""
    number = int.from_bytes(driver_id.binary()[: JobID.size()], "little")
    client = require_client()
    return JobID.from_int(client.job if number == client.number else number)


def get_used_memory() -> int:
    """Bytes of the machine's memory that are in use."""
    import psutil

    memory = psutil.virtual_memory()
    return int(memory.total - memory.available)


def get_ray_doc_version() -> str:
    """The version of Ray's documentation that describes this interface."""
    return f"releases-{RAY_VERSION}"


def validate_namespace(namespace: str) -> None:
    """Raises:
    TypeError: this is no text.
    ValueError: it is empty.
    """
    if not isinstance(namespace, str):
        raise TypeError("namespace must be None or a string.")
    if not namespace:
        raise ValueError('"" is not a valid namespace. Pass None to not specify a namespace.')


def get_directory_size_bytes(path: str | Path = ".") -> int:
    """The bytes in a directory's files, at any depth; links and compiled modules do not count."""
    files = (each for each in Path(path).rglob("*") if each.is_file() and not each.is_symlink())
    return sum(each.stat().st_size for each in files if each.suffix != ".pyc")


def split_address(address: str) -> tuple[str, str]:
    """What stands before and behind ``://``.

    Raises:
        ValueError: it is not in there.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        raise ValueError("Address must contain '://'")
    return scheme, rest


def parse_pg_formatted_resources_to_original(pg_formatted_resources: Mapping[str, float]) -> dict[str, float]:
    """Resources as they are called outside of placement groups.

    Example:
        >>> parse_pg_formatted_resources_to_original({"CPU_group_0_ab": 1.0, "bundle_group_ab": 0.001})
        {'CPU': 1.0}
    """
    found = {plain_name(name): amount for name, amount in pg_formatted_resources.items()}
    return {name: amount for name, amount in found.items() if name != BUNDLE}


def is_main_thread() -> bool:
    """Whether this is the thread in which handlers of signals run."""
    return threading.current_thread() is threading.main_thread()


class DeferSigint(contextlib.AbstractContextManager["DeferSigint"]):
    """Keeps an interrupt back until the end of a block; on the main thread only.

    A handler that is set within the block is in force from its end on.
    """

    def __init__(self) -> None:
        self.signal_received = False
        self._handler: Any = None
        self._set_handler: Any = None

    @classmethod
    def create_if_main_thread(cls) -> contextlib.AbstractContextManager[Any]:
        """One of these on the main thread; elsewhere something that does nothing."""
        return cls() if is_main_thread() else contextlib.nullcontext()

    def __enter__(self) -> DeferSigint:
        self._handler = signal.getsignal(signal.SIGINT)
        self._set_handler = signal.signal
        signal.signal(signal.SIGINT, self._note)
        signal.signal = self._set_later  # type: ignore[assignment]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal = self._set_handler
        signal.signal(signal.SIGINT, self._handler)
        if kind is None and self.signal_received and callable(self._handler):
            self._handler(signal.SIGINT, None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal_received = True

    def _set_later(self, number: int, handler: Any) -> Any:
        if number != signal.SIGINT or not is_main_thread():
            return self._set_handler(number, handler)
        before, self._handler = self._handler, handler
        return before


__getattr__ = missing_in(__name__)

__all__ = [
    "DeferSigint",
    "binary_to_hex",
    "decode",
    "get_directory_size_bytes",
    "get_num_cpus",
    "get_or_create_event_loop",
    "get_ray_address_file",
    "get_ray_doc_version",
    "get_ray_temp_dir",
    "get_system_memory",
    "get_used_memory",
    "hex_to_binary",
    "import_attr",
    "is_main_thread",
    "load_class",
    "parse_pg_formatted_resources_to_original",
    "reset_ray_address",
    "run_background_task",
    "split_address",
    "try_to_create_directory",
    "validate_namespace",
]
