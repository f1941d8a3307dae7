"""Which message that has not left may still be taken back. Pure: the channels that have an outbox ask here.

Must not live here: when messages leave (the channels), what becomes of an object that never was (`references`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from localray.protocol import (
    AbandonBuffer,
    AnswerByLane,
    CallByLane,
    ClientMessage,
    DropReferences,
    Message,
    PutObject,
    SubmitCall,
    UnpinObjects,
)

_SPEAK_OF_NOTHING = frozenset((DropReferences, UnpinObjects, AbandonBuffer, CallByLane, AnswerByLane))
"""Messages that name no object that was put just before and is alive in this process only."""
_OF_THE_PAST = frozenset((DropReferences, UnpinObjects, AbandonBuffer, AnswerByLane))
"""Messages after which nothing happens anywhere that a program could miss if a call overtook them."""
_MAY_BE_OVERTAKEN = _OF_THE_PAST | {CallByLane}


def take_back(outbox: list[Message], message: PutObject) -> bool:
    """Remove a message that makes an object, if it is still here and nothing behind it may speak of that object.

    Returns:
        Whether it was removed; if not, the outbox is as it was.
    """
    for position in range(len(outbox) - 1, -1, -1):
        other = outbox[position]
        if other is message:
            del outbox[position]
            return True
        if type(other) not in _SPEAK_OF_NOTHING and not (type(other) is PutObject and not other.contained):
            return False
    return False


def may_be_missed(messages: Iterable[Message]) -> bool:
    """Whether any of these says something that a call must not overtake."""
    return any(type(message) not in _MAY_BE_OVERTAKEN for message in messages)


def place_to_divert(outbox: Sequence[Message], call: SubmitCall) -> int | None:
    """Where a call stands that may go by another way: it has not left, and nothing before it would be overtaken."""
    for position, other in enumerate(outbox):
        if other is call:
            return position
        if type(other) not in _OF_THE_PAST:
            return None
    return None


def put_instead(outbox: list[Message], message: ClientMessage, instead: ClientMessage) -> bool:
    """Put a message in the place of another that has not left; returns whether that was so."""
    for position in range(len(outbox) - 1, -1, -1):
        if outbox[position] is message:
            outbox[position] = instead
            return True
    return False


def may_be_kept_back(outbox: list[Message]) -> bool:
    """Whether all that waits to leave are objects that nobody else has heard of: they may be dropped before they are
    told."""
    return bool(outbox) and all(type(message) is PutObject for message in outbox)
