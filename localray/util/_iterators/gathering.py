"""Reading from the actors of a parallel iterator: round by round, as items come, or one shard after the order of its
items.

These are bases of local iterators, so they do nothing until the first item is fetched: only then are the actors told
what to do with their items. Must not live here: what an actor does when it is asked (`worker`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localray.actor import ActorHandle
from localray.api import get, wait
from localray.object_ref import ObjectRef
from localray.util._iterators.not_ready import _NextValueNotReady
from localray.util.iter_metrics import SharedMetrics

if TYPE_CHECKING:
    from localray.util._iterators.parallel import ParallelIterator

Actor = ActorHandle[Any]
Request = Callable[[Actor], "ObjectRef[list[Any]]"]
"""Asks an actor for its next items."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """One item of each shard at a time, as a list; shards that have ended are left out."""

    iterator: ParallelIterator[Any]

    def __call__(self, timeout_s: float | None) -> Iterator[Any]:
        actors = self.iterator.start_shards()
        while actors:
            answers = [actor.par_iter_next.remote() for actor in actors]
            while timeout_s is not None and not _all_ready(answers, timeout_s):
                yield _NextValueNotReady()
            going_on: list[Actor] = []
            items: list[Any] = []
            for actor, answer in zip(actors, answers, strict=True):
                try:
                    items.append(get(answer))
                except StopIteration:
                    continue  # This shard has ended: it is not asked again.
                going_on.append(actor)
            actors = going_on
            if items:
                yield items


@dataclass(frozen=True, slots=True)
class AsReady:
    """The items of all shards, those first that are ready first. Tells the metrics where each comes from."""

    iterator: ParallelIterator[Any]
    shared_metrics: SharedMetrics
    batch_ms: float
    depth: int
    """How many requests each actor has to answer at a time."""

    def __call__(self, timeout_s: float | None) -> Iterator[Any]:
        def request(actor: Actor) -> ObjectRef[list[Any]]:
            answer: ObjectRef[list[Any]] = actor.par_iter_next_batch.remote(self.batch_ms)
            return answer

        for actor, items in read_as_ready(self.iterator.start_shards(), request, self.depth, timeout_s):
            if actor is None:
                yield _NextValueNotReady()
            for item in items:
                self.shared_metrics.get().current_actor = actor
                yield item


@dataclass(frozen=True, slots=True)
class OneShard:
    """The items of one shard, in order."""

    iterator: ParallelIterator[Any]
    """Holds the actors that the shard's own actor may read from."""
    index: int
    batch_ms: float
    depth: int
    """How many requests the actor has to answer at a time."""

    def __call__(self, timeout_s: float | None) -> Iterator[Any]:
        actor = self.iterator.start_shard(self.index)
        answers = deque(actor.par_iter_next_batch.remote(self.batch_ms) for _ in range(self.depth))
        while answers:
            if timeout_s is not None and not _all_ready([answers[0]], timeout_s):
                yield _NextValueNotReady()
                continue
            try:
                items = get(answers.popleft())
            except StopIteration:
                continue  # So are the answers to the other requests.
            answers.append(actor.par_iter_next_batch.remote(self.batch_ms))
            yield from items


@dataclass(frozen=True, slots=True)
class Slice:
    """What one actor of a repartitioned iterator takes of the items of all actors before it: every so many-th. Called
    in that actor; the others have been told what to do with their items."""

    actors: tuple[Actor, ...]
    step: int
    start: int
    batch_ms: float

    def __call__(self) -> Iterator[Any]:
        def request(actor: Actor) -> ObjectRef[list[Any]]:
            answer: ObjectRef[list[Any]] = actor.par_iter_slice_batch.remote(self.step, self.start, self.batch_ms)
            return answer

        for _, items in read_as_ready(self.actors, request, depth=1, timeout_s=None):
            yield from items


def read_as_ready(
    actors: Sequence[Actor], request: Request, depth: int, timeout_s: float | None
) -> Iterator[tuple[Actor | None, list[Any]]]:
    """Items with the actors that they come from, as they are ready.

    Args:
        actors: whom to ask.
        request: how.
        depth: how many requests each has to answer at a time.
        timeout_s: after so many seconds without an answer there is None and no items; None to wait for ever.
    """
    answers: dict[ObjectRef[list[Any]], Actor] = {request(actor): actor for _ in range(depth) for actor in actors}
    while answers:
        ready, _ = wait(list(answers), num_returns=1, timeout=timeout_s)
        if not ready:
            yield None, []
            continue
        actor = answers.pop(ready[0])
        try:
            items = get(ready[0])
        except StopIteration:
            continue  # This shard has ended, and so are answered the other requests that it has. It gets no more.
        # At the end of the line, so that a fast actor does not keep the others from being heard.
        answers[request(actor)] = actor
        yield actor, items


def _all_ready(answers: Sequence[ObjectRef[Any]], timeout_s: float) -> bool:
    ready, _ = wait(list(answers), num_returns=len(answers), timeout=timeout_s)
    return len(ready) == len(answers)
