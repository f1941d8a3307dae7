"""The name `ray`: `install` makes it mean localray, in this process, its workers and its children.

A finder in front of all others answers for `ray` and everything below it with our own modules, so that each module is
one object under both names, and classes and pickles agree. Other processes get a folder in ``PYTHONPATH`` with a
package `ray` that calls `install` when it is imported, and with the metadata of a distribution `ray`; and one in
``PATH`` with a command `ray`. Must not live here: what the modules hold.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from localray.version import RAY_VERSION, VERSION

_NAME = "ray"
_OWN = "localray"
_TESTS = "tests"
"""Ray's own tests are no part of ours: `ray.tests`, `ray.dag.tests` and the like are where somebody has put them beside
our `ray` on the path."""
_SHIM = str(Path(__file__).resolve().parent / "shim")
_COMMANDS = str(Path(_SHIM) / "bin")

_TASKS_INSTEAD = "Write it with tasks and actors, or run it on a real Ray cluster."
NOT_HERE: Mapping[str, str] = {
    "air": _TASKS_INSTEAD,
    "data": "Map over blocks with tasks or a ray.util.ActorPool, or run it on a real Ray cluster.",
    "llm": "Run it on a real Ray cluster.",
    "rllib": "Collect samples with actors, or run it on a real Ray cluster.",
    "serve": "Call actors directly, or run it on a real Ray cluster.",
    "train": "Run workers as actors in a placement group, or run it on a real Ray cluster.",
    "tune": "Run trials as tasks and collect them with ray.wait, or run it on a real Ray cluster.",
    "workflow": _TASKS_INSTEAD,
}
"""Parts of Ray beyond its core, with what to use instead."""
STUBS = "LOCALRAY_STUBS"
"""The variable that names those of them, with commas between, that may be imported all the same: for packages that
import more than they use. What is taken out of them raises when it is called."""


def not_here(part: str) -> ModuleNotFoundError:
    """The error of somebody who imports one of `NOT_HERE`, or uses a stub of it."""
    text = (
        f"ray.{part} is not part of localray, which is Ray's core on one machine. {NOT_HERE[part]} (Where it is only "
        f"imported, not used: set {STUBS}={part}.)"
    )
    return ModuleNotFoundError(text, name=f"{_NAME}.{part}")


def install() -> None:
    """Make `ray` mean localray from now on: here, in workers, and in processes that are started from here.

    `ray` and `localray` are then one module, which says that its version is Ray's.

    Raises:
        RuntimeError: real Ray has been imported already.

    Example:
        >>> import localray
        >>> localray.install()
        >>> import ray
        >>> ray is localray, ray.__version__
        (True, '2.60.0')
        >>> localray.uninstall()
    """
    own = import_module(_OWN)
    taken = sys.modules.get(_NAME)
    if taken not in (None, own) and not _is_shim(taken):
        raise RuntimeError(
            f"Real Ray has been imported already, from {getattr(taken, '__file__', 'somewhere')}. Call "
            "localray.install() before anything imports ray, or start the program with `localray run`."
        )
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    sys.modules[_NAME] = own
    _name_all_that_is_loaded()
    own.__version__ = RAY_VERSION  # type: ignore[attr-defined]
    if _SHIM not in sys.path:
        # Where `PYTHONPATH` would have put it: what is beside the program comes before.
        sys.path.insert(1, _SHIM)
    os.environ.update(environment_of_children(os.environ))


def uninstall() -> None:
    """Undo `install`: `ray` means again what it would without us. Nothing happens if it was not called."""
    if not is_installed():
        return
    sys.meta_path.remove(_finder)
    for name in [name for name in sys.modules if name == _NAME or name.startswith(f"{_NAME}.")]:
        del sys.modules[name]
    import_module(_OWN).__version__ = VERSION  # type: ignore[attr-defined]
    sys.path[:] = [folder for folder in sys.path if folder != _SHIM]
    os.environ.pop("LOCALRAY_PYTHON", None)
    for variable, own_folder in (("PYTHONPATH", _SHIM), ("PATH", _COMMANDS)):
        folders = _folders(os.environ, variable, own_folder)
        if folders:
            os.environ[variable] = os.pathsep.join(folders)
        else:
            os.environ.pop(variable, None)


def is_installed() -> bool:
    """Whether `ray` means localray in this process."""
    return _finder in sys.meta_path


def environment_of_children(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which Python processes take `ray` for localray, and the command `ray` is `localray`."""
    return {
        **environment,
        "PYTHONPATH": os.pathsep.join([_SHIM, *_folders(environment, "PYTHONPATH", _SHIM)]),
        "PATH": os.pathsep.join([_COMMANDS, *_folders(environment, "PATH", _COMMANDS)]),
        "LOCALRAY_PYTHON": sys.executable,
    }


