"""The story of one thing, read out of the log; the log's bound; determinism of the whole."""

from __future__ import annotations

from localray import ids
from localray.kernel.records import ObjectState, TaskState
from localray.kernel.story import TransitionLog

from .cluster import Cluster

PROGRAM = (
    "node cpu=1",
    "driver d",
    "d submit t1 retries=1",
    "d submit t2 deps=t1",
    "w1 starts",
    "+1ms",
    "w1 dies started=1 cause=SIGKILL",
    "w2 starts",
    "w2 done t1 = 1",
    "d drop t1",
    "w2 done t2 = 2",
)


def played(seed: int = 0) -> tuple[Cluster, list[str]]:
    cluster = Cluster(seed)
    return cluster, [answer for line in PROGRAM for answer in cluster.execute(line)]


def test_the_story_of_a_task_tells_what_happened_and_why() -> None:
    cluster, _ = played()
    assert cluster.execute("story t1") == [
        "0.000000 task t1 WAITING: submitted: f",
        "0.000000 task t1 QUEUED: arguments ready",
        "0.000000 task t1 SENT: to worker 2",
        "0.001000 task t1 QUEUED: its worker died: SIGKILL",
        "0.001000 task t1 SENT: to worker 3",
        "0.001000 task t1 FINISHED: answered",
        "0.001000 object t1 READY: delivered",
        "0.001000 object t1 GONE: no references",
    ]


def test_the_story_of_a_worker_is_told_by_its_number() -> None:
    cluster, _ = played()
    story = [line.split(" ", 3)[3] for line in cluster.execute("story w1")]
    assert story == ["STARTING: on node 0", "IDLE: can be sent to", "LEASED: leased", "DEAD: SIGKILL"]


def test_a_client_may_ask_for_a_story() -> None:
    cluster, _ = played()
    (answer,) = cluster.execute("d ask story t2")
    assert "FINISHED: answered" in answer
    assert "t1" not in answer


def test_a_log_forgets_the_oldest() -> None:
    log = TransitionLog(kept_entries=2)
    for reason in ("first", "second", "third"):
        log.note(1, TaskState.QUEUED, reason)
    assert [line.rsplit(" ")[-1] for line in log.story(1)] == ["second", "third"]


def test_an_objects_story_includes_its_tasks() -> None:
    log = TransitionLog()
    task_id = ids.task_id_bytes(1, 1, ids.nil_actor_id(1))
    log.note(task_id, TaskState.FINISHED, "answered")
    log.note(ids.object_id_bytes(task_id, 1), ObjectState.READY, "delivered")
    log.note(ids.task_id_bytes(1, 2, ids.nil_actor_id(1)), TaskState.FINISHED, "another")
    assert len(log.story(ids.object_id_bytes(task_id, 2))) == 2


def test_the_same_events_give_the_same_effects() -> None:
    first, answers = played()
    second, again = played()
    assert answers == again
    assert first.kernel.tables.log.lines() == second.kernel.tables.log.lines()
