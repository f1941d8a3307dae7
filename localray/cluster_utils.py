"""`ray.cluster_utils`: a cluster of several nodes on this machine, for testing programs that are to run on many.

Each node has its own worker processes and its own object store; they share one head process. Nodes are added and
removed while programs run. Must not live here: what a node's death means (the kernel).
"""

from __future__ import annotations

import atexit
import os
import signal
import time
from collections.abc import Mapping
from typing import Any

from localray import session
from localray.absent.catalogue import missing_in
from localray.client.current import current_client
from localray.exceptions import RaySystemError
from localray.node_description import NODE_ADDRESS, describe_node, store_name, unique_node_name
from localray.node_processes import ProcessHandle, ProcessInfo
from localray.protocol import ENDED_IN_ORDER, Query
from localray.runtime.launch import NodeOptions
from localray.runtime.standing import AddedNode, StandingSession
from localray.store_settings import head_variables, store_settings

cluster_not_supported = False
"""Ray's tests ask for this, because its clusters do not run everywhere."""
_FAILED = "health check failed due to missing too many heartbeats"
"""What Ray says of a node that has not said that it would go."""
_DEFAULT_STORE_BYTES = 150 * 1024 * 1024


class NodeProcess(ProcessHandle):
    """A node as Ray's tests handle one of its processes: to kill it, and to `wait` until it is gone. It has no number:
    nodes share their processes."""

    def __init__(self, node: ClusterNode) -> None:
        self._node = node

    def poll(self) -> int | None:
        """None as long as the node lives."""
        return None if self._node.any_processes_alive() else -signal.SIGKILL

    def kill(self) -> None:
        """The node fails."""
        self._node.kill_raylet()

    def terminate(self) -> None:
        """The node fails."""
        self._node.kill_raylet()

    def __str__(self) -> str:
        return str(self._node)


class ClusterNode:
    """One node of a `Cluster`, by the attributes of Ray's node that tests use."""

    def __init__(self, cluster: Cluster, node_id: bytes, *, head: bool) -> None:
        self._cluster = cluster
        self._id = node_id
        self._killed = False
        self.head = head
        self.node_ip_address = NODE_ADDRESS
        self.raylet_ip_address = NODE_ADDRESS
        self.gcs_address = cluster.address
        self.address = cluster.address
        self.webui_url = ""
        self.redis_address = None
        # Names, not paths: what tells nodes apart in Ray's tests.
        self.raylet_socket_name = f"raylet-{self.node_id}"
        self.plasma_store_socket_name = store_name(self.node_id)

    @property
    def node_id(self) -> str:
        """The hexadecimal id."""
        return self._id.hex()

    @property
    def unique_id(self) -> str:
        """What tells the nodes of a machine apart: in Ray the name of the object store's socket."""
        return unique_node_name(self.node_id)

    @property
    def address_info(self) -> dict[str, object]:
        """Facts about how it is reached."""
        return {
            "node_ip_address": NODE_ADDRESS,
            "raylet_ip_address": NODE_ADDRESS,
            "redis_address": None,
            "object_store_address": self.plasma_store_socket_name,
            "raylet_socket_name": self.raylet_socket_name,
            "webui_url": "",
            "session_dir": self.get_session_dir_path(),
            "metrics_export_port": 0,
            "gcs_address": self.gcs_address,
            "address": self.address,
            "dashboard_agent_listen_port": 0,
        }

    @property
    def all_processes(self) -> dict[str, list[ProcessInfo]]:
        """What of the node is alive or has failed by itself: a raylet, which stands for all of it."""
        return {} if self._killed else {"raylet": [ProcessInfo(NodeProcess(self))]}

    def live_processes(self) -> list[tuple[str, ProcessHandle]]:
        """Those of `all_processes` that are alive."""
        return self._processes() if self.any_processes_alive() else []

    def dead_processes(self) -> list[tuple[str, ProcessHandle]]:
        """Those of `all_processes` that are dead."""
        return [] if self.any_processes_alive() else self._processes()

    def _processes(self) -> list[tuple[str, ProcessHandle]]:
        return [(kind, each.process) for kind, found in self.all_processes.items() for each in found]

    def get_session_dir_path(self) -> str:
        """Where the session's files are."""
        return self._cluster.session_directory

    def kill_raylet(self, check_alive: bool = True) -> None:
        """The node fails: its workers die, and what only its store had is lost. The cluster still counts on it."""
        self._fail(_FAILED)

    def kill_all_processes(self, check_alive: bool = True, allow_graceful: bool = False, wait: bool = False) -> None:
        """End the node."""
        self._fail(ENDED_IN_ORDER if allow_graceful else _FAILED)

    def kill_gcs_server(self, check_alive: bool = True) -> None:
        """The head dies, and with it the cluster: here the control service and the nodes end together."""
        self._cluster.kill_head()

    def _fail(self, cause: str) -> None:
        if not self._killed:
            self._killed = True
            self._cluster.fail_node(self, cause)

    def remaining_processes_alive(self) -> bool:
        """Whether what has not been killed on purpose is alive."""
        return self._killed or self._cluster.is_node_alive(self)

    def any_processes_alive(self) -> bool:
        """Whether anything of the node is alive."""
        return self._cluster.is_node_alive(self)

    def is_head(self) -> bool:
        """Whether it is the first node, on which drivers are."""
        return self.head

    def __repr__(self) -> str:
        return f"ClusterNode({self.node_id[:12]}{', head' if self.head else ''})"


