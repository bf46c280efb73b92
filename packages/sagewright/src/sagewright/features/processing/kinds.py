"""What the platform writes into a new processing job, and what the engine must know about the kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.features.processing.plan import created
from sagewright.features.processing.view import DEFAULT_MAX_RUNTIME
from sagewright.kernel.operation import Context
from sagewright.store.rows import Document


def filled(_: Context, spec: Document) -> Document:
    """The first status, and members that AWS answers although they were not sent (API DescribeProcessingJob)."""
    return {**created(), "StoppingCondition": {"MaxRuntimeInSeconds": DEFAULT_MAX_RUNTIME, **spec.get("StoppingCondition", {})}}


QUIRKS: Mapping[str, Mapping[str, Any]] = {"ProcessingJob": {"fills": (filled,)}}
"""For Engine(quirks=…), added to what kernel/quirks says about the kind."""
