"""``pip`` and ``uv`` of a runtime environment: nothing is done where all that is asked for is installed; else it is
installed into a virtual environment that is kept for the next time, and whose packages are put on the path.

Must not live here: the path itself (`localray.runtime_env.set_up`).
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from localray.exceptions import RuntimeEnvSetupError

_SHOWN_LINES = 20
_DONE = "complete"
# Python 3.10 has no name of its own for the layout of virtual environments, which is that of every prefix.
_SCHEME = "venv" if "venv" in sysconfig.get_scheme_names() else "posix_prefix"


def are_satisfied(requirements: Sequence[str]) -> bool:
    """Whether everything asked for is installed here, in the version asked for. What is not plainly a requirement (an
    option, a URL, a file) is not known to be."""
    return all(_is_satisfied(line) for line in requirements)


def _is_satisfied(line: str) -> bool:
    text = line.partition(" #")[0].strip()
    if not text or text.startswith("#"):
        return True
    requirement = _parse(text)
    if requirement is None or requirement.url:
        return False
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return not requirement.extras and bool(requirement.specifier.contains(version, prereleases=True))


def _parse(text: str) -> Any:
    """A requirement by whichever copy of the library `packaging` is there; None if it is none or there is no copy."""
    for name in ("packaging.requirements", "pip._vendor.packaging.requirements"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        try:
            return module.Requirement(text)
        except module.InvalidRequirement:
            return None
    return None


def install(kind: str, config: Mapping[str, Any], variables: Mapping[str, str], timeout_s: float | None) -> list[str]:
    """The folders to put on the path so that these requirements can be imported; none when they can already.

    Args:
        kind: "pip" or "uv".
        config: the field of the environment.
        variables: of the process, and those of the environment.
        timeout_s: how long it may take.

    Raises:
        RuntimeEnvSetupError: they cannot be installed.
    """
    packages = [os.path.expandvars(line) for line in config["packages"]]
    if are_satisfied(packages):
        return []
    described = repr((sys.version, sys.prefix, kind, packages, sorted(config.items(), key=str)))
    root = _cache() / hashlib.sha256(described.encode()).hexdigest()[:16]
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w") as lock:
        # Many workers want it at once; one makes it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / _DONE).exists():
            _build(root, kind, packages, config, variables, timeout_s)
            (root / _DONE).touch()
    folders = {sysconfig.get_path(name, _SCHEME, _bases(root / "venv")) for name in ("purelib", "platlib")}
    return sorted(folders)


def _bases(root: Path) -> dict[str, str]:
    return {"base": str(root), "platbase": str(root), "installed_base": sys.base_prefix}


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "localray" / "environments"


def _build(
    root: Path,
    kind: str,
    packages: Sequence[str],
    config: Mapping[str, Any],
    variables: Mapping[str, str],
    timeout_s: float | None,
) -> None:
    """Make the virtual environment and install into it."""
    shutil.rmtree(root / "venv", ignore_errors=True)
    uv = shutil.which("uv") if kind == "uv" else None
    # Where there is a pip it can serve other environments too; giving each its own takes seconds.
    shared = uv is not None or importlib.util.find_spec("pip") is not None
    bare = ["--without-pip"] if shared else []
    _run([sys.executable, "-m", "venv", *bare, str(root / "venv")], variables, timeout_s)
    python = root / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python)] if shared else [str(python), "-m", "pip"]
    purelib = Path(sysconfig.get_path("purelib", _SCHEME, _bases(root / "venv")))
    # What is installed here counts as installed there, also where we are in a virtual environment ourselves.
    (purelib / "_localray_parent.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
    requirements = root / "requirements.txt"
    requirements.write_text("\n".join(packages))
    options = list(config.get("pip_install_options" if kind == "pip" else "uv_pip_install_options") or ())
    if uv is not None:
        command = [uv, "pip", "install", "--python", str(python), "-r", str(requirements), *options]
    else:
        given = [option for option in options if option != "--no-cache"]
        command = [*pip, "install", "--disable-pip-version-check", "-r", str(requirements), *given]
    _run(command, {"PIP_RETRIES": "1", **variables}, timeout_s)
    if config.get(f"{kind}_check"):
        _run([*pip, "check"], variables, timeout_s)


def _run(command: Sequence[str], variables: Mapping[str, str], timeout_s: float | None) -> None:
    advice = (
        "Without access to a package index only what is installed already can be asked for: install it beside "
        "localray, or give an index or a folder of wheels in pip_install_options (--no-index --find-links=...)."
    )
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(variables),
            timeout=timeout_s,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise RuntimeEnvSetupError(
            f"`{' '.join(command)}` took longer than setup_timeout_seconds={timeout_s:.0f}. {advice}"
        ) from None
    if done.returncode:
        lines = "\n".join(done.stdout.splitlines()[-_SHOWN_LINES:])
        raise RuntimeEnvSetupError(f"`{' '.join(command)}` failed:\n{lines}\n{advice}")
