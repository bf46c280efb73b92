"""Composition of optimization jobs."""

from __future__ import annotations

from collections.abc import Mapping

from sagewright.features.optimization.delivery import Delivery
from sagewright.features.optimization.intake import Intake
from sagewright.features.optimization.job import program
from sagewright.features.optimization.plan import COURSE, PROGRESS, created
from sagewright.features.optimization.rules import check
from sagewright.jobs.controller import JobController
from sagewright.jobs.endings import Endings
from sagewright.jobs.feature import JobFeature
from sagewright.jobs.ground import Ground
from sagewright.kernel.engine import Engine
from sagewright.kernel.feature import Quirks
from sagewright.kernel.kind import Rule
from sagewright.kernel.operation import Handler, Operations

KIND = "OptimizationJob"
RULES: Mapping[str, tuple[Rule, ...]] = {"CreateOptimizationJob": (check,)}
QUIRKS: Quirks = {KIND: {"fills": (created,)}}


def optimization(ground: Ground) -> JobFeature:
    """Controller, rules and written operations."""
    bring = Intake(ground.store, ground.objects, ground.jobs).bring
    workshop = ground.workshop(KIND, PROGRESS.terminal, program, bring, Delivery(ground.objects, ground.jobs).send)
    return JobFeature(JobController(workshop, COURSE, workshop.look), _written, rules=RULES, quirks=QUIRKS)


def _written(engine: Engine, operations: Operations) -> dict[str, Handler]:
    return Endings.of(PROGRESS, engine, KIND, refusal="ValidationException").handlers()
