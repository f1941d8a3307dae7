"""Which fields of a rule mean something for which fault, and the words that ``on`` knows, so that a rule that could not
do what its author thinks is refused where it is written.

Must not live here: rules (`localray.faults.rules`), carrying them out.
"""

from __future__ import annotations

from typing import Final

MEANT_BY_ALL: Final = frozenset(
    ("at_s", "on", "point", "nth", "among", "probability", "after_s", "until_s", "times")
)
"""Fields that say when."""

MEANT_BY: Final[dict[str, frozenset[str]]] = {
    fault: frozenset(fields.split())
    for fault, fields in {
        "kill_worker": "phase task node only_retriable by_s",
        "delay_messages": "by_s",
        "crash_node": "node only_retriable returns_s",
        "zombie_node": "node only_retriable lasts_s returns_s",
        "slow_node": "node lasts_s factor",
        "partition": "node lasts_s",
        "fill_store": "node lasts_s share",
        "lose_object": "",
        "slow_disk": "lasts_s factor",
        "fill_disk": "lasts_s",
        "corrupt_disk": "share",
        "out_of_memory": "node only_retriable",
        "preempt_node": "node only_retriable lasts_s returns_s",
        "lose_gpu": "node",
        "head_away": "lasts_s",
        "fail_launch": "",
    }.items()
}
"""The others, of each fault."""

_EVENTS: Final = """
AbandonBuffer ActorExiting ActorNamed AddNode AddReferences AnswerByLane Ask AwaitTaken CallByLane CancelTask
CheckpointFailed CollectEverywhere ConfigureJob CreateActor CreateGroup DefineFunction DefineRuntimeEnv
DefineTemplate DeviceLost DrainNode DriverConnected DriverDisconnected DriverLags DropReferences DropStream
EndSession FileKept FindActor FindGroup FreeObjects GetObjects KeyValue KillActor LaunchFailed LeaseBuffer
MemoryUsed NodeAdded NodeDied NodeDraining ObjectDamaged ObjectYielded ObjectsSpilled PutObject RecordSite
RegisterDriver RemoveGroup RemoveNode RequestResources ReserveBuffer RuntimeEnvFailed SaveCheckpoint ShutDown
SpillFileCreated SubmitCall SubmitTask TakeItems TaskDone TasksReturned Tick UnpinObjects WatchGroup WithdrawGet
WorkerDied WorkerPrinted WorkerReady WorkerStarted WorkersStopped
"""

EVENTS: Final = frozenset(_EVENTS.split())
"""All that a kernel may be told: the members of `localray.kernel.Event`, which stands above this."""
