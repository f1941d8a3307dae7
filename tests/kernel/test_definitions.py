"""What drivers that have left had defined is forgotten by a session that outlives them, and nothing that is needed."""

from __future__ import annotations

from .cluster import Cluster


def play(*lines: str) -> Cluster:
    cluster = Cluster()
    for line in ("standing", "node cpu=4", *lines):
        cluster.execute(line)
    return cluster


def definitions(cluster: Cluster) -> tuple[int, int, int]:
    """How many functions, templates and scheduling classes there are."""
    tables = cluster.kernel.tables
    assert set(tables.templates) == set(tables.template_messages)
    return len(tables.functions), len(tables.templates), len(tables.classes)


def test_many_drivers_leave_nothing() -> None:
    cluster = play()
    worker = 0
    for number in range(1, 20):
        driver = f"d{number}"
        cluster.execute(f"driver {driver}")
        cluster.execute(f"{driver} submit t{number}")
        worker += 1
        cluster.execute(f"w{worker} submit s{number} fn=inner")
        worker += 1
        cluster.execute(f"{driver} leaves")
        cluster.execute(f"w{worker - 1} dies started=1")
        cluster.execute(f"w{worker} dies started=1")
        # The last one's worker was still there when it left.
        assert max(definitions(cluster)) <= 2, number
    cluster.execute("driver last")
    cluster.execute("last leaves")
    assert definitions(cluster) == (0, 0, 0)


def test_what_a_detached_actor_has_is_kept() -> None:
    cluster = play("driver d", "d actor a1 name=n1 detached", "w1 done a1", "w1 submit t1", "d submit t2 fn=g", "d leaves")
    functions, templates, _ = definitions(cluster)
    assert (functions, templates) == (3, 3), "the actor's own, its task's, and those of the task that is dying"
    for line in ("w3 dies started=1", "w2 done t1", "w1 submit t3", "w2 done t3", "driver e", "e leaves"):
        cluster.execute(line)
    assert definitions(cluster)[:2] == (2, 2), "the actor's own, and its tasks'"
    for line in ("driver e", "e find n1", "e kill a1"):
        cluster.execute(line)
    for line in ("w1 dies", "w2 dies", "e leaves"):
        cluster.execute(line)
    assert definitions(cluster) == (0, 0, 0)


def test_a_call_of_anothers_actor_is_still_made() -> None:
    cluster = play("driver d", "d actor a1 name=n1", "driver e", "e find n1", "e call a1 c1", "e leaves")
    cluster.execute("w1 done a1")
    assert any("c1" in line for line in cluster.renderer.lines(cluster.effects))
    cluster.execute("w1 done c1")
    cluster.execute("d leaves")
    cluster.execute("w1 dies started=2")
    cluster.execute("driver f")
    cluster.execute("f leaves")
    assert definitions(cluster) == (0, 0, 0)


def test_what_a_function_had_captured_is_let_go_of() -> None:
    cluster = play("driver d", "d put o1 = x", "d submit t1 fn=f", "w1 done t1", "d leaves", "w1 dies", "driver e", "e leaves")
    assert not cluster.kernel.tables.objects and definitions(cluster) == (0, 0, 0)
