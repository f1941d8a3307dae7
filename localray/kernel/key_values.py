"""A session's small table of keys and values, for programs that share a little state by name (Ray's internal KV).

Must not live here: anything that the kernel itself remembers or decides by.
"""

from __future__ import annotations

from localray.kernel.records import ClientRecord
from localray.kernel.tables import Tables
from localray.protocol import KeyValue, KeyValueAction, Reply, ReplyValue


def handle(tables: Tables, client: ClientRecord, message: KeyValue) -> None:
    """Answer one question, or make one change."""
    table = tables.key_values.setdefault(message.namespace, {})
    tables.send(client.number, Reply(message.request, _act(table, message)))
    if not table:
        del tables.key_values[message.namespace]


def _act(table: dict[bytes, bytes], message: KeyValue) -> ReplyValue:
    action, key = KeyValueAction(message.action), message.key
    if action is KeyValueAction.GET:
        return table.get(key)
    if action is KeyValueAction.LIST:
        return tuple(each for each in table if each.startswith(key))
    if action is KeyValueAction.PUT:
        existed = key in table
        if message.flag or not existed:
            table[key] = message.value
        return int(existed)
    gone = [each for each in table if each.startswith(key)] if message.flag else [key] if key in table else []
    for each in gone:
        del table[each]
    return len(gone)
