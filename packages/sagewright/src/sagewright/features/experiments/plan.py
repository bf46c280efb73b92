"""What to do next with an inference experiment. Pure: a row, one look at its endpoint and the time give a plan.

Creating → Created → Starting (the endpoint gets the shadow variant) → Running → Stopping (it gets its former state, or the shadow is
promoted) → Completed or Cancelled. Updating lies between two of them. What a killed control must not forget is in the row's
status: ``Former``, the configuration before, and ``Asked``, whether what this stage deploys was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sagewright.features.experiments import configs
from sagewright.features.experiments.settings import ENDED, Settings
from sagewright.features.experiments.sight import Action, Deploy, Sample, Sight
from sagewright.kernel.controller import Plan
from sagewright.store.rows import Document, Resource

DEPLOYING = ("Creating", "Updating", "RollingBack", "SystemUpdating", "Deleting")
WAIT_SECONDS = 1.0
"""Between two looks at an endpoint that is being deployed."""
WATCH_SECONDS = 30.0
"""Between two looks at an endpoint whose experiment runs."""
GONE = "The endpoint was deleted while the experiment was running."
FAILED = "The endpoint could not be updated."
_VARIANTS = {"Creating": "Creating", "Created": "Creating", "Starting": "Creating", "Updating": "Updating"}


def plan(resource: Resource, sight: Sight, now: float) -> Plan[Action]:
    """See the module docstring."""
    if resource.state in ENDED:
        return Plan()
    draft = _Draft(resource, Settings.of(resource), sight, now, resource.state, dict(resource.status))
    if sight.refusal:
        draft.end("Cancelled", sight.refusal)
    else:
        _STEPS[resource.state](draft)
    return draft.plan()


@dataclass(slots=True)
class _Draft:
    """A plan in the making; lives for one call of ``plan``."""

    resource: Resource
    settings: Settings
    sight: Sight
    now: float
    state: str
    status: Document
    actions: list[Action] = field(default_factory=list)
    due: float | None = None

    def creating(self) -> None:
        """There is nothing to make before its time has come."""
        self.state, self.due = "Created", self.now

    def created(self) -> None:
        """It starts when its time has come."""
        if self.now >= self.settings.start:
            self.state = "Starting"
        self.due = max(self.settings.start, self.now)

    def starting(self) -> None:
        """The endpoint's configuration is kept, then the one with the shadow is deployed."""
        if self.sight.endpoint is not None and self.sight.endpoint["EndpointStatus"] in DEPLOYING:
            self.due = self.now + WAIT_SECONDS
        elif "Former" not in self.status:
            self.status["Former"] = configs.former(self.resource, self.sight.endpoint, self.sight.config)
            self.due = self.now
        elif self.deployed(configs.shadowing(self.resource, self.settings, self.status["Former"])):
            self.state, self.due = "Running", self.now
            self.status["Schedule"] = {"StartTime": self.now, "EndTime": self.settings.end}

    def running(self) -> None:
        """Until its time is over; then the endpoint returns to its former state."""
        if self.sight.endpoint is None:
            self.end("Cancelled", GONE)
        elif self.now >= self.settings.end:
            self.state, self.due = "Stopping", self.now
        else:
            self.due = min(self.settings.end, self.now + WATCH_SECONDS)

    def updating(self) -> None:
        """The share of the calls that are copied is the one thing that changes while it runs."""
        if self.sight.endpoint is None:
            self.end("Cancelled", GONE)
        elif self.sight.endpoint["EndpointStatus"] in DEPLOYING:
            self.due = self.now + WAIT_SECONDS
        elif self.sampled() == self.settings.sampling:
            self.state, self.due = "Running", self.now
        else:
            self.actions.append(Sample(self.settings.endpoint, self.settings.shadow, self.settings.sampling))
            self.due = self.now + WAIT_SECONDS

    def stopping(self) -> None:
        """What the request says becomes of the variants."""
        stop = self.resource.spec.get("Stop", {})
        reason = stop.get("Reason", "")
        if "Former" not in self.status:  # it had not begun
            self.end(stop.get("DesiredState", "Cancelled"), reason)
            return
        config = configs.afterwards(self.resource, self.settings, self.status["Former"], stop)
        if self.sight.endpoint is None or config is None or self.deployed(config):
            self.end(stop.get("DesiredState", "Completed"), reason)

    def sampled(self) -> float | None:
        """The part of the calls that the shadow variant gets copies of now."""
        shadows = self.sight.endpoint.get("ShadowProductionVariants", ()) if self.sight.endpoint else ()
        return next((entry["CurrentWeight"] for entry in shadows if entry["VariantName"] == self.settings.shadow), None)

    def deployed(self, config: Document) -> bool:
        """Whether the endpoint runs this; asks for it once, and ends the experiment when it fails."""
        endpoint = self.sight.endpoint
        if endpoint is not None and endpoint["EndpointStatus"] in DEPLOYING:
            self.due = self.now + WAIT_SECONDS
        elif endpoint is not None and endpoint["EndpointConfigName"] == config["EndpointConfigName"]:
            self.status.pop("Asked", None)
            if endpoint["EndpointStatus"] == "InService":
                return True
            self.end("Cancelled", endpoint.get("FailureReason", FAILED))
        elif self.status.get("Asked"):
            self.end("Cancelled", endpoint.get("FailureReason", FAILED) if endpoint else GONE)
        else:
            self.status["Asked"] = True
            self.actions.append(Deploy(self.settings.endpoint, config))
            self.due = self.now + WAIT_SECONDS
        return False

    def end(self, state: str, reason: str) -> None:
        """It is over."""
        self.state, self.due = state, None
        self.status.pop("Asked", None)
        self.status["CompletionTime"] = self.now
        if "Schedule" in self.status:
            self.status["Schedule"] = {**self.status["Schedule"], "EndTime": self.now}
        if reason:
            self.status["StatusReason"] = reason[:1024]

    def plan(self) -> Plan[Action]:
        """The plan as the loop takes it."""
        self.status["EndpointMetadata"] = _metadata(self.settings.endpoint, self.sight.endpoint)
        self.status["ModelVariants"] = [
            {**variant, "Status": self._variant(name)} for name, variant in self.settings.variants.items()
        ]
        changed = self.status != self.resource.status
        state = self.state if self.state != self.resource.state else None
        return Plan(tuple(self.actions), self.status if changed else None, state, self.due)

    def _variant(self, name: str) -> str:
        """API ModelVariantConfigSummary."""
        if self.state not in (*ENDED, "Stopping"):
            return _VARIANTS.get(self.state, "InService")
        actions = self.resource.spec.get("Stop", {}).get("ModelVariantActions", {})
        if actions.get(name, "Remove" if name == self.settings.shadow else "Retain") != "Remove":
            return "InService"
        return "Deleted" if self.state in ENDED else "Deleting"


_STEPS = {
    "Creating": _Draft.creating,
    "Created": _Draft.created,
    "Starting": _Draft.starting,
    "Running": _Draft.running,
    "Updating": _Draft.updating,
    "Stopping": _Draft.stopping,
}


def _metadata(name: str, endpoint: Document | None) -> Document:
    """API EndpointMetadata."""
    told = ("EndpointConfigName", "EndpointStatus", "FailureReason")
    return {"EndpointName": name, **{member: endpoint[member] for member in told if endpoint and member in endpoint}}
