"""The simulation: ordinary programs on a virtual cluster, under a virtual clock and a seed; the same seed gives the
same run, always.

* `program`: `run` a program and get a `Report`; `cluster`: `Cluster`, and what programs may say to their simulation;
  `session`: what `ray.init(engine="sim")` starts
* `clock`, `events`, `links`, `network`: virtual time, what is going to happen, messages on their way
* `deciding`: what the decisions of a scheduler take
* `schedule`: where all that is left open is decided
* `carrier`, `agenda`, `carriers`: threads of which one runs at a time; `threads`, `loops`, `patches`: what programs
  find in place of the real things
* `nodes`, `scaling`: what virtual nodes have, and autoscalers that launch them
* `host`, `worker`, `channel`, `store`, `disk`, `disks`, `state_directory`: the virtual cluster around the kernel
* `modelled`: tasks without a body; `recorded`, `planning`: a recorded run, run again on other clusters
* `injector`, `havoc`: when which fault happens, and what it does
* `watching`, `history`: what programs say must hold
* `trace`: what happened, and its digest

All decisions are the kernel's; nothing here decides anything but how long things take and what comes first of
simultaneous things, by the seed."""

from localray.sim.cluster import Cluster, add_node, always, eventually, point, remove_node
from localray.sim.deciding import DecisionDelay
from localray.sim.errors import (
    CheckFailedError,
    DeadlockError,
    LeftBehindError,
    NotSimulatedError,
    SimulationLimitError,
)
from localray.sim.history import History
from localray.sim.modelled import Hollow, task
from localray.sim.nodes import SimulatedNode
from localray.sim.program import Report, run
from localray.sim.recorded import recorded_durations
from localray.sim.scaling import Autoscaler, NodeType
from localray.sim.state_directory import StateDirectory
from localray.sim.watching import Shared

__all__ = [
    "Autoscaler",
    "CheckFailedError",
    "Cluster",
    "DeadlockError",
    "DecisionDelay",
    "History",
    "Hollow",
    "LeftBehindError",
    "NodeType",
    "NotSimulatedError",
    "Report",
    "Shared",
    "SimulatedNode",
    "SimulationLimitError",
    "StateDirectory",
    "add_node",
    "always",
    "eventually",
    "point",
    "recorded_durations",
    "remove_node",
    "run",
    "task",
]
