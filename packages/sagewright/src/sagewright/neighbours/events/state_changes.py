"""What SageMaker tells EventBridge: a resource that is worked on has another status (DG automating-sagemaker-with-eventbridge)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sagewright.kernel.catalog import Catalog
from sagewright.kernel.kind import Kind
from sagewright.neighbours.events import bus
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource

SOURCE = "aws.sagemaker"
_KINDS: Mapping[str, str] = {
    "TrainingJob": "Training Job",
    "ProcessingJob": "Processing Job",
    "TransformJob": "Transform Job",
    "HyperParameterTuningJob": "HyperParameter Tuning Job",
    "Endpoint": "Endpoint",
}
"""By the words of ``SageMaker … State Change``."""
_TIMES = ("CreationTime", "LastModifiedTime", "StartTime", "EndTime")


class StateChanges:
    """Told by the controller loop of every row that it writes."""

    def __init__(self, catalog: Catalog) -> None:
        self._describe: dict[str, tuple[Kind, Callable[[Any], Document]]] = {
            kind.name: (kind, catalog.projection(kind, kind.describe))
            for kind in catalog
            if kind.name in _KINDS and kind.describe is not None
        }
        self._catalog = catalog

    def __call__(self, transaction: Transaction, before: Resource, after: Resource) -> None:
        """Sends an event if the status, or the secondary status, is another one than before, or that of an endpoint's variants."""
        if after.kind not in self._describe:
            return
        if _status(before) != _status(after):
            self._send(transaction, after, _KINDS[after.kind])
        if after.kind == "Endpoint" and _stages(before) != _stages(after):
            self._send(transaction, after, "Endpoint Deployment")

    def _send(self, transaction: Transaction, after: Resource, words: str) -> None:
        detail = _told(self._document(transaction, after))
        sent = bus.event(after.world, SOURCE, f"SageMaker {words} State Change", detail, [after.arn], after.modified)
        bus.send(transaction, after.world, sent, after.modified)

    def _document(self, transaction: Transaction, resource: Resource) -> Document:
        """As Describe answers, with the tags."""
        kind, project = self._describe[resource.kind]
        document = project(self._catalog.document(kind, resource))
        return {**document, "Tags": transaction.tags.get(resource.arn)}


def _status(resource: Resource) -> tuple[str, str]:
    return resource.state, str(resource.status.get("SecondaryStatus", ""))


def _stages(resource: Resource) -> list[tuple[str, Any, Any]]:
    """Where the deployment of each of an endpoint's variants stands: API ProductionVariantStatus and when it began."""
    pending = resource.status.get("PendingDeploymentSummary", {}).get("ProductionVariants", [])
    variants = [*resource.status.get("ProductionVariants", []), *pending]
    return [
        (variant["VariantName"], stage["Status"], stage.get("StartTime"))
        for variant in variants
        for stage in variant.get("VariantStatus", [])
    ]


def _told(value: Any, name: str = "") -> Any:
    """Times are milliseconds, and the status of an endpoint is IN_SERVICE instead of InService."""
    if isinstance(value, dict):
        return {key: _told(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_told(item) for item in value]
    if isinstance(value, float) and name.endswith(_TIMES):
        return int(value * 1000)
    if name == "EndpointStatus":
        return "".join(f"_{letter}" if letter.isupper() else letter for letter in value).lstrip("_").upper()
    return value
