"""Faults as data: rules that say what goes wrong and when, for the simulation and for whoever hurts real processes.

* `rules`: a `Rule`, its kinds, phases, triggers and guards, and their checks
* `meanings`: which fields mean something for which fault, and the events there are
* `text`: rules as text, for command lines, and as plain dicts, for files
* `injector`: which rules have their moment
* `presets`: `calm`, `chaos`, `swarm`

Nothing here does anything: `localray.sim` carries rules out on virtual workers, `localray.runtime.havoc` on real ones.
"""

from localray.faults.presets import named
from localray.faults.rules import Fault, Phase, Rule
from localray.faults.text import parse

__all__ = ["Fault", "Phase", "Rule", "named", "parse"]
