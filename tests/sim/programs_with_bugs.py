"""Programs with a bug that only some order of events, or some fault, brings out; one that has none.

Called with the module `localray`, in a session of the simulation.
"""

from __future__ import annotations

from types import ModuleType


def _counter(ray: ModuleType) -> type:
    @ray.remote
    class Counter:
        def __init__(self) -> None:
            self.number = 0

        def get(self) -> int:
            return self.number

        def set(self, number: int) -> None:
            self.number = number

        def add(self, number: int) -> int:
            self.number += number
            return self.number

    return Counter  # type: ignore[no-any-return]


def lost_update(ray: ModuleType) -> None:
    """Two tasks read, then write."""
    counter = _counter(ray).remote()  # type: ignore[attr-defined]

    @ray.remote
    def increment() -> None:
        number = ray.get(counter.get.remote())
        ray.get(counter.set.remote(number + 1))

    ray.get([increment.remote() for _ in range(2)])
    assert ray.get(counter.get.remote()) == 2, "an update was lost"


def first_come(ray: ModuleType) -> None:
    """Takes what is ready first for what was submitted first."""

    @ray.remote
    def work(name: str) -> str:
        import time

        time.sleep(0.001)
        return name

    ready, _ = ray.wait([work.remote("a"), work.remote("b")], num_returns=1)
    assert ray.get(ready) == ["a"], "the second was ready first"


def paid_twice(ray: ModuleType) -> None:
    """A task with an effect that is not idempotent is tried again."""
    counter = _counter(ray).remote()  # type: ignore[attr-defined]

    @ray.remote
    def pay() -> None:
        ray.get(counter.add.remote(1))

    ray.get([pay.remote() for _ in range(5)])
    assert ray.get(counter.get.remote()) == 5, "paid twice"


def no_retries(ray: ModuleType) -> None:
    """A task that must not fail has no retries."""

    @ray.remote(max_retries=0)
    def work(number: int) -> int:
        return number

    assert ray.get([work.remote(number) for number in range(10)]) == list(range(10))


def orphaned_actor(ray: ModuleType) -> None:
    """Counts on an actor that is not restarted."""
    counter = _counter(ray).remote()  # type: ignore[attr-defined]
    for number in range(1, 11):
        assert ray.get(counter.add.remote(1)) == number


def waits_in_a_circle(ray: ModuleType) -> None:
    """Two actors call each other, each while it serves a call: a deadlock when both begin before either calls."""

    @ray.remote
    class Peer:
        def meet(self, other: object) -> int:
            import time

            time.sleep(0.002)
            return 0 if other is None else ray.get(other.meet.remote(None))  # type: ignore[attr-defined]

    one, two = Peer.remote(), Peer.remote()
    ray.get([one.meet.remote(two), two.meet.remote(one)])


def gives_up_too_soon(ray: ModuleType) -> None:
    """A timeout that is enough only when nothing is slow."""

    @ray.remote
    def work() -> None:
        import time

        time.sleep(0.02)

    ray.get([work.remote() for _ in range(4)], timeout=0.06)


def check_then_act(ray: ModuleType) -> None:
    """Two tasks look for a name, and create it if it is not there."""

    @ray.remote
    class Registry:
        pass

    kept = []

    @ray.remote
    def find_or_create() -> object:
        try:
            return ray.get_actor("registry")
        except ValueError:
            return Registry.options(name="registry").remote()

    kept += ray.get([find_or_create.remote() for _ in range(2)])


def order_between_callers(ray: ModuleType) -> None:
    """Counts on two callers' calls arriving in the order in which the callers were submitted."""
    counter = _counter(ray).remote()  # type: ignore[attr-defined]

    @ray.remote
    def write(number: int) -> None:
        ray.get(counter.set.remote(number))

    ray.get([write.remote(1), write.remote(2)])
    assert ray.get(counter.get.remote()) == 2, "the first write came last"


def keeps_everything(ray: ModuleType) -> None:
    """A cache in an actor that keeps references for ever."""

    @ray.remote
    class Cache:
        def __init__(self) -> None:
            self.kept: list[object] = []

        def keep(self, boxed: list[object]) -> None:
            self.kept.append(boxed[0])

    cache = Cache.options(lifetime="detached", name="cache").remote()
    ray.get([cache.keep.remote([ray.put(bytes(300_000))]) for _ in range(3)])


def three_must_meet(ray: ModuleType) -> None:
    """Wrong only when the third of three messages overtakes both others: a bug of depth three."""
    counter = _counter(ray).remote()  # type: ignore[attr-defined]
    log = ray.remote(list).remote()

    @ray.remote
    def step(number: int) -> None:
        ray.get(log.append.remote(number))

    ray.get([step.remote(number) for number in range(3)])
    order = ray.get(log.copy.remote())
    assert order != [2, 1, 0], f"arrived as {order}"
    del counter


def leans_on_hashes(ray: ModuleType) -> None:
    """Does something in the order of a set of strings: another order in another process."""
    sleep = ray.remote(lambda seconds: __import__("time").sleep(seconds))
    for name in {"a", "b", "c", "d", "e", "f"}:
        ray.get(sleep.remote(0.01 * ord(name)))


def sound(ray: ModuleType) -> None:
    """Idempotent work, with retries: right under all that the presets hold."""

    @ray.remote(max_retries=-1)
    def square(number: int) -> int:
        return number * number

    @ray.remote(max_retries=-1)
    def total(numbers: list[int], *more: int) -> int:
        return sum(numbers) + sum(more)

    squares = [square.remote(number) for number in range(20)]
    halves = [total.remote([], *squares[:10]), total.remote([], *squares[10:])]
    assert sum(ray.get(halves)) == sum(number * number for number in range(20))
