"""A worker becomes what its runtime environment asks for, once, before its first task: directory, modules,
requirements, variables, and at last the user's hook.

Must not live here: what a field may be (`localray.runtime_env.checks`), copying the driver's files
(`localray.runtime_env.packages`), which worker gets which environment (the kernel).
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import sys
import tarfile
import traceback
import zipfile
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from localray.exceptions import RuntimeEnvSetupError
from localray.runtime_env.uris import FILE, IN_PLACE, STAGED, split

_REFUSED = {
    "conda": "Workers here run in the driver's own interpreter: start the driver in that conda environment instead",
    "container": "Workers here are no containers: start the driver in that container instead",
    "image_uri": "Workers here are no containers: start the driver in that image instead",
    "py_executable": "Workers here are forked from a running interpreter: start the driver with that one instead",
    "java_jars": "There are no Java workers here",
    "_nsight": "Workers here are not started one by one: profile the driver's whole process tree instead",
    "_rocprof_sys": "Workers here are not started one by one: profile the driver's whole process tree instead",
}
_UNKNOWN_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")


def set_up(fields: Mapping[str, Any], packages: str, variables: MutableMapping[str, str]) -> None:
    """Change this process as the environment asks, but for the hook.

    Args:
        fields: of the environment.
        packages: the directory where the driver's packages are; empty if it has brought none.
        variables: of this process; changed.

    Raises:
        RuntimeEnvSetupError: that is not possible; the text says why.
    """
    for name, advice in _REFUSED.items():
        if fields.get(name) and not (name == "conda" and fields[name] == variables.get("CONDA_DEFAULT_ENV")):
            raise RuntimeEnvSetupError(f"runtime_env['{name}'] is not supported: {advice}.")
    first: list[str] = []
    directory = fields.get("working_dir")
    if directory:
        place = str(_find(directory, Path(packages)))
        os.chdir(place)
        first.append(place)
    first += [str(_find(module, Path(packages))) for module in fields.get("py_modules") or ()]
    for kind in ("pip", "uv"):
        if fields.get(kind):
            first += _install(kind, fields, variables)
    set_variables(fields.get("env_vars") or {}, variables)
    first += [path for path in (fields.get("env_vars") or {}).get("PYTHONPATH", "").split(os.pathsep) if path]
    if first:
        sys.path[:0] = first
        # Processes that the user's code starts find the modules too.
        kept = [path for path in variables.get("PYTHONPATH", "").split(os.pathsep) if path and path not in first]
        variables["PYTHONPATH"] = os.pathsep.join([*first, *kept])
        importlib.invalidate_caches()


def set_variables(given: Mapping[str, str], variables: MutableMapping[str, str]) -> None:
    """Set variables, one after the other: ``$X`` and ``${X}`` in a value are what X is by then. An unknown one in
    braces is nothing, as in Ray."""
    for name, text in given.items():
        variables[name] = _UNKNOWN_VARIABLE.sub("", os.path.expandvars(text))


def run_hook(hook: Callable[[], object] | str) -> None:
    """Call the user's hook.

    Raises:
        RuntimeEnvSetupError: it cannot be found, or it failed.
    """
    try:
        if isinstance(hook, str):
            module, _, name = hook.rpartition(".")
            hook = getattr(importlib.import_module(module), name)
        hook()  # type: ignore[operator]
    except Exception as error:
        raise RuntimeEnvSetupError(
            f"Failed to execute the setup hook method {getattr(hook, '__name__', hook)} of "
            f"runtime_env['worker_process_setup_hook']:\n{traceback.format_exc()}"
        ) from error


def _install(kind: str, fields: Mapping[str, Any], variables: Mapping[str, str]) -> list[str]:
    from localray.runtime_env.requirements import install

    timeout_s = (fields.get("config") or {}).get("setup_timeout_seconds", 600)
    inner = {**variables, **(fields.get("env_vars") or {})}
    if fields.get("working_dir"):
        inner["RAY_RUNTIME_ENV_CREATE_WORKING_DIR"] = os.environ["RAY_RUNTIME_ENV_CREATE_WORKING_DIR"] = str(Path.cwd())
    try:
        return install(kind, fields[kind], inner, None if timeout_s == -1 else timeout_s)
    except OSError as error:
        raise RuntimeEnvSetupError(f"runtime_env['{kind}'] could not be installed: {error}.") from error
    finally:
        os.environ.pop("RAY_RUNTIME_ENV_CREATE_WORKING_DIR", None)


def _find(uri: str, packages: Path) -> Path:
    """The directory with a package's content, unpacked if need be.

    Raises:
        RuntimeEnvSetupError: there is none.
    """
    parts = split(uri)
    if parts is None:
        raise RuntimeEnvSetupError(f"{uri} is no package.")
    if parts.scheme == IN_PLACE:
        if not Path(parts.path).is_dir():
            raise RuntimeEnvSetupError(f"{uri} is not a directory.")
        return Path(parts.path)
    if parts.scheme not in (STAGED, FILE):
        raise RuntimeEnvSetupError(
            f"{uri} would have to be fetched, which nothing here does: fetch it, and give the path of the file."
        )
    archive = Path(parts.path) if parts.scheme == FILE else packages / parts.path
    place = packages / _without_suffix(archive.name)
    if place.is_dir():
        return place
    if not archive.is_file():
        raise RuntimeEnvSetupError(f"The package {uri} is not there: no driver of this session has brought it along.")
    return _unpack(archive, place, strips_top=parts.scheme == FILE)


def _without_suffix(name: str) -> str:
    for suffix in (".zip", ".whl", ".tar.gz", ".tgz", ".tar.xz"):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def _unpack(archive: Path, place: Path, *, strips_top: bool) -> Path:
    """Unpack an archive into a directory of this name. Several workers may do it at once; one of them is first."""
    growing = place.with_name(f"{place.name}.{os.getpid()}")
    try:
        growing.mkdir(parents=True)
        if archive.suffix in (".zip", ".whl"):
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(growing)
        else:
            with tarfile.open(archive) as packed_tar:
                packed_tar.extractall(growing, filter="data")
        top = [entry for entry in growing.iterdir() if entry.name != "__MACOSX"]
        content = top[0] if strips_top and len(top) == 1 and top[0].is_dir() else growing
        try:
            content.rename(place)
        except OSError:
            if not place.is_dir():
                raise
    except (OSError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise RuntimeEnvSetupError(f"The package {archive} cannot be unpacked: {error}.") from error
    finally:
        shutil.rmtree(growing, ignore_errors=True)
    return place
