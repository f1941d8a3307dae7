"""What went wrong in a whole search, in a line; and the rules of faults that could do nothing in it, and why: most are
misspelt, and a search that seems to find nothing has tried nothing.

Must not live here: rules (`localray.faults`), running seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from localray.faults import parse
from localray.faults.presets import PRESETS
from localray.faults.rules import Rule
from localray.sim.nodes import parse_nodes
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
            # The search itself says among how many.
            why = _too_late(rule, settings, outcomes) if not most else ""
            why = why or _no_node(rule, settings) or _why(rule, most, outcomes)
            said.append(f"The rule {replace(rule, among=0)} has done nothing: {why}.")
    return said


def faults_in_words(outcomes: Sequence[Outcome]) -> str:
    """Which faults have happened in a search, how often, and from when to when.

    Example:
        >>> times = [{"crash_node": (at_s,)} for at_s in (0.0, 0.25, 0.5)]
        >>> seeds = [Outcome(7, "", "", "", 9, 1.5, {}, fault_times_s=each) for each in times]
        >>> faults_in_words(seeds)
        'faults: 3 × crash_node (0.00 to 0.50 s)'
    """
    times: dict[str, list[float]] = {}
    for outcome in outcomes:
        for fault, moments in outcome.fault_times_s.items():
            times.setdefault(fault, []).extend(moments)
    told = [f"{len(moments)} × {fault} ({_span(moments)} s)" for fault, moments in sorted(times.items())]
    return f"faults: {', '.join(told) or 'none has happened'}"


def _span(moments: Sequence[float]) -> str:
    first, last = f"{min(moments):.2f}", f"{max(moments):.2f}"
    return first if first == last else f"{first} to {last}"


def _too_late(rule: Rule, settings: Settings, outcomes: Sequence[Outcome]) -> str:
    begins_s, over_s = max(rule.at_s, rule.after_s), max(outcome.virtual_time_s for outcome in outcomes)
    if begins_s > over_s:
        return f"the program was over at {over_s:.2f} s" + (" at the latest" if len(outcomes) > 1 else "")
    if begins_s >= settings.heal_after_s:
        return f"nothing goes wrong any more from {settings.heal_after_s:g} s on, see --heal-after"
    return ""


def _no_node(rule: Rule, settings: Settings) -> str:
    count = len(parse_nodes(settings.nodes)) if settings.nodes else 1
    if rule.node < count:
        return ""
    return f"the nodes are 0 to {count - 1}, unless others join" if count > 1 else "there is only node 0"


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
