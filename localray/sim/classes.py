"""Which classes have been sent and received by value, for each virtual process by itself.

cloudpickle numbers the classes that it pickles by value, and keeps what it has sent and received in tables of its
process, so that a class that comes back is the one that left. In a simulation all processes are one: with one table for
all, workers would share their classes' attributes, and a second session, whose random numbers begin anew with the same
seed, would give a class the number of another from the session before. Must not live here: pickling
(`localray.client.serialization`).
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Final, Generic, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from localray.client.client import Client
from localray.client.current import thread_client
from localray.sim.carriers import Carriers

K = TypeVar("K")
V = TypeVar("V")

TABLES: Final[tuple[tuple[str, Callable[[], MutableMapping[object, object]]], ...]] = (
    ("cloudpickle.cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS", WeakKeyDictionary),
    ("cloudpickle.cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID", WeakValueDictionary),
)
"""What cloudpickle keeps, by its name, and what it is kept in."""


class TableOfProcess(Generic[K, V]):
    """In the place of one of these tables: the one of the virtual process that looks at it.

    Args:
        carriers: of the simulation.
        real: the table that was there, which is that of all threads outside of the simulation.
        new: makes an empty one.
    """

    def __init__(
        self, carriers: Carriers, real: MutableMapping[K, V], new: Callable[[], MutableMapping[K, V]]
    ) -> None:
        self._carriers = carriers
        self._real = real
        self._new = new
        self._of_client: WeakKeyDictionary[Client, MutableMapping[K, V]] = WeakKeyDictionary()

    def _here(self) -> MutableMapping[K, V]:
        # Not whose thread it is: what is delivered to one process is read on the thread of another that waits.
        client = thread_client()
        if client is None or self._carriers.mine() is None:
            return self._real
        table = self._of_client.get(client)
        if table is None:
            table = self._of_client[client] = self._new()
        return table

    def get(self, key: K, default: V | None = None) -> V | None:
        """As a dictionary's."""
        return self._here().get(key, default)

    def setdefault(self, key: K, default: V) -> V:
        """As a dictionary's."""
        return self._here().setdefault(key, default)

    def __setitem__(self, key: K, value: V) -> None:
        self._here()[key] = value

    def __getitem__(self, key: K) -> V:
        return self._here()[key]

    def __contains__(self, key: K) -> bool:
        return key in self._here()

    def __len__(self) -> int:
        return len(self._here())
