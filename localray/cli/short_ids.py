"""Ids as short as they can be told apart, and what is meant by one that was typed so.

An id is mostly zeros and ones that it shares with others. Of most, the first digits are enough; what begins like all
creation tasks do is told apart by what comes after that, and objects of one task by their last digits:

    030000000500              the only one that begins so
    f..030000000100           begins with sixteen f, then these
    030000000500..02000000    begins and ends so

Pure. Must not live here: which ids there are (`localray.cli.named`), tables.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

_FEWEST_DIGITS = 12
_STEP = 4
_TAIL = 8
_LEAD = "f" * 16
_SHORT_LEAD = "f.."
_TYPED = re.compile(r"(?P<lead>f\.\.)?(?P<head>[0-9a-f]+)(?:\.\.(?P<tail>[0-9a-f]+))?")


def shortened(identities: Iterable[str]) -> dict[str, str]:
    """For each of these ids the shortest form that none of the others has.

    Example:
        >>> list(shortened(["ab" * 14, "cd" * 14]).values())
        ['abababababab', 'cdcdcdcdcdcd']
        >>> list(shortened(["f" * 16 + "01" * 8, "f" * 16 + "02" * 8]).values())
        ['f..010101010101', 'f..020202020202']
        >>> list(shortened(["ab" * 24 + "01000000", "ab" * 24 + "02000000"]).values())
        ['abababababab..01000000', 'abababababab..02000000']
    """
    whole = tuple(dict.fromkeys(identities))
    for digits in range(_FEWEST_DIGITS, max(map(len, whole), default=0) - _TAIL, _STEP):
        heads = Counter(_head(identity, digits) for identity in whole)
        short = [
            head if heads[head] == 1 else f"{head}..{identity[-_TAIL:]}"
            for identity, head in ((identity, _head(identity, digits)) for identity in whole)
        ]
        if len(set(short)) == len(short):
            return dict(zip(whole, short, strict=True))
    return {identity: identity for identity in whole}


def fitting(text: str, identities: Sequence[str]) -> list[str]:
    """Those of the ids, each once, that are meant by what was typed: a whole id, one's beginning, or a shortened one.

    Example:
        >>> fitting("f..0102", ["f" * 16 + "01020304", "0102" * 6]), fitting("0102...", ["0102" * 6])
        (['ffffffffffffffff01020304'], ['010201020102010201020102'])
    """
    typed = _TYPED.fullmatch(text.lower().replace("…", "..").rstrip("."))
    if typed is None:
        return []
    head = (_LEAD if typed["lead"] else "") + typed["head"]
    known = dict.fromkeys(identities)
    if head in known:
        return [head]
    return [identity for identity in known if identity.startswith(head) and identity.endswith(typed["tail"] or "")]


def _head(identity: str, digits: int) -> str:
    if identity.startswith(_LEAD):
        return _SHORT_LEAD + identity[len(_LEAD) :][:digits]
    return identity[:digits]
