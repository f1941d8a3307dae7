"""What generators and their consumers may do in a random program: yield, ask ahead, take, wait for each other, let go.

Must not live here: when (`player`), what arrives (`world`).
"""

from __future__ import annotations

from collections.abc import Sequence

from .cluster import ITEMS_NAMED
from .model import Choices, Client, Stream
from .world import World

MOST_ITEMS = ITEMS_NAMED - 4


class Streaming(World):
    """A world in which tasks may be generators."""

    choices: Choices

    def some_contained(self, client: Client, own: set[str]) -> tuple[str, ...]:
        """A few of the objects that a client holds and may put into one of these."""
        raise NotImplementedError

    def yield_item(self, client: Client, task: str) -> None:
        """A generator yields, inline or a stored object; in a second run it begins anew."""
        spec = self.specs[task]
        spec.yielded += 1
        item = f"{task}#{spec.yielded}"
        contained = self.some_contained(client, {task, item})
        where = f" contains={','.join(contained)}" if contained else ""
        text = f"{item}/{client.name}/{client.started}"
        if client.buffers and self.choices.pick(2):
            text, size_bytes = client.buffers.pop()
            where += f" {text} size={size_bytes}"
        self.values.setdefault(item, {})[text] = contained
        client.say(f"yields {item}{where}" + ("" if text in where else f" = {text}"))
        if self.choices.pick(4) == 0:
            client.say(f"awaits {task} {spec.yielded}")

    def ask_ahead(self, client: Client, name: str) -> None:
        """A consumer asks for the next few items of a stream."""
        stream = client.streams[name]
        count = 1 + self.choices.pick(3)
        items = [f"{name}#{stream.asked + number}" for number in range(1, count + 1)]
        stream.asked += count
        client.next_request()
        client.say(f"get {' '.join(items)} needed=0 unblocking")

    def take(self, client: Client, name: str) -> None:
        """A consumer takes the next item, which has come."""
        stream = client.streams[name]
        stream.taken += 1
        client.held[f"{name}#{stream.taken}"] = None
        if self.choices.pick(2):
            client.say(f"takes {name} {stream.taken}")

    def drop_stream(self, client: Client, name: str) -> None:
        """A consumer lets go of a generator."""
        client.say(f"drops_stream {name} {client.streams.pop(name).taken}")

    def open_stream(self, client: Client, name: str) -> None:
        """A client has submitted a generator."""
        self.specs[name].stream = True
        client.streams[name] = Stream()

    def consumable(self, client: Client) -> tuple[Sequence[str], Sequence[str]]:
        """The streams of which a client may ask for more, and those of which it may take an item."""
        more = [name for name, stream in client.streams.items() if stream.asked < MOST_ITEMS]
        ready = [
            name for name, stream in client.streams.items() if f"{name}#{stream.taken + 1}" in stream.came
        ]
        return more, ready
