"""How the benchmark measures: the timed loop, the turns, the runner's half, and finding and ending child processes."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator

import pytest

from localray.benchmark.comparison import Contestant, Plan, State, run_plan
from localray.benchmark.lines import LineReader
from localray.benchmark.measure import Ratio, rate_of, ratio_of, take_turns
from localray.benchmark.memory import settle
from localray.benchmark.messages import ChildFailedError, Reply, Request, RequestKind
from localray.benchmark.processes import Launcher, MarkedProcess, launcher, memory_bytes
from localray.benchmark.programs import program_text
from localray.benchmark.runner import Runner, serve
from localray.benchmark.startup import StartupTimes, parse_marks
from localray.benchmark.systems import SystemName

TIMEOUT_S = 30.0

# A child whose grandchild has left its session and its parent, as a daemon does, and which then waits for a line.
DAEMON_MAKER = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 3)
        time.sleep(600)
    os._exit(0)
os.wait()
print("READY", flush=True)
input()
"""


class CountingClock:
    """A clock that moves only when the loop under test runs."""

    def __init__(self, call_s: float) -> None:
        self.now_s = 100.0
        self.call_s = call_s
        self.calls = 0
        self.readings = 0

    def run(self) -> None:
        self.calls += 1
        self.now_s += self.call_s

    def read(self) -> float:
        self.readings += 1
        return self.now_s


@pytest.fixture
def launches() -> Iterator[Launcher]:
    with launcher() as made:
        yield made


def wait_until_ready(child: MarkedProcess) -> LineReader:
    reader = LineReader(child)
    reader.read_until("READY", TIMEOUT_S)
    return reader


def test_a_short_loop_is_timed_for_about_as_long_as_asked() -> None:
    clock = CountingClock(call_s=1e-5)
    assert rate_of(clock.run, 1, 1.0, clock.read) == pytest.approx(1e5)
    assert 100_000 <= clock.calls <= 110_000
    assert clock.readings < 100


def test_a_long_call_is_made_once_and_counted_whole() -> None:
    clock = CountingClock(call_s=7.0)
    assert rate_of(clock.run, 1000, 1.0, clock.read) == pytest.approx(1000 / 7)
    assert clock.calls == 1


def test_no_time_means_one_call() -> None:
    clock = CountingClock(call_s=2.0)
    assert rate_of(clock.run, 1, 0.0, clock.read) == pytest.approx(0.5)
    assert clock.calls == 1


def test_a_clock_that_stands_still_at_first_divides_by_nothing() -> None:
    readings = iter([0.0, 0.0, 0.0, 2.0])
    assert rate_of(lambda: None, 1, 1.0, lambda: next(readings)) == pytest.approx((1 + 2 + 4) / 2.0)


def test_turns_alternate_and_a_failure_drops_out() -> None:
    order: list[str] = []

    def first() -> float:
        order.append("a")
        return float(len(order))

    def second() -> float:
        order.append("b")
        if len(order) > 3:
            raise ChildFailedError("tired")
        return float(len(order))

    turns = take_turns({"a": first, "b": second}, turns=3, uncounted=1)
    assert "".join(order) == "ababaa"
    assert turns.values == {"a": [3.0, 5.0, 6.0], "b": []}
    assert turns.errors == {"b": "tired"}


def test_other_errors_are_not_swallowed() -> None:
    def broken() -> float:
        raise ValueError("a bug of ours")

    with pytest.raises(ValueError, match="a bug of ours"):
        take_turns({"a": broken}, turns=1)


def test_ratio_is_the_median_of_the_pairs() -> None:
    assert ratio_of([10, 20, 30], [1, 4, 10], higher_is_better=True) == Ratio(5, 3, 10)
    assert ratio_of([1.0, 2.0], [4.0, 4.0], higher_is_better=False) == Ratio(3.0, 2.0, 4.0)
    assert ratio_of([], [], higher_is_better=True) is None
    assert ratio_of([1.0], [0.0], higher_is_better=False) is None
    assert ratio_of([1.0, 2.0], [1.0], higher_is_better=True) is None


def test_memory_is_taken_when_it_has_settled() -> None:
    samples = iter([100, 150, 180, 181, 500])
    assert settle(lambda: next(samples), lambda: None) == 181


def test_memory_that_never_settles_is_taken_in_the_end() -> None:
    samples = iter(2**power for power in range(100))
    assert settle(lambda: next(samples), lambda: None) == 2**15


def test_messages_survive_the_wire() -> None:
    request = Request(RequestKind.PREPARE, row="tasks-sync", seconds=0.25, processors=2)
    assert Request.decode(request.encode()) == request
    reply = Reply(error="two\nlines", rate=1.5, version="1.0")
    assert reply.encode().count(b"\n") == 1
    assert Reply.decode(reply.encode()) == reply


