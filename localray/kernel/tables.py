"""All of the kernel's state in one place, and the few things every part of it does: look up, send, note.

The parts of the kernel (`objects`, `tasks`, `actors`, `workers`, `scheduling`) are functions over these tables. What
one part starts and another must go on with is left in the small work lists here (`woken`, `unreferenced_actors`,
`hungry`, `freed`, `crowded`, `unplaceable`, `lost`, `unneeded_lineage`), which `Kernel.step` drains: so the parts need
not import each other in circles, and no chain of consequences, however long, recurses.
"""

from __future__ import annotations

from collections import deque

from localray.exceptions import InternalError
from localray.kernel.effects import Effect, Send
from localray.kernel.history import History
from localray.kernel.kept_documents import KeptActor
from localray.kernel.records import (
    ActorRecord,
    ClientRecord,
    GroupRecord,
    JobRecord,
    KeptWrite,
    NodeRecord,
    ObjectRecord,
    Reservation,
    SchedulingClass,
    TaskRecord,
    Template,
    WorkerRecord,
)
from localray.kernel.store_records import SpillFile
from localray.kernel.story import TransitionLog
from localray.kernel.stream_records import StreamRecord
from localray.protocol import (
    DefineFunction,
    DefineRuntimeEnv,
    DefineTemplate,
    KernelMessage,
    RequestResources,
    Status,
)
from localray.sched.autoscaling import Scaling
from localray.sched.memory import MemorySettings
from localray.sched.placement import Policy
from localray.sched.rooms import NodeIndex
from localray.sched.survival import SurvivalSettings
from localray.sched.views import Dice


