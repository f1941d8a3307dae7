"""What each field of a runtime environment may be, and the form in which it is kept.

A check takes what the user gave and returns what is kept, None for nothing. Must not live here: what becomes of a field
in a worker (`localray.runtime_env.set_up`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from localray.runtime_env.uris import check_path_or_uri, check_uri

_INSTALLERS = {
    "pip": ("packages", "pip_check", "pip_install_options", "pip_version"),
    "uv": ("packages", "uv_check", "uv_version", "uv_pip_install_options"),
}


def _environment_variables(value: object) -> object:
    if isinstance(value, Sequence | Mapping) and not value:
        return None
    if not isinstance(value, dict):
        raise TypeError(f"runtime_env['env_vars'] must be of type Dict[str, str], got {type(value)}")
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str):
            wrong = f"the key {name!r}" if not isinstance(name, str) else f"the value {text!r} of {name}"
            raise TypeError(f"runtime_env['env_vars'] must be of type Dict[str, str], but {wrong} is no string")
    return value


def _working_directory(value: object) -> object:
    if not isinstance(value, str):
        raise TypeError(f"`working_dir` must be a string, got {type(value)}.")
    check_path_or_uri(value, "working_dir")
    return value


def _modules(value: object) -> object:
    for module in _strings("py_modules", value):
        check_path_or_uri(module, "py_modules")
    return value


def _strings(field: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"`{field}` must be a list of strings, got {value!r} of {type(value)}.")
    return value


def _excludes(value: object) -> object:
    return _strings("excludes", value) or None


def _conda(value: object) -> object:
    if isinstance(value, str):
        path = Path(value)
        if path.suffix in (".yaml", ".yml") and not path.is_file():
            raise ValueError(f"Can't find conda YAML file {path}.")
        if path.is_absolute() and not path.exists():
            raise ValueError(f"Can't find conda env directory {path}.")
    elif not isinstance(value, dict):
        raise TypeError(f"runtime_env['conda'] must be of type str or dict, got {type(value)}.")
    return value


def _requirements_file(path: str) -> list[str]:
    if not Path(path).is_file():
        raise ValueError(f"{path} is not a valid file")
    return Path(path).read_text().strip().split("\n")


def _installer(field: str) -> Callable[[object], object]:
    """The check of ``pip`` or ``uv``: a requirements file, a list of requirements, or a dictionary of the two's
    options; kept as a dictionary."""
    checked, version = f"{field}_check", f"{field}_version"
    options = "pip_install_options" if field == "pip" else "uv_pip_install_options"

    def check(value: object) -> object:
        if isinstance(value, str):
            given: dict[str, object] = {"packages": _requirements_file(value)}
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            given = {"packages": value}
        elif isinstance(value, dict):
            given = dict(value)
            if field == "uv":
                given.setdefault(options, ["--no-cache"])
        else:
            raise TypeError(f"runtime_env['{field}'] must be of type str, List[str] or dict, got {type(value)}")
        unknown = [name for name in given if name not in _INSTALLERS[field]]
        if unknown or "packages" not in given:
            raise ValueError(
                f"runtime_env['{field}'] must have the field packages and can only have {_INSTALLERS[field]}, "
                f"but got {list(given)}"
            )
        given.setdefault(checked, False)
        _typed(field, given, checked, bool)
        _typed(field, given, version, str)
        if options in given:
            _strings(f"{field}.{options}", given[options])
        packages = given["packages"]
        if isinstance(packages, str) and field == "pip":
            packages = _requirements_file(packages)
        if not isinstance(packages, list):
            raise ValueError(f"runtime_env['{field}']['packages'] must be of type list, got {type(packages)}")
        given["packages"] = list(dict.fromkeys(_strings(f"{field}.packages", packages)))
        return given if given["packages"] else None

    return check


def _typed(field: str, given: Mapping[str, object], name: str, kind: type) -> None:
    if name in given and not isinstance(given[name], kind):
        raise TypeError(f"runtime_env['{field}']['{name}'] must be of type {kind.__name__}, got {type(given[name])}")


CHECKS: Mapping[str, Callable[[object], object]] = MappingProxyType(
    {
        "py_modules": _modules,
        "working_dir": _working_directory,
        "excludes": _excludes,
        "conda": _conda,
        "pip": _installer("pip"),
        "uv": _installer("uv"),
        "env_vars": _environment_variables,
    }
)
"""The fields that are checked. ``config`` is too, by the class it becomes."""


def check_together(fields: Mapping[str, object]) -> None:
    """Raise where fields exclude each other.

    Raises:
        ValueError: they do.
    """
    installers = [name for name in ("pip", "uv", "conda") if fields.get(name) is not None]
    if len(installers) > 1:
        raise ValueError(
            f"The fields pip, uv and conda of runtime_env cannot be specified at the same time, but got {installers}. "
            "Requirements for pip may stand in the conda configuration."
        )
    for alone in ("container", "image_uri"):
        if fields.get(alone):
            others = set(fields) - {alone, "config", "env_vars"}
            if others:
                raise ValueError(
                    f"The '{alone}' field currently cannot be used together with other fields of runtime_env. "
                    f"Specified fields: {sorted(others)}"
                )


def check_no_paths(fields: Mapping[str, object]) -> None:
    """Raise where a task or actor names local files: only a job brings files along.

    Raises:
        ValueError: it does.
    """
    directory = fields.get("working_dir")
    if isinstance(directory, str):
        check_uri(directory, "working_dir")
    modules = fields.get("py_modules")
    for module in modules if isinstance(modules, list) else ():
        check_uri(module, "py_modules")
