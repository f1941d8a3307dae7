"""Noticing what costs programs most of their speed, and that Ray's documentation calls anti-patterns: the user is told
once, with what to do instead.

Looked at only where something waits, is defined, or travels with references in it anyway, at every thousandth small
`put`, and at the first calls of a function that reads variables: never at each task that is submitted, or each answer
that arrives. Pure but for its counters and the clock. Must not live here: printing; large arguments
(`large_arguments`), large definitions (`definitions`), tasks that are too short (`localray.kernel.news`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from localray import ids
from localray.client.ahead import AskAhead
from localray.client.captured import Captured, functions_of

VARIABLE = "LOCALRAY_HINTS"
_LOOK_EVERY = 50
"""Waits, of which one is looked at: the others cost next to nothing."""
_LOOKS_IN_A_ROW = 4
WAITS_IN_A_ROW = _LOOK_EVERY * _LOOKS_IN_A_ROW
DEFINITIONS = 100
"""As many as Ray allowed before it warned; 2.60 does not any more."""
RETURNED_PUTS = 10
SMALL_PUTS = 1000
"""After so many `put`s of small values their pace is looked at."""
SPANS_OF_SMALL_PUTS = 5
LOST_S = 1.0
"""So long a program has waited for results in the order of submission, and dealt with them for as long."""
_SPAN_S = 1.0
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
        running: the task that runs here, empty on a driver: what each of many tasks does once is no loop.
        tell: shows a text to the user.
    """

    def __init__(
        self,
        client_number: int,
        latest: Callable[[], int],
        running: Callable[[], bytes],
        tell: Callable[[str], None],
    ) -> None:
        self._own = client_number.to_bytes(4, "little")
        self._latest = latest
        self._running = running
        self._tell = tell
        self._told: set[str] = set()
        self._waits = 0
        self._last = 0
        self._last_in = b""
        self._in_a_row = 0
        self._definitions: dict[tuple[str, str, int], int] = {}
        self._returned: dict[str, int] = {}
        self._begun_s = self._free_since_s = self._lost_s = self._worked_s = 0.0
        self._more_was_to_come = False
        self._put_at_s = float("-inf")
        self._spans_of_puts = 0
        self._actors: dict[bytes, tuple[str, Captured]] = {}

    def waits_for(self, object_id: bytes) -> None:
        """A `get` of one object has to wait.

        A loop of ``get(f.remote())`` waits for tasks in the order of their numbers, and for the latest each time; one
        over references to tasks submitted before does not wait for the latest until its end.
        """
        if self._actors:
            self._look_at_actor(object_id)
        self._begun_s = time.monotonic()
        self._waits += 1
        if self._waits % _LOOK_EVERY:
            return
        number = int.from_bytes(object_id[4:8], "little")
        is_own_task = object_id[:4] == self._own and not ids.is_of_actor(object_id)
        running = self._running()
        is_same_loop = number == self._last + _LOOK_EVERY and running == self._last_in
        follows = is_own_task and is_same_loop and number == self._latest()
        self._last, self._last_in = number, running
        self._in_a_row = self._in_a_row + 1 if follows else 0
        if self._in_a_row == _LOOKS_IN_A_ROW:
            self._once(
                "get in a loop",
                f"ray.get waited for each of {WAITS_IN_A_ROW} tasks in a row before the next was submitted: they ran "
                "one after the other, whatever CPUs there are. Submit first, refs = [f.remote(x) for x in items], then "
                "ray.get(refs); and pass a reference on to the next task instead of its value.",
            )

    def waited(self, object_id: bytes, ahead: AskAhead) -> None:
        """The wait of which `waits_for` was told is over. What is lost by taking results in the order of submission is
        the work on others that were there already."""
        now_s, begun_s = time.monotonic(), self._begun_s
        if not ahead.follows:
            self._lost_s = self._worked_s = 0.0
        elif self._more_was_to_come:
            self._worked_s += begun_s - self._free_since_s
        if ahead.overtaken:
            self._lost_s += now_s - begun_s
            if self._lost_s > LOST_S and self._worked_s > LOST_S:
                self._once(
                    "order",
                    f"ray.get waited {self._lost_s:.1f} s for results in the order in which their tasks were submitted "
                    "while those of later ones were there already. If the order does not matter, deal with each when "
                    "it is there: for value in ray.util.as_completed(refs), or ray.wait(refs).",
                )
        self._free_since_s = now_s
        self._more_was_to_come = int.from_bytes(object_id[4:8], "little") < self._latest()

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

    def captures(self, definition: object) -> Captured | None:
        """A function or class is made known: what to look at when it is called; None if it reads nothing plain."""
        return Captured(functions_of(definition)) or None

    def creates(self, actor_id: bytes, name: str, captured: Captured) -> None:
        """An actor is made of a class that reads variables: they are looked at where the program waits for its calls,
        of which there are many."""
        if captured.looks_left > 0:
            self._actors[actor_id] = (name, captured)

    def looks_on(self, name: str, captured: Captured) -> bool:
        """A function is called; returns whether to look again the next time."""
        captured.looks_left -= 1
        change = captured.changed()
        if change is not None:
            self._tell_of_change(name, change)
            captured.looks_left = 0
        return captured.looks_left > 0

    def _look_at_actor(self, object_id: bytes) -> None:
        """A result of an actor's call is waited for; only a call that was made after a change was seen misses it."""
        found = self._actors.get(object_id[8:24])
        if found is None or object_id[:4] != self._own:
            return
        name, captured = found
        captured.looks_left -= 1
        change = captured.changed()
        if change is not None and captured.changed_at is None:
            captured.changed_at = self._latest()
        elif change is not None and int.from_bytes(object_id[4:8], "little") > (captured.changed_at or 0):
            self._tell_of_change(name, change)
            captured.looks_left = 0
        if captured.looks_left <= 0:
            self._actors = {key: value for key, value in self._actors.items() if value[1] is not captured}

    def _tell_of_change(self, name: str, change: tuple[str, str, str]) -> None:
        variable, then, now = change
        if not then:
            self._once(
                f"captured {name}",
                f"{name} reads the variable {variable}, which did not exist when {name} was sent to the workers: there "
                f"it is not defined. Set it before {name} is called for the first time, or pass it as an argument; "
                "what is decorated again is sent anew.",
            )
            return
        self._once(
            f"captured {name}",
            f"{name} reads the variable {variable}, which was {then} when {name} was sent to the workers and is {now} "
            "here by now: there it stays what it was, and what they assign to it does not come back. Pass such values "
            "as arguments, or keep them in an actor.",
        )

    def puts_small(self) -> None:
        """`SMALL_PUTS` more small values were put. A program that does so now and then does no harm; one that does
        hardly anything else has a better way."""
        now_s = time.monotonic()
        took_s, self._put_at_s = now_s - self._put_at_s, now_s
        self._spans_of_puts = self._spans_of_puts + 1 if took_s < _SPAN_S else 0
        if self._spans_of_puts == SPANS_OF_SMALL_PUTS:
            self._once(
                "small puts",
                f"ray.put was called for {SMALL_PUTS * SPANS_OF_SMALL_PUTS} small values, without a pause: each has a "
                "message and a reference that is counted. Pass small values as arguments as they are, or put many "
                "together, as one list or array.",
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
