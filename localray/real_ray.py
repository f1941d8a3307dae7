"""The third engine: real Ray. The program is handed over to the installed package `ray`, whole; nothing is emulated.

From `hand_over` on, every name of `localray` that Ray has is Ray's own, submodules included, so that references,
handles, exceptions and utilities are. What was decorated before is converted when it is first used. On its way to Ray's
workers the package is pickled as `ray`: they need not have localray. Must not live here: when an engine is chosen
(`localray.session`), what localray has that Ray has not (`localray.on_ray`).
"""

from __future__ import annotations

import operator
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_loader
from types import ModuleType

from localray import checkpoint_rule
from localray.client.current import handed_over_to, set_handed_over
from localray.exceptions import LocalEngineNeeded
from localray.on_ray import actor_class, keeper, kept_class, saving
from localray.options import METHOD_OPTIONS_ATTRIBUTE, rules
from localray.runtime.session_home import is_of_this_machine
from localray.version import RAY_VERSION

_OWN = "localray"
_RAY = "ray"
REACHABLE_WITHIN_S = 3.0

OUR_KEYWORDS = frozenset(("engine", "seed"))
"""Keywords of our `init` that Ray's does not have, and that change nothing there."""
_ONLY_LOCAL = ("nodes", "faults")
"""Keywords of our `init` that real Ray could not follow."""
FAULTS_VARIABLE = "LOCALRAY_FAULTS"
BY_VALUE = (checkpoint_rule, rules, actor_class, keeper, kept_class, saving)
"""Modules whose functions and classes go to Ray's workers, which need not have localray."""

LOCAL_ONLY = frozenset(("chaos", "sim"))
"""Modules that make no sense on a cluster that is not ours."""


def hand_over() -> ModuleType:
    """Make `localray` mean real Ray from now on; returns Ray's package. Nothing happens if that has been done.

    Raises:
        ImportError: Ray is not installed, or is of another major version.
        RuntimeError: `ray` means localray here (`localray.install`).
    """
    engine = handed_over_to()
    if engine is not None:
        return engine
    ray = _import_ray()
    package = sys.modules[_OWN]
    for name in list(vars(package)):
        if name in package._HOME or name in package._MODULES:
            delattr(package, name)
    for name in list(sys.modules):
        if name.startswith(f"{_OWN}.") and _is_handed_over(name[len(_OWN) + 1 :]):
            _set_aside[name] = sys.modules.pop(name)
    package.__class__ = _HandedOver
    sys.meta_path.insert(0, _finder)
    _alias_what_is_loaded()
    for module in BY_VALUE:
        ray.cloudpickle.register_pickle_by_value(module)
    set_handed_over(ray)
    return ray


def hand_back() -> None:
    """Undo `hand_over`: the local engines are there again."""
    engine = handed_over_to()
    if engine is None:
        return
    for module in BY_VALUE:
        engine.cloudpickle.unregister_pickle_by_value(module)
    set_handed_over(None)
    sys.meta_path.remove(_finder)
    package = sys.modules[_OWN]
    package.__class__ = ModuleType
    for name in list(sys.modules):
        if name.startswith(f"{_OWN}.") and _is_handed_over(name[len(_OWN) + 1 :]):
            del sys.modules[name]
    for name in list(vars(package)):
        if name in package._MODULES:
            delattr(package, name)
    sys.modules.update(_set_aside)
    _set_aside.clear()


_set_aside: dict[str, ModuleType] = {}
"""Our own modules while Ray's stand in their places."""


def start(address: str | None, options: Mapping[str, object]) -> object:
    """Hand the program over and start or join a session of real Ray.

    Args:
        address: as for Ray's `init`.
        options: its other keywords.

    Returns:
        What Ray's `init` returns.

    Raises:
        ConnectionError: nothing answers at the address.
    """
    if address is not None:
        check_reachable(address)
    hand_over()
    return init(**(dict(options) if address is None else {"address": address, **options}))


