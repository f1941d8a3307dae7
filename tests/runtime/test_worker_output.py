"""The lines that a driver shows of its workers: folded, prefixed, coloured, by a clock of the test's own."""

from __future__ import annotations

import io
import mmap
import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from localray.client.worker_output import OutputPrinter
from localray.protocol import WorkerOutput
from localray.runtime.worker_output import BETWEEN_STATES_S, WorkerOutputs


class Clock:
    """Says what it is told."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Terminal(io.StringIO):
    """A stream that is one."""

    def isatty(self) -> bool:
        return True


def show(printer: OutputPrinter, process: int, *lines: str, error: bool = False) -> None:
    printer.show(WorkerOutput(process, "f", error, lines))


def test_equal_lines_of_several_workers_are_folded(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    printer = OutputPrinter({}, clock)
    for process in (1, 2, 3):
        show(printer, process, f"loss 0.{process} at epoch")
    assert capsys.readouterr().out == "(f pid=1) loss 0.1 at epoch\n"
    clock.now_s = 5.0
    show(printer, 4, "something else")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "(f pid=4) something else"
    assert lines[1].startswith("(f pid=3) loss 0.3 at epoch [repeated 2x across cluster] (")
    show(printer, 5, "loss 1 at epoch")
    printer.flush()
    assert capsys.readouterr().out == "(f pid=5) loss 1 at epoch\n"


def test_a_line_held_back_alone_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    printer = OutputPrinter({}, Clock())
    show(printer, 1, "once")
    show(printer, 2, "once")
    printer.flush()
    assert capsys.readouterr().out == "(f pid=1) once\n(f pid=2) once\n"


def test_what_one_worker_repeats_and_bare_numbers_are_not_folded(capsys: pytest.CaptureFixture[str]) -> None:
    printer = OutputPrinter({}, Clock())
    for process in (1, 1, 2):
        show(printer, process, "17 0x3f")
    show(printer, 1, "a", "a", "")
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_streams_are_folded_apart(capsys: pytest.CaptureFixture[str]) -> None:
    printer = OutputPrinter({}, Clock())
    show(printer, 1, "a")
    show(printer, 2, "a", error=True)
    assert capsys.readouterr() == ("(f pid=1) a\n", "(f pid=2) a\n")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"RAY_DEDUP_LOGS": "0"}, ["keep", "skip", "other"] * 2),
        ({"RAY_DEDUP_LOGS_ALLOW_REGEX": "^keep"}, ["keep", "skip", "other", "keep"]),
        ({"RAY_DEDUP_LOGS_SKIP_REGEX": "skip$"}, ["keep", "other"]),
    ],
)
def test_variables_say_what_is_folded(
    variables: dict[str, str], expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    printer = OutputPrinter({"RAY_DISABLE_WORKER_LOG_PREFIX": "1", **variables}, Clock())
    for process in (1, 2):
        show(printer, process, "keep", "skip", "other")
    assert capsys.readouterr().out.splitlines() == expected


@pytest.mark.parametrize(
    ("value", "on_terminal", "coloured"), [("", True, True), ("", False, False), ("0", True, False), ("1", False, True)]
)
def test_colours_are_for_terminals(
    value: str, on_terminal: bool, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Terminal() if on_terminal else io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    show(OutputPrinter({"RAY_COLOR_PREFIX": value}, Clock()), 1, "a")
    assert ("\x1b[" in stream.getvalue()) is coloured


def test_a_closed_stream_is_nobodys_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stdout", stream)
    show(OutputPrinter({}, Clock()), 1, "a")
    monkeypatch.setattr(sys, "stdout", None)
    show(OutputPrinter({}, Clock()), 1, "a")


class Pipes:
    """The head's end of one worker's pipes, without a head: what is written is read at once."""

    def __init__(self, directory: Path) -> None:
        self.clock = Clock()
        self.told: list[tuple[str, ...]] = []
        self.logs = directory / "logs"
        self.logs.mkdir()
        self._epoll = select.epoll()
        self._progress = mmap.mmap(-1, 1 << 16)
        self._outputs = WorkerOutputs(
            self._epoll, self._progress, lambda: self.logs, lambda event: self.told.append(event.lines),
            lambda worker: 4711, self.clock,
        )  # fmt: skip
        self._writing = self._outputs.open(1)

    def prints(self, text: str) -> list[str]:
        """Write this; returns the lines that are told of it."""
        self.told.clear()
        os.write(self._writing[1], text.encode())
        for descriptor, _ in self._epoll.poll(0):
            self._outputs.read(descriptor)
        return [line for lines in self.told for line in lines]

    def close(self) -> None:
        for descriptor in self._writing:
            os.close(descriptor)
        self._outputs.finish(1)
        self._epoll.close()
        self._progress.close()


@pytest.fixture
def pipes(tmp_path: Path) -> Iterator[Pipes]:
    made = Pipes(tmp_path)
    yield made
    made.close()


def test_a_bar_of_tqdm_is_shown_now_and_then_and_at_its_end(pipes: Pipes) -> None:
    assert pipes.prints("\r 0%\r 1%") == [" 0%"]
    assert pipes.prints("\r 2%\r 3%") == []
    pipes.clock.now_s = BETWEEN_STATES_S
    assert pipes.prints("\r 4%") == [" 3%"]
    assert pipes.prints("\r100%\r100%\n") == ["100%"]
    assert pipes.prints("next\n") == ["next"]
    (log,) = pipes.logs.iterdir()
    assert log.read_bytes() == b"\r 0%\r 1%\r 2%\r 3%\r 4%\r100%\r100%\nnext\n"


def test_what_is_left_of_a_line_that_was_written_over(pipes: Pipes) -> None:
    assert pipes.prints("of another system\r\n\r\n") == ["of another system", ""]
    assert pipes.prints("a bar that goes\r                \rgone\n") == ["gone"]
    pipes.clock.now_s = BETWEEN_STATES_S
    assert pipes.prints("first\r") == ["first"]
    assert pipes.prints("\n") == ["first"]


def test_a_line_that_is_written_over_for_long_is_not_held_on_to(pipes: Pipes) -> None:
    """Each piece was copied with all before it: an hour of a bar took minutes of the head's time."""
    pipes.prints("".join(f"\r{number}" for number in range(1000)))
    assert max(len(each.rest) for each in pipes._outputs._streams.values()) == 3
