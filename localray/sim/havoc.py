"""Carries out what rules of faults say, on virtual nodes, workers, links and disks.

What happens is only what the real world does: processes that end, messages that are late, disks that fail. The kernel
hears of it as it would from a real driver of its own, and what follows is its decision. Must not live here: whether a
rule has its moment (`localray.faults.injector`).
"""

from __future__ import annotations

from collections.abc import Callable

from localray.faults import Fault, Phase, Rule
from localray.faults.injector import ArmedRule, Injector
from localray.faults.rules import NOT_ON_THE_DRIVERS_NODE
from localray.kernel import ENVIRONMENT, Event
from localray.kernel.devices import outside_groups
from localray.kernel.effects import (
    DeviceLost,
    DriverConnected,
    DriverDisconnected,
    MemoryUsed,
    NodeDied,
    NodeDraining,
)
from localray.kernel.records import NodeRecord, ObjectState, TaskRecord, WorkerRecord
from localray.protocol import INLINE, NODE_SHIFT, ObjectDamaged, ReserveBuffer, RunTask
from localray.sim.clock import to_ns
from localray.sim.host import Host
from localray.sim.nodes import SimulatedNode
from localray.sim.worker import KILLED, VirtualWorker

_MEMORY_BYTES = 1000
_USED_BYTES = 990
_WORKER_BYTES = 90
"""What a node that runs out of memory says it has and uses, and each of its workers: one of them will have to go."""

_WHEN = {
    Phase.BEFORE: "before",
    Phase.DURING: "during",
    Phase.AFTER: "after",
    Phase.REPLIED: "after the answer of",
}
"""A phase, as it is told with a task."""


