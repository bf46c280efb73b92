"""Which row to look at when; in memory, made anew from the rows' due times at every start."""

from __future__ import annotations

import heapq

from sagewright.store.rows import Identity


class Agenda:
    """At most one time per row (epoch seconds); setting it again replaces it."""

    def __init__(self) -> None:
        self._at: dict[Identity, float] = {}
        self._heap: list[tuple[float, Identity]] = []

    def set(self, identity: Identity, at: float) -> None:
        """Looks at the row then, and not at the time set before."""
        if self._at.get(identity) != at:
            self._at[identity] = at
            heapq.heappush(self._heap, (at, identity))

    def bring_forward(self, identity: Identity, at: float) -> None:
        """Looks at the row then, unless an earlier time was set."""
        self.set(identity, min(at, self._at.get(identity, at)))

    def next(self) -> float | None:
        """The earliest time there is."""
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> Identity | None:
        """Removes and returns the row that has waited longest, if one's time has come."""
        at = self.next()
        if at is None or at > now:
            return None
        _, identity = heapq.heappop(self._heap)
        del self._at[identity]
        return identity
