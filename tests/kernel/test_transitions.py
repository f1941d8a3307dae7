"""The one transition table: it covers every state, and what it does not allow changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from localray.exceptions import InternalError
from localray.kernel.records import ActorState, GroupState, ObjectState, State, TaskState, WorkerState
from localray.kernel.story import TransitionLog
from localray.kernel.transitions import TABLE, move

KINDS = (TaskState, ObjectState, WorkerState, ActorState, GroupState)
PAIRS = [(old, new) for kind in KINDS for old in kind for new in kind]
LEGAL = [pair for pair in PAIRS if pair[1] in TABLE[pair[0]]]
ILLEGAL = [pair for pair in PAIRS if pair[1] not in TABLE[pair[0]]]
ENDS = {
    TaskState.FINISHED,
    TaskState.FAILED,
    ObjectState.GONE,
    WorkerState.DEAD,
    ActorState.DEAD,
    GroupState.REMOVED,
}


@dataclass
class Thing:
    """A record like any other."""

    state: State


def name_of(pair: tuple[State, State]) -> str:
    return f"{type(pair[0]).__name__}-{pair[0].name}-{pair[1].name}"


@pytest.mark.parametrize("pair", ILLEGAL, ids=name_of)
def test_an_illegal_transition_raises_and_changes_nothing(pair: tuple[State, State]) -> None:
    log = TransitionLog()
    thing = Thing(pair[0])
    log.note(7, pair[0], "how it came there")
    before = log.lines()
    with pytest.raises(InternalError, match=f"from {pair[0].name} to {pair[1].name}") as caught:
        move(log, 7, thing, pair[1], "a mistake")
    assert thing.state is pair[0]
    assert log.lines() == before
    assert caught.value.story == tuple(before)


@pytest.mark.parametrize("pair", LEGAL, ids=name_of)
def test_a_legal_transition_is_noted(pair: tuple[State, State]) -> None:
    log = TransitionLog()
    log.now_s = 1.5
    thing = Thing(pair[0])
    move(log, 7, thing, pair[1], "because")
    assert thing.state is pair[1]
    kind = type(pair[1]).__name__.removesuffix("State").lower()
    assert log.story(7) == (f"1.500000 {kind} 7 {pair[1].name}: because",)


def test_the_table_knows_every_state_and_stays_within_a_kind() -> None:
    assert set(TABLE) == {state for kind in KINDS for state in kind}
    assert all(type(new) is type(old) for old, news in TABLE.items() for new in news)


def test_only_ends_are_ends() -> None:
    assert {state for state, news in TABLE.items() if not news} == ENDS


def test_every_state_but_the_first_can_be_reached() -> None:
    first = {next(iter(kind)) for kind in KINDS}
    assert {new for news in TABLE.values() for new in news} | first == set(TABLE)
