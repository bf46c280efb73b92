"""Application Auto Scaling as one part: what the composition root makes of it."""

from __future__ import annotations

from typing import Any

from sagewright.kernel.client import Client
from sagewright.kernel.controller import Controller
from sagewright.neighbours.autoscaling.capacity import Capacities
from sagewright.neighbours.autoscaling.controller import TargetController
from sagewright.neighbours.autoscaling.policies import Policies
from sagewright.neighbours.autoscaling.schedules import ScheduleController, Schedules
from sagewright.neighbours.autoscaling.targets import Targets
from sagewright.neighbours.requests import Handlers
from sagewright.store.database import Store


class Autoscaling:
    """Operations and controllers. ``client`` is SageMaker's API; ``minute``: seconds that stand for AWS's minute."""

    def __init__(self, store: Store, client: Client, minute: int) -> None:
        capacities = Capacities(client)
        self._parts = (Targets(store, capacities), Policies(store, minute), Schedules(store))
        self.controllers: tuple[Controller[Any, Any], ...] = (TargetController(store, capacities), ScheduleController(store))

    def operations(self) -> Handlers:
        """Handlers by operation, of service ``application-autoscaling``."""
        return {name: handler for part in self._parts for name, handler in part.operations().items()}
