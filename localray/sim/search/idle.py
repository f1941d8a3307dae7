"""Rules of faults that could do nothing in a whole search, and why: most are misspelt, and a search that seems to find
nothing has tried nothing.

Must not live here: rules (`localray.faults`), running seeds.
"""

from __future__ import annotations

from collections.abc import Sequence

from localray.faults import parse
from localray.faults.presets import PRESETS
from localray.faults.rules import Rule
from localray.sim.search.case import Outcome, Settings

_MOST_NAMES = 8


def idle_rules(settings: Settings, outcomes: Sequence[Outcome]) -> list[str]:
    """A sentence for each rule that never had the chance it waits for. Presets are for all programs, and have rules
    that most can do without; dice that have not fallen may fall under the next seed."""
    if not outcomes or settings.faults in PRESETS:
        return []
    said = []
    for number, rule in enumerate(parse(settings.faults, outcomes[0].seed)):
        key = f"{number} {rule}"
        if not all(key in outcome.fault_counts for outcome in outcomes):
            continue  # Each seed draws rules of its own.
        most = max(outcome.fault_chances.get(key, 0) for outcome in outcomes)
        is_certain = most < max(1, rule.nth) or (not rule.nth and rule.probability >= 1)
        if is_certain and not any(outcome.fault_counts[key] for outcome in outcomes):
            said.append(f"The rule {rule} has done nothing: {_why(rule, most, outcomes)}.")
    return said


def _why(rule: Rule, most: int, outcomes: Sequence[Outcome]) -> str:
    names = sorted({name for outcome in outcomes for name in outcome.task_names})
    if most >= max(1, rule.nth):
        return "whenever it had its chance, there was nothing that it could hit"
    if most:
        return f"it waits for its chance number {rule.nth}, and a run has {most} at most"
    if rule.task and not any(map(rule.means, names)):
        listed = ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
        return f"no task is called {rule.task}; there are {listed}" if names else "no task has got so far"
    if rule.point:
        return f"the program has not come by sim.point({rule.point!r}), or not while the rule's guards let it through"
    return "nothing happens in the program or its cluster that it could turn into a fault"
