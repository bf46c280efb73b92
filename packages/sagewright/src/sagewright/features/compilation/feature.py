"""Composition of compilation jobs."""

from __future__ import annotations

from collections.abc import Mapping

from sagewright.features.compilation.delivery import Delivery
from sagewright.features.compilation.intake import Intake
from sagewright.features.compilation.job import program
from sagewright.features.compilation.plan import COURSE, PROGRESS, created
from sagewright.features.compilation.rules import check
from sagewright.jobs.controller import JobController
from sagewright.jobs.endings import Endings
from sagewright.jobs.feature import JobFeature
from sagewright.jobs.ground import Ground
from sagewright.kernel.engine import Engine
from sagewright.kernel.feature import Quirks
from sagewright.kernel.kind import Rule
from sagewright.kernel.operation import Handler, Operations

KIND = "CompilationJob"
RULES: Mapping[str, tuple[Rule, ...]] = {"CreateCompilationJob": (check,)}
QUIRKS: Quirks = {KIND: {"fills": (created,)}}


def compilation(ground: Ground) -> JobFeature:
    """Controller, rules and written operations."""
    bring, send = Intake(ground.objects, ground.jobs).bring, Delivery(ground.objects, ground.jobs).send
    workshop = ground.workshop(KIND, PROGRESS.terminal, program, bring, send)
    return JobFeature(JobController(workshop, COURSE, workshop.look), _written, rules=RULES, quirks=QUIRKS)


def _written(engine: Engine, operations: Operations) -> dict[str, Handler]:
    return Endings.of(PROGRESS, engine, KIND, refusal="ValidationException").handlers()
