"""How a census is printed: tables of totals, names, functions, imports, and how fast it was taken.

Only layout: the facts come from `census_facts.py` and the tasks are in `census.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median
from textwrap import fill

from census_facts import Census, LeafRun, LineKind, import_cycles, is_test, longest_way_round
from report import PAGE_WIDTH, clip, horizontal_bar, section, side_by_side

TOP = 15
KNOTS_SHOWN = 6
COLUMN_WIDTH = PAGE_WIDTH // 3

# What to count, and the names of Python's own syntax nodes that make it up.
CONSTRUCTS = {
    "functions": ("FunctionDef", "AsyncFunctionDef"),
    "of them async": ("AsyncFunctionDef",),
    "lambdas": ("Lambda",),
    "classes": ("ClassDef",),
    "calls": ("Call",),
    "if / elif": ("If", "IfExp"),
    "for / while": ("For", "AsyncFor", "While"),
    "comprehensions": ("ListComp", "SetComp", "DictComp", "GeneratorExp"),
    "try": ("Try", "TryStar"),
    "with": ("With", "AsyncWith"),
    "yield": ("Yield", "YieldFrom"),
    "await": ("Await",),
    "f-strings": ("JoinedStr",),
    ":=": ("NamedExpr",),
    "match": ("Match",),
}


def print_census(census: Census) -> None:
    """Print all a census found."""
    _print_lines(census)
    _print_counts(census)
    _print_longest(census)
    _print_cycles(census)
    if census.unparsable:
        section(f"left out: {len(census.unparsable)} files that do not parse, most of them on purpose")
        print(fill(", ".join(sorted(census.unparsable)), PAGE_WIDTH, initial_indent="  ", subsequent_indent="  "))


def print_speed(runs: Sequence[LeafRun], cpus: int, parallel_s: float, serial_s: float | None) -> None:
    """Print how the tree of tasks was balanced, and how it compares with a plain loop.

    Args:
        runs: the leaves of the tree.
        cpus: how many of them could run at a time.
        parallel_s: how long the tree took as a whole.
        serial_s: how long the plain loop took, if there was one.
    """
    section("speed")
    sizes_kb = [run.size_bytes / 1000 for run in runs]
    seconds = [run.seconds for run in runs]
    busy = sum(seconds) / (cpus * parallel_s)
    print(f"  {len(runs)} leaves of {min(sizes_kb):.0f} to {max(sizes_kb):.0f} kB kept {cpus} CPUs {busy:.0%} busy,")
    print(f"  each for {min(seconds):.2f} to {max(seconds):.2f} s with a median of {median(seconds):.2f} s")
    slowest_s = max(parallel_s, serial_s or 0.0)
    for label, taken_s in (("tree of tasks", parallel_s), ("plain loop", serial_s)):
        if taken_s is not None:
            print(f"  {label:<16}{taken_s:6.2f} s  {horizontal_bar(taken_s / slowest_s, 50)}")
    if serial_s is not None:
        print(f"  the tree has {serial_s / parallel_s:.2f} times the speed of the loop, on {cpus} CPUs")


def _print_lines(census: Census) -> None:
    lines = census.lines.total()
    section(f"{lines:,} lines in {census.files:,} files")
    for kind in LineKind:
        count = census.lines[kind]
        print(f"  {kind.value:<12}{count:>10,}  {count / lines:4.0%}  {horizontal_bar(count / lines, 60)}")


def _print_counts(census: Census) -> None:
    constructs = [(label, sum(census.syntax[kind] for kind in kinds)) for label, kinds in CONSTRUCTS.items()]
    importers = Counter(
        target
        for graph in (census.eager, census.deferred)
        for module, targets in graph.items()
        for target in targets
        if not is_test(module)
    )
    columns = [
        ["what it is made of", *_counted(constructs)],
        ["names used most", *_counted(_top(census.names))],
        ["imported most (not by tests)", *_counted(_top(importers))],
    ]
    print()
    print(side_by_side(columns, COLUMN_WIDTH))


def _print_longest(census: Census) -> None:
    section("longest functions, in lines")
    for size in census.longest:
        place = f"{size.name}  {size.module}:{size.first_line}"
        print(f"  {clip(place, 58):<58}{size.lines:>6}  {horizontal_bar(size.lines / census.longest[0].lines, 28)}")


def _print_cycles(census: Census) -> None:
    eager = {module: targets for module, targets in census.eager.items() if not is_test(module)}
    every = {module: targets | census.deferred[module] for module, targets in eager.items()}
    knots = import_cycles(eager)
    section(f"modules that import each other in circles: {len(knots)}")
    for knot in knots[:KNOTS_SHOWN]:
        way = " → ".join(longest_way_round(knot, eager))
        print(fill(way, PAGE_WIDTH, initial_indent=f"  {len(knot):>3} modules  ", subsequent_indent=" " * 15))
    deferred = max((len(knot) for knot in import_cycles(every)), default=0)
    print(f"  {deferred:>3} modules would be in one such knot if imports inside functions were at the top, too")


def _top(counts: Counter[str]) -> list[tuple[str, int]]:
    # Counter.most_common leaves ties in the order they came in, which is not the same in every run of a task tree.
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:TOP]


def _counted(rows: Sequence[tuple[str, int]]) -> list[str]:
    """Return one line per row, a name and a count."""
    name_width = COLUMN_WIDTH - 13
    return [f"  {clip(name, name_width - 1):<{name_width}}{count:>8,}" for name, count in rows]
