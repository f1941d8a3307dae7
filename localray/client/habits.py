"""Noticing what costs programs most of their speed, and that Ray's documentation calls anti-patterns: the user is told
once, with what to do instead.

Looked at only where something waits, is defined, or travels with references in it anyway: never where tasks are
submitted or answers arrive. Pure but for its counters. Must not live here: printing; large arguments
(`large_arguments`), large definitions (`definitions`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from localray import ids

VARIABLE = "LOCALRAY_HINTS"
_LOOK_EVERY = 50
"""Waits, of which one is looked at: the others cost next to nothing."""
_LOOKS_IN_A_ROW = 4
WAITS_IN_A_ROW = _LOOK_EVERY * _LOOKS_IN_A_ROW
DEFINITIONS = 100
"""As many as Ray allows before it warns."""
RETURNED_PUTS = 10
_PUT_INDEX = b"\0\0\0\x40"
_SILENCE = f" ({VARIABLE}=0 silences hints like this one.)"


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether users want to be told."""
    return environment.get(VARIABLE, "1") != "0"


class Habits:
    """What one process does again and again.

    Args:
        client_number: of the process's client: ids that it makes begin with it.
        latest: the number of the task that was submitted last.
        tell: shows a text to the user.
    """

    def __init__(self, client_number: int, latest: Callable[[], int], tell: Callable[[str], None]) -> None:
        self._own = client_number.to_bytes(4, "little")
        self._latest = latest
        self._tell = tell
        self._told: set[str] = set()
        self._waits = 0
        self._last = 0
        self._in_a_row = 0
        self._definitions: dict[tuple[str, str, int], int] = {}
        self._returned: dict[str, int] = {}

    def waits_for(self, object_id: bytes) -> None:
        """A `get` of one object has to wait.

        A loop of ``get(f.remote())`` waits for tasks in the order of their numbers, and for the latest each time; one
        over references to tasks submitted before does not wait for the latest until its end.
        """
        self._waits += 1
        if self._waits % _LOOK_EVERY:
            return
        number = int.from_bytes(object_id[4:8], "little")
        is_own_task = object_id[:4] == self._own and not ids.is_of_actor(object_id)
        follows = is_own_task and number == self._last + _LOOK_EVERY and number == self._latest()
        self._last = number
        self._in_a_row = self._in_a_row + 1 if follows else 0
        if self._in_a_row == _LOOKS_IN_A_ROW:
            self._once(
                "get in a loop",
                f"ray.get waited for each of {WAITS_IN_A_ROW} tasks in a row before the next was submitted: they ran "
                "one after the other, whatever CPUs there are. Submit first, refs = [f.remote(x) for x in items], then "
                "ray.get(refs); and pass a reference on to the next task instead of its value.",
            )

    def defines(self, name: str, file: str, line: int) -> None:
        """A remote function is made known; it is written in this line of this file."""
        place = (name, file, line)
        self._definitions[place] = self._definitions.get(place, 0) + 1
        if self._definitions[place] == DEFINITIONS:
            self._once(
                f"define {place}",
                f"The remote function {name} ({file}:{line}) has been defined {DEFINITIONS} times, and sent to the "
                "workers each time. Define it once, outside of the loop or function that does so, and pass what "
                "differs as an argument.",
            )

    def returns(self, name: str, contained: tuple[bytes, ...]) -> None:
        """A task returns a value with these references in it."""
        if not any(each[:4] == self._own and each[24:28] == _PUT_INDEX for each in contained):
            return
        self._returned[name] = self._returned.get(name, 0) + 1
        if self._returned[name] == RETURNED_PUTS:
            self._once(
                f"return {name}",
                f"{name} returns references that it has made with ray.put: such objects are not made again when they "
                "are lost, and cost their reader another round trip. Return the value itself; for several objects use "
                "num_returns.",
            )

    def _once(self, what: str, text: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._tell(text + _SILENCE)
