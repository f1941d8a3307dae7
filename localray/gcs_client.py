"""`ray._raylet.GcsClient`: a session's tables as Ray's private client has them, asked of the head: keys and values,
jobs, nodes. Must not live here: the tables (`localray.kernel`), the names of `ray.experimental.internal_kv`."""

from __future__ import annotations

import functools
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from localray.client.current import current_client
from localray.exceptions import RaySystemError, RpcError
from localray.function_descriptors import FUNCTION_TABLE, key_of, padded
from localray.ids import ClusterID, JobID, NodeID
from localray.listings import JobRow, NodeRow
from localray.node_description import NODE_ADDRESS, store_name
from localray.options import from_units
from localray.protocol import Ask, DrainNode, KeyValue, KeyValueAction, Query, ReplyValue
from localray.session import connect

T = TypeVar("T")
_ALIVE, _DEAD = 0, 1
_PREEMPTION = 2
_HEAD = 0
"""The number of the head node."""


@dataclass(frozen=True)
class Address:
    """Where a process is."""

    node_id: bytes
    ip_address: str = NODE_ADDRESS
    port: int = 0
    worker_id: bytes = b""


@dataclass(frozen=True)
class JobConfigInfo:
    """What a driver said of its job."""

    ray_namespace: str


@dataclass(frozen=True)
class JobTableData:
    """One driver's job, by the fields of Ray's message of this name that mean something here. Times in milliseconds."""

    job_id: bytes
    is_dead: bool
    driver_pid: int
    entrypoint: str
    start_time: int
    end_time: int
    config: JobConfigInfo
    driver_ip_address: str = NODE_ADDRESS


@dataclass(frozen=True)
class GcsNodeInfo:
    """One node, by the fields of Ray's message of this name that mean something here. Times in milliseconds."""

    node_id: bytes
    node_name: str
    state: int
    """0 alive, 1 dead, as in `gcs_pb2.GcsNodeInfo`."""
    is_head_node: bool
    start_time_ms: int
    end_time_ms: int
    object_store_socket_name: str
    raylet_socket_name: str
    resources_total: dict[str, float] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    node_manager_address: str = NODE_ADDRESS
    node_manager_port: int = 0


def _later(function: Callable[..., T]) -> Callable[..., object]:
    """The same as a coroutine. The head answers in much less than a millisecond: the loop is not left for it."""

    @functools.wraps(function)
    async def coroutine(*args: object, **kwargs: object) -> T:
        return function(*args, **kwargs)

    return coroutine


