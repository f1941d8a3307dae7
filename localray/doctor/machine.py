"""What this machine offers a session, fact by fact, with advice where something is short. Reads the system only."""

from __future__ import annotations

import multiprocessing
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import NamedTuple

from localray.host import default_cpu_count, default_memory_bytes, default_store_bytes, temporary_directory
from localray.version import RAY_VERSION, VERSION

FILES_WANTED = 4096
"""A worker takes the head three descriptors; a thousand workers should fit."""
GIB = 2**30


class Fact(NamedTuple):
    """One thing about this machine; ``advice`` is empty where all is well."""

    name: str
    value: str
    advice: str = ""


def facts() -> Iterator[Fact]:
    """All there is to say, one after the other."""
    yield Fact("localray", f"{VERSION}, follows Ray {RAY_VERSION}")
    yield Fact("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield _cpus()
    store_bytes = default_store_bytes()
    yield Fact("memory for tasks", f"{default_memory_bytes(store_bytes) / GIB:.1f} GiB")
    yield _store(store_bytes)
    yield _spilling(store_bytes)
    yield _shared_memory()
    yield _open_files()
    yield _processes()
    yield _real_ray()


def _cpus() -> Fact:
    ours, all_of_them = default_cpu_count(), os.cpu_count() or 1
    limited = "a container or an affinity allows no more; init(num_cpus=...) changes it"
    advice = "" if ours == all_of_them else limited
    return Fact("CPUs", f"{ours} of {all_of_them}", advice)


def _store(store_bytes: int) -> Fact:
    how = "memory without a name" if hasattr(os, "memfd_create") else "unlinked files in the temporary directory"
    return Fact("object store", f"up to {store_bytes / GIB:.1f} GiB, as {how}")


def _spilling(store_bytes: int) -> Fact:
    directory = temporary_directory()
    free_bytes = shutil.disk_usage(directory).free
    short = free_bytes < store_bytes
    advice = "less than the store: give init(object_spilling_directory=...) a larger disk" if short else ""
    return Fact("disk for what the store cannot hold", f"{free_bytes / GIB:.1f} GiB free in {directory}", advice)


def _shared_memory() -> Fact:
    path = os.path.join(os.sep, "dev", "shm")  # noqa: PTH118
    if not os.path.isdir(path):  # noqa: PTH112
        return Fact("/dev/shm", "none; not needed here")
    total_bytes = shutil.disk_usage(path).total
    advice = "real Ray would want more (docker run --shm-size=...)" if total_bytes < GIB else ""
    return Fact("/dev/shm", f"{total_bytes / GIB:.1f} GiB; not needed here", advice)


def _open_files() -> Fact:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    advice = f"raise it (ulimit -n {FILES_WANTED}) for hundreds of actors" if soft < FILES_WANTED else ""
    return Fact("open files", f"{soft:,} (at most {hard:,})", advice)


def _processes() -> Fact:
    missing = [name for name in ("pidfd_open", "memfd_create") if not hasattr(os, name)]
    advice = f"no os.{', os.'.join(missing)}: a driver's death is seen a little later" if missing else ""
    return Fact("start methods", ", ".join(multiprocessing.get_all_start_methods()), advice)


def _real_ray() -> Fact:
    try:
        version = metadata.version("ray")
    except metadata.PackageNotFoundError:
        return Fact("real Ray", "not installed", f"pip install 'ray=={RAY_VERSION}' to run on a cluster")
    if getattr(sys.modules.get("ray"), "__name__", "") == "localray":
        return Fact("real Ray", "is localray here")
    wanted = f"install the cluster's version of Ray 2.x, e.g. pip install 'ray=={RAY_VERSION}'"
    return Fact("real Ray", version, "" if version.startswith("2.") else wanted)
