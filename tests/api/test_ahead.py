"""What is asked for ahead: the next of a row, the more of them the more came with the last, and nothing out of a row."""

from __future__ import annotations

import pytest

from localray.client.ahead import FIRST_AHEAD, MOST_AHEAD, AskAhead
from localray.client.references import Entry
from localray.ids import nil_actor_id, object_id_bytes, task_id_bytes

PLAIN = nil_actor_id(1)
MOST = 500


def returned(number: int, actor_id: bytes = PLAIN, index: int = 1) -> bytes:
    return object_id_bytes(task_id_bytes(3, number, actor_id), index)


def numbers(asked: tuple[bytes, ...]) -> list[int]:
    return [int.from_bytes(object_id[4:8], "little") for object_id in asked]


@pytest.fixture
def entries() -> dict[bytes, Entry]:
    return {returned(number): Entry(1) for number in range(1, MOST)}


def test_the_first_asks_for_nothing_else_and_the_second_for_few(entries: dict[bytes, Entry]) -> None:
    ahead = AskAhead(entries)
    assert ahead.after(returned(7)) == ()
    assert numbers(ahead.after(returned(8))) == [9, 10]


def test_where_all_come_more_and_more_are_asked_for(entries: dict[bytes, Entry]) -> None:
    ahead = AskAhead(entries)
    number, widths = 1, []
    while number < MOST - MOST_AHEAD:
        asked = ahead.after(returned(number))
        widths.append(len(asked))
        number += 1 + len(asked)
    assert widths[:4] == [0, 2, 6, 14]
    assert max(widths) == MOST_AHEAD


def test_where_none_comes_few_are_asked_for(entries: dict[bytes, Entry]) -> None:
    ahead = AskAhead(entries)
    assert [len(ahead.after(returned(number))) for number in range(1, 20)] == [0] + [FIRST_AHEAD] * 18


@pytest.mark.parametrize("other", [returned(3), returned(40), returned(6, b"\1" * 16), returned(6, index=2)])
def test_out_of_a_row_nothing_is(entries: dict[bytes, Entry], other: bytes) -> None:
    ahead = AskAhead(entries)
    ahead.after(returned(4))
    ahead.after(returned(5))
    assert ahead.after(other) == ()


def test_what_is_known_or_gone_is_left_out(entries: dict[bytes, Entry]) -> None:
    ahead = AskAhead(entries)
    ahead.after(returned(1))
    entries[returned(3)].value = (0, b"value", -1, 5)
    assert numbers(ahead.after(returned(2))) == [4]
    del entries[returned(7)]
    assert numbers(ahead.after(returned(5))) == [6, 8, 9, 10, 11]
