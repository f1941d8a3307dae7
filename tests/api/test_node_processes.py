"""Processes in a suite's hand: killed, and waited for."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from localray.cluster_utils import Cluster
from localray.node_processes import HeadProcess


def test_a_head_is_waited_for_until_it_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"]) as started:
        head = HeadProcess(started.pid)
        with pytest.raises(TimeoutError, match=rf"The head, process {started.pid}, lives on after 0\.02 s\."):
            head.wait(timeout=0.02)
        head.kill()
        assert head.wait(timeout=10) == -signal.SIGKILL
        assert started.wait() == -signal.SIGKILL
    # Nor does it matter whether anybody has been told of its end.
    assert head.wait() == -signal.SIGKILL


def test_a_node_is_waited_for_until_it_is_gone() -> None:
    cluster = Cluster(initialize_head=True)
    try:
        node = cluster.add_node(num_cpus=1)
        process = node.all_processes["raylet"][0].process
        with pytest.raises(TimeoutError, match=rf"ClusterNode\({node.node_id[:12]}\) lives on after 0 s\."):
            process.wait(timeout=0)
        process.kill()
        assert process.wait(timeout=10) == -signal.SIGKILL
    finally:
        cluster.shutdown()
