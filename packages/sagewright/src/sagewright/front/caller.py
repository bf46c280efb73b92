"""Who a request comes from, as its signature proves."""

from __future__ import annotations

from typing import NamedTuple

from sagewright.wire.sigv4 import Identity


class Caller(NamedTuple):
    """Account, region and service of the credential scope, and the identity behind the key."""

    account: str
    region: str
    service: str
    access_key: str
    arn: str

    @classmethod
    def of(cls, identity: Identity) -> Caller:
        principal = identity.principal
        return cls(principal.account, identity.region, identity.service, principal.access_key, principal.arn)

    def document(self) -> dict[str, str]:
        """As it goes to control (docs/architecture.md, "Frames")."""
        return {
            "account": self.account,
            "region": self.region,
            "service": self.service,
            "access_key": self.access_key,
            "arn": self.arn,
        }
