"""The table of conformance programs and the decorator that fills it.

What lives here: the description of a program (name, topic, init options, engines) and nothing that runs one. What must
not: pytest, `ray` or `localray` imports, and any expectation about behaviour - those are in `programs/`.
"""

from __future__ import annotations

import enum
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .clusters import NodeArguments

ProgramFunction = Callable[..., None]
"""Takes the module, and the cluster if it asks for one."""


class Engine(enum.Enum):
    """Where a program can run; the values are what `--backend` takes."""

    PROCESSES = "processes"
    SIMULATION = "sim"
    RAY = "ray"
    HANDED_OVER = "engine-ray"
    """localray with ``LOCALRAY_ENGINE=ray``: whatever runs on real Ray runs there too."""


ALL_ENGINES = frozenset(Engine)
SLOW = "slow"
NOT_SIMULATED = frozenset({Engine.PROCESSES, Engine.RAY, Engine.HANDED_OVER})
# Only for what real Ray promises and then crashes on: without the judge an expectation is an opinion.
NOT_JUDGED = frozenset({Engine.PROCESSES, Engine.SIMULATION})


@dataclass(frozen=True, slots=True)
class InitOptions:
    """What `ray.init` is given; hashable, so that equal options can share one real Ray session."""

    num_cpus: int
    num_gpus: int | None
    resources: tuple[tuple[str, float], ...]
    object_store_bytes: int | None = None
    spilling: bool = True
    dashboard: bool = False

    def as_keywords(self) -> dict[str, object]:
        """Returns the keyword arguments for `ray.init`, without the ones that were not asked for."""
        keywords: dict[str, object] = {"num_cpus": self.num_cpus}
        if self.num_gpus is not None:
            keywords["num_gpus"] = self.num_gpus
        if self.resources:
            keywords["resources"] = dict(self.resources)
        if self.object_store_bytes is not None:
            keywords["object_store_memory"] = self.object_store_bytes
        if self.dashboard:
            keywords["include_dashboard"] = True
        if not self.spilling:
            keywords["_system_config"] = {"automatic_object_spilling_enabled": False}
        return keywords


@dataclass(frozen=True, slots=True)
class Program:
    """One registered program. `reason` says why an engine is left out; `starts_session` is False when the program
    calls `ray.init` itself and must therefore be handed an uninitialised module; ``nodes`` are those of the cluster
    that the program gets as its second argument, the head first, and of which this process is a driver."""

    name: str
    topic: str
    function: ProgramFunction
    options: InitOptions
    engines: frozenset[Engine]
    reason: str | None
    starts_session: bool
    tags: frozenset[str]
    nodes: tuple[NodeArguments, ...] = ()


class RegistrationError(Exception):
    """A program was declared wrongly; says which one and what to change."""


_programs: dict[str, Program] = {}


def program(
    num_cpus: int = 2,
    resources: Mapping[str, float] | None = None,
    num_gpus: int | None = None,
    tags: Iterable[str] = (),
    engines: Iterable[Engine] = ALL_ENGINES,
    reason: str | None = None,
    starts_session: bool = True,
    object_store_bytes: int | None = None,
    spilling: bool = True,
    nodes: Sequence[Mapping[str, object]] = (),
    dashboard: bool = False,
) -> Callable[[ProgramFunction], ProgramFunction]:
    """Registers a conformance program.

    Args:
        num_cpus, resources, num_gpus: what the session is initialised with.
        tags: free words for selecting programs; of `SLOW` ones CI runs none.
        engines: where the program can run; the default is everywhere.
        reason: why an engine is left out; required exactly when one is.
        starts_session: False for programs that call `ray.init` themselves.
        object_store_bytes: size of the object store; the default is the backend's own.
        spilling: False turns automatic spilling off.
        nodes: start a cluster of these, the head first; the session's own options then mean nothing.
        dashboard: real Ray is to be started with its dashboard, which answers for the state of a session.

    Raises:
        RegistrationError: duplicate name, missing docstring, or engines left out without a reason.

    Example:
        >>> @program(num_cpus=1)
        ... def get_of_an_empty_list(ray):
        ...     '''G1: get([]) is [].'''
        ...     assert ray.get([]) == []
    """
    custom = tuple(sorted((resources or {}).items()))
    options = InitOptions(num_cpus, num_gpus, custom, object_store_bytes, spilling, dashboard)
    allowed = frozenset(engines)

    def register(function: ProgramFunction) -> ProgramFunction:
        name = function.__name__
        if name in _programs:
            raise RegistrationError(f"two conformance programs are called {name!r}; rename one")
        if not function.__doc__:
            raise RegistrationError(f"{name}: the docstring must name the promise it tests")
        if (allowed != ALL_ENGINES) != (reason is not None):
            raise RegistrationError(f"{name}: give `reason` exactly when an engine is left out")
        topic = function.__module__.rpartition(".")[2]
        _programs[name] = Program(
            name,
            topic,
            function,
            options,
            allowed,
            reason,
            starts_session and not nodes,
            frozenset(tags),
            tuple(_frozen(node) for node in nodes),
        )
        return function

    return register


def _frozen(arguments: Mapping[str, object]) -> NodeArguments:
    return tuple(
        (name, tuple(sorted(value.items())) if isinstance(value, Mapping) else value)
        for name, value in arguments.items()
    )


def load_programs() -> tuple[Program, ...]:
    """Imports every topic module and returns all programs, in order of topic and definition."""
    package = importlib.import_module(f"{__package__}.programs")
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda found: found.name):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return tuple(_programs.values())
