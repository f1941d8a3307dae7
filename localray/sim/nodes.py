"""Virtual nodes: what each has, and adding and losing them while a program runs.

Must not live here: what follows for what ran there (the kernel), starting a session.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from random import Random

from localray.kernel.effects import NodeAdded
from localray.options import to_units
from localray.shm.settings import StoreSettings

_CPU_UNITS = 10_000
_MOST_PRESTARTED = 8
STORE_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class SimulatedNode:
    """What one virtual node has.

    Example:
        >>> SimulatedNode(num_cpus=4, labels={"zone": "a"}).units()
        {'CPU': 40000}
    """

    num_cpus: float = 2
    num_gpus: float = 0
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    object_store_memory: int = STORE_BYTES

    def units(self) -> dict[str, int]:
        """Its resources in 1/10000 units."""
        amounts = {"CPU": self.num_cpus, "GPU": self.num_gpus, **self.resources}
        return {name: to_units(amount) for name, amount in amounts.items() if amount}

    def keywords(self) -> dict[str, object]:
        """What `ray.init` is given for a node like this."""
        return {field.name: getattr(self, field.name) or None for field in fields(self)} | {"num_cpus": self.num_cpus}

    def joining(self, random: Random, store: StoreSettings) -> NodeAdded:
        """The event of its joining; its id is drawn."""
        return joining(random, self.units(), self.labels, self.object_store_memory, store)


def joining(
    random: Random, resources: Mapping[str, int], labels: Mapping[str, str], store_bytes: int, store: StoreSettings
) -> NodeAdded:
    """A node joins."""
    prestart = max(1, min(resources.get("CPU", 0) // _CPU_UNITS, _MOST_PRESTARTED))
    return NodeAdded(
        random.randbytes(28),
        tuple(sorted(resources.items())),
        tuple(sorted(labels.items())),
        store_bytes,
        prestart,
        store,
    )
