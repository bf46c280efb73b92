"""What to do next with an edge packaging job. Pure: a row, one look at the world and the time give a plan. The first line that fits decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sagewright.jobs import steps
from sagewright.jobs.progress import CAPITALS, FAILURE_REASON_LIMIT
from sagewright.jobs.sight import Remove
from sagewright.kernel.controller import Plan
from sagewright.kernel.errands import ABSENT, Errand
from sagewright.store.rows import Resource

TERMINAL = CAPITALS.terminal


@dataclass(frozen=True, slots=True)
class Sight:
    """One look: how far the errand is, and what it left on disk once the package lies in S3 (ModelArtifact, ModelSignature, Checksum)."""

    errand: Errand = ABSENT
    packaged: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """Begins to bring the artefact, seal it and ship the package."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Drops how the errand ended, so that it can be begun again."""


Action = Package | Forget | Remove


def plan(resource: Resource, sight: Sight, now: float) -> Plan[Action]:
    """See the module docstring."""
    status, errand = resource.status, sight.errand
    if resource.state in TERMINAL:
        return Plan(actions=(Remove(),))
    if resource.state == "STOPPING":
        return Plan(actions=(Remove(),), status=status, state="STOPPED")
    if sight.packaged is not None:
        return Plan(status={**status, **sight.packaged}, state="COMPLETED", due=now)
    if errand.state == "failed" and not errand.retry:
        return Plan(
            status={**status, "EdgePackagingJobStatusMessage": errand.problem[:FAILURE_REASON_LIMIT]}, state="FAILED", due=now
        )
    if errand.state == "failed":
        return Plan(actions=(Forget(),), due=now + steps.RETRY_SECONDS)
    if resource.state == "STARTING":
        return Plan(status=status, state="INPROGRESS", due=now)
    if errand.state == "absent":
        return Plan(actions=(Package(),), due=now + steps.SOON_SECONDS)
    if errand.state == "done":  # and yet nothing on disk
        return Plan(actions=(Forget(),), due=now + steps.RETRY_SECONDS)
    return Plan(due=now + steps.WAIT_SECONDS)