def init(*arguments: object, **options: object) -> object:
    """Ray's own `init`, for a program that has been handed over; without `seed`, of which it has no need.

    Raises:
        LocalEngineNeeded: a keyword, or a variable of the environment, asks for what only the local engines have.
    """
    for name in _ONLY_LOCAL:
        if options.get(name) is not None:
            raise LocalEngineNeeded(f"init({name}=...)")
    if options.get("engine", _RAY) not in (_RAY, "processes"):
        raise LocalEngineNeeded(f"init(engine={options['engine']!r})")
    if os.environ.get(FAULTS_VARIABLE):
        raise LocalEngineNeeded(f"The variable {FAULTS_VARIABLE}")
    ray = hand_over()
    return ray.init(*arguments, **{name: value for name, value in options.items() if name not in OUR_KEYWORDS})


def shutdown(**options: object) -> None:
    """Ray's own `shutdown`. The program is ours again afterwards, unless the environment has given it to Ray."""
    hand_over().shutdown(**options)
    if not chosen_by(os.environ):
        hand_back()


def chosen_by(environment: Mapping[str, str]) -> bool:
    """Whether the environment chooses this engine for the whole process."""
    return environment.get("LOCALRAY_ENGINE") == "ray"


def check_reachable(address: str) -> None:
    """See within seconds whether anybody listens where a cluster should be; Ray itself tries for minutes.

    Raises:
        ConnectionError: nobody does.
    """
    try:
        _knock(address)
    except OSError as error:
        raise ConnectionError(
            f"No Ray cluster answers at {address} ({error}). Does its head run there (`ray start --head`), and is the "
            "port right: 6379 for host:port, 10001 for ray://host:port? Leave the address out to run on this machine."
        ) from None


def is_cluster(address: str) -> bool:
    """Whether a cluster of real Ray is at an address where no session of ours is: on another machine, where only Ray's
    can be, or on this one where somebody listens."""
    if address.startswith("ray://") or not is_of_this_machine(address):
        return True
    try:
        return _knock(address)
    except OSError:
        return False


def _knock(address: str) -> bool:
    """Connect and hang up; False for a word such as "auto": there Ray looks for itself."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return False
    socket.create_connection((host.strip("[]"), int(port)), REACHABLE_WITHIN_S).close()
    return True


def _import_ray() -> ModuleType:
    present = sys.modules.get(_RAY)
    if present is not None and present is sys.modules.get(_OWN):
        raise RuntimeError(
            "`ray` means localray in this process (localray.install, `localray run`), so the engine 'ray' cannot be "
            "used in it: start the program with LOCALRAY_ENGINE=ray and plain `python`."
        )
    try:
        ray = import_module(_RAY)
    except ImportError as error:
        cause = None if getattr(error, "name", "") == _RAY else error
        raise ImportError(
            f"The engine 'ray' hands the program to real Ray, which cannot be imported here ({error}). "
            f"Install it: pip install 'ray=={RAY_VERSION}'."
        ) from cause
    version = str(getattr(ray, "__version__", ""))
    if not version.startswith("2."):
        raise ImportError(
            f"The engine 'ray' works with Ray 2.x; {version or 'something else'} is installed, from "
            f"{getattr(ray, '__file__', 'somewhere')}. Install the cluster's version: pip install 'ray=={RAY_VERSION}'."
        )
    return ray


# ---------------------------------------------------------------- what was decorated before


def remote(target: Callable[..., object], options: Mapping[str, object]) -> object:
    """Ray's own remote function or actor class of what was decorated with ours; of a class that defines ``checkpoint``
    and ``restore`` one whose actors keep their state.

    Args:
        target: the undecorated function or class.
        options: as they were given to our decorator.
    """
    ray = hand_over()
    if isinstance(target, type):
        for member in vars(target).values():
            method_options = getattr(member, METHOD_OPTIONS_ATTRIBUTE, None)
            if method_options:
                ray.method(**method_options)(member)
        if checkpoint_rule.can_checkpoint(target):
            return actor_class.CheckpointedClass(target, options)
        checkpoint_rule.checkpoint_rule(target, options)
    return ray.remote(**options)(target) if options else ray.remote(target)


def remote_decorator(*arguments: object, **options: object) -> object:
    """Ray's own `remote`, but for classes that checkpoint themselves."""
    ray = hand_over()
    if not arguments and options:
        interval = {checkpoint_rule.INTERVAL: options.pop(checkpoint_rule.INTERVAL, None)}
        decorate = ray.remote(**options)

        def decorate_ours(target: Callable[..., object]) -> object:
            given = {**options, **{name: value for name, value in interval.items() if value is not None}}
            return remote(target, given) if isinstance(target, type) else decorate(target)

        return decorate_ours
    if len(arguments) == 1 and not options and isinstance(arguments[0], type):
        return remote(arguments[0], {})
    return ray.remote(*arguments, **options)


