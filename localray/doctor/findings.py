"""What of a recorded run a cluster would not have, and what to do about it. Pure: lines in, findings out.

Must not live here: recording (`localray.client.recording`), printing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from localray.client.recording import Touched

LARGE_BYTES = 1_000_000
_SHOWN = 3


class Concern(Enum):
    """Why a program would do something else on a cluster; the value is the advice."""

    LOCAL_FILES = "each node needs them at the same path: pass the bytes, a working_dir, or storage that all share"
    WRITTEN_FILES = "they stay on the node where the task ran: return the data, or use storage that all nodes share"
    THIS_MACHINE = "another node has another localhost: use the name of the machine that serves"
    PROGRAMS = "each node needs them installed"
    GLOBALS = "other workers, and the driver, do not see that: return the value, or keep it in an actor"
    RESOURCES = "some node of the cluster must have them: ray start --num-gpus=..., --resources='{...}'"
    LARGE_DEFINITIONS = "they travel to every worker: ray.put() what they carry, and pass the reference"


class Finding(NamedTuple):
    """One concern and what it is about, most important first."""

    concern: Concern
    task: str
    what: tuple[str, ...]

    def text(self) -> str:
        """One line for the user."""
        more = f" and {len(self.what) - _SHOWN} more" if len(self.what) > _SHOWN else ""
        return f"{self.task} {_VERBS[self.concern]} {', '.join(self.what[:_SHOWN])}{more}"


_VERBS = {
    Concern.LOCAL_FILES: "reads",
    Concern.WRITTEN_FILES: "writes",
    Concern.THIS_MACHINE: "connects to",
    Concern.PROGRAMS: "starts",
    Concern.GLOBALS: "changes the global variable",
    Concern.RESOURCES: "needs",
    Concern.LARGE_DEFINITIONS: "carries",
}
_BY_KIND = {
    Touched.READS: Concern.LOCAL_FILES,
    Touched.WRITES: Concern.WRITTEN_FILES,
    Touched.CONNECTS: Concern.THIS_MACHINE,
    Touched.STARTS: Concern.PROGRAMS,
    Touched.SETS_GLOBAL: Concern.GLOBALS,
    Touched.CHANGES_GLOBAL: Concern.GLOBALS,
    Touched.NEEDS: Concern.RESOURCES,
    Touched.CARRIES: Concern.LARGE_DEFINITIONS,
}


def findings(lines: Iterable[str]) -> list[Finding]:
    """What the lines of a recording say.

    Example:
        >>> [finding.text() for finding in findings(['{"task": "f", "touched": "reads", "what": "/data/a"}'])]
        ['f reads /data/a']
    """
    found: dict[tuple[Concern, str], list[str]] = {}
    for line in lines:
        entry = json.loads(line)
        touched, what = Touched(entry["touched"]), entry["what"]
        if touched is Touched.CARRIES:
            if int(what) < LARGE_BYTES:
                continue
            what = f"{int(what) / 1e6:.1f} MB"
        elif touched is Touched.CONNECTS and not _is_this_machine(what):
            continue
        found.setdefault((_BY_KIND[touched], entry["task"]), []).append(what)
    order = list(Concern)
    keys = sorted(found, key=lambda key: (order.index(key[0]), key[1]))
    return [Finding(concern, task, tuple(sorted(set(found[concern, task])))) for concern, task in keys]


def _is_this_machine(address: str) -> bool:
    return any(name in address for name in ("127.0.0.1", "localhost", "::1"))
