"""The command `localray start`: a session that outlives its drivers, or one more node of it."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from localray.exceptions import RaySystemError
from localray.node_description import NodeDescription, describe_node
from localray.runtime.join import Control
from localray.runtime.launch import ClaimedState, NodeOptions
from localray.runtime.session_home import SessionHome
from localray.runtime.standing import AddedNode, add_node, end_session, living_nodes, remove_node, start_detached
from localray.session import connect
from localray.shm.kept_files import claim
from localray.store_settings import head_variables, store_settings

_DESCRIPTION = """\
With --head: start a session. It goes on until `localray stop`, whoever comes
and goes; programs join it with ray.init(address="auto"). Without: add a node
to a running session.
"""
_END_TIMEOUT_S = 10.0
_LOOK_EVERY_S = 1.0
_WITHOUT_EFFECT = [
    "--autoscaling-config",
    "--cgroup-path",
    "--dashboard-agent-grpc-port",
    "--dashboard-agent-listen-port",
    "--dashboard-host",
    "--dashboard-port",
    "--include-dashboard",
    "--include-log-monitor",
    "--max-worker-port",
    "--metrics-export-port",
    "--min-worker-port",
    "--node-ip-address",
    "--node-manager-port",
    "--object-manager-port",
    "--plasma-directory",
    "--proxy-server-url",
    "--ray-client-server-port",
    "--redis-password",
    "--redis-shard-ports",
    "--redis-username",
    "--runtime-env-agent-port",
    "--system-reserved-cpu",
    "--system-reserved-memory",
    "--tracing-startup-hook",
    "--worker-port-list",
]
_FLAGS_WITHOUT_EFFECT = [
    "--disable-usage-stats",
    "--enable-object-reconstruction",
    "--enable-resource-isolation",
    "--no-monitor",
    "--no-redirect-output",
    "--ray-debugger-external",
]
"""What `ray start` takes besides: about processes, ports and services that are not here."""
_OF_SESSIONS = ("--port", "--state-dir", "--system-config")
_SHARED = ("--temp-dir", "--object-spilling-directory")
"""What an added node has no say in: the former are refused, as by Ray; the latter, which Ray's nodes take, told of."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description = _DESCRIPTION
    parser.add_argument("--head", action="store_true", help="start a session; else a node is added to one")
    parser.add_argument("--address", default="auto", help="of the session to add a node to (default: the youngest)")
    parser.add_argument("--port", type=int, help="with --head: number in its address (default, and 0: the first free)")
    parser.add_argument("--num-cpus", type=float, help="default: those of this machine or container")
    parser.add_argument("--num-gpus", type=float, help="need not exist; default: none")
    parser.add_argument("--resources", type=_table, default={}, metavar="JSON", help="for example '{\"special\": 2}'")
    parser.add_argument("--labels", type=_labels, default={}, metavar="K=V,...", help="of the node; JSON will do, too")
    parser.add_argument("--object-store-memory", type=int, metavar="BYTES", help="default: 30 %% of the memory")
    parser.add_argument("--memory", type=int, metavar="BYTES", help="that tasks may ask for; default: the rest")
    parser.add_argument("--object-spilling-directory", metavar="DIR", help="default: the temporary directory")
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        help="with --head: where detached actors that checkpoint themselves are kept; started again with the same "
        "directory, the session has them back",
    )
    parser.add_argument("--temp-dir", metavar="DIR", help="with --head: where log files go, and stay")
    parser.add_argument("--node-name", default="", help="of the node, for its rows in tables")
    parser.add_argument("--block", action="store_true", help="stay; end what it has started when told to stop (Ctrl-C)")
    parser.add_argument("--system-config", type=_table, default={}, metavar="JSON", help=argparse.SUPPRESS)
    for name in _WITHOUT_EFFECT:
        parser.add_argument(name, help=argparse.SUPPRESS)
    for name in _FLAGS_WITHOUT_EFFECT:
        parser.add_argument(name, action="store_true", help=argparse.SUPPRESS)


def _table(text: str) -> dict[str, Any]:
    try:
        table = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON: {error}") from error
    if not isinstance(table, dict):
        raise argparse.ArgumentTypeError(f'{text!r} must be an object of JSON, as {{"name": 2}}')
    return table


