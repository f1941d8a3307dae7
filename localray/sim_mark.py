"""What `@pytest.mark.sim(...)` says, read and checked, so that whoever mistypes it is told so in a line; and the story
of a seed under which such a test fails.

Must not live here: pytest, and what is then run (`localray.pytest_plugin`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from typing import Any

from localray.faults import parse
from localray.sim import Cluster
from localray.sim.nodes import parse_nodes
from localray.sim.scaling import parse_autoscaler
from localray.sim.search.report import draw
from localray.sim.search.story import About, tell

DEFAULT_SEEDS = 20


@dataclass(frozen=True, slots=True)
class SimMark:
    """Under how many seeds a test runs, and the options of each of its `localray.sim.Cluster`s."""

    seeds: int
    options: dict[str, Any]


def read(arguments: tuple[object, ...], keywords: Mapping[str, Any]) -> SimMark:
    """Read a mark.

    Raises:
        ValueError: it makes no sense; the text says why, and what would.

    Example:
        >>> read((), {"seeds": 3, "nodes": "2x4cpu"})
        SimMark(seeds=3, options={'check_left_behind': True, 'nodes': '2x4cpu'})
    """
    if arguments:
        raise ValueError(f"{arguments[0]!r} has no keyword: write sim(seeds=..., nodes=..., faults=...).")
    known = ["seeds", *(name for name in signature(Cluster).parameters if name != "seed")]
    for name, value in keywords.items():
        if name not in known:
            raise ValueError(_unknown(name, value, known))
    options = {"check_left_behind": True, **keywords}
    seeds = options.pop("seeds", DEFAULT_SEEDS)
    if not isinstance(seeds, int) or seeds < 1:
        raise ValueError(f"seeds={seeds!r} is not how many: write a whole number from 1.")
    _check("nodes", parse_nodes, options)
    _check("faults", parse, options)
    _check("autoscaler", parse_autoscaler, options)
    return SimMark(seeds, options)


def _unknown(name: str, value: object, known: list[str]) -> str:
    if name == "seed":
        return f"there is no seed: `seeds=` says how many, and `pytest --sim-seed={value}` runs only that one."
    close = get_close_matches(name, known, 1)
    meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}."
    return f"there is no {name}: {meant}"


def _check(name: str, parse: Any, options: Mapping[str, Any]) -> None:
    if name in options:
        try:
            parse(options[name])
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name}={options[name]!r}: {error}") from None


def explained(cluster: Cluster, test: str, error: BaseException, folder: str) -> tuple[str, tuple[Path, ...]]:
    """The story of a test that has failed in a cluster which kept its trace, and the files that tell and draw it."""
    report = cluster.report(error)
    title = f"seed {cluster.seed} of {test}"
    story = tell(About(title), report)
    name = f"{re.sub('[^A-Za-z0-9_.-]+', '-', test)}-{cluster.seed}"
    return story, draw(Path(folder), name, f"{test}, seed {cluster.seed}", story, report)
