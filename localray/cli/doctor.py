"""The command `localray doctor`: what this machine offers; with a program, what of it a cluster would not have."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from itertools import groupby
from pathlib import Path

from localray.alias import environment_of_children
from localray.client.recording import VARIABLE
from localray.doctor.findings import Finding, findings
from localray.doctor.machine import facts

_DESCRIPTION = """\
Say what this machine offers a session. With a program: run it here, in a
session of its own, and say what its tasks rely on that the nodes of a cluster
would not have. RAY_ADDRESS is not heeded: workers that run already cannot be
listened to.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description = _DESCRIPTION
    parser.usage = "localray doctor [PROGRAM [ARGUMENT ...]]"
    parser.add_argument("program", nargs=argparse.REMAINDER, help="a program to run, in which `ray` means localray")


def run(options: argparse.Namespace) -> int:
    """Print what there is to say; with a program, its exit code."""
    if not options.program:
        print_machine()
        return 0
    with tempfile.TemporaryDirectory(prefix="localray-doctor-") as directory:
        recording = Path(directory) / "recording"
        environment = {**environment_of_children(os.environ), VARIABLE: str(recording)}
        if environment.pop("RAY_ADDRESS", ""):
            print("localray doctor: RAY_ADDRESS is not heeded, the program has a session of its own.", file=sys.stderr)
        code = subprocess.call([sys.executable, *options.program], env=environment)
        lines = recording.read_text().splitlines() if recording.exists() else []
    if code and not lines:
        print(f"localray doctor: the program ended with status {code} before it ran any task.")
    else:
        print_findings(findings(lines), code, recorded=bool(lines))
    return code


def print_machine() -> None:
    """A table of facts, with advice below those that want it."""
    known = list(facts())
    width = max(len(fact.name) for fact in known)
    for fact in known:
        print(f"{'!' if fact.advice else ' '} {fact.name:<{width}}  {fact.value}")
        if fact.advice:
            print(f"  {'':<{width}}  {fact.advice}")


def print_findings(found: list[Finding], code: int, *, recorded: bool) -> None:
    """What was found, each concern with its advice once; of a program that has failed first of all that."""
    print()
    so_far = " until then" if code else ""
    if code:
        print(f"localray doctor: the program failed with status {code}. First it has to run here.")
    if not recorded:
        print("localray doctor: the program ran no tasks, so there is nothing to say about a cluster.")
    elif not found:
        print(f"localray doctor: nothing its tasks did here{so_far} would differ on a cluster.")
    else:
        print("localray doctor: on a cluster this would differ:")
    for concern, group in groupby(found, key=lambda finding: finding.concern):
        for finding in group:
            print(f"  {finding.text()}")
        print(f"      {concern.value}")
