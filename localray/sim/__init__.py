"""The simulation: ordinary programs on a virtual cluster, under a virtual clock and a seed; the same seed gives the
same run, always.

* `program`: `run` a program and get a `Report`; `session`: what `ray.init(engine="sim")` starts
* `clock`, `events`, `links`: virtual time, what is going to happen, messages on their way
* `carrier`, `agenda`, `carriers`: threads of which one runs at a time; `threads`, `loops`, `patches`: what programs
  find in place of the real things
* `nodes`: what virtual nodes have
* `host`, `worker`, `channel`, `store`: the virtual cluster around the kernel
* `trace`: what happened, and its digest

All decisions are the kernel's; nothing here decides anything but how long things take and what comes first of
simultaneous things, by the seed."""

from localray.sim.errors import DeadlockError, NotSimulatedError, SimulationLimitError
from localray.sim.nodes import SimulatedNode
from localray.sim.program import Report, add_node, remove_node, run

__all__ = [
    "DeadlockError",
    "NotSimulatedError",
    "Report",
    "SimulatedNode",
    "SimulationLimitError",
    "add_node",
    "remove_node",
    "run",
]
