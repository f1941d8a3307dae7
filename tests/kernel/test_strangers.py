"""What comes from nobody known, or too late, changes nothing at all: no effect, no record, no line in the log."""

from __future__ import annotations

import pytest

from .cluster import Cluster

BUSY = (
    "node cpu=2",
    "driver d",
    "d submit t1 retries=3",
    "w1 starts",
    "d actor a1",
    "w2 starts",
    "w2 done a1",
    "d call a1 c1",
    "w1 done t1 = 1",
    "d submit gone",
    "w1 done gone = 1",
    "d get c1",
)
IGNORED = (
    "stranger submit t9",
    "stranger get t1",
    "stranger drop t1",
    "stranger kill a1",
    "stranger done c1 = forged",
    "stranger shuts_down",
    "stranger leaves",
    "stranger starts",
    "stranger dies started=3",
    "d done c1 = forged",
    "w1 done c1 = forged",
    "w1 done gone = again",
    "w1 returned gone t1",
    "d returned c1",
    "d withdraw 99",
    "d abandon at=4096",
    "d drop t9",
    "d cancel gone",
    "d kill nobody",
    "w1 exits a1",
    "w1 shuts_down",
    "w2 leaves",
    "w1 starts",
)


def picture(cluster: Cluster) -> tuple[object, ...]:
    """All that could have changed, as far as anybody could notice."""
    tables = cluster.kernel.tables
    return (
        tables.log.lines(),
        {task_id: (task.state, task.attempt, task.worker) for task_id, task in tables.tasks.items()},
        {object_id: (record.state, record.references) for object_id, record in tables.objects.items()},
        {number: (worker.state, list(worker.assigned)) for number, worker in tables.workers.items()},
        {number: sorted(client.held) for number, client in tables.clients.items()},
        [dict(node.available) for node in tables.nodes.values()],
    )


@pytest.mark.parametrize("line", IGNORED)
def test_is_ignored(line: str) -> None:
    cluster = Cluster()
    for each in BUSY:
        cluster.execute(each)
    before = picture(cluster)
    if line.split()[1:3] == ["submit", "t9"]:
        cluster.names.add_task("t9", 1, b"\0" * 16, 1)
    assert cluster.execute(line) == []
    assert picture(cluster) == before
