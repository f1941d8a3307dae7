"""Starting a standing session: one that listens, so that others join it, and that ends when it is told to or with the
process that keeps it.

Must not live here: the public API (`localray.cluster_utils`, the command line), what happens inside (the kernel).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, cast

from localray.exceptions import RaySystemError
from localray.protocol import AddNode, EndSession, Query, RemoveNode
from localray.runtime.join import Control, connect
from localray.runtime.launch import STOP_TIMEOUT_S, HeadProcess, NodeOptions
from localray.runtime.session_claim import numbers_of_standing_sessions
from localray.runtime.session_home import SessionHome


class AddedNode(NamedTuple):
    """What a node that joins a running session has; resources in 1/10000 units."""

    node_id: bytes
    name: str
    resources: dict[str, int]
    labels: dict[str, str]
    store_capacity_bytes: int
    environment: dict[str, str]


class StandingSession:
    """A standing session that this process starts.

    Args:
        options: of the first node.
        number: of the address; None for the first that is free.
        keep: it ends with this process, however that ends; else only when it is told to.

    Raises:
        ConnectionError: there is a session of this number.
        RaySystemError: the head ended while it was starting.
    """

    def __init__(self, options: NodeOptions, number: int | None, *, keep: bool) -> None:
        self._process_id = os.getpid()
        self._head = HeadProcess(options, numbers_of_standing_sessions(number), keeps=keep)
        self.home, self._control = _await_start(self._head)

    @property
    def directory(self) -> Path:
        """Where the session's log files are."""
        return self._head.directory

    @property
    def head_process_id(self) -> int:
        """Of the head."""
        return self._head.process_id

    def is_alive(self) -> bool:
        """Whether its head runs."""
        return self._head.is_alive()

    def ask(self, query: Query, argument: str = "") -> object:
        """Ask a question about the session. Raises ConnectionError when it is gone."""
        return self._control.ask(query, argument)

    def add_node(self, node: AddedNode) -> None:
        """A node joins. Raises RaySystemError when it may not."""
        add_node(self._control, node)

    def remove_node(self, node_id: bytes, cause: str) -> None:
        """A node leaves. Raises RaySystemError when there is none of this id."""
        remove_node(self._control, node_id, cause)

    def end(self) -> None:
        """End the session, whoever works in it: every process is gone when this returns."""
        if os.getpid() != self._process_id:
            # A forked child of the keeper: the session is its parent's.
            return
        # Gone already is as good.
        with suppress(ConnectionError):
            self._control.tell(EndSession())
        self._head.wait(STOP_TIMEOUT_S)
        self._control.close()
        self._head.remove_directories()

    def kill(self) -> None:
        """End the head at once, as a crash would: what is left sees to itself."""
        self._head.kill()


def start_detached(options: NodeOptions, number: int | None) -> SessionHome:
    """Start a standing session that goes on without this process, until it is told to end.

    Raises:
        ConnectionError: there is a session of this number.
        RaySystemError: the head ended while it was starting.
    """
    head = HeadProcess(options, numbers_of_standing_sessions(number), keeps=False, log=True)
    home, _ = _await_start(head)
    head.disown()
    return home


def _await_start(head: HeadProcess) -> tuple[SessionHome, Control]:
    try:
        problem = head.await_home()
        if head.home is None:
            raise RaySystemError(problem)
        control = Control(head.stream, head.home.address)
        try:
            control.ask(Query.TABLE_SIZES)
        except ConnectionError as error:
            raise RaySystemError("The head process ended while it was starting; its error is printed above.") from error
    except BaseException:
        head.give_up()
        raise
    return head.home, control


def add_node(control: Control, node: AddedNode) -> None:
    """A node joins the session that this is connected to. Raises RaySystemError when it may not."""
    answer = control.request(
        lambda number: AddNode(
            number,
            node.node_id,
            node.name,
            tuple(sorted(node.resources.items())),
            tuple(sorted(node.labels.items())),
            node.store_capacity_bytes,
            tuple(sorted(node.environment.items())),
        )
    )
    if not isinstance(answer, int):
        raise RaySystemError(str(answer))


def living_nodes(control: Control) -> set[bytes]:
    """The ids of the nodes of the session that this is connected to."""
    answer = cast("tuple[tuple[bytes, int], ...]", control.ask(Query.NODES))
    return {row[0] for row in answer if row[1]}


def remove_node(control: Control, node_id: bytes, cause: str) -> None:
    """A node leaves the session that this is connected to. Raises RaySystemError when there is none of this id."""
    answer = control.request(lambda number: RemoveNode(number, node_id, cause))
    if answer is not None:
        raise RaySystemError(str(answer))


def end_session(home: SessionHome, timeout_s: float) -> bool:
    """Tell a session to end, and wait until it has; whether it has in time.

    Raises:
        ConnectionError: it is gone, or does not let us in.
    """
    with Control(connect(home), home.address) as control:
        control.tell(EndSession())
        return control.wait_until_gone(timeout_s)
