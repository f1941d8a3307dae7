"""The first lines of the head's interpreter: make the directory by which others find the session, fork the fork server
while there is little to copy, then become the head.

What both need is imported before the fork, the rest after it, at the same time on two CPUs: the workers' imports and
the kernel's take about equally long.
"""

from __future__ import annotations

import mmap
import os
import socket
import sys
from typing import TYPE_CHECKING, cast

import localray.protocol  # noqa: F401  (shared by both sides of the fork)
from localray.exceptions import RaySystemError
from localray.runtime.options import HeadAnswer, receive, send
from localray.runtime.session_claim import ClaimedHome, claim
from localray.runtime.worker_progress import create_page

if TYPE_CHECKING:
    from localray.runtime.options import HeadOptions


def main() -> None:
    """Entry point; the last argument is the descriptor of the stream to whoever starts this head."""
    driver = socket.socket(fileno=int(sys.argv[-1]))
    options = cast("HeadOptions | None", receive(driver))
    if options is None:
        return  # It has died before it said anything.
    progress = create_page()
    claimed = claim_home(options, driver)
    if claimed is None and not options["of_driver"]:
        return
    control = fork_fork_server(options, progress, driver, claimed)

    from localray.runtime import head_main

    head_main.run(options, driver, control, progress, claimed)


def claim_home(options: HeadOptions, driver: socket.socket) -> ClaimedHome | None:
    """Make the session's directory and tell the driver; None where there can be none."""
    claimed: ClaimedHome | None = None
    answer: HeadAnswer = {"home": "", "number": 0, "problem": "", "taken": False}
    try:
        claimed = claim(range(*options["numbers"]))
    except (RaySystemError, OSError) as error:
        answer["problem"] = str(error)
        answer["taken"] = isinstance(error, ConnectionError)
    else:
        answer["home"] = str(claimed.home.path)
        answer["number"] = claimed.home.number
        if options["log"]:
            _print_into(claimed.home.log_path)
    try:
        send(driver, answer)
    except OSError:
        # It has died. Those who come up notice when they read from it, and clean up.
        return claimed
    return claimed


def _print_into(path: os.PathLike[str]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)


def fork_fork_server(
    options: HeadOptions, progress: mmap.mmap, driver: socket.socket, claimed: ClaimedHome | None
) -> socket.socket:
    """Fork the fork server; returns the head's end of the control stream.

    Args:
        options: of the session.
        progress: the page where workers count what they start.
        driver: the driver's stream, which the fork server must not hold open.
        claimed: what the head listens on and has locked; not for the fork server either.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    if os.fork() == 0:
        try:
            ours.close()
            driver.close()
            if claimed is not None:
                claimed.close()
            if options["state_lock"] is not None:
                os.close(options["state_lock"])
            from localray.runtime import warm

            warm.serve(theirs, options, progress, None if claimed is None else claimed.home)
        finally:
            os._exit(0)
    theirs.close()
    return ours
