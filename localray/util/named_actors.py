"""`ray.util.list_named_actors`."""

from __future__ import annotations

from localray.client.current import connected_client
from localray.protocol import Query


def list_named_actors(all_namespaces: bool = False) -> list[str] | list[dict[str, str]]:
    """The names of living named actors.

    Args:
        all_namespaces: of every namespace instead of the caller's.

    Returns:
        Names; with ``all_namespaces`` dictionaries with the keys ``name`` and ``namespace``.
    """
    client = connected_client()
    answer = client.ask(Query.NAMED_ACTORS, "" if all_namespaces else client.namespace)
    pairs = [(str(namespace), str(name)) for namespace, name in answer] if isinstance(answer, tuple) else []
    if all_namespaces:
        return [{"name": name, "namespace": namespace} for namespace, name in pairs]
    return [name for _, name in pairs]