def _labels(text: str) -> dict[str, str]:
    if text.lstrip().startswith("{"):
        return {str(key): str(value) for key, value in _table(text).items()}
    return dict(_pair(item) for item in text.split(",") if item)


def _pair(item: str) -> tuple[str, str]:
    key, equals, value = item.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{item!r} is no label: write KEY=VALUE")
    return key.strip(), value.strip()


def run(options: argparse.Namespace) -> int:
    """Start what is asked for; 1 when that is not possible, and where it was to stay and could not."""
    try:
        node = describe_node(
            options.num_cpus,
            options.num_gpus,
            options.resources,
            options.labels,
            options.object_store_memory,
            options.memory,
            is_head=options.head,
        )
        return _start_head(options, node) if options.head else _add_node(options, node)
    except (OSError, RaySystemError, RuntimeError, ValueError, TypeError) as error:
        print(f"localray start: {error}", file=sys.stderr)
        return 1


def _add_node(options: argparse.Namespace, node: NodeDescription) -> int:
    wrong = _given(options, _OF_SESSIONS)
    if wrong:
        raise ValueError(f"without --head a node is added, which takes no {' and no '.join(wrong)}.")
    idle = ", ".join(_given(options, _SHARED))
    if idle:
        print(f"localray start: it shares the session's head and files, so without effect: {idle}.", file=sys.stderr)
    node_id = os.urandom(28)
    if options.block:
        signal.signal(signal.SIGTERM, _interrupt)
    with connect(options.address) as session:
        address = session.address
        try:
            add_node(session, AddedNode(node_id, options.node_name, *node, {}))
            print(f"Added node {node_id.hex()} to the session at {address}.", flush=True)
            if not options.block:
                return 0
            print(_stay_with(session, node_id), file=sys.stderr)
        except KeyboardInterrupt:
            # By another connection: this one may have been interrupted in the middle of a message.
            with connect(address) as again:
                remove_node(again, node_id, "the command that had added it was told to stop")
    return 1


def _stay_with(session: Control, node_id: bytes) -> str:
    """Stay as long as the node; what there is to say of its end."""
    try:
        while node_id in living_nodes(session):
            time.sleep(_LOOK_EVERY_S)
    except ConnectionError:
        return "localray start: the session has ended"
    return "localray start: the node has left the session"


def _given(options: argparse.Namespace, flags: Iterable[str]) -> list[str]:
    return [flag for flag in flags if getattr(options, flag.removeprefix("--").replace("-", "_"))]


def _start_head(options: argparse.Namespace, node: NodeDescription) -> int:
    node_id = os.urandom(28)
    name = f"{os.getpid()}_{node_id.hex()[:12]}"
    store = store_settings(options.object_spilling_directory, options.system_config, name)
    if options.block:
        # From now on: who starts this may end it at once.
        signal.signal(signal.SIGTERM, _interrupt)
    with ExitStack() as ours:
        state = None
        if options.state_dir is not None:
            directory = str(Path(options.state_dir).resolve())
            state = ClaimedState(directory, claim(directory))
            # The head has its own copy of it.
            ours.callback(os.close, state.lock)
        variables = head_variables(options.system_config)
        root = "" if options.temp_dir is None else str(Path(options.temp_dir).resolve())
        started = NodeOptions(
            *node, node_id, 0, store, options.node_name, directory=root, state=state, variables=variables
        )
        home = start_detached(started, options.port or None)
    try:
        _tell(home)
        if not options.block:
            return 0
        _stay(home)
        print("localray start: the session has ended", file=sys.stderr)
    except KeyboardInterrupt:
        end_session(home, _END_TIMEOUT_S)
    return 1


def _tell(home: SessionHome) -> None:
    print(
        f"Started a session at {home.address}.\n\n"
        f'  join it from Python     ray.init(address={home.address!r}), or address="auto"\n'
        f"  join it by environment  export RAY_ADDRESS={home.address}\n"
        f"  look at it              localray status --address={home.address}\n"
        f"  add a node              localray start --address={home.address!r} --num-cpus=1\n"
        f"  end it                  localray stop --address={home.address}\n\n"
        f"What it prints goes to {home.log_path}.",
        flush=True,
    )


def _stay(home: SessionHome) -> None:
    """Stay as long as the session."""
    with connect(home.address) as session:
        while not session.wait_until_gone(3600.0):
            continue


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
