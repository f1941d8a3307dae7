"""Local files on their way into workers: a driver copies a directory or archive once, under a name made of its content,
and its workers find it by that name.

A copy, as in Ray: what is excluded is not there, what changes later is not seen, and what tasks write stays out of the
user's own directory. Must not live here: what a worker does with it (`localray.runtime_env.set_up`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from localray.runtime_env.ignore import Patterns
from localray.runtime_env.uris import ARCHIVES, STAGED, split

LARGE_BYTES = 100 << 20
"""A larger copy is worth a word to the user."""
_DEFAULT_EXCLUDES = ".git,.venv,venv,__pycache__"
_PREFIX = "_ray_pkg_"
_CHUNK_BYTES = 1 << 20


class Stage:
    """Where one driver's packages go.

    Args:
        directory: made when first needed.
        environment: variables of the process; some of Ray's say what is left out.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = directory
        self._environment = environment
        self.copied_bytes = 0

    def bring_along(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A job's environment with its local files copied and named.

        Raises:
            TypeError, ValueError: what is named is no directory or archive.
        """
        brought = dict(fields)
        excludes = list(fields.get("excludes") or ())
        directory = fields.get("working_dir")
        if directory is not None:
            if not isinstance(directory, str | Path):
                raise TypeError(f"working_dir must be a string or Path, got {type(directory)}.")
            brought["working_dir"] = self._working_directory(str(directory), excludes)
        modules = fields.get("py_modules")
        if modules is not None:
            if not isinstance(modules, list):
                raise TypeError(f"py_modules must be a list of paths, modules or URIs, got {type(modules)}.")
            brought["py_modules"] = [self._module(_path_of(module), excludes) for module in modules]
        return brought

    def _working_directory(self, name: str, excludes: Sequence[str]) -> str:
        path = Path(name)
        if split(name) is not None:
            return name
        if path.is_dir():
            left_out = self._environment.get("RAY_OVERRIDE_RUNTIME_ENV_DEFAULT_EXCLUDES", _DEFAULT_EXCLUDES)
            default = [pattern.strip() for pattern in left_out.split(",") if pattern.strip()]
            return self._copy_tree(path, [*default, *excludes], under="")
        if not path.exists() or not name.endswith(ARCHIVES["working_dir"]):
            raise ValueError(
                f"directory {name} must be an existing directory or a supported archive "
                f"({', '.join(ARCHIVES['working_dir'])})"
            )
        return self._copy_file(path)

    def _module(self, name: str, excludes: Sequence[str]) -> str:
        path = Path(name)
        if split(name) is not None:
            return name
        if path.is_dir():
            return self._copy_tree(path, excludes, under=path.resolve().name)
        if path.suffix == ".py":
            return self._copy_tree(path, (), under="")
        if path.suffix == ".whl":
            return self._copy_file(path)
        raise ValueError(f"py_modules entry must be a .py file, a directory, or a .whl file; got {name}")

    def _copy_tree(self, source: Path, excludes: Sequence[str], under: str) -> str:
        """Copy a directory's files, or one file; into a subdirectory of the package if ``under`` names one."""
        reads_gitignore = self._environment.get("RAY_RUNTIME_ENV_IGNORE_GITIGNORE", "0") != "1"
        digest = hashlib.sha1(usedforsecurity=False)
        growing = self._new_directory()
        for path, name in _files(source, excludes, reads_gitignore=reads_gitignore):
            target = growing / under / name
            digest.update(f"{under}/{name}\0".encode(errors="surrogateescape"))
            if path.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            self._copy_content(path, target, digest)
        return self._settle(growing, f"{_PREFIX}{digest.hexdigest()[:16]}", ".zip")

    def _copy_content(self, source: Path, target: Path, digest: hashlib._Hash) -> None:
        with source.open("rb") as reading, target.open("wb") as writing:
            while chunk := reading.read(_CHUNK_BYTES):
                digest.update(chunk)
                writing.write(chunk)
                self.copied_bytes += len(chunk)
        shutil.copystat(source, target)

    def _copy_file(self, source: Path) -> str:
        """Copy an archive as it is; the first worker that needs it unpacks it."""
        digest = hashlib.sha1(usedforsecurity=False)
        growing = self._new_directory() / source.name
        self._copy_content(source, growing, digest)
        if source.suffix == ".whl":
            # Its own name tells installers what it is.
            name, suffix = source.name.removesuffix(".whl"), ".whl"
        else:
            suffix = next(suffix for suffix in ARCHIVES["working_dir"] if source.name.endswith(suffix))
            name = f"{_PREFIX}{digest.hexdigest()[:16]}"
        growing.replace(self._directory / (name + suffix))
        growing.parent.rmdir()
        return f"{STAGED}://{name}{suffix}"

    def _new_directory(self) -> Path:
        growing = self._directory / f"growing_{os.getpid()}_{os.urandom(4).hex()}"
        growing.mkdir(parents=True)
        return growing

    def _settle(self, growing: Path, name: str, suffix: str) -> str:
        """Give what was copied its final name; there may be the same already."""
        try:
            growing.rename(self._directory / name)
        except OSError:
            shutil.rmtree(growing)
        return f"{STAGED}://{name}{suffix}"


def _path_of(module: object) -> str:
    """The file or directory of an entry of ``py_modules``.

    Raises:
        TypeError: it is no path and no module.
        ValueError: it is a module in several directories.
    """
    if isinstance(module, str | Path):
        return str(module)
    if not isinstance(module, ModuleType):
        raise TypeError(f"py_modules must be a list of file paths, URIs, or imported modules, got {type(module)}.")
    if not hasattr(module, "__path__"):
        return str(module.__file__)
    if len(module.__path__) != 1:
        raise ValueError(f"py_modules takes modules of one directory or file; {module.__name__} is in several.")
    return str(next(iter(module.__path__)))


def _files(source: Path, excludes: Sequence[str], *, reads_gitignore: bool) -> Iterator[tuple[Path, str]]:
    """What of a directory is to be copied, in order of names: paths, and names relative to it."""
    if source.is_file():
        yield source, source.name
        return
    yield from _below(source, source, [(source, Patterns(excludes))], reads_gitignore, {source.resolve()})


def _below(
    root: Path, directory: Path, rules: list[tuple[Path, Patterns]], reads_gitignore: bool, entered: set[Path]
) -> Iterator[tuple[Path, str]]:
    names = (".gitignore", ".rayignore") if reads_gitignore else (".rayignore",)
    here = [
        (directory, Patterns((directory / name).read_text().split("\n")))
        for name in names
        if (directory / name).is_file()
    ]
    rules = [*rules, *here]
    for path in sorted(directory.iterdir()):
        is_directory = path.is_dir()
        if any(
            patterns.excludes(path.relative_to(base).as_posix(), is_directory=is_directory) for base, patterns in rules
        ):
            continue
        if not is_directory and not path.is_file():
            continue  # A socket, a pipe, a link to nothing.
        yield path, path.relative_to(root).as_posix()
        if is_directory and path.resolve() not in entered:
            # A link to a directory that contains it must not be followed for ever.
            yield from _below(root, path, rules, reads_gitignore, {*entered, path.resolve()})
