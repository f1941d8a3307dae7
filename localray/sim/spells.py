"""Spells in which something is slower than usual. Of several that overlap the strongest counts, at each moment: a fault
never makes anything faster than it would be without it.

Must not live here: what is slow (`localray.sim.network`, `localray.sim.disk`), when a spell begins
(`localray.sim.havoc`).
"""

from __future__ import annotations


class Spells:
    """What slows one thing now, and until when.

    Attributes:
        factor: how many times longer everything takes now.
    """

    __slots__ = ("_spells", "factor")

    def __init__(self) -> None:
        self.factor = 1.0
        self._spells: list[tuple[int, float]] = []

    def begin(self, factor: float, until_ns: int) -> None:
        """Another spell begins; whoever says so calls `pass_away` when it is over."""
        self._spells.append((until_ns, factor))
        self.factor = max(self.factor, factor)

    def pass_away(self, now_ns: int) -> None:
        """What was to last until now is over."""
        self._spells = [spell for spell in self._spells if spell[0] > now_ns]
        self.factor = max((factor for _, factor in self._spells), default=1.0)

    def clear(self) -> None:
        """All are over, whenever they would have been."""
        self._spells.clear()
        self.factor = 1.0

    def done_after_ns(self, work_ns: int, now_ns: int) -> int:
        """How long work takes from now on, if all spells pass away when they should and none begins."""
        at_ns, left_ns = now_ns, work_ns
        for until_ns, _ in sorted(self._spells):
            # All that end later last at least until then, and so does this one.
            factor = max(factor for end_ns, factor in self._spells if end_ns >= until_ns)
            if left_ns * factor <= until_ns - at_ns:
                return at_ns - now_ns + int(left_ns * factor)
            left_ns -= int((until_ns - at_ns) / factor)
            at_ns = until_ns
        return at_ns - now_ns + left_ns