def test_marks_become_times() -> None:
    times = parse_marks("MARKS 10.5 11.0 13.0 13.25 14.25", launched_s=10.0)
    assert times == StartupTimes(total_s=3.25, import_s=0.5, init_s=2.0, first_task_s=0.25, shutdown_s=1.0)


@pytest.mark.parametrize("rests", [True, False])
@pytest.mark.parametrize("name", SystemName)
def test_every_program_is_valid(name: SystemName, rests: bool) -> None:
    text = program_text(name, 3, rests=rests)
    compile(text, "program", "exec")
    assert ("input()" in text) is rests
    assert "{" not in text


def test_runner_answers_and_tells_what_failed() -> None:
    requests = [
        Request(RequestKind.START, processors=1),
        Request(RequestKind.PREPARE, row="actor-sync", seconds=-1.0),
        Request(RequestKind.CLOSE),
        Request(RequestKind.PREPARE, row="tasks-sync", seconds=0.0),
        Request(RequestKind.MEASURE, seconds=0.01),
        Request(RequestKind.CLOSE),
        Request(RequestKind.STOP),
    ]
    replies = io.BytesIO()
    serve(Runner(SystemName.EXECUTOR), io.BytesIO(b"".join(request.encode() for request in requests)), replies)
    started, refused, *others = map(Reply.decode, replies.getvalue().splitlines())
    assert started.version.startswith("of Python 3.")
    assert "UnsupportedError: executor has no actors" in refused.error
    assert [reply.error for reply in others] == [""] * 5
    assert others[2].rate > 0


def test_a_daemon_is_found_and_killed(launches: Launcher) -> None:
    child = launches.start(sys.executable, ["-c", DAEMON_MAKER])
    try:
        wait_until_ready(child)
        tree = child.tree()
        assert len(tree) == 2
        assert child.process.pid in {process.pid for process in tree}
        assert memory_bytes(tree) > memory_bytes(tree[:1]) > 1 << 20
    finally:
        killed = child.destroy()
    assert killed == 2
    assert not any(process.is_running() for process in tree)


def test_nothing_is_left_to_kill_after_an_orderly_end(launches: Launcher) -> None:
    child = launches.start(sys.executable, ["-c", 'print("READY", flush=True); input()'])
    wait_until_ready(child).write(b"\n")
    child.process.wait(TIMEOUT_S)
    assert child.destroy() == 0


def test_a_child_that_dies_is_reported_with_its_last_words(launches: Launcher) -> None:
    child = launches.start(sys.executable, ["-c", 'raise SystemExit("no more")'])
    with pytest.raises(ChildFailedError, match=r"ended before it answered\nno more"):
        LineReader(child).read_until("READY", TIMEOUT_S)
    child.destroy()


def test_a_silent_child_is_reported(launches: Launcher) -> None:
    child = launches.start(sys.executable, ["-c", "input()"])
    begun_s = time.monotonic()
    with pytest.raises(ChildFailedError, match="did not answer within"):
        LineReader(child).read_until("READY", 0.1)
    assert time.monotonic() - begun_s < TIMEOUT_S
    child.destroy()


def test_two_systems_of_the_standard_library_from_end_to_end() -> None:
    contestants = (Contestant(SystemName.EXECUTOR, sys.executable), Contestant(SystemName.POOL, sys.executable))
    patterns = ("startup*", "tasks-sync", "tasks-batched", "actor-sync")
    told: list[str] = []
    results = run_plan(Plan(contestants, patterns, seconds=0.02, turns=2, processors=2), told.append)
    assert told == ["start and stop", "tasks: one at a time", "tasks: 1,000 at once", "actor calls: 1:1, one at a time"]
    assert results.failures() == []
    assert results.stop_errors == {}
    keys = [measured.row.key for measured in results.rows]
    assert keys[:5] == ["startup", "startup-import", "startup-init", "startup-first-task", "startup-shutdown"]
    assert keys[5:] == ["tasks-sync", "tasks-batched", "actor-sync"]
    for measured in results.rows[:-1]:
        assert [len(outcome.values) for outcome in measured.outcomes.values()] == [2, 2]
        assert measured.ratio() is not None
    assert [outcome.state for outcome in results.rows[-1].outcomes.values()] == [State.UNSUPPORTED] * 2


def test_a_system_that_cannot_start_fails_its_rows_and_not_the_others() -> None:
    contestants = (Contestant(SystemName.POOL, sys.executable), Contestant(SystemName.EXECUTOR, "/bin/false"))
    results = run_plan(Plan(contestants, ("startup", "tasks-sync"), 0.02, 1, processors=1), lambda _line: None)
    states = [[outcome.state for outcome in measured.outcomes.values()] for measured in results.rows]
    assert states == [[State.MEASURED, State.FAILED]] * 2
    assert all("ended before it answered" in error for _, _, error in results.failures())
