"""Inference experiments as one part: what the composition root makes of them."""

from __future__ import annotations

from sagewright.features.experiments.controller import ExperimentController
from sagewright.features.experiments.operations import ExperimentOperations
from sagewright.features.experiments.rules import QUIRKS, RULES
from sagewright.features.experiments.settings import KIND
from sagewright.kernel.client import Client
from sagewright.kernel.engine import Engine
from sagewright.kernel.feature import Feature
from sagewright.kernel.operation import Operations
from sagewright.store.database import Store


class Experiments(Feature):
    """Controller, rules and written operations of inference experiments. ``client`` changes their endpoints."""

    rules = RULES
    quirks = QUIRKS

    def __init__(self, store: Store, client: Client) -> None:
        self._store = store
        self.controller: ExperimentController = ExperimentController(client)

    def register(self, engine: Engine, operations: Operations) -> None:
        written = ExperimentOperations(engine.catalog, self._store, operations.derived("sagemaker", f"Create{KIND}"))
        for verb in ("Create", "Start", "Stop", "Update", "Delete"):
            operations.write("sagemaker", f"{verb}{KIND}", getattr(written, verb.lower()))
