"""Which client has access to which node's arena: each gets it with the first place in it that it hears of, and forgets
it when its node is dead and the last object there is gone.

Must not live here: who gets which room in an arena (`store`).
"""

from __future__ import annotations

from localray.kernel.effects import CoolArena, DropArena, ShareArena
from localray.kernel.records import ClientRecord, NodeRecord
from localray.kernel.tables import Tables
from localray.protocol import NODE_SHIFT, ForgetArena


def show(tables: Tables, client: ClientRecord, location: int) -> None:
    """A client is about to hear of a place."""
    number = location >> NODE_SHIFT
    if number not in client.arenas:
        client.arenas.add(number)
        tables.effects.append(ShareArena(client.number, number, tables.nodes[number].store_capacity_bytes))


def released(tables: Tables, node: NodeRecord, offset: int, size_bytes: int) -> None:
    """A range of a dead node's arena is no one's any more: nobody will write there again, so its memory goes back."""
    if node.store.allocator.used_bytes:
        tables.effects.append(CoolArena(node.number, offset, size_bytes))
    else:
        drop_if_empty(tables, node)


def drop_if_empty(tables: Tables, node: NodeRecord) -> None:
    """Where nothing is left of a dead node's store, its arena is forgotten by all who have it."""
    if node.store.allocator.used_bytes:
        return
    for client in tables.clients.values():
        if node.number in client.arenas:
            client.arenas.remove(node.number)
            tables.send(client.number, ForgetArena(node.number))
    tables.effects.append(DropArena(node.number))
