"""Hurts the processes of a session by rules of faults: the same rules that go wrong in a simulation.

A thread of the driver looks at what the workers do every few milliseconds, and kills those that a rule and its dice
choose, with the signal that cannot be caught; where it is given a cluster, its nodes too. It sees a task once it runs,
so that a task shorter than a look may never have its chance, and a death is DURING a task or, by a hair, before or
after it. Time is real here: a seed makes the dice the same, not the run.

Must not live here: which rules have their moment (`localray.faults.injector`), what follows (the kernel).
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol, cast

import psutil

from localray.client.client import Client
from localray.exceptions import RaySystemError
from localray.faults.injector import NANOSECONDS, ArmedRule, Happened, Injector
from localray.faults.rules import Fault, Phase, Rule
from localray.protocol import BusyWorker, Query

LOOKS_EVERY_S = 0.005
_STOPS_WITHIN_S = 0.5


class Nodes(Protocol):
    """Whoever can take nodes away, and bring others."""

    def crash_one(self, draw: Callable[[], float]) -> str: ...
    def add_one(self) -> None: ...


class _Clock:
    """Nanoseconds since the beginning."""

    def __init__(self) -> None:
        self._began_ns = time.monotonic_ns()

    @property
    def now_ns(self) -> int:
        return time.monotonic_ns() - self._began_ns


class ProcessHavoc:
    """The faults of one session of real processes, from `begin` to `end`.

    Args:
        client: of the driver.
        rules: what goes wrong.
        seed: of the dice.
        nodes: what rules about nodes are carried out on, if there may be any.

    Raises:
        ValueError: a rule asks for what cannot be done to real processes.
    """

    def __init__(self, client: Client, rules: Sequence[Rule], seed: int, nodes: Nodes | None = None) -> None:
        for rule in rules:
            _check(rule, nodes)
        self._clock = _Clock()
        self._injector = Injector(rules, seed, self._clock)
        self._client = client
        self._nodes = nodes
        self._kills: dict[tuple[int, bytes, int], tuple[int, ArmedRule]] = {}
        self._seen: set[tuple[int, bytes, int]] = set()
        self._returns_ns: list[int] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="localray-havoc", daemon=True)

    @property
    def happened(self) -> tuple[Happened, ...]:
        """The faults so far."""
        return tuple(self._injector.happened)

    def begin(self) -> None:
        """From now on things go wrong."""
        self._thread.start()

    def end(self) -> None:
        """Nothing goes wrong any more."""
        self._over.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._injector.healed = True

    # ---------------------------------------------------------------- looking

    def _run(self) -> None:
        while not self._over.wait(LOOKS_EVERY_S):
            try:
                self._look(self._busy_workers())
            except RaySystemError:
                return  # The session is over.

    def _busy_workers(self) -> list[BusyWorker]:
        rows = cast("tuple[tuple[object, ...], ...]", self._client.ask(Query.BUSY_WORKERS))
        return [BusyWorker(*row) for row in rows]  # type: ignore[arg-type]

    def _look(self, workers: list[BusyWorker]) -> None:
        """What these workers do is a chance for some rules, and the moment for others."""
        now_ns = self._clock.now_ns
        busy = {(worker.worker, worker.task_id, worker.attempt): worker for worker in workers}
        for key, worker in busy.items():
            if key not in self._seen:
                self._doom(key, worker, now_ns)
        self._seen = set(busy)
        for key, (at_ns, armed) in list(self._kills.items()):
            if key not in busy:
                del self._kills[key]
            elif at_ns <= now_ns:
                del self._kills[key]
                self._kill(busy[key], armed)
        for armed in self._injector.armed:
            self._moment(armed, workers, now_ns)
        if self._returns_ns and self._returns_ns[0] <= now_ns and self._nodes is not None:
            del self._returns_ns[0]
            self._nodes.add_one()

    def _doom(self, key: tuple[int, bytes, int], worker: BusyWorker, now_ns: int) -> None:
        """A task has begun: its worker may have to die before it answers."""
        for armed in self._injector.of(Fault.KILL_WORKER):
            rule = armed.rule
            meant = rule.at_s < 0 and self._injector.is_due(armed) and is_meant(rule, worker)
            if meant and self._injector.take(armed):
                delay_s = self._injector.dice(armed).random() * rule.by_s
                self._kills[key] = (now_ns + int(delay_s * NANOSECONDS), armed)
                return

    def _moment(self, armed: ArmedRule, workers: list[BusyWorker], now_ns: int) -> None:
        """Each look is a chance for what may happen at any time; a moment comes once."""
        rule = armed.rule
        if rule.at_s >= 0:
            if armed.done or now_ns < rule.at_s * NANOSECONDS:
                return
        elif rule.fault is Fault.KILL_WORKER:
            return
        if not self._injector.is_due(armed) or not self._injector.take(armed):
            return
        dice = self._injector.dice(armed)
        if rule.fault is Fault.CRASH_NODE and self._nodes is not None:
            text = self._nodes.crash_one(dice.random)
            if text:
                self._injector.note(armed, text)
                if rule.returns_s >= 0:
                    self._returns_ns.append(now_ns + int(rule.returns_s * NANOSECONDS))
            return
        meant = [worker for worker in workers if is_meant(rule, worker)]
        if meant:
            self._kill(meant[int(dice.random() * len(meant))], armed)

    def _kill(self, worker: BusyWorker, armed: ArmedRule) -> None:
        # It may be gone already: then somebody else was faster, and nothing happened here.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if armed.rule.only_retriable and not self._may_still_die(worker, armed.rule):
                return
            os.kill(worker.process_id, signal.SIGKILL)
            what = worker.names[0] if worker.names else "nothing"
            self._injector.note(armed, f"worker {worker.worker} (pid={worker.process_id}) killed during {what}")

    def _may_still_die(self, worker: BusyWorker, rule: Rule) -> bool:
        """Stop a worker and look again: since the last look it may have begun something that would not be tried again,
        and what it is given now it cannot begin. One that is to live goes on."""
        os.kill(worker.process_id, signal.SIGSTOP)
        may_die = False
        try:
            if _has_stopped(worker.process_id):
                now = {each.worker: each for each in self._busy_workers()}.get(worker.worker)
                may_die = now is not None and is_meant(rule, now)
        finally:
            if not may_die:
                os.kill(worker.process_id, signal.SIGCONT)
        return may_die


def _has_stopped(process_id: int) -> bool:
    """Wait until a process that has been told to stop has done so: one that runs on another CPU goes on for a moment.
    False if it is gone, or takes too long."""
    give_up_at_s = time.monotonic() + _STOPS_WITHIN_S
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(process_id)
        while time.monotonic() < give_up_at_s:
            if process.status() == psutil.STATUS_STOPPED:
                return True
            time.sleep(0.0005)
    return False


def is_meant(rule: Rule, worker: BusyWorker) -> bool:
    """Whether the guards of a rule let this worker through."""
    if (rule.only_retriable and not worker.comes_again) or (rule.node >= 0 and worker.node != rule.node):
        return False
    return not rule.task or any(map(rule.means, worker.names))


def _check(rule: Rule, nodes: Nodes | None) -> None:
    if rule.fault is Fault.CRASH_NODE and nodes is None:
        raise ValueError(f"{rule}: pass the Cluster whose nodes are to crash.")
    if rule.fault not in (Fault.KILL_WORKER, Fault.CRASH_NODE):
        raise ValueError(f"{rule}: real processes can be killed, and nodes of a Cluster; the rest is for simulations.")
    if rule.on or rule.point or rule.phase is not Phase.DURING:
        raise ValueError(f"{rule}: messages, points and phases are seen in simulations only.")
