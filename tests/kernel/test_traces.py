"""Golden traces: what the kernel answers to a story told in commands, kept as text and compared line by line.

A trace is a comment that states the rule, then commands at the left margin, each followed by the kernel's answer,
indented. After an intended change: `pytest tests/kernel --rewrite`, then read the difference.
"""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from .cluster import Cluster

TRACES = sorted((Path(__file__).parent / "traces").glob("*.txt"))


def play(text: str) -> str:
    """The trace with the answers that the kernel gives now."""
    cluster = Cluster()
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(" "):
            continue
        lines.append(line)
        if line and not line.startswith("#"):
            try:
                lines += [f"    {answer}" for answer in cluster.execute(line)]
            except Exception as error:
                raise AssertionError(f"after {line!r}: {error}") from error
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", TRACES, ids=[path.stem for path in TRACES])
def test_trace(path: Path, rewrite: bool) -> None:
    expected = path.read_text()
    answered = play(expected)
    if rewrite:
        path.write_text(answered)
        return
    difference = "\n".join(
        difflib.unified_diff(expected.splitlines(), answered.splitlines(), "expected", "answered", lineterm="")
    )
    assert not difference, difference


def test_there_are_traces_and_each_states_its_rule() -> None:
    assert len(TRACES) >= 20
    for path in TRACES:
        assert path.read_text().startswith("# "), f"{path.name} does not open with its rule"