class Cluster:
    """A cluster of several nodes on this machine.

    Args:
        initialize_head: start the head node at once.
        connect: join the cluster as a driver at once; needs ``initialize_head``.
        head_node_args: of the head node, see `add_node`.
        shutdown_at_exit: the cluster ends with this process, however that ends. Otherwise it goes on until it is shut
            down, or `localray stop`.

    Raises:
        RuntimeError: ``connect`` without ``initialize_head``.

    Example:
        >>> cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})       # doctest: +SKIP
        >>> node = cluster.add_node(num_cpus=4, resources={"special": 1})                 # doctest: +SKIP
        >>> ray.init(address=cluster.address)                                             # doctest: +SKIP
    """

    def __init__(
        self,
        initialize_head: bool = False,
        connect: bool = False,
        head_node_args: Mapping[str, Any] | None = None,
        shutdown_at_exit: bool = True,
    ) -> None:
        if connect and not initialize_head:
            raise RuntimeError("Cannot connect to uninitialized cluster.")
        self.head_node: ClusterNode | None = None
        self.worker_nodes: set[ClusterNode] = set()
        self.connected = False
        self.redis_address = None
        self.webui_url = ""
        self._session: StandingSession | None = None
        self._environment: dict[str, str] = {}
        self._shutdown_at_exit = shutdown_at_exit
        if initialize_head:
            self.add_node(**(head_node_args or {}))
            if connect:
                self.connect()

    # ---------------------------------------------------------------- what it is

    @property
    def address(self) -> str | None:
        """What `ray.init(address=...)` takes; None without a head."""
        return None if self._session is None else self._session.home.address

    @property
    def gcs_address(self) -> str | None:
        """The same as `address`."""
        return self.address

    @property
    def session_directory(self) -> str:
        """Where the session's files are; empty without a head."""
        return "" if self._session is None else str(self._session.directory)

    def list_all_nodes(self) -> list[ClusterNode]:
        """The head node, then the others."""
        return [*([self.head_node] if self.head_node is not None else []), *self.worker_nodes]

    def remaining_processes_alive(self) -> bool:
        """Whether all nodes are alive that have not been killed on purpose."""
        return all(node.remaining_processes_alive() for node in self.list_all_nodes())

    def is_node_alive(self, node: ClusterNode) -> bool:
        """Whether the node's workers can run."""
        return node.node_id in self._living()

    def _living(self) -> set[str]:
        if self._session is None:
            return set()
        try:
            answer = self._session.ask(Query.NODES)
        except ConnectionError:
            return set()
        if not isinstance(answer, tuple):
            raise RaySystemError("the head described its nodes wrongly")
        return {row[0].hex() for row in answer if row[1]}

    # ---------------------------------------------------------------- nodes come and go

    def connect(self, namespace: str | None = None) -> None:
        """Join the cluster as a driver."""
        assert self.address is not None
        assert not self.connected
        session.init(self.address, namespace=namespace, ignore_reinit_error=True)
        self.connected = True

    def add_node(self, wait: bool = True, **node_args: Any) -> ClusterNode:
        """Add a node; the first is the head.

        Args:
            wait: accepted; a node is there when this returns.
            node_args: ``num_cpus`` (1 by default), ``num_gpus``, ``resources``, ``labels``, ``memory``,
                ``object_store_memory`` (150 MiB by default), ``node_name``, ``env_vars`` of its workers; of the head
                also ``object_spilling_directory`` and ``_system_config``. Ray's other parameters of a node are about
                its own processes, and have no effect.

        Raises:
            ValueError, TypeError: a value is wrong.
        """
        node_args = {name: value for name, value in node_args.items() if value is not None}
        description = describe_node(
            node_args.get("num_cpus", 1),
            node_args.get("num_gpus", 0),
            node_args.get("resources"),
            node_args.get("labels"),
            node_args.get("object_store_memory", _DEFAULT_STORE_BYTES),
            node_args.get("memory"),
            is_head=self._session is None,
        )
        node_id = os.urandom(28)
        name = str(node_args.get("node_name", ""))
        # As in Ray, a node's workers have the environment of when it was added; the head process has the first node's.
        self._environment = self._environment or dict(os.environ)
        environment = {key: value for key, value in os.environ.items() if self._environment.get(key) != value}
        environment |= {str(key): str(value) for key, value in node_args.get("env_vars", {}).items()}
        if self._session is None:
            settings = (node_args.get("object_spilling_directory"), node_args.get("_system_config", {}))
            store = store_settings(*settings, f"{os.getpid()}_{node_id.hex()[:12]}")
            options = NodeOptions(
                *description, node_id, 0, store, name, environment, variables=head_variables(settings[1])
            )
            self._session = StandingSession(options, None, keep=self._shutdown_at_exit)
            session.own_cluster(self._session.home.address, is_there=True)
            if self._shutdown_at_exit:
                atexit.register(self._end)
            self.head_node = ClusterNode(self, node_id, head=True)
            return self.head_node
        self._session.add_node(AddedNode(node_id, name, *description, environment))
        node = ClusterNode(self, node_id, head=False)
        self.worker_nodes.add(node)
        return node

    def remove_node(self, node: ClusterNode, allow_graceful: bool = True) -> None:
        """End a node; with the head the whole cluster ends.

        Args:
            node: one of this cluster's.
            allow_graceful: whether it is told to have ended in order; nobody on a node has anything to do when it goes.

        Raises:
            ValueError: this process is a driver of the cluster, and drivers are on the head node.
        """
        if node is self.head_node:
            client = current_client()
            if client is not None and client.node_id.hex() == node.node_id:
                session.shutdown()
                raise ValueError(
                    "Removing a node that is connected to this Ray client is not allowed because it will break the "
                    "driver. You can use the get_other_node utility to avoid removing a node that the Ray client is "
                    "connected."
                )
            self._end()
            return
        node.kill_all_processes(allow_graceful=allow_graceful)
        self.worker_nodes.remove(node)

    def fail_node(self, node: ClusterNode, cause: str) -> None:
        """A node fails now."""
        if node.head:
            # Drivers and control are on it: nothing goes on without it.
            self.kill_head()
        elif self._session is not None and self.is_node_alive(node):
            self._session.remove_node(bytes.fromhex(node.node_id), cause)

    def kill_head(self) -> None:
        """The head process dies, as by a crash."""
        if self._session is not None:
            self._session.kill()

    def wait_for_nodes(self, timeout: float = 30) -> None:
        """Wait until as many nodes live as were added and not removed.

        Raises:
            TimeoutError: they did not in this many seconds: one has failed.
        """
        give_up_at_s = time.monotonic() + timeout
        expected = len(self.list_all_nodes())
        while len(self._living()) != expected:
            if time.monotonic() >= give_up_at_s:
                raise TimeoutError("Timed out while waiting for nodes to join.")
            time.sleep(0.01)

    def shutdown(self) -> None:
        """End all nodes: every process of the cluster is gone when this returns."""
        self.worker_nodes.clear()
        self._end()

    def _end(self) -> None:
        started, self._session = self._session, None
        if started is None:
            return
        atexit.unregister(self._end)
        session.own_cluster(started.home.address, is_there=False)
        self.head_node = None
        started.end()


__getattr__ = missing_in(__name__, {"No nodes come by themselves here: use Cluster.add_node.": "AutoscalingCluster"})
