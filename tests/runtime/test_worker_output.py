"""The lines that a driver shows of its workers: folded, prefixed, coloured, by a clock of the test's own."""

from __future__ import annotations

import io
import sys

import pytest

from localray.client.worker_output import OutputPrinter
from localray.protocol import WorkerOutput


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
