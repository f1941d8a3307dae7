"""Nodes launched and let go by demand: when it is looked at, and what follows from the policy's answer.

It is looked at when something has happened, at most once in an interval, and when a node will have been idle for long
enough. Must not live here: which nodes come and go (`localray.sched.autoscaling`), what that is decided by (`demand`),
launching (the driver of the kernel).
"""

from __future__ import annotations

from localray.kernel import deaths
from localray.kernel.demand import situation_of
from localray.kernel.effects import LaunchFailed, LaunchNode
from localray.kernel.records import ClientRecord
from localray.kernel.tables import Tables
from localray.protocol import Notice, RequestResources
from localray.sched import autoscaling
from localray.sched.autoscaling import Scaling


def request(tables: Tables, client: ClientRecord, message: RequestResources) -> None:
    """A program says what the cluster is to be large enough for, in the stead of what it or another said before."""
    tables.requested = message


def arm(tables: Tables, scaling: Scaling) -> None:
    """Something has happened: look soon, but not before the interval is over."""
    at_s = max(tables.now_s, tables.scaled_at_s + scaling.interval_s)
    if tables.scale_at_s is None or at_s < tables.scale_at_s:
        tables.scale_at_s = at_s


def answered(tables: Tables, node_type: str) -> None:
    """One of the nodes that were on their way is not any more."""
    if tables.launching.get(node_type, 0) > 0:
        tables.launching[node_type] -= 1


def launch_failed(tables: Tables, event: LaunchFailed) -> None:
    """It does not come; if it is still needed, another is launched when it is next looked at."""
    answered(tables, event.node_type)
    for job in tables.jobs.values():
        if job.driver:
            text = f"A node of type {event.node_type} could not be launched: {event.cause}."
            tables.send(job.driver, Notice(text))


def tick(tables: Tables) -> None:
    """Time has passed: whether it is time to look, and what the policy then says."""
    scaling = tables.scaling
    if scaling is None or tables.stopped or tables.scale_at_s is None or tables.now_s < tables.scale_at_s:
        return
    situation = situation_of(tables)
    decision = autoscaling.decide(scaling, situation)
    tables.scaled_at_s = tables.now_s
    tables.scale_at_s = autoscaling.next_idle_s(scaling, situation)
    for number in decision.remove:
        deaths.node_died(tables, tables.nodes[number], f"it was idle for {scaling.idle_timeout_s:g} s")
    for name, count in decision.launch:
        tables.launching[name] = tables.launching.get(name, 0) + count
        tables.effects += [LaunchNode(name)] * count
