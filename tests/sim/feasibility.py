"""Whether there is any way at all to place bundles on nodes, found by trying: what packing is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localray.sim import SimulatedNode


def is_possible(strategy: str, bundles: Sequence[Mapping[str, float]], nodes: Sequence[SimulatedNode]) -> bool:
    """Whether all bundles fit on these nodes, were they empty."""
    left = [{"CPU": node.num_cpus, "GPU": node.num_gpus} for node in nodes]

    def place(index: int, used: tuple[int, ...]) -> bool:
        if index == len(bundles):
            return True
        for number, free in enumerate(left):
            if strategy == "STRICT_SPREAD" and number in used:
                continue
            if strategy == "STRICT_PACK" and used and number != used[0]:
                continue
            if all(free[name] >= amount for name, amount in bundles[index].items()):
                for name, amount in bundles[index].items():
                    free[name] -= amount
                if place(index + 1, (*used, number)):
                    return True
                for name, amount in bundles[index].items():
                    free[name] += amount
        return False

    return place(0, ())
