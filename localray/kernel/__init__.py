"""The kernel: every decision of a cluster in one pure state machine.

`Kernel.step(now_s, event, sender) -> effects` is all of it to the outside. It holds every task, object, actor, node,
worker and job; it reads no clock, rolls no dice but its seeded own, opens nothing. `localray.runtime` drives it over
real processes, `localray.sim` over virtual ones. Its parts:

* `kernel`: one event in, effects out
* `records`, `tables`: the state; `transitions`: which state may follow which; `story`: what happened to one thing
* `requests`, `environment`: which part takes which message or event
* `objects`, `tasks`, `actors`, `workers`: the lives of these things; `answers`, `cancellation`, `deaths`: what follows
from
  these
* `scheduling`: queues, leases, dispatch ahead, recall; policies are in `localray.sched`
* `views`: questions about the whole; `invariants`: what must hold after every step
"""

from localray.kernel.kernel import ENVIRONMENT, Event, Kernel

__all__ = ["ENVIRONMENT", "Event", "Kernel"]
