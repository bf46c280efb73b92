"""Composition of processing jobs: the only file here that knows all the others."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sagewright.features.processing.answers import Answers
from sagewright.features.processing.delivery import Delivery
from sagewright.features.processing.intake import Intake
from sagewright.features.processing.kinds import QUIRKS
from sagewright.features.processing.look import Look
from sagewright.features.processing.operations import KIND, written
from sagewright.features.processing.outcome import PROGRESS
from sagewright.features.processing.plan import COURSE
from sagewright.features.processing.program import program
from sagewright.features.processing.sources import synchronised
from sagewright.jobs.controller import JobController
from sagewright.jobs.feature import JobFeature
from sagewright.jobs.ground import Ground


def processing(ground: Ground, tables: Path) -> JobFeature:
    """Controller and written operations; ``tables`` is settings.tables."""
    intake = Intake(ground.objects, ground.jobs, ground.environments, Answers(ground.objects, tables))
    send = Delivery(ground.objects, ground.jobs).send
    # A container says nothing of its failure but its message, which is no sign of when it failed.
    workshop = ground.workshop(KIND, PROGRESS.terminal, program, intake.bring, send, failure="", synchronised=synchronised)
    controller = JobController(workshop, COURSE, Look(workshop))
    return JobFeature(controller, partial(written, ground), rules={}, quirks=QUIRKS)
