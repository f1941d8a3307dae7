"""A session in local mode: what ``ray.init(local_mode=True)`` starts. Puts the parts together, and takes them apart.

Must not live here: the parts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from localray.client.client import Client
from localray.exceptions import RaySystemError
from localray.inline.channel import InlineChannel
from localray.inline.host import InlineHost
from localray.kernel import Kernel
from localray.kernel.effects import DriverConnected, NodeAdded
from localray.protocol import KernelMessage, RegisterDriver, Registered
from localray.shm.settings import StoreSettings


class InlineSession:
    """A running session in local mode, seen from its driver.

    Args:
        resources: of the node, in 1/10000 units.
        labels: of the node.
        store_bytes: capacity of the object store.
        namespace: of the driver's actors.
        seed: of ids and of what is left open.
        notify: shows a text to the user.
    """

    def __init__(
        self,
        resources: Mapping[str, int],
        labels: Mapping[str, str],
        store_bytes: int,
        namespace: str,
        seed: int,
        notify: Callable[[str], None],
    ) -> None:
        self._random = Random(f"local mode {seed}")
        self._host = host = InlineHost(Kernel(Random(f"kernel {seed}"), takes_turns=False, opens_lanes=False), notify)
        node_id = self._random.randbytes(28)
        host.begin(node_id)
        host.step(
            NodeAdded(
                node_id,
                tuple(sorted(resources.items())),
                tuple(sorted(labels.items())),
                store_bytes,
                0,
                StoreSettings(),
            )
        )
        number = host.kernel.new_client_number()
        channel = host.channels[number] = InlineChannel(host, number)
        listener = _Listener()
        channel.client = listener  # type: ignore[assignment]
        host.step(DriverConnected(number))
        host.take([RegisterDriver(os.getpid(), namespace, tuple(sys.path), str(Path.cwd()))], number)
        welcome = listener.welcome
        if welcome is None:
            raise RaySystemError("the kernel did not welcome the driver")
        self.client = channel.client = Client(
            channel, host.store, welcome.client, welcome.job, welcome.node_id, welcome.namespace, notify
        )

    def shutdown(self) -> None:
        """End the session: nothing of it is left."""
        for worker in list(self._host.workers.values()):
            worker.close()
        self._host.workers.clear()
        self.client.close()


class _Listener:
    """Hears the kernel's welcome, before there is a client to hear it."""

    welcome: Registered | None = None

    def handle(self, message: KernelMessage) -> None:
        if isinstance(message, Registered):
            self.welcome = message

    def before_flush(self) -> None:
        """Nothing has died yet."""
