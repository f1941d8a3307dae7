"""The environment variables that a task's resources set in its worker: threads for numeric libraries, visible GPUs."""

from __future__ import annotations

from collections.abc import Collection, MutableMapping

from localray.client.devices import called, name_devices
from localray.protocol import Resources
from localray.sched.bundle_names import plain
from localray.sched.resources import CPU, GPU, RESOURCE_UNIT, amount

THREADS_ARE_OURS = "LOCALRAY_SETS_OMP_NUM_THREADS"
"""Set where the user has not set ``OMP_NUM_THREADS``, so that workers know that it is theirs to change."""

_HIDE_DEVICES = "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"
_KEEP_DEVICES = "RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES"


class TaskEnvironment:
    """Keeps a worker's environment in step with what its task holds.

    Args:
        environment: of the process; changed.
    """

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        self._environment = environment
        self._sets_threads = environment.pop(THREADS_ARE_OURS, None) is not None
        self._users_devices = environment.get("CUDA_VISIBLE_DEVICES")
        # Before any task sets it: what the driver's session was started with.
        name_devices(environment)
        self._prepared: tuple[Resources, tuple[int, ...]] | None = None

    def belongs_to_the_user(self, names: Collection[str]) -> None:
        """These variables have been set by the worker's runtime environment: they are not ours to change."""
        if "OMP_NUM_THREADS" in names:
            self._sets_threads = False
        if "CUDA_VISIBLE_DEVICES" in names:
            self._users_devices = self._environment["CUDA_VISIBLE_DEVICES"]

    def prepare(self, resources: Resources, devices: tuple[int, ...]) -> None:
        """A task with these resources and devices starts; most often they are those of the last."""
        if (resources, devices) == self._prepared:
            return
        self._prepared = (resources, devices)
        resources = plain(resources)
        if self._sets_threads:
            self._environment["OMP_NUM_THREADS"] = str(max(1, amount(resources, CPU) // RESOURCE_UNIT))
        if self._environment.get(_KEEP_DEVICES, "") in ("", "0"):
            self._set_devices(amount(resources, GPU), devices)

    def _set_devices(self, units: int, devices: tuple[int, ...]) -> None:
        if units:
            self._environment["CUDA_VISIBLE_DEVICES"] = ",".join(str(called(device)) for device in devices)
        elif self._environment.get(_HIDE_DEVICES, "") not in ("", "0"):
            self._environment["CUDA_VISIBLE_DEVICES"] = ""
        elif self._users_devices is None:
            self._environment.pop("CUDA_VISIBLE_DEVICES", None)
        else:
            self._environment["CUDA_VISIBLE_DEVICES"] = self._users_devices
