"""Inference components as one part: what the composition root makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagewright.compute.placement import Machine
from sagewright.features.components.controller import ComponentController, Routes
from sagewright.features.components.operations import ComponentOperations
from sagewright.features.components.rules import QUIRKS, RULES
from sagewright.kernel.catalog import Catalog
from sagewright.kernel.kind import Rule
from sagewright.kernel.operation import Operations
from sagewright.serving.ensemble import Replicas
from sagewright.store.database import Store

SERVICE = "sagemaker"


class Components:
    """Controller, rules and written operations of inference components. ``routes`` is where fronts find their copies."""

    rules: Mapping[str, tuple[Rule, ...]] = RULES
    quirks: Mapping[str, Mapping[str, Any]] = QUIRKS

    def __init__(self, store: Store, replicas: Replicas, routes: Routes, jobs: Path, machine: Machine) -> None:
        self._store = store
        self.controller = ComponentController(store, replicas, routes, jobs, machine)

    def register(self, operations: Operations, catalog: Catalog) -> None:
        """Writes the operations that are not derived."""
        written = ComponentOperations(catalog, self._store)
        operations.write(SERVICE, "UpdateInferenceComponent", written.update)
        operations.write(SERVICE, "UpdateInferenceComponentRuntimeConfig", written.resize)
        operations.write(SERVICE, "DeleteInferenceComponent", written.delete)
