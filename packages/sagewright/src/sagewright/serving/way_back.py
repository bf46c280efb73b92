"""How a model's own code calls this server: the front's address, and the keys of the model's role.

As on AWS it has neither where the model asks for network isolation. Built-in algorithms need neither, so they get nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from sagewright.base.clock import Clock
from sagewright.wire.credentials import Keyring

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

    def environment(self, account: str, role: str, own_network: bool) -> dict[str, str]:
        """The variables that every AWS SDK knows. In a network of its own the front is at the container's loopback (compute/relay.py)."""
        found = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.address[1]}" if own_network else self.url}
        if not role:
            return found
        keys = self.keyring.mint(account, role, SESSION, KEYS_SECONDS, self.clock.now())
        return {**found, **keys.environment()}
