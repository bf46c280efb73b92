"""Registers every hand-written record operation."""

from __future__ import annotations

from sagewright.features.records.devices import Devices
from sagewright.features.records.empty_lists import EmptyLists
from sagewright.features.records.hubs import HubContents
from sagewright.features.records.images import ImageVersions
from sagewright.features.records.lineage import Lineage
from sagewright.features.records.lineage_groups import LineageGroups
from sagewright.features.records.model_cards import ModelCards
from sagewright.features.records.model_packages import ModelPackages
from sagewright.features.records.pipelines import Pipelines
from sagewright.features.records.public_hub import PublicHub
from sagewright.features.records.query import LineageQuery
from sagewright.features.records.teams import Teams
from sagewright.features.records.trials import Trials
from sagewright.kernel.engine import SERVICE, Engine
from sagewright.kernel.operation import Handler, Operations
from sagewright.objects.s3 import Objects


def register(engine: Engine, operations: Operations, objects: Objects | None = None) -> None:
    """``objects`` reads pipeline definitions that lie in S3; without it PipelineDefinitionS3Location is refused."""
    written: dict[str, Handler] = {
        **ImageVersions(engine).handlers(),
        **ModelPackages(engine).handlers(),
        **ModelCards(engine).handlers(),
        **PublicHub(engine).before({**HubContents(engine).handlers(), **_derived(operations, "CreateHub", "DescribeHub")}),
        **Pipelines(engine, objects).handlers(),
        **Trials(engine).handlers(),
        **Lineage(engine).handlers(),
        **LineageQuery(engine).handlers(),
        **LineageGroups(engine).handlers(),
        **EmptyLists(engine).handlers(),
        **Devices(engine).handlers(),
        **Teams(engine).handlers(),
    }
    for name, handler in written.items():
        operations.write(SERVICE, name, handler)


def _derived(operations: Operations, *names: str) -> dict[str, Handler]:
    return {name: handler for name in names if (handler := operations.find(SERVICE, name)) is not None}
