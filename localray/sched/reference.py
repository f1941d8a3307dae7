"""Reference policies to compare with, for simulations: those that the paper on Ray describes and measures against.

* `bottom_up`: the submitter's own node first; what it has no room for goes to where least must be copied (Moritz and
  others, 2018, section 4.2.2)
* `central`: one scheduler for all: where least must be copied, else where most is free
* `unaware`: wherever there is room, whatever would have to be copied

Pure functions of a `Question`. Must not live here: Ray's own policies (`localray.sched.placement`), how long a decision
takes (`localray.sim.deciding`).
"""

from __future__ import annotations

from localray.sched.placement import Question
from localray.sched.resources import CPU, fits
from localray.sched.views import NodeView


def bottom_up(question: Question) -> int | None:
    """The submitter's node while it has room and nothing large is elsewhere; else as `central`."""
    local = next((node for node in question.nodes if node.number == question.local), None)
    if local is not None and fits(local.available, question.demand) and _to_copy(question, local) == 0:
        return local.number
    return central(question)


def central(question: Question) -> int | None:
    """Of the nodes with room, that to which least must be copied; of these that with most CPUs free."""
    best = min(
        _with_room(question),
        key=lambda node: (_to_copy(question, node), -node.available.get(CPU, 0), node.number),
        default=None,
    )
    return None if best is None else best.number


def unaware(question: Question) -> int | None:
    """Any node with room, by the dice."""
    nodes = _with_room(question)
    return nodes[question.dice.randrange(len(nodes))].number if nodes else None


def _with_room(question: Question) -> list[NodeView]:
    return [node for node in question.nodes if fits(node.available, question.demand)]


def _to_copy(question: Question, node: NodeView) -> int:
    """Bytes of the large arguments that are elsewhere, as far as the node with most of them tells."""
    return max(question.bytes_at.values(), default=0) - question.bytes_at.get(node.number, 0)
