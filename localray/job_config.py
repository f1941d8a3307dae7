"""`ray.job_config.JobConfig`: what a driver says of its job, apart from the keywords of `init`.

Must not live here: what becomes of it (`localray.session`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localray.logging_config import LoggingConfig


class JobConfig:
    """A job's configuration.

    Args:
        jvm_options: accepted; there are no Java workers.
        code_search_path: accepted; workers have the driver's own import path.
        runtime_env: what the job's workers are set up with.
        metadata: anything.
        ray_namespace: where names of actors live.
        default_actor_lifetime: "detached" or "non_detached".
        _py_driver_sys_path: accepted.

    Raises:
        TypeError: the search path is no list.
        ValueError: there is no such lifetime.
    """

    def __init__(
        self,
        jvm_options: list[str] | None = None,
        code_search_path: Sequence[str] | None = None,
        runtime_env: dict[str, Any] | None = None,
        _client_job: bool = False,
        metadata: dict[str, str] | None = None,
        ray_namespace: str | None = None,
        default_actor_lifetime: str = "non_detached",
        _disable_job_level_lineage_reconstruction: bool = False,
        _py_driver_sys_path: list[str] | None = None,
    ) -> None:
        if not isinstance(code_search_path, list | tuple | None):
            raise TypeError(f"The type of code search path is incorrect: {type(code_search_path)}")
        self.jvm_options = jvm_options or []
        self.code_search_path = code_search_path or []
        self.metadata = metadata or {}
        self.ray_namespace = ray_namespace
        self.py_logging_config: LoggingConfig | None = None
        self._py_driver_sys_path = _py_driver_sys_path or []
        self.set_runtime_env(runtime_env)
        self.set_default_actor_lifetime(default_actor_lifetime)

    def set_metadata(self, key: str, value: str) -> None:
        """Add to the metadata."""
        self.metadata[key] = value

    def set_runtime_env(self, runtime_env: dict[str, Any] | None, validate: bool = False) -> None:
        """Set the environment; checked now if wanted, else by `init`.

        Raises:
            TypeError, ValueError: it is checked, and wrong.
        """
        self.runtime_env: dict[str, Any] = runtime_env or {}
        if validate:
            from localray.runtime_env.runtime_env import for_task_or_actor

            self.runtime_env = for_task_or_actor(self.runtime_env) or {}

    def set_py_logging_config(self, logging_config: LoggingConfig | None = None) -> None:
        """Set how the workers' loggers are configured: a `LoggingConfig`."""
        self.py_logging_config = logging_config

    def ensure_logging_config(self, logging_config: Mapping[str, object] | LoggingConfig | None = None) -> None:
        """As `set_py_logging_config`, unless that is set already; also from a dictionary.

        Raises:
            TypeError: it is neither.
        """
        if logging_config is None or self.py_logging_config is not None:
            return
        if isinstance(logging_config, Mapping):
            logging_config = LoggingConfig.from_dict(logging_config)
        elif not isinstance(logging_config, LoggingConfig):
            raise TypeError(f"logging_config must be a dict or LoggingConfig, got {type(logging_config)}")
        self.set_py_logging_config(logging_config)

    def set_ray_namespace(self, ray_namespace: str) -> None:
        """Set the namespace."""
        self.ray_namespace = ray_namespace

    def set_default_actor_lifetime(self, default_actor_lifetime: str) -> None:
        """Set the lifetime of actors that say nothing of it.

        Raises:
            ValueError: there is no such lifetime.
        """
        if default_actor_lifetime not in ("detached", "non_detached"):
            raise ValueError("Default actor lifetime must be one of `detached`, `non_detached`")
        self.default_actor_lifetime = default_actor_lifetime

    @classmethod
    def from_json(cls, job_config_json: Mapping[str, Any]) -> JobConfig:
        """A configuration from its fields."""
        return cls(
            jvm_options=job_config_json.get("jvm_options"),
            code_search_path=job_config_json.get("code_search_path"),
            runtime_env=job_config_json.get("runtime_env"),
            metadata=job_config_json.get("metadata"),
            ray_namespace=job_config_json.get("ray_namespace"),
            _py_driver_sys_path=job_config_json.get("py_driver_sys_path"),
        )