def as_it_is(value: object) -> tuple[Callable[..., object], tuple[object, ...]]:
    """How to pickle something as another value: a function of the standard library and arguments that give that."""
    return operator.getitem, ((value,), 0)


# ---------------------------------------------------------------- names


def name_of_ray(ray: ModuleType, name: str) -> object:
    """An attribute of `localray` while real Ray has the program.

    Raises:
        AttributeError: neither has it, or only the local engines do.
    """
    package = sys.modules[_OWN]
    if name in _ON_TOP:
        return _ON_TOP[name]
    if hasattr(ray, name):
        return getattr(ray, name)
    if name in package._HOME or name in package._MODULES:
        raise LocalEngineNeeded(f"localray.{name}")
    if find_spec(f"{_RAY}.{name}") is not None:
        return import_module(f"{_RAY}.{name}")
    raise AttributeError(f"module 'localray' has no attribute {name!r}")


_ON_TOP = {
    "init": init,
    "shutdown": shutdown,
    "remote": remote_decorator,
    "checkpoint_now": actor_class.checkpoint_now,
}
"""What is not simply Ray's own, while it has the program."""


class _HandedOver(ModuleType):
    """The package meanwhile: pickled, it is `ray`."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return import_module, (_RAY,)


def _is_handed_over(module: str) -> bool:
    """Whether a module below `localray` is Ray's meanwhile, or nobody's."""
    if module.split(".")[0] in LOCAL_ONLY:
        return True
    try:
        return find_spec(f"{_RAY}.{module}") is not None
    except ModuleNotFoundError:
        return False  # Ray has not even the package that it would be in.


def _alias_what_is_loaded() -> None:
    """Have all modules of Ray's that there are known by our names too.

    Importing one by our name would otherwise put it into its package once more, in the place of a function of the same
    name that the package has put there since (`ray.util.placement_group`).
    """
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{_RAY}."):
            sys.modules.setdefault(_OWN + name.removeprefix(_RAY), module)


class _Alias(Loader):
    """Loads a module of Ray's under our name: what is put into `sys.modules` is that very module."""

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module; imported under its own name first."""
        module = import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It has run already. The import system has just told it that it is called otherwise; take that back."""
        module.__spec__ = self._spec


class _Finder(MetaPathFinder):
    """Answers for modules below `localray` that Ray has, with Ray's."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec that loads Ray's module, or None for what stays ours."""
        top, _, inner = fullname.partition(".")
        if top != _OWN or not inner or not _is_handed_over(inner):
            return None
        if inner.split(".")[0] in LOCAL_ONLY:
            raise LocalEngineNeeded(fullname)
        found = import_module(f"{_RAY}.{inner}")
        _alias_what_is_loaded()
        return spec_from_loader(fullname, _Alias(found.__name__), is_package=hasattr(found, "__path__"))


_finder = _Finder()