class Tables:
    """The kernel's records, by id. ``random`` is seeded by whoever makes the kernel; nothing here reads a clock."""

    __slots__ = (
        "actors",
        "backlogged",
        "began_s",
        "bereaved",
        "classes",
        "clients",
        "collect_at_s",
        "collected_for_room_at_s",
        "crowded",
        "departing",
        "effects",
        "freed",
        "functions",
        "group_names",
        "groups",
        "groups_hungry",
        "groups_wait",
        "history",
        "hungry",
        "index",
        "infeasible",
        "jobs",
        "keeper",
        "keeps_actors",
        "kept_writes",
        "key_values",
        "lanes_opened",
        "launching",
        "least_cpu",
        "leaving",
        "lineage",
        "lineage_bytes",
        "log",
        "look_at_s",
        "lost",
        "lost_values",
        "measure_at_s",
        "memory",
        "names",
        "next_client",
        "next_job",
        "nodes",
        "now_s",
        "objects",
        "opens_lanes",
        "overtaken_at_s",
        "patience_at_s",
        "patient",
        "pending_groups",
        "policy",
        "postponed",
        "random",
        "reap_at_s",
        "removed_groups",
        "requested",
        "reservation",
        "resuming",
        "runtime_envs",
        "scale_at_s",
        "scaled_at_s",
        "scaling",
        "sites",
        "spill_files",
        "standing",
        "start_failures",
        "starved",
        "starving_look_at_s",
        "stopped",
        "streams",
        "survival",
        "takes_turns",
        "task_sites",
        "tasks",
        "template_messages",
        "templates",
        "timed_stores",
        "to_revive",
        "told",
        "turn",
        "unborn",
        "unneeded_lineage",
        "unplaceable",
        "unreferenced_actors",
        "woken",
        "workers",
    )

    def __init__(
        self, random: Dice, memory: MemorySettings, policy: Policy | None = None, *, standing: bool = False
    ) -> None:
        self.random = random
        self.memory = memory
        self.policy = policy
        self.survival = SurvivalSettings()
        # The time of the last event, and when the first node came.
        self.now_s = self.began_s = 0.0
        self.log, self.history = TransitionLog(), History()
        self.effects: list[Effect] = []
        self.objects: dict[bytes, ObjectRecord] = {}
        self.tasks: dict[bytes, TaskRecord] = {}
        # Of generators, by task.
        self.streams: dict[bytes, StreamRecord] = {}
        self.actors: dict[bytes, ActorRecord] = {}
        self.names: dict[tuple[str, str], ActorRecord] = {}
        self._make_groups()
        self.workers: dict[int, WorkerRecord] = {}
        self.clients: dict[int, ClientRecord] = {}
        self.nodes: dict[int, NodeRecord] = {}
        # Of the same nodes, for policies; and whose turn it is where they take turns.
        self.index = NodeIndex()
        self.turn = 0
        self.jobs: dict[int, JobRecord] = {}
        self.runtime_envs: dict[bytes, DefineRuntimeEnv] = {}
        self.classes: dict[tuple[object, ...], SchedulingClass] = {}
        self._make_definitions()
        self._make_queues()
        self._make_stores()
        # Workers with tasks waiting in their own line, looked at when one of them may be held up.
        self.backlogged: dict[WorkerRecord, None] = {}
        self.woken: deque[TaskRecord] = deque()
        self.unreferenced_actors: deque[ActorRecord] = deque()
        self.resuming: deque[WorkerRecord] = deque()
        # Workers whose process has not said hello yet.
        self.unborn: dict[int, None] = {}
        # Where references were made, by object and client, and the last tasks submitted; of programs that ask for it.
        self.sites: dict[bytes, dict[int, str]] = {}
        self.task_sites: dict[bytes, str] = {}
        self.start_failures, self.stopped = 0, False
        # Workers of actors that were told to end, and when they will be killed instead; the earliest first.
        self.leaving: dict[WorkerRecord, float] = {}
        self.reap_at_s: float | None = None
        # When the memory monitor measures next, and tasks that it will have tried again then.
        self.measure_at_s: float | None = None
        # When the processes of busy workers are looked at next.
        self.look_at_s: float | None = None
        # How often drivers, by their jobs' numbers, would have been told the same.
        self.told: dict[tuple[int, str], int] = {}
        self.postponed: dict[TaskRecord, float] = {}
        self.next_client = self.next_job = 1
        # Whether the session outlives its drivers; then the client with which it ends, 0 for nobody.
        self.standing = standing
        self.keeper = 0
        # Whether there is a state directory; files on their way there, by name; actors that come back from there.
        self.keeps_actors = False
        self.kept_writes: dict[str, KeptWrite] = {}
        self.to_revive: tuple[KeptActor, ...] = ()
        self._make_scaling()

    def _make_scaling(self) -> None:
        """Nodes that come and go by demand, where somebody launches them."""
        self.scaling: Scaling | None = None
        # When it is looked at next whether others are needed, and when it was last.
        self.scale_at_s: float | None = None
        self.scaled_at_s = float("-inf")
        # Nodes that are to go when they are idle.
        self.departing: dict[int, NodeRecord] = {}
        # How many nodes of each type are on their way.
        self.launching: dict[str, int] = {}
        # Whether drivers get lanes to actors, and how many they got.
        self.opens_lanes = True
        self.lanes_opened = 0
        # What programs have requested, whether or not somebody launches nodes.
        self.requested = RequestResources((), ())

    def _make_groups(self) -> None:
        """Placement groups."""
        # Placement groups that are not removed; those of them that wait for room, and whether there may be some now.
        self.groups: dict[bytes, GroupRecord] = {}
        self.group_names: dict[tuple[str, str], GroupRecord] = {}
        self.pending_groups: dict[GroupRecord, None] = {}
        self.groups_hungry = False
        # Whether any of them could have room if others gave some back.
        self.groups_wait = False
        # Ids of detached actors that have died: the groups they created are to go.
        self.bereaved: deque[bytes] = deque()
        # The last of those that are removed.
        self.removed_groups: dict[bytes, GroupRecord] = {}

    def _make_definitions(self) -> None:
        """What clients define, for each other and for their workers."""
        self.templates: dict[int, Template] = {}
        self.template_messages: dict[int, DefineTemplate] = {}
        self.functions: dict[bytes, DefineFunction] = {}
        # By namespace; for programs, see `key_values`.
        self.key_values: dict[bytes, dict[bytes, bytes]] = {}

    def _make_queues(self) -> None:
        """Who waits to be placed, and why not now."""
        # Whether tasks of every depth have their turn, or the deepest always goes first.
        self.takes_turns = True
        # Classes with queued tasks: worth a try now, and those that failed for want of something since when nothing was
        # freed.
        self.hungry: dict[SchedulingClass, None] = {}
        self.starved: dict[SchedulingClass, None] = {}
        # When it is looked at whether the starved can ever be served.
        self.starving_look_at_s: float | None = None
        # Numbers of nodes on which something was freed since: the starved are asked in turn whether they want it. None
        # of them asks for fewer CPUs than `least_cpu`.
        self.freed: dict[int, None] = {}
        self.least_cpu = 0
        # Those that no node could ever take: worth a try when nodes come.
        self.infeasible: dict[SchedulingClass, None] = {}
        # Tasks that were found to be impossible to place, and why: they are to fail.
        self.unplaceable: deque[tuple[TaskRecord, Status, bytes]] = deque()
        # Of the starved, those for which there was room (`patience`): the depth of the task that was held back all the
        # same; and when that is over.
        self.patient: dict[SchedulingClass, int] = {}
        self.patience_at_s: float | None = None
        # The node that is kept free for one of the starved; and when, at the earliest, one of them will have waited for
        # so long that the next to overtake it starts such a reservation.
        self.reservation: Reservation | None = None
        self.overtaken_at_s = float("inf")

    def _make_stores(self) -> None:
        """Where values are, which of them can be made again, and which have to be."""
        self.spill_files: dict[str, SpillFile] = {}
        # Numbers of nodes whose stores may have room now for those that wait for it.
        self.crowded: dict[int, None] = {}
        # When all were told to collect their garbage because room was scarce; when all are to be told next in any case.
        self.collected_for_room_at_s: float | None = None
        self.collect_at_s: float | None = None
        # Numbers of nodes whose stores may want a tick.
        self.timed_stores: dict[int, None] = {}
        # Finished tasks that could make what they made again, oldest first, and what they take.
        self.lineage: dict[bytes, TaskRecord] = {}
        self.lineage_bytes = 0
        # Those of them that have nothing to make any more.
        self.unneeded_lineage: deque[TaskRecord] = deque()
        # Objects that are needed and have no value any more, each with why: to be made again, or to fail.
        self.lost: dict[ObjectRecord, str] = {}
        # Whether any value ever went while somebody referred to it: queued tasks may need it.
        self.lost_values = False

    def send(self, client: int, message: KernelMessage) -> None:
        """Ask the driver of the kernel to deliver a message."""
        self.effects.append(Send(client, message))

    def new_client_number(self) -> int:
        """Count up the numbers that name clients, and by which their ids differ from everybody else's."""
        number = self.next_client
        self.next_client += 1
        return number

    def broken(self, what: str, identity: bytes | int) -> InternalError:
        """An internal error that carries the story of the thing concerned."""
        return InternalError(what, story=self.log.story(identity))
