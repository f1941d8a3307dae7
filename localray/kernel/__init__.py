"""The kernel: every decision of a cluster in one pure state machine.

`Kernel.step(now_s, event, sender) -> effects` is all of it to the outside. It holds every task, object, actor, node,
worker and job; it reads no clock, rolls no dice but its seeded own, opens nothing. `localray.runtime` drives it over
real processes, `localray.sim` over virtual ones. Its parts:

* `kernel`: one event in, effects out; which handler takes which message
* `records`, `tables`: the state; `transitions`: which state may follow which; `story`: what happened to one thing
* `objects`, `tasks`, `actors`, `workers`: the lives of these things; `deaths`: what follows when a process dies
* `scheduling`: queues, leases, dispatch ahead, recall; policies are in `localray.sched`
* `views`: questions about the whole; `invariants`: what must hold after every step
"""

from localray.kernel.kernel import ENVIRONMENT, Event, Kernel

__all__ = ["ENVIRONMENT", "Event", "Kernel"]
