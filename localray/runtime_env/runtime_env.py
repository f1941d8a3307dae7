"""`RuntimeEnv` and `RuntimeEnvConfig`: dictionaries that check what is put into them, and how a child's environment
comes from its parent's.

Must not live here: what a field may be (`localray.runtime_env.checks`), what it does.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, is_dataclass
from typing import Any, ClassVar, cast

from localray.absent.catalogue import missing_in
from localray.runtime_env.checks import CHECKS, check_no_paths, check_together

DEFAULT_TIMEOUT_S = 600


class RuntimeEnvConfig(dict[str, Any]):
    """How an environment is set up.

    Args:
        setup_timeout_seconds: give up after so long; -1 for never.
        eager_install: accepted; what is needed is set up when the first worker needs it.
        log_files: accepted.

    Raises:
        TypeError, ValueError: a value is wrong.
    """

    known_fields: ClassVar[set[str]] = {"setup_timeout_seconds", "eager_install", "log_files"}

    def __init__(
        self,
        setup_timeout_seconds: int = DEFAULT_TIMEOUT_S,
        eager_install: bool = True,
        log_files: list[str] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(setup_timeout_seconds, int):
            raise TypeError(f"setup_timeout_seconds must be of type int, got: {type(setup_timeout_seconds)}")
        if setup_timeout_seconds <= 0 and setup_timeout_seconds != -1:
            raise ValueError(
                f"setup_timeout_seconds must be greater than zero or equals to -1, got: {setup_timeout_seconds}"
            )
        if not isinstance(eager_install, bool):
            raise TypeError(f"eager_install must be a boolean. got {type(eager_install)}")
        if log_files is not None and not (
            isinstance(log_files, list) and all(isinstance(name, str) for name in log_files)
        ):
            raise TypeError(f"log_files must be a list of strings or None, got {log_files!r}.")
        self["setup_timeout_seconds"] = setup_timeout_seconds
        self["eager_install"] = eager_install
        self["log_files"] = [] if log_files is None else log_files

    @staticmethod
    def parse_and_validate_runtime_env_config(config: object) -> RuntimeEnvConfig:
        """A configuration from a dictionary.

        Raises:
            TypeError, ValueError: it is none.
        """
        if isinstance(config, RuntimeEnvConfig):
            return config
        if not isinstance(config, dict):
            raise TypeError(f"runtime_env['config'] must be of type dict or RuntimeEnvConfig, got: {type(config)}")
        unknown = sorted(set(config) - RuntimeEnvConfig.known_fields)
        if unknown:
            warnings.warn(f"Unknown entries of runtime_env['config'] are ignored: {unknown}.", stacklevel=3)
        return RuntimeEnvConfig(**{name: value for name, value in config.items() if name not in unknown})

    @classmethod
    def default_config(cls) -> RuntimeEnvConfig:
        """What holds where nothing is said."""
        return cls()

    def to_dict(self) -> dict[str, Any]:
        """A plain copy."""
        return dict(deepcopy(self))


class RuntimeEnv(dict[str, Any]):
    """What a job, task or actor wants of its workers; a plain dictionary with these keys will do as well.

    Args:
        py_modules: directories, single files or wheels that are importable.
        py_executable, conda, container, image_uri, nsight, rocprof_sys: as for Ray; no worker here can be started with
            them, so what asks for them fails with `RuntimeEnvSetupError`.
        working_dir: a directory or archive, a copy of which is the workers' current directory.
        pip, uv: requirements: a list, the path of a file, or a dictionary with ``packages``.
        env_vars: variables; in a value ``${X}`` is the worker's own ``X``.
        worker_process_setup_hook: a function, or the name of one, that each worker calls first.
        config: how it is set up.
        _validate: whether to check.
        kwargs: other fields; unknown ones are kept and have no effect.

    Raises:
        TypeError, ValueError: a field is wrong.

    Example:
        >>> RuntimeEnv(env_vars={"A": "1"})
        {'env_vars': {'A': '1'}}
    """

    known_fields: ClassVar[set[str]] = {
        "py_modules",
        "py_executable",
        "java_jars",
        "working_dir",
        "conda",
        "pip",
        "uv",
        "container",
        "excludes",
        "env_vars",
        "_ray_release",
        "_ray_commit",
        "_inject_current_ray",
        "config",
        "worker_process_setup_hook",
        "_nsight",
        "_rocprof_sys",
        "image_uri",
    }

    def __init__(
        self,
        *,
        py_modules: list[str] | None = None,
        py_executable: str | None = None,
        working_dir: str | None = None,
        pip: object = None,
        conda: object = None,
        container: object = None,
        env_vars: dict[str, str] | None = None,
        worker_process_setup_hook: object = None,
        nsight: object = None,
        rocprof_sys: object = None,
        config: object = None,
        _validate: bool = True,
        image_uri: str | None = None,
        uv: object = None,
        **kwargs: object,
    ) -> None:
        super().__init__()
        given: dict[str, object] = {
            **kwargs,
            "py_modules": py_modules,
            "py_executable": py_executable,
            "working_dir": working_dir,
            "pip": pip,
            "uv": uv,
            "conda": conda,
            "container": container,
            "env_vars": env_vars,
            "worker_process_setup_hook": worker_process_setup_hook,
            "_nsight": nsight or kwargs.get("_nsight"),
            "_rocprof_sys": rocprof_sys or kwargs.get("_rocprof_sys"),
            "config": config,
            "image_uri": image_uri,
        }
        present = {name: value for name, value in given.items() if value is not None}
        if not _validate:
            self.update(present)
            return
        check_together(present)
        for name, value in present.items():
            self[name] = value

    def __setitem__(self, key: str, value: object) -> None:
        plain: object = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        if key == "config":
            plain = RuntimeEnvConfig.parse_and_validate_runtime_env_config(plain)
        elif key in CHECKS and plain is not None:
            plain = CHECKS[key](plain)
            if plain is None:
                return
        super().__setitem__(key, plain)

    def set(self, name: str, value: object) -> None:
        """Set a field, checked."""
        self[name] = value

    def get(self, name: str, default: Any = None, data_class: Any = None) -> Any:
        """A field, or the default; as an instance of a dataclass if one is given."""
        if name not in self:
            return default
        return self[name] if data_class is None else data_class(**self[name])

    @classmethod
    def deserialize(cls, serialized_runtime_env: str) -> RuntimeEnv:
        """From what `serialize` returned."""
        return cls(_validate=False, **json.loads(serialized_runtime_env))

    def serialize(self) -> str:
        """As JSON; equal environments give equal texts."""
        return json.dumps(RuntimeEnv(**self), sort_keys=True)

    def to_dict(self) -> dict[str, Any]:
        """A plain copy."""
        copy = dict(deepcopy(self))
        if copy.get("config"):
            copy["config"] = dict(copy["config"])
        return copy

    def plugins(self) -> list[tuple[str, Any]]:
        """The fields that nobody knows."""
        return [(name, value) for name, value in self.items() if name not in self.known_fields]

    def working_dir_uri(self) -> str | None:
        """The working directory, None for none."""
        return cast("str | None", self.get("working_dir"))

    def py_modules_uris(self) -> list[str]:
        """The modules."""
        return list(self.get("py_modules", ()))

    def has_working_dir(self) -> bool:
        """Whether there is one."""
        return self.get("working_dir") is not None

    def working_dir(self) -> str:
        """The working directory, empty for none."""
        return str(self.get("working_dir", ""))

    def py_modules(self) -> list[str]:
        """The modules."""
        return self.py_modules_uris()

    def py_executable(self) -> str | None:
        """The interpreter."""
        return cast("str | None", self.get("py_executable"))

    def env_vars(self) -> dict[str, str]:
        """The variables."""
        return dict(self.get("env_vars", {}))

    def has_conda(self) -> bool:
        """Whether ``conda`` is given."""
        return bool(self.get("conda"))

    def has_pip(self) -> bool:
        """Whether ``pip`` is given."""
        return bool(self.get("pip"))

    def has_uv(self) -> bool:
        """Whether ``uv`` is given."""
        return bool(self.get("uv"))

    def pip_config(self) -> dict[str, Any]:
        """What ``pip`` says, empty for nothing."""
        return dict(self.get("pip") or {})

    def uv_config(self) -> dict[str, Any]:
        """What ``uv`` says, empty for nothing."""
        return dict(self.get("uv") or {})

    def image_uri(self) -> str | None:
        """The image."""
        return cast("str | None", self.get("image_uri"))

    def has_py_container(self) -> bool:
        """Whether ``container`` is given."""
        return bool(self.get("container"))


def for_task_or_actor(given: object) -> RuntimeEnv | None:
    """The environment that an option names, None for none of its own.

    Raises:
        TypeError, ValueError: it is none, or it names local files.
    """
    if not given:
        return None
    if not isinstance(given, dict):
        raise TypeError(f"runtime_env must be dict or RuntimeEnv, but got: {type(given)}")
    environment = RuntimeEnv(**given)
    check_no_paths(environment)
    return environment


def merge(parent: Mapping[str, Any], child: Mapping[str, Any]) -> dict[str, Any]:
    """The environment of what is submitted from within another: the child's fields, else the parent's; of variables
    each.

    Example:
        >>> merge({"env_vars": {"A": "1", "B": "1"}, "pip": ["x"]}, {"env_vars": {"B": "2"}})
        {'env_vars': {'A': '1', 'B': '2'}, 'pip': ['x']}
    """
    variables = {**parent.get("env_vars", {}), **child.get("env_vars", {})}
    merged = {**parent, **child}
    return {**merged, "env_vars": variables} if variables else merged


__getattr__ = missing_in(__name__)
