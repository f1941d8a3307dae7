"""The end of a random program: everything asked for comes to its end, everything is let go of, and then nothing may be
left."""

from __future__ import annotations

from localray.kernel.records import ObjectState, WorkerState

from .model import Client
from .player import Player


class Ending:
    """Brings a player's program to its end."""

    def __init__(self, player: Player) -> None:
        self.player = player

    def play(self) -> None:
        """All of it."""
        self.drain()
        self.let_go()
        self.check_nothing_is_left()

    def drain(self) -> None:
        """Nobody asks for anything more; everything that was asked for comes to its end."""
        tables = self.player.cluster.kernel.tables
        for round_number in range(400):
            busy = [client for client in list(self.player.clients.values()) if self.go_on(client)]
            self.make_room()
            for name in list(self.player.kills):
                self.player.die(name, 0)
            if busy or any(client.inbox for client in self.player.clients.values()):
                continue
            waiting = [client for client in self.player.clients.values() if client.waits and client.running]
            actors = [name for name, spec in self.player.specs.items() if spec.actor == name]
            if waiting:
                self.player.withdraw(waiting[0])
            elif tables.groups and round_number > 100:
                # What was put into a group may never have fitted into its bundle.
                for group in self.player.groups:
                    self.player.do(f"d remove {group}")
            elif tables.tasks and round_number > 200 and actors:
                # An actor may hold the CPUs that the rest waits for.
                for actor in actors:
                    self.player.do(f"d kill {actor}")
            elif tables.tasks or tables.groups:
                self.player.do("tick +10ms")
            else:
                break
        assert not tables.tasks, f"tasks that never end: {self.player.cluster.names.list_of(tables.tasks)}"
        for record in tables.objects.values():
            assert record.state is not ObjectState.PENDING, (
                f"{self.player.cluster.names.of(record.object_id)} never comes"
            )
        for client in self.player.clients.values():
            assert not client.waits, f"{client.name} waits for ever"

    def go_on(self, client: Client) -> bool:
        """A client does what it can without asking for more; returns whether it did anything."""
        if client.name not in self.player.clients:
            return False
        before = len(self.player.lines)
        if not client.born:
            self.player.be_born(client)
        self.player.catch_up(client)
        if client.exiting:
            self.player.die(client.name, len(client.outbox))
            return True
        while client.queue and len(client.running) < client.concurrency:
            self.player.start(client)
        for task in client.free_tasks():
            while self.player.specs[task].stream and self.player.specs[task].yielded < 2:
                self.player.yield_item(client, task)
            self.player.finish(client, task)
        self.consume(client)
        self.player.catch_up(client)
        return len(self.player.lines) > before

    def consume(self, client: Client) -> None:
        """A client asks once for the first items of each of its streams, and takes what has come."""
        for name, stream in client.streams.items():
            if not stream.asked:
                self.player.ask_ahead(client, name)
        for name in self.player.consumable(client)[1]:
            self.player.take(client, name)

    def let_go(self) -> None:
        """Everybody drops, unpins and abandons all they have."""
        for _ in range(20):
            for client in list(self.player.clients.values()):
                for name in list(client.streams):
                    self.player.drop_stream(client, name)
                for name in list(client.held):
                    if client.waits:
                        self.player.withdraw(client)
                    else:
                        del client.held[name]
                        client.say(f"drop {name}")
                while client.pins:
                    self.player.unpin(client)
                while client.buffers:
                    client.say(f"abandon {client.buffers.pop()[0]}")
                self.go_on(client)
            self.make_room()
            for name in list(self.player.kills):
                self.player.die(name, 0)
        for actor in [name for name, spec in self.player.specs.items() if spec.actor == name]:
            self.player.do(f"d kill {actor}")
        # Whose death may be that of others: these are killed, or told to leave.
        while self.player.kills:
            self.player.die(self.player.kills[0], 0)
            for client in list(self.player.clients.values()):
                self.go_on(client)

    def make_room(self) -> None:
        """The disk answers, and nobody waits for room any longer."""
        tables = self.player.cluster.kernel.tables
        while self.player.cluster.disk:
            self.player.disk_answers()
        if any(node.store.waiting for node in tables.nodes.values()):
            self.player.do("tick +2000ms")

    def check_nothing_is_left(self) -> None:
        """All tables are empty, all resources free."""
        tables = self.player.cluster.kernel.tables
        names = self.player.cluster.names
        assert not tables.objects, f"objects are left: {names.list_of(tables.objects)}"
        assert not tables.tasks and not tables.actors and not tables.names and not tables.streams
        assert not tables.groups and not tables.group_names and not tables.pending_groups
        assert not tables.backlogged and not tables.postponed
        assert all(not group.queued and not group.leased for group in tables.classes.values())
        assert all(worker.state is WorkerState.IDLE for worker in tables.workers.values())
        for node in tables.nodes.values():
            assert node.available == node.total
            assert node.gpu_free == [10_000] * (node.total["GPU"] // 10_000)
            assert node.store_used_bytes == 0
            assert not node.store.waiting and not node.store.spillable and not node.store.evictable
        assert not tables.spill_files
