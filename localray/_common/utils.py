"""`ray._common.utils`: small helpers that programs and test suites import from there."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from localray.absent.catalogue import missing_in
from localray.host import temporary_directory, usable_memory_bytes

_background: set[asyncio.Task[Any]] = set()


def env_integer(key: str, default: int) -> int:
    """A number in the environment."""
    return int(os.environ.get(key, default))


def env_float(key: str, default: float) -> float:
    """A number in the environment."""
    return float(os.environ.get(key, default))


def env_bool(key: str, default: bool) -> bool:
    """A switch in the environment: ``1`` and ``true`` are on."""
    return os.environ[key].lower() in ("1", "true") if key in os.environ else default


def import_attr(full_path: str, *, reload_module: bool = False) -> Any:
    """What is at ``package.module.name`` or ``package.module:name``."""
    module_name, _, name = full_path.replace(":", ".").rpartition(".")
    module = importlib.import_module(module_name)
    return getattr(importlib.reload(module) if reload_module else module, name)


def get_or_create_event_loop() -> asyncio.AbstractEventLoop:
    """The loop that runs here; else this thread's, made if there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        pass  # None runs.
    try:
        return asyncio.get_event_loop_policy().get_event_loop()
    except RuntimeError:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        return loop


def run_background_task(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a task on the running loop that is not collected before it is done, although nobody keeps it."""
    task = get_or_create_event_loop().create_task(coroutine)
    _background.add(task)
    task.add_done_callback(_background.discard)
    return task


def load_class(path: str) -> Any:
    """What is called ``module.name``.

    Raises:
        ValueError: there is no dot.
    """
    if "." not in path:
        raise ValueError(f"{path!r} does not name a class in a module, as 'module.Class' does.")
    return import_attr(path)


def get_function_args(callable: Callable[..., Any]) -> list[str]:
    """The names of a function's parameters."""
    return list(inspect.signature(callable).parameters)


def get_call_location(back: int = 1) -> str:
    """``file:line`` of the call ``back`` frames above the caller's."""
    stack = inspect.stack()
    if back + 1 >= len(stack):
        return "UNKNOWN"
    frame = stack[back + 1]
    return f"{frame.filename}:{frame.lineno}"


def try_to_create_directory(directory_path: str) -> None:
    """Make a directory, unless it is there."""
    Path(directory_path).expanduser().mkdir(parents=True, exist_ok=True)


def get_default_ray_temp_dir() -> str:
    """Where sessions have their directories."""
    return str(temporary_directory())


def get_ray_address_file(temp_dir: str | None) -> str:
    """The file in which Ray keeps the address of the cluster that it has started. We have none."""
    return str(Path(temp_dir or get_default_ray_temp_dir()) / "ray_current_cluster")


def reset_ray_address(temp_dir: str | None = None) -> None:
    """Forget the address in that file: nothing is joined here that was not asked for."""
    Path(get_ray_address_file(temp_dir)).unlink(missing_ok=True)


def get_system_memory(
    memory_limit_filename: str = "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    memory_limit_filename_v2: str = "/sys/fs/cgroup/memory.max",
) -> int:
    """Bytes of memory that this machine has, or the container, by the files of its control group."""
    return usable_memory_bytes((memory_limit_filename_v2, memory_limit_filename))


def binary_to_hex(identifier: bytes) -> str:
    """An id's digits."""
    return identifier.hex()


def hex_to_binary(hex_identifier: str) -> bytes:
    """An id's bytes."""
    return bytes.fromhex(hex_identifier)


def decode(byte_str: bytes | str, allow_none: bool = False, encode_type: str = "utf-8") -> str:
    """A text out of bytes.

    Raises:
        ValueError: these are no bytes.
    """
    if byte_str is None and allow_none:
        return ""
    if not isinstance(byte_str, bytes):
        raise ValueError(f"The argument {byte_str} must be a bytes object.")
    return byte_str.decode(encode_type)


__getattr__ = missing_in(__name__)
