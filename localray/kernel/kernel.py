"""The kernel's front: one event in, effects out.

    effects = kernel.step(now_s, event, sender)

`step` finds the handler of the event's type, lets it change the tables, then drains the work lists until nothing is
left to conclude. It is
deterministic: the same events at the same times with the same seed give the same effects, whatever the hash seed or the
address of anything.
Must not live here: rules (they are in the parts, named after the things they rule), IO, clocks, threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from localray.kernel import (
    actors,
    departures,
    groups,
    jobs,
    lineage,
    memory,
    placing,
    queues,
    recovery,
    reservations,
    reviving,
    scaling,
    scheduling,
    store,
    tasks,
)
from localray.kernel.effects import (
    Effect,
    EnvironmentEvent,
    Tick,
)
from localray.kernel.environment import ENVIRONMENT_HANDLERS
from localray.kernel.kept_documents import KeptActor
from localray.kernel.records import (
    ActorState,
    TaskRecord,
    TaskState,
)
from localray.kernel.requests import CLIENT_HANDLERS
from localray.kernel.tables import Tables
from localray.protocol import (
    ClientMessage,
    Status,
    TaskKind,
)
from localray.sched.autoscaling import Scaling
from localray.sched.memory import MemorySettings
from localray.sched.placement import Policy
from localray.sched.survival import SurvivalSettings
from localray.sched.views import Dice

MONITOR_OFF: Final = MemorySettings()
LOOKS_AT_NOBODY: Final = SurvivalSettings()

Event: TypeAlias = ClientMessage | EnvironmentEvent

ENVIRONMENT: Final = 0
"""The sender of events that come from the driver of the kernel itself."""


class Kernel:
    """All decisions of a cluster, without any IO. See `localray.kernel.effects` for the contract with its driver.

    Args:
        random: the dice with which ties are broken. Every driver, a simulation included, passes in its own seeded
            ``random.Random(seed)``: the kernel imports no dice, so that the seed is the driver's to choose and to
            print.
        memory_settings: of the memory monitor; off by default.
        policy: places tasks in the stead of Ray's policies; for simulations.
        standing: the session goes on without drivers (`localray.kernel.sessions`).
        survival: when workers that do not move are looked at.
        autoscaling: nodes are launched and let go by demand; without it there are those that join by themselves.
        kept: actors that come back from the session's state directory; None where it has none.
        takes_turns: tasks of every nesting depth have their turn. Not where what a waiting task waits for runs on top
            of it, on the same thread: the deepest always goes first there.
        opens_lanes: drivers may be connected with actors' workers (`localray.kernel.lanes`).
    """

    def __init__(
        self,
        random: Dice,
        memory_settings: MemorySettings = MONITOR_OFF,
        policy: Policy | None = None,
        *,
        standing: bool = False,
        survival: SurvivalSettings = LOOKS_AT_NOBODY,
        autoscaling: Scaling | None = None,
        kept: Sequence[KeptActor] | None = None,
        takes_turns: bool = True,
        opens_lanes: bool = True,
    ) -> None:
        self.tables = Tables(random, memory_settings, policy, standing=standing)
        self.tables.survival = survival
        self.tables.history.with_tasks = survival.lists_tasks
        self.tables.scaling = autoscaling
        self.tables.takes_turns = takes_turns
        self.tables.opens_lanes = opens_lanes
        if kept is not None:
            reviving.prepare(self.tables, kept)

    @property
    def deadline_s(self) -> float | None:
        """When the kernel wants a `Tick` at the latest, on the clock that `step` is given; None for never."""
        tables = self.tables
        earliest_s = _earlier(tables.reap_at_s, tables.patience_at_s)
        if tables.collect_at_s is not None:
            earliest_s = _earlier(earliest_s, tables.collect_at_s)
        if tables.starving_look_at_s is not None:
            earliest_s = _earlier(earliest_s, tables.starving_look_at_s)
        if tables.scale_at_s is not None:
            earliest_s = _earlier(earliest_s, tables.scale_at_s)
        if tables.timed_stores:
            earliest_s = _earlier(earliest_s, store.deadline_s(tables))
        if tables.backlogged:
            earliest_s = _earlier(earliest_s, scheduling.backlog_deadline_s(tables))
        if tables.leaving:
            earliest_s = _earlier(earliest_s, next(iter(tables.leaving.values())))
        if tables.reservation is not None:
            earliest_s = _earlier(earliest_s, reservations.deadline_s(tables))
        if tables.look_at_s is not None:
            earliest_s = _earlier(earliest_s, tables.look_at_s)
        if tables.measure_at_s is not None or tables.postponed:
            earliest_s = _earlier(earliest_s, memory.deadline_s(tables))
        return earliest_s

    def close(self) -> None:
        """The session is over: nothing comes after this."""

    def new_client_number(self) -> int:
        """The number for a driver that is about to connect."""
        return self.tables.new_client_number()

    def step(self, now_s: float, event: Event, sender: int = ENVIRONMENT) -> list[Effect]:
        """Take one event in and say what is to be done about it.

        Args:
            now_s: the time, in seconds on any clock that never goes back.
            event: a client's message, or an event of the environment.
            sender: the number of the client that sent the message.

        Returns:
            Effects, to be carried out in this order.

        Raises:
            InternalError: an invariant would break; the tables are then not to be trusted.
        """
        tables = self.tables
        tables.now_s = tables.log.now_s = now_s
        if sender == ENVIRONMENT:
            ENVIRONMENT_HANDLERS[type(event)](tables, event)  # type: ignore[index, arg-type]
        else:
            client = tables.clients.get(sender)
            # What a worker of a dead node still says is not heard: as if it had not been sent.
            if client is not None and (client.worker is None or client.worker.node.alive):
                CLIENT_HANDLERS[type(event)](tables, client, event)  # type: ignore[index, arg-type]
        _settle(tables)
        if tables.departing:
            departures.let_go(tables)
            _settle(tables)
        if tables.scaling is not None and type(event) is not Tick:
            scaling.arm(tables, tables.scaling)
        effects = tables.effects
        tables.effects = []
        return effects


def _earlier(one_s: float | None, other_s: float | None) -> float | None:
    if one_s is None or other_s is None:
        return one_s if other_s is None else other_s
    return min(one_s, other_s)


def _settle(tables: Tables) -> None:
    """Follow every consequence to its end."""
    while True:
        if tables.lost:
            recovery.recover(tables)
        elif tables.unneeded_lineage:
            lineage.discard_unneeded(tables, tables.unneeded_lineage.popleft())
        elif tables.woken:
            _arguments_ready(tables, tables.woken.popleft())
        elif tables.resuming:
            scheduling.resume(tables, tables.resuming.popleft())
        elif tables.unreferenced_actors:
            actor = tables.unreferenced_actors.popleft()
            if actor.state is ActorState.DEAD:
                actors.forget(tables, actor)
            else:
                actors.out_of_scope(tables, actor)
        elif tables.crowded:
            number, _ = tables.crowded.popitem()
            store.serve(tables, tables.nodes[number].store)
        elif tables.bereaved:
            jobs.detached_actor_died(tables, tables.bereaved.popleft())
        elif tables.unplaceable:
            _fail_unrun(tables, *tables.unplaceable.popleft())
        elif tables.groups_hungry and not tables.stopped:
            groups.place_pending(tables)
        elif (tables.hungry or tables.freed) and not tables.stopped:
            placing.dispatch(tables)
        else:
            return


def _arguments_ready(tables: Tables, task: TaskRecord) -> None:
    """All arguments of a task are there: place it, or fail it with the first that is an error."""
    # What it needs may have been lost since it was woken; a second try has its own time.
    if task.state is not TaskState.WAITING or task.missing or task in tables.postponed:
        return
    kind = task.template.kind
    if kind is TaskKind.ACTOR_CALL:
        actors.argument_ready(tables, task)
        return
    refusal = tasks.refusal(tables, task)
    if refusal is not None:
        _fail_unrun(tables, task, *refusal)
        return
    if task.dependencies:
        failure = tasks.failed_dependency(tables, task)
        if failure is not None:
            _fail_unrun(tables, task, *failure)
            return
    queues.enqueue(tables, task, "arguments ready")


def _fail_unrun(tables: Tables, task: TaskRecord, status: Status, payload: bytes) -> None:
    """A task or constructor that will never start: an argument has failed, its driver has left, no node may take it."""
    if task.actor is None:
        tasks.fail(tables, task, status, payload, "it cannot be run")
    else:
        if status is Status.ARGUMENT_FAILED:
            status = Status.ACTOR_ARGUMENT_FAILED
        elif status is Status.UNSCHEDULABLE:
            status = Status.ACTOR_UNSCHEDULABLE
        actors.end(tables, task.actor, status, payload, "its constructor cannot be run")
