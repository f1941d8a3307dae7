"""The command `localray sim`: a program on a simulated cluster, under one seed or many; a failing run played back.

Must not live here: searching (`localray.sim.search`).
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from localray.cli import plan, replay_log
from localray.cli.parsing import Parser, at_least_one, new_file
from localray.kernel_log.format import UnreadableLogError
from localray.sim.quiet import Quiet, users_errors
from localray.sim.schedule import KINDS, Search
from localray.sim.search.case import Case, Outcome, Settings, Target
from localray.sim.search.idle import faults_in_words, idle_rules
from localray.sim.search.report import Explained, explain, explain_run
from localray.sim.search.seeds import calibrated, check, first_difference, run_here, run_in_processes
from localray.sim.search.shrink import NotReproducedError
from localray.sim.search.trace_file import UnreadableTraceError, load, replay

_DESCRIPTION = """\
Run a program as it is on a cluster that does not exist: one seed, one run, always
the same; many seeds, many ways in which messages and faults can fall.
"""
_EPILOG = """\
examples:
  localray sim run prog.py --nodes 4x8cpu,2x1gpu --seeds 1000 --faults chaos --jobs 2
  localray sim run prog.py --seed 17 --save failures
  localray sim run prog.py --seeds 1000 --schedule pct --check
  localray sim replay failures/prog-17.trace.json
  localray sim plan timeline.json --nodes 4x16cpu@0.80 --nodes 20x16cpu@0.80 --deadline 15m
  LOCALRAY_KERNEL_LOG=session.log python prog.py; localray sim replay session.log --story 7
"""

_MOST_LINES = 60
"""So many of a program's own are shown."""
_ERASE = "\r\x1b[K"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    actions = parser.add_subparsers(metavar="ACTION", required=True, parser_class=Parser)
    running = actions.add_parser("run", help="run a program under seeds")
    running.own = "arguments"
    _add_run(running)
    planning = actions.add_parser("plan", help="say how long a recorded run would take on other clusters")
    plan.add_arguments(planning)
    planning.set_defaults(act=plan.run)
    again = actions.add_parser("replay", help="play back a failing run that was saved, or the log of a real session")
    again.add_argument(
        "file", type=Path, help="a .trace.json that --save has written, or a log that LOCALRAY_KERNEL_LOG has"
    )
    again.add_argument("--save", type=Path, metavar="FOLDER", help="write the page, the story and Chrome's trace there")
    replay_log.add_arguments(again)
    again.set_defaults(act=_replay)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.description = "Run a program under seeds. Its arguments may stand before, between and after these options."
    parser.add_argument("program", help="a script, or MODULE:FUNCTION, which is called with the module localray")
    parser.add_argument("arguments", nargs="*", default=[], help="its own; put -- before those with dashes")
    parser.add_argument("--nodes", default="", help="the cluster, e.g. 4x8cpu,2x1gpu+zone=a (default: the program's)")
    parser.add_argument("--autoscaler", default="", help="nodes launched by demand, e.g. 0-10x8cpu,0-2x1gpu")
    parser.add_argument("--faults", default="calm", help="calm, chaos, swarm, or rules such as kill_worker:nth=3")
    parser.add_argument("--seeds", type=at_least_one, default=100, help="how many (default: 100), from --first on")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--jobs", type=at_least_one, default=1, help="processes at once (default: 1)")
    parser.add_argument(
        "--schedule",
        default="random",
        metavar="KIND[:DEPTH[:POINTS]]",
        help=f"{', '.join(KINDS)}; pct and delays look for bugs of a depth (default: random)",
    )
    parser.add_argument("--all", action="store_true", help="go on after a failure")
    parser.add_argument("--check", action="store_true", help="run each seed twice in fresh processes, and compare")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="where what is known of a failure is written")
    parser.add_argument("--no-shrink", action="store_true", help="do not make a failing seed small")
    parser.add_argument(
        "--output",
        choices=("failure", "all"),
        default="failure",
        help="which of the program's own prints to show in a search: of the first seed that fails (default), or all",
    )
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write all outcomes there")
    parser.add_argument("--heal-after", type=float, default=60.0, metavar="S", help="no faults from then on (60 s)")
    parser.add_argument("--no-invariants", action="store_true", help="do not check the kernel's invariants as it runs")
    parser.add_argument("--check-left-behind", action="store_true", help="fail if tasks, actors or objects are left")
    parser.add_argument("--strict", action="store_true", help="fail where the program reaches for the real world")
    parser.set_defaults(act=_run)


def run(options: argparse.Namespace) -> int:
    """Do what the command line says; returns 0 when nothing failed, 1 when something did, 2 when it makes no sense."""
    try:
        return int(options.act(options))
    except (ValueError, UnreadableLogError, UnreadableTraceError, NotReproducedError) as error:
        print(f"localray sim: {error}", file=sys.stderr)
        return 2


def _search(text: str) -> Search:
    kind, *numbers = text.split(":")
    return Search(kind, *(int(number) for number in numbers))


