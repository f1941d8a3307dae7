"""The virtual cluster: steps the kernel for what arrives, and carries its effects out on virtual workers. The
counterpart of `localray.runtime.head`.

Must not live here: decisions; threads and clocks (`localray.sim.carriers`).
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from localray.kernel import ENVIRONMENT, Event, Kernel
from localray.kernel.effects import (
    CoolArena,
    DriverConnected,
    DropArena,
    Effect,
    KillWorker,
    LaunchNode,
    LookAtWorkers,
    MeasureMemory,
    MemoryUsed,
    NodeAdded,
    NodeDied,
    OpenLane,
    ReleaseBuffer,
    Send,
    ShareArena,
    StartWorker,
    Stop,
    Tick,
    WorkerDied,
    WorkerStarted,
)
from localray.kernel.invariants import check
from localray.protocol import ClientMessage, KernelMessage, RegisterDriver, Registered
from localray.sim.carrier import Blocked, Owner
from localray.sim.carriers import Carriers
from localray.sim.channel import VirtualChannel
from localray.sim.clock import NANOSECONDS, to_ns
from localray.sim.deciding import Deciding
from localray.sim.disks import DiskAnswer, Disks
from localray.sim.errors import SimulationLimitError
from localray.sim.lanes import VirtualLanes
from localray.sim.links import Link, Timing
from localray.sim.network import Network, Transfers
from localray.sim.nodes import SimulatedNode
from localray.sim.schedule import Schedule
from localray.sim.store import VirtualStore
from localray.sim.trace import Trace
from localray.sim.worker import KILLED, Interference, VirtualWorker

_LEAST_TICK_NS = 1_000

M = TypeVar("M")


class Checks(enum.Enum):
    """How often the kernel's invariants are checked. A check costs as much as there are objects and tasks, and so does
    not come after every step where there are many: of n, the next comes n / this many steps later."""

    NEVER = 0
    THINNED = 40
    CLOSE = 200


class Host:
    """The driver of the kernel over virtual workers.

    Args:
        kernel: which decides.
        carriers: threads, clock and events.
        schedule: decides what is left open.
        checks: how often the kernel's invariants are checked.
        trace: gets every event and effect.
        notify: shows a text to the user.
    """

    def __init__(
        self,
        kernel: Kernel,
        carriers: Carriers,
        schedule: Schedule,
        checks: Checks,
        trace: Trace,
        notify: Callable[[str], None],
    ) -> None:
        self.kernel = kernel
        self.trace = trace
        self.store = VirtualStore()
        self.disks = Disks(self.store, self._answer_after)
        self.workers: dict[int, VirtualWorker] = {}
        self.step_limit: int | None = None
        self.stopped: Callable[[], None] | None = None
        self.launch: Callable[[str], None] | None = None
        """Gets one more node of a type, for a kernel that launches nodes."""
        self.memory: Callable[[MeasureMemory], MemoryUsed] | None = None
        """Says what a virtual node and its workers use, for a kernel whose memory monitor is on."""
        self.before_step: Callable[[Event, int], None] | None = None
        self.after_step: Callable[[], None] | None = None
        """Who looks on: faults, and what a program's checks say."""
        self.interference: Interference | None = None
        self.late_ns: Callable[[], int] | None = None
        self.has_faults = False
        self.workload_seed = 0
        self.deciding: Deciding | None = None
        self.descriptions: list[SimulatedNode] = []
        self.networks: dict[int, Network] = {}
        self.undead_until_ns: dict[int, int] = {}
        """Nodes that were given up although their workers go on, and until when they do."""
        self._transfers: Transfers | None = None
        self._carriers = carriers
        self._clock = carriers.clock
        self._schedule = schedule
        self._driver_timing = Timing(schedule, "driver")
        self._checks = checks
        self._until_check = 0
        self._notify = notify
        self._told: set[str] = set()
        self._inward: dict[int, Link[KernelMessage]] = {}
        self._outward: dict[int, Link[ClientMessage]] = {}
        self._channels: dict[int, VirtualChannel] = {}
        self._lanes = VirtualLanes(self._link, self.at, lambda: self.now_ns)
        self._node_ids: list[bytes] = []
        self._tick_at_ns: int | None = None
        self._tick_known = False
        self._carry_out = self._hands()
        carriers.agenda.tick_at_ns = self._next_tick_ns
        carriers.agenda.tick = lambda: self.step(Tick(), ENVIRONMENT)

    def _hands(self) -> dict[type[Effect], Callable[[Effect], None]]:
        """What carries out which effect."""
        return {
            StartWorker: self._start_worker,  # type: ignore[dict-item]
            KillWorker: self._kill_worker,  # type: ignore[dict-item]
            LaunchNode: self._launch,  # type: ignore[dict-item]
            ReleaseBuffer: self._release,  # type: ignore[dict-item]
            MeasureMemory: self._measure_memory,  # type: ignore[dict-item]
            LookAtWorkers: lambda effect: None,
            CoolArena: lambda effect: None,
            ShareArena: lambda effect: None,
            DropArena: lambda effect: None,
            OpenLane: self._open_lane,  # type: ignore[dict-item]
            Stop: self._stop,  # type: ignore[dict-item]
            **self.disks.carry_out,
        }

    # ---------------------------------------------------------------- setting up

    def add_node(self, event: NodeAdded, description: SimulatedNode) -> None:
        """A node joins."""
        number = len(self._node_ids)
        self._node_ids.append(event.node_id)
        self.descriptions.append(description)
        is_special = description.speed != 1 or description.latency_s or description.bandwidth_bytes_per_s
        if self.has_faults or is_special:
            self.networks[number] = Network(description, self._clock, self.late_ns)
        if description.bandwidth_bytes_per_s and self._transfers is None:
            self._transfers = Transfers(self._clock)
        self.step(event, ENVIRONMENT)

    def lose_node(self, event: NodeDied) -> None:
        """A node dies; the kernel says which workers end with it."""
        self.step(event, ENVIRONMENT)

    def node_number(self, node_id: bytes) -> int:
        """The kernel's number of a node; raises ValueError where there is none of this id."""
        if node_id not in self._node_ids:
            raise ValueError(f"There is no node {node_id.hex()} in this simulation.")
        return self._node_ids.index(node_id)

    def connect_driver(self, owner: Owner, hello: RegisterDriver) -> tuple[Registered, VirtualChannel]:
        """A driver joins at once; returns what the kernel says, and the driver's channel, which still needs its
        client."""
        number = self.kernel.new_client_number()
        arrived: list[KernelMessage] = []

        def wait_for_answer(blocked: Blocked) -> None:
            def take(messages: list[KernelMessage]) -> None:
                arrived.extend(messages)
                self._carriers.wake(blocked)

            self._inward[number] = self._link("to driver", 0, take)
            self.step(DriverConnected(number), ENVIRONMENT)
            self.step(hello, number)

        self._carriers.block(lambda: "registers with the kernel", None, wait_for_answer)
        answer = arrived[0]
        if not isinstance(answer, Registered):
            raise TypeError(f"the kernel answered a driver with {type(answer).__name__}")
        return answer, self._open_channel(number, owner, 0, self._driver_timing)

    def _link(
        self,
        party: str,
        node: int,
        deliver: Callable[[list[M]], None],
        held_ns: Callable[[M], int] | None = None,
    ) -> Link[M]:
        network = self.networks.get(node)
        return Link(self._clock, self._carriers.events, self._schedule, party, network, deliver, held_ns)

    def _open_channel(self, number: int, owner: Owner, node: int, timing: Timing) -> VirtualChannel:
        deciding = self.deciding
        outward: Link[ClientMessage] = self._link(
            f"from {number}",
            node,
            partial(self._take_in, number),
            None if deciding is None else lambda message: deciding.decided_ns(message, node),
        )
        channel = VirtualChannel(self._carriers, timing, owner, outward, self.describe)
        self._outward[number] = outward
        self._channels[number] = channel
        inward: Link[KernelMessage] = self._link(f"to {number}", node, channel.deliver)
        known = self._inward.get(number)
        if known is not None:
            inward.not_before(known.last_arrival_ns)
        self._inward[number] = inward
        return channel

    # ---------------------------------------------------------------- time

    @property
    def now_ns(self) -> int:
        """The virtual time."""
        return self._clock.now_ns

    def at(self, at_ns: int, act: Callable[[], object]) -> None:
        """Something happens at that time."""
        self._carriers.events.add(at_ns, act)

    def between_steps(self, act: Callable[[], object]) -> None:
        """For user code: let the world change while the program waits a moment."""

        def register(blocked: Blocked) -> None:
            act()
            self._carriers.wake(blocked)

        self._carriers.block(lambda: "lets the world change", None, register)

    # ---------------------------------------------------------------- stepping

    def _take_in(self, number: int, messages: list[ClientMessage]) -> None:
        for message in messages:
            self.step(message, number)

    def step(self, event: Event, sender: int) -> bool:
        """Step the kernel and carry out what it says; returns whether it said anything."""
        if self.before_step is not None:
            self.before_step(event, sender)
        now_ns = self._clock.now_ns
        trace = self.trace
        trace.event(now_ns, event, sender)
        if self.step_limit is not None and trace.steps > self.step_limit:
            waiting = "\n".join(self._carriers.agenda.waiting())
            raise SimulationLimitError(
                f"The simulation was allowed {self.step_limit} steps, and is not done:\n{waiting}"
            )
        effects = self.kernel.step(now_ns / NANOSECONDS, event, sender)
        self._tick_known = False
        if self._checks is not Checks.NEVER:
            self._check()
        trace.effects(now_ns, effects)
        inward = self._inward
        for effect in effects:
            if type(effect) is Send:
                link = inward.get(effect.client)
                if link is not None:
                    if self._transfers is not None:
                        self._await_transfer(link, effect)
                    link.send(effect.message)
            else:
                self._carry_out[type(effect)](effect)
        if self.after_step is not None:
            self.after_step()
        return bool(effects)

    def _await_transfer(self, link: Link[KernelMessage], effect: Send) -> None:
        """What gives a place on another node arrives when what is there has been copied."""
        worker = self.workers.get(effect.client)
        network = self.networks.get(0 if worker is None else worker.node)
        if self._transfers is not None and network is not None:
            node = 0 if worker is None else worker.node
            arrival_ns = self._transfers.arrival_ns(effect.message, node, network)
            if arrival_ns > self._clock.now_ns:
                link.not_before(arrival_ns)

    def _check(self) -> None:
        self._until_check -= 1
        if self._until_check > 0:
            return
        tables = self.kernel.tables
        check(tables)
        self._until_check = (len(tables.objects) + len(tables.tasks)) // self._checks.value

    def _next_tick_ns(self) -> int | None:
        if not self._tick_known:
            self._tick_known = True
            deadline_s = self.kernel.deadline_s
            # Always later than now: a deadline that rounds to this very moment would be ticked for ever.
            self._tick_at_ns = (
                None if deadline_s is None else max(to_ns(deadline_s), self._clock.now_ns) + _LEAST_TICK_NS
            )
        return self._tick_at_ns

    def describe(self, object_id: bytes) -> str:
        """An object somebody waits for: its id and what the kernel knows of its story."""
        story = self.kernel.tables.log.story(object_id)
        task = self.kernel.tables.tasks.get(object_id[:24])
        name = f" of {task.template.name}, whose task is {task.state.name}" if task is not None else ""
        return f"object {object_id.hex()}{name}" + "".join(f"\n      {line}" for line in story)

    # ---------------------------------------------------------------- effects

    def _start_worker(self, effect: StartWorker) -> None:
        number, node = effect.worker, effect.node
        timing = Timing(self._schedule, f"worker {number}", self.workload_seed)
        worker = VirtualWorker(number, node, self._carriers, timing, self.networks.get(node), self._worker_ended)
        self.workers[number] = worker
        at_ns = self._clock.now_ns + timing.start_up_ns()
        channel = self._open_channel(number, worker, node, timing)
        worker.come_up(channel, self.store, self._node_ids[node], self._notify, self._ignored)
        if self.interference is not None:
            worker.interfere(self.interference)
        self._inward[number].not_before(at_ns)
        self._carriers.events.add(at_ns, lambda: self._worker_up(worker))

    def _ignored(self, text: str) -> None:
        """Tell the user of something that has no effect here, once."""
        if text not in self._told:
            self._told.add(text)
            self._notify(text)

    def _worker_up(self, worker: VirtualWorker) -> None:
        if worker.alive:
            self.step(WorkerStarted(worker.number), ENVIRONMENT)

    def _kill_worker(self, effect: KillWorker) -> None:
        worker = self.workers.get(effect.worker)
        if worker is None:
            return
        undead_until_ns = self.undead_until_ns.get(worker.node, 0)
        if undead_until_ns > self._clock.now_ns:
            self.at(undead_until_ns, lambda: worker.end(KILLED))
        else:
            worker.end(KILLED)

    def _worker_ended(self, worker: VirtualWorker, cause: str) -> None:
        """What it had sent arrives; then the kernel learns of its end."""
        del self.workers[worker.number]
        self._inward.pop(worker.number).cut = True
        outward = self._outward.pop(worker.number)
        del self._channels[worker.number]
        self._lanes.worker_ended(worker.number)
        at_ns = max(self._clock.now_ns + worker.timing.death_ns(), outward.last_arrival_ns + 1)
        died = WorkerDied(worker.number, cause, worker.started)
        self.at(at_ns, lambda: self._report_death(died, outward))

    def _report_death(self, died: WorkerDied, outward: Link[ClientMessage]) -> None:
        if outward.is_empty:
            self.step(died, ENVIRONMENT)
        else:
            # A partition holds back what it had sent.
            self.at(outward.last_arrival_ns + 1, lambda: self._report_death(died, outward))

    def _open_lane(self, effect: OpenLane) -> None:
        worker = self.workers.get(effect.worker)
        if worker is None:
            return  # Its death is on its way to the kernel.
        opened = self._lanes.open(effect, self._channels[effect.client], worker.channel, worker.node)
        for number in (effect.client, effect.worker):
            self._inward[number].send(opened)

    def _release(self, effect: ReleaseBuffer) -> None:
        self.store.release(effect.location)
        if self._transfers is not None:
            self._transfers.forget(effect.location)

    def _measure_memory(self, effect: MeasureMemory) -> None:
        if self.memory is not None:
            self.step(self.memory(effect), ENVIRONMENT)

    def _answer_after(self, delay_ns: int, act: Callable[[], DiskAnswer]) -> None:
        self.at(self._clock.now_ns + delay_ns, lambda: self.step(act(), ENVIRONMENT))

    def _launch(self, effect: LaunchNode) -> None:
        if self.launch is not None:
            self.launch(effect.node_type)

    def _stop(self, effect: Stop) -> None:
        if self.stopped is not None:
            self.stopped()

    def close(self) -> None:
        """The simulation is over; nobody need be told."""
        self.disks.finish()
        for worker in self.workers.values():
            worker.close()
        self.workers.clear()
        self._channels.clear()
