"""How code in a container calls this server: the front's address, and the keys of the role that it runs as.

As on AWS it has neither where network isolation is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

from sagewright.base.clock import Clock
from sagewright.wire.credentials import Keyring, TemporaryKeys

SESSION = "SageMaker"
"""The session name of the assumed role, as on AWS."""
KEYS_SECONDS = 365 * 24 * 3600.0
"""An endpoint has no end that is known; a replica that is started again gets new keys."""


@dataclass(frozen=True, slots=True)
class WayBack:
    """``address`` (host, port) is the front's, ``url`` the same as this machine's clients are told it."""

    address: tuple[str, int]
    url: str
    keyring: Keyring
    clock: Clock

    def environment(self, account: str, role: str, own_network: bool, seconds: float = KEYS_SECONDS) -> dict[str, str]:
        """The variables that every AWS SDK knows; the keys are good for so many ``seconds``.

        In a network of its own the front is at the container's loopback (compute/relay.py).
        """
        found = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.address[1]}" if own_network else self.url}
        if not role:
            return found
        return {**found, **self.keys(account, role, seconds).environment()}

    def keys(self, account: str, role: str, seconds: float) -> TemporaryKeys:
        """Keys of a role, good for so many seconds."""
        return self.keyring.mint(account, role, SESSION, seconds, self.clock.now())
