"""What to do next with a job that is some containers from their input to their output. Pure: a row, one look at the world and the time
give a plan.

Read from the top: the first line that fits decides. Nothing is inferred from what was planned before except what the row
says, so a restart of control, a lost race and the happy path are the same path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sagewright.jobs import steps
from sagewright.jobs.progress import Outcome, Progress
from sagewright.jobs.sight import Action, Download, ErrandName, Forget, JobSight, Remove, Reserve, Start, Upload
from sagewright.kernel.controller import Plan
from sagewright.kernel.errands import Errand
from sagewright.store.rows import Resource

Seen = TypeVar("Seen", bound=JobSight)
JobPlan = Plan[Action]


@dataclass(frozen=True, slots=True)
class Course(Generic[Seen]):
    """What differs from kind to kind.

    ``max_runtime`` of a spec in seconds, ``grace`` in seconds between SIGTERM and SIGKILL. ``outcome`` of containers that run no more;
    its second argument says whether they were told to stop. ``lost``: the FailureReason of one that left no trace.
    """

    progress: Progress
    max_runtime: Callable[[Mapping[str, Any]], float]
    outcome: Callable[[Seen, bool], Outcome]
    lost: str
    grace: float

    def plan(self, resource: Resource, sight: Seen, now: float) -> JobPlan:
        """See the module docstring."""
        status, run = resource.status, resource.status.get("Run", {})
        if resource.state == "Deleting":
            return Plan(actions=(Remove(),), remove=True)
        if resource.state in self.progress.terminal:
            return Plan(actions=(Remove(),))
        if "Outcome" in run:
            return self._uploading(resource, sight, now)
        if "Stream" not in run and sight.begun:
            return self._save(self._begun(resource, now), due=now)  # a save was lost: the row is older than the container
        # While containers are being started there may be one more at any moment, which nobody would have told to end.
        ending = ("Stop" in run or sight.failure is not None) and sight.start.state != "running"
        settled = sight.complete or ending
        if sight.begun and settled and not sight.running:
            outcome = self.outcome(sight, "Stop" in run)
            return self._save(self.progress.settled(status, outcome), self._upload(outcome), due=now + steps.SOON_SECONDS)
        if "Stop" not in run and "Abandoned" not in run and now >= self._deadline(resource):
            return self._save(self.progress.stopping(status), due=now)
        if sight.running and settled:
            return self._running(resource, sight, now)
        if "Stop" in run and sight.start.state != "running":
            return self._end(status, self.progress.stopped(), now)
        if not sight.placed or "Stream" not in run:
            return self._place(resource, sight, now)
        return self._preparing(resource, sight, now)

    def _place(self, resource: Resource, sight: Seen, now: float) -> JobPlan:
        """Takes places on the machine, or waits for them."""
        if sight.waiting and not sight.placed and not sight.begun:
            return Plan(due=now + steps.WAIT_SECONDS)
        actions: tuple[Action, ...] = (Reserve(adopted=sight.begun), Download())
        if "Stream" in resource.status.get("Run", {}):
            return Plan(actions=actions, due=now + steps.SOON_SECONDS)
        return self._save(self._begun(resource, now), *actions, due=now + steps.SOON_SECONDS)

    def _preparing(self, resource: Resource, sight: Seen, now: float) -> JobPlan:
        """Data comes in, then the containers are started. What is not there outside the job (S3, mostly) is tried again."""
        errands: tuple[tuple[ErrandName, Errand], ...] = (("download", sight.download), ("start", sight.start))
        for name, errand in errands:
            if errand.state == "failed" and not errand.retry:
                return self._end(resource.status, self.progress.failed(errand.problem), now)
            if errand.state == "failed":
                return Plan(actions=(Forget(name),), due=now + steps.RETRY_SECONDS)
        if sight.download.state == "absent":
            return Plan(actions=(Download(),), due=now + steps.SOON_SECONDS)
        if sight.download.state == "running" or sight.start.state == "running":
            return Plan(due=min(now + steps.WAIT_SECONDS, self._deadline(resource)))
        if sight.start.state == "absent":
            return Plan(actions=(Start(),), due=now + steps.SOON_SECONDS)
        return self._end(resource.status, self.progress.failed(self.lost), now)  # started, and yet no trace of some of them

    def _running(self, resource: Resource, sight: Seen, now: float) -> JobPlan:
        """Containers run: their signals are followed and, when they have to end, they are told so."""
        status, run, member = resource.status, resource.status["Run"], self.progress.member
        actions = steps.following(sight)
        if "Stop" in run:
            telling = self.progress.signalled(status, now)
            return steps.told(member, telling, run["Stop"].get("Signalled"), self.grace, actions, now)
        if sight.failure is not None:
            telling = self.progress.abandoned(status, now)
            return steps.told(member, telling, run.get("Abandoned"), steps.PEERS_GRACE_SECONDS, actions, now)
        due = now + steps.pace(now - (sight.started or now))
        return Plan(actions=actions, due=min(due, self._deadline(resource)))

    def _uploading(self, resource: Resource, sight: Seen, now: float) -> JobPlan:
        """The last lines and the outputs go out; only then is the job over, so that who sees the end sees everything."""
        outcome = resource.status["Run"]["Outcome"]
        match sight.upload:
            case Errand(state="absent"):
                return Plan(actions=(self._upload(outcome),), due=now + steps.SOON_SECONDS)
            case Errand(state="running"):
                return Plan(due=now + steps.WAIT_SECONDS)
            case Errand(state="failed", retry=True):
                return Plan(actions=(Forget("upload"),), due=now + steps.RETRY_SECONDS)
            case Errand(state="failed") if outcome["Status"] != self.progress.words.failed:
                return self._end(resource.status, {**outcome, **self.progress.failed(sight.upload.problem)}, now)
        return self._end(resource.status, outcome, now)

    def _upload(self, outcome: Outcome) -> Upload:
        return Upload(outcome["Status"] == self.progress.words.completed)

    def _end(self, status: Mapping[str, Any], outcome: Outcome, now: float) -> JobPlan:
        """The last status is written first and the run folder removed at the next look: a crash between loses nothing."""
        return self._save(self.progress.finished(status, outcome, now), due=now)

    def _save(self, status: Mapping[str, Any], *actions: Action, due: float) -> JobPlan:
        return steps.save(self.progress.member, status, *actions, due=due)

    def _begun(self, resource: Resource, now: float) -> dict[str, Any]:
        """Log streams are named ``<job>/algo-1-<epoch>`` (DG logging-cloudwatch); the name is kept, so that each is one stream."""
        return self.progress.begun(resource.status, f"{resource.name}/algo-1-{int(now)}", now)

    def _deadline(self, resource: Resource) -> float:
        return float(resource.status.get(self.progress.began, float("inf"))) + self.max_runtime(resource.spec)
