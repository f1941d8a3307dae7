"""Detached actors that are kept in a state directory, in the simulation: what comes back when their session has ended,
or has died at any moment, and what does not."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

import localray
from localray import sim

KEPT = {"lifetime": "detached", "namespace": "ours", "max_restarts": -1, "max_task_retries": -1, "num_cpus": 0}


def class_of_keepers(ray: ModuleType, **options: Any) -> Any:
    """An actor that keeps numbers, and shows what it was made with."""

    @ray.remote(**(KEPT | options))
    class Keeper:
        def __init__(self, *made_with):
            self.made_with = made_with
            self.numbers = []

        def keep(self, number):
            self.numbers.append(number)
            return list(self.numbers)

        def keep_for_good(self, number):
            # Tried again after a death it goes on from the checkpoint, in which it has been half done.
            if number not in self.numbers:
                self.numbers.append(number)
            ray.checkpoint_now()
            return list(self.numbers)

        def read(self):
            return list(self.numbers)

        def made_of(self):
            return self.made_with

        def comes_back(self):
            return ray.get_runtime_context().was_current_actor_reconstructed

        def checkpoint(self):
            return self.numbers

        def restore(self, numbers):
            self.numbers = numbers

    return Keeper


def again(name: str) -> Any:
    return localray.get_actor(name, namespace="ours")


def test_they_come_back_with_class_arguments_and_state() -> None:
    state = sim.StateDirectory()
    with sim.Cluster(state=state):
        keeper_class = class_of_keepers(localray)
        big = localray.put(np.arange(50_000))
        one = keeper_class.options(name="one").remote(big, "small")
        two = keeper_class.options(name="two").remote(one, [localray.put("inside")])
        assert localray.get([one.keep.remote(number) for number in range(3)])[-1] == [0, 1, 2]
        assert localray.get(two.keep.remote(7)) == [7]
    with sim.Cluster(state=state):
        one, two = again("one"), again("two")
        assert localray.get(one.comes_back.remote())
        assert localray.get(one.read.remote()) == [0, 1, 2]
        array, text = localray.get(one.made_of.remote())
        assert text == "small"
        assert array.sum() == np.arange(50_000).sum()
        friend, (inside,) = localray.get(two.made_of.remote())
        assert localray.get(friend.keep.remote(3)) == [0, 1, 2, 3], "a handle that was kept is good"
        assert localray.get(inside) == "inside"
    with sim.Cluster(state=state):
        assert localray.get(again("one").read.remote()) == [0, 1, 2, 3]
        assert localray.get(again("two").read.remote()) == [7]


def test_an_actor_comes_back_as_it_was_made_before_its_first_checkpoint() -> None:
    state = sim.StateDirectory()
    with sim.Cluster(state=state):
        localray.get(class_of_keepers(localray).options(name="new").remote("x").__ray_ready__.remote())
        crashed = state.copy()
    for left in (state, crashed):
        with sim.Cluster(state=left):
            assert localray.get(again("new").made_of.remote()) == ("x",)


def test_only_named_detached_actors_that_checkpoint_themselves_are_kept() -> None:
    @localray.remote(max_restarts=-1)
    class Plain:
        def ready(self):
            return True

    state = sim.StateDirectory()
    with sim.Cluster(state=state):
        keepers = class_of_keepers(localray)
        mortal = keepers.options(name="mortal", lifetime=None).remote()
        never = keepers.options(name="never restarted", max_restarts=0, max_task_retries=0).remote()
        nameless = keepers.remote()
        plain = Plain.options(name="plain", lifetime="detached").remote()
        localray.get([actor.keep.remote(1) for actor in (mortal, never, nameless)])
        localray.get(plain.ready.remote())
    assert not state.files


def test_what_is_dead_stays_dead() -> None:
    state = sim.StateDirectory()
    with sim.Cluster(state=state):
        keepers = class_of_keepers(localray)
        for name in ("killed", "exits", "alive"):
            localray.get(keepers.options(name=name).remote().keep.remote(1))
        localray.kill(again("killed"))
        localray.get(again("alive").keep.remote(2))
        with pytest.raises(localray.exceptions.ActorDiedError):
            localray.get(again("exits").__ray_terminate__.remote())
    assert len({name.partition(".")[0] for name in state.files}) == 1
    with sim.Cluster(state=state):
        assert localray.get(again("alive").read.remote()) == [1, 2]
        with pytest.raises(ValueError, match="Failed to look up"):
            again("killed")


def test_one_that_cannot_come_back_is_not_forgotten() -> None:
    """Its `restore` raises in the second session: it is dead there, and its files stay for a third."""
    switch = sim.Shared(raises=False)

    class Keeper:
        def keep(self, number):
            self.number = number

        def read(self):
            return self.number

        def checkpoint(self):
            return self.number

        def restore(self, number):
            if switch.raises:
                raise RuntimeError("not today")
            self.number = number

    state = sim.StateDirectory()
    with sim.Cluster(state=state):
        localray.get(localray.remote(Keeper).options(name="k", **KEPT).remote().keep.remote(5))
    files, switch.raises = dict(state.files), True
    with sim.Cluster(state=state):
        with pytest.raises(localray.exceptions.ActorDiedError, match="not today"):
            localray.get(again("k").read.remote())
        with pytest.raises(ValueError, match="Failed to look up"):
            again("k")
    assert state.files == files
    switch.raises = False
    with sim.Cluster(state=state):
        assert localray.get(again("k").read.remote()) == 5


def damaged(state: sim.StateDirectory, which: int) -> sim.StateDirectory:
    """A copy in which the newest but so many checkpoints is cut off."""
    copy = state.copy()
    name = sorted((name for name in copy.files if not name.endswith("made")), key=lambda name: int(name.split(".")[1]))[
        -1 - which
    ]
    copy.files[name] = copy.files[name][:-1]
    return copy


def test_a_damaged_checkpoint_gives_way_to_the_one_before() -> None:
    state = sim.StateDirectory()
    with sim.Cluster(state=state):
        keeper = class_of_keepers(localray).options(name="k").remote()
        for number in range(3):
            localray.get(keeper.keep_for_good.remote(number))
        keeper = None
        state = state.copy()
    for which, expected in ((0, [0, 1]), (1, [0, 1, 2])):
        hurt = damaged(state, which)
        with sim.Cluster(state=hurt):
            assert len(hurt.complaints) == 1
            assert "is cut off or damaged" in hurt.complaints[0]
            assert localray.get(again("k").keep_for_good.remote(9)) == [*expected, 9]
        with sim.Cluster(state=hurt):
            assert localray.get(again("k").read.remote()) == [*expected, 9]
    both = damaged(damaged(state, 0), 1)
    with sim.Cluster(state=both):
        assert "none of its checkpoints is whole" in both.complaints[0]
        with pytest.raises(ValueError, match="Failed to look up"):
            again("k")


def test_a_younger_actor_of_the_same_name_comes_back() -> None:
    state = sim.StateDirectory()
    with sim.Cluster(state=state):
        localray.get(class_of_keepers(localray).options(name="k").remote("older").keep.remote(1))
    # The second session is started without the directory's older actor being whole, and is given another of its name.
    made = next(name for name in state.files if name.endswith("made"))
    whole, state.files[made] = state.files[made], b""
    with sim.Cluster(state=state):
        localray.get(localray.remote(lambda: None).remote())
        localray.get(class_of_keepers(localray).options(name="k").remote("younger").keep.remote(2))
    state.files.setdefault(made, whole)
    with sim.Cluster(state=state):
        assert localray.get(again("k").made_of.remote()) == ("younger",)


def test_a_disk_that_takes_nothing_is_told_of_once_and_checkpoint_now_says_so() -> None:
    state = sim.StateDirectory()
    with sim.Cluster(state=state):
        keeper = class_of_keepers(localray, checkpoint_interval=0).options(name="k").remote()
        assert localray.get(keeper.keep_for_good.remote(1)) == [1]
        before = dict(state.files)
        state.failure = "No space left on device"
        with pytest.raises(localray.exceptions.RayTaskError, match="No space left on device"):
            localray.get(keeper.keep_for_good.remote(2))
        assert state.files == before
        state.failure = ""
        assert localray.get(keeper.keep_for_good.remote(3)) == [1, 2, 3]
        crashed = state.copy()
    with sim.Cluster(state=crashed):
        assert localray.get(again("k").read.remote()) == [1, 2, 3]


@pytest.mark.parametrize("seed", range(12))
def test_a_session_that_dies_at_any_moment(seed: int) -> None:
    """Whenever it dies, what comes back is what one of its checkpoints had, and never older than what `checkpoint_now`
    had returned for."""
    state = sim.StateDirectory()
    moments: list[tuple[int, int, sim.StateDirectory]] = []
    faults = "kill_worker:probability=0.1,times=0;crash_node:probability=0.005,times=2,returns_s=0.5"
    with sim.Cluster(2, seed=seed, faults=faults, state=state):
        keeper = class_of_keepers(localray, checkpoint_interval=2).options(name="k").remote()
        safe = 0
        for number in range(10):
            method = keeper.keep_for_good if number % 4 == seed % 4 else keeper.keep
            answer = localray.get(method.remote(number))
            assert answer == list(range(number + 1))
            safe = number + 1 if number % 4 == seed % 4 else safe
            moments.append((safe, number + 1, state.copy()))
            localray.get(localray.remote(lambda: None).options(max_retries=-1).remote())
            moments.append((safe, number + 1, state.copy()))
        moments.append((safe, 10, state))
    for least, most, left in moments[seed % 3 :: 3] + moments[-1:]:
        if not left.files:
            assert least == 0
            continue
        with sim.Cluster(seed=seed + 100, state=left):
            numbers = localray.get(again("k").read.remote())
            assert numbers == list(range(len(numbers)))
            assert least <= len(numbers) <= most
