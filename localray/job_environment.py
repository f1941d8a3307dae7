"""A job's runtime environment: what `init` was given, with the driver's files brought along.

Must not live here: what a field may be and what it does (`localray.runtime_env`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from localray.client.client import Client
from localray.client.runtime_envs import define
from localray.host import temporary_directory
from localray.shm.session_directories import PACKAGES_PREFIX, SessionDirectory, sweep
from localray.submission import without_callable


class JobEnvironment:
    """The environment of one job, checked, and its packages.

    Args:
        given: to `init`; local files may be named.

    Raises:
        TypeError, ValueError: it is wrong.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        # Not for every program.
        from localray.runtime_env.packages import Stage
        from localray.runtime_env.runtime_env import RuntimeEnv

        root = temporary_directory()
        self._packages = SessionDirectory(str(root / f"{PACKAGES_PREFIX}{os.getpid()}_{os.urandom(6).hex()}"))
        self._brings_files = bool(given.get("working_dir") or given.get("py_modules"))
        hook = given.get("worker_process_setup_hook")
        if hook is not None and not isinstance(hook, str) and not callable(hook):
            raise TypeError(f"worker_process_setup_hook must be a function or the name of one, got {type(hook)}.")
        fields = dict(given)
        try:
            if self._brings_files:
                sweep(root)
                self._packages.make()
                fields = Stage(self._packages.path, os.environ).bring_along(given)
            self._fields = RuntimeEnv(**fields)
        except BaseException:
            self.close()
            raise

    def adopt(self, client: Client) -> None:
        """It is this driver's from now on: whatever it submits inherits it."""
        fields, hook = without_callable(client, self._fields)
        packages = str(self._packages.path) if self._brings_files else ""
        own = define(fields, packages, hook)
        if own.key:
            client.channel.send(own._replace(of_job=True))
        client.runtime_envs.own = own

    def close(self) -> None:
        """The session is over: the packages go."""
        if self._brings_files:
            self._packages.remove()
