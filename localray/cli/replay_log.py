"""What `localray sim replay` does with a log of a session's events (`localray.kernel_log`): steps a kernel through it
and shows what was asked for.

Must not live here: replaying runs of the simulation (`localray.cli.sim`).
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from localray.cli.parsing import at_least_one
from localray.cli.why import object_of
from localray.exceptions import InternalError
from localray.kernel import Kernel, pending
from localray.kernel.effects import NodeDied, WorkerDied
from localray.kernel_log import format as log_format
from localray.kernel_log import state
from localray.kernel_log.player import DiffersError, Player, Step
from localray.sim.trace import lines_of

_LONGEST_WORKER_NUMBER = 6
"""More digits than that are an id."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what can be asked of a log."""
    asked = parser.add_argument_group("for the log of a session's events that LOCALRAY_KERNEL_LOG has written")
    asked.add_argument("--until", type=at_least_one, metavar="STEP", help="stop after so many events (default: all)")
    asked.add_argument("--steps", action="store_true", help="show each event, and what the kernel answered")
    asked.add_argument("--story", metavar="ID", help="what happened to a task, actor, object, or worker number")
    asked.add_argument("--why", metavar="ID", help="why this task, actor or object is not there yet")
    asked.add_argument("--state", action="store_true", help="show all that the kernel knows, where the replay stops")


def is_log(path: Path) -> bool:
    """Whether the file is a log, and not a run of the simulation."""
    with path.open("rb") as file:
        return log_format.is_log(file)


def replay(options: argparse.Namespace) -> int:
    """Step through the log; returns 1 when the kernel breaks, or decides otherwise than it did.

    Raises:
        UnreadableLogError: it cannot be replayed here.
        ValueError: something asked for is no id.
    """
    player = Player(options.file)
    summary = _Summary()
    failure = ""
    try:
        for step in player.steps():
            summary.add(step)
            if options.steps:
                print("\n".join(f"{step.number:6} {line}" for line in _lines(step)))
            if step.number == options.until:
                break
    except DiffersError as error:
        failure = str(error)
    except InternalError as error:
        failure = f"The kernel breaks at step {summary.count + 1}, as it did then: {error}"
    print("\n".join(summary.lines()))
    kernel = player.kernel
    sections: tuple[tuple[str | bool, Callable[[], str]], ...] = (
        (options.state, lambda: "\n".join(state.lines(kernel))),
        (options.story, lambda: _story(kernel, options.story)),
        (options.why, lambda: _why(kernel, options.why)),
    )
    for is_asked, text in sections:
        if is_asked:
            print(text())
    if failure:
        print(failure)
        return 1
    if player.is_whole:
        print("The session came to its end, and this kernel knows what that one knew.")
    elif options.until is None:
        print("The log ends before its session did: the head was killed, or still runs.")
    return 0


def _lines(step: Step) -> list[str]:
    return lines_of(round(step.now_s * 1e9), step.event, step.sender, step.effects)


def _story(kernel: Kernel, text: str) -> str:
    is_worker = text.isdecimal() and len(text) <= _LONGEST_WORKER_NUMBER
    story = kernel.tables.log.story(int(text) if is_worker else object_of(text))
    return "\n".join(story) or f"Nothing has happened to {text} up to here."


def _why(kernel: Kernel, text: str) -> str:
    return pending.why(kernel.tables, object_of(text))


class _Summary:
    """What is said of every replay."""

    def __init__(self) -> None:
        self.count = 0
        self._began_s = self._ended_s = 0.0
        self._kinds: Counter[str] = Counter()
        self._deaths: list[str] = []

    def add(self, step: Step) -> None:
        if self.count == 0:
            self._began_s = step.now_s
        self.count, self._ended_s = step.number, step.now_s
        self._kinds[type(step.event).__name__] += 1
        event, after_s = step.event, step.now_s - self._began_s
        if isinstance(event, WorkerDied):
            self._deaths.append(f"step {step.number}, after {after_s:.6f} s: worker {event.worker} died: {event.cause}")
        elif isinstance(event, NodeDied):
            self._deaths.append(f"step {step.number}, after {after_s:.6f} s: node {event.node} died: {event.cause}")

    def lines(self) -> list[str]:
        """In words."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in self._kinds.most_common())
        return [f"{self.count} events in {self._ended_s - self._began_s:.6f} s: {kinds}", *self._deaths]