class Havoc:
    """The faults of one simulation.

    Args:
        host: of the simulation.
        injector: has the rules.
        join: lets a node join.
        origin_ns: the virtual time from which the rules count theirs.
    """

    def __init__(
        self, host: Host, injector: Injector, join: Callable[[SimulatedNode], object], origin_ns: int = 0
    ) -> None:
        self.injector = injector
        self._host = host
        self._join = join
        self._origin_ns = origin_ns
        self._driver = 0
        self._busy = False
        self._doomed: dict[tuple[int, bytes], ArmedRule] = {}
        self._phases: dict[Phase, tuple[ArmedRule, ...]] = dict.fromkeys(Phase, ())
        stepwise = []
        for armed in injector.armed:
            rule = armed.rule
            if rule.at_s >= 0:
                continue
            if rule.fault is Fault.KILL_WORKER and not rule.on and not rule.point:
                self._phases[rule.phase] += (armed,)
            elif rule.fault not in (Fault.DELAY_MESSAGES, Fault.FAIL_LAUNCH) and not rule.point:
                stepwise.append(armed)
        self._stepwise = tuple(stepwise)
        self._late = injector.of(Fault.DELAY_MESSAGES)
        self._launches = injector.of(Fault.FAIL_LAUNCH)
        self._acts: dict[Fault, Callable[[ArmedRule, int], str]] = {
            Fault.KILL_WORKER: self._kill_somebody,
            Fault.CRASH_NODE: self._crash_node,
            Fault.ZOMBIE_NODE: self._crash_node,
            Fault.SLOW_NODE: self._slow_node,
            Fault.PARTITION: self._partition,
            Fault.FILL_STORE: self._fill_store,
            Fault.LOSE_OBJECT: self._lose_object,
            Fault.SLOW_DISK: self._slow_disk,
            Fault.FILL_DISK: self._fill_disk,
            Fault.CORRUPT_DISK: self._corrupt_disk,
            Fault.OUT_OF_MEMORY: self._out_of_memory,
            Fault.PREEMPT_NODE: self._preempt_node,
            Fault.LOSE_GPU: self._lose_gpu,
            Fault.HEAD_AWAY: self._head_away,
        }
        host.has_faults = True
        host.interference = self if any(self._phases.values()) else None
        host.late_ns = self._late_ns if self._late else None

    def interfere_with_all(self) -> None:
        """The workers that are there already are meant, too."""
        for worker in self._host.workers.values():
            if self._host.interference is not None:
                worker.interfere(self._host.interference)

    def begin(self, driver: int) -> None:
        """The driver, a client of this number, is there: from now on things go wrong."""
        self._driver = driver
        if self._stepwise:
            self._host.before_step = self._before_step
        for armed in self.injector.armed:
            if armed.rule.at_s >= 0:
                self._host.at(self._origin_ns + to_ns(armed.rule.at_s), lambda armed=armed: self._moment(armed))  # type: ignore[misc]

    def heal(self) -> None:
        """Nothing goes wrong any more, and what passes is over."""
        self.injector.healed = True
        self._host.before_step = None
        self._host.store.disk.slowness.clear()
        self._host.store.disk.is_full = False
        for network in self._host.networks.values():
            network.held_until_ns = 0
            network.recover(at_once=True)

    # ---------------------------------------------------------------- moments

    def _before_step(self, event: Event, sender: int) -> None:
        """The kernel is about to be told something: a chance for all that may happen at any time."""
        if self._busy:
            return
        for armed in self._stepwise:
            if not armed.rule.on or armed.rule.on == type(event).__name__:
                self._moment(armed, sender)

    def at_point(self, name: str, owner: object) -> None:
        """The program comes by a point that it has named."""
        for armed in self.injector.armed:
            rule = armed.rule
            if rule.point != name or not self.injector.is_due(armed):
                continue
            if rule.fault is not Fault.KILL_WORKER:
                self._host.between_steps(lambda armed=armed: self._moment(armed))  # type: ignore[misc]
            elif isinstance(owner, VirtualWorker) and self._is_meant(rule, owner, None) and self.injector.take(armed):
                self.injector.note(armed, f"worker {owner.number} at point {name!r}")
                owner.kill()

    def _moment(self, armed: ArmedRule, sender: int = ENVIRONMENT) -> None:
        if self.injector.is_due(armed) and self.injector.take(armed):
            self._busy = True
            try:
                text = self._acts[armed.rule.fault](armed, sender)
            except Exception:
                # It has happened, and what came of it is what the run fails by.
                self.injector.note(armed, f"{armed.rule.fault.value}, of which the simulation broke")
                raise
            finally:
                self._busy = False
            if text:
                self.injector.note(armed, text)

    def _after(self, delay_s: float, act: Callable[[], None]) -> None:
        self._host.at(self._host.now_ns + to_ns(delay_s), act)

    # ---------------------------------------------------------------- tasks

    def before(self, worker: VirtualWorker, message: RunTask) -> bool:
        """A task is about to begin: whether its worker dies instead."""
        return self._dies(Phase.BEFORE, worker, message.task_id)

    def began(self, worker: VirtualWorker, message: RunTask) -> None:
        """A task has begun: its worker may die before it answers, after a while or when it is about to."""
        task_id = message.task_id
        for armed in self._phases[Phase.DURING]:
            if self._has_its_chance(armed, worker, task_id):
                key = (worker.number, task_id)
                self._doomed[key] = armed
                self._after(
                    self.injector.dice(armed).random() * armed.rule.by_s, lambda: self._kill_doomed(worker, task_id)
                )
                return

    def _kill_doomed(self, worker: VirtualWorker, task_id: bytes) -> None:
        armed = self._doomed.pop((worker.number, task_id), None)
        if armed is not None and worker.alive:
            self.injector.note(armed, self._described(worker, task_id, Phase.DURING))
            worker.end(KILLED)

    def answering(self, worker: VirtualWorker, task_id: bytes) -> bool:
        """A task has done all it does: whether its worker dies before it answers."""
        armed = self._doomed.pop((worker.number, task_id), None)
        if armed is not None:
            self.injector.note(armed, self._described(worker, task_id, Phase.DURING))
            return True
        return self._dies(Phase.AFTER, worker, task_id)

    def answered(self, worker: VirtualWorker, task_id: bytes) -> bool:
        """A task's answer is on its way: whether the worker dies right after."""
        return self._dies(Phase.REPLIED, worker, task_id)

    def _dies(self, phase: Phase, worker: VirtualWorker, task_id: bytes) -> bool:
        for armed in self._phases[phase]:
            if self._has_its_chance(armed, worker, task_id):
                self.injector.note(armed, self._described(worker, task_id, phase))
                return True
        return False

    def _has_its_chance(self, armed: ArmedRule, worker: VirtualWorker, task_id: bytes) -> bool:
        return (
            self.injector.is_due(armed)
            and self._is_meant(armed.rule, worker, task_id)
            and self.injector.take(armed)
        )

    def _is_meant(self, rule: Rule, worker: VirtualWorker, task_id: bytes | None) -> bool:
        """Whether the guards of a rule let this task of this worker through."""
        record = self._host.kernel.tables.workers.get(worker.number)
        if record is None or record.killed or (rule.node >= 0 and record.node.number != rule.node):
            return False
        tasks = list(record.assigned.values()) if task_id is None else self._task(task_id)
        names = [task.template.name for task in tasks] if rule.task else []
        self.injector.names.update(names)
        if rule.task and not any(map(rule.means, names)):
            return False
        begun = rule.phase in (Phase.DURING, Phase.AFTER) or task_id is None
        return not rule.only_retriable or comes_again(record, tasks if begun else [])

    def _task(self, task_id: bytes) -> list[TaskRecord]:
        task = self._host.kernel.tables.tasks.get(task_id)
        return [] if task is None else [task]

    def _described(self, worker: VirtualWorker, task_id: bytes, phase: Phase) -> str:
        name = "".join(task.template.name for task in self._task(task_id))
        return f"worker {worker.number} killed {_WHEN[phase]} {name or task_id.hex()}"

    def _kill_somebody(self, armed: ArmedRule, sender: int) -> str:
        """The worker that has just said something, or else any that has something to do."""
        workers = self._host.workers
        records = self._host.kernel.tables.workers
        if armed.rule.on and sender in workers:
            candidates = [workers[sender]]
        else:
            candidates = [each for each in workers.values() if each.number in records and records[each.number].assigned]
        candidates = [worker for worker in candidates if self._is_meant(armed.rule, worker, None)]
        if not candidates:
            return ""
        victim = candidates[self.injector.dice(armed).randrange(len(candidates))]
        victim.end(KILLED)
        return f"worker {victim.number} killed"

    # ---------------------------------------------------------------- messages and nodes

    def _late_ns(self) -> int:
        """How much later than usual the next message arrives."""
        late_ns = 0
        for armed in self._late:
            if self.injector.is_due(armed) and self.injector.take(armed):
                added_ns = to_ns(self.injector.dice(armed).random() * armed.rule.by_s)
                self.injector.note(armed, f"a message {added_ns / 1e6:.3f} ms late")
                late_ns += added_ns
        return late_ns

    def _node(self, armed: ArmedRule) -> NodeRecord | None:
        """The node that a fault happens to."""
        rule = armed.rule
        nodes = [
            node
            for node in self._host.kernel.tables.nodes.values()
            if node.alive
            and rule.node in (-1, node.number)
            and not (node.number == 0 and rule.fault in NOT_ON_THE_DRIVERS_NODE)
        ]
        if rule.only_retriable and rule.fault in NOT_ON_THE_DRIVERS_NODE:
            nodes = [node for node in nodes if self._nothing_is_lost_with(node)]
        return nodes[self.injector.dice(armed).randrange(len(nodes))] if nodes else None

    def _nothing_is_lost_with(self, node: NodeRecord) -> bool:
        """Whether all that a node does and has is done again, or is somewhere else."""
        tables = self._host.kernel.tables
        if not all(comes_again(worker, list(worker.assigned.values())) for worker in node.workers.values()):
            return False
        return not any(
            record.location >= 0 and record.location >> NODE_SHIFT == node.number
            and record.maker is None and not record.copied_to
            for record in tables.objects.values()
        )

    def _crash_node(self, armed: ArmedRule, sender: int) -> str:
        node = self._node(armed)
        if node is None:
            return ""
        rule, description = armed.rule, self._host.descriptions[node.number]
        text = f"node {node.number} crashed"
        if rule.fault is Fault.ZOMBIE_NODE:
            self._host.undead_until_ns[node.number] = self._host.now_ns + to_ns(rule.lasts_s)
            text = f"node {node.number} given up, its workers go on for {rule.lasts_s:g} s"
        self._host.lose_node(NodeDied(node.number, "it crashed"))
        if rule.returns_s >= 0:
            self._after(rule.returns_s, lambda: self._return(description))
        return text

    def _return(self, node: SimulatedNode) -> None:
        if not self._host.kernel.tables.stopped:
            self._join(node)

    def _preempt_node(self, armed: ArmedRule, sender: int) -> str:
        """Whoever owns the node wants it back: it is told of, and gone a while later."""
        node = self._node(armed)
        if node is None or node.draining:
            return ""
        rule, number, description = armed.rule, node.number, self._host.descriptions[node.number]
        self._host.step(NodeDraining(number, f"it is preempted in {rule.lasts_s:g} s"), ENVIRONMENT)

        def take_away() -> None:
            self._host.lose_node(NodeDied(number, "it was preempted"))
            if rule.returns_s >= 0:
                self._after(rule.returns_s, lambda: self._return(description))

        self._after(rule.lasts_s, take_away)
        return f"node {number} preempted, with a notice of {rule.lasts_s:g} s"

    def _lose_gpu(self, armed: ArmedRule, sender: int) -> str:
        """A GPU that no placement group has falls out of its node, and takes along whoever uses it."""
        node = self._node(armed)
        if node is None:
            return ""
        devices = outside_groups(self._host.kernel.tables, node)
        if not devices:
            return ""
        device = devices[self.injector.dice(armed).randrange(len(devices))]
        self._host.step(DeviceLost(node.number, device), ENVIRONMENT)
        return f"GPU {device} of node {node.number} lost"

    def _head_away(self, armed: ArmedRule, sender: int) -> str:
        """The head is restarted, with all it knew: it hears nobody and nobody hears it for a while."""
        until_ns = self._host.now_ns + to_ns(armed.rule.lasts_s)
        for network in self._host.networks.values():
            network.held_until_ns = max(network.held_until_ns, until_ns)
        return f"the head away for {armed.rule.lasts_s:g} s"

    def launch_fails(self) -> bool:
        """A node is about to be launched: whether it does not come."""
        for armed in self._launches:
            if self.injector.is_due(armed) and self.injector.take(armed):
                self.injector.note(armed, "a node is not launched")
                return True
        return False

    def _slow_node(self, armed: ArmedRule, sender: int) -> str:
        node = self._node(armed)
        if node is None:
            return ""
        network = self._host.networks[node.number]
        network.slow(armed.rule.factor, to_ns(armed.rule.lasts_s))
        self._after(armed.rule.lasts_s, network.recover)
        return f"node {node.number} {armed.rule.factor:g} times slower for {armed.rule.lasts_s:g} s"

    def _partition(self, armed: ArmedRule, sender: int) -> str:
        node = self._node(armed)
        if node is None:
            return ""
        network, until_ns = self._host.networks[node.number], self._host.now_ns + to_ns(armed.rule.lasts_s)
        network.held_until_ns = max(network.held_until_ns, until_ns)
        return f"node {node.number} cut off for {armed.rule.lasts_s:g} s"

    def _out_of_memory(self, armed: ArmedRule, sender: int) -> str:
        node = self._node(armed)
        if node is None:
            return ""
        busy = [worker for worker in node.workers.values() if worker.assigned and not worker.stopping]
        if armed.rule.only_retriable:
            busy = [worker for worker in busy if comes_again(worker, list(worker.assigned.values()))]
        if not busy:
            return ""
        used = tuple((number, _WORKER_BYTES) for number in node.workers)
        self._host.step(MemoryUsed(node.number, _USED_BYTES, _MEMORY_BYTES, used, ()), ENVIRONMENT)
        return f"node {node.number} low on memory"

    # ---------------------------------------------------------------- objects and disks

    def _fill_store(self, armed: ArmedRule, sender: int) -> str:
        """Another driver takes room in the store of a node, for a while."""
        host, node = self._host, self._node(armed)
        if node is None:
            return ""
        allocator = node.store.allocator
        size_bytes = int((allocator.capacity_bytes - allocator.used_bytes) * armed.rule.share)
        if size_bytes <= 0:
            return ""
        number = host.kernel.new_client_number()
        host.step(DriverConnected(number, node=node.number), ENVIRONMENT)
        host.step(ReserveBuffer(0, size_bytes), number)
        self._after(armed.rule.lasts_s, lambda: self._leave(number))
        return f"{size_bytes} bytes of the store of node {node.number} taken for {armed.rule.lasts_s:g} s"

    def _leave(self, number: int) -> None:
        self._host.step(DriverDisconnected(number), ENVIRONMENT)

    def _lose_object(self, armed: ArmedRule, sender: int) -> str:
        objects = self._host.kernel.tables.objects.values()
        stored = [each for each in objects if each.state is ObjectState.READY and each.location != INLINE]
        if not stored:
            return ""
        victim = stored[self.injector.dice(armed).randrange(len(stored))]
        text = "its place does not hold it any more"
        self._host.step(ObjectDamaged(victim.object_id, victim.location, victim.payload, text), self._driver)
        return f"object {victim.object_id.hex()} lost"

    def _slow_disk(self, armed: ArmedRule, sender: int) -> str:
        slowness = self._host.store.disk.slowness
        slowness.begin(armed.rule.factor, self._host.now_ns + to_ns(armed.rule.lasts_s))
        self._after(armed.rule.lasts_s, lambda: slowness.pass_away(self._host.now_ns))
        return f"the disk {armed.rule.factor:g} times slower for {armed.rule.lasts_s:g} s"

    def _fill_disk(self, armed: ArmedRule, sender: int) -> str:
        disk = self._host.store.disk
        if disk.is_full:
            return ""
        disk.is_full = True

        def recover() -> None:
            disk.is_full = False

        self._after(armed.rule.lasts_s, recover)
        return f"the disk full for {armed.rule.lasts_s:g} s"

    def _corrupt_disk(self, armed: ArmedRule, sender: int) -> str:
        disk, dice = self._host.store.disk, self.injector.dice(armed)
        damaged = [entry for entry in disk.entries() if dice.random() < armed.rule.share]
        for path, offset in damaged:
            disk.damage(path, offset)
        return f"{len(damaged)} objects on disk damaged" if damaged else ""


def comes_again(worker: WorkerRecord, begun: list[TaskRecord]) -> bool:
    """Whether all that a worker is or has begun would be tried again if it died."""
    actor = worker.actor
    if actor is not None:
        # What waits for an actor comes again only if it may be tried again, begun or not.
        return actor.creation.retries_left != 0 and all(task.retries_left != 0 for task in worker.assigned.values())
    return all(task.retries_left != 0 for task in begun)