class GcsClient:
    """A session's tables.

    Args:
        address: of the session; that of this process, or of one that ``localray start`` or a `Cluster` keeps.
        cluster_id: accepted.

    Raises:
        RpcError: there is no such session.

    Example:
        >>> import localray
        >>> context = localray.init(num_cpus=1)
        >>> client = GcsClient(address=localray.get_runtime_context().gcs_address)
        >>> client.internal_kv_put(b"key", b"value", namespace=b"mine"), client.internal_kv_get(b"key", b"mine")
        (1, b'value')
        >>> localray.shutdown()
    """

    def __init__(self, address: str | None = None, cluster_id: str | None = None) -> None:
        client = current_client()
        if address is None:
            if client is None:
                raise RpcError("There is no session whose tables could be used: call ray.init() first.")
            address = client.address
        self.address = address
        self._is_own = client is not None and address == client.address
        if not self._is_own:
            self.cluster_id  # noqa: B018 - asks, so that a wrong address is told of here

    @property
    def cluster_id(self) -> ClusterID:
        """The session's id: that of its first node."""
        return ClusterID(next(node.node_id for node in self._nodes() if node.number == _HEAD))

    def internal_kv_get(self, key: bytes, namespace: bytes | None = None, timeout: float | None = None) -> bytes | None:
        """The value of a key, or None."""
        return cast("bytes | None", self.key_value(KeyValueAction.GET, key, namespace))

    def internal_kv_multi_get(
        self, keys: list[bytes], namespace: bytes | None = None, timeout: float | None = None
    ) -> dict[bytes, bytes]:
        """Those of these keys that there are, with their values."""
        found = {key: self.internal_kv_get(key, namespace) for key in keys}
        return {key: value for key, value in found.items() if value is not None}

    def internal_kv_put(
        self,
        key: bytes,
        value: bytes,
        overwrite: bool = False,
        namespace: bytes | None = None,
        timeout: float | None = None,
    ) -> int:
        """Set a key's value, unless there is one that is not to be overwritten; returns 1 if the key is new, else 0."""
        return int(not self.key_value(KeyValueAction.PUT, key, namespace, _bytes(value), overwrite))

    def internal_kv_del(
        self, key: bytes, del_by_prefix: bool, namespace: bytes | None = None, timeout: float | None = None
    ) -> int:
        """Remove a key, or all that begin so; returns how many there were."""
        return cast("int", self.key_value(KeyValueAction.DELETE, key, namespace, flag=del_by_prefix))

    def internal_kv_keys(
        self, prefix: bytes, namespace: bytes | None = None, timeout: float | None = None
    ) -> list[bytes]:
        """The keys that begin so."""
        return list(cast("tuple[bytes, ...]", self.key_value(KeyValueAction.LIST, prefix, namespace)))

    def internal_kv_exists(self, key: bytes, namespace: bytes | None = None, timeout: float | None = None) -> bool:
        """Whether there is such a key."""
        return self.internal_kv_get(key, namespace) is not None

    def check_alive(self, node_ids: Sequence[NodeID], timeout: float | None = None) -> list[bool]:
        """Of each of these nodes, whether it is there and alive."""
        alive = {node.node_id for node in self._nodes() if node.is_alive}
        return [node_id.binary() in alive for node_id in node_ids]

    def get_all_job_info(
        self,
        *,
        job_or_submission_id: str | None = None,
        skip_submission_job_info_field: bool = False,
        skip_is_running_tasks_field: bool = False,
        timeout: float | None = None,
    ) -> dict[JobID, JobTableData]:
        """All drivers' jobs, or the one whose hexadecimal id this is."""
        epoch_s, rows = self._list(Query.LIST_JOBS)
        found = {JobID.from_int(job.number): _job(job, epoch_s) for job in (JobRow(*row) for row in rows)}
        return {job: info for job, info in found.items() if job_or_submission_id in (None, job.hex())}

    def get_all_node_info(
        self,
        timeout: float | None = None,
        node_selectors: Sequence[object] | None = None,
        state_filter: int | None = None,
    ) -> dict[NodeID, GcsNodeInfo]:
        """All nodes, living and dead; or those in one state, as `gcs_pb2.GcsNodeInfo` has it.

        Raises:
            NotImplementedError: nodes are selected otherwise.
        """
        if node_selectors:
            raise NotImplementedError("Choose from all nodes: their ids are the keys.")
        epoch_s, rows = self._list(Query.LIST_NODES)
        found = {NodeID(node.node_id): _node(node, epoch_s) for node in (NodeRow(*row) for row in rows)}
        return {node: info for node, info in found.items() if state_filter in (None, info.state)}

    def drain_node(
        self, node_id: str, reason: int, reason_message: str, deadline_timestamp_ms: int
    ) -> tuple[bool, str]:
        """Have a node take nothing new, and end when it is idle.

        Args:
            node_id: the hexadecimal id.
            reason: one of `autoscaler_pb2.DrainNodeReason`: to be preempted, or, only if it is idle, not to be needed.
            reason_message: what its death is then put down to.
            deadline_timestamp_ms: in milliseconds since 1970; who takes it away from then on is believed to have done
                so for this reason.

        Returns:
            Whether the node will go, and else why not.

        Raises:
            RaySystemError: a time before 1970.
        """
        if deadline_timestamp_ms < 0:
            raise RaySystemError(f"The deadline of a drain cannot be negative, got {deadline_timestamp_ms}.")
        node, in_s = bytes.fromhex(node_id), deadline_timestamp_ms / 1000 - time.time()
        preempts = reason == _PREEMPTION
        answer = self._request(lambda request: DrainNode(request, node, preempts, reason_message, in_s))
        accepted, refusal = cast("tuple[int, str]", answer)
        return bool(accepted), refusal

    async_internal_kv_get = _later(internal_kv_get)
    async_internal_kv_multi_get = _later(internal_kv_multi_get)
    async_internal_kv_put = _later(internal_kv_put)
    async_internal_kv_del = _later(internal_kv_del)
    async_internal_kv_keys = _later(internal_kv_keys)
    async_internal_kv_exists = _later(internal_kv_exists)
    async_check_alive = _later(check_alive)
    async_get_all_job_info = _later(get_all_job_info)
    async_get_all_node_info = _later(get_all_node_info)
    async_drain_node = _later(drain_node)

    def _nodes(self) -> list[NodeRow]:
        return [NodeRow(*row) for row in self._list(Query.LIST_NODES)[1]]

    def _list(self, query: Query) -> tuple[float, tuple[Any, ...]]:
        """When the session's clock was at zero, in seconds since 1970, and the rows."""
        now_s, _, rows = cast("tuple[float, int, tuple[Any, ...]]", self._ask(query))
        return time.time() - now_s, rows

    def key_value(
        self,
        action: KeyValueAction,
        key: bytes,
        namespace: bytes | None,
        value: bytes = b"",
        flag: bool = False,
    ) -> ReplyValue:
        """One question to the table of keys and values, or one change in it; what it answers."""
        what, place = _bytes(key), _bytes(namespace or b"")
        if place == FUNCTION_TABLE and action in (KeyValueAction.GET, KeyValueAction.LIST):
            return self._function_table(action, what)
        return self._request(lambda request: KeyValue(request, action.value, place, what, value, bool(flag)))

    def _function_table(self, action: KeyValueAction, key: bytes) -> ReplyValue:
        """The session's functions and classes as Ray's table has them, without their code."""
        rows = cast("tuple[tuple[bytes, int, int, str, str], ...]", self._ask(Query.FUNCTIONS))
        table = {key_of(row[0], row[1], is_class=bool(row[2])): row for row in rows}
        if action is KeyValueAction.LIST:
            return tuple(each for each in table if each.startswith(key))
        return None if key not in table else _described(*table[key])

    def _ask(self, query: Query) -> ReplyValue:
        return self._request(lambda request: Ask(request, query.value, ""))

    def _request(self, make: Callable[[int], KeyValue | Ask | DrainNode]) -> ReplyValue:
        client = current_client()
        if self._is_own:
            if client is None:
                raise RpcError("The session has ended.")
            return cast("ReplyValue", client.request(make))
        try:
            with connect(self.address) as control:
                return control.request(make)
        except ConnectionError as error:
            raise RpcError(f"There is no session at {self.address}: {error}") from error


