"""What a driver says of its job: environment, namespace, what it wants to see of its workers, how they log.

What only some programs need, and only after the head has been started, is imported inside of functions. Must not live
here: starting and ending sessions (`localray.session`), what any of it does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from localray.client.client import Client
    from localray.client.worker_output import OutputPrinter
    from localray.job_config import JobConfig
    from localray.job_environment import JobEnvironment
    from localray.logging_config import LoggingConfig
    from localray.protocol import WorkerOutput


class Job:
    """This driver's job, from before its session begins until after it ends.

    Args:
        environment: what its workers are set up with, None for nothing.
        shows_output: whether to show here what workers print.
        logging: how driver and workers log; None for as they like.
        detaches_actors: whether actors that say nothing of their lifetime are detached.
        says_so: whether to log that the session is there: only where the program has said how lines are to look.
    """

    def __init__(
        self,
        environment: JobEnvironment | None,
        shows_output: bool,
        logging: LoggingConfig | None,
        *,
        detaches_actors: bool,
        says_so: bool = False,
    ) -> None:
        self._environment = environment
        self._shows_output = shows_output
        self._logging = logging
        self._detaches_actors = detaches_actors
        self._says_so = says_so
        self._printer: OutputPrinter | None = None

    def begin(self, client: Client, *, joined: bool = False) -> None:
        """The session is there, or was there already: it is told what it must know."""
        client.on_output = self._show
        client.detaches_actors = self._detaches_actors
        if not self._shows_output or self._logging is not None or self._detaches_actors:
            import json

            from localray.protocol import ConfigureJob

            text = "" if self._logging is None else json.dumps(self._logging.to_dict())
            client.channel.send(ConfigureJob(self._shows_output, text, self._detaches_actors))
        if self._environment is not None:
            self._environment.adopt(client)
        if self._says_so:
            import logging

            # Ray's words: programs and its own tests look for them, to see what lines look like.
            logging.getLogger("ray").info("Connected to Ray cluster." if joined else "Started a local Ray instance.")

    def end(self) -> None:
        """The session is over, or never began."""
        if self._printer is not None:
            self._printer.flush()
        if self._environment is not None:
            self._environment.close()

    def _show(self, message: WorkerOutput) -> None:
        if self._printer is None:
            # Not for programs that print nothing.
            from localray.client.worker_output import OutputPrinter

            # Lines that say themselves where they are from are not to be broken by a prefix.
            self._printer = OutputPrinter(os.environ, time.monotonic, prefixes=self._logging is None)
        self._printer.show(message)


def describe_job(
    runtime_env: Mapping[str, Any] | None,
    job_config: JobConfig | None,
    log_to_driver: bool | None,
    logging_config: LoggingConfig | None,
    others: Mapping[str, object],
) -> Job:
    """A job from keywords of `init`; ``others`` may say which level the logger of Ray's name is to have.

    Raises:
        TypeError, ValueError: the environment is wrong.
    """
    if log_to_driver is None:
        log_to_driver = os.environ.get("RAY_LOG_TO_DRIVER", "1") != "0"
    _set_package_logger(others)
    if logging_config is None:
        logging_config = _logging_by_default(job_config)
    if logging_config is not None:
        # Most programs have none of their own.
        from localray.client.logs import configure

        configure(logging_config.to_dict())
    given = runtime_env or (job_config.runtime_env if job_config is not None else None)
    detaches = job_config is not None and job_config.default_actor_lifetime == "detached"
    says_so = logging_config is not None or bool(others.get("logging_format"))
    if not given:
        return Job(None, log_to_driver, logging_config, detaches_actors=detaches, says_so=says_so)
    from localray.job_environment import JobEnvironment

    environment = JobEnvironment(given)
    return Job(environment, log_to_driver, logging_config, detaches_actors=detaches, says_so=says_so)


def _set_package_logger(others: Mapping[str, object]) -> None:
    """The logger of Ray's name, as keywords of `init` and the variable say; untouched where nothing is said."""
    level, line_format = others.get("logging_level") or os.environ.get("RAY_LOGGER_LEVEL"), others.get("logging_format")
    if others.get("configure_logging", True):
        if level or line_format:
            from localray.client.logs import set_package_logger

            set_package_logger(cast("int | str | None", level), cast("str | None", line_format))
    else:
        import logging

        logging.getLogger("ray").handlers.clear()


def _logging_by_default(job_config: JobConfig | None) -> LoggingConfig | None:
    encoding = os.environ.get("RAY_LOGGING_CONFIG_ENCODING")
    if not encoding:
        return None if job_config is None else job_config.py_logging_config
    from localray.logging_config import LoggingConfig

    return LoggingConfig(encoding=encoding)


def namespace_of(namespace: str | None, job_config: JobConfig | None) -> str:
    """The job's namespace; empty for a new one.

    Raises:
        TypeError: it is no string.
        ValueError: it is empty.
    """
    if namespace is None:
        return "" if job_config is None or job_config.ray_namespace is None else job_config.ray_namespace
    if not isinstance(namespace, str):
        raise TypeError(f"namespace must be None or a string, got {type(namespace)}.")
    if not namespace:
        raise ValueError('"" is not a valid namespace. Pass None to not specify a namespace.')
    return namespace
