"""What the GPUs of a process are called: by their numbers, or as ``CUDA_VISIBLE_DEVICES`` names those that it may use.

Must not live here: which of them a task has (the kernel decides), and what its environment says of them
(`localray.runtime.environment`).
"""

from __future__ import annotations

from collections.abc import Mapping

VARIABLE = "CUDA_VISIBLE_DEVICES"

_names: tuple[str, ...] = ()


def visible_devices(environment: Mapping[str, str]) -> tuple[str, ...] | None:
    """The devices that an environment allows; None where it says nothing.

    >>> visible_devices({"CUDA_VISIBLE_DEVICES": "5,3"}), visible_devices({})
    (('5', '3'), None)
    """
    listed = environment.get(VARIABLE)
    if listed is None:
        return None
    return () if listed in ("", "NoDevFiles") else tuple(listed.split(","))


def name_devices(environment: Mapping[str, str]) -> None:
    """From now on this process's devices are called as this environment names them."""
    global _names
    _names = visible_devices(environment) or ()


def called(device: int) -> int | str:
    """What a device is called: its number where no name is known, as on a node that was given more than are visible."""
    return _names[device] if device < len(_names) else device
