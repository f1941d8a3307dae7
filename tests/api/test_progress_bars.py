"""Progress bars as they are drawn: below everything else, never torn, once where nobody looks on."""

from __future__ import annotations

import io
import json
import re

from localray.client.progress_bars import TOKEN, BarDisplay


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1.0
        return self.now_s


def state(uuid: str, done: int, *, closed: bool = False) -> dict[str, object]:
    return {"uuid": uuid, "desc": f"bar {uuid}", "x": done, "total": 4, "unit": "it", "closed": closed}


def screen(text: str) -> list[str]:
    """What a terminal shows after this: only lines, and the two movements that are used."""
    lines = [""]
    for part in re.split(r"(\x1b\[\d+F\x1b\[J|\n)", text):
        if part == "\n":
            lines.append("")
        elif part.startswith("\x1b"):
            rows = int(part[2 : part.index("F")])
            lines = [*lines[: len(lines) - 1 - rows], ""]
        else:
            lines[-1] += part
    return lines[:-1]


def test_bars_are_drawn_below_what_is_printed() -> None:
    terminal = Terminal()
    display = BarDisplay(lambda: terminal, Clock())
    display.update(state("a", 1), "(f pid=1) ")
    display.take(TOKEN + json.dumps(state("b", 2)), "(f pid=2) ")
    with display.out_of_the_way():
        terminal.write("a line\n")
    display.update(state("a", 3), "(f pid=1) ")
    shown = screen(terminal.getvalue())
    assert shown[0] == "a line"
    assert [line.split("%")[0].split() for line in shown[1:]] == [
        ["(f", "pid=1)", "bar", "a:", "75"],
        ["(f", "pid=2)", "bar", "b:", "50"],
    ]


def test_a_closed_bar_stays_above_the_others() -> None:
    terminal = Terminal()
    display = BarDisplay(lambda: terminal, Clock())
    for uuid in "ab":
        display.update(state(uuid, 1))
    display.update(state("b", 4, closed=True))
    display.update(state("a", 2))
    assert [line.split(":")[0] for line in screen(terminal.getvalue())] == ["bar b", "bar a"]


def test_without_a_terminal_only_the_end_is_written() -> None:
    file = io.StringIO()
    display = BarDisplay(lambda: file, Clock())
    display.update(state("a", 1))
    display.update(state("a", 4, closed=True))
    assert file.getvalue().count("\n") == 1
    assert "4/4" in file.getvalue()


def test_a_line_that_was_cut_in_two_is_left_out() -> None:
    file = io.StringIO()
    BarDisplay(lambda: file, Clock()).take(TOKEN + '{"uuid": "a", "de')
    assert file.getvalue() == ""
