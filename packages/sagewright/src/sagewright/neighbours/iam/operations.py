"""The operations of service ``iam``."""

from __future__ import annotations

from sagewright.neighbours.iam.policies import Policies
from sagewright.neighbours.iam.role_policies import RolePolicies
from sagewright.neighbours.iam.roles import Roles
from sagewright.neighbours.iam.simulation import Principals
from sagewright.neighbours.requests import Handlers
from sagewright.store.database import Store


class Iam:
    """All of them, from the module of each noun."""

    def __init__(self, store: Store) -> None:
        self._parts = (Roles(store), RolePolicies(store), Policies(store), Principals(store))

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {name: handler for part in self._parts for name, handler in part.operations().items()}
