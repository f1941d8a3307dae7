"""`localray sim plan`: a recorded run on described clusters, as a table, and the cheapest that is done in time.

Must not live here: running it there (`localray.sim.planning`).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from localray.cli.parsing import new_file
from localray.sim.planning import Plan, cheapest, parse_cluster, plan
from localray.sim.recorded import load_timeline

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_MIB = 2**20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's options to its parser."""
    parser.add_argument("file", type=Path, help="what ray.timeline(filename) or localray timeline has written")
    parser.add_argument(
        "--nodes",
        action="append",
        required=True,
        metavar="NODES[@PRICE]",
        help="a cluster, the driver's node first, and the price of a node an hour: 20x16cpu@0.80; may be repeated",
    )
    parser.add_argument("--deadline", help="it must be done within 90s, 15m or 2h")
    parser.add_argument("--seed", type=int, default=0, help="of latencies and start-up times (default: 0)")
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write the figures there")


def run(options: argparse.Namespace) -> int:
    """Print the table; returns 1 when a deadline was given and no cluster meets it."""
    clusters = [parse_cluster(text) for text in options.nodes]
    deadline_s = None if options.deadline is None else seconds(options.deadline)
    recording = load_timeline(options.file)
    print(f"{options.file}: {len(recording.tasks)} tasks in {duration(recording.took_s)}, as recorded")
    print(f"{'cluster':<28}{'makespan':>10}{'CPUs busy':>11}{'spilled':>12}{'copied':>12}{'cost':>10}")
    plans = []
    for cluster in clusters:
        plans.append(plan(recording, cluster, options.seed))
        print(line(plans[-1]), flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps([_mapping(each) for each in plans], indent=1) + "\n")
    if deadline_s is None:
        return 0
    best = cheapest(plans, deadline_s)
    if best is None:
        print(f"none is done within {options.deadline}")
        return 1
    what = "smallest" if best.cost is None else "cheapest"
    print(f"{what} within {options.deadline}: {best.cluster.text}")
    return 0


def line(made: Plan) -> str:
    """A row of the table."""
    if made.impossible:
        return f"{made.cluster.text:<28}cannot be: {made.impossible}"
    cost = "" if made.cost is None else f"{made.cost:.4g}"
    return (
        f"{made.cluster.text:<28}{duration(made.makespan_s):>10}{made.cpu_share:>11.0%}"
        f"{made.spilled_bytes / _MIB:>8.0f} MiB{made.transferred_bytes / _MIB:>8.0f} MiB{cost:>10}"
    )


def duration(time_s: float) -> str:
    """A time for a person to read.

    Example:
        >>> duration(0.25), duration(75), duration(7300)
        ('0.25 s', '1m 15s', '2h 01m')
    """
    if time_s < 60:
        return f"{time_s:.3g} s"
    minutes, rest_s = divmod(round(time_s), 60)
    return f"{minutes}m {rest_s:02d}s" if minutes < 60 else f"{minutes // 60}h {minutes % 60:02d}m"


def seconds(text: str) -> float:
    """What ``90s``, ``15m`` or ``2h`` says, in seconds.

    Raises:
        ValueError: it says nothing.

    Example:
        >>> seconds("15m")
        900.0
    """
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS else (text, "s")
    try:
        found_s = float(number) * _UNITS[unit]
    except ValueError:
        found_s = 0.0
    if found_s <= 0:
        raise ValueError(f"{text!r} is no deadline: write 90s, 15m or 2h.")
    return found_s


def _mapping(made: Plan) -> dict[str, object]:
    return {
        "nodes": made.cluster.text,
        "makespan_s": made.makespan_s,
        "cpu_share": made.cpu_share,
        "spilled_bytes": made.spilled_bytes,
        "transferred_bytes": made.transferred_bytes,
        "cost": made.cost,
        "impossible": made.impossible,
    }
