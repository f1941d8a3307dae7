"""`ray.util.actor_group`: actors of one class that are called together. Deprecated in Ray: keep a list of handles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from localray.actor import ActorHandle, kill
from localray.api import get, remote, wait
from localray.object_ref import ObjectRef
from localray.util.annotations import Deprecated


@dataclass
class ActorWrapper:
    """One actor of a group, and what its ``get_actor_metadata`` has returned; None if it has no such method."""

    actor: ActorHandle[Any]
    metadata: Any


@dataclass
class ActorConfig:
    """What each actor of a group is made with."""

    num_cpus: float
    num_gpus: float
    resources: Mapping[str, float] | None
    init_args: Sequence[Any]
    init_kwargs: Mapping[str, Any]


class ActorGroupMethod:
    """A method of all actors of a group."""

    def __init__(self, actors: Sequence[ActorWrapper], method_name: str) -> None:
        self._actors = actors
        self._method_name = method_name

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError(
            "ActorGroup methods cannot be called directly. Instead of running "
            f"'object.{self._method_name}()', try 'object.{self._method_name}.remote()'."
        )

    def remote(self, *args: Any, **kwargs: Any) -> list[ObjectRef[Any]]:
        """Call it on each actor; returns their references, in the actors' order."""
        return [getattr(each.actor, self._method_name).remote(*args, **kwargs) for each in self._actors]


@Deprecated(
    message="Keep a list of actor handles, or use ray.util.ActorPool; for tasks without a state use "
    "ray.util.multiprocessing.",
    warning=True,
)
class ActorGroup:
    """Actors of one class. Each method of the class is one of the group: ``group.method.remote()`` calls all.

    Args:
        actor_cls: the plain class.
        num_actors: how many.
        num_cpus_per_actor, num_gpus_per_actor, resources_per_actor: what each takes.
        init_args, init_kwargs: for the constructor of each.

    Raises:
        ValueError: there are to be no actors, or they are to take less than nothing.
    """

    def __init__(
        self,
        actor_cls: type,
        num_actors: int = 1,
        num_cpus_per_actor: float = 1,
        num_gpus_per_actor: float = 0,
        resources_per_actor: Mapping[str, float] | None = None,
        init_args: Sequence[Any] | None = None,
        init_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        if num_actors <= 0:
            raise ValueError(
                f"The provided `num_actors` must be greater than 0. Received num_actors={num_actors} instead."
            )
        if num_cpus_per_actor < 0 or num_gpus_per_actor < 0:
            raise ValueError(
                "The number of CPUs and GPUs per actor must not be negative. Received "
                f"num_cpus_per_actor={num_cpus_per_actor} and num_gpus_per_actor={num_gpus_per_actor}."
            )
        self.actors: list[ActorWrapper] = []
        self.num_actors = num_actors
        self.actor_config = ActorConfig(
            num_cpus_per_actor, num_gpus_per_actor, resources_per_actor, init_args or (), init_kwargs or {}
        )
        decorate: Callable[[type], Any] = remote(
            num_cpus=num_cpus_per_actor, num_gpus=num_gpus_per_actor, resources=resources_per_actor
        )
        self._remote_cls = decorate(actor_cls)
        self.start()

    def __getattr__(self, item: str) -> ActorGroupMethod:
        if item.startswith("__"):
            raise AttributeError(item)
        if not self.actors:
            raise RuntimeError("This ActorGroup has been shutdown. Please start it again.")
        return ActorGroupMethod(self.actors, item)

    def __len__(self) -> int:
        return len(self.actors)

    def __getitem__(self, item: int) -> ActorWrapper:
        return self.actors[item]

    @property
    def actor_metadata(self) -> list[Any]:
        """The actors' metadata, in their order."""
        return [each.metadata for each in self.actors]

    def start(self) -> None:
        """Make the actors.

        Raises:
            RuntimeError: they are there.
        """
        if self.actors:
            raise RuntimeError(
                "The actors have already been started. Please call `shutdown` first if you want to restart them."
            )
        self.add_actors(self.num_actors)

    def shutdown(self, patience_s: float = 5) -> None:
        """End all actors.

        Args:
            patience_s: seconds that they may take to end by themselves, after what they have been called for; then, or
                at once if there are none, they are killed.
        """
        ended: list[ActorWrapper] = []
        if patience_s > 0:
            answers = [each.actor.__ray_terminate__.remote() for each in self.actors]
            done, _ = wait(answers, num_returns=len(answers), timeout=patience_s)
            ended = [each for each, answer in zip(self.actors, answers, strict=True) if answer in done]
        for each in self.actors:
            if each not in ended:
                kill(each.actor)
        self.actors = []

    def remove_actors(self, actor_indexes: Sequence[int]) -> None:
        """Let these actors go."""
        self.actors = [each for index, each in enumerate(self.actors) if index not in actor_indexes]

    def add_actors(self, num_actors: int) -> None:
        """Make so many more."""
        config = self.actor_config
        added = [self._remote_cls.remote(*config.init_args, **config.init_kwargs) for _ in range(num_actors)]
        told = [actor.get_actor_metadata.remote() if hasattr(actor, "get_actor_metadata") else None for actor in added]
        self.actors += [
            ActorWrapper(actor, None if metadata is None else get(metadata))
            for actor, metadata in zip(added, told, strict=True)
        ]