def _described(function_id: bytes, job: int, is_class: int, name: str, qualname: str) -> bytes:
    plain: dict[str, object] = {
        "job_id": JobID.from_int(job).binary(),
        "function_id": padded(function_id).binary(),
        "module": name.rpartition(".")[0],
    }
    if is_class:
        return pickle.dumps({**plain, "class_name": qualname.rpartition(".")[2]})
    return pickle.dumps({**plain, "function_name": name})


def _bytes(value: bytes) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, bytes):
        raise TypeError(f"Keys and values are bytes, got {type(value)}.")
    return value


def _time_ms(at_s: float, epoch_s: float) -> int:
    """A time of the session in milliseconds since 1970; 0 for what has not happened."""
    return int((epoch_s + at_s) * 1000) if at_s >= 0 else 0


def _job(row: JobRow, epoch_s: float) -> JobTableData:
    return JobTableData(
        job_id=JobID.from_int(row.number).binary(),
        is_dead=not row.is_running,
        driver_pid=row.process_id,
        entrypoint=row.entrypoint,
        start_time=_time_ms(row.started_at_s, epoch_s),
        end_time=_time_ms(row.ended_at_s, epoch_s),
        config=JobConfigInfo(row.namespace),
    )


def _node(row: NodeRow, epoch_s: float) -> GcsNodeInfo:
    node_id = row.node_id.hex()
    return GcsNodeInfo(
        node_id=row.node_id,
        node_name=row.name or NODE_ADDRESS,
        state=_ALIVE if row.is_alive else _DEAD,
        is_head_node=row.number == _HEAD,
        start_time_ms=_time_ms(row.joined_at_s, epoch_s),
        end_time_ms=_time_ms(row.died_at_s, epoch_s),
        object_store_socket_name=store_name(node_id),
        raylet_socket_name=f"raylet-{node_id}",
        resources_total={name: from_units(units) for name, units in row.resources},
        labels=dict(row.labels),
    )