def _run(options: argparse.Namespace) -> int:
    target = Target(options.program, tuple(options.arguments))
    if target.is_script and not Path(target.program).is_file():
        raise ValueError(f"there is no program {target.program}")
    settings = Settings(
        nodes=options.nodes,
        faults=options.faults,
        autoscaler=options.autoscaler,
        search=_search(options.schedule),
        heal_after_s=options.heal_after,
        check_invariants=not options.no_invariants,
        check_left_behind=options.check_left_behind,
        strict=options.strict,
    )
    quiet: AbstractContextManager[object] = nullcontext() if options.output == "all" else Quiet()
    with quiet:
        settings = calibrated(target, settings, has_points=options.schedule.count(":") == 2)
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    if options.check:
        return _check(target, settings, seeds, options)
    is_search = len(seeds) > 1
    if options.jobs == 1:
        outcomes = run_here(target, settings, seeds, quiet if is_search else nullcontext())
    else:
        hushed = is_search and options.output != "all"
        outcomes = run_in_processes(target, settings, seeds, options.jobs, quiet=hushed)
    failures, seen = _listen(outcomes, len(seeds), stop=not options.all)
    _write_json(options, seen)
    for sentence in idle_rules(settings, seen):
        print(sentence, file=sys.stderr)
    if settings.faults != "calm":
        print(faults_in_words(seen), file=sys.stderr)
    for outcome in failures:
        case = Case(target, settings, outcome.seed)
        print(f"\nseed {outcome.seed} fails: {outcome.error}\nreplay: {case.replay_line()}")
    if failures:
        case = Case(target, settings, failures[0].seed)
        if is_search and isinstance(quiet, Quiet):
            _show_output(case, quiet)
        _explain(case, options.save, quiet, small=not options.no_shrink)
    return 1 if failures else 0


def _listen(outcomes: Iterator[Outcome], count: int, *, stop: bool) -> tuple[list[Outcome], list[Outcome]]:
    """Follow a search; returns those that failed, and all."""
    progress = _Progress(count)
    failures, seen = [], []
    for outcome in outcomes:
        seen.append(outcome)
        progress.tell(outcome.fenced)
        if outcome.signature:
            failures.append(outcome)
            if stop:
                break
        progress.show(len(seen), len(failures))
    progress.finish(len(seen), len(failures))
    return failures, seen


class _Progress:
    """A line that is written over, where somebody looks; else one line at the end."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._started_s = time.perf_counter()
        self._shown_s = 0.0
        self._is_seen = sys.stderr.isatty()
        self._told: set[str] = set()

    def tell(self, texts: Sequence[str]) -> None:
        """Above the line: each text once, however many seeds have it."""
        for text in texts:
            if text not in self._told:
                self._told.add(text)
                print(f"{_ERASE if self._is_seen else ''}{text}", file=sys.stderr)

    def show(self, done: int, failed: int) -> None:
        now_s = time.perf_counter()
        if self._is_seen and now_s - self._shown_s > 0.2:
            self._shown_s = now_s
            print(f"\r{self._text(done, failed)}", end="", file=sys.stderr, flush=True)

    def finish(self, done: int, failed: int) -> None:
        print(("\r" if self._is_seen else "") + self._text(done, failed), file=sys.stderr)

    def _text(self, done: int, failed: int) -> str:
        rate = done / max(time.perf_counter() - self._started_s, 1e-9)
        return f"{done}/{self._count} seeds, {failed} failed, {rate:.1f} seeds/s"


def _write_json(options: argparse.Namespace, outcomes: list[Outcome]) -> None:
    if options.json is not None:
        options.json.write_text(json.dumps([outcome.to_mapping() for outcome in outcomes], indent=1) + "\n")


def _show_output(case: Case, quiet: Quiet) -> None:
    """What the program prints under a seed, by running it once more."""
    with quiet:
        case.run()
    lines = quiet.take().splitlines()
    if not lines:
        return
    cut = [] if len(lines) <= _MOST_LINES else [f"... {len(lines) - _MOST_LINES} lines before"]
    print(f"\nWhat the program prints under seed {case.seed}:")
    for line in (*cut, *lines[-_MOST_LINES:]):
        print(f"  {line}")


def _explain(case: Case, folder: Path | None, quiet: AbstractContextManager[object], *, small: bool) -> None:
    if small:
        print("\nshrinking ...", file=sys.stderr)
    with quiet:
        found = explain(case, folder, lambda text: print(f"  {text}", file=users_errors()), small=small)
    print()
    _show(found, case.replay_line("--save", "failures", *(() if small else ("--no-shrink",))))


def _show(found: Explained, saving: str) -> None:
    """The story, and the files; or how to get them."""
    print(found.story)
    for path in found.files:
        print(f"written: {os.fspath(path)}")
    if not found.files:
        print(f"as a page with lanes and arrows, and as a trace to play back: {saving}")


def _check(target: Target, settings: Settings, seeds: range | list[int], options: argparse.Namespace) -> int:
    """Whether each seed gives the same run twice."""
    different = 0
    progress = _Progress(len(seeds))
    for done, (one, two) in enumerate(check(target, settings, seeds, options.jobs, quiet=options.output != "all"), 1):
        progress.tell(one.fenced)
        if one.digest != two.digest:
            different += 1
            print(f"seed {one.seed}: two runs differ at {first_difference(target, settings, one.seed)}")
        progress.show(done, different)
    progress.finish(len(seeds), different)
    return 1 if different else 0


def _replay(options: argparse.Namespace) -> int:
    if options.file.is_file() and replay_log.is_log(options.file):
        return replay_log.replay(options)
    saved = load(options.file)
    report = replay(saved)
    for text in report.fenced:
        print(text, file=sys.stderr)
    found = explain_run(saved.run, report, options.save)
    _show(found, shlex.join(["localray", "sim", "replay", os.fspath(options.file), "--save", "failures"]))
    return 1 if report.error is not None else 0