def _folders(environment: Mapping[str, str], variable: str, own: str) -> list[str]:
    """What a path variable lists, without our own folder."""
    return [folder for folder in environment.get(variable, "").split(os.pathsep) if folder not in ("", own)]


def _is_shim(module: ModuleType | None) -> bool:
    """Whether this is the package in our folder, or in that of the localray that has started this process, which is
    being imported right now."""
    return Path(str(getattr(module, "__file__", ""))).parts[-4:-1] == (_OWN, "shim", _NAME)


def _name_all_that_is_loaded() -> None:
    """Enter modules of ours that have been imported under their other names, too.

    Were they left for the finder, the import system would make each an attribute of its package once more, over a
    function that the package has put there: `ray.util.placement_group` is both.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{_OWN}."):
            sys.modules.setdefault(_NAME + name[len(_OWN) :], module)


class _Finder(MetaPathFinder):
    """Answers for `ray` and what is below it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec that loads our own module, or None where we have none of this name."""
        top, _, inner = fullname.partition(".")
        if top != _NAME:
            return None
        part = inner.partition(".")[0]
        if part in NOT_HERE:
            stubbed = part in os.environ.get(STUBS, "").split(",")
            return spec_from_loader(fullname, _Stub(part) if stubbed else _Absent(part), is_package=True)
        *above, last = fullname.split(".")
        if _TESTS in above:
            return None
        if last == _TESTS:
            folders = [os.path.join(folder, *above) for folder in sys.path]  # noqa: PTH118 - entries may be empty
            return PathFinder.find_spec(fullname, folders)
        found = find_spec(_OWN + fullname[len(_NAME) :])
        if found is None:
            return None
        is_package = found.submodule_search_locations is not None
        return spec_from_loader(fullname, _Alias(found.name), origin=found.origin, is_package=is_package)


class _Alias(Loader):
    """Loads a module of ours under another name: what is put into `sys.modules` is that very module."""

    def __init__(self, own_name: str) -> None:
        self._own_name = own_name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module; imported under its own name first."""
        module = import_module(self._own_name)
        self._own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It has run already. The import system has just told it that it is called otherwise; take that back."""
        module.__spec__ = self._own_spec
        _name_all_that_is_loaded()


class _Absent(Loader):
    """Refuses to load a part of Ray that is not here, and says what to use."""

    def __init__(self, part: str) -> None:
        self._part = part

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Raises:
        ModuleNotFoundError: always.
        """
        raise not_here(self._part)

    def exec_module(self, module: ModuleType) -> None:
        """Never called: `create_module` has raised."""


class _Stub(Loader):
    """Loads an empty module in the place of a part of Ray that is not here."""

    def __init__(self, part: str) -> None:
        self._part = part

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """A module with every name in it: each is a class that cannot be made."""

        def refuse(*args: object, **kwargs: object) -> NoReturn:
            raise not_here(self._part)

        def take(name: str) -> type:
            if name.startswith("__"):
                raise AttributeError(f"module {spec.name!r} has no attribute {name!r}")
            return type(name, (), {"__new__": refuse, "__module__": spec.name})

        module = ModuleType(spec.name, f"A stub: see {STUBS} in localray.")
        module.__getattr__ = take  # type: ignore[method-assign]
        return module

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


_finder = _Finder()
