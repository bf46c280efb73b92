"""Inference components as one part: what the composition root makes of it."""

from __future__ import annotations

from pathlib import Path

from sagewright.compute.placement import Machine
from sagewright.features.components.controller import ComponentController, Routes
from sagewright.features.components.operations import ComponentOperations
from sagewright.features.components.rules import QUIRKS, RULES
from sagewright.kernel.engine import Engine
from sagewright.kernel.feature import Feature
from sagewright.kernel.operation import Operations
from sagewright.serving.ensemble import Replicas
from sagewright.store.database import Store

SERVICE = "sagemaker"


class Components(Feature):
    """Controller, rules and written operations of inference components. ``routes`` is where fronts find their copies."""

    rules = RULES
    quirks = QUIRKS

    def __init__(self, store: Store, replicas: Replicas, routes: Routes, jobs: Path, machine: Machine) -> None:
        self._store = store
        self.controller = ComponentController(store, replicas, routes, jobs, machine)

    def register(self, engine: Engine, operations: Operations) -> None:
        written = ComponentOperations(engine.catalog, self._store)
        operations.write(SERVICE, "UpdateInferenceComponent", written.update)
        operations.write(SERVICE, "UpdateInferenceComponentRuntimeConfig", written.resize)
        operations.write(SERVICE, "DeleteInferenceComponent", written.delete)
