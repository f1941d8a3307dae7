"""Creating checkpointed actors on real Ray: what a decorated class with ``checkpoint`` and ``restore`` is there.

Must not live here: which classes and how often (`localray.checkpoint_rule`), the class that Ray is given
(`localray.on_ray.kept_class`).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, NoReturn

from localray.checkpoint_rule import INTERVAL, checkpoint_rule
from localray.on_ray.keeper import Keeper
from localray.on_ray.kept_class import kept_class
from localray.protocol import NOT_CHECKPOINTED

NAMESPACE = "localray-checkpoints"
_DETACHED = "of-detached-actors"


class CheckpointedClass:
    """Ray's actor class, but that actors with ``max_restarts`` keep their state.

    Args:
        cls: the user's class.
        options: as given to the decorator; with `checkpoint_interval`.
    """

    def __init__(self, cls: type, options: Mapping[str, object]) -> None:
        self._cls = cls
        self._options = dict(options)
        self._plain = _actor_class(cls, self._options)
        self._kept = _actor_class(kept_class(cls), self._options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") and not name.startswith("__ray"):
            raise AttributeError(name)
        return getattr(self._plain, name)

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        self._plain(*args, **kwargs)
        raise TypeError("Actors cannot be instantiated directly.")

    def __mro_entries__(self, bases: tuple[object, ...]) -> NoReturn:
        import ray

        raise ray.actor.ActorClassInheritanceException(
            f"Decorate a subclass of the plain class '{self._cls.__name__}', not of the actor class."
        )

    def options(self, **options: object) -> Creation:
        """The same with other options."""
        return Creation(self, options)

    def remote(self, *args: object, **kwargs: object) -> Any:
        """Create an actor; returns Ray's handle."""
        return self.options().remote(*args, **kwargs)

    def bind(self, *args: object, **kwargs: object) -> Any:
        """A node of a graph of Ray's."""
        return self.options().bind(*args, **kwargs)

    def _remote(self, args: Any = (), kwargs: Any = None, **options: object) -> Any:
        return self.options(**options).remote(*(args or ()), **(kwargs or {}))


class Creation:
    """An actor class with options.

    Args:
        actor_class: of which actors will be.
        options: beside those of the class.
    """

    def __init__(self, actor_class: CheckpointedClass, options: Mapping[str, object]) -> None:
        self._class = actor_class
        self._own = {name: value for name, value in options.items() if name != INTERVAL}
        self._options = {**actor_class._options, **options}

    def remote(self, *args: object, **kwargs: object) -> Any:
        """Create an actor; returns Ray's handle."""
        actor_class, given = self._chosen(args, kwargs)
        return actor_class.remote(*given, *args, **kwargs)

    def bind(self, *args: object, **kwargs: object) -> Any:
        """A node of a graph of Ray's."""
        actor_class, given = self._chosen(args, kwargs)
        return actor_class.bind(*given, *args, **kwargs)

    def _chosen(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> tuple[Any, tuple[object, ...]]:
        """Ray's actor class, and what its constructor is given before the arguments, which are checked as by Ray.

        Raises:
            ValueError: an interval for an actor that is not to be restarted.
            TypeError: the arguments are not the constructor's.
        """
        rule = checkpoint_rule(self._class._cls, self._options)
        if rule[0] == NOT_CHECKPOINTED:
            return self._class._plain.options(**self._own), ()
        constructor = inspect.getattr_static(self._class._cls, "__init__")
        if constructor is object.__init__:
            inspect.Signature().bind(*args, **kwargs)
        else:
            inspect.signature(constructor).bind(None, *args, **kwargs)
        name = start_keeper(is_detached=self._options.get("lifetime") == "detached")
        return self._class._kept.options(**self._own), (((name, NAMESPACE), *rule),)


def _actor_class(cls: type, options: Mapping[str, object]) -> Any:
    import ray

    given = {name: value for name, value in options.items() if name != INTERVAL}
    return ray.remote(**given)(cls) if given else ray.remote(cls)


def start_keeper(*, is_detached: bool) -> str:
    """The name of the keeper of actors that this process creates, or of the one of all detached actors; it is there."""
    import ray

    name = _DETACHED if is_detached else f"of-{ray.get_runtime_context().get_worker_id()}"
    options = {"name": name, "namespace": NAMESPACE, "get_if_exists": True, "num_cpus": 0}
    if is_detached:
        options["lifetime"] = "detached"
    handle = ray.remote(Keeper).options(**options).remote()
    if not is_detached:
        handle.hold.remote(handle)
    return name


def checkpoint_now() -> None:
    """Take a checkpoint of the running actor, in the middle of the calling method; see `localray.checkpoint_now`.

    Raises:
        RuntimeError: called outside of an actor that checkpoints itself, or while other calls of it run.
    """
    import ray

    now = getattr(ray, "checkpoint_now", None)
    if now is None:
        raise RuntimeError(
            "checkpoint_now() works in the methods of an actor that checkpoints itself: its class defines "
            "checkpoint(self) and restore(self, state), and its max_restarts is not 0."
        )
    now()
