"""The command `localray get`: all that is known of one thing in a running session."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from localray.cli.list import block
from localray.cli.named import meant, singular
from localray.cli.state_tables import RESOURCES, plain
from localray.util.state.api import StateApiClient, list_jobs
from localray.util.state.common import GetApiOptions, StateResource
from localray.util.state.exception import RayStateApiException


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description = "Show all that is known of one task, actor, object, node, worker, placement group or job."
    parser.add_argument("resource", choices=RESOURCES, help="what it is")
    parser.add_argument("id", help="its id, or as much of it as `localray list` shows; or its name")
    parser.add_argument("--address", help="of the session (default: the youngest)")
    parser.add_argument("--format", choices=("table", "json"), default="table")


def run(options: argparse.Namespace) -> int:
    """Print it; 1 without a session or when there is no such thing."""
    try:
        resource = StateResource(options.resource.replace("-", "_"))
        found: Any = _found(resource, options.id, options.address)
        if not found:
            named = meant(options.id, [options.resource], options.address)
            found = _found(resource, named[1], options.address) if named else None
    except (RayStateApiException, RuntimeError, ValueError) as error:
        print(f"localray get: {error}", file=sys.stderr)
        return 1
    if not found:
        print(
            f"localray get: there is no {singular(options.resource)} {options.id}; "
            f"`localray list {options.resource}` shows which there are.",
            file=sys.stderr,
        )
        return 1
    states = found if isinstance(found, list) else [found]
    if options.format == "json":
        print(json.dumps([plain(state) for state in states] if isinstance(found, list) else plain(found), indent=2))
    else:
        print("\n\n".join(block(state) for state in states))
    return 0


def _found(resource: StateResource, identity: str, address: str | None) -> Any:
    """What has this id, as `StateApiClient.get` finds it; that looks for jobs by their submissions, which drivers have
    none of."""
    if resource is StateResource.JOBS:
        return next(iter(list_jobs(address, filters=[("job_id", "=", identity)], detail=True)), None)
    return StateApiClient(address).get(resource, identity, GetApiOptions())
