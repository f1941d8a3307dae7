"""Which message that has not left may still be taken back. Pure: the channels that have an outbox ask here.

Must not live here: when messages leave (the channels), what becomes of an object that never was (`references`).
"""

from __future__ import annotations

from localray.protocol import AbandonBuffer, DropReferences, Message, PutObject, UnpinObjects

_SPEAK_OF_NOTHING = frozenset((DropReferences, UnpinObjects, AbandonBuffer))
"""Messages that name no object that was put just before and is alive in this process only."""


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


def may_be_kept_back(outbox: list[Message]) -> bool:
    """Whether all that waits to leave are objects that nobody else has heard of: they may be dropped before they are
    told."""
    return bool(outbox) and all(type(message) is PutObject for message in outbox)
