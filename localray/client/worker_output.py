"""What workers print, as a driver shows it: a prefix that says whose a line is, and lines that several workers print
folded into one, as in Ray.

Only lines of *different* workers are folded, equal but for words with numbers in them: the first is shown at once, and
five seconds later how many there were. Must not live here: who is shown what (`localray.kernel.output`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TextIO

from localray.client.folding import Folded, Folding
from localray.client.progress_bars import DISPLAY, TOKEN
from localray.protocol import WorkerOutput

_RESET = "\x1b[0m"
_GREEN = "\x1b[32m"
_CYAN = "\x1b[36m"
_COLOURS = ("\x1b[35m", _CYAN, _GREEN, "\x1b[90m", "\x1b[94m", "\x1b[95m")
_HINT = " (lines of several workers that differ in numbers alone are folded; with RAY_DEDUP_LOGS=0 they are not)"


class OutputPrinter:
    """Shows what workers print on this process's standard output and error, whatever these are at that moment.

    Args:
        variables: of the process; Ray's say whether and how long lines are folded, and how prefixes look.
        now_s: a clock.
        prefixes: whether to put any in front.
    """

    def __init__(self, variables: Mapping[str, str], now_s: Callable[[], float], *, prefixes: bool = True) -> None:
        self._now_s = now_s
        self._folds = variables.get("RAY_DEDUP_LOGS", "1") not in ("0", "")
        self._prefixes = prefixes and variables.get("RAY_DISABLE_WORKER_LOG_PREFIX", "0") not in ("1", "true", "True")
        self._colours = variables.get("RAY_COLOR_PREFIX", "")
        window_s = float(variables.get("RAY_DEDUP_LOGS_AGG_WINDOW_S", 5))
        never = variables.get("RAY_DEDUP_LOGS_ALLOW_REGEX", "")
        hidden = variables.get("RAY_DEDUP_LOGS_SKIP_REGEX", "")
        self._foldings: tuple[Folding[WorkerOutput], ...] = (
            Folding(window_s, never, hidden),
            Folding(window_s, never, hidden),
        )
        self._has_hinted = False

    def show(self, message: WorkerOutput) -> None:
        """Show what is to be shown of these lines now, and what has been held back for long enough."""
        stream = sys.stderr if message.is_error else sys.stdout
        if stream is None:
            return
        if any(TOKEN in line for line in message.lines):
            message = _without_bars(message)
        if not self._folds:
            self._write(stream, self._prefixed(stream, message, message.lines))
            return
        folding = self._foldings[message.is_error]
        now_s = self._now_s()
        new = [line for line in message.lines if folding.is_new(line, message.process_id, message, now_s)]
        aged = [text for each in folding.aged(now_s) for text in self._folded(stream, each)]
        self._write(stream, [*self._prefixed(stream, message, new), *aged])

    def flush(self) -> None:
        """Show all that is held back."""
        for stream, folding in zip((sys.stdout, sys.stderr), self._foldings, strict=True):
            held = folding.flush()
            if stream is not None and held:
                self._write(stream, [text for each in held for text in self._folded(stream, each)])

    def _folded(self, stream: TextIO, folded: Folded[WorkerOutput]) -> list[str]:
        line = folded.line
        if folded.count > 1:
            count = f" [repeated {folded.count}x across cluster]" + ("" if self._has_hinted else _HINT)
            self._has_hinted = True
            line += f"{_GREEN}{count}{_RESET}" if self._is_coloured(stream) else count
        return self._prefixed(stream, folded.origin, (line,))

    def _prefixed(self, stream: TextIO, message: WorkerOutput, lines: Iterable[str]) -> list[str]:
        if not self._prefixes:
            return list(lines)
        prefix = f"({message.name} pid={message.process_id})" if message.name else f"(pid={message.process_id})"
        if self._is_coloured(stream):
            colour = _COLOURS[message.process_id % len(_COLOURS)] if self._colours == "1" else _CYAN
            prefix = f"{colour}{prefix}{_RESET}"
        return [f"{prefix} {line}" for line in lines]

    def _is_coloured(self, stream: TextIO) -> bool:
        if self._colours:
            return self._colours != "0"
        is_terminal = None if getattr(stream, "closed", False) else getattr(stream, "isatty", None)
        return bool(is_terminal and is_terminal())

    @staticmethod
    def _write(stream: TextIO, lines: Iterable[str]) -> None:
        text = "".join(f"{line}\n" for line in lines)
        if not text:
            return
        try:
            with DISPLAY.out_of_the_way():
                stream.write(text)
                stream.flush()
        except Exception:  # noqa: BLE001 - the stream may be anything of the user's; whoever waits for a value must not pay
            # It is closed or broken: nobody is there to see it, and the log file has it.
            return


def _without_bars(message: WorkerOutput) -> WorkerOutput:
    """The lines that are for people; what tells of progress bars is drawn, and the empty lines before it go too."""
    who = f"({message.name} pid={message.process_id}) " if message.name else f"(pid={message.process_id}) "
    lines: list[str] = []
    for line in message.lines:
        before, token, state = line.partition(TOKEN)
        if token:
            DISPLAY.take(state, who)
            if lines and not lines[-1]:
                lines.pop()
        if before or not token:
            lines.append(before)
    return message._replace(lines=tuple(lines))
