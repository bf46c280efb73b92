"""All of it, and the password that ``docker login`` asks for.

Policies are kept and answered; like every policy they are not evaluated, and a lifecycle policy expires nothing.
"""

from __future__ import annotations

import base64

from sagewright.compute.oci.layout import Layout
from sagewright.kernel.operation import Context
from sagewright.neighbours.ecr.images import Images
from sagewright.neighbours.ecr.policies import Policies
from sagewright.neighbours.ecr.repositories import Repositories
from sagewright.neighbours.requests import Handlers
from sagewright.store.database import Store
from sagewright.store.rows import Document
from sagewright.wire.credentials import Keyring

_SECONDS = 12 * 3600.0
"""How long a password lasts (ECR API, GetAuthorizationToken)."""


class Ecr:
    """The operations of service ``ecr``. ``url`` is where clients reach this server, which is the registry's address, too."""

    def __init__(self, store: Store, keyring: Keyring, layout: Layout, url: str) -> None:
        self._keyring = keyring
        self._url = url
        authority = url.partition("://")[2]
        self._parts = (Repositories(store, layout, authority), Images(store, layout), Policies(store))

    def operations(self) -> Handlers:
        """Handlers by operation."""
        found = {name: handler for part in self._parts for name, handler in part.operations().items()}
        return {"GetAuthorizationToken": self.get_authorization_token, **found}

    async def get_authorization_token(self, context: Context, request: Document) -> Document:
        """GetAuthorizationToken. The password is for the account and region that asked, or each account that was named."""
        accounts = request.get("registryIds") or [context.world.account]
        return {"authorizationData": [self._authorization(context, account) for account in accounts]}

    def _authorization(self, context: Context, account: str) -> Document:
        expires = context.now + _SECONDS
        password = self._keyring.registry_password(account, context.world.region, context.caller.arn, expires)
        token = base64.b64encode(f"AWS:{password}".encode()).decode()
        return {"authorizationToken": token, "expiresAt": expires, "proxyEndpoint": self._url}
