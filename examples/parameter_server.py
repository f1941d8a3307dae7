"""A sharded parameter server: stateful training of a small neural network that learns to read handwritten digits.

The parameters are cut in slices, each held by a `ParameterShard` actor; `GradientWorker` actors each hold a part of the
data and turn parameters into gradients. What the example shows about Ray:

* state lives in actors, and data goes from actor to actor: a call is given the *references* that other calls returned,
  so the driver writes down who needs what, a whole training run ahead, and never touches an array;
* calls on one actor run in the order they were made. That alone makes the synchronous mode exact: a shard's `pull` is
  answered after the `apply` before it, with no lock and no barrier, and the result is that of a serial program;
* `num_returns`: one gradient comes back as one reference per shard, and each shard is sent only its own slice;
* `ray.wait`: in the asynchronous mode whoever is done first goes on first, with parameters that others have changed in
  the meantime. One worker is slow on purpose: the synchronous mode waits for it in every step, this one does not.

    python examples/parameter_server.py
    python examples/parameter_server.py --quick
    python examples/parameter_server.py --steps 2000 --workers 8 --straggler-ms 0
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from digits import Array, Descent, Digits, Labels, Network, load_digits, picture
from progress import progress
from report import open_page, section, side_by_side, sparkline, verdict

import localray as ray

WANTED_ACCURACY = 0.9
QUICK_STEPS = 150
CURVE_POINTS = 40
MISTAKES_SHOWN = 5
SEED = 7


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which digits go into which gradient, and what is done with it: all that fixes the outcome of a training run."""

    steps: int
    workers: int
    batch: int = 32
    descent: Descent = field(default_factory=Descent)

    def initial(self) -> Array:
        """Return the parameters to start from."""
        return Network().initial(SEED)

    def gradient(self, digits: Digits, worker: int, step: int, parameters: Array) -> Array:
        """Return a gradient over the digits it is this worker's turn to look at in this step."""
        part = np.arange(worker, len(digits), self.workers)
        rows = np.random.default_rng((SEED, worker, step)).choice(part, self.batch, replace=False)
        _, gradient = Network().loss_and_gradient(parameters, digits.pick(rows))
        return gradient

    @property
    def evaluation_steps(self) -> range:
        """The steps after which the accuracy is looked at."""
        return range(0, self.steps, -(-self.steps // CURVE_POINTS))


@dataclass(frozen=True, slots=True)
class Training:
    """What came of one training run; `staleness` counts by how many updates a gradient was late."""

    parameters: Array
    curve: list[float]
    seconds: float
    by_worker: Counter[int]
    staleness: Counter[int]


@ray.remote(max_restarts=-1, max_task_retries=-1)
class ParameterShard:
    """Holds one slice of the parameters and moves it along gradients.

    It checkpoints itself: if its process dies it comes back with every step in it that it has answered for, once.
    """

    def __init__(self, values: Array) -> None:
        self._values = values
        self._velocity = np.zeros_like(values)

    def pull(self) -> Array:
        """Return the slice as it is now."""
        return self._values

    def apply(self, descent: Descent, *gradients: Array) -> None:
        """Take one step along the mean of some gradients."""
        self._values, self._velocity = descent.step(self._values, self._velocity, gradients)

    def checkpoint(self) -> tuple[Array, Array]:
        """Return all that the shard is."""
        return self._values, self._velocity

    def restore(self, state: tuple[Array, Array]) -> None:
        """Go on from a checkpoint."""
        self._values, self._velocity = state


@ray.remote(max_restarts=-1, max_task_retries=-1)
class GradientWorker:
    """Computes gradients on its own part of the digits; `delay_s` makes it slower than it needs to be."""

    def __init__(self, index: int, digits: Digits, schedule: Schedule, delay_s: float) -> None:
        self._index = index
        self._digits = digits
        self._schedule = schedule
        self._delay_s = delay_s

    def gradient(self, step: int, *slices: Array) -> list[Array]:
        """Return the gradient at the parameters that the slices make up, cut in the same way."""
        time.sleep(self._delay_s)
        gradient = self._schedule.gradient(self._digits, self._index, step, np.concatenate(slices))
        return np.split(gradient, np.cumsum([len(part) for part in slices])[:-1])


Slices: TypeAlias = "list[ray.ObjectRef[Array]]"


class Cluster:
    """The actors of one training run. What is asked of them later is only asked: no method waits for an answer."""

    def __init__(self, schedule: Schedule, digits: Digits, shards: int, straggler_s: float) -> None:
        slices = np.array_split(schedule.initial(), shards)
        digits_ref = ray.put(digits)
        last = schedule.workers - 1
        self.shards = [ParameterShard.remote(values) for values in slices]
        self.workers = [
            GradientWorker.remote(index, digits_ref, schedule, straggler_s if index == last else 0.0)
            for index in range(schedule.workers)
        ]
        # Training is timed, the start of processes is not part of it.
        ray.get([actor.__ray_ready__.remote() for actor in (*self.shards, *self.workers)])

    def pull(self) -> Slices:
        """Return references to the parameters as they will be when everything asked for so far is done."""
        return [shard.pull.remote() for shard in self.shards]

    def gradient(self, worker: int, step: int, parameters: Slices) -> Slices:
        """Ask a worker for a gradient at some parameters."""
        return self.workers[worker].gradient.options(num_returns=len(self.shards)).remote(step, *parameters)

    def apply(self, descent: Descent, *gradients: Slices) -> None:
        """Ask every shard for a step along the mean of its slices of some gradients."""
        for shard, *slices in zip(self.shards, *gradients, strict=True):
            shard.apply.remote(descent, *slices)


def fetch(parameters: Slices) -> Array:
    """Wait for some parameters and return them in one piece."""
    return np.concatenate(ray.get(parameters))


def train_serially(schedule: Schedule, digits: Digits, accuracy: Callable[[Array], float]) -> Training:
    """Return what a plain loop makes of the schedule, which is the answer to compare with."""
    started = time.perf_counter()
    parameters = schedule.initial()
    velocity = np.zeros_like(parameters)
    curve = []
    for step in range(schedule.steps):
        if step in schedule.evaluation_steps:
            curve.append(accuracy(parameters))
        gradients = [schedule.gradient(digits, worker, step, parameters) for worker in range(schedule.workers)]
        parameters, velocity = schedule.descent.step(parameters, velocity, gradients)
    curve.append(accuracy(parameters))
    return Training(parameters, curve, time.perf_counter() - started, Counter(), Counter())


def train_synchronously(schedule: Schedule, cluster: Cluster, accuracy: Callable[[Array], float]) -> Training:
    """Run the schedule step by step: all workers start from the same parameters, all gradients count in one update."""
    started = time.perf_counter()
    curve = []
    with progress("synchronous", schedule.steps, " steps") as bar:
        for step in range(schedule.steps):
            if step in schedule.evaluation_steps:
                curve.append(accuracy(fetch(cluster.pull())))
                bar.advance_to(step, note=f"accuracy {curve[-1]:.1%}")
            parameters = cluster.pull()
            gradients = [cluster.gradient(worker, step, parameters) for worker in range(schedule.workers)]
            cluster.apply(schedule.descent, *gradients)
        outcome = fetch(cluster.pull())
    curve.append(accuracy(outcome))
    by_worker = Counter(dict.fromkeys(range(schedule.workers), schedule.steps))
    return Training(outcome, curve, time.perf_counter() - started, by_worker, Counter())


def train_asynchronously(schedule: Schedule, cluster: Cluster, accuracy: Callable[[Array], float]) -> Training:
    """Apply as many gradients as the schedule has, but each as soon as it is there, whatever the others are doing."""
    started = time.perf_counter()
    descent = schedule.descent.one_gradient_at_a_time(schedule.workers)
    updates = schedule.steps * schedule.workers
    evaluate_at = {step * schedule.workers for step in schedule.evaluation_steps}
    curve = []
    by_worker: Counter[int] = Counter()
    staleness: Counter[int] = Counter()
    running = {}
    for worker in range(schedule.workers):
        gradient = cluster.gradient(worker, 0, cluster.pull())
        running[gradient[0]] = (worker, gradient, 0)
    with progress("asynchronous", updates, " gradients") as bar:
        for update in range(updates):
            if update in evaluate_at:
                curve.append(accuracy(fetch(cluster.pull())))
                bar.advance_to(update, note=f"accuracy {curve[-1]:.1%}")
            [first], _ = ray.wait(list(running))
            worker, gradient, born = running.pop(first)
            cluster.apply(descent, gradient)
            by_worker[worker] += 1
            staleness[update - born] += 1
            gradient = cluster.gradient(worker, by_worker[worker], cluster.pull())
            running[gradient[0]] = (worker, gradient, update + 1)
        outcome = fetch(cluster.pull())
    curve.append(accuracy(outcome))
    return Training(outcome, curve, time.perf_counter() - started, by_worker, staleness)


def print_trainings(schedule: Schedule, trainings: dict[str, Training]) -> None:
    """Print learning curves, accuracy and speed, one line per way of training."""
    section("accuracy on digits never seen, from the first step to the last")
    gradients = schedule.steps * schedule.workers
    for name, training in trainings.items():
        curve = sparkline(training.curve, low=0.0, high=1.0)
        speed = f"{training.seconds:6.2f} s {gradients / training.seconds:8,.0f} gradients/s"
        print(f"  {name:<14}{curve}  {training.curve[-1]:6.1%} {speed}")


def print_asynchrony(training: Training) -> None:
    """Print what the asynchronous mode made of a slow worker, and how old its gradients were."""
    section("what the asynchronous mode did differently")
    shares = (f"{training.by_worker[worker]:,}" for worker in sorted(training.by_worker))
    print(f"  gradients by worker, the last of which is slow: {', '.join(shares)}")
    late = sum(count * updates for updates, count in training.staleness.items()) / training.staleness.total()
    print(f"  a gradient was {late:.1f} updates late on average, {max(training.staleness)} at worst")


def print_mistakes(digits: Digits, read: Labels) -> None:
    """Draw some of the digits that the network reads wrong."""
    wrong = np.flatnonzero(read != digits.labels)
    section(f"what it still gets wrong: {len(wrong)} of {len(digits)}")
    columns = [
        [f" a {digits.labels[row]}, read as {read[row]}", *picture(digits.images[row])]
        for row in wrong[:MISTAKES_SHOWN]
    ]
    print(side_by_side(columns, width=19))


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description="Train a network that reads digits, with a sharded parameter server.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_STEPS} steps")
    parser.add_argument("--steps", type=int, default=400, help="updates of the synchronous mode (default: 400)")
    parser.add_argument("--workers", type=int, default=4, help="actors that compute gradients (default: 4)")
    parser.add_argument("--shards", type=int, default=3, help="actors that hold parameters, at least 2 (default: 3)")
    parser.add_argument("--straggler-ms", type=float, default=5.0, help="delay of the slow worker (default: 5)")
    parser.add_argument("--cpus", type=int, default=None, help="CPUs to use (default: all there are)")
    options = parser.parse_args()
    if options.shards < 2:
        parser.error("--shards must be at least 2: a single one is not a sharded parameter server")
    return options


def main() -> int:
    """Train three times, print and compare; return the exit code."""
    options = arguments()
    schedule = Schedule(steps=QUICK_STEPS if options.quick else options.steps, workers=options.workers)
    to_learn, to_test = load_digits(SEED)
    open_page(
        "A parameter server that learns to read",
        f"{Network().size:,} parameters in {options.shards} shards; {schedule.workers} workers share {len(to_learn):,} "
        f"digits; {schedule.steps} steps",
    )

    def accuracy(parameters: Array) -> float:
        return Network().accuracy(parameters, to_test)

    trainings = {"serial": train_serially(schedule, to_learn, accuracy)}
    with ray.init(num_cpus=options.cpus):
        for name, train in (("synchronous", train_synchronously), ("asynchronous", train_asynchronously)):
            cluster = Cluster(schedule, to_learn, options.shards, options.straggler_ms / 1000)
            trainings[name] = train(schedule, cluster, accuracy)
    print_trainings(schedule, trainings)
    print_asynchrony(trainings["asynchronous"])
    print_mistakes(to_test, Network().read(trainings["synchronous"].parameters, to_test.images))
    return compare(trainings)


def compare(trainings: dict[str, Training]) -> int:
    """Print whether the synchronous parameters are the serial ones and the asynchronous ones any good."""
    serial, synchronous = trainings["serial"].parameters, trainings["synchronous"].parameters
    accuracy = trainings["asynchronous"].curve[-1]
    section("check")
    print(f"  synchronous: no parameter is further than {np.abs(serial - synchronous).max():.1e} from the serial one")
    print(f"  asynchronous: {accuracy:.1%} of the digits read right, wanted were more than {WANTED_ACCURACY:.0%}")
    exit_code = verdict(np.allclose(serial, synchronous, rtol=1e-9, atol=1e-12))
    return exit_code if accuracy > WANTED_ACCURACY else 1


if __name__ == "__main__":
    sys.exit(main())
