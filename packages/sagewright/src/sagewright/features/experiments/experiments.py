"""Inference experiments as one part: what the composition root makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.features.experiments.controller import ExperimentController
from sagewright.features.experiments.operations import ExperimentOperations
from sagewright.features.experiments.rules import QUIRKS, RULES
from sagewright.features.experiments.settings import KIND
from sagewright.kernel.catalog import Catalog
from sagewright.kernel.client import Client
from sagewright.kernel.kind import Rule
from sagewright.kernel.operation import Operations
from sagewright.store.database import Store


class Experiments:
    """Controller, rules and written operations of inference experiments. ``client`` changes their endpoints."""

    rules: Mapping[str, tuple[Rule, ...]] = RULES
    quirks: Mapping[str, Mapping[str, Any]] = QUIRKS

    def __init__(self, store: Store, client: Client) -> None:
        self._store = store
        self.controller = ExperimentController(client)

    def register(self, operations: Operations, catalog: Catalog) -> None:
        """Writes the operations that are not derived."""
        written = ExperimentOperations(catalog, self._store, operations.derived("sagemaker", f"Create{KIND}"))
        for verb in ("Create", "Start", "Stop", "Update", "Delete"):
            operations.write("sagemaker", f"{verb}{KIND}", getattr(written, verb.lower()))
