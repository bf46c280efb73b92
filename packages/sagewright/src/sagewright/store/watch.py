"""Who is told when a row was changed: those who wait for one row, and those who listen to all."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable

from sagewright.store.rows import Identity

_log = logging.getLogger(__name__)

Listener = Callable[[Identity], None]


class Watch:
    """Lives on one event loop; ``tell`` is called after the commit."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._waiting: dict[Identity, set[asyncio.Future[None]]] = defaultdict(set)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls ``listener`` for every changed row; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def expect(self, identity: Identity) -> asyncio.Future[None]:
        """Resolves when the row is changed next; give it back with ``forget``."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[identity].add(future)
        return future

    def forget(self, identity: Identity, future: asyncio.Future[None]) -> None:
        """Ends the waiting."""
        waiting = self._waiting.get(identity)
        if waiting is not None:
            waiting.discard(future)
            if not waiting:
                del self._waiting[identity]

    def tell(self, identities: Iterable[Identity]) -> None:
        """These rows were changed, and it is durable."""
        for identity in dict.fromkeys(identities):
            for future in self._waiting.pop(identity, ()):
                if not future.done():
                    future.set_result(None)
            for listener in tuple(self._listeners):
                self._call(listener, identity)

    def _call(self, listener: Listener, identity: Identity) -> None:
        try:
            listener(identity)
        except Exception:  # noqa: BLE001 - it is logged; the other listeners and the writer go on
            _log.exception("a listener failed on %s %s", identity[1], identity[2])
