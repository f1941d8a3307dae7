"""Small arguments of calls in words, read off their pickles without running anything that a pickle could run.

Must not live here: pickling (`localray.client.serialization`), where the words are told (`localray.sim.search.story`).
"""

from __future__ import annotations

import io
import pickle
from reprlib import Repr

_MOST_BYTES = 2_000
_MOST_CHARACTERS = 60

_WORDS = Repr()
_WORDS.maxstring = _WORDS.maxother = 30
_WORDS.maxlist = _WORDS.maxtuple = _WORDS.maxdict = _WORDS.maxset = 4


class _OpaqueToo(type):
    """A class or function by itself is told like what is made of it."""

    def __repr__(cls) -> str:
        return "…"


class _Opaque(metaclass=_OpaqueToo):
    """Stands for everything that is no plain value: whatever a pickle wants to have done with it is not done."""

    def __new__(cls, *arguments: object, **keywords: object) -> _Opaque:
        return object.__new__(cls)

    def __init__(self, *arguments: object, **keywords: object) -> None:
        pass

    def __call__(self, *arguments: object, **keywords: object) -> _Opaque:
        return self

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, item: object) -> None:
        pass

    def extend(self, items: object) -> None:
        pass

    def __repr__(self) -> str:
        return "…"


class _PlainUnpickler(pickle.Unpickler):
    """Knows no class and no function: nothing is imported, and nothing called but our own."""

    def find_class(self, module_name: str, global_name: str, /) -> object:
        return _Opaque

    def persistent_load(self, pid: object, /) -> object:
        return _Opaque()


def arguments_in_words(payload: bytes) -> str:
    """The packed arguments of a call, if they are small; empty for none, and for those that cannot be told.

    Example:
        >>> arguments_in_words(pickle.dumps(((10, "a", None, print), {"by": 2.5}, (2,))))
        "(10, 'a', a reference, …, by=2.5)"
    """
    if not 2 <= len(payload) <= _MOST_BYTES:
        return ""
    try:
        args, keywords, places = _PlainUnpickler(io.BytesIO(payload)).load()
        words = [_WORDS.repr(value) for value in args]
        named = {name: _WORDS.repr(value) for name, value in keywords.items()}
        for place in places:
            if isinstance(place, int):
                words[place] = "a reference"
            else:
                named[place] = "a reference"
    except Exception:  # noqa: BLE001 - a pickle may be of anything, and one that needs more is not told
        return ""
    text = ", ".join([*words, *(f"{name}={value}" for name, value in named.items())])
    return f"({text})" if len(text) <= _MOST_CHARACTERS else f"({text[:_MOST_CHARACTERS]}…)"
