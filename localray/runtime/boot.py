"""The first lines of the head's interpreter: fork the fork server while there is little to copy, then become the head.

What both need is imported before the fork, the rest after it, at the same time on two CPUs: the workers' imports and
the kernel's take about equally long.
"""

from __future__ import annotations

import json
import mmap
import os
import socket
import sys
from typing import TYPE_CHECKING

import localray.protocol  # noqa: F401  (shared by both sides of the fork)
from localray.runtime.worker_progress import create_page

if TYPE_CHECKING:
    from localray.runtime.options import HeadOptions


def main() -> None:
    """Entry point; the options are the last argument."""
    options: HeadOptions = json.loads(sys.argv[-1])
    progress = create_page()
    driver = socket.socket(fileno=options["driver_descriptor"])
    control = fork_fork_server(options, progress, driver)

    from localray.runtime import head_main

    head_main.run(options, driver, control, progress)


def fork_fork_server(options: HeadOptions, progress: mmap.mmap, driver: socket.socket) -> socket.socket:
    """Fork the fork server; returns the head's end of the control stream.

    Args:
        options: of the session.
        progress: the page where workers count what they start.
        driver: the driver's stream, which the fork server must not hold open.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    if os.fork() == 0:
        try:
            ours.close()
            driver.close()
            for descriptor in options["home_descriptors"]:
                os.close(descriptor)
            from localray.runtime import warm

            warm.serve(theirs, options, progress)
        finally:
            os._exit(0)
    theirs.close()
    return ours
