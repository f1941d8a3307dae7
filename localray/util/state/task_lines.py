"""Which bytes of a session's log files are whose: what a task's ``task_log_info`` tells.

Must not live here: reading the bytes (`localray.util.state.logs`), noting them down (`localray.runtime.worker_output`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

from localray.runtime.output import TASK_LINES

LogInfo: TypeAlias = "dict[str, str | int | None]"


class Piece(NamedTuple):
    """Some lines of one attempt of a task, from a byte of a log file to another; ``end`` is None where nothing was
    written behind them."""

    file: Path
    task_id: str
    attempt: int
    start: int
    end: int | None


def pieces(logs: Path, suffix: str) -> Iterator[Piece]:
    """Those of all log files of a kind, in order.

    Args:
        logs: the directory of the log files.
        suffix: out or err.
    """
    for index in sorted((logs.parent / TASK_LINES).glob(f"*.{suffix}")):
        noted = [line.split() for line in index.read_text().splitlines()]
        ends = [int(place) for place, *_ in noted[1:]] + [None]
        for (place, *whose), end in zip(noted, ends, strict=True):
            if len(whose) == 2:
                yield Piece(logs / index.name, whose[0], int(whose[1]), int(place), end)


def log_info(logs: Path) -> dict[tuple[str, int], LogInfo]:
    """For each attempt that has printed something, by the task's hexadecimal id: where, by Ray's names."""
    found: dict[tuple[str, int], LogInfo] = {}
    for suffix in ("out", "err"):
        for piece in pieces(logs, suffix):
            info = found.setdefault((piece.task_id, piece.attempt), {})
            info.setdefault(f"std{suffix}_file", str(piece.file))
            info.setdefault(f"std{suffix}_start", piece.start)
            info[f"std{suffix}_end"] = piece.end
    return found


def with_ends(info: LogInfo) -> LogInfo:
    """The same of an attempt that is over: what is the last in its file ends where the file does."""
    ended = dict(info)
    for suffix in ("out", "err"):
        file = info.get(f"std{suffix}_file")
        if file is not None and info.get(f"std{suffix}_end") is None:
            path = Path(str(file))
            ended[f"std{suffix}_end"] = path.stat().st_size if path.exists() else info[f"std{suffix}_start"]
    return ended
