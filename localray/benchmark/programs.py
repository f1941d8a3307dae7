"""The small programs whose start, stop and rest are measured: what a user of each system would write, nothing more.

They are texts given to a fresh interpreter, not functions of this package: importing the package would be part of what
is measured. How they are run is in startup.py and memory.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from .systems import SystemName

MARKS_LINE = "MARKS"
READY_LINE = "READY"
TASKS_BEFORE_REST_PER_PROCESSOR = 10

_TEMPLATE = """
import time
marks = [time.monotonic()]
{imports}
marks.append(time.monotonic())
def first():
    return b"ok"
if __name__ == "__main__":
    {start}
    marks.append(time.monotonic())
    {first_task}
    marks.append(time.monotonic())
    {rest}
    {stop}
    marks.append(time.monotonic())
    print()
    print("MARKS", *map(repr, marks), flush=True)
"""

_REST = """{many_tasks}
    print("READY", flush=True)
    input()"""


@dataclass(frozen=True, slots=True)
class _Program:
    """The lines that differ between systems; `{n}` is the number of processors, `{many}` a number of tasks."""

    imports: str
    start: str
    first_task: str
    many_tasks: str
    stop: str


def _ray_like(module_name: str) -> _Program:
    return _Program(
        imports=f"import {module_name} as ray",
        start="ray.init(num_cpus={n})",
        first_task="task = ray.remote(first); ray.get(task.remote())",
        many_tasks="ray.get([task.remote() for _ in range({many})])",
        stop="ray.shutdown()",
    )


_PROGRAMS = {
    SystemName.LOCALRAY: _ray_like("localray"),
    SystemName.RAY: _ray_like("ray"),
    SystemName.POOL: _Program(
        imports="import multiprocessing",
        start="pool = multiprocessing.Pool({n})",
        first_task="pool.apply_async(first).get()",
        many_tasks="[result.get() for result in [pool.apply_async(first) for _ in range({many})]]",
        stop="pool.close(); pool.join()",
    ),
    SystemName.EXECUTOR: _Program(
        imports="from concurrent.futures import ProcessPoolExecutor",
        start="executor = ProcessPoolExecutor({n})",
        first_task="executor.submit(first).result()",
        many_tasks="[future.result() for future in [executor.submit(first) for _ in range({many})]]",
        stop="executor.shutdown(wait=True)",
    ),
    SystemName.LOKY: _Program(
        imports="import loky",
        start="executor = loky.get_reusable_executor(max_workers={n})",
        first_task="executor.submit(first).result()",
        many_tasks="[future.result() for future in [executor.submit(first) for _ in range({many})]]",
        stop="executor.shutdown(wait=True)",
    ),
    SystemName.DASK: _Program(
        imports="import distributed",
        start="cluster = distributed.LocalCluster(n_workers={n}, threads_per_worker=1); "
        "client = distributed.Client(cluster)",
        first_task="client.submit(first, pure=False).result()",
        many_tasks="client.gather([client.submit(first, pure=False) for _ in range({many})])",
        stop="client.close(); cluster.close()",
    ),
}


def program_text(name: SystemName, processors: int, *, rests: bool) -> str:
    """Return a program that starts a system, runs a task and stops, writing down the time after each step.

    Args:
        rests: before it stops it runs some more tasks, so that all workers exist, says so, and waits for a line.
    """
    program = _PROGRAMS[name]
    text = _TEMPLATE.format(
        imports=program.imports,
        start=program.start,
        first_task=program.first_task,
        rest=_REST.format(many_tasks=program.many_tasks) if rests else "",
        stop=program.stop,
    )
    return text.replace("{n}", str(processors)).replace("{many}", str(processors * TASKS_BEFORE_REST_PER_PROCESSOR))
